"""The loop over epochs for sgd, adam and every other optimizer of the core.

Python owns what must equal scikit-learn to the last draw and word: the split, the permutations, the stopping rules,
what is printed. Each epoch is one call of the core: `mini_batches` gives it, and `judge` judges it.
"""

import copy
import math
import time
from collections.abc import Callable
from typing import Any, Protocol

from sklearn.exceptions import ConvergenceWarning

from rustbp._arrays import layers
from rustbp._training.callbacks import NoCallbacks
from rustbp._training.judge import Judge
from rustbp._training.optimizer import Optimizer
from rustbp._training.packed import WEIGHTS
from rustbp._training.schedule import step_sizes
from rustbp._training.unfinished import Unfinished
from rustbp._warn import warn

NON_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values "
    "and need to be preprocessed."
)

WAY_OUT = " Raise max_iter, or scale X (StandardScaler in a pipeline)."
"""Said behind scikit-learn's words where `max_iter` is reached."""


class Batches(Protocol):
    """What gives epochs: `MiniBatches`, whose docstrings say what each of these is, or what does it elsewhere."""

    n_batches: int
    rows_seen: int
    order: Any
    parts: Any

    @property
    def packed(self) -> Any: ...
    @property
    def trainer(self) -> Any:
        """What tells of the weights: ``updates``, ``coefs()``, ``intercepts()``, ``state()``, ``is_finite()``,
        ``rest()``."""

    def shuffle(self) -> None: ...
    def epoch(
        self, step: float, steps: Any = None, seconds: float | None = None
    ) -> tuple[float, float]: ...


class Judges(Protocol):
    """What epochs are judged on: `Validation`, or what has its rows elsewhere."""

    trained_on: Any
    held_out: Any

    def judge(self, model: Any, trainer: Any) -> tuple[float, float]:
        """Score, of which more is better, and mean loss without the penalty, with the weights of ``trainer``."""
        ...


def train(
    model: Any,
    batches: Callable[[Any], Batches],
    *,
    first: bool,
    incremental: bool,
    report: NoCallbacks,
    validation: Judges | None,
    stored: Any,
    unfinished: Unfinished | None = None,
) -> str:
    """Train ``model`` in place, from its ``coefs_`` and ``intercepts_``, for one epoch if ``incremental``; return why
    it ended, in a few words.

    Parameters
    ----------
    model : estimator
        With weights, packed or in arrays, in the dtype of its rows. Its lists and optimizer are replaced, not
        changed.
    batches : callable
        Makes what gives the epochs, of the indices of the rows to train on; None: all.
    first : bool
        Whether the curves start anew.
    incremental : bool
        Whether this is ``partial_fit``.
    report : NoCallbacks
        Told where each epoch begins and ends.
    validation : Judges or None
        What each epoch is judged on.
    unfinished : Unfinished or None
        The fit to go on with, of which ``model`` has the rest.
    stored : dtype
        In which the weights will be kept; that of ``rows`` may be wider.

    Raises
    ------
    ValueError
        If the loss or a weight turned non-finite and no better weights are at hand; if a scorer returns no number.
    """
    optimizer = getattr(model, "_optimizer", None)
    goes_on = incremental or unfinished is not None
    if not goes_on or optimizer is None:
        model._optimizer = Optimizer.of(model)
    elif isinstance(optimizer, Optimizer):
        model._optimizer = copy.copy(optimizer)
    else:
        raise TypeError(
            f"_optimizer is of type {type(optimizer).__name__}, and rustbp has its own. Set it to None for a new one; "
            "rustbp.from_sklearn converts that of a fitted scikit-learn model."
        )
    run = _Epochs(model, batches, first, report, validation, unfinished, stored)
    run.run(incremental=incremental)
    return run.reason


