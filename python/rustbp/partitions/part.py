"""One partition: X, y and weights, however they come, and errors that say which one they are of."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
from sklearn.utils import assert_all_finite


def parts(X: Any, y: Any = None, sample_weight: Any = None) -> tuple[Any, Any, Any]:
    """X, y and weights of a partition, which may come as one tuple, or from a function that reads them."""
    if callable(X) and not hasattr(X, "shape"):
        X = X()
    if isinstance(X, tuple) and y is None:
        if len(X) not in (2, 3):
            raise ValueError(f"A partition is (X, y) or (X, y, sample_weight); got {len(X)} parts.")
        X, y, sample_weight = (*X, None)[:3]
    return np.asarray(X) if isinstance(X, list) else X, y, sample_weight


def named(partition: int | None) -> AbstractContextManager[None]:
    """Have errors say which partition they are of."""
    return nullcontext() if partition is None else behind(f"Partition {partition}")


@contextmanager
def behind(words: str) -> Iterator[None]:
    """Have errors begin with these words."""
    try:
        yield
    except (TypeError, ValueError, ZeroDivisionError) as error:
        text = f"{words}: {error}"
        try:
            again: Exception = type(error)(text)
        except Exception:  # Some take more than a text.
            again = (TypeError if isinstance(error, TypeError) else ValueError)(text)
        raise again from error


def column(y: Any) -> Any:
    """Targets as an array, a single column as a vector."""
    y = np.asarray(y)
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y


def refuse_missing(y: Any) -> None:
    """Refuse targets some of which are not there; NumPy's words for None among labels are of something else."""
    if y.dtype.kind == "f":
        assert_all_finite(y, input_name="y")
    elif y.dtype == object and any(map(_is_missing, y.ravel())):
        raise ValueError("Input y contains NaN.")


def _is_missing(value: Any) -> bool:
    # Pandas' NA is equal to nothing, and says so of itself neither.
    return value is None or type(value).__name__ == "NAType" or bool(value != value)
