"""Hidden activations as features: their values, the transformer in pipelines, and what is refused."""

import re

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from rustbp import HiddenActivations, MLPClassifier, MLPRegressor, hidden_activations

X, Y = load_iris(return_X_y=True)
NETWORK = MLPClassifier((8, 3), "tanh", solver="lbfgs", tol=0.01, max_iter=2000, random_state=0)


@pytest.fixture(scope="module")
def network():
    return MLPClassifier(**NETWORK.get_params()).fit(X, Y)


def by_hand(model, X):
    """a^0 to a^L, by NumPy."""
    a = [X]
    for w, b in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        a.append(np.tanh(a[-1] @ w + b))
    e = np.exp(a[-1] @ model.coefs_[-1] + model.intercepts_[-1])
    return [*a, e / e.sum(axis=1, keepdims=True)]


@pytest.mark.parametrize("layer", [1, 2, 3, -1, -2, -3])
@pytest.mark.parametrize(
    "kind", [np.asarray, sparse.csr_matrix, pd.DataFrame], ids=["dense", "sparse", "frame"]
)
def test_values(network, layer, kind):
    expected = by_hand(network, X)[layer]
    assert_allclose(hidden_activations(network, kind(X), layer), expected, rtol=1e-9, atol=1e-12)


def test_the_default_is_the_last_hidden_layer(network):
    assert_array_equal(hidden_activations(network, X), hidden_activations(network, X, 2))


def test_float32_stays_float32():
    model = MLPRegressor(hidden_layer_sizes=4, solver="lbfgs", max_iter=500, alpha=10, tol=0.1)
    model.fit(X.astype(np.float32), Y)
    assert hidden_activations(model, X.astype(np.float32)).dtype == np.float32


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    [
        HiddenActivations(MLPClassifier((5, 4), max_iter=20, random_state=0)),
        HiddenActivations(
            MLPRegressor(hidden_layer_sizes=(5, 4), max_iter=20, random_state=0), layer=1
        ),
    ]
)
def test_estimator_check(estimator, check):
    check(estimator)


def test_transformer(network):
    transformer = HiddenActivations(NETWORK, layer=1).fit(X, Y)
    assert transformer.estimator_ is not NETWORK
    assert not hasattr(NETWORK, "coefs_")
    assert_array_equal(transformer.transform(X), hidden_activations(network, X, 1))
    names = [f"hiddenactivations{j}" for j in range(8)]
    assert_array_equal(transformer.get_feature_names_out(), names)
    frame = transformer.set_output(transform="pandas").transform(X)
    assert list(frame.columns) == names


def test_in_a_pipeline_and_a_grid_search():
    """The hidden layers of a trained network keep the classes apart."""
    pipeline = make_pipeline(HiddenActivations(NETWORK), KNeighborsClassifier())
    grid = {"hiddenactivations__layer": [1, 2], "hiddenactivations__estimator__alpha": [0.1, 1.0]}
    search = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(X, Y)
    assert search.best_score_ > 0.93
    assert len(search.cv_results_["params"]) == 4


def test_frozen_network_stays(network):
    transformer = HiddenActivations(FrozenEstimator(network))
    assert_array_equal(transformer.fit_transform(X), hidden_activations(network, X))
    assert transformer.estimator_ is network


def test_sample_weight_reaches_the_network():
    weight = np.where(Y == 2, 0.0, 1.0)
    weighted = HiddenActivations(NETWORK).fit(X, Y, sample_weight=weight)
    expected = MLPClassifier(**NETWORK.get_params()).fit(X, Y, sample_weight=weight)
    assert_array_equal(weighted.transform(X), hidden_activations(expected, X))


def test_names_of_features_are_forgotten_and_learnt():
    transformer = HiddenActivations(NETWORK).fit(pd.DataFrame(X, columns=list("abcd")), Y)
    assert list(transformer.feature_names_in_) == list("abcd")
    assert not hasattr(transformer.fit(X, Y), "feature_names_in_")


@pytest.mark.parametrize("layer", [0, 4, -4, 100])
def test_unknown_layers_are_refused(network, layer):
    message = re.escape(
        f"There is no layer {layer}: this network has the layers 1 to 3, or -3 to -1"
    )
    with pytest.raises(ValueError, match=message):
        hidden_activations(network, X, layer)
    with pytest.raises(ValueError, match=message):
        HiddenActivations(FrozenEstimator(network), layer=layer).fit(X)


def test_a_network_without_hidden_layers_says_so():
    with pytest.raises(ValueError, match="its only one is the output layer"):
        HiddenActivations(MLPClassifier((), solver="lbfgs", max_iter=1000)).fit(X, Y)


def test_bad_input_is_refused(network):
    with pytest.raises(NotFittedError):
        hidden_activations(NETWORK, X)
    with pytest.raises(NotFittedError):
        HiddenActivations(NETWORK).transform(X)
    with pytest.raises(NotFittedError):
        HiddenActivations(FrozenEstimator(NETWORK)).fit(X)
    with pytest.raises(ValueError, match="X has 2 features, but MLPClassifier is expecting 4"):
        hidden_activations(network, X[:, :2])
    with pytest.raises(TypeError, match=r"rustbp\.from_sklearn"):
        HiddenActivations(SklearnClassifier()).fit(X, Y)
    with pytest.raises(ValueError, match="'layer' parameter"):
        HiddenActivations(NETWORK, layer="last").fit(X, Y)
