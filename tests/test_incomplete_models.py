"""Models that lack attributes: each works as in scikit-learn, or the error says what is missing and where to get it."""

import copy
import functools
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import neural_network
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import LabelBinarizer

import rustbp
from rustbp import MLPClassifier, MLPRegressor

X, Y = load_iris(return_X_y=True)
X, Y = X[::2].copy(), Y[::2].copy()
LABELS = np.stack([Y > 0, Y > 1], axis=1) * 1
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
KINDS = {
    "three classes": ("MLPClassifier", Y),
    "two classes": ("MLPClassifier", Y > 0),
    "labels": ("MLPClassifier", LABELS),
    "numbers": ("MLPRegressor", 1.0 * Y),
}
each_kind = pytest.mark.parametrize("kind", KINDS)
SETTINGS = {"hidden_layer_sizes": (5,), "max_iter": 3, "random_state": 0}


@functools.cache
def _fitted(package, kind):
    name, y = KINDS[kind]
    return getattr(package, name)(**SETTINGS).fit(X, y)


def fitted(package, kind):
    return copy.deepcopy(_fitted(package, kind))


def answers(model):
    method = "predict_proba" if type(model).__name__ == "MLPClassifier" else "predict"
    return getattr(model, method)(X)


def through_a_file(model, folder):
    model.save(folder / "model")
    return rustbp.load(folder / "model")


# What can be done with a model of either package, and what it gives.
COMMON = {
    "predict": lambda model, y: model.predict(X),
    "answers": lambda model, y: answers(model),
    "partial_fit": lambda model, y: answers(model.partial_fit(X, y)),
    "fit": lambda model, y: answers(model.fit(X, y)),
    "warm start": lambda model, y: answers(model.set_params(warm_start=True).fit(X, y)),
    "pickle": lambda model, y: answers(pickle.loads(pickle.dumps(model))),
}
# With ours alone; scikit-learn's answers are what the first ones give, the others have no counterpart there.
OURS = {
    "to_sklearn": lambda model, y, folder: answers(model.to_sklearn()),
    "from_sklearn": lambda model, y, folder: answers(rustbp.from_sklearn(model.to_sklearn())),
    "save": lambda model, y, folder: answers(through_a_file(model, folder)),
    "backprop": lambda model, y, folder: rustbp.backprop(model, X, y).a[-1],
    "hidden_activations": lambda model, y, folder: rustbp.hidden_activations(model, X, -1),
}
ATTRIBUTES = [
    "coefs_",
    "intercepts_",
    "n_layers_",
    "n_outputs_",
    "out_activation_",
    "n_features_in_",
    "classes_",
    "_label_binarizer",
    "n_iter_",
    "t_",
    "loss_",
    "loss_curve_",
    "best_loss_",
    "validation_scores_",
    "best_validation_score_",
    "validation_loss_curve_",
    "best_epoch_",
    "learning_rate_curve_",
    "_no_improvement_count",
    "_random_state",
    "_optimizer",
    "_learnt_quantiles",
    "_learnt_output",
]


def without(model, name, how):
    if how == "None":
        setattr(model, name, None)
    else:
        vars(model).pop(name, None)
    return model


def test_these_are_all_attributes():
    from rustbp._base import FITTED

    assert set(ATTRIBUTES) == set(FITTED) - {"feature_names_in_", "_unfinished", "_packed"}


def outcome(call, *args):
    try:
        return call(*args)
    except Exception as error:
        return error


@each_kind
@pytest.mark.parametrize("how", ["deleted", "None"])
@pytest.mark.parametrize("name", ATTRIBUTES)
def test_one_attribute_less(kind, name, how, tmp_path):
    y = KINDS[kind][1]
    # Without an optimizer, scikit-learn takes a new one; n_outputs_ = None changes the shape of what it gives.
    theirs_how = "deleted" if name in ("_optimizer", "n_outputs_") else how
    for action, call in COMMON.items():
        expected = outcome(call, without(fitted(neural_network, kind), name, theirs_how), y)
        got = outcome(call, without(fitted(rustbp, kind), name, how), y)
        if name == "coefs_" or isinstance(expected, Exception):
            # Some of it works all the same, since what is missing follows from the rest.
            compare(got, call(fitted(rustbp, kind), y), name, action)
        else:
            assert_allclose(got, expected, rtol=1e-6, atol=1e-9, err_msg=action)
    for action, call in OURS.items():
        got = outcome(call, without(fitted(rustbp, kind), name, how), y, tmp_path)
        compare(got, call(fitted(rustbp, kind), y, tmp_path), name, action)


def compare(got, expected, name, action):
    if name == "coefs_" and not isinstance(got, Exception):
        return  # Not fitted, then: trained from the start.
    if isinstance(got, NotFittedError):
        assert name == "coefs_"
    elif isinstance(got, Exception):
        assert isinstance(got, AttributeError), (action, got)
        assert f"has no attribute '{name}'. A fit sets it" in str(got), (action, got)
    else:
        assert_allclose(got, expected, rtol=1e-9, atol=1e-12, err_msg=action)


@each_kind
def test_of_a_scikit_learn_model_one_attribute_less(kind):
    model = fitted(neural_network, kind)
    expected = answers(model)
    for name in [*ATTRIBUTES, *model.get_params()]:
        less = without(copy.deepcopy(model), name, "deleted")
        got = outcome(lambda less: answers(rustbp.from_sklearn(less)), less)
        if name in ("coefs_", "intercepts_", "out_activation_"):
            assert isinstance(got, (AttributeError, NotFittedError))
        elif name == "activation":
            assert got.shape == expected.shape
        else:
            assert_allclose(got, expected, rtol=1e-9)


