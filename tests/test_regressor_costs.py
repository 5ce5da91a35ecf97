"""The regressor's costs and output activations, label smoothing, and activations of each layer, as users have them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits
from sklearn.metrics import d2_pinball_score

import rustbp
from rustbp import MLPClassifier, MLPRegressor, check_gradients, hidden_activations, input_gradients

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
PAIRS = [(c, o) for c, o in rustbp._core.PAIRS if c != "log_loss"]


@pytest.fixture(scope="module")
def numbers():
    X, y = load_diabetes(return_X_y=True)
    return X / X.std(axis=0), y / 100


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:500] / 16, y[:500]


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize(("loss", "output"), PAIRS)
def test_each_pair_fits_and_its_gradients_are_right(numbers, loss, output, solver):
    X, y = numbers
    if output in ("logistic", "tanh"):
        y = y / 4
    model = MLPRegressor(
        loss,
        (8,),
        "tanh",
        solver=solver,
        output_activation=output,
        huber_delta=0.3,
        quantile=0.4,
        learning_rate_init=0.02,
        max_iter=60,
        random_state=0,
    ).fit(X, y)
    assert model.out_activation_ == output
    assert model.score(X, y) > 0.3
    assert check_gradients(model, X[:15], y[:15]).largest_error < 1e-6


def test_values_of_the_losses(numbers):
    """By the formulas, from the outputs."""
    X, y = numbers
    for loss, cost in {
        "absolute_error": lambda e: np.abs(e),
        "huber": lambda e: np.where(np.abs(e) <= 0.3, e**2 / 2, 0.3 * (np.abs(e) - 0.15)),
        "quantile": lambda e: np.maximum(0.8 * e, -0.2 * e),
    }.items():
        model = MLPRegressor(loss, (), huber_delta=0.3, quantile=0.8, solver="lbfgs", alpha=0)
        model.fit(X, y)
        assert model.loss_ == pytest.approx(cost(y - model.predict(X)).mean(), rel=1e-9)


def test_a_list_of_quantiles(numbers, tmp_path):
    X, y = numbers
    quantiles = [0.9, 0.1, 0.5]
    model = MLPRegressor(
        "quantile",
        (20,),
        quantile=quantiles,
        learning_rate_init=0.01,
        early_stopping=True,
        random_state=0,
    ).fit(X, y)
    predicted = model.predict(X)
    assert predicted.shape == (len(X), 3)
    assert (predicted[:, 1] <= predicted[:, 2]).all()
    assert (predicted[:, 2] <= predicted[:, 0]).all()
    for column, quantile in zip(predicted.T, quantiles, strict=True):
        assert (y <= column).mean() == pytest.approx(quantile, abs=0.1)
    each = [d2_pinball_score(y, p, alpha=q) for p, q in zip(predicted.T, quantiles, strict=True)]
    assert model.score(X, y) == pytest.approx(np.mean(each))
    model.save(tmp_path / "model.safetensors")
    assert_array_equal(rustbp.load(tmp_path / "model.safetensors").predict(X), predicted)
    with pytest.raises(ValueError, match="y has 2 columns"):
        clone(model).fit(X, np.column_stack([y, y]))
    for wrong in ([], [0.5, 1.0], ["a"], [[0.5]]):
        with pytest.raises(ValueError, match="'quantile' parameter of MLPRegressor must be"):
            MLPRegressor("quantile", quantile=wrong).fit(X, y)


def test_targets_and_pairs_that_do_not_go_together(numbers):
    X, y = numbers
    with pytest.raises(ValueError, match="loss='gamma' requires strictly positive y"):
        MLPRegressor("gamma").fit(X, y - y.min())
    with pytest.raises(
        ValueError, match=r"loss='gamma' does not go with output_activation='tanh'.*'exp'"
    ):
        MLPRegressor("gamma", output_activation="tanh").fit(X, y)


def test_label_smoothing(digits):
    """For classes it is what soft targets of the same distribution are."""
    X, y = digits
    options = {"max_iter": 5, "random_state": 0}
    smoothed = MLPClassifier(label_smoothing=0.2, **options).fit(X, y)
    soft = MLPClassifier(soft_targets=True, **options).fit(X, np.eye(10)[y] * 0.8 + 0.02)
    assert_allclose(smoothed.coefs_[0], soft.coefs_[0], rtol=1e-9, atol=1e-12)
    assert smoothed.loss_ == pytest.approx(soft.loss_, rel=1e-9)
    two = MLPClassifier(label_smoothing=0.2, solver="lbfgs", alpha=0, random_state=0)
    two.fit(X, y < 5)
    assert two.predict_proba(X).max() < 0.95
    assert check_gradients(two, X[:20], (y < 5)[:20]).largest_error < 1e-6
    with pytest.raises(ValueError, match="'label_smoothing' parameter of MLPClassifier"):
        MLPClassifier(label_smoothing=1.0).fit(X, y)


@pytest.mark.parametrize("activation", rustbp._core.ACTIVATIONS)
def test_each_activation_learns(digits, activation, tmp_path):
    X, y = digits
    model = MLPClassifier((40,), activation, learning_rate_init=0.01, max_iter=40, random_state=0)
    assert model.fit(X.astype(np.float32), y).score(X, y) > 0.95
    model.save(tmp_path / "model.safetensors")
    assert_array_equal(rustbp.load(tmp_path / "model.safetensors").predict(X), model.predict(X))


def test_a_list_of_activations(digits, tmp_path):
    X, y = digits
    names = ["gelu", "logistic", "relu"]
    model = MLPClassifier((20, 15, 10), names, max_iter=3, random_state=0).fit(X, y)
    assert rustbp.backprop(model, X, y).activations == (*names, "softmax")
    a = X
    for layer in (1, 2, 3, 4):
        shown = rustbp.backprop(model, X, y).a[layer - 1]
        a = hidden_activations(model, X, layer)
        assert_allclose(a, shown, rtol=1e-12)
    assert (hidden_activations(model, X, 2) > 0).all()
    alike = MLPClassifier((20, 15), ["tanh", "tanh"], max_iter=3, random_state=0).fit(X, y)
    single = MLPClassifier((20, 15), "tanh", max_iter=3, random_state=0).fit(X, y)
    assert_array_equal(alike.coefs_[0], single.coefs_[0])
    assert alike.to_sklearn().activation == "tanh"
    with pytest.raises(ValueError, match="does not have activation"):
        model.to_sklearn()
    model.save(tmp_path / "model.safetensors")
    assert rustbp.load(tmp_path / "model.safetensors").activation == names
    for wrong in (["relu"], ["relu", "relu", "swish"], [1, 2, 3], []):
        with pytest.raises(ValueError, match="one for each of the 3 hidden layers"):
            MLPClassifier((20, 15, 10), wrong).fit(X, y)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("output", ["softmax", "logistic", "identity", "softplus"])
def test_input_gradients(digits, numbers, output, dtype):
    """Against central differences of the outputs."""
    if output in ("softmax", "logistic"):
        X, y = digits
        model = MLPClassifier((12, 7), "gelu", output_activation=output, max_iter=5)
    else:
        X, y = numbers
        model = MLPRegressor("huber", (12, 7), "mish", output_activation=output, max_iter=5)
    model.fit(X.astype(dtype), y)
    rows = X[:9].astype(dtype)
    found = input_gradients(model, rows)
    assert found.shape == (9, model.n_outputs_, X.shape[1])
    assert found.dtype == dtype
    model.coefs_ = [w.astype(float) for w in model.coefs_]
    model.intercepts_ = [b.astype(float) for b in model.intercepts_]
    step = 1e-5
    for i in range(0, X.shape[1], 7):
        ahead, behind = (rows.astype(float) for _ in range(2))
        ahead[:, i] += step
        behind[:, i] -= step
        difference = (model._forward(ahead)[1] - model._forward(behind)[1]) / (2 * step)
        assert_allclose(found[:, :, i], difference, atol=1e-8 if dtype is np.float64 else 1e-5)
