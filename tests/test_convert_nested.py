"""Whole pipelines and search objects from scikit-learn and back: every perceptron inside is converted, in a copy."""

import functools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import neural_network
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, RandomizedSearchCV
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputRegressor
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import rustbp

X, Y = load_iris(return_X_y=True)
BOTH = np.stack([Y, 1.0 - Y], axis=1)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SETTINGS = {"max_iter": 2, "random_state": 0}


def net(package, **options):
    return package.MLPClassifier((4,), **SETTINGS, **options)


def numbers(package):
    return package.MLPRegressor(hidden_layer_sizes=(4,), **SETTINGS)


# Each makes an estimator around perceptrons of a package.
HOLDERS = {
    "pipeline": lambda p: make_pipeline(StandardScaler(), net(p)),
    "pipeline in a pipeline": lambda p: make_pipeline(make_pipeline(StandardScaler(), net(p))),
    "grid search": lambda p: GridSearchCV(net(p), {"alpha": [0.1, 1.0]}, cv=2),
    "grid over estimators": lambda p: GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression()),
        {"logisticregression": [net(p), LogisticRegression()]},
        cv=2,
    ),
    "halving search": lambda p: HalvingGridSearchCV(
        make_pipeline(StandardScaler(), net(p)),
        {"mlpclassifier__alpha": [0.1, 1.0]},
        cv=2,
        random_state=0,
    ),
    "random search": lambda p: RandomizedSearchCV(
        net(p), {"alpha": [0.1, 1.0]}, n_iter=2, cv=2, random_state=0
    ),
    "bagging": lambda p: BaggingClassifier(net(p), n_estimators=2, random_state=0),
    "voting": lambda p: VotingClassifier(
        [("a", net(p)), ("b", LogisticRegression())], voting="soft"
    ),
    "voting of regressors": lambda p: VotingRegressor([("a", numbers(p)), ("b", numbers(p))]),
    "stacking": lambda p: StackingClassifier([("a", net(p))], net(p), cv=2),
    "one against the rest": lambda p: OneVsRestClassifier(net(p)),
    "one against one": lambda p: OneVsOneClassifier(net(p)),
    "chain": lambda p: ClassifierChain(net(p)),
    "several outputs": lambda p: MultiOutputRegressor(numbers(p)),
    "calibration": lambda p: CalibratedClassifierCV(net(p), cv=2),
    "transformed target": lambda p: TransformedTargetRegressor(
        numbers(p), func=np.log1p, inverse_func=np.expm1
    ),
    "frozen": lambda p: FrozenEstimator(net(p).fit(X, Y)),
    "function": lambda p: make_pipeline(
        FunctionTransformer(functools.partial(np.multiply, 2.0)), net(p)
    ),
    "columns": lambda p: make_pipeline(
        ColumnTransformer(
            [
                ("net", FunctionTransformer(net(p).fit(X[:, :2], Y).predict_proba), [0, 1]),
                ("rest", "passthrough", [2, 3]),
            ]
        ),
        FeatureUnion([("scale", StandardScaler()), ("none", "drop")]),
        net(p),
    ),
}
each = pytest.mark.parametrize("name", HOLDERS)


def targets(name):
    if name == "chain":
        return np.stack([Y > 0, Y > 1], axis=1) * 1
    return BOTH if name == "several outputs" else Y


def inside(holder):
    """The packages that perceptrons inside come from, found by the text of all that is there."""
    found, seen, stack = set(), {}, [holder]
    while stack:
        item = stack.pop()
        if id(item) in seen:
            continue
        seen[id(item)] = item
        if type(item).__name__ in ("MLPClassifier", "MLPRegressor"):
            found.add(type(item).__module__.partition(".")[0])
        elif isinstance(item, dict):
            stack += item.values()
        elif isinstance(item, (list, tuple)) or (
            isinstance(item, np.ndarray) and item.dtype == object
        ):
            stack += list(item)
        elif hasattr(item, "__self__"):
            stack.append(item.__self__)
        elif hasattr(item, "__dict__") and not isinstance(item, type):
            stack += vars(item).values()
    return found


def answers(holder):
    method = "predict_proba" if hasattr(holder, "predict_proba") else "predict"
    return getattr(holder, method)(X)


