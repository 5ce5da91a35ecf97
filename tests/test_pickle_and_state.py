"""A model that was stored, copied or edited goes on as if nothing had happened."""

import copy
import io
import pickle

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context, neural_network
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.utils import estimator_html_repr

import rustbp
from rustbp import MLPClassifier, MLPRegressor

X, Y = load_iris(return_X_y=True)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def through_pickle(model):
    return pickle.loads(pickle.dumps(model))


def through_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.parametrize("store", [through_pickle, through_joblib, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_partial_fit_goes_on(estimator, solver, store):
    model = estimator(solver=solver, learning_rate="invscaling", max_iter=5, random_state=0).fit(
        X, Y
    )
    stored = store(model)
    assert_array_equal(stored.predict(X), model.predict(X))
    for _ in range(3):
        model.partial_fit(X, Y)
        stored.partial_fit(X, Y)
    assert_array_equal(stored.coefs_[0], model.coefs_[0])
    assert stored.loss_curve_ == model.loss_curve_
    assert stored._optimizer.learning_rate == model._optimizer.learning_rate


def test_a_copy_is_not_changed_by_training_the_original():
    model = MLPClassifier(max_iter=2, random_state=0).fit(X, Y)
    other = copy.copy(model)
    before = copy.deepcopy(vars(other))
    model.partial_fit(X, Y)
    assert len(other.loss_curve_) == len(before["loss_curve_"]) == 2
    assert_array_equal(other.coefs_[0], before["coefs_"][0])
    assert other._optimizer.t == before["_optimizer"].t


def test_weights_are_ordinary_arrays_and_what_predicts():
    model = MLPRegressor(hidden_layer_sizes=2, activation="identity", max_iter=1).fit(X, Y)
    for array in model.coefs_ + model.intercepts_:
        assert type(array) is np.ndarray
        assert array.flags.writeable
        array[...] = 0
    model.intercepts_[-1][...] = 7
    assert_array_equal(model.predict(X), np.full(len(X), 7.0))
    # Also assigned in another dtype, order or type.
    model.coefs_ = [np.asfortranarray(np.ones((4, 2), np.float32)), [[1], [1]]]
    assert_allclose(model.predict(X), 2 * X.sum(axis=1) + 7, rtol=1e-6)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_partial_fit_goes_on_from_assigned_weights(solver, assert_same_fit):
    models = [
        module.MLPRegressor(solver=solver, hidden_layer_sizes=3, max_iter=2, random_state=0).fit(
            X, Y
        )
        for module in (neural_network, rustbp)
    ]
    for model in models:
        model.coefs_ = [coef * 0.5 for coef in model.coefs_]
        model.intercepts_[0][:] = 0.25
        model.partial_fit(X, Y)
    assert_same_fit(*models, X)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_the_optimizer_shows_its_step(solver):
    theirs = neural_network.MLPClassifier(solver=solver, max_iter=4, random_state=0).fit(X, Y)
    ours = MLPClassifier(solver=solver, max_iter=4, random_state=0).fit(X, Y)
    assert_allclose(ours._optimizer.learning_rate, theirs._optimizer.learning_rate, rtol=1e-12)
    # Scripts that set it themselves between calls of partial_fit find it works.
    for model in (theirs, ours):
        model._optimizer.learning_rate = model._optimizer.learning_rate_init = 0.05
        model.partial_fit(X, Y)
    assert_allclose(ours.coefs_[0], theirs.coefs_[0], rtol=1e-7)


def test_set_params_between_calls_as_in_sklearn(assert_same_fit):
    models = []
    for module in (neural_network, rustbp):
        model = module.MLPClassifier(solver="sgd", max_iter=3, random_state=0).fit(X, Y)
        model.set_params(learning_rate_init=0.5, momentum=0, alpha=0.1).partial_fit(X, Y)
        models.append(model)
    assert_same_fit(*models, X)


def test_fitting_again_starts_anew_and_in_another_shape():
    model = MLPClassifier(hidden_layer_sizes=3, max_iter=3, random_state=0, early_stopping=True)
    model.fit(X, Y)
    model.set_params(hidden_layer_sizes=(5, 2), early_stopping=False).fit(X[:, :2], Y > 0)
    fresh = clone(model).fit(X[:, :2], Y > 0)
    assert vars(model).keys() == vars(fresh).keys()
    assert_array_equal(model.predict_proba(X[:, :2]), fresh.predict_proba(X[:, :2]))


def test_training_in_a_wider_dtype_keeps_the_weights_as_they_are():
    model = MLPRegressor(max_iter=2, random_state=0).fit(X.astype(np.float32), Y)
    model.partial_fit(X, Y).partial_fit(X.astype(np.float32), Y)
    assert {a.dtype for a in model.coefs_ + model.intercepts_} == {np.dtype(np.float32)}
    model = MLPRegressor(max_iter=2, random_state=0).fit(X, Y).partial_fit(X.astype(np.float32), Y)
    assert {a.dtype for a in model.coefs_} == {np.dtype(np.float64)}


def test_another_number_of_outputs_is_refused():
    model = MLPRegressor(max_iter=2).fit(X, Y)
    with pytest.raises(ValueError, match="y has 2 outputs, but the weights in coefs_ are for 1"):
        model.partial_fit(X, np.stack([Y, Y], axis=1))


def test_html_and_text():
    model = MLPClassifier(alpha=0.5)
    assert repr(model) == "MLPClassifier(alpha=0.5)"
    assert "MLPClassifier" in estimator_html_repr(model.set_params(max_iter=1).fit(X, Y))
    assert MLPClassifier().get_params() == clone(MLPClassifier()).get_params()


def test_metadata_routing_is_offered():
    with config_context(enable_metadata_routing=True):
        model = MLPClassifier().set_fit_request(sample_weight=True)
        assert model.get_metadata_routing().fit.requests["sample_weight"] is True
        assert MLPClassifier().set_partial_fit_request(classes=True, sample_weight=False)
        assert MLPRegressor().set_score_request(sample_weight=True)


def test_partial_fit_is_not_there_with_lbfgs():
    model = MLPClassifier(solver="lbfgs")
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError) as error:
        model.partial_fit(X, Y)
    assert "lbfgs is not stochastic" in str(error.value.__cause__ or error.value)
