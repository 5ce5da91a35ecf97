"""From scikit-learn and back."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn import neural_network
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

import rustbp

X, Y = load_iris(return_X_y=True)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

TARGETS = {
    "MLPClassifier": [Y, Y > 0, np.array(["a", "b", "c"])[Y], np.stack([Y > 0, Y > 1], 1) * 1],
    "MLPRegressor": [Y * 1.0, np.stack([Y, -Y], 1) * 1.0],
}
CASES = [
    (name, y, solver)
    for name, ys in TARGETS.items()
    for y in ys
    for solver in ("sgd", "adam", "lbfgs")
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize(("name", "y", "solver"), CASES)
def test_from_sklearn(name, y, solver, activation, dtype):
    theirs = getattr(neural_network, name)(
        hidden_layer_sizes=(6, 5), activation=activation, solver=solver, max_iter=5, random_state=0
    )
    theirs.fit(X.astype(dtype), y)
    ours = rustbp.from_sklearn(theirs)
    assert type(ours) is getattr(rustbp, name)
    tolerance = 1e-5 if dtype == np.float32 else 1e-13
    compare(theirs, ours, X.astype(dtype), tolerance)
    assert not np.shares_memory(theirs.coefs_[0], ours.coefs_[0])
    compare(ours, ours.to_sklearn(), X.astype(dtype), tolerance)
    if solver != "lbfgs":
        theirs.partial_fit(X.astype(dtype), y)
        ours.partial_fit(X.astype(dtype), y)
        compare(theirs, ours, X.astype(dtype), 1e-3 if dtype == np.float32 else 1e-9)


@pytest.mark.parametrize(("name", "y", "solver"), CASES)
def test_to_sklearn(name, y, solver):
    ours = getattr(rustbp, name)(solver=solver, max_iter=5, random_state=0, alpha=0.1).fit(X, y)
    theirs = ours.to_sklearn()
    assert type(theirs) is getattr(neural_network, name)
    assert theirs.get_params().items() <= ours.get_params().items()
    compare(ours, theirs, X, 1e-13)
    # Theirs can go on training, from the same optimizer state.
    for model in (theirs, ours):
        model.set_params(warm_start=True, max_iter=7, early_stopping=False)
        model.fit(X, y) if solver == "lbfgs" else model.partial_fit(X, y)
    compare(theirs, ours, X, 0.5 if solver == "lbfgs" else 1e-9)


def compare(one, other, X, tolerance):
    method = "predict_proba" if hasattr(one, "predict_proba") else "predict"
    expected = getattr(one, method)(X)
    assert_allclose(getattr(other, method)(X), expected, rtol=tolerance, atol=tolerance)
    assert other.n_iter_ == one.n_iter_
    assert list(getattr(other, "loss_curve_", [])) == pytest.approx(
        list(getattr(one, "loss_curve_", [])), rel=1e-4
    )


def test_not_fitted_stays_not_fitted():
    ours = rustbp.from_sklearn(neural_network.MLPClassifier((3,), alpha=0.5))
    assert ours.get_params()["alpha"] == 0.5
    assert not hasattr(ours, "coefs_")
    assert ours.to_sklearn().hidden_layer_sizes == (3,)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_of_two_is_the_logistic_unit_of_their_difference(dtype):
    ours = rustbp.MLPClassifier(output_activation="softmax", max_iter=5, random_state=0)
    ours.fit(X.astype(dtype), Y > 0)
    assert ours.coefs_[-1].shape == (100, 2)
    theirs = ours.to_sklearn()
    compare(ours, theirs, X.astype(dtype), 1e-5 if dtype == np.float32 else 1e-13)
    assert theirs.coefs_[-1].shape == (100, 1)
    theirs.partial_fit(X.astype(dtype), Y > 0)


def test_what_cannot_be_converted():
    with pytest.raises(TypeError, match="got LogisticRegression"):
        rustbp.from_sklearn(LogisticRegression())
    model = rustbp.MLPClassifier(loss="squared_error", max_iter=2).fit(X, Y)
    with pytest.raises(ValueError, match=r"does not have loss='squared_error'.*'logistic'"):
        model.to_sklearn()


def test_feature_names_come_along():
    frame = pytest.importorskip("pandas").DataFrame(X, columns=list("abcd"))
    theirs = neural_network.MLPClassifier(max_iter=2).fit(frame, Y)
    ours = rustbp.from_sklearn(theirs)
    assert list(ours.feature_names_in_) == list("abcd")
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        ours.predict(X)
