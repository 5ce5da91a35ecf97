"""The same numbers as scikit-learn, in float64, for the same random_state."""

import inspect
import re

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn import neural_network
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import get_tags

import rustbp

ACTIVATIONS = ("identity", "logistic", "tanh", "relu")


def pair(name, **parameters):
    return getattr(neural_network, name)(**parameters), getattr(rustbp, name)(**parameters)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:500] / 16, y[:500]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("hidden", [(), (30,), (20, 10)])
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_ten_epochs(digits, assert_same_fit, name, hidden, solver, activation):
    X, y = digits
    models = pair(
        name,
        hidden_layer_sizes=hidden,
        activation=activation,
        solver=solver,
        max_iter=10,
        random_state=3,
    )
    theirs, ours = (model.fit(X, y if name == "MLPClassifier" else y / 10) for model in models)
    assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-7)
    assert_same_fit(theirs, ours, X)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_few_iterations_of_lbfgs(digits, assert_same_fit, name, activation):
    X, y = digits
    models = pair(name, activation=activation, solver="lbfgs", max_iter=5, random_state=0)
    theirs, ours = (model.fit(X, y if name == "MLPClassifier" else y / 10) for model in models)
    # The line search magnifies rounding; five iterations keep it far below this.
    assert_same_fit(theirs, ours, X, rtol=1e-3, atol=1e-6)


KINDS = (
    "binary",
    "multiclass",
    "strings",
    "multilabel",
    "number",
    "numbers",
    "counts",
    "many counts",
)


def random_case(seed):
    """Estimator, parameters, data and the calls to make, all from one seed."""
    rng = np.random.default_rng(seed)
    kind = KINDS[seed % len(KINDS)]
    n = int(rng.integers(40, 120))
    X = rng.standard_normal((n, int(rng.integers(2, 8))))
    X[rng.random(X.shape) < rng.choice([0, 0.6])] = 0
    signal = X @ rng.standard_normal((X.shape[1], 4)) + 0.3 * rng.standard_normal((n, 4))
    y = {
        "binary": (signal[:, 0] > 0) * 2 - 1,
        "multiclass": signal.argmax(axis=1) * 3,
        "strings": np.array(["ash", "beech", "oak", "yew"])[signal.argmax(axis=1)],
        "multilabel": (signal[:, :3] > 0).astype(int),
        "number": signal[:, 0],
        "numbers": signal[:, :3],
        "counts": rng.poisson(np.exp(np.clip(signal[:, 0] / 3, -2, 2))),
        "many counts": rng.poisson(np.exp(np.clip(signal[:, :2] / 3, -2, 2))),
    }[kind]
    name = "MLPClassifier" if kind in KINDS[:4] else "MLPRegressor"
    calls = rng.choice(["fit", "fit fit", "fit partial_fit", "partial_fit"])
    solver = rng.choice(["sgd", "adam", "lbfgs"], p=[0.45, 0.4, 0.15])
    if kind == "numbers" and solver == "lbfgs":
        # scikit-learn's loss and gradient do not belong together there: see test_lbfgs.py.
        solver = "adam"
    if solver == "lbfgs":
        calls = rng.choice(["fit", "fit fit"])
    parameters = {
        "hidden_layer_sizes": [(), 7, (5,), (6, 4), (5, 3, 4)][rng.integers(5)],
        "activation": rng.choice(ACTIVATIONS),
        "solver": solver,
        "alpha": float(rng.choice([0, 1e-4, 0.1, 1.0])),
        "batch_size": ["auto", 1, 7, 32, 1000][rng.integers(5)],
        "learning_rate": rng.choice(["constant", "invscaling", "adaptive"]),
        "learning_rate_init": float(rng.choice([1e-3, 1e-2, 0.03])),
        "power_t": float(rng.choice([0.25, 0.5, 1.0])),
        "max_iter": int(rng.integers(1, 5 if solver == "lbfgs" else 15)),
        "shuffle": bool(rng.random() < 0.7),
        "random_state": int(rng.integers(100)),
        "tol": float(rng.choice([0, 1e-4, 1e-2, 1.0])),
        "warm_start": bool(calls == "fit fit" and rng.random() < 0.7),
        "momentum": float(rng.choice([0, 0.5, 0.9])),
        "nesterovs_momentum": bool(rng.random() < 0.5),
        "early_stopping": bool("partial_fit" not in calls and rng.random() < 0.4),
        "validation_fraction": float(rng.choice([0.1, 0.25])),
        "beta_1": float(rng.choice([0, 0.9])),
        "beta_2": float(rng.choice([0.9, 0.999])),
        "epsilon": float(rng.choice([1e-8, 1e-4])),
        "n_iter_no_change": [1, 2, 10, np.inf][rng.integers(4)],
        "max_fun": int(rng.choice([4, 15000])),
    }
    if name == "MLPRegressor":
        parameters["loss"] = "poisson" if "counts" in kind else "squared_error"
    weight = rng.choice([0.5, 1.0, 2.0], size=n) if rng.random() < 0.4 else None
    return name, parameters, X, y, weight, calls.split(), rng.random() < 0.3


