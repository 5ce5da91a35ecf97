"""What chunks are made of: lists, `.npy` files, Parquet, Arrow."""

import glob
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Chunk = tuple[Any, ...]
"""X and y, or X, y and sample_weight."""
Path = str | os.PathLike[str]
CACHED = 1 << 20
"""Bytes of rows that a cache holds."""


class Chunks:
    """Rows in pieces, of which memory has a few at a time.

    Parameters
    ----------
    readers : sequence of callable
        Each returns ``(X, y)`` or ``(X, y, sample_weight)``, the same rows whenever it is called.

    buffer : int, default=None
        How many chunks are mixed with each other: in each epoch they are read in a new order, and the rows of `buffer`
        chunks at a time are shuffled. Memory has those, and the next ones, which are being read. None: as many as have
        room twice in 256 MiB, converted, beside three chunks: 2 of 32 MiB, 126 of 1 MiB. If it takes up all chunks,
        `fit` does exactly what it does with their rows in one array.

    feature_names : sequence of str, default=None
        The columns of X, where chunks are arrays.
    """

    def __init__(
        self,
        readers: Sequence[Callable[[], Chunk]],
        *,
        buffer: int | None = None,
        feature_names: Sequence[str] | None = None,
    ) -> None:
        if not len(readers):
            raise ValueError("There must be at least one chunk; got none.")
        self.buffer = checked("buffer", buffer)
        self.feature_names = feature_names
        self._readers = readers

    def __len__(self) -> int:
        return len(self._readers)

    def __getitem__(self, index: int) -> Chunk:
        return self._readers[index]()

    def __iter__(self) -> Iterator[Chunk]:
        return (self[i] for i in range(len(self)))


def checked(name: str, number: Any) -> int | None:
    """A number of chunks or rows, where somebody gives one."""
    if number is not None and (not isinstance(number, int | np.integer) or number < 1):
        raise ValueError(f"{name} must be None or an integer from 1 on; got {number!r}.")
    return None if number is None else int(number)


def read(chunks: Any, number: int) -> Any:
    """One chunk, as a tuple."""
    chunk = chunks[number]
    return tuple(chunk) if isinstance(chunk, list) else chunk


def of(chunks: Sequence[Any], *, buffer: int | None = None) -> Chunks:
    """Chunks from a list of what they are, or of functions that read them.

    Parameters
    ----------
    chunks : sequence
        Of tuples ``(X, y)`` or ``(X, y, sample_weight)``, or of functions without arguments that return one.

    buffer : int, default=None
        How many chunks are mixed with each other; see `Chunks`.

    Returns
    -------
    chunks : Chunks
        To be given to `fit`.

    Raises
    ------
    ValueError, TypeError
        If there are none, or one is of another kind.

    Examples
    --------
    >>> import numpy as np
    >>> from rustbp import MLPClassifier, chunks
    >>> def read(part):
    ...     X = np.random.default_rng(part).random((500, 4), dtype=np.float32)
    ...     return X, X[:, 0] > X[:, 1]
    >>> from functools import partial
    >>> parts = chunks.of([partial(read, part) for part in range(6)], buffer=2)
    >>> model = MLPClassifier(max_iter=100, tol=1e-3, learning_rate_init=0.01, random_state=0).fit(parts)
    >>> bool(model.score(*read(6)) > 0.95)
    True
    """
    if not hasattr(chunks, "__len__") or not hasattr(chunks, "__getitem__"):
        raise TypeError(f"chunks must be a list, or like one; got {type(chunks).__name__}.")
    readers = []
    for i in range(len(chunks)):
        chunk = chunks[i]
        if not callable(chunk) and not isinstance(chunk, tuple):
            raise TypeError(
                "A chunk is a tuple (X, y) or (X, y, sample_weight), or a function that returns one; "
                f"chunks[{i}] is of type {type(chunk).__name__}."
            )
        readers.append(chunk if callable(chunk) else _Given(chunk))
    return Chunks(readers, buffer=buffer)


class _Given:
    def __init__(self, chunk: Chunk) -> None:
        self._chunk = chunk

    def __call__(self) -> Chunk:
        return self._chunk


