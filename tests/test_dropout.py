"""Dropout: gradients with the masks fixed, the same bits on any number of threads, and what it does for overfitting.

How random the masks are is tested where they are made, in `src/backprop/dropout.rs`.
"""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.datasets import load_digits

from rustbp import MLPClassifier, MLPRegressor, _core, backprop

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
# Differences of fourth order.
STEP, STENCIL = 2e-4, {-2: 1 / 12, -1: -2 / 3, 1: 2 / 3, 2: -1 / 12}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X / 16, y


def network(*sizes):
    rng = np.random.default_rng(0)
    coefs = [rng.normal(0, 0.7, shape) for shape in pairwise(sizes)]
    return rng, coefs, [rng.normal(0, 0.3, size) for size in sizes[1:]]


@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", ["selu", "mish"], "logistic"])
def test_gradients_with_the_masks_fixed(activation):
    rng, coefs, intercepts = network(4, 9, 8, 3)
    X, y = rng.normal(size=(11, 4)), rng.integers(3, size=11)
    options = {
        "activation": activation,
        "output_activation": "softmax",
        "cost": "log_loss",
        "alpha": 0.2,
        "dropout": [0.5, 0.3],
        "dropout_seed": 3,
    }

    def shown():
        return _core.backprop(X, y, coefs, intercepts, **options)

    start = shown()
    dropped = [a == 0 for a in start["a"][:-1]]
    for mask, rate in zip(dropped, (0.5, 0.3), strict=True):
        assert 0.5 * rate < mask.mean() < 0.85
        assert not mask.all()
    exact = start["grad_w"] + start["grad_b"]
    for array, gradient in zip(coefs + intercepts, exact, strict=True):
        for at in np.ndindex(array.shape):
            before, difference = array[at], 0.0
            for steps, factor in STENCIL.items():
                array[at] = before + steps * STEP
                there = shown()
                difference += factor * (there["cost"] + there["penalty"]) / STEP
            array[at] = before
            assert abs(gradient[at] - difference) <= 1e-6 * max(1.0, abs(difference))


def test_training_takes_the_masks_of_its_updates():
    """The first update is that of the gradient with the masks of its seed, the second has others."""
    rng, coefs, intercepts = network(4, 9, 8, 3)
    X, y = rng.normal(size=(11, 4)), rng.integers(3, size=11)
    names = {"activation": "tanh", "output_activation": "softmax", "cost": "log_loss"}
    drop = {"dropout": [0.5, 0.0], "dropout_seed": 3}
    trainer = _core.Trainer(
        coefs,
        intercepts,
        learning_rate=0.1,
        hyperparameters={"momentum": 0.0, "nesterov": 0.0},
        **names,
        **drop,
    )
    for is_first in (True, False):
        before = trainer.coefs() + trainer.intercepts()
        shown = _core.backprop(X, y, before[:3], before[3:], **names, **drop)
        trainer.epoch(X, y, None, len(X))
        gradient = shown["grad_w"] + shown["grad_b"]
        after = trainer.coefs() + trainer.intercepts()
        steps = zip(before, after, gradient, strict=True)
        assert is_first == all(np.allclose(a, b - 0.1 * g, rtol=1e-10) for b, a, g in steps)
    # What predicts drops nothing.
    after = trainer.coefs() + trainer.intercepts()
    output = _core.forward(X, after[:3], after[3:], **{k: names[k] for k in list(names)[:2]})
    assert_array_equal(trainer.predict(X), output)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("hidden", "batch_size", "activation", "sparse"),
    [
        # By rows; in halves; by neurons (many inputs, small batches); and without the zeros of hidden layers.
        ((64, 32), 150, "relu", False),
        ((64, 64), 200, "gelu", False),
        ((48,), 10, "tanh", False),
        ((48,), 10, "mish", False),
        ((300, 100), 64, ["relu", "elu"], False),
        ((64, 32), 150, "silu", True),
    ],
)
def test_any_number_of_threads_gives_the_same(
    digits, hidden, batch_size, activation, sparse, dtype
):
    X, y = digits[0][:600].astype(dtype), digits[1][:600]
    if batch_size == 10:
        X, y = np.tile(X, 13)[:300], y[:300]
    options = {
        "activation": activation,
        "batch_size": batch_size,
        "max_iter": 2,
        "random_state": 0,
        "dropout": 0.3,
    }
    rows = csr_matrix(X) if sparse else X
    fits = [MLPClassifier(hidden, n_threads=n, **options).fit(rows, y) for n in (1, 2, 3)]
    for other in fits[1:]:
        for one, two in zip(fits[0].coefs_, other.coefs_, strict=True):
            assert_array_equal(one, two)
    none = MLPClassifier(hidden, **options | {"dropout": 0.0}).fit(rows, y)
    assert np.abs(fits[0].coefs_[0] - none.coefs_[0]).max() > 1e-4


