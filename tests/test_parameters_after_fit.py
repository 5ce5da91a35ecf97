"""What a fitted model predicts follows from what it has learnt, whatever its parameters are set to afterwards."""

import copy
import io
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import neural_network

import rustbp
from rustbp import MLPClassifier, MLPRegressor
from rustbp._io import document
from rustbp._io.values import encode

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = np.random.RandomState(0).standard_normal((60, 3))
Y = np.arange(60) % 3
NUMBERS = X @ [1.0, 2.0, 3.0]
TWO = np.column_stack([NUMBERS, -NUMBERS])
SETTINGS = {"hidden_layer_sizes": (5,), "max_iter": 4, "random_state": 0}

REGRESSORS = [
    # How it is fitted, to what, and what is set then.
    ({"loss": "quantile"}, NUMBERS, {"quantile": [0.1, 0.5, 0.9]}),
    ({"loss": "quantile"}, NUMBERS, {"quantile": [0.1]}),
    ({}, NUMBERS, {"loss": "quantile", "quantile": [0.1, 0.9]}),
    ({}, TWO, {"loss": "quantile", "quantile": [0.1, 0.9]}),
    ({"loss": "quantile", "quantile": [0.1, 0.9]}, NUMBERS, {"quantile": [0.9, 0.1]}),
    ({"loss": "quantile", "quantile": [0.1, 0.9]}, NUMBERS, {"quantile": 0.5}),
    ({"loss": "quantile", "quantile": [0.1, 0.9]}, NUMBERS, {"loss": "squared_error"}),
]


def by_file(model):
    file = io.BytesIO()
    model.save(file)
    file.seek(0)
    return rustbp.load(file)


@pytest.mark.parametrize("loaded", [False, True])
@pytest.mark.parametrize(("fitted_with", "y", "then"), REGRESSORS)
def test_the_outputs_are_the_quantiles_of_the_fit(fitted_with, y, then, loaded):
    model = MLPRegressor(**SETTINGS, **fitted_with).fit(X, y)
    # So that some rows have to be sorted.
    model.coefs_[-1][:, -1:] = -2 * model.coefs_[-1][:, :1]
    model = by_file(model) if loaded else model
    predicted, score = model.predict(X), model.score(X, y)
    model.set_params(**then)
    for same in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert_array_equal(same.predict(X), predicted)
        assert same.score(X, y) == score
    with pytest.raises(
        ValueError, match=r"cannot be saved: it was not fitted with loss=.*quantile="
    ):
        model.save(io.BytesIO())
    # What a fit makes of them counts from then on.
    again = MLPRegressor(**SETTINGS).set_params(**fitted_with).set_params(**then).fit(X, NUMBERS)
    assert_array_equal(model.fit(X, NUMBERS).predict(X), again.predict(X))
    assert_array_equal(by_file(model).predict(X), again.predict(X))


@pytest.mark.parametrize(
    "go_on",
    [
        lambda model: model.partial_fit(X, NUMBERS),
        lambda model: model.set_params(warm_start=True).fit(X, NUMBERS),
        lambda model: rustbp.backprop(model, X, NUMBERS),
        lambda model: rustbp.check_gradients(model, X[:4], NUMBERS[:4]),
    ],
)
def test_training_does_not_go_on_with_another_number_of_quantiles(go_on):
    model = MLPRegressor(**SETTINGS, loss="quantile", quantile=[0.1, 0.9]).fit(X, NUMBERS)
    model.set_params(quantile=[0.1, 0.5, 0.9])
    with pytest.raises(ValueError, match=r"needs a model with 3 output.*fitted with 2\. Fit again"):
        go_on(model)


def test_training_goes_on_with_other_quantiles():
    model = MLPRegressor(**SETTINGS, loss="quantile", quantile=[0.1, 0.9]).fit(X, NUMBERS)
    low, high = model.set_params(quantile=[0.8, 0.2]).partial_fit(X, NUMBERS).predict(X).T[::-1]
    assert (low <= high).all()
    assert_array_equal(by_file(model).predict(X), np.column_stack([high, low]))


