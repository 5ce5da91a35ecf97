"""An exact shuffle of rows larger than memory: two passes over a disk."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.utils import check_random_state

from rustbp._typing import RandomState
from rustbp.chunks.sources import Chunks, npy
from rustbp.partitions.planning import parts

_NAMES = ("X", "y", "sample_weight")


def shuffled(
    chunks: Any,
    directory: str | os.PathLike[str],
    *,
    n_chunks: int | None = None,
    random_state: RandomState = None,
    buffer: int | None = None,
) -> Chunks:
    """The same rows in a random order, as `.npy` files: for rows that are sorted, of which no buffer sees all kinds.

    Each order of all rows is as likely as any other. In a first pass each row goes to a file that is drawn for it; in
    a second one each file is shuffled by itself. Both have one chunk in memory.

    Parameters
    ----------
    chunks : object
        Anything with ``len()`` and ``chunks[i] -> (X, y)`` or ``(X, y, sample_weight)``, of dense rows.

    directory : path
        An empty or new folder. It needs room for all rows, and a little more in between.

    n_chunks : int, default=None
        Files, about equally long; None: as many as there are chunks.

    random_state : int, RandomState instance or None, default=None
        Source of the order.

    buffer : int, default=None
        As of `Chunks`.

    Returns
    -------
    chunks : Chunks
        Those of the files.

    Raises
    ------
    ValueError, TypeError
        If the folder is not empty, rows are sparse, or chunks do not agree.
    """
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ValueError(f"directory must be an empty folder; {folder} is not.")
    n_files = len(chunks) if n_chunks is None else n_chunks
    if n_files < 1:
        raise ValueError(f"n_chunks must be None or an integer from 1 on; got {n_chunks!r}.")
    rng = check_random_state(random_state)
    kinds: list[tuple[Any, Any]] | None = None
    for i in range(len(chunks)):
        arrays = _arrays(chunks[i], i)
        found = [(array.dtype, array.shape[1:]) for array in arrays]
        kinds = kinds or found
        if [shape for _, shape in found] != [shape for _, shape in kinds] or not all(
            np.can_cast(ours, theirs, "safe")
            for (ours, _), (theirs, _) in zip(found, kinds, strict=True)
        ):
            raise ValueError(
                f"All chunks must have columns and dtypes that the first has room for; chunk {i} has {found}, and the "
                f"first {kinds}."
            )
        where = rng.randint(n_files, size=len(arrays[0]))
        order = np.argsort(where, kind="stable")
        ends = np.cumsum(np.bincount(where, minlength=n_files))
        for number, rows in enumerate(np.split(order, ends[:-1])):
            for name, array, (dtype, _) in zip(_NAMES, arrays, kinds, strict=False):
                with open(folder / f"{name}-{number:05}.part", "ab") as file:
                    array[rows].astype(dtype, copy=False).tofile(file)
    assert kinds is not None
    files: list[list[Path]] = [[] for _ in kinds]
    for number in range(n_files):
        order = None
        for name, (dtype, shape), paths in zip(_NAMES, kinds, files, strict=False):
            part = folder / f"{name}-{number:05}.part"
            array = np.fromfile(part, dtype).reshape(-1, *shape)
            order = rng.permutation(len(array)) if order is None else order
            if len(array):
                paths.append(folder / f"{name}-{number:05}.npy")
                np.save(paths[-1], array[order])
            part.unlink()
    longest = max(len(np.load(path, mmap_mode="r")) for path in files[0])
    return npy(*files, rows=longest, buffer=buffer)  # type: ignore[arg-type]


def _arrays(chunk: Any, number: int) -> list[Any]:
    X, y, sample_weight = parts(chunk)
    if scipy.sparse.issparse(X):
        raise TypeError(f"Only dense rows can be shuffled on a disk; chunk {number} is sparse.")
    arrays = [np.asarray(part) for part in (X, y, sample_weight) if part is not None]
    if len({len(array) for array in arrays}) > 1:
        raise ValueError(f"X and y of chunk {number} must have as many rows as each other.")
    if any(array.dtype.hasobject for array in arrays):
        raise TypeError(
            f"Chunk {number} holds Python objects; give y a dtype of its own, as y.astype(str)."
        )
    return arrays
