"""Initial weights and biases.

A scheme draws one layer: ``(random_state, fan_in, fan_out, gain) -> (coef, intercept)`` of shapes ``(fan_in,
fan_out)`` and ``(fan_out,)``, in float64. ``gain`` is Glorot's factor of the activation. To add one, write it and
name it in `INIT`.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Layer = tuple[NDArray[Any], NDArray[Any]]
Scheme = Callable[[np.random.RandomState, int, int, float], Layer]


def glorot_uniform(rng: np.random.RandomState, fan_in: int, fan_out: int, gain: float) -> Layer:
    """Glorot and Bengio (2010), eq. 16; the biases too, as scikit-learn draws them."""
    bound = np.sqrt(gain / (fan_in + fan_out))
    return rng.uniform(-bound, bound, (fan_in, fan_out)), rng.uniform(-bound, bound, fan_out)


def glorot_normal(rng: np.random.RandomState, fan_in: int, fan_out: int, gain: float) -> Layer:
    """Glorot and Bengio (2010), eq. 12: variance 2 / (fan_in + fan_out)."""
    return _normal(rng, fan_in, fan_out, np.sqrt(2.0 / (fan_in + fan_out))), np.zeros(fan_out)


def he_uniform(rng: np.random.RandomState, fan_in: int, fan_out: int, gain: float) -> Layer:
    """He et al. (2015), eq. 10, as a uniform distribution of the same variance."""
    bound = np.sqrt(6.0 / fan_in)
    return rng.uniform(-bound, bound, (fan_in, fan_out)), np.zeros(fan_out)


def he_normal(rng: np.random.RandomState, fan_in: int, fan_out: int, gain: float) -> Layer:
    """He et al. (2015), eq. 10: variance 2 / fan_in."""
    return _normal(rng, fan_in, fan_out, np.sqrt(2.0 / fan_in)), np.zeros(fan_out)


def lecun_normal(rng: np.random.RandomState, fan_in: int, fan_out: int, gain: float) -> Layer:
    """Variance 1 / fan_in, biases standard normal: Nielsen (2015), chapter 3, "Weight initialization"."""
    return _normal(rng, fan_in, fan_out, 1.0 / np.sqrt(fan_in)), rng.standard_normal(fan_out)


def normal(rng: np.random.RandomState, fan_in: int, fan_out: int, gain: float) -> Layer:
    """Standard normal weights and biases: Nielsen (2015), chapter 1."""
    return _normal(rng, fan_in, fan_out, 1.0), rng.standard_normal(fan_out)


def _normal(
    rng: np.random.RandomState, fan_in: int, fan_out: int, scale: float
) -> NDArray[np.float64]:
    return rng.standard_normal((fan_in, fan_out)) * scale


INIT: dict[str, Scheme] = {
    scheme.__name__: scheme
    for scheme in (glorot_uniform, glorot_normal, he_uniform, he_normal, lecun_normal, normal)
}


def draw(
    rng: np.random.RandomState,
    layer_sizes: Sequence[int],
    *,
    scheme: str,
    activation: str,
    dtype: Any,
) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """Weights and biases of every layer, first to last, each layer's weights before its biases."""
    # Saturating logistic units want a third of the variance: the factor scikit-learn uses.
    gain = 2.0 if activation == "logistic" else 6.0
    coefs, intercepts = [], []
    for fan_in, fan_out in pairwise(layer_sizes):
        coef, intercept = INIT[scheme](rng, fan_in, fan_out, gain)
        coefs.append(coef.astype(dtype, copy=False))
        intercepts.append(intercept.astype(dtype, copy=False))
    return coefs, intercepts