def test_a_file_with_more_quantiles_than_outputs_is_refused():
    """As older versions wrote it."""
    model = MLPRegressor(**SETTINGS, loss="quantile").fit(X, NUMBERS)
    stored, arrays = document.take_apart(model)
    stored["params"]["quantile"] = encode([0.1, 0.9], "quantile")
    with pytest.raises(ValueError, match=r"needs a model with 2 output.*fitted with 1"):
        document.put_together(stored, arrays)


@pytest.mark.parametrize("loaded", [False, True])
@pytest.mark.parametrize(
    ("fitted_with", "y", "then"),
    [
        ({"output_activation": "logistic"}, Y, {"output_activation": None}),
        ({"output_activation": "logistic"}, Y, {"output_activation": "softmax"}),
        ({"loss": "squared_error"}, Y, {"loss": "log_loss"}),
        ({"output_activation": "softmax"}, 0 * Y, {"output_activation": None}),
    ],
)
def test_probabilities_are_those_of_the_fit(fitted_with, y, then, loaded):
    model = MLPClassifier(**SETTINGS, **fitted_with).fit(X, y)
    model = by_file(model) if loaded else model
    expected = model.predict_proba(X)
    model.set_params(**then)
    for same in (model, pickle.loads(pickle.dumps(model))):
        assert_array_equal(same.predict_proba(X), expected)
    with pytest.raises(ValueError, match="cannot be saved: it was not fitted with loss="):
        model.save(io.BytesIO())


def test_conversion_goes_by_the_fit():
    model = MLPClassifier(**SETTINGS).fit(X, Y > 0).set_params(output_activation="softmax")
    assert_allclose(model.to_sklearn().predict_proba(X), model.predict_proba(X))
    counts = MLPRegressor(**SETTINGS, loss="poisson", output_activation="softplus").fit(X, Y)
    with pytest.raises(ValueError, match="does not have output activation 'softplus'"):
        counts.set_params(output_activation=None).to_sklearn()
    interval = MLPRegressor(**SETTINGS, loss="quantile", quantile=[0.1, 0.9]).fit(X, NUMBERS)
    with pytest.raises(ValueError, match="does not have outputs that are quantiles"):
        interval.set_params(loss="squared_error").to_sklearn()


def test_several_labels_are_scored_as_such():
    labels = np.column_stack([Y > 0, Y < 2]).astype(int)
    model = MLPClassifier(**SETTINGS).fit(X, labels)
    score = model.score(X, labels)
    assert model.set_params(soft_targets=True).score(X, labels) == score


@pytest.mark.parametrize("kind", ["MLPClassifier", "MLPRegressor"])
def test_the_activation_is_read_when_predicting_as_in_sklearn(kind):
    theirs, ours = (
        getattr(package, kind)(**SETTINGS).fit(X, Y).set_params(activation="tanh", alpha=9.0)
        for package in (neural_network, rustbp)
    )
    assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-9)
    # No layer is made or taken away by a number.
    for model in (theirs, ours):
        model.set_params(hidden_layer_sizes=(7, 2))
    assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-9)


@pytest.mark.parametrize(
    "use",
    [
        lambda model: model.predict(X),
        lambda model: model.partial_fit(X, Y),
        lambda model: model.summary(),
        lambda model: model.to_sklearn(),
        lambda model: rustbp.input_gradients(model, X),
        lambda model: rustbp.hidden_activations(model, X),
    ],
)
def test_what_is_no_activation_is_refused(use):
    model = MLPClassifier(**SETTINGS).fit(X, Y).set_params(activation=5)
    with pytest.raises(ValueError, match="'activation' parameter of MLPClassifier must be"):
        use(model)


def test_activations_for_other_layers_are_refused():
    model = MLPClassifier(**SETTINGS).fit(X, Y).set_params(activation=["tanh", "relu"])
    with pytest.raises(ValueError, match="activation must be a name, or 1 names"):
        model.predict(X)
    with pytest.raises(ValueError, match=r"'activation' parameter of MLPClassifier must be.*layer"):
        model.summary()
