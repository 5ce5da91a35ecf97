"""Rows mixed once, so that no partition has one kind of them only: each new partition is made of slices of old ones."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.utils import _safe_indexing, check_array

from rustbp.dask.engine import DaskEngine, Part
from rustbp.partitions.part import column, named, parts
from rustbp.partitions.planning import MIX

FROM = 16
"""Old partitions that a new one is made of."""


def mixed(
    data: Sequence[Part], rows: Sequence[int], seed: int, engine: DaskEngine
) -> tuple[list[Part], list[Any]]:
    """New partitions, which workers keep, and the futures of what a scan has to look at.

    Slice i of an old partition goes to the new one that is i strides before it, so that a new one has slices from all
    over the old order.
    """
    numbers = [number for number, n in enumerate(rows) if n]
    count = len(numbers)
    n_slices = min(FROM, count)
    stride = count // n_slices
    cuts = [
        engine.submit(cut, data[number], n_slices=n_slices, seed=seed, partition=number)
        for number in numbers
    ]
    joined = []
    for new in range(count):
        pieces = [
            engine.submit(piece, cuts[(new + i * stride) % count], number=i)
            for i in range(n_slices)
        ]
        joined.append(engine.submit(join, *pieces))
    engine.gather([engine.submit(_done, future) for future in joined])
    return [Part([], [future]) for future in joined], joined


def cut(
    X: Any, y: Any = None, sample_weight: Any = None, *, n_slices: int, seed: int, partition: int
) -> list[Any]:
    """A partition in random slices."""
    with named(partition):
        X, y, sample_weight = parts(X, y, sample_weight)
        # What is wrong with its rows is said of it, not of the new ones.
        check_array(X, accept_sparse=True, dtype=None, ensure_min_samples=0, input_name="X")
    y = column(y)
    rng = np.random.Generator(np.random.Philox(key=seed, counter=[0, MIX, partition, 0]))
    found = []
    for rows in np.array_split(rng.permutation(len(y)), n_slices):
        weight = None if sample_weight is None else column(sample_weight)[rows]
        found.append((_safe_indexing(X, rows), y[rows], weight))
    return found


def piece(slices: Sequence[Any], *, number: int) -> Any:
    """One of them, so that no more than it travels."""
    return slices[number]


def join(*slices: Any) -> tuple[Any, ...]:
    """A partition of slices."""
    Xs, ys, weights = zip(*slices, strict=True)
    if scipy.sparse.issparse(Xs[0]):
        X = scipy.sparse.vstack(Xs, format="csr")
    elif hasattr(Xs[0], "iloc"):
        import pandas

        X = pandas.concat(Xs)
    else:
        X = np.concatenate(Xs)
    y = np.concatenate(ys)
    return (X, y) if weights[0] is None else (X, y, np.concatenate(weights))


def _done(_: Any) -> None:
    """Waits for a task without fetching what it made."""
