"""An exact shuffle of rows larger than memory: two passes over a disk."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.utils import check_random_state
from sklearn.utils.validation import _get_feature_names

from rustbp._typing import RandomState
from rustbp.chunks.sources import Chunks, checked, npy, read
from rustbp.partitions.part import named, parts

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
    if not hasattr(chunks, "__len__") or not hasattr(chunks, "__getitem__"):
        raise TypeError(f"chunks must have len() and chunks[i]; got {type(chunks).__name__}.")
    if not len(chunks):
        raise ValueError("There must be at least one chunk; got none.")
    n_files = checked("n_chunks", n_chunks) or len(chunks)
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ValueError(f"directory must be an empty folder; {folder} is not.")
    rng = check_random_state(random_state)
    kinds: list[tuple[Any, Any]] | None = None
    names, labels = getattr(chunks, "feature_names", None), dict[str, int]()
    for i in range(len(chunks)):
        with named(i):
            X, *others = parts(read(chunks, i))
            if i == 0 and names is None:
                # Arrays in files have none.
                names = _get_feature_names(X)
            arrays = _arrays(X, *others, labels, kinds is None)
        if not len(arrays[0]):
            continue
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
    if kinds is None:
        raise ValueError("There are no rows in any chunk.")
    files: list[list[Path]] = [[] for _ in kinds]
    for number in range(n_files):
        order = None
        for name, (dtype, shape), paths in zip(_NAMES, kinds, files, strict=False):
            part = folder / f"{name}-{number:05}.part"
            array = np.fromfile(part, dtype).reshape(-1, *shape)
            order = rng.permutation(len(array)) if order is None else order
            if len(array):
                paths.append(folder / f"{name}-{number:05}.npy")
                array = array[order]
                np.save(paths[-1], np.array([*labels])[array] if labels and name == "y" else array)
            part.unlink()
    longest = max(len(np.load(path, mmap_mode="r")) for path in files[0])
    made = npy(*files, rows=longest, buffer=buffer)  # type: ignore[arg-type]
    made.feature_names = None if names is None else list(names)
    return made


def _arrays(
    X: Any, y: Any, sample_weight: Any, labels: dict[str, int], is_first: bool
) -> list[Any]:
    """What goes to files: text as numbers of ``labels``, which get those that are new, as others may be longer."""
    if scipy.sparse.issparse(X):
        raise TypeError("Only dense rows can be shuffled on a disk; these are sparse.")
    if y is None:
        raise ValueError("A chunk needs y beside X: (X, y) or (X, y, sample_weight).")
    arrays = [np.asarray(part) for part in (X, y, sample_weight) if part is not None]
    if not len(arrays[0]):
        return arrays
    if len({len(array) for array in arrays}) > 1:
        raise ValueError("X, y and sample_weight must have as many rows as each other.")
    y = arrays[1]
    is_text = y.ndim == 1 and all(isinstance(label, str) for label in y)
    if is_text != bool(labels) and not is_first:
        raise TypeError("Labels of all chunks must be of one kind, text or numbers.")
    if is_text:
        arrays[1] = np.array([labels.setdefault(str(label), len(labels)) for label in y], np.int64)
    if any(array.dtype.hasobject for array in arrays):
        raise TypeError("Python objects, and None among labels, cannot be shuffled on a disk.")
    return arrays
