"""Rows of a file mapped into memory, converted or picked a block at a time, so that memory never has them all."""

import mmap
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite

BLOCK = 16 << 20
"""Bytes of a block, converted: a call of the core on it takes far longer than to make the call."""


def is_mapped(X: Any) -> bool:
    """Whether X is an array of a file mapped into memory, or a part of one."""
    while isinstance(X, np.ndarray):
        if isinstance(X, np.memmap):
            return True
        X = X.base
    return isinstance(X, mmap.mmap)


def needs_conversion(X: Any) -> bool:
    """Whether X is such an array of numbers that the core does not take as they are: integers, float16, other bytes."""
    return (
        isinstance(X, np.ndarray)
        and X.ndim == 2
        and X.dtype.kind in "biuf"
        and X.dtype not in (np.dtype(np.float32), np.dtype(np.float64))
        and is_mapped(X)
    )


class Mapped:
    """Rows of an array, in ``dtype`` when they are looked at.

    Parameters
    ----------
    array : ndarray of shape (n_file, n_features)
        Where the rows are.
    dtype : dtype
        What they are looked at in.
    index : ndarray of int64, default=None
        Which rows of it these are; None: all.
    """

    def __init__(self, array: NDArray[Any], dtype: Any, index: Any = None) -> None:
        self._array, self._index = array, index
        self.dtype = np.dtype(dtype)
        self.shape = (len(array) if index is None else len(index), array.shape[1])
        self.ndim = 2

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> NDArray[Any]:
        """Rows by a slice or an array of their numbers: a copy."""
        if self._index is not None:
            index = self._index[index]
        # What is too large for float32 ends in the error for a loss that is not finite, as elsewhere.
        with np.errstate(over="ignore"):
            return np.array(self._array[index], dtype=self.dtype, order="C")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype=dtype)

    @property
    def rows_of_block(self) -> int:
        return max(1, BLOCK // max(1, self.shape[1] * self.dtype.itemsize))

    def astype(self, dtype: Any) -> "Mapped":
        return Mapped(self._array, dtype, self._index)

    def take(self, index: Any) -> "Mapped":
        """Some of the rows, of which none are read yet."""
        return Mapped(self._array, self.dtype, index if self._index is None else self._index[index])

    def slices(self) -> Iterator[slice]:
        """All rows, block by block."""
        step = self.rows_of_block
        return (slice(first, first + step) for first in range(0, len(self), step))

    def check(self) -> Self:
        """Refuse what is not finite, in scikit-learn's words."""
        if self._array.dtype.kind == "f":
            for rows in self.slices():
                assert_all_finite(self[rows], input_name="X")
        return self


def take(X: Any, index: Any) -> Any:
    """Rows of X: a copy, but of a file mapped into memory."""
    if isinstance(X, Mapped):
        return X.take(index)
    if is_mapped(X):
        return Mapped(X, X.dtype, index)
    return X[index]


def whole(X: Any) -> Any:
    """All of X in memory."""
    return X[:] if isinstance(X, Mapped) else X
