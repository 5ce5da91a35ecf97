"""From validated input to what the core takes: one dtype for every array of a call, CSR where X is sparse."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import column_or_1d

from rustbp._warn import warn

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
_BLAS_STARTS_THREADS = 4096
"""Elements below which a dot product never wakes BLAS threads, which would then spin beside ours."""


class Rows(NamedTuple):
    """Training data: rows, class indices or a matrix of targets, and weights or None."""

    X: Any
    y: Any
    sample_weight: Any

    def take(self, index: Any) -> "Rows":
        weight = None if self.sample_weight is None else self.sample_weight[index]
        return Rows(self.X[index], self.y[index], weight)

    def in_dtype(self, dtype: np.dtype[Any]) -> "Rows":
        """The same in ``dtype``, as the core takes them; class indices stay integers."""
        weight = self.sample_weight
        return Rows(
            rows(self.X, dtype),
            targets(self.y, dtype),
            None if weight is None else np.ascontiguousarray(weight, dtype=dtype),
        )


def common_dtype(*arrays: Any) -> np.dtype[Any]:
    """The dtype NumPy would compute a product of these in, limited to what the core has."""
    dtype = np.result_type(*(getattr(a, "dtype", None) or np.asarray(a).dtype for a in arrays))
    return dtype if dtype in _FLOATS else np.dtype(np.float64)


def parameters(arrays: Sequence[Any], dtype: np.dtype[Any]) -> list[NDArray[Any]]:
    """Weights or biases, whatever a user may have assigned, as arrays the core takes; not copied if they are."""
    return [np.ascontiguousarray(array, dtype=dtype) for array in arrays]


def rows(X: Any, dtype: np.dtype[Any]) -> Any:
    """X, dense or sparse, in ``dtype``; sparse input becomes CSR with each entry stored once, and is never
    densified."""
    if not scipy.sparse.issparse(X):
        return np.asarray(X, dtype=dtype)
    csr = X.tocsr()
    if csr.dtype != dtype:
        csr = csr.astype(dtype)
    _check_rows(csr)
    if not csr.has_canonical_format:
        # The user's own matrix must not change under them.
        csr = csr.copy() if csr is X else csr
        csr.sum_duplicates()
    if csr.indices.dtype != csr.indptr.dtype:
        wide = np.result_type(csr.indices.dtype, csr.indptr.dtype)
        parts = (csr.data, csr.indices.astype(wide), csr.indptr.astype(wide))
        csr = type(csr)(parts, shape=csr.shape)
    return csr


def _check_rows(csr: Any) -> None:
    """Refuse a CSR matrix whose rows are not within its entries: SciPy would read and write beyond them. (The core
    checks the columns.)"""
    starts, entries = csr.indptr, min(len(csr.indices), len(csr.data))
    # Compared, not subtracted: differences may overflow.
    if (
        len(starts) != csr.shape[0] + 1
        or starts[0] != 0
        or starts[-1] > entries
        or (starts[1:] < starts[:-1]).any()
    ):
        raise ValueError("X is not a valid CSR matrix: indptr must rise from 0 to its entries")


def column(y: Any) -> Any:
    """A column as a vector; all else as it is."""
    if y.ndim != 2 or y.shape[1] != 1:
        return y
    y = column_or_1d(y)
    warn(
        "A column-vector y was passed when a 1d array was expected. Please change the shape of y to "
        "(n_samples, ), for example using ravel().",
        DataConversionWarning,
    )
    return y


def targets(y: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Class indices as they are; a matrix of targets in ``dtype``, C-contiguous."""
    if y.ndim == 1:
        return np.ascontiguousarray(y, dtype=np.int64)
    # A target beyond float32's range becomes infinite, and ends in the error for a loss that is not finite.
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(y, dtype=dtype)


def surely_finite(X: NDArray[Any]) -> bool:
    """Whether X holds neither NaN nor infinity; False also where that would take a closer look.

    Both sums turn non-finite if an element is. They may overflow for large finite elements.
    """
    if X.size <= _BLAS_STARTS_THREADS:
        # A third of the cost of a sum on few elements, and it raises no floating-point warning.
        return bool(np.vdot(X, X) < np.inf)
    with np.errstate(over="ignore"):
        return bool(np.isfinite(np.add.reduce(X, axis=None)))