def npy(
    X: Path | Sequence[Path],
    y: Path | Sequence[Path],
    sample_weight: Path | Sequence[Path] | None = None,
    *,
    rows: int | None = None,
    buffer: int | None = None,
) -> Chunks:
    """Chunks of `.npy` files.

    Parameters
    ----------
    X : path or list of paths
        Files of rows; a path may have wildcards, and then stands for all files that fit, in the order of their names.

    y : path or list of paths
        Files of the targets of the same rows.

    sample_weight : path or list of paths, default=None
        Files of their weights.

    rows : int, default=None
        Rows of a chunk; None: as many as take up 32 MiB in the file. No chunk has rows of two files.

    buffer : int, default=None
        How many chunks are mixed with each other; see `Chunks`.

    Returns
    -------
    chunks : Chunks
        To be given to `fit`.

    Raises
    ------
    OSError, ValueError
        If files are missing, or do not have as many rows as each other.
    """
    rows = checked("rows", rows)
    files = [_files(paths) for paths in (X, y, sample_weight) if paths is not None]
    if len({len(paths) for paths in files}) > 1:
        raise ValueError(
            f"X, y and sample_weight must have as many files as each other; got {[len(f) for f in files]}."
        )
    readers = []
    for together in zip(*files, strict=True):
        arrays = [_open(path) for path in together]
        if len({len(array) for array in arrays}) > 1:
            raise ValueError(
                f"{', '.join(map(str, together))} have {', '.join(str(len(a)) for a in arrays)} rows; they must have "
                "as many as each other."
            )
        n_rows = len(arrays[0])
        at_once = rows or max(1, (32 << 20) // max(1, arrays[0].nbytes // max(1, n_rows)))
        readers += [
            _Npy(together, slice(first, min(first + at_once, n_rows)))
            for first in range(0, n_rows, at_once)
        ]
    return Chunks(readers, buffer=buffer)


def _files(paths: Any) -> list[Any]:
    if not isinstance(paths, str | os.PathLike):
        return list(paths)
    text = os.fspath(paths)
    if glob.has_magic(text) and not os.path.exists(text):
        found: list[Any] = sorted(glob.glob(text))
        if not found:
            raise FileNotFoundError(f"No file fits {text!r}.")
        return found
    return [paths]


def _open(path: Any) -> NDArray[Any]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise ValueError(f"{path} is no .npy file of numbers or text: {error}") from error
    if not isinstance(array, np.ndarray) or not array.ndim:
        what = "a single number" if isinstance(array, np.ndarray) else type(array).__name__
        raise ValueError(f"{path} must be a .npy file of rows; got {what}.")
    return array


class _Npy:
    def __init__(self, paths: Sequence[Any], rows: slice) -> None:
        self._paths, self._rows = paths, rows

    def __call__(self) -> Chunk:
        # Read, not mapped: pages of a map would count as the process's own as long as it lives.
        return tuple(_rows_of(path, self._rows) for path in self._paths)


def _rows_of(path: Any, rows: slice) -> NDArray[Any]:
    mapped = _open(path)
    if not mapped.flags.c_contiguous or not isinstance(mapped, np.memmap):
        return np.array(mapped[rows])
    width = mapped.dtype.itemsize * int(np.prod(mapped.shape[1:]))
    shape, dtype = mapped.shape[1:], mapped.dtype
    array = np.fromfile(
        path,
        dtype,
        count=(rows.stop - rows.start) * int(np.prod(shape)),
        offset=mapped.offset + rows.start * width,
    )
    return array.reshape(-1, *shape)


def arrow(
    dataset: Any,
    target: str | Sequence[str],
    *,
    weight: str | None = None,
    columns: Sequence[str] | None = None,
    rows: int | None = None,
    buffer: int | None = None,
) -> Chunks:
    """Chunks of a dataset or a table of Arrow.

    Parameters
    ----------
    dataset : pyarrow.dataset.Dataset or pyarrow.Table
        A row group of a Parquet file is a chunk, and so is a whole file of another format.

    target : str or list of str
        Columns of the targets.

    weight : str, default=None
        The column of the weights.

    columns : list of str, default=None
        The columns of X; None: all others.

    rows : int, default=None
        Rows of a chunk of a table; None: 100,000. Row groups are what they are.

    buffer : int, default=None
        How many chunks are mixed with each other; see `Chunks`.

    Returns
    -------
    chunks : Chunks
        To be given to `fit`. X is float32 if all its columns are, else float64.

    Raises
    ------
    ImportError
        If pyarrow is not installed.
    TypeError, ValueError
        For objects that are no dataset, columns that are not there, and columns that hold no numbers.
    """
    pyarrow = _pyarrow()
    if not hasattr(dataset, "schema") or not (
        hasattr(dataset, "get_fragments") or isinstance(dataset, pyarrow.Table)
    ):
        raise TypeError(
            f"dataset must be a Dataset or a Table of Arrow, which can be read anywhere; got {type(dataset).__name__}."
        )
    rows = checked("rows", rows)
    schema = dataset.schema
    targets = [target] if isinstance(target, str) else list(target)
    names = _features(schema, targets, weight, columns)
    types = [schema.field(name).type for name in names]
    for name, kind in zip(names, types, strict=True):
        if not _is_number(pyarrow, kind):
            raise ValueError(
                f"Column {name!r} holds {kind}, no numbers. Leave it out with columns=, or make numbers of it first "
                "(rustbp.TabularEncoder)."
            )
    dtype = np.float32 if all(kind == pyarrow.float32() for kind in types) else np.float64
    if isinstance(dataset, pyarrow.Table):
        at_once = rows or 100_000
        pieces: list[Any] = [
            dataset.slice(first, at_once) for first in range(0, dataset.num_rows, at_once)
        ]
    else:
        pieces = []
        for fragment in dataset.get_fragments():
            by_group = hasattr(fragment, "split_by_row_group")
            pieces += fragment.split_by_row_group() if by_group else [fragment]
    vector = isinstance(target, str)
    return Chunks(
        [_Arrow(piece, schema, names, targets, weight, dtype, vector) for piece in pieces],
        buffer=buffer,
        feature_names=names,
    )


def parquet(
    path: Any,
    target: str | Sequence[str],
    *,
    weight: str | None = None,
    columns: Sequence[str] | None = None,
    buffer: int | None = None,
) -> Chunks:
    """Chunks of Parquet files: their row groups.

    Parameters
    ----------
    path : path or list of paths
        A file, several, or a folder of them; a path may have wildcards. Folders named ``year=2026`` give a column
        ``year``.

    target : str or list of str
        Columns of the targets.

    weight : str, default=None
        The column of the weights.

    columns : list of str, default=None
        The columns of X; None: all others.

    buffer : int, default=None
        How many chunks are mixed with each other; see `Chunks`.

    Returns
    -------
    chunks : Chunks
        To be given to `fit`. X is float32 if all its columns are, else float64.

    Raises
    ------
    ImportError
        If pyarrow is not installed.
    OSError, ValueError
        For files that are missing, columns that are not there, and columns that hold no numbers.
    """
    _pyarrow()
    import pyarrow.dataset

    found = [os.fspath(one) for one in _files(path)]
    dataset = pyarrow.dataset.dataset(
        found[0] if len(found) == 1 else found, format="parquet", partitioning="hive"
    )
    if not dataset.files:
        raise FileNotFoundError(f"There are no files in {path}.")
    return arrow(dataset, target, weight=weight, columns=columns, buffer=buffer)


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        raise ImportError("Chunks of Arrow and Parquet need pyarrow: pip install pyarrow") from None
    return pyarrow


def _features(
    schema: Any, targets: Sequence[str], weight: str | None, columns: Sequence[str] | None
) -> list[str]:
    others = [*targets, *([] if weight is None else [weight])]
    names = [name for name in schema.names if name not in others]
    if columns is not None:
        names = [columns] if isinstance(columns, str) else list(columns)
    twice = [name for name in dict.fromkeys([*others, *names]) if schema.names.count(name) > 1]
    if twice:
        raise ValueError(f"Columns must have names of their own; {twice} occur more than once.")
    missing = [name for name in [*others, *names] if name not in schema.names]
    if missing:
        raise ValueError(f"There are no columns {missing}; there are {schema.names}.")
    if not names:
        raise ValueError("There are no columns but those of targets and weights.")
    return names


def _is_number(pyarrow: Any, kind: Any) -> bool:
    types = pyarrow.types
    return types.is_floating(kind) or types.is_integer(kind) or types.is_boolean(kind)


class _Arrow:
    """Reads a fragment of a dataset, or has a part of a table."""

    def __init__(
        self,
        piece: Any,
        schema: Any,
        names: list[str],
        targets: list[str],
        weight: str | None,
        dtype: Any,
        vector: bool,
    ) -> None:
        self._piece, self._schema, self._names, self._targets = piece, schema, names, targets
        self._weight, self._dtype, self._vector = weight, dtype, vector

    def __call__(self) -> Chunk:
        weights = [] if self._weight is None else [self._weight]
        wanted = [*dict.fromkeys([*self._names, *self._targets, *weights])]
        if hasattr(self._piece, "to_table"):
            table = self._piece.to_table(schema=self._schema, columns=wanted)
        else:
            table = self._piece.select(wanted)
        self._check(table)
        X = np.empty((table.num_rows, len(self._names)), self._dtype)
        # A null becomes NaN, which fit refuses.
        values = [table.column(name).to_numpy() for name in self._names]
        # Some rows at a time, which the caches hold: each row is written to once for every column.
        at_once = max(1, CACHED // max(1, X[:1].nbytes))
        for first in range(0, len(X), at_once):
            rows = slice(first, first + at_once)
            for to, column in zip(X[rows].T, values, strict=True):
                to[:] = column[rows]
        y = np.column_stack([_values(table.column(name)) for name in self._targets])
        chunk = (X, y[:, 0] if self._vector else y)
        return (*chunk, *(_values(table.column(name)) for name in weights))

    def _check(self, table: Any) -> None:
        """Refuse a file that lacks a column, of which Arrow makes one of nulls."""
        empty = [
            name for name in table.column_names if table.column(name).null_count == len(table) > 0
        ]
        if empty and hasattr(self._piece, "physical_schema"):
            lacks = [name for name in empty if name not in self._piece.physical_schema.names]
            if lacks:
                raise ValueError(f"{self._piece.path} has no columns {lacks}.")


def _values(column: Any) -> NDArray[Any]:
    if hasattr(column.type, "value_type") and hasattr(column.type, "index_type"):
        column = column.cast(column.type.value_type)
    return column.to_numpy()
