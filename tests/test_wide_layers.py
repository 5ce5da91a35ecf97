"""Layers larger than the caches, which products go through in blocks: scikit-learn's numbers, on any number of threads.

The sizes cross the edges of every block (src/linalg/dense/blocks.rs): of the depth, of panels and of rows; none is a
multiple of another.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import neural_network

from rustbp import MLPClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

HIDDEN = (517, 611)
RNG = np.random.default_rng(17)
X = RNG.standard_normal((310, 141))
Y = X[:, :37].argmax(1)
SOLVERS = [("tanh", "sgd"), ("relu", "adam")]


def parameters(activation, solver):
    # The second batch is a short one.
    return {
        "hidden_layer_sizes": HIDDEN,
        "activation": activation,
        "solver": solver,
        "batch_size": 203,
        "learning_rate_init": 0.003,
        "max_iter": 3,
        "random_state": 0,
    }


@pytest.mark.parametrize(("activation", "solver"), SOLVERS)
def test_what_scikit_learn_gives(assert_same_fit, activation, solver):
    theirs = neural_network.MLPClassifier(**parameters(activation, solver)).fit(X, Y)
    ours = MLPClassifier(**parameters(activation, solver)).fit(X, Y)
    assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-7)
    assert_same_fit(theirs, ours, X)


@pytest.mark.parametrize("hidden", [HIDDEN, (300, 250)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, "bfloat16"])
@pytest.mark.parametrize(("activation", "solver"), SOLVERS)
def test_the_same_bits_on_any_number_of_threads(hidden, dtype, activation, solver):
    """With fewer rows each, threads transpose errors in place of weights: in the smaller net, from three threads on."""
    half = dtype == "bfloat16"
    rows = X.astype(np.float32 if half else dtype)

    def fit(n_threads):
        options = parameters(activation, solver) | {"hidden_layer_sizes": hidden, "max_iter": 2}
        if half:
            options["compute"] = "bfloat16"
        return MLPClassifier(**options, n_threads=n_threads).fit(rows, Y)

    try:
        alone = fit(1)
    except ValueError as refused:
        if "needs a processor with AVX512-BF16" not in str(refused):
            raise
        pytest.skip("the processor lacks AVX512-BF16")
    for n_threads in (2, 3, 5, 8, 16):
        together = fit(n_threads)
        assert together.loss_curve_ == alone.loss_curve_
        for ours, expected in zip(together.coefs_, alone.coefs_, strict=True):
            assert_array_equal(ours, expected, err_msg=f"{n_threads} threads")
