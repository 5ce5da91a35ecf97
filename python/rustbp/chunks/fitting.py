"""A fit on chunks: the loop over epochs is that of all fits, and this is what gives the epochs."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.utils.validation import _get_feature_names

from rustbp import _arrays, _core
from rustbp._inputs import are_chunks
from rustbp._training import packed
from rustbp._training.mini_batches import batch_size_of
from rustbp._training.validation import Given
from rustbp._warn import warn
from rustbp.chunks.sources import checked, read
from rustbp.partitions.fitting import Engine, Partitions, run, scans_of
from rustbp.partitions.part import column, named, parts
from rustbp.partitions.planning import Plan, check_columns, check_weights, mean_skew

ROOM = 256 << 20
"""Bytes of rows in memory at a time, where nobody says how many chunks are mixed with each other."""
BESIDE = 3
"""Chunks beside two buffers: one on its way from a file, as that has it, as an array and encoded."""
SORTED = 0.25
"""How different chunks may be before a fit warns."""


def fit(
    estimator: Any,
    chunks: Any,
    sample_weight: Any = None,
    *,
    given: tuple[Any, Any] = (None, None),
    validation: Given,
    incremental: bool = False,
    classes: Any = None,
) -> Any:
    """Train ``estimator`` on chunks; ``given`` are weights to start from. ``incremental``: for one epoch, of rows that
    have no labels but ``classes``."""
    if sample_weight is not None:
        raise ValueError(
            "The weights of chunks are in them, (X, y, sample_weight); got sample_weight beside them."
        )
    if not len(chunks):
        raise ValueError("There must be at least one chunk; got none.")
    names = getattr(chunks, "feature_names", None)
    learner = estimator
    if names is not None:
        known = getattr(estimator, "feature_names_in_", names)
        if (estimator.warm_start or incremental) and list(known) != list(names):
            raise ValueError(
                f"The columns must be those of the fit before, {list(known)}; got {list(names)}."
            )
        # The arrays themselves have no names.
        validation = _nameless(validation, names)
        learner = estimator._copy()
        vars(learner).pop("feature_names_in_", None)
    known = getattr(estimator, "classes_", None)
    if incremental and known is not None:
        if classes is not None and not np.array_equal(known, np.unique(classes)):
            raise ValueError(f"classes={classes!r} is not the same as on last call, {known!r}.")
        classes = known
    model = _trained(learner, chunks, given, validation, incremental, classes)
    if names is not None:
        model.feature_names_in_ = np.asarray(names, dtype=object)
    if model is not estimator:
        estimator._adopt(model)
    return estimator


def _nameless(validation: Given, names: Sequence[str]) -> Given:
    """Rows to validate on, as arrays of the same columns."""
    X = validation.X
    of_chunks = X is not None and are_chunks(X)
    others = getattr(X, "feature_names", None) if of_chunks else _get_feature_names(X)
    if others is None:
        return validation
    if list(others) != list(names):
        raise ValueError(f"X_val must have the columns of X, {list(names)}; got {list(others)}.")
    return validation if of_chunks else validation._replace(X=np.asarray(X))


def _trained(
    estimator: Any, chunks: Any, given: Any, validation: Given, incremental: bool, classes: Any
) -> Any:
    """The estimator itself or a copy, fitted."""
    data = [(partial(read, chunks, number),) for number in range(len(chunks))]
    engine = Engine()
    engine.n_threads = estimator.n_threads
    judged_on = None
    if validation.X is not None and are_chunks(validation.X):
        others: Any = validation.X
        if validation.y is not None or validation.sample_weight is not None:
            raise ValueError(
                "The targets and weights of X_val are in its chunks; got y_val or sample_weight_val beside them."
            )
        judged_on = [(partial(read, others, number),) for number in range(len(others))]
        validation = Given()
    once = (incremental, classes)
    if len(chunks) == 1 and judged_on is None:
        return _in_memory(estimator, chunks, [0], given, validation, *once)
    scans = scans_of(estimator, data, engine)
    check_weights(scans)
    buffer = _buffer(chunks, scans)
    numbers = [number for number, found in enumerate(scans) if found["rows"]]
    if 0 < len(numbers) <= buffer and judged_on is None:
        return _in_memory(estimator, chunks, numbers, given, validation, *once)
    if estimator.solver != "lbfgs" and mean_skew(scans) > SORTED:
        warn(
            "Chunks differ in their labels more than rows in random order do, as those of a sorted file do: training "
            "on them sees one kind at a time. rustbp.chunks.shuffled puts them in a random order on a disk; a larger "
            "buffer helps where that is too much."
        )
    all_parts = Partitions(
        data,
        scans,
        validation=judged_on,
        batches=lambda model, plan, order: Buffers(model, plan, data, scans, buffer, order),
    )
    return run(
        estimator,
        all_parts,
        engine,
        replicas=1,
        given=given,
        validation=validation,
        incremental=incremental,
        classes=classes,
    )


def _in_memory(
    estimator: Any,
    chunks: Any,
    numbers: Sequence[int],
    given: Any,
    validation: Given,
    incremental: bool,
    classes: Any,
) -> Any:
    """The fit of all rows at once."""
    found = [parts(read(chunks, number)) for number in numbers]
    try:
        X = _together([X for X, _, _ in found])
        y = _together([column(y) for _, y, _ in found])
        weights = [column(weight) for _, _, weight in found if weight is not None]
        weight = np.concatenate(weights) if weights else None
        if incremental:
            options: dict[str, Any] = {
                f"{name}_val": value for name, value in validation._asdict().items()
            }
            if is_classifier(estimator):
                if classes is None and not estimator.soft_targets:
                    classes = np.unique(y) if y.ndim == 1 else np.arange(y.shape[1])
                options["classes"] = classes
            return estimator.partial_fit(X, y, weight, **options)
        told = {"incremental": False, "given": given, "validation": validation}
        return estimator._train(estimator._copy(), X, y, weight, **told)
    except ValueError:
        if len(found) > 1:
            # Which of them is it?
            rows = {number: X for number, (X, _, _) in zip(numbers, found, strict=True)}
            check_columns(estimator, rows)
        raise


def _together(arrays: Sequence[Any]) -> Any:
    if len(arrays) == 1:
        return arrays[0]
    if any(scipy.sparse.issparse(array) for array in arrays):
        return scipy.sparse.vstack(arrays, format="csr")
    if all(type(array).__module__.startswith("pandas") for array in arrays):
        import pandas

        return pandas.concat(arrays)
    return np.concatenate([np.asarray(array) for array in arrays])


def _buffer(chunks: Any, scans: Sequence[dict[str, Any]]) -> int:
    buffer = checked("buffer", getattr(chunks, "buffer", None))
    if buffer is not None:
        return buffer
    bytes_of = [found["bytes"] for found in scans if found["rows"]]
    if not bytes_of:
        return 1
    # That which is trained on, and the next.
    return max(1, int((ROOM / max(np.mean(bytes_of), 1) - BESIDE) // 2))


class Buffers:
    """Epochs of buffers: some chunks at a time, their rows shuffled, the next ones read by a thread meanwhile.

    Parameters
    ----------
    model : estimator
        With weights and an optimizer.
    plan : Plan
        How rows are encoded, and which are held out.
    data : sequence of tuple
        Functions that read chunks.
    scans : sequence of dict
        What is in them.
    buffer : int
        Chunks of a buffer.
    order : ndarray of int64, default=None
        The chunks in the order of the last epoch, if the fit goes on.
    """

    packed: Any
    trainer: _core.Trainer
    n_batches: int
    rows_seen: int

    def __init__(
        self,
        model: Any,
        plan: Plan,
        data: Sequence[Any],
        scans: Sequence[dict[str, Any]],
        buffer: int,
        order: Any = None,
    ) -> None:
        self._plan, self._data, self._buffer = plan, data, buffer
        self._source = model._random_state
        self._random_state = model._random_state if model.shuffle else None
        held_out = plan.held_out
        self._rows = [found["rows"] - round(held_out * found["rows"]) for found in scans]
        self.order: NDArray[np.int64] = np.array(
            [i for i, rows in enumerate(self._rows) if rows], dtype=np.int64
        )
        if order is not None:
            if not np.array_equal(np.sort(order), self.order):
                raise ValueError(
                    "This model is a checkpoint of a fit in which other chunks had rows."
                )
            self.order = order
        self.parts: tuple[int, int, int] = plan.seed, plan.replicas, len(data)
        self.rows_seen = sum(self._rows)
        self._batch_size = batch_size_of(model.batch_size, self.rows_seen)
        self.packed = packed.begin(model)
        self.trainer = self.packed.trainer
        self._drops = self.packed.settings["dropout"] is not None
        self.n_batches = 0

    def shuffle(self) -> None:
        """Put the chunks in the order of the next epoch."""
        if self._random_state is not None:
            self._random_state.shuffle(self.order)
        if self._drops:
            self.trainer.dropout_seed = int(self._source.randint(2**31 - 1))
        starts = range(0, len(self.order), self._buffer)
        self._groups = [self.order[first : first + self._buffer].tolist() for first in starts]
        self._lengths = [sum(self._rows[number] for number in group) for group in self._groups]
        self.n_batches = sum(-(-length // self._batch_size) for length in self._lengths)

    def epoch(
        self, step: float, steps: Any = None, seconds: float | None = None
    ) -> tuple[float, float]:
        """Train on each row once; returns the mean cost and the penalty."""
        deadline = None if seconds is None else time.monotonic() + seconds
        self.trainer.learning_rate = step
        seen, sums, first = 0, np.zeros(2), 0
        with ThreadPoolExecutor(1, thread_name_prefix="rustbp-chunks") as reader:
            coming = [reader.submit(self._read, self._groups[0])]
            for number, length in enumerate(self._lengths):
                X, y, weight = coming.pop().result()
                if number + 1 < len(self._groups):
                    coming.append(reader.submit(self._read, self._groups[number + 1]))
                order = None
                if self._random_state is not None:
                    order = np.arange(length, dtype=np.int64)
                    self._random_state.shuffle(order)
                n_batches = -(-length // self._batch_size)
                before = self.trainer.updates
                means = self.trainer.epoch(
                    X,
                    y,
                    order,
                    self._batch_size,
                    weight,
                    learning_rates=None if steps is None else steps[first : first + n_batches],
                    seconds=None if deadline is None else deadline - time.monotonic(),
                )
                del X, y, weight
                done = min((self.trainer.updates - before) * self._batch_size, length)
                seen, sums, first = seen + done, sums + np.multiply(means, done), first + n_batches
                if done < length or (deadline is not None and time.monotonic() >= deadline):
                    break
        self.rows_seen = seen
        cost, penalty = sums / seen
        return float(cost), float(penalty)

    def _read(self, numbers: Sequence[int]) -> _arrays.Rows:
        """The rows of some chunks that are trained on."""
        length, filled = sum(self._rows[number] for number in numbers), 0
        X: Any = None
        others, sparse = [], []
        for number in numbers:
            with named(number):
                rows = self._plan.rows(*parts(*self._data[number]))
                if self._plan.held_out:
                    rows = rows.take(self._plan.split(len(rows.y), number)[0])
                rows = rows.in_memory()
                if len(rows.y) != self._rows[number]:
                    raise ValueError(
                        f"It has {len(rows.y)} rows to train on, and had {self._rows[number]} when it was read before."
                    )
            if len(numbers) == 1:
                return rows
            others.append(rows._replace(X=None))
            if scipy.sparse.issparse(rows.X) or sparse:
                if X is not None:
                    sparse, X = [X[:filled]], None
                sparse.append(rows.X)
                continue
            if X is None:
                X = np.empty((length, rows.X.shape[1]), rows.X.dtype)
            X[filled : filled + len(rows.y)] = rows.X
            filled += len(rows.y)
        weights = [rows.sample_weight for rows in others]
        if any(weight is None for weight in weights):
            weights = []
        return _arrays.Rows(
            scipy.sparse.vstack(sparse, format="csr") if sparse else X,
            np.concatenate([rows.y for rows in others]),
            np.concatenate(weights) if weights else None,
        )