def run_calls(model, X, y, weight, calls):
    """Make the calls, each ``partial_fit`` three times on a third of the rows."""
    for call in calls:
        if call == "fit":
            model.fit(X, y, weight)
            continue
        for part in np.array_split(np.arange(X.shape[0]), 3):
            more = {}
            if hasattr(model, "predict_proba") and not hasattr(model, "classes_"):
                more["classes"] = np.arange(y.shape[1]) if y.ndim == 2 else np.unique(y)
            model.partial_fit(X[part], y[part], None if weight is None else weight[part], **more)
    return model


@pytest.mark.parametrize("seed", range(240))
def test_random_configurations(assert_same_fit, observe, is_accident, seed):
    name, parameters, X, y, weight, calls, is_sparse = random_case(seed)
    given = (sparse.csc_matrix(X) if seed % 2 else sparse.csr_array(X)) if is_sparse else X
    if is_sparse and "partial_fit" in calls:
        given = sparse.csr_matrix(X)
    theirs, ours = pair(name, **parameters)
    expected, error, warned = observe(lambda: run_calls(theirs, given, y, weight, calls))
    got, our_error, we_warned = observe(lambda: run_calls(ours, given, y, weight, calls))
    if is_accident(error):
        pytest.skip("this scikit-learn raises by mistake")
    assert (type(our_error), str(our_error)) == (type(error), str(error))
    assert we_warned == warned
    if error is None:
        loose = {"rtol": 1e-3, "atol": 1e-5} if parameters["solver"] == "lbfgs" else {}
        assert_same_fit(expected, got, X, **loose)


def test_random_configurations_do_train():
    """The cases above compare fits, not errors."""
    trained = 0
    for seed in range(0, 240, 8):
        name, parameters, X, y, weight, calls, _ = random_case(seed)
        try:
            run_calls(pair(name, **parameters)[1], X, y, weight, calls)
        except ValueError:
            continue
        except UserWarning:  # Warnings are errors here, and come after training.
            pass
        trained += 1
    assert trained > 25


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "parameters",
    [
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.5, "max_iter": 60},
        {"solver": "adam", "tol": 0.5},
        {"solver": "sgd", "early_stopping": True, "tol": 0.5, "verbose": 2},
    ],
)
def test_what_verbose_prints(digits, capsys, parameters):
    X, y = digits
    printed = []
    for model in pair("MLPClassifier", random_state=0, **({"verbose": True} | parameters)):
        model.fit(X, y)
        printed.append(capsys.readouterr().out)
    theirs, ours = printed
    numbers = re.compile(r"\d+\.\d+")
    assert numbers.sub("#", ours) == numbers.sub("#", theirs)
    assert_allclose(
        [float(n) for n in numbers.findall(ours)],
        [float(n) for n in numbers.findall(theirs)],
        atol=2e-8,
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_float32_stays_float32(digits, name):
    X, y = digits
    models = pair(name, random_state=0, max_iter=3)
    theirs, ours = (model.fit(X.astype(np.float32), y) for model in models)
    assert {a.dtype for a in ours.coefs_ + ours.intercepts_} == {np.dtype(np.float32)}
    assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-4)
    for given in (X, X.astype(np.float32), (X * 16).astype(int), (X * 16).astype(np.float16)):
        method = "predict_proba" if name == "MLPClassifier" else "predict"
        expected, got = getattr(theirs, method)(given), getattr(ours, method)(given)
        assert got.dtype == expected.dtype
        assert_allclose(got, expected, rtol=2e-3, atol=1e-4)


def parameters(function):
    """Names, kinds and defaults; scikit-learn has no annotations."""
    found = inspect.signature(function).parameters.values()
    return [parameter.replace(annotation=inspect.Parameter.empty) for parameter in found]


def test_same_signature_tags_and_random_state_object(digits):
    for name in ("MLPClassifier", "MLPRegressor"):
        theirs, ours = pair(name)
        expected, got = (parameters(type(model)) for model in (theirs, ours))
        assert got[: len(expected)] == expected
        assert get_tags(theirs) == get_tags(ours)
        for method in ("fit", "partial_fit", "predict", "score"):
            expected, got = (parameters(getattr(model, method)) for model in (theirs, ours))
            if "fit" in method:  # Chunks bring their own targets.
                assert got[1].default is None
                got[1] = got[1].replace(default=inspect.Parameter.empty)
            assert got[: len(expected)] == expected
            extra = {"X_val", "y_val", "sample_weight_val"} if "fit" in method else set()
            extra |= {"coefs_init", "intercepts_init"} if method == "fit" else set()
            assert {parameter.name for parameter in got[len(expected) :]} == extra
    X, y = digits
    states = np.random.RandomState(5), np.random.RandomState(5)
    for state, model in zip(states, pair("MLPClassifier", max_iter=1), strict=True):
        with pytest.warns(ConvergenceWarning):
            model.set_params(random_state=state, early_stopping=True).fit(X, y)
    assert states[0].uniform() == states[1].uniform()
