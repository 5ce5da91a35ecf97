"""Calls that are long enough for several threads: a prediction, few rows through many weights, a loss and its gradient.

Short calls start none, so that small data would not see what these tests are about.
"""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.neural_network import MLPClassifier as Theirs

from rustbp import MLPClassifier, _core

THREADS = (2, 3, 5)


def data(rows, columns):
    rng = np.random.default_rng(0)
    return rng.standard_normal((rows, columns)), rng.integers(0, 10, rows)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(("hidden", "rows"), [((100,), 8000), ((600, 520), 40), ((600, 520), 1500)])
def test_predictions_are_those_of_one_thread_and_of_scikit_learn(hidden, rows):
    X, y = data(8000 if rows == 8000 else 1500, 120)
    model = MLPClassifier(hidden, max_iter=1, n_threads=1, random_state=0).fit(X, y)
    alone = model.predict_proba(X[:rows])
    for n_threads in THREADS:
        assert_array_equal(model.set_params(n_threads=n_threads).predict_proba(X[:rows]), alone)
    theirs = model.to_sklearn()
    assert isinstance(theirs, Theirs)
    assert_allclose(alone, theirs.predict_proba(X[:rows]), rtol=1e-9)


def test_loss_and_gradient_are_those_of_one_thread_and_of_numpy():
    X, y = data(3000, 200)
    sizes = [200, 100, 10]
    packed = np.random.default_rng(1).standard_normal(200 * 100 + 100 * 10 + 110) / 10
    found = []
    for n_threads in (1, *THREADS):
        gradient = np.empty_like(packed)
        parts = _core.loss_gradient(
            packed,
            gradient,
            X,
            y,
            layer_sizes=sizes,
            activation="tanh",
            output_activation="softmax",
            cost="log_loss",
            n_threads=n_threads,
        )
        found.append((parts, gradient))
    for parts, gradient in found[1:]:
        assert parts == found[0][0]
        assert_array_equal(gradient, found[0][1])
    # The four equations, in NumPy.
    w1, w2 = packed[:20_000].reshape(200, 100), packed[20_000:21_000].reshape(100, 10)
    b1, b2 = packed[21_000:21_100], packed[21_100:]
    a1 = np.tanh(X @ w1 + b1)
    a2 = np.exp(a1 @ w2 + b2)
    a2 /= a2.sum(axis=1, keepdims=True)
    delta2 = a2 - np.eye(10)[y]
    delta1 = delta2 @ w2.T * (1 - a1**2)
    expected = [X.T @ delta1, a1.T @ delta2, delta1.sum(axis=0), delta2.sum(axis=0)]
    expected = np.concatenate([part.ravel() for part in expected]) / len(X)
    assert_allclose(found[0][1], expected, rtol=1e-9, atol=1e-12)
    assert_allclose(found[0][0][0], -np.log(a2[np.arange(len(X)), y]).mean(), rtol=1e-12)
