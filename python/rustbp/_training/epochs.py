"""The loop over epochs for sgd, adam and every other optimizer of the core.

Python owns what must equal scikit-learn to the last draw and word: the split, the permutations, the stopping rules,
what is printed. Each epoch is one call of the core: `mini_batches` gives it, and `judge` judges it.
"""

import copy
import math
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from rustbp._arrays import Rows
from rustbp._training import validation
from rustbp._training.callbacks import NoCallbacks
from rustbp._training.judge import Judge
from rustbp._training.mini_batches import MiniBatches
from rustbp._training.optimizer import Optimizer
from rustbp._warn import warn

NON_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values "
    "and need to be preprocessed."
)


def train(model: Any, rows: Rows, *, first: bool, incremental: bool, report: NoCallbacks) -> None:
    """Train ``model`` in place, from its ``coefs_`` and ``intercepts_``, for one epoch if ``incremental``.

    Parameters
    ----------
    model : estimator
        With ``coefs_`` and ``intercepts_`` in the dtype of ``rows``. Its lists and optimizer are replaced, not
        changed.
    rows : Rows
        All rows given to fit.
    first : bool
        Whether the curves start anew.
    incremental : bool
        Whether this is ``partial_fit``.
    report : NoCallbacks
        Told where each epoch begins and ends.

    Raises
    ------
    ValueError
        If the loss or a weight turned non-finite and no better weights are at hand; if the split cannot be made.
    """
    if incremental and model.early_stopping:
        raise ValueError("partial_fit does not support early_stopping=True")
    optimizer = getattr(model, "_optimizer", None)
    if not incremental or optimizer is None:
        model._optimizer = Optimizer.of(model)
    elif isinstance(optimizer, Optimizer):
        model._optimizer = copy.copy(optimizer)
    else:
        raise TypeError(
            f"_optimizer is of type {type(optimizer).__name__}, and rustbp has its own. Set it to None for a new one; "
            "rustbp.from_sklearn converts that of a fitted scikit-learn model."
        )
    _Epochs(model, rows, first, report).run(incremental)


class _Epochs:
    """One run of epochs: what gives them, what judges them, and whom to tell."""

    def __init__(self, model: Any, rows: Rows, first: bool, report: NoCallbacks) -> None:
        self.model = model
        self.report = report
        self.judge = Judge(model, first=first)
        self.diverged = False
        self.validation: Rows | None = None
        index = None
        if model.early_stopping:
            index, self.validation = validation.split(model, rows)
            if first:
                self.judge.best = (model.coefs_, model.intercepts_)
        self.batches = MiniBatches(model, rows, index)
        self.trainer = self.batches.trainer

    def run(self, incremental: bool) -> None:
        model = self.model
        try:
            for _ in range(model.max_iter):
                if self._epoch_stops() or incremental:
                    break
                if model.n_iter_ == model.max_iter:
                    warn(
                        f"Stochastic Optimizer: Maximum iterations ({model.max_iter}) "
                        "reached and the optimization hasn't converged yet.",
                        ConvergenceWarning,
                    )
        except KeyboardInterrupt:
            warn("Training interrupted by user.")
        self._finish()

    def _epoch_stops(self) -> bool:
        """Train one epoch, keep the books; return whether to stop."""
        model, optimizer, judge = self.model, self.model._optimizer, self.judge
        self.batches.shuffle()
        self.report.epoch_begins()
        cost, penalty = self.batches.epoch(optimizer.step)
        judge.take_loss(model._reported_loss(cost, penalty))
        model.t_ += self.batches.n_rows
        self.diverged = not (math.isfinite(model.loss_) and self.trainer.is_finite())
        if self.validation is not None:
            score = math.nan if self.diverged else self._score(self.validation)
            judge.take_score(score, self._weights)
        if self.diverged:
            return self._give_up()
        optimizer.epoch_ends(model.t_)
        asked_to_stop = self.report.epoch_ends(self._attributes)
        reason = judge.reason_to_stop()
        if reason is not None:
            if optimizer.stops(reason, model.verbose):
                return True
            judge.be_patient_again()
        return asked_to_stop

    def _score(self, rows: Rows) -> float:
        return self.model._score_output(self.trainer.predict(rows.X), rows.y, rows.sample_weight)

    def _give_up(self) -> bool:
        """Further epochs cannot become finite again: stop, with the best weights if there are some."""
        if self.judge.best is None:
            raise ValueError(NON_FINITE)
        warn(
            f"Training diverged in epoch {self.model.n_iter_}: the loss or a weight is not finite. "
            "The weights with the best validation score are kept. Consider scaling the data or a "
            "smaller learning_rate_init.",
            ConvergenceWarning,
        )
        return True

    def _finish(self) -> None:
        """Hand weights and optimizer state over to the model."""
        model = self.model
        if self.diverged:
            # Its state is not finite either; training may go on from the best weights with a new one.
            model._optimizer = Optimizer.of(model)
        else:
            model._optimizer.remember(self.trainer)
            if not self.trainer.is_finite():
                raise ValueError(NON_FINITE)
        model.coefs_, model.intercepts_ = self.judge.best or self._weights()

    def _weights(self) -> tuple[list[Any], list[Any]]:
        return self.trainer.coefs(), self.trainer.intercepts()

    def _attributes(self) -> dict[str, Any]:
        """What a copy of the estimator needs to predict with the weights of this moment."""
        coefs, intercepts = self._weights()
        return self.model._fitted_attributes(coefs_=coefs, intercepts_=intercepts)