def test_sparse_rows_are_dropped_alike(digits):
    X, y = digits[0][:400], digits[1][:400]
    options = {"dropout": [0.4, 0.2], "max_iter": 3, "random_state": 1}
    dense, sparse = (MLPClassifier((50, 20), **options).fit(rows, y) for rows in (X, csr_matrix(X)))
    for one, two in zip(dense.coefs_, sparse.coefs_, strict=True):
        assert_allclose(one, two, rtol=1e-9, atol=1e-12)


def test_without_it_nothing_is_drawn(digits):
    X, y = digits[0][:300], digits[1][:300]
    options = {"max_iter": 2, "random_state": 0}
    plain = MLPClassifier(**options).fit(X, y)
    for rates in (0.0, [0.0]):
        none = MLPClassifier(dropout=rates, **options).fit(X, y)
        assert_array_equal(none.coefs_[0], plain.coefs_[0])


def test_it_keeps_a_net_from_overfitting(digits):
    X, y = digits
    rng = np.random.default_rng(0)
    y = np.where(rng.random(len(y)) < 0.25, rng.integers(10, size=len(y)), y)
    train, test = slice(0, 500), slice(900, None)
    options = {"learning_rate_init": 0.01, "max_iter": 150, "tol": 0, "n_iter_no_change": 150}
    scores = {}
    for dropout in (0.0, 0.5):
        model = MLPClassifier((200,), dropout=dropout, random_state=0, **options)
        model.fit(X[train], y[train])
        scores[dropout] = model.score(X[train], y[train]), model.score(X[test], y[test])
    assert scores[0.0][0] > 0.99
    assert scores[0.5][1] > scores[0.0][1] + 0.02


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_partial_fit_goes_on(digits, estimator):
    X, y = digits[0][:200], digits[1][:200]
    model = estimator(hidden_layer_sizes=(20,), dropout=0.2, random_state=0)
    classes = {"classes": np.arange(10)} if estimator is MLPClassifier else {}
    model.partial_fit(X, y, **classes).partial_fit(X, y)
    again = estimator(hidden_layer_sizes=(20,), dropout=0.2, random_state=0)
    again.partial_fit(X, y, **classes).partial_fit(X, y)
    assert_array_equal(model.coefs_[0], again.coefs_[0])


def test_backprop_drops_when_asked(digits):
    X, y = digits[0][:50], digits[1][:50]
    model = MLPClassifier((20,), "tanh", dropout=0.5, random_state=0, max_iter=2).fit(X, y)
    plain, dropped = backprop(model, X, y), backprop(model, X, y, dropout_seed=1)
    assert plain.a[0].all()
    assert 0.4 < (dropped.a[0] == 0).mean() < 0.6
    kept = dropped.a[0] != 0
    assert_allclose(dropped.a[0][kept], 2 * plain.a[0][kept], rtol=1e-12)
    assert_array_equal(dropped.a[0], backprop(model, X, y, dropout_seed=1).a[0])


@pytest.mark.parametrize(
    ("dropout", "message"),
    [
        (1.0, "'dropout' parameter of MLPClassifier must be a float in the range"),
        (-0.1, "'dropout' parameter of MLPClassifier must be a float in the range"),
        ("half", "'dropout' parameter of MLPClassifier must be a float in the range"),
        ([0.5], "one for each of the 2 hidden layers. Got \\[0.5\\]"),
        ([0.5, 1.5], "one for each of the 2 hidden layers. Got \\[0.5, 1.5\\]"),
    ],
)
def test_bad_rates_are_refused(digits, dropout, message):
    model = MLPClassifier((5, 5), max_iter=1).fit(*digits)
    before = model.coefs_[0].copy()
    with pytest.raises(ValueError, match=message):
        model.set_params(dropout=dropout).fit(*digits)
    assert_array_equal(model.coefs_[0], before)


def test_lbfgs_refuses_it(digits):
    with pytest.raises(ValueError, match=r"solver='lbfgs'.*dropout=0.5"):
        MLPClassifier(solver="lbfgs", dropout=0.5).fit(*digits)
