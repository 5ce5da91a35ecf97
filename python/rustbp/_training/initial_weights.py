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
from sklearn.utils import check_array

from rustbp import _arrays

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
    activation: str | Sequence[str],
    dtype: Any,
) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """Weights and biases of every layer, first to last, each layer's weights before its biases."""
    n_hidden = len(layer_sizes) - 2
    names = [activation] * n_hidden if isinstance(activation, str) else [*activation]
    # The output layer takes the factor of the last hidden one, as in scikit-learn.
    names.append(activation if isinstance(activation, str) else (names or ["identity"])[-1])
    coefs, intercepts = [], []
    for name, (fan_in, fan_out) in zip(names, pairwise(layer_sizes), strict=True):
        # Saturating logistic units want a third of the variance: the factor scikit-learn uses.
        gain = 2.0 if name == "logistic" else 6.0
        coef, intercept = INIT[scheme](rng, fan_in, fan_out, gain)
        coefs.append(coef.astype(dtype, copy=False))
        intercepts.append(intercept.astype(dtype, copy=False))
    return coefs, intercepts


Given = tuple[list[NDArray[Any]] | None, list[NDArray[Any]] | None]


def given(coefs: Any, intercepts: Any, layer_sizes: Sequence[int], dtype: Any) -> Given:
    """Copies of the weights and biases that a user starts from; None where there are none.

    Raises
    ------
    TypeError, ValueError
        If they are not finite numbers in the shapes of these layers.
    """
    weights = _layers("coefs_init", coefs, len(layer_sizes) - 1, dtype)
    for layer, (weight, shape) in enumerate(
        zip(weights or [], pairwise(layer_sizes), strict=False)
    ):
        if weight.shape != shape:
            raise ValueError(f"coefs_init[{layer}] must have shape {shape}; got {weight.shape}")
    biases = _layers("intercepts_init", intercepts, len(layer_sizes) - 1, dtype)
    if biases is not None:
        biases = _arrays.biases("intercepts_init", biases, layer_sizes[1:])
    return weights, biases


def _layers(name: str, arrays: Any, n_layers: int, dtype: Any) -> list[NDArray[Any]] | None:
    if arrays is None:
        return None
    if not hasattr(arrays, "__len__") or isinstance(arrays, str):
        raise TypeError(f"{name} must be a list of arrays, one for each layer; got {arrays!r}")
    if len(arrays) != n_layers:
        raise ValueError(
            f"{name} must hold {n_layers} arrays, one for each layer; got {len(arrays)}"
        )
    options = {"dtype": dtype, "order": "C", "copy": True, "ensure_2d": False}
    return [
        check_array(array, input_name=f"{name}[{layer}]", ensure_min_samples=0, **options)
        for layer, array in enumerate(arrays)
    ]
