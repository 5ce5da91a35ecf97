"""What the estimators have beyond scikit-learn's: initial weights, costs, output units, no hidden layer, threads."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.linear_model import LinearRegression, LogisticRegression

from rustbp import MLPClassifier, MLPRegressor, _core
from rustbp._training import initial_weights

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:600] / 16, y[:600]


# Standard deviation of a weight for fan_in = 400, fan_out = 100, by the papers' formulas.
DEVIATION = {
    "glorot_uniform": np.sqrt(2 / 500),
    "glorot_normal": np.sqrt(2 / 500),
    "he_uniform": np.sqrt(2 / 400),
    "he_normal": np.sqrt(2 / 400),
    "lecun_normal": np.sqrt(1 / 400),
    "normal": 1.0,
}


@pytest.mark.parametrize("scheme", initial_weights.INIT)
def test_initial_weights(scheme):
    rng = np.random.RandomState(0)
    coefs, intercepts = initial_weights.draw(
        rng, [400, 100, 3], scheme=scheme, activation="relu", dtype=np.float64
    )
    assert [c.shape for c in coefs] == [(400, 100), (100, 3)]
    assert coefs[0].std() == pytest.approx(DEVIATION[scheme], rel=0.02)
    assert abs(coefs[0].mean()) < 0.02 * DEVIATION[scheme]
    if scheme in ("normal", "lecun_normal"):
        assert intercepts[0].std() == pytest.approx(1, rel=0.2)
    elif scheme != "glorot_uniform":
        assert not intercepts[0].any()


@pytest.mark.parametrize("scheme", initial_weights.INIT)
def test_schemes_train(digits, scheme):
    X, y = digits
    model = MLPClassifier(init=scheme, max_iter=30, learning_rate_init=0.01, random_state=0).fit(
        X, y
    )
    assert model.loss_ < 0.2 * model.loss_curve_[0]


def test_quadratic_cost(digits):
    """The loss is what Nielsen's chapter 1 defines, worked out here from the outputs."""
    X, y = digits
    model = MLPClassifier(
        (20,),
        "logistic",
        solver="sgd",
        momentum=0,
        batch_size=10,
        learning_rate_init=3.0,
        alpha=0,
        loss="squared_error",
        init="normal",
        max_iter=30,
        random_state=0,
    ).fit(X, y)
    assert model.out_activation_ == "logistic"
    assert model.n_outputs_ == 10
    assert model.score(X, y) > 0.9
    probability = model.predict_proba(X)
    assert_allclose(probability.sum(axis=1), 1)
    assert_array_equal(model.classes_[probability.argmax(axis=1)], model.predict(X))
    once = MLPClassifier(loss="squared_error", alpha=0, batch_size=600, max_iter=1, random_state=0)
    start = once.fit(X, y).loss_
    rng = np.random.RandomState(0)
    coefs, intercepts = initial_weights.draw(
        rng, [64, 100, 10], scheme="glorot_uniform", activation="relu", dtype=np.float64
    )
    hidden = np.maximum(X @ coefs[0] + intercepts[0], 0)
    a = 1 / (1 + np.exp(-(hidden @ coefs[1] + intercepts[1])))
    assert start == pytest.approx(0.5 * ((a - np.eye(10)[y]) ** 2).sum(axis=1).mean(), rel=1e-12)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("output", ["softmax", "logistic"])
@pytest.mark.parametrize("n_classes", [1, 2, 10])
def test_output_activation(digits, n_classes, output, solver):
    X, y = digits
    y = y % n_classes
    model = MLPClassifier(
        solver=solver,
        output_activation=output,
        learning_rate_init=0.05,
        max_iter=30,
        random_state=0,
        early_stopping=solver != "lbfgs",
    ).fit(X, y)
    assert model.out_activation_ == output
    assert model.score(X, y) > 0.9
    probability = model.predict_proba(X)
    # With one class, one logistic unit still has two columns, as in scikit-learn.
    assert probability.shape[1] == max(n_classes, 2 if output == "logistic" else 1)
    assert_allclose(probability.sum(axis=1), 1)


def test_no_unit_fires():
    model = MLPClassifier(output_activation="logistic", max_iter=1).fit(
        [[0.0], [1.0], [2.0]], [0, 1, 2]
    )
    model.coefs_[-1][:], model.intercepts_[-1][:] = 0, -1e6
    assert_allclose(model.predict_proba([[1.0]]), 1 / 3)


def test_without_hidden_layers_it_is_the_linear_model(digits):
    X, y = digits
    ours = MLPClassifier((), solver="lbfgs", alpha=1.0, max_iter=5000, max_fun=50000, tol=1e-7).fit(
        X, y
    )
    # `C` multiplies the cost, `alpha` the penalty of the sum over rows. Both leave intercepts free.
    theirs = LogisticRegression(C=1.0, max_iter=5000, tol=1e-7).fit(X, y)
    assert [c.shape for c in ours.coefs_] == [(64, 10)]
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-3)
    regression = MLPRegressor(
        hidden_layer_sizes=(), solver="lbfgs", alpha=0, max_iter=5000, tol=1e-9
    )
    linear = LinearRegression().fit(X[:, 20:30], y)
    assert regression.fit(X[:, 20:30], y).score(X[:, 20:30], y) == pytest.approx(
        linear.score(X[:, 20:30], y), abs=1e-4
    )
    for solver in _core.OPTIMIZERS:
        model = MLPClassifier((), solver=solver, learning_rate_init=0.05, max_iter=30).fit(X, y)
        assert model.score(X, y) > 0.9


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize(
    ("hidden", "batch_size"),
    [
        ((64, 32), "auto"),
        # Small batches with many inputs: threads share out neurons. (13 copies of a digit's 64 pixels)
        ((48,), 10),
        # Hidden layers that learn to keep most neurons at zero.
        ((300, 100), 64),
    ],
)
def test_any_number_of_threads_gives_the_same(digits, solver, hidden, batch_size):
    X, y = digits
    if batch_size == 10:
        X, y = np.tile(X, 13)[:300], y[:300]
    options = {"solver": solver, "batch_size": batch_size, "max_iter": 3, "random_state": 0}
    fits = [MLPClassifier(hidden, n_threads=n, **options).fit(X, y) for n in (1, 2, 3, None)]
    for other in fits[1:]:
        for one, two in zip(fits[0].coefs_, other.coefs_, strict=True):
            assert_array_equal(one, two)
        assert_array_equal(fits[0].predict_proba(X), other.predict_proba(X))
