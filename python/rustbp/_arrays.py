"""From a user's input to what the core takes: one dtype for every array of a call, CSR where X is sparse."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import column_or_1d
from sklearn.utils.validation import validate_data

from rustbp._hints import about_rows
from rustbp._mapped import Mapped, needs_conversion, take, whole
from rustbp._warn import warn

_FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
_BLAS_STARTS_THREADS = 4096
"""Elements below which a dot product never wakes BLAS threads, which would then spin beside ours."""
_SPARSE_ARRAYS = tuple(
    getattr(scipy.sparse, f"{form}_array")
    for form in ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
)
"""To SciPy before 1.11 these are matrices, too, and `isspmatrix` does not tell them apart."""


class Rows(NamedTuple):
    """Training data: rows, class indices or a matrix of targets, and weights or None."""

    X: Any
    y: Any
    sample_weight: Any

    def take(self, index: Any) -> "Rows":
        weight = None if self.sample_weight is None else self.sample_weight[index]
        return Rows(take(self.X, index), self.y[index], weight)

    def in_memory(self) -> "Rows":
        return self._replace(X=whole(self.X))

    def weighed(self, sample_weight: Any) -> "Rows":
        """The same with other weights, in the dtype of X."""
        weight = None if sample_weight is None else contiguous(sample_weight, self.X.dtype)
        return self._replace(sample_weight=weight)

    def in_dtype(self, dtype: np.dtype[Any]) -> "Rows":
        """The same in ``dtype``, as the core takes them; class indices stay integers."""
        weight = self.sample_weight
        return Rows(
            lazy_rows(self.X, dtype),
            targets(self.y, dtype),
            None if weight is None else contiguous(weight, dtype),
        )


def common_dtype(*arrays: Any) -> np.dtype[Any]:
    """The dtype NumPy would compute a product of these in, limited to what the core has."""
    dtype = np.result_type(*(getattr(a, "dtype", None) or np.asarray(a).dtype for a in arrays))
    dtype = dtype.newbyteorder("=")
    return dtype if dtype in _FLOATS else np.dtype(np.float64)


CSR = (scipy.sparse.csr_matrix, scipy.sparse.csr_array)
"""The sparse rows that may be as the core takes them."""


def is_float32_table(X: Any) -> bool:
    """Whether X is a table all of whose columns are float32: of Arrow, polars, Dask or pandas.

    scikit-learn sees the dtypes of arrays and of NumPy's columns in pandas alone; all others would become float64, at
    twice the memory.
    """
    if not hasattr(X, "__array__"):
        return (
            False  # Lazy frames and delayed objects have dtypes that cost something, or are none.
        )
    types = getattr(X, "dtypes", None)
    if types is None:
        types = getattr(getattr(X, "schema", None), "types", ())  # Arrow, which calls it "float"
    names = {str(dtype).lower().removesuffix("[pyarrow]") for dtype in types}
    return bool(names) and names <= {"float32", "float"}


def validated(
    model: Any, X: Any, *y: Any, dtype: Any = (np.float64, np.float32), **options: Any
) -> Any:
    """scikit-learn's check of X, or of X and y, in its words, with a way out behind them."""
    if is_float32_table(X):
        dtype = np.float32
    with about_rows(X, *y):
        return validate_data(model, X, *y, accept_sparse=["csr", "csc"], dtype=dtype, **options)


def plain(array: Any, dtype: Any) -> NDArray[Any]:
    """An array that the core can read; it is copied only where its numbers do not stand as the processor reads them.

    Those of a field of a packed record, or of a part of a file, may not.
    """
    array = np.asarray(array, dtype=dtype)
    if _readable(array):
        return array
    return array.copy()


def _readable(array: NDArray[Any]) -> bool:
    flags = array.flags
    return flags.aligned and (
        flags.c_contiguous or not any(step % array.itemsize for step in array.strides)
    )


def contiguous(array: Any, dtype: Any) -> NDArray[Any]:
    """The same in C order."""
    return np.ascontiguousarray(plain(array, dtype))


def layers(
    coefs: Sequence[Any],
    intercepts: Sequence[Any],
    dtype: np.dtype[Any],
    name: str = "intercepts_",
) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """Weights and biases, whatever a user may have assigned, as arrays the core takes; not copied if they are.

    Biases, of which errors speak as ``name``, are broadcast as NumPy would when it adds them.
    """
    weights = [contiguous(w.toarray() if scipy.sparse.issparse(w) else w, dtype) for w in coefs]
    return weights, biases(
        name, [contiguous(b, dtype) for b in intercepts], [w.shape[-1] for w in weights]
    )


def biases(name: str, arrays: list[NDArray[Any]], sizes: Sequence[int]) -> list[NDArray[Any]]:
    """Those of layers of these sizes, broadcast as in an addition; ``name`` is for errors."""
    found = []
    for layer, array in enumerate(arrays):
        # The core has the words for another number of layers.
        shape = tuple(sizes[layer : layer + 1])
        if shape and array.shape != shape:
            try:
                array = np.ascontiguousarray(np.broadcast_to(array, (1, *shape))[0])
            except ValueError:
                raise ValueError(
                    f"{name}[{layer}] must have shape {shape}; got {array.shape}"
                ) from None
        found.append(array)
    return found


def lazy_rows(X: Any, dtype: np.dtype[Any]) -> Any:
    """As `rows`; but an X that is a file, and would be copied to be converted, is left where it is."""
    if isinstance(X, Mapped):
        return X.astype(dtype)
    return Mapped(X, dtype) if needs_conversion(X) else rows(X, dtype)


def rows(X: Any, dtype: np.dtype[Any]) -> Any:
    """X, dense or sparse, in ``dtype``; sparse input becomes CSR with each entry stored once, and is never
    densified."""
    if not scipy.sparse.issparse(X):
        return plain(X, dtype)
    csr = X.tocsr()
    parts = (csr.data, csr.indices, csr.indptr)
    if csr.dtype != dtype:
        csr = csr.astype(dtype)
    elif not all(
        _readable(part) and part.flags.c_contiguous and part.dtype.isnative for part in parts
    ):
        csr = csr.copy()
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


def dense(y: Any) -> Any:
    """Targets that are numbers; scikit-learn takes a sparse array for the matrix that it is, and no sparse matrix."""
    if not scipy.sparse.issparse(y):
        return y
    if not isinstance(y, _SPARSE_ARRAYS):
        raise TypeError(
            "Sparse data was passed for y, but dense data is required. Use '.toarray()' to convert to a "
            "dense numpy array."
        )
    return y.toarray()


def native(y: Any) -> Any:
    """A matrix in this machine's byte order, the only one that SciPy takes; all else as it is."""
    if isinstance(y, np.ndarray) and y.ndim == 2 and not y.dtype.isnative:
        return y.astype(y.dtype.newbyteorder("="))
    return y


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
        return contiguous(y, np.int64)
    # A target beyond float32's range becomes infinite, and ends in the error for a loss that is not finite.
    with np.errstate(over="ignore"):
        return contiguous(y, dtype)


def surely_finite(X: NDArray[Any]) -> bool:
    """Whether X holds neither NaN nor infinity; False also where that would take a closer look.

    Both sums turn non-finite if an element is. They may overflow for large finite elements.
    """
    if X.size <= _BLAS_STARTS_THREADS:
        # A third of the cost of a sum on few elements, and it raises no floating-point warning.
        return bool(np.vdot(X, X) < np.inf)
    with np.errstate(over="ignore"):
        return bool(np.isfinite(np.add.reduce(X, axis=None)))
