"""Cost and penalty of all rows as a function of one vector: all weights, then all biases."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustbp import _core
from rustbp._arrays import Rows
from rustbp._training.network import network_of


class Objective:
    """The objective of ``model`` over ``rows``, in the dtype of both.

    Attributes
    ----------
    start : ndarray of shape (n_parameters,)
        The weights and biases of the model.
    gradient : ndarray of shape (n_parameters,)
        Written by each call of `parts`.
    shapes : list of tuple of int
        Of all weights, then of all biases.
    """

    def __init__(self, model: Any, rows: Rows, n_threads: int | None) -> None:
        parameters = [*model.coefs_, *model.intercepts_]
        self.shapes = [array.shape for array in parameters]
        self.start = np.concatenate([array.ravel() for array in parameters])
        self.gradient = np.empty_like(self.start)
        self._rows = rows.in_memory()
        self._options: dict[str, Any] = {
            "layer_sizes": [self.shapes[0][0], *map(len, model.intercepts_)],
            "alpha": float(model.alpha),
            "sample_weight": rows.sample_weight,
            "n_threads": n_threads,
            **network_of(model),
        }

    def parts(self, packed: NDArray[Any]) -> tuple[float, float]:
        """Cost and penalty; writes the gradient of their sum."""
        x = np.ascontiguousarray(packed, dtype=self.gradient.dtype)
        return _core.loss_gradient(x, self.gradient, self._rows.X, self._rows.y, **self._options)

    def unpack(self, packed: NDArray[Any]) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
        """Coefs and intercepts, copied out of the packed vector."""
        arrays, start = [], 0
        for shape in self.shapes:
            end = start + int(np.prod(shape))
            arrays.append(packed[start:end].reshape(shape).astype(self.gradient.dtype))
            start = end
        half = len(arrays) // 2
        return arrays[:half], arrays[half:]
