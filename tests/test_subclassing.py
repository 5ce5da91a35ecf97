"""Subclasses and scripts that reach for scikit-learn's private methods: told so, and told the public way."""

import copy
import itertools
import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn import neural_network
from sklearn.base import clone
from sklearn.datasets import load_iris

import rustbp
from rustbp import MLPClassifier, MLPRegressor

X, Y = load_iris(return_X_y=True)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
both = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])


def hooks():
    """Private methods that the classes of the installed scikit-learn define, but the one that rustbp calls too."""
    theirs = neural_network._multilayer_perceptron
    classes = (theirs.BaseMultilayerPerceptron, theirs.MLPClassifier, theirs.MLPRegressor)
    names = {name for kind in classes for name, value in vars(kind).items() if callable(value)}
    return sorted(name for name in names if name[0] == "_" != name[1] and name != "_check_solver")


def test_the_hooks_are_all_there():
    # scikit-learn 1.7 to 1.9; a later one may have more.
    assert len(hooks()) >= 16
    assert {"_init_coef", "_validate_input", "_forward_pass", "_fit"} <= set(hooks())


@both
@pytest.mark.parametrize("name", hooks())
def test_an_override_is_refused(estimator, name):
    with pytest.raises(
        TypeError, match=rf"^\S*Mine overrides {name}, which scikit-learn's"
    ) as error:
        type("Mine", (estimator,), {name: lambda self, *args: None})
    assert "would have no effect" in str(error.value)


WAYS = {
    "_init_coef": "coefs_init",
    "_initialize": "coefs_init",
    "_validate_input": "soft_targets",
    "_update_no_improvement_count": "set_callbacks",
    "_score": "set_callbacks",
    "_forward_pass": "hidden_activations",
    "_backprop": "rustbp.backprop",
    "_fit_stochastic": "override fit and partial_fit",
}


@pytest.mark.parametrize(("name", "way"), WAYS.items())
def test_the_public_way_is_named(name, way):
    with pytest.raises(TypeError) as error:
        type("Mine", (MLPClassifier,), {name: None})
    assert way in str(error.value)
    with pytest.raises(AttributeError) as error:
        getattr(MLPClassifier(), name)
    assert name in str(error.value)
    assert way in str(error.value)
    assert not hasattr(MLPClassifier(), name)


def test_wherever_the_override_comes_from():
    class Mixin:
        def _backprop(self):
            return None

        def _init_coef(self):
            return None

    class Fine(MLPClassifier):
        pass

    for bases in [(Mixin, MLPClassifier), (MLPClassifier, Mixin), (Mixin, Fine)]:
        with pytest.raises(TypeError, match="Both overrides _backprop, _init_coef"):
            type("Both", bases, {})
    with pytest.raises(TypeError, match="overrides _score"):
        type("Mine", (Fine,), {"_score": property(lambda self: None)})


@both
def test_a_method_put_into_an_object_or_a_class(estimator, monkeypatch):
    model = estimator(max_iter=1).fit(X, Y)
    before = model.coefs_[0]
    with pytest.raises(TypeError, match="overrides _init_coef"):
        model._init_coef = lambda *args: None
    monkeypatch.setattr(estimator, "_backprop", lambda self: None, raising=False)
    for call in (model.fit, model.partial_fit):
        with pytest.raises(TypeError, match="overrides _backprop"):
            call(X, Y)
    assert model.coefs_[0] is before


@both
def test_names_that_rustbp_needs(estimator):
    """A helper of the user's own that happens to have the name of one of ours would break a fit or a prediction."""
    ours = [
        name
        for kind in estimator.__mro__
        if kind.__module__.startswith("rustbp")
        for name, value in vars(kind).items()
        if callable(value) and name[0] == "_" != name[1] and name != "_check_solver"
    ]
    assert "_encode" in ours
    for name in ours:
        with pytest.raises(
            TypeError, match=f"overrides {name}, which rustbp uses for its own purposes"
        ):
            type("Mine", (estimator,), {name: lambda self: None})


