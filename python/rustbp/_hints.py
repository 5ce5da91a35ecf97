"""Other names of what parameters take, said behind scikit-learn's words where somebody used them."""

from typing import Any

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
