"""What gives an epoch: the trainer, the rows that it trains on, their order and the size of a batch."""

import time
from typing import Any

import numpy as np

from rustbp._arrays import Rows
from rustbp._mapped import Mapped
from rustbp._training import packed
from rustbp._warn import warn


class MiniBatches:
    """The epochs of a fit, each in mini-batches and each one call of the core.

    Parameters
    ----------
    model : estimator
        With weights in the dtype of ``rows``, and the optimizer to go on with.
    rows : Rows
        All rows given to fit.
    index : ndarray of int64 or None
        Those of them to train on; None: all.

    Attributes
    ----------
    packed : Packed
        What the model will have at the end.
    trainer : _core.Trainer
        Parameters and optimizer state.
    n_rows : int
        Rows of an epoch.
    n_batches : int
        Mini-batches of an epoch.
    order : ndarray of int64 or None
        The rows in the order of the present epoch; None: all, in turn.
    rows_seen : int
        Rows of the last epoch: all, unless its time was up.
    parts : None
        There are none; see `Unfinished`.
    """

    parts = None

    def __init__(self, model: Any, rows: Rows, index: Any = None) -> None:
        self._rows = rows
        self.n_rows = rows.X.shape[0] if index is None else len(index)
        self._random_state = model._random_state if model.shuffle else None
        if index is None and model.shuffle:
            index = np.arange(self.n_rows, dtype=np.int64)
        self.order = index
        self._batch_size = batch_size_of(model.batch_size, self.n_rows)
        self.n_batches = -(-self.n_rows // self._batch_size)
        self.rows_seen = self.n_rows
        self.packed = packed.begin(model)
        self.trainer = self.packed.trainer
        self._drops = self.packed.settings["dropout"] is not None
        self._source = model._random_state

    def shuffle(self) -> None:
        """Put the rows in the order of the next epoch, and draw what it drops."""
        if self._random_state is not None:
            # Shuffling the previous order draws, and gives, what scikit-learn's shuffle of it does.
            self._random_state.shuffle(self.order)
        if self._drops:
            # Of each epoch, so that a fit that was cut short goes on as if it had not been.
            self.trainer.dropout_seed = int(self._source.randint(2**31 - 1))

    def epoch(
        self, step: float, steps: Any = None, seconds: float | None = None
    ) -> tuple[float, float]:
        """Train on each row once; returns the mean cost and the penalty.

        Parameters
        ----------
        step : float
            The step size.
        steps : ndarray of shape (n_batches,), default=None
            One for each mini-batch, in the place of ``step``.
        seconds : float, default=None
            The epoch ends after the mini-batch in which they have passed.
        """
        before = self.trainer.updates
        means = self._train(self.order, step, learning_rates=steps, seconds=seconds)
        self.rows_seen = min((self.trainer.updates - before) * self._batch_size, self.n_rows)
        return means

    def batch(self, number: int, step: float) -> tuple[float, float]:
        """Train on one mini-batch of the epoch; returns its mean cost and penalty before that."""
        order = np.arange(self.n_rows, dtype=np.int64) if self.order is None else self.order
        first = number * self._batch_size
        return self._train(order[first : first + self._batch_size], step)

    def _train(self, order: Any, step: float, **options: Any) -> tuple[float, float]:
        self.trainer.learning_rate = step
        if isinstance(self._rows.X, Mapped):
            return self._train_by_blocks(order, **options)
        X, y, sample_weight = self._rows
        return self.trainer.epoch(X, y, order, self._batch_size, sample_weight, **options)

    def _train_by_blocks(
        self, order: Any, *, learning_rates: Any = None, seconds: float | None = None
    ) -> tuple[float, float]:
        """The same mini-batches, of which a few at a time are read and converted."""
        X, y, sample_weight = self._rows
        deadline = None if seconds is None else time.monotonic() + seconds
        n_rows = self.n_rows if order is None else len(order)
        batches = max(1, X.rows_of_block // self._batch_size)
        seen, sums = 0, np.zeros(2)
        for number in range(0, -(-n_rows // self._batch_size), batches):
            part = slice(number * self._batch_size, (number + batches) * self._batch_size)
            index = part if order is None else order[part]
            before, length = self.trainer.updates, len(range(n_rows)[part])
            means = self.trainer.epoch(
                X[index],
                y[index],
                None,
                self._batch_size,
                None if sample_weight is None else sample_weight[index],
                learning_rates=None
                if learning_rates is None
                else learning_rates[number : number + batches],
                seconds=None if deadline is None else deadline - time.monotonic(),
            )
            done = min((self.trainer.updates - before) * self._batch_size, length)
            seen, sums = seen + done, sums + np.multiply(means, done)
            if done < length or (deadline is not None and time.monotonic() >= deadline):
                break
        cost, penalty = sums / seen
        return float(cost), float(penalty)


def batch_size_of(batch_size: Any, n_rows: int) -> int:
    """Rows of a mini-batch."""
    if batch_size == "auto":
        return min(200, n_rows)
    if batch_size > n_rows:
        warn("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped")
    return min(int(batch_size), n_rows)
