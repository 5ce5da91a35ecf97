"""Settings of the optimizer under way, written between calls of `partial_fit`: they count, or raise."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import neural_network
from sklearn.datasets import load_iris

import rustbp
from rustbp import MLPClassifier, MLPRegressor

X, Y = load_iris(return_X_y=True)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def pair(solver, **options):
    """scikit-learn's model and ours, trained for three epochs."""
    options = {
        "hidden_layer_sizes": (5,),
        "solver": solver,
        "max_iter": 3,
        "random_state": 0,
        **options,
    }
    return [p.MLPClassifier(**options).fit(X, Y) for p in (neural_network, rustbp)]


def assert_follow(models, n_calls=3):
    """Both go on alike."""
    theirs, ours = models
    for _ in range(n_calls):
        theirs.partial_fit(X, Y)
        ours.partial_fit(X, Y)
    assert_allclose(ours.coefs_[0], theirs.coefs_[0], rtol=1e-7, atol=1e-10)
    assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-7)
    assert_allclose(ours._optimizer.learning_rate, theirs._optimizer.learning_rate, rtol=1e-12)


SETTINGS = {
    "sgd": {
        "momentum": 0.5,
        "nesterov": False,
        "learning_rate": 0.2,
        "learning_rate_init": 0.2,
        "lr_schedule": "invscaling",
        "power_t": 0.9,
    },
    "adam": {
        "beta_1": 0.3,
        "beta_2": 0.8,
        "epsilon": 0.1,
        "learning_rate_init": 0.2,
        "learning_rate": 0.2,
        "t": 0,
    },
}
ONE = [(solver, name, value) for solver, some in SETTINGS.items() for name, value in some.items()]


@pytest.mark.parametrize(
    ("solver", "name", "value"), [*ONE, ("sgd", "momentum", 0), ("sgd", "momentum", 1)]
)
@pytest.mark.parametrize("schedule", ["constant", "invscaling"])
def test_a_setting_counts(solver, name, value, schedule):
    models = pair(solver, learning_rate=schedule)
    for model in models:
        assert getattr(model._optimizer, name, None) is not None
        setattr(model._optimizer, name, value)
        assert getattr(model._optimizer, name) == value
    assert_follow(models)


def test_the_schedule_that_shrinks_the_step():
    models = pair("sgd", n_iter_no_change=1, tol=10.0, max_iter=1)
    for model in models:
        model._optimizer.lr_schedule = "adaptive"
    assert_follow(models, n_calls=6)
    assert models[1]._optimizer.learning_rate < 0.001


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_settings_have_sklearns_values(solver):
    theirs, ours = pair(
        solver, momentum=0.7, nesterovs_momentum=False, beta_2=0.9, learning_rate_init=0.01
    )
    for name in SETTINGS[solver].keys() - {"lr_schedule"}:
        assert getattr(ours._optimizer, name) == pytest.approx(
            getattr(theirs._optimizer, name), rel=1e-12
        )
    if solver == "sgd":
        assert ours._optimizer.nesterov is False
        assert ours._optimizer.lr_schedule == theirs._optimizer.lr_schedule


SLOTS = [("sgd", "velocities"), ("adam", "ms"), ("adam", "vs")]