@each
@pytest.mark.parametrize("direction", ["from", "to"])
def test_fitted(name, direction):
    source, convert, result = {
        "from": (neural_network, rustbp.from_sklearn, "rustbp"),
        "to": (rustbp, rustbp.to_sklearn, "sklearn"),
    }[direction]
    holder = HOLDERS[name](source).fit(X, targets(name))
    before = answers(holder)
    packages = inside(holder)
    converted = convert(holder)
    assert type(converted) is type(holder)
    assert inside(converted) == {result}
    assert_allclose(answers(converted), before, rtol=1e-9, atol=1e-12)
    # The original is as it was, and shares nothing that training changes.
    converted.fit(X[::2], targets(name)[::2])
    assert inside(holder) == packages != {result}
    assert_array_equal(answers(holder), before)


@each
def test_not_fitted_and_fitted_afterwards(name):
    theirs = HOLDERS[name](neural_network)
    ours = rustbp.from_sklearn(theirs)
    assert inside(ours) == {"rustbp"}
    assert inside(theirs) == {"sklearn"}
    expected = clone(theirs).fit(X, targets(name))
    got = clone(ours).fit(X, targets(name))
    assert_allclose(answers(got), answers(expected), rtol=1e-6, atol=1e-9)


def test_what_was_one_object_stays_one():
    shared = net(neural_network)
    holder = VotingClassifier([("a", shared), ("b", shared)]).fit(X, Y)
    ours = rustbp.from_sklearn(holder)
    assert ours.estimators[0][1] is ours.estimators[1][1]
    assert ours.named_estimators_["a"] is ours.estimators_[0]
    search = rustbp.from_sklearn(
        GridSearchCV(net(neural_network), {"alpha": [1.0]}, cv=2).fit(X, Y)
    )
    assert isinstance(search.best_estimator_, rustbp.MLPClassifier)
    assert search.cv_results_["mean_test_score"].shape == (1,)


def test_metadata_requests_come_along():
    from sklearn import config_context

    with config_context(enable_metadata_routing=True):
        model = neural_network.MLPClassifier().set_fit_request(sample_weight=True)
        ours = rustbp.from_sklearn(make_pipeline(StandardScaler(), model))
        assert ours[-1].get_metadata_routing().fit.requests["sample_weight"] is True
        theirs = rustbp.to_sklearn(ours)
        assert theirs[-1].get_metadata_routing().fit.requests["sample_weight"] is True


def test_one_model_and_the_method():
    model = net(rustbp).fit(X, Y)
    assert type(rustbp.to_sklearn(model)) is neural_network.MLPClassifier
    assert_array_equal(
        rustbp.to_sklearn(model).predict_proba(X), model.to_sklearn().predict_proba(X)
    )


@pytest.mark.parametrize(
    "what", [LogisticRegression(), make_pipeline(StandardScaler()), 3, None, rustbp.MLPClassifier]
)
def test_where_there_is_nothing_to_convert(what):
    name = what.__name__ if isinstance(what, type) else type(what).__name__
    for convert in (rustbp.from_sklearn, rustbp.to_sklearn):
        with pytest.raises(
            TypeError,
            match=rf"{convert.__name__} takes .*, or an estimator that holds some; got (rustbp\.)?{name}\.",
        ):
            convert(what)


def test_what_sklearn_does_not_have():
    with pytest.raises(ValueError, match="does not have loss='squared_error'"):
        rustbp.to_sklearn(make_pipeline(net(rustbp, loss="squared_error")))
    features = make_pipeline(rustbp.HiddenActivations(net(neural_network)), LogisticRegression())
    features = rustbp.from_sklearn(features).fit(X, Y)
    with pytest.raises(TypeError, match="cannot convert HiddenActivations, which scikit-learn"):
        rustbp.to_sklearn(features)


class Theirs(neural_network.MLPClassifier):
    def _init_coef(self, fan_in, fan_out, dtype):
        return super()._init_coef(fan_in, fan_out, dtype)


class Ours(rustbp.MLPClassifier):
    def predict(self, X):
        return super().predict(X)[::-1]


class Plain(neural_network.MLPClassifier):
    """No method of scikit-learn's is another here."""

    def describe(self):
        return "mine"


def test_subclasses_that_do_something_else_are_refused():
    with pytest.raises(
        TypeError, match="from_sklearn cannot convert Theirs, which overrides _init_coef"
    ):
        rustbp.from_sklearn(make_pipeline(Theirs()))
    with pytest.raises(TypeError, match="to_sklearn cannot convert Ours, which overrides predict"):
        rustbp.to_sklearn(Ours())
    with pytest.raises(TypeError, match="to_sklearn cannot convert Ours, which overrides predict"):
        Ours().to_sklearn()
    assert type(rustbp.from_sklearn(Plain((3,)))) is rustbp.MLPClassifier