def test_a_property_in_place_of_a_fitted_attribute():
    """scikit-learn sets it in every epoch; here a fit sets all at its end, in one step."""
    with pytest.raises(TypeError, match="makes the fitted attribute loss_ a property"):

        class Watching(MLPClassifier):
            @property
            def loss_(self):
                return self._loss

            @loss_.setter
            def loss_(self, value):
                self._loss = value


class Public(MLPClassifier):
    """Overrides what may be overridden."""

    def __init__(self, hidden_layer_sizes=(5,), *, factor=2.0, max_iter=3, random_state=0):
        super().__init__(hidden_layer_sizes, max_iter=max_iter, random_state=random_state)
        self.factor = factor

    def fit(self, X, y, sample_weight=None):
        return super().fit(self._scale(X), y, sample_weight)

    def predict_proba(self, X):
        return super().predict_proba(self._scale(X))

    def _scale(self, X):
        return X * self.factor

    def _check_solver(self):
        self.asked = True
        return super()._check_solver()


def test_what_may_be_overridden():
    model = Public().fit(X, Y)
    plain = MLPClassifier((5,), max_iter=3, random_state=0).fit(2 * X, Y)
    assert_array_equal(model.predict_proba(X), plain.predict_proba(2 * X))
    assert hasattr(model, "partial_fit")
    assert model.asked
    for other in (clone(model).fit(X, Y), pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert_array_equal(other.predict_proba(X), model.predict_proba(X))


def test_sklearns_class_behind_ours_is_no_override():
    """So that ``isinstance`` finds a scikit-learn perceptron."""

    class Both(MLPClassifier, neural_network.MLPClassifier):
        pass

    model = Both((5,), max_iter=3, random_state=0).fit(X, Y)
    assert isinstance(model, neural_network.MLPClassifier)
    expected = MLPClassifier((5,), max_iter=3, random_state=0).fit(X, Y)
    assert_array_equal(model.predict_proba(X), expected.predict_proba(X))


def test_other_missing_attributes_are_reported_as_ever():
    model = MLPClassifier(solver="lbfgs")
    with pytest.raises(
        AttributeError, match=r"^'MLPClassifier' object has no attribute 'anything'$"
    ):
        _ = model.anything
    with pytest.raises(AttributeError):
        _ = model.partial_fit
    assert not hasattr(model, "partial_fit")


# ---- first weights of one's own ----


def drawn(seed, sizes):
    rng = np.random.RandomState(seed)
    coefs = [rng.standard_normal(shape) for shape in itertools.pairwise(sizes)]
    return coefs, [rng.standard_normal(size) for size in sizes[1:]]


def sklearn_from(name, coefs, intercepts, **options):
    """scikit-learn's way: a subclass whose hook hands out the given weights."""
    layers = iter(list(zip(coefs, intercepts, strict=True)))

    class Own(getattr(neural_network, name)):
        def _init_coef(self, fan_in, fan_out, dtype):
            coef, intercept = next(layers)
            return coef.astype(dtype), intercept.astype(dtype)

    return Own(**options)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_first_weights(name, solver, dtype, assert_same_fit):
    sizes = [4, 5, 3, 3 if name == "MLPClassifier" else 1]
    coefs, intercepts = drawn(0, sizes)
    options = {
        "hidden_layer_sizes": (5, 3),
        "activation": "tanh",
        "solver": solver,
        "max_iter": 5,
        "random_state": 0,
        "early_stopping": solver == "sgd",
    }
    theirs = sklearn_from(name, coefs, intercepts, **options).fit(X.astype(dtype), Y)
    ours = getattr(rustbp, name)(**options)
    ours.fit(X.astype(dtype), Y, coefs_init=coefs, intercepts_init=intercepts)
    if solver == "lbfgs" and dtype == np.float32:
        assert ours.coefs_[0].dtype == np.float32  # see docs/differences.md
        return
    tolerance = {"rtol": 1e-3, "atol": 1e-4} if dtype == np.float32 or solver == "lbfgs" else {}
    assert_same_fit(theirs, ours, X.astype(dtype), **tolerance)
    assert not np.shares_memory(ours.coefs_[0], coefs[0])


def test_first_weights_as_lists_and_broadcast():
    coefs, _ = drawn(0, [4, 5, 3])
    model = MLPClassifier((5,), max_iter=3, random_state=0)
    zero = [np.zeros(5), np.zeros(3)]
    expected = clone(model).fit(X, Y, coefs_init=coefs, intercepts_init=zero).coefs_
    for given in ([0, 0.0], [np.zeros((1, 5)), 0], [b.tolist() for b in zero]):
        lists = [coef.tolist() for coef in coefs]
        got = clone(model).fit(X, Y, coefs_init=lists, intercepts_init=given).coefs_
        for one, two in zip(got, expected, strict=True):
            assert_array_equal(one, two)


def test_one_kind_alone_leaves_the_other_as_drawn():
    model = MLPClassifier((5,), max_iter=1, learning_rate_init=1e-300, solver="sgd", random_state=0)
    plain = clone(model).fit(X, Y)
    coefs, intercepts = drawn(0, [4, 5, 3])
    some = clone(model).fit(X, Y, coefs_init=coefs)
    assert_array_equal(some.coefs_[0], coefs[0])
    assert_array_equal(some.intercepts_[0], plain.intercepts_[0])
    some = clone(model).fit(X, Y, intercepts_init=intercepts)
    assert_array_equal(some.coefs_[0], plain.coefs_[0])
    assert_array_equal(some.intercepts_[1], intercepts[1])


def test_they_take_the_place_of_present_weights_in_a_warm_start():
    coefs, intercepts = drawn(0, [4, 5, 3])
    model = MLPClassifier((5,), max_iter=2, warm_start=True, random_state=0).fit(X, Y)
    model.fit(X, Y, coefs_init=coefs, intercepts_init=intercepts)
    other = MLPClassifier((5,), max_iter=2, warm_start=True, random_state=0).fit(X, Y)
    other.coefs_, other.intercepts_ = coefs, intercepts
    other.fit(X, Y)
    assert_array_equal(model.coefs_[0], other.coefs_[0])
    assert model.loss_curve_ == other.loss_curve_
    assert len(model.loss_curve_) == 4


GOOD = drawn(0, [4, 5, 3])
BAD = {
    "layers": ((GOOD[0][:1], None), r"coefs_init must hold 2 arrays, one for each layer; got 1"),
    "shape": (
        ([GOOD[0][0].T, GOOD[0][1]], None),
        r"coefs_init\[0\] must have shape \(4, 5\); got \(5, 4\)",
    ),
    "biases": (
        (None, [GOOD[1][0], np.zeros(4)]),
        r"intercepts_init\[1\] must have shape \(3,\); got \(4,\)",
    ),
    "nan": (([GOOD[0][0] * np.nan, GOOD[0][1]], None), r"coefs_init\[0\] contains NaN"),
    "infinite": (
        (None, [GOOD[1][0], np.full(3, np.inf)]),
        r"intercepts_init\[1\] contains infinity",
    ),
    "text": (([[["a"] * 5] * 4, GOOD[0][1]], None), "could not convert string to float"),
    "number": ((3, None), r"coefs_init must be a list of arrays"),
    "complex": (([GOOD[0][0] * 1j, GOOD[0][1]], None), "[Cc]omplex"),
}


@pytest.mark.parametrize(("given", "words"), BAD.values(), ids=BAD)
def test_bad_first_weights(given, words):
    model = MLPClassifier((5,), max_iter=1, random_state=0).fit(X, Y)
    before = dict(vars(model))
    with pytest.raises((ValueError, TypeError), match=words):
        model.fit(X, Y, coefs_init=given[0], intercepts_init=given[1])
    assert vars(model) == before
