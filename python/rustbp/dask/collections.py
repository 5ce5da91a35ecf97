"""Partitions from what Dask has: arrays, data frames, sparse blocks, lists of delayed objects."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import dask
import numpy as np
from dask.core import get, istask
from dask.delayed import Delayed
from distributed.protocol import pickle

from rustbp.dask.engine import Part
from rustbp.dask.graphs import needs_of
from rustbp.partitions.part import parts

SMALL = 100_000
"""Bytes of what many partitions need, a file that is open, and each task may have a copy of."""


def is_collection(data: Any) -> bool:
    """Whether data is Dask's, or a list of Dask's."""
    return hasattr(type(data), "__dask_graph__") or _is_delayed_list(data)


def _is_delayed_list(data: Any) -> bool:
    return (
        isinstance(data, list | tuple) and bool(data) and all(isinstance(d, Delayed) for d in data)
    )


def _kind(data: Any) -> str:
    if not isinstance(data, list | tuple):
        return type(data).__name__
    kinds = sorted({type(item).__name__ for item in data[:100]})
    return f"a {type(data).__name__} of {' and '.join(kinds)}" if kinds else "none"


class Collected:
    """The partitions of X, y and weights.

    Attributes
    ----------
    parts : list of Part
        Everything of each.
    targets : list of Part or None
        y and weights alone; None where they come with X.
    rows_of_x : list of Part or None
        X alone.
    """

    parts: list[Part]
    targets: list[Part] | None
    rows_of_x: list[Part] | None

    def __init__(
        self, local: str, X: Any, y: Any, sample_weight: Any = None, *, ending: str = ""
    ) -> None:
        if not is_collection(X):
            raise TypeError(
                f"X{ending} must be a collection of Dask, or a list of delayed (X, y); got {_kind(X)}. For data in "
                f"this process there is rustbp.{local}."
            )
        names = [f"{name}{ending}" for name in ("X", "y", "sample_weight")]
        given = dict(zip(names, (X, y, sample_weight), strict=True))
        cut = {name: _delayed(name, data) for name, data in given.items() if data is not None}
        counts = {name: len(blocks) for name, blocks in cut.items()}
        if len(set(counts.values())) > 1:
            raise ValueError(f"{', '.join(counts)} must have the same partitions; got {counts}.")
        _check_lengths(names[0], given)
        self.parts = [
            Part(blocks, number=number)
            for number, blocks in enumerate(zip(*cut.values(), strict=True))
        ]
        for part, reader in zip(self.parts, _readers(self.parts), strict=True):
            part.reader = reader
            part.where = (part.number or 0) / len(self.parts)
        if y is None:
            if not _is_delayed_list(X):
                raise ValueError(
                    f"y{ending} must be a collection of Dask with the partitions of X{ending}; got None."
                )
            self.targets = self.rows_of_x = None
        else:
            self.rows_of_x = [Part(part.delayed[:1]) for part in self.parts]
            self.targets = [Part(part.delayed[1:], number=part.number) for part in self.parts]
        self._X = X

    def n_bytes(self, scans: list[dict[str, Any]]) -> float:
        """Bytes of all rows, about; infinity where that is not known."""
        if all(found["rows"] == 0 or "bytes" in found for found in scans):
            return sum(found.get("bytes", 0) for found in scans)
        rows = sum(found["rows"] for found in scans)
        if hasattr(self._X, "dtypes"):
            return rows * 8.0 * len(self._X.columns)
        if hasattr(self._X, "dtype") and not math.isnan(self._X.shape[1]):
            return float(rows * self._X.shape[1] * np.dtype(self._X.dtype).itemsize)
        return math.inf


class Reader:
    """Makes a partition within the task that needs it.

    A task of its own would leave the rows with the worker until the scheduler has heard that they have been used, and
    meanwhile the worker makes others.
    """

    def __init__(self, graph: Mapping[Any, Any] | bytes, keys: Sequence[Any]) -> None:
        self._graph, self._keys = graph, list(keys)

    def __reduce__(self) -> Any:
        # Unpacked by the task, which may fail: what arrives and cannot be unpacked kills a worker.
        packed = self._graph if isinstance(self._graph, bytes) else pickle.dumps(self._graph)
        return Reader, (packed, self._keys)

    def __call__(self) -> Any:
        graph = pickle.loads(self._graph) if isinstance(self._graph, bytes) else self._graph
        # dask.core's, not dask.get, which leaves circles of references that keep the rows alive for a while.
        blocks = get(graph, self._keys)
        return blocks[0] if len(blocks) == 1 else blocks


def _readers(parts: Sequence[Part]) -> list[Reader | None]:
    """One for each partition that nothing but Dask's usual choice of a worker has to do with, and of whose graph no
    other partition needs anything large."""
    known: dict[int, tuple[Any, Mapping[Any, Any]]] = {}
    graphs = [_graph_of(part.delayed, known) for part in parts]
    uses = Counter(key for graph in graphs if graph is not None for key in graph)
    small = {
        key: uses[key] == 1 or _is_small(node)
        for graph in graphs
        if graph is not None
        for key, node in graph.items()
    }
    return [
        None
        if graph is None or not all(small[key] for key in graph)
        else Reader(graph, [delayed.key for delayed in part.delayed])
        for part, graph in zip(parts, graphs, strict=True)
    ]


def _is_small(node: Any) -> bool:
    if istask(node) or getattr(getattr(node, "value", node), "nbytes", 0) > SMALL:
        return False
    return len(pickle.dumps(node)) < SMALL


def _graph_of(
    blocks: Sequence[Any], known: dict[int, tuple[Any, Mapping[Any, Any]]]
) -> dict[Any, Any] | None:
    """Everything that some blocks are made of; None if workers have a part of it, or only some of them may make it.
    Blocks of an array all have the graph of the whole, which is ``known`` then."""
    found: dict[Any, Any] = {}
    for delayed in blocks:
        whole = delayed.__dask_graph__()
        if any(layer.annotations for layer in getattr(whole, "layers", {}).values()):
            return None
        if id(whole) not in known:
            known[id(whole)] = whole, dict(whole)
        graph = known[id(whole)][1]
        waiting = [delayed.key]
        while waiting:
            key = waiting.pop()
            if key in found:
                continue
            # What is not there, or is itself, is a future of the caller.
            needs = needs_of(graph.get(key), graph)
            if key not in graph or key in needs:
                return None
            found[key] = graph[key]
            waiting += needs
    return found


def _delayed(name: str, data: Any) -> list[Any]:
    if _is_delayed_list(data):
        return list(data)
    if isinstance(data, Delayed):
        raise TypeError(
            f"{name} is one Delayed object; pass a list of them, one for each partition."
        )
    if not hasattr(type(data), "__dask_graph__") or not hasattr(data, "to_delayed"):
        raise TypeError(
            f"{name} must be a collection of Dask with the partitions of X; got {_kind(data)}."
        )
    if hasattr(data, "numblocks"):
        if name.startswith("X") and data.ndim != 2:
            raise ValueError(f"{name} must have 2 dimensions; got {data.ndim}.")
        if any(n > 1 for n in data.numblocks[1:]):
            raise ValueError(
                f"{name} has its columns in {data.numblocks[1]} chunks, and a partition has whole rows: "
                f"{name}.rechunk({{1: -1}})."
            )
    blocks = data.to_delayed()
    return list(np.ravel(blocks)) if isinstance(blocks, np.ndarray) else list(blocks)


def _check_lengths(of_x: str, given: dict[str, Any]) -> None:
    known = {
        name: data.chunks[0]
        for name, data in given.items()
        if hasattr(data, "numblocks") and not any(math.isnan(n) for n in data.chunks[0])
    }
    for name, lengths in known.items():
        if of_x in known and lengths != known[of_x]:
            raise ValueError(
                f"{of_x} and {name} must have rows cut alike; got chunks {known[of_x][:4]} and {lengths[:4]}."
            )


def lazily(model: Any, method: str, X: Any, empty: Any) -> Any:
    """Predictions of partitions, made when somebody computes them; ``empty`` are those of no rows."""
    # A task of its own, so that a graph has the weights once.
    options = {
        "model": dask.delayed(model, pure=True, traverse=False),
        "method": method,
        "empty": empty,
    }
    if hasattr(X, "numblocks"):
        _delayed("X", X)
        wide = empty.ndim == 2
        return X.map_blocks(
            predicted,
            **options,
            meta=empty,
            dtype=empty.dtype,
            **({"chunks": (X.chunks[0], (empty.shape[1],))} if wide else {"drop_axis": 1}),
        )
    if hasattr(X, "map_partitions"):
        meta = _frame(empty, X._meta.index)
        return X.map_partitions(predicted_frame, **options, meta=meta)
    predict = dask.delayed(predicted, pure=True)
    return [predict(part, **options) for part in _delayed("X", X)]


def predicted(X: Any, model: Any, method: str, empty: Any) -> Any:
    """What a model predicts for a partition, which may have no rows."""
    X, *_ = parts(X)
    return getattr(model, method)(X) if X.shape[0] else empty


def predicted_frame(X: Any, model: Any, method: str, empty: Any) -> Any:
    """The same with the index of a frame."""
    return _frame(predicted(X, model, method, empty), X.index)


def _frame(values: Any, index: Any) -> Any:
    import pandas

    kind = pandas.Series if values.ndim == 1 else pandas.DataFrame
    return kind(values, index=index[: len(values)])