@pytest.mark.parametrize(("solver", "name"), SLOTS)
def test_velocities_and_moments_are_sklearns(solver, name):
    theirs, ours = pair(solver)
    for expected, got in zip(
        getattr(theirs._optimizer, name), getattr(ours._optimizer, name), strict=True
    ):
        assert_allclose(got, expected, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize(("solver", "name"), SLOTS)
@pytest.mark.parametrize("in_place", [False, True])
def test_velocities_and_moments_count(solver, name, in_place):
    models = pair(solver)
    for model in models:
        arrays = getattr(model._optimizer, name)
        if in_place:
            for array in arrays:
                array *= 0.25
        else:
            setattr(model._optimizer, name, [0.25 * array for array in arrays])
    assert_follow(models)


def test_forgetting_the_past_of_adam():
    """What warm restarts do."""
    models = pair("adam")
    for model in models:
        optimizer = model._optimizer
        optimizer.ms = [np.zeros_like(m) for m in optimizer.ms]
        optimizer.vs = [np.zeros_like(v) for v in optimizer.vs]
        optimizer.t = 0
    assert_follow(models)
    assert models[1]._optimizer.t == 3


def test_settings_count_in_each_call_anew():
    models = pair("sgd")
    for momentum, rate in [(0.9, 0.1), (0.5, 0.01), (0.9, 0.02)]:
        for model in models:
            model._optimizer.momentum = momentum
            model._optimizer.learning_rate = rate
        assert_follow(models, n_calls=1)


def test_momentum_after_none_starts_from_rest():
    """scikit-learn keeps the last step of plain descent as a velocity, and rustbp does not: see docs/differences.md."""
    ours = MLPClassifier((5,), solver="sgd", momentum=0, max_iter=3, random_state=0).fit(X, Y)
    with pytest.raises(AttributeError, match="no velocities"):
        _ = ours._optimizer.velocities
    other = copy.deepcopy(ours)
    ours._optimizer.momentum = 0.9
    other._optimizer.momentum = 0.9
    other._optimizer.velocities = [np.zeros_like(a) for a in other.coefs_ + other.intercepts_]
    assert_array_equal(ours.partial_fit(X, Y).coefs_[0], other.partial_fit(X, Y).coefs_[0])
    assert_allclose(ours._optimizer.velocities[0], other._optimizer.velocities[0])


@pytest.mark.parametrize(
    ("solver", "name"),
    [
        ("sgd", "beta_1"),
        ("sgd", "ms"),
        ("adam", "momentum"),
        ("adam", "lr_schedule"),
        ("adam", "power_t"),
        ("sgd", "momenta"),
    ],
)
def test_a_setting_that_it_does_not_have(solver, name):
    model = MLPClassifier((5,), solver=solver, max_iter=1).fit(X, Y)
    with pytest.raises(AttributeError, match=rf"'{solver}' has no setting '{name}'"):
        setattr(model._optimizer, name, 0.5)


@pytest.mark.parametrize(
    ("solver", "name", "value", "words"),
    [
        ("sgd", "momentum", 1.5, "momentum must be in"),
        ("sgd", "momentum", np.nan, "momentum must be in"),
        ("sgd", "lr_schedule", "sometimes", "lr_schedule must be one of"),
        ("sgd", "velocities", [np.zeros(3)], "velocity"),
        ("adam", "beta_2", 1.0, "beta_2 must be in"),
        ("adam", "ms", [np.zeros((2, 2))] * 4, "part of ms"),
        ("adam", "t", -1, "negative"),
        ("adam", "epsilon", "much", "could not convert"),
    ],
)
def test_a_value_that_cannot_be(solver, name, value, words):
    def use():
        setattr(model._optimizer, name, value)
        model.partial_fit(X, Y)

    model = MLPClassifier((5,), solver=solver, max_iter=1, random_state=0).fit(X, Y)
    before = model.coefs_[0]
    with pytest.raises((ValueError, TypeError, OverflowError), match=words):
        use()
    assert model.coefs_[0] is before


@pytest.mark.parametrize("optimizer", [None, "missing"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_without_an_optimizer_training_goes_on_with_a_new_one(solver, optimizer):
    model = MLPRegressor(hidden_layer_sizes=5, solver=solver, max_iter=2, random_state=0).fit(X, Y)
    theirs = model.to_sklearn()
    del theirs._optimizer
    if optimizer == "missing":
        del model._optimizer
    else:
        model._optimizer = None
    assert_allclose(
        model.partial_fit(X, Y).coefs_[0], theirs.partial_fit(X, Y).coefs_[0], rtol=1e-9
    )


def test_the_optimizer_of_another_package_is_refused():
    theirs, ours = pair("sgd")
    ours._optimizer = theirs._optimizer
    with pytest.raises(TypeError, match=r"_optimizer is of type SGDOptimizer.*from_sklearn"):
        ours.partial_fit(X, Y)


def test_a_copy_has_its_own_settings():
    model = MLPClassifier((5,), solver="sgd", max_iter=1, random_state=0).fit(X, Y)
    again = pickle.loads(pickle.dumps(model))
    again._optimizer.momentum = 0.1
    other = copy.copy(model).partial_fit(X, Y)
    other._optimizer.momentum = 0.2
    assert model._optimizer.momentum == 0.9
    assert pickle.loads(pickle.dumps(again))._optimizer.momentum == 0.1


# ---- numbers at the edge of the dtype ----


@pytest.mark.parametrize(
    ("dtype", "epsilon"),
    [
        *[(np.float32, epsilon) for epsilon in (1e-30, 1e-39, 1e-44, 1e-46, 1e-310)],
        *[(np.float64, epsilon) for epsilon in (1e-200, 1e-310, 5e-324)],
    ],
)
def test_a_tiny_epsilon(epsilon, dtype):
    """scikit-learn trains; with one that is 0 in float32 it ends in NaN."""
    options = {"hidden_layer_sizes": (5,), "max_iter": 4, "random_state": 0, "epsilon": epsilon}
    rows = X.astype(dtype)
    rows[:, 3] = 0  # weights whose gradient is 0 in every step
    ours = MLPClassifier(**options, alpha=0).fit(rows, Y)
    assert np.isfinite(ours.coefs_[0]).all()
    if dtype(epsilon) > 0:
        theirs = neural_network.MLPClassifier(**options, alpha=0).fit(rows, Y)
        assert_allclose(ours.loss_, theirs.loss_, rtol=1e-3 if dtype == np.float32 else 1e-7)


TINY = {
    "sgd": [
        {"momentum": 1e-46},
        {"momentum": 1 - 1e-10},
        {"momentum": 1e-320},
        {"alpha": 1e-50},
        {"learning_rate_init": 1e-50},
        {"power_t": 1e-320, "learning_rate": "invscaling"},
    ],
    "adam": [
        {"beta_1": 1e-46},
        {"beta_2": 1e-46},
        {"beta_1": 1 - 1e-10, "beta_2": 1 - 1e-10},
        {"beta_2": 1 - 1e-16},
        {"learning_rate_init": 1e-46},
        {"alpha": 1e-320},
        {"epsilon": 1e30},
    ],
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("solver", "options"), [(solver, options) for solver, some in TINY.items() for options in some]
)
def test_other_numbers_beyond_the_dtype(solver, options, dtype):
    options = {
        "hidden_layer_sizes": (5,),
        "solver": solver,
        "max_iter": 5,
        "random_state": 0,
        **options,
    }
    rows = X.astype(dtype)
    theirs = neural_network.MLPClassifier(**options).fit(rows, Y)
    ours = MLPClassifier(**options).fit(rows, Y)
    assert_allclose(ours.loss_, theirs.loss_, rtol=1e-4 if dtype == np.float32 else 1e-7)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize(
    "options", [{"alpha": 1e39}, {"learning_rate_init": 1e39}, {"learning_rate_init": 1e308}]
)
def test_numbers_that_are_infinite_in_float32_end_in_an_error(solver, options):
    model = MLPClassifier((5,), solver=solver, max_iter=5, **options)
    with pytest.raises(ValueError, match="non-finite"):
        model.fit(X.astype(np.float32), Y)


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("nesterov", [False, True])
def test_to_sklearn_without_momentum(estimator, nesterov):
    options = {
        "solver": "sgd",
        "momentum": 0,
        "nesterovs_momentum": nesterov,
        "max_iter": 3,
        "random_state": 0,
    }
    ours = estimator(hidden_layer_sizes=(5,), **options).fit(X, Y)
    theirs = ours.to_sklearn()
    assert_allclose(theirs.predict(X), ours.predict(X), rtol=1e-9)
    for _ in range(3):
        ours.partial_fit(X, Y)
        theirs.partial_fit(X, Y)
    assert_allclose(theirs.coefs_[0], ours.coefs_[0], rtol=1e-9)
    again = rustbp.from_sklearn(theirs)
    assert_allclose(again.partial_fit(X, Y).coefs_[0], ours.partial_fit(X, Y).coefs_[0], rtol=1e-9)