class _Epochs:
    """One run of epochs: what gives them, what judges them, and whom to tell."""

    def __init__(
        self,
        model: Any,
        batches: Callable[[Any], Batches],
        first: bool,
        report: NoCallbacks,
        validation: Judges | None,
        unfinished: Unfinished | None,
        stored: Any,
    ) -> None:
        self.model = model
        self.stored = stored
        self.report = report
        self.validation = validation
        self.diverged = False
        self.reason = ""
        self.goes_on = unfinished is not None
        best, index = None, None if validation is None else validation.trained_on
        if unfinished is not None and unfinished.order is not None:
            # Shuffled in place.
            index = unfinished.order.copy()
        if validation is not None and model.early_stopping:
            if unfinished is not None:
                best = unfinished.best
            elif first:
                best = (model.coefs_, model.intercepts_)
        self.judge = Judge(
            model, first=first, validates=validation is not None, best=best, goes_on=self.goes_on
        )
        self.deadline = math.inf
        curve = None if first else getattr(model, "learning_rate_curve_", None)
        model.learning_rate_curve_ = list(curve or ())
        self.batches = batches(index)
        self.trainer = self.batches.trainer

    def run(self, *, incremental: bool) -> None:
        model = self.model
        self.incremental = incremental
        if model.max_time is not None and not incremental:
            self.deadline = time.monotonic() + model.max_time
        try:
            # The fit may have been cut short between an epoch and what follows from it.
            stops = self.goes_on and self._patience_is_over()
            while not stops and model.n_iter_ < model.max_iter:
                stops = self._epoch_stops() or incremental or self._time_is_up()
            if not stops:
                self.reason = f"max_iter={model.max_iter} reached"
                warn(
                    f"Stochastic Optimizer: Maximum iterations ({model.max_iter}) "
                    "reached and the optimization hasn't converged yet."
                    f"{WAY_OUT}",
                    ConvergenceWarning,
                )
        except KeyboardInterrupt:
            self.reason = "interrupted"
            warn("Training interrupted by user.")
        self._finish()
        if not incremental:
            self.trainer.rest()

    def _epoch_stops(self) -> bool:
        """Train one epoch, keep the books; return whether to stop."""
        model, optimizer, judge = self.model, self.model._optimizer, self.judge
        self.batches.shuffle()
        self.report.epoch_begins()
        steps = step_sizes(model, optimizer.step, self.trainer.updates, self.batches.n_batches)
        step = optimizer.step if steps is None else float(steps[0])
        cost, penalty = self.batches.epoch(step, steps, self._seconds_left())
        judge.take_loss(model._reported_loss(cost, penalty))
        model.learning_rate_curve_.append(step)
        model.t_ += self.batches.rows_seen
        self.diverged = not (math.isfinite(model.loss_) and self.trainer.is_finite())
        if self.validation is not None:
            score = loss = math.nan
            if not self.diverged:
                score, loss = self.validation.judge(model, self.trainer)
            judge.take_score(score, loss, self._weights)
        if self.diverged:
            return self._give_up()
        optimizer.epoch_ends(model.t_)
        asked_to_stop = self.report.epoch_ends(self._attributes)
        if self._patience_is_over():
            return True
        if asked_to_stop:
            self.reason = "a callback asked to stop"
        return asked_to_stop

    def _patience_is_over(self) -> bool:
        """Whether to stop for want of improvement, and not to try smaller steps."""
        reason = self.judge.reason_to_stop()
        if reason is None:
            return False
        if self.model._optimizer.stops(reason, self.model.verbose):
            self.reason = reason.partition(" more than")[0]
            return True
        self.judge.be_patient_again()
        return False

    def _seconds_left(self) -> float | None:
        return None if self.deadline == math.inf else self.deadline - time.monotonic()

    def _time_is_up(self) -> bool:
        model = self.model
        if time.monotonic() < self.deadline:
            return False
        self.reason = f"max_time={model.max_time} seconds have passed"
        warn(
            f"Stochastic Optimizer: max_time={model.max_time} seconds have passed (in epoch "
            f"{model.n_iter_}) and the optimization hasn't converged yet.",
            ConvergenceWarning,
        )
        return True

    def _give_up(self) -> bool:
        """Further epochs cannot become finite again: stop, with the best weights if there are some."""
        if self.judge.best is None:
            raise ValueError(NON_FINITE)
        self.reason = "diverged"
        warn(
            f"Training diverged in epoch {self.model.n_iter_}: the loss or a weight is not finite. "
            "The weights with the best validation score are kept. Consider scaling the data or a "
            "smaller learning_rate_init.",
            ConvergenceWarning,
        )
        return True

    def _finish(self) -> None:
        """Hand weights and optimizer state over to the model."""
        model, state = self.model, vars(self.model)
        for name in ("_packed", *WEIGHTS):
            state.pop(name, None)
        if self.diverged:
            # Its state is not finite either; training may go on from the best weights with a new one.
            model._optimizer = Optimizer.of(model)
        else:
            if not self.trainer.is_finite():
                raise ValueError(NON_FINITE)
            # Some make it when asked, another one each time.
            model._packed = packed = self.batches.packed
            model._optimizer.remember(self.trainer, packed)
        if self.judge.best is not None:
            model.coefs_, model.intercepts_ = self.judge.best

    def _weights(self) -> tuple[list[Any], list[Any]]:
        return self.trainer.coefs(), self.trainer.intercepts()

    def _attributes(self, *, to_go_on: bool = False) -> dict[str, Any]:
        """What a copy of the estimator needs to predict with the weights of this moment, or to train on from it."""
        coefs, intercepts = self._weights()
        if not to_go_on or self.incremental:
            coefs, intercepts = layers(coefs, intercepts, self.stored)
        attributes = self.model._fitted_attributes(coefs_=coefs, intercepts_=intercepts)
        if to_go_on:
            attributes["_optimizer"] = copy.copy(self.model._optimizer)
            attributes["_optimizer"].remember(self.trainer)
            if not self.incremental:
                order = self.batches.order
                attributes["_unfinished"] = Unfinished(
                    order=None if order is None else order.copy(),
                    held_out=None if self.validation is None else self.validation.held_out,
                    best=self.judge.best,
                    single=coefs[0].dtype != self.stored,
                    parts=self.batches.parts,
                )
        return attributes