@pytest.mark.parametrize("kind", ["three classes", "numbers"])
def test_weights_alone_predict(kind):
    """Both packages predict probabilities and numbers with what stands here."""
    name, _ = KINDS[kind]
    source = fitted(rustbp, kind)
    for package in (neural_network, rustbp):
        model = getattr(package, name)(hidden_layer_sizes=(5,))
        model.coefs_, model.intercepts_ = source.coefs_, source.intercepts_
        model.n_layers_, model.n_outputs_ = 3, source.n_outputs_
        model.out_activation_ = source.out_activation_
        assert_allclose(answers(model), answers(source), rtol=1e-9)


def test_put_together_by_hand_it_does_everything(tmp_path):
    source = fitted(rustbp, "three classes")
    model = MLPClassifier((5,), random_state=0)
    model.coefs_, model.intercepts_ = [w.tolist() for w in source.coefs_], source.intercepts_
    model.out_activation_ = "softmax"
    model._label_binarizer = LabelBinarizer().fit(Y)
    expected = answers(source)
    assert_array_equal(answers(model), expected)
    assert_array_equal(model.predict(X), source.predict(X))
    assert_array_equal(answers(through_a_file(model, tmp_path)), expected)
    assert_allclose(answers(model.to_sklearn()), expected, rtol=1e-9)
    assert_array_equal(rustbp.backprop(model, X, Y).a[-1], expected)
    # As the first epoch of a new optimizer in scikit-learn.
    theirs = model.to_sklearn().partial_fit(X, Y)
    assert_allclose(model.partial_fit(X, Y).coefs_[0], theirs.coefs_[0], rtol=1e-7)
    assert model.t_ == len(X)


def test_what_is_missing_and_where_to_get_it():
    model = fitted(rustbp, "labels")
    del model._label_binarizer
    with pytest.raises(AttributeError, match=r"'_label_binarizer'.*LabelBinarizer\(\)\.fit\(y\)"):
        model.predict(X)
    del model.out_activation_
    with pytest.raises(
        AttributeError, match=r"'out_activation_'.*'softmax' for three or more classes"
    ):
        model.predict_proba(X)
    with pytest.raises(AttributeError, match=r"'loss_curve_'.*TrainingMonitor"):
        _ = MLPClassifier().loss_curve_


@pytest.mark.parametrize("coefs", [[], [np.zeros(3)], [np.zeros((4, 3)), 0.0]])
def test_weights_that_are_no_matrices(coefs, tmp_path):
    model = fitted(rustbp, "three classes")
    model.coefs_ = coefs
    for call in [
        model.predict,
        lambda X: model.partial_fit(X, Y),
        lambda X: model.save(tmp_path / "model"),
        lambda X: model.to_sklearn(),
        lambda X: rustbp.backprop(model, X, Y),
        lambda X: rustbp.hidden_activations(model, X),
    ]:
        with pytest.raises(ValueError, match=r"coefs_.* must (have 2 dimensions|hold the weights)"):
            call(X)


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_a_parameter_that_an_older_version_did_not_have(estimator, tmp_path):
    model = estimator(**SETTINGS).fit(X, Y)
    expected = answers(model)
    for name in model.get_params():
        if name in ("hidden_layer_sizes", "max_iter", "random_state"):
            continue
        older = without(copy.deepcopy(model), name, "deleted")
        assert older.get_params() == model.get_params()
        assert_array_equal(answers(older), expected)
        assert_array_equal(answers(through_a_file(older, tmp_path)), expected)
        assert_array_equal(
            older.partial_fit(X, Y).coefs_[0], copy.deepcopy(model).partial_fit(X, Y).coefs_[0]
        )
        assert answers(older.to_sklearn()).shape == expected.shape


# ---- an output activation set by hand ----


@each_kind
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu", "softmax", "exp"])
def test_an_output_activation_of_ones_own(kind, activation):
    """scikit-learn shows what the units give, and so does rustbp."""
    if activation == "exp" and not hasattr(neural_network._base, "inplace_exp"):
        pytest.skip("this scikit-learn has no exp")
    theirs, ours = (fitted(p, kind) for p in (neural_network, rustbp))
    for model in (theirs, ours):
        model.out_activation_ = activation
    assert_allclose(answers(ours), answers(theirs), rtol=1e-9)
    assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-9)
    assert_allclose(answers(ours.to_sklearn()), answers(theirs), rtol=1e-9)
    assert_allclose(answers(rustbp.from_sklearn(theirs)), answers(theirs), rtol=1e-9)


def test_outputs_are_divided_by_their_sum_where_that_was_asked_for():
    asked = MLPClassifier(**SETTINGS, output_activation="logistic").fit(X, Y)
    assert_allclose(asked.predict_proba(X).sum(axis=1), 1)
    quadratic = MLPClassifier(**SETTINGS, loss="squared_error").fit(X, Y)
    assert_allclose(quadratic.predict_proba(X).sum(axis=1), 1)
    one = MLPClassifier(**SETTINGS, output_activation="softmax").fit(X, 0 * Y)
    assert_allclose(one.predict_proba(X), np.ones((len(X), 1)))


def test_a_regressor_follows_the_gradient_of_its_own_output():
    """scikit-learn takes a - y for the error of the output layer, whatever the activation (docs/differences.md)."""
    model = MLPRegressor(**SETTINGS).fit(X, Y)
    model.out_activation_ = "logistic"
    assert rustbp.check_gradients(model, X[:5], Y[:5] / 2).largest_error < 1e-6
    a = model.predict(X)
    assert_allclose(rustbp.backprop(model, X, Y / 2).delta[-1][:, 0], (a - Y / 2) * a * (1 - a))
