"""One net of an ensemble in training: epoch by epoch, each judged on rows that the net does not learn from."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from rustbp import _core
from rustbp._arrays import Rows
from rustbp._training.judge import Judge
from rustbp._training.network import dropout_of, network_of
from rustbp._training.validation import Validation
from rustbp._warn import warn
from rustbp.tabular import recipe

Rest = tuple[NDArray[np.int64], Validation | None]
"""Which rows a member trains on, and what it is judged on."""


class Member:
    """A net, its rows, and its best weights so far.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
        Parameters of the net; it knows its labels and outputs. A fit fills in the rest.
    rows : Rows
        All rows of the fit, encoded.
    order : ndarray of int64
        Those of them to train on. It is shuffled in place.
    validation : Validation or None
        What epochs are judged on; None: by nothing, and the last epoch is kept.
    n_threads : int
        Threads of each call of the core.
    name : str, default=None
        What the lines printed after each epoch call the member; None prints none.

    Attributes
    ----------
    epochs_done : int
        Epochs so far.
    """

    def __init__(
        self,
        model: Any,
        rows: Rows,
        order: NDArray[np.int64],
        validation: Validation | None,
        n_threads: int,
        name: str | None = None,
    ) -> None:
        self.model = model
        self._name = name
        self.epochs_done: int = 0
        self._rows, self._order, self._validation = rows, order, validation
        self._rng = model._random_state = np.random.RandomState(model.random_state)
        self._batch_size = min(model.batch_size, len(order))
        n_batches = -(-len(order) // self._batch_size)
        end = 1.0 if validation is None else recipe.JUDGED_END
        self._schedules = recipe.Schedules(
            model.max_iter, n_batches, model.learning_rate_init, model.weight_decay, end
        )
        sizes = [rows.X.shape[1], *model.hidden_layer_sizes, model.n_outputs_]
        coefs, intercepts = recipe.first_weights(self._rng, sizes, rows.X.dtype)
        self._trainer = _core.Trainer(
            coefs,
            intercepts,
            **network_of(model),
            dropout=dropout_of(model, len(sizes) - 2),
            optimizer="adam",
            hyperparameters={
                "beta_1": model.beta_1,
                "beta_2": model.beta_2,
                "epsilon": model.epsilon,
            },
            layer_rates=recipe.layer_rates(sizes),
            n_threads=n_threads,
        )
        model.t_ = 0
        model.n_layers_ = len(sizes)
        model.learning_rate_curve_ = []
        self._judge = Judge(model, first=True, validates=validation is not None, last_of_ties=True)
        self._diverged = self._learns_by_heart = False

    @property
    def is_done(self) -> bool:
        """Whether all epochs have been trained, or no more of them would be of any use."""
        return self.epochs_done == self.model.max_iter or self._diverged or self._learns_by_heart

    def epoch(self, seconds: float | None = None, stop: _core.Stop | None = None) -> None:
        """Train one epoch, and judge it; it ends after the mini-batch in which so many seconds have passed. One in
        which ``stop`` is set ends, too, and does not count."""
        model, trainer = self.model, self._trainer
        self._rng.shuffle(self._order)
        trainer.dropout_seed = int(self._rng.randint(2**31 - 1))
        X, y, weight = self._rows
        numbers = self._schedules.of_epoch(self.epochs_done)
        before = trainer.updates
        cost, penalty = trainer.epoch(
            X, y, self._order, self._batch_size, weight, seconds=seconds, stop=stop, **numbers
        )
        if stop is not None and stop.is_set():
            return
        self.epochs_done += 1
        self._judge.take_loss(model._reported_loss(cost, penalty))
        model.learning_rate_curve_.append(float(numbers["learning_rates"][0]))
        model.t_ += min((trainer.updates - before) * self._batch_size, len(self._order))
        self._diverged = not (math.isfinite(model.loss_) and trainer.is_finite())
        if self._validation is not None:
            score = loss = math.nan
            if not self._diverged:
                score, loss = self._scored()
            self._judge.take_score(score, loss, self._weights)
            losses = model.validation_loss_curve_
            self._learns_by_heart = self._schedules.learns_by_heart(losses)
        self._print()

    def finish(self) -> Any:
        """The model, with the weights of its best epoch.

        Raises
        ------
        ValueError
            If training diverged before any weights were good.
        """
        best = self._judge.best
        if best is None:
            if self._diverged:
                raise ValueError(
                    "Training diverged: a weight is not finite. Use a smaller learning_rate_init; got "
                    f"{self.model.learning_rate_init!r}."
                )
            best = self._weights()
        elif self._diverged:
            warn(
                f"Training of a member diverged in epoch {self.epochs_done}: a weight is not finite. Its weights of "
                f"epoch {self.model.best_epoch_} are kept. Consider a smaller learning_rate_init.",
                ConvergenceWarning,
            )
        self.model.coefs_, self.model.intercepts_ = best
        return self.model

    def _scored(self) -> tuple[float, float]:
        """Score and loss on held-out rows."""
        try:
            score, loss = self._validation.judge(self.model, self._trainer)
        except ValueError as error:
            error.args = (
                f"{error} (On the rows that a member is judged on; X_val and y_val would give it others.)",
            )
            raise
        # Weights of which outputs overflow are no better than those that have done so.
        self._diverged = not math.isfinite(loss)
        return (math.nan if self._diverged else score), loss

    def _print(self) -> None:
        if self._name is None:
            return
        line = f"{self._name}, epoch {self.epochs_done}: loss = {self.model.loss_:.6f}"
        if self.model.validation_scores_:
            line += f", validation score = {self.model.validation_scores_[-1]:.6f}"
        print(line)

    def _weights(self) -> tuple[list[Any], list[Any]]:
        return self._trainer.coefs(), self._trainer.intercepts()
