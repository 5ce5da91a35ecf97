"""Training data as it comes: validated as scikit-learn does it, and what is no table of rows told from what is."""

import os
from typing import Any

import numpy as np

from rustbp import _arrays
from rustbp._mapped import Mapped, needs_conversion
from rustbp._warn import warn

_STREAMS = {
    "LazyFrame": "a LazyFrame of polars",
    "RecordBatchReader": "a RecordBatchReader of Arrow",
    "Dataset": "a Dataset of Arrow",
    "FileSystemDataset": "a Dataset of Arrow",
    "InMemoryDataset": "a Dataset of Arrow",
    "Scanner": "a Scanner of Arrow",
    "ParquetFile": "a ParquetFile of Arrow",
    "ParquetDataset": "a ParquetDataset of Arrow",
}
"""What has rows, but does not give them all at once."""

_FILES = "rustbp.chunks.parquet and .npy make of files what fit reads."


def are_chunks(X: Any) -> bool:
    """Whether X, given without y, is what has ``len()`` and ``X[i] -> (X, y[, sample_weight])``."""
    if hasattr(X, "shape") or hasattr(X, "__array__") or isinstance(X, str | dict):
        return False
    if isinstance(X, list | tuple):
        return bool(X) and all(
            isinstance(chunk, list | tuple) and len(chunk) and np.ndim(chunk[0]) == 2 for chunk in X
        )
    return hasattr(X, "__len__") and hasattr(X, "__getitem__")


def rows_and_targets(model: Any, X: Any, y: Any, *, reset: bool, **options: Any) -> tuple[Any, Any]:
    """X, in float32 or float64 and perhaps sparse, and y, validated; a file mapped into memory is not copied."""
    options |= {"multi_output": True, "reset": reset}
    if needs_conversion(X):
        X, y = _arrays.validated(model, X, y, dtype=None, ensure_all_finite=False, **options)
        return Mapped(X, np.float64).check(), y
    return _arrays.validated(model, X, y, **options)


def check(model: Any, **given: Any) -> None:
    """Refuse what has no rows at hand, and warn of what has them elsewhere; ``given`` are the arguments of `fit`.

    Raises
    ------
    TypeError
        For iterators, lazy frames and readers, which cannot be gone over again in another order, for paths, for
        chunks beside arrays, and for Dask's objects that are no arrays.
    ValueError
        For text.
    """
    kind = type(model).__name__
    elsewhere = f"rustbp.dask.Dask{kind} trains where the data is"
    for name, data in given.items():
        if data is None or isinstance(data, np.ndarray):
            continue
        module, what = type(data).__module__.partition(".")[0], type(data).__name__
        if hasattr(type(data), "__dask_graph__"):
            meta = getattr(data, "_meta", None)
            delayed = what.startswith("Delayed")
            if delayed or hasattr(meta, "tocsr") or hasattr(meta, "todense"):
                inside = "Delayed object" if delayed else "Array whose blocks are sparse matrices"
                raise TypeError(
                    f"{name} is Dask's {inside}, which {kind} cannot read. {elsewhere}."
                )
            if name == "X":
                warn(
                    f"X is Dask's {what}: fit computes all of it in this process, whose memory must have room for it. "
                    f"{elsewhere}."
                )
        elif isinstance(data, str) and name.startswith("X"):
            # scikit-learn's words, and what may have been meant.
            raise ValueError(
                f"could not convert string to float: {data!r}. If it is a path: {_FILES}"
            )
        elif isinstance(data, os.PathLike):
            raise TypeError(f"{name} is a path, {os.fspath(data)!r}. {_FILES}")
        elif module == "rustbp" and what == "Chunks":
            raise TypeError(
                f"{name} has chunks, whose targets are in them: fit(chunks) without y, and X_val=chunks without y_val "
                "where X has chunks, too."
            )
        elif hasattr(data, "__next__") or (what in _STREAMS and module in ("polars", "pyarrow")):
            raise TypeError(
                f"{name} is {_STREAMS.get(what, f'an iterator ({what})')}, which has no rows at hand. fit goes over "
                "them many times, each time in another order: rustbp.chunks.parquet, .arrow, .npy and .of make of "
                "files and tables what it can read in pieces, and partial_fit takes one piece after another."
            )
