"""The loop over epochs for sgd, adam and every other optimizer of the core.

Python owns what must equal scikit-learn to the last draw and word: the split, the permutations, the stopping rules,
what is printed. Each epoch is one call of the core.
"""

import copy
import math
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from rustbp._arrays import Rows
from rustbp._training import threads
from rustbp._training.callbacks import NoCallbacks
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
    _start_curves(model, first)
    _Epochs(model, rows, first, report).run(incremental)


def _start_curves(model: Any, first: bool) -> None:
    """Begin the curves, or take them up where the last fit left them if that fit kept them."""
    fresh = first or not hasattr(model, "loss_curve_")
    model.loss_curve_ = [] if fresh else list(model.loss_curve_)
    if fresh or not hasattr(model, "_no_improvement_count"):
        model._no_improvement_count = 0
    if model.early_stopping:
        scores = None if fresh else getattr(model, "validation_scores_", None)
        # A model file may have the one without the other.
        if scores is None or getattr(model, "best_validation_score_", None) is None:
            model.best_validation_score_ = -np.inf
        model.validation_scores_ = [] if scores is None else list(scores)
        model.best_loss_ = None
    else:
        if fresh or getattr(model, "best_loss_", None) is None:
            model.best_loss_ = np.inf
        model.validation_scores_ = None
        model.best_validation_score_ = None


class _Epochs:
    """One run of epochs: the model, its trainer, the rows to train on, and the best weights so far."""

    def __init__(self, model: Any, rows: Rows, first: bool, report: NoCallbacks) -> None:
        self.model = model
        self.rows = rows
        self.report = report
        self.order: Any = None
        self.validation: Rows | None = None
        self.best: tuple[list[Any], list[Any]] | None = None
        n_rows = rows.X.shape[0]
        if model.early_stopping:
            self.order, held_out = _split(model, rows)
            n_rows = len(self.order)
            self.validation = rows.take(held_out)
            if first:
                self.best = (model.coefs_, model.intercepts_)
        elif model.shuffle:
            self.order = np.arange(n_rows, dtype=np.int64)
        self.n_rows = n_rows
        self.batch_size = _batch_size(model.batch_size, n_rows)
        self.diverged = False
        self.trainer = model._optimizer.trainer(
            model.coefs_,
            model.intercepts_,
            activation=model.activation,
            output_activation=model.out_activation_,
            cost=model.loss,
            alpha=float(model.alpha),
            n_threads=threads.allowed(model.n_threads),
            compute=model.compute,
        )

    def run(self, incremental: bool) -> None:
        model = self.model
        try:
            model.n_iter_ = 0
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
        model, rows, optimizer = self.model, self.rows, self.model._optimizer
        if model.shuffle:
            # Shuffling the previous order draws, and gives, what scikit-learn's shuffle of it does.
            model._random_state.shuffle(self.order)
        self.report.epoch_begins()
        self.trainer.learning_rate = optimizer.step
        cost, penalty = self.trainer.epoch(
            rows.X, rows.y, self.order, self.batch_size, rows.sample_weight
        )
        model.n_iter_ += 1
        # A NumPy float, as in scikit-learn: scripts call its methods.
        model.loss_ = np.float64(model._reported_loss(cost, penalty))
        model.t_ += self.n_rows
        model.loss_curve_.append(model.loss_)
        if model.verbose:
            print(f"Iteration {model.n_iter_}, loss = {model.loss_:.8f}")
        self.diverged = not (math.isfinite(model.loss_) and self.trainer.is_finite())
        self._judge()
        if self.diverged:
            return self._give_up()
        optimizer.epoch_ends(model.t_)
        asked_to_stop = self.report.epoch_ends(self._attributes)
        if model._no_improvement_count > model.n_iter_no_change:
            what = "Validation score" if model.early_stopping else "Training loss"
            reason = (
                f"{what} did not improve more than tol={model.tol:f} "
                f"for {int(model.n_iter_no_change)} consecutive epochs."
            )
            if optimizer.stops(reason, model.verbose):
                return True
            model._no_improvement_count = 0
        return asked_to_stop

    def _judge(self) -> None:
        """Count the epochs without improvement, and keep the weights that scored best on the held-out rows."""
        model = self.model
        if self.validation is None:
            improved = not model.loss_ > model.best_loss_ - model.tol
            if model.loss_ < model.best_loss_:
                model.best_loss_ = model.loss_
        else:
            score = math.nan if self.diverged else self._score(self.validation)
            model.validation_scores_.append(score)
            if model.verbose:
                print(f"Validation score: {score:f}")
            # A score of NaN compares false both ways: it neither counts as a failure nor becomes the best.
            improved = not score < model.best_validation_score_ + model.tol
            if score > model.best_validation_score_:
                model.best_validation_score_ = score
                self.best = (self.trainer.coefs(), self.trainer.intercepts())
        model._no_improvement_count = 0 if improved else model._no_improvement_count + 1

    def _score(self, rows: Rows) -> float:
        return self.model._score_output(self.trainer.predict(rows.X), rows.y, rows.sample_weight)

    def _give_up(self) -> bool:
        """Further epochs cannot become finite again: stop, with the best weights if there are some."""
        if self.best is None:
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
        if self.best is not None:
            model.coefs_, model.intercepts_ = self.best
        else:
            model.coefs_, model.intercepts_ = self.trainer.coefs(), self.trainer.intercepts()

    def _attributes(self) -> dict[str, Any]:
        """What a copy of the estimator needs to predict with the weights of this moment."""
        return self.model._fitted_attributes(
            coefs_=self.trainer.coefs(), intercepts_=self.trainer.intercepts()
        )


def _split(model: Any, rows: Rows) -> tuple[Any, Any]:
    """Indices of the rows to train on and of those held out, with the draws of scikit-learn's split of the arrays."""
    stratify = None
    if model._stratifies():
        # As text, because that is what scikit-learn's splitter makes of its column of booleans.
        stratify = np.where(rows.y, "True", "False")
    train_index, held_out = train_test_split(
        np.arange(rows.X.shape[0], dtype=np.int64),
        random_state=model._random_state,
        test_size=model.validation_fraction,
        stratify=stratify,
    )
    if len(held_out) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' "
            "or the size of your dataset."
        )
    return train_index, held_out


def _batch_size(batch_size: Any, n_rows: int) -> int:
    if batch_size == "auto":
        return min(200, n_rows)
    if batch_size > n_rows:
        warn("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped")
    return min(int(batch_size), n_rows)
