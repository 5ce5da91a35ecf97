"""σ' of any activation of the core, from the core: what people look at is what trains."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustbp import _core

FLAT = 0.1
"""σ is called flat at z where σ'(z) is less than this share of its largest value."""


def sigma_prime(activation: str, z: NDArray[Any]) -> NDArray[Any]:
    """σ'(z), in the shape and dtype of z.

    It is the error of the hidden neuron of a net with one input, one hidden and one output neuron, all weights 1 and
    all biases 0, whose output has the error 1: BP2 is then δ^1 = 1 · 1 · σ'(z^1).
    """
    column = np.ascontiguousarray(z).reshape(-1, 1)
    weight, bias = np.ones((1, 1), column.dtype), np.zeros(1, column.dtype)
    a = _core.forward(column, [weight], [bias], activation=activation, output_activation=activation)
    shown = _core.backprop(
        column,
        a - 1,
        [weight, weight],
        [bias, bias],
        activation=activation,
        output_activation="identity",
        cost="squared_error",
    )
    return shown["delta"][0].reshape(z.shape)


@cache
def _steepest(activation: str) -> float:
    return float(np.abs(sigma_prime(activation, np.linspace(-10, 10, 4001))).max())


def is_flat(activation: str, z: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Where σ is flat: saturated for 'logistic' and 'tanh', off for 'relu'.

    None for activations that only outputs have: 'softmax' has no σ' of one neuron, and that of 'exp' has no largest
    value.
    """
    if activation not in _core.ACTIVATIONS:
        return None
    return np.abs(sigma_prime(activation, z)) < FLAT * _steepest(activation)
