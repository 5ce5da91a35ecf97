"""Random models, saved and loaded: what comes back is equal to the last bit."""

import contextlib
import io
import math
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse

import rustbp
from rustbp import _core

LABELS = {
    "bool": np.array([False, True]),
    **{
        name: np.array([1, 5, 100], name)
        for name in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
    },
    "negative": np.array([-9, -3, 7]),
    "u8, large": np.array([2**63, 2**64 - 1], np.uint64),
    **{name: np.array([-1.0, 0.0, 3.0], name) for name in ("f2", "f4", "f8")},
    "str": np.array(["", "a", "ä", "\U0001f600 and more", "\n\x00b"]),
    "lone surrogate": np.array(["\ud800", "b"]),
    "object str": np.array(["yes", "no"], dtype=object),
    "datetime64": np.array(["2020-01-01", "2021-01-01", "1969-07-20"], "M8[D]"),
    "datetime64, multiple": np.array([1, 5], "M8[25s]"),
    "timedelta64": np.array([-5, 5], "m8[ms]"),
    "one class": np.array([3]),
}
"""Every kind of label that fit takes, bar text of other widths."""


def random_data(rng, features, dtype, kind):
    """X, y and the labels there may be for a fit."""
    X = rng.standard_normal((24, features)).astype(dtype)
    if rng.random() < 0.2:
        X = pd.DataFrame(
            X, columns=[f"{i}·ü" * rng.integers(1, 3) + "\x00" for i in range(features)]
        )
    if kind == "regressor":
        shape = (24,) if rng.random() < 0.5 else (24, rng.integers(1, 4))
        return X, rng.random(shape), None
    if rng.random() < 0.2:
        y = np.eye(24, rng.integers(2, 5), dtype=int)
        return X, (scipy.sparse.csr_matrix(y) if rng.random() < 0.5 else y), None
    labels = LABELS[rng.choice(list(LABELS))]
    return X, np.resize(labels, 24), labels


def random_parameters(rng, kind):
    pick = lambda *values: values[rng.integers(len(values))]  # noqa: E731
    sizes = rng.integers(1, 9, rng.integers(0, 4))
    parameters = {
        "hidden_layer_sizes": pick(
            tuple(sizes.tolist()), sizes.tolist(), sizes, int(rng.integers(1, 40))
        ),
        "activation": pick(*_core.ACTIVATIONS),
        "solver": pick("adam", "adam", "sgd", "sgd", "lbfgs"),
        "alpha": pick(0, 0.1, np.float32(0.1), 1e-300),
        "batch_size": pick("auto", 7, np.int64(24)),
        "learning_rate": pick("constant", "invscaling", "adaptive"),
        "learning_rate_init": rng.random() / 100,
        "max_iter": int(rng.integers(1, 4)),
        "momentum": pick(0.0, 0.9, 1 / 3),
        "nesterovs_momentum": pick(True, False, np.True_),
        "tol": pick(1e-4, np.inf),
        "n_iter_no_change": pick(1, 10, np.inf),
        "warm_start": pick(True, False),
        "random_state": pick(0, np.int32(5), None, np.random.RandomState(7)),
        "early_stopping": rng.random() < 0.2,
        "validation_fraction": 0.5,
    }
    if isinstance(parameters["random_state"], np.random.RandomState) and rng.random() < 0.5:
        parameters["random_state"].standard_normal()  # Leaves a second number for the next call.
    if kind == "classifier":
        parameters["loss"] = pick("log_loss", "squared_error")
        parameters["output_activation"] = pick(None, None, "softmax", "logistic")
    else:
        parameters["loss"] = pick("squared_error", "poisson")
    return parameters


