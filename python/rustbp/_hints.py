"""The way out, said behind the words of scikit-learn and NumPy: other names of what parameters take, and what to do
with data that no network takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

_CALLED: dict[str, dict[str, str]] = {
    "activation": {
        "sigmoid": "logistic",
        "linear": "identity",
        "none": "identity",
        "rectifier": "relu",
        "hyperbolic tangent": "tanh",
    },
    "solver": {"l-bfgs": "lbfgs", "bfgs": "lbfgs", "lbfgs-b": "lbfgs", "momentum": "sgd"},
    "loss": {
        "cross_entropy": "log_loss",
        "crossentropy": "log_loss",
        "cross-entropy": "log_loss",
        "binary_crossentropy": "log_loss",
        "categorical_crossentropy": "log_loss",
        "nll": "log_loss",
        "mse": "squared_error",
        "l2": "squared_error",
        "mean_squared_error": "squared_error",
        "quadratic": "squared_error",
    },
    "output_activation": {"sigmoid": "logistic"},
    "init": {
        "xavier": "glorot_uniform",
        "xavier_uniform": "glorot_uniform",
        "xavier_normal": "glorot_normal",
        "glorot": "glorot_uniform",
        "he": "he_normal",
        "kaiming": "he_normal",
        "kaiming_normal": "he_normal",
        "kaiming_uniform": "he_uniform",
        "lecun": "lecun_normal",
    },
}


def hint(name: str, value: Any, allowed: set[str]) -> str:
    """A sentence on what ``value`` of the parameter ``name`` may have meant, with a space before it, or nothing."""
    if isinstance(value, str):
        meant = _CALLED.get(name, {}).get(value.lower(), value.lower())
        return f" {value!r} is called {meant!r} here." if meant in allowed else ""
    if name == "learning_rate" and isinstance(value, float):
        return f" The number is learning_rate_init={value!r}; learning_rate is how it changes."
    if name == "loss" and not isinstance(value, str):
        return (
            " As in scikit-learn, loss is the first parameter of the regressor: write "
            f"hidden_layer_sizes={value!r}."
        )
    return ""


def hint_for(estimator: Any, message: str) -> str:
    """`hint` for the parameter that the message of scikit-learn's check begins with."""
    for name, constraints in estimator._parameter_constraints.items():
        if message.startswith(f"The {name!r} parameter"):
            choices = (getattr(constraint, "options", ()) for constraint in constraints)
            return hint(name, getattr(estimator, name), set().union(*choices))
    return ""


@contextmanager
def about_rows(X: Any, y: Any = None) -> Iterator[None]:
    """Say behind the error of a check of ``X``, or of ``X`` and ``y``, what to do with such rows."""
    try:
        yield
    except ValueError as error:
        text = str(error)
        if "could not convert string to float" in text and _is_text(y):
            way = _NO_NUMBERS.format(_first(y))
        elif "could not convert string to float" in text or "arrays of bytes/strings" in text:
            way = (
                f"{_columns_of_text(X)} To make numbers of categories and text: rustbp.TabularEncoder, or a "
                "ColumnTransformer with OneHotEncoder, in a pipeline before the network."
            )
        elif text.startswith(("Found array with dim 3", "Found array with dim 4")):
            way = "A network takes a row of numbers for each image or the like: X.reshape(len(X), -1)."
        else:
            raise
        error.args = (f"{text} {way}",)
        raise


@contextmanager
def about_targets(y: Any) -> Iterator[None]:
    """Say beside NumPy's error that ``y`` is no numbers; its words are made of operands, and nothing can go behind."""
    try:
        yield
    except TypeError as error:
        error.add_note(_NO_NUMBERS.format(_first(y)))
        raise


_NO_NUMBERS = "y must be numbers for a regressor; got {!r}. For classes there is MLPClassifier."


def _first(y: Any) -> Any:
    return np.ravel(y)[:1].tolist()[0]


def _is_text(y: Any) -> bool:
    """Whether targets are not numbers; without any they are."""
    try:
        np.asarray(0 if y is None else y, dtype=float)
    except (TypeError, ValueError):
        return True
    return False


def _columns_of_text(X: Any) -> str:
    """Which columns of a table are no numbers."""
    names: list[str] = []
    for name in getattr(X, "columns", ()):
        dtype = str(getattr(X[name], "dtype", "")).lower()
        if not dtype.startswith(("int", "uint", "float", "bool", "decimal")):
            names.append(repr(name))
    if not names:
        return "X has text in it."
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return f"Not numbers: {', '.join(names[:5])}{more}."
