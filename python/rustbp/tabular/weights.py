"""Weights of the rows of a table."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _check_sample_weight


def checked(sample_weight: Any, n_rows: int) -> NDArray[Any] | None:
    """Weights of so many rows, the largest about 1; None where all weigh the same.

    Raises
    ------
    ValueError
        If one is negative or not finite, if there are more or fewer of them, or if all are 0.
    """
    if sample_weight is None:
        return None
    weight = _check_sample_weight(sample_weight, np.empty((n_rows, 1)), ensure_non_negative=True)
    if not weight.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return of_unit_size(weight)


def of_unit_size(weight: NDArray[Any]) -> NDArray[Any]:
    """Weights, of which only the ratios matter, divided by a power of two, so that float32 can hold them."""
    return np.ldexp(weight, -np.frexp(weight.max())[1])
