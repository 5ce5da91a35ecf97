"""What the parameters of an estimator say of its network, as the core takes it; and what does not go together."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import InvalidParameterError

from rustbp import _core

HYPERPARAMETERS = {"huber": "huber_delta", "quantile": "quantile"}
"""The parameter that a cost depends on."""


def _activation(model: Any) -> str | list[str]:
    """The name of the hidden layers' activation, or that of each; it may have been set to anything since the fit."""
    names = model.activation
    if isinstance(names, str):
        return str(names)
    try:
        return list(map(str, names))
    except TypeError:
        model._validate_params()
        raise


def functions_of(model: Any) -> dict[str, Any]:
    """What the core calls the activations of ``model``."""
    return {
        "activation": _activation(model),
        "output_activation": model.out_activation_,
    }


def network_of(model: Any) -> dict[str, Any]:
    """What the core calls the activations and the cost of ``model``."""
    parameter = HYPERPARAMETERS.get(model.loss)
    cost_parameter = None
    if parameter is not None:
        numbers = getattr(model, parameter)
        cost_parameter = float(numbers) if isinstance(numbers, Real) else list(map(float, numbers))
    return {
        **functions_of(model),
        "cost": model.loss,
        "cost_parameter": cost_parameter,
        "label_smoothing": float(getattr(model, "label_smoothing", 0.0)),
    }


def activations_of(model: Any) -> tuple[str, ...]:
    """The activation of each layer of a fitted model, the output layer's last."""
    names, n_hidden = _activation(model), len(model.coefs_) - 1
    hidden = (names,) * n_hidden if isinstance(names, str) else tuple(names)
    if len(hidden) != n_hidden:
        _refuse(model, "activation", f"a str among {set(_core.ACTIVATIONS)!r}", n_hidden)
    return (*hidden, model.out_activation_)


def one_activation(model: Any) -> Any:
    """The name of all hidden layers' activation where there is but one, else what names them."""
    names = _activation(model)
    return names if isinstance(names, str) or len(set(names)) != 1 else names[0]


def dropout_of(model: Any, n_hidden: int) -> list[float] | None:
    """The dropout of each hidden layer; None where nothing is dropped."""
    rates = model.dropout
    rates = [rates] * n_hidden if isinstance(rates, Real) else list(rates)
    return list(map(float, rates)) if any(rates) else None


def check_layers(model: Any, n_hidden: int) -> None:
    """Refuse activations and dropout that are not those of so many hidden layers."""
    names = model.activation
    if not isinstance(_activation(model), str):
        known = all(isinstance(name, str) and name in _core.ACTIVATIONS for name in names)
        if not known or len(names) != n_hidden:
            _refuse(model, "activation", f"a str among {set(_core.ACTIVATIONS)!r}", n_hidden)
    rates = model.dropout
    if not isinstance(rates, Real):
        known = all(isinstance(rate, Real) and 0 <= rate < 1 for rate in rates)
        if not known or len(rates) != n_hidden:
            _refuse(model, "dropout", "a float in the range [0.0, 1.0)", n_hidden)
    if model.solver == "lbfgs" and np.any(rates):
        raise ValueError(
            "solver='lbfgs' needs the same loss whenever it looks, which dropout does not give: got "
            f"dropout={rates!r}. Use dropout=0.0, or another solver."
        )


def _refuse(model: Any, name: str, one: str, n_hidden: int) -> None:
    layers = "hidden layer" if n_hidden == 1 else f"{n_hidden} hidden layers"
    raise InvalidParameterError(
        f"The {name!r} parameter of {type(model).__name__} must be {one}, or a list of such, one for each of the "
        f"{layers}. Got {getattr(model, name)!r} instead."
    )


def check_cost(model: Any, output_activation: str) -> None:
    """Refuse an output activation that does not go with the cost."""
    pairs: Sequence[str] = [output for cost, output in _core.PAIRS if cost == model.loss]
    if output_activation not in pairs:
        raise ValueError(
            f"loss={model.loss!r} does not go with output_activation={output_activation!r}; it goes with "
            f"{', '.join(map(repr, pairs))}."
        )