def random_model(rng):
    """A fitted model and the data that it can go on with; None where these do not go together."""
    kind = rng.choice(["classifier", "regressor"])
    X, y, labels = random_data(rng, int(rng.integers(1, 6)), rng.choice(["f4", "f8"]), kind)
    parameters = random_parameters(rng, kind)
    model = (rustbp.MLPClassifier if kind == "classifier" else rustbp.MLPRegressor)(**parameters)
    goes_on = model.solver != "lbfgs" and not model.early_stopping
    try:
        if goes_on and rng.random() < 0.5:
            classes = {"classes": np.unique(labels)} if labels is not None else {}
            if kind == "classifier" and labels is None:
                classes = {"classes": np.arange(y.shape[1])}
            model.partial_fit(X, y, **classes)
        else:
            model.fit(X, y)
    except (ValueError, TypeError):
        return None  # softmax with several labels per row, two labels for a split by early stopping, ...
    return model, X, (y if goes_on else None)


def assert_same(a, b, what="model"):
    """Two values are equal to the last bit, and of the same type."""
    if isinstance(a, np.ndarray):
        assert (a.dtype, a.shape) == (b.dtype, b.shape), what
        assert a.tolist() == b.tolist() if a.dtype == object else a.tobytes() == b.tobytes(), what
    elif isinstance(a, np.random.RandomState):
        assert_same(a.get_state(legacy=False), b.get_state(legacy=False), what)
    elif isinstance(a, dict):
        assert a.keys() == b.keys(), (what, a.keys() ^ b.keys())
        for key in a:
            assert_same(a[key], b[key], f"{what}[{key!r}]")
    elif isinstance(a, (list, tuple)):
        assert (type(a), len(a)) == (type(b), len(b)), what
        for i, (first, second) in enumerate(zip(a, b, strict=True)):
            assert_same(first, second, f"{what}[{i}]")
    elif hasattr(a, "__dict__"):
        assert type(a) is type(b), what
        # As a pickle has it: what is packed between calls comes out as arrays.
        assert_same(a.__getstate__(), b.__getstate__(), what)
    else:
        assert type(a) is type(b), (what, a, b)
        same = a == b or (isinstance(a, float) and math.isnan(a) and math.isnan(b))
        assert same, (what, a, b)


def plain(value):
    """A parameter as a file holds it."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value


def assert_same_model(a, b):
    a, b = dict(a.__getstate__()), dict(b.__getstate__())
    if a["random_state"] is None:
        # NumPy's global generator.
        assert (a.pop("_random_state"), a.pop("random_state")) == (b.pop("_random_state"), None)
        b.pop("random_state")
    parameters = set(rustbp.MLPClassifier().get_params()) & set(a)
    a |= {name: plain(a[name]) for name in parameters}
    a["loss_curve_"] = [np.float64(loss) for loss in a.get("loss_curve_", [])]
    b.setdefault("loss_curve_", [])
    assert_same(a, b)


def round_trips(count, seed=0):
    """Save and load random models; return how many of them went on training."""
    rng = np.random.default_rng(seed)
    done, went_on = 0, 0
    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder, "model.safetensors")
        while done < count:
            found = random_model(rng)
            if found is None:
                continue
            model, X, y = found
            model.save(path)
            again = rustbp.load(path)
            assert_same_model(model, again)
            output, other = predictions(model, X), predictions(again, X)
            assert_same(output, other)
            first = path.read_bytes()
            again.save(path)
            assert path.read_bytes() == first
            done += 1
            if y is None or model.random_state is None:
                continue
            outcomes = [goes_on(m, X, y) for m in (model, again)]
            assert outcomes[0] == outcomes[1], outcomes
            assert_same_model(model, again)
            went_on += 1
    return went_on


def predictions(model, X):
    found = model.predict(X)
    found = found.toarray() if scipy.sparse.issparse(found) else found
    return [found, model.predict_proba(X)] if hasattr(model, "predict_proba") else [found]


def goes_on(model, X, y):
    try:
        model.partial_fit(X, y)
    except ValueError as error:
        return str(error)
    return None


@contextlib.contextmanager
def quiet():
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
