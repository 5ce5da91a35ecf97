"""What judges an epoch: the curves, the best weights, and when it is time to stop.

It knows nothing of how an epoch is given: every loop over epochs can use it, and then stops by the same rules.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Weights = tuple[list[Any], list[Any]]
"""Coefs and intercepts."""


class Judge:
    """Judges the epochs of a fit, by their training loss or, with early stopping, by a validation score.

    Parameters
    ----------
    model : object
        Its parameters ``early_stopping``, ``tol``, ``n_iter_no_change`` and ``verbose`` are the rules. What is found is
        kept in its attributes: ``n_iter_``, ``loss_``, ``loss_curve_``, ``best_loss_``, ``best_epoch_``,
        ``validation_scores_``, ``validation_loss_curve_``, ``best_validation_score_`` and ``_no_improvement_count``.
    first : bool
        Whether the curves start anew; else they are taken up where the last fit left them, if that fit kept them.
    validates : bool
        Whether epochs will have a validation score.
    best : tuple of list, default=None
        Weights and biases to keep as long as early stopping has seen no better ones.
    goes_on : bool, default=False
        Whether this is a fit that was cut short: the counts go on too.
    last_of_ties : bool, default=False
        Whether the last of several epochs with the best score is kept, or the first.

    Attributes
    ----------
    best : tuple of list, or None
        Those that scored best, if early stopping has seen some.
    """

    def __init__(
        self,
        model: Any,
        *,
        first: bool,
        validates: bool,
        best: Weights | None = None,
        goes_on: bool = False,
        last_of_ties: bool = False,
    ) -> None:
        self._model = model
        self._last_of_ties = last_of_ties
        self.best = best
        fresh = first or not hasattr(model, "loss_curve_")
        if not goes_on:
            model.n_iter_ = model.best_epoch_ = 0
        model.loss_curve_ = [] if fresh else list(model.loss_curve_)
        if fresh or not hasattr(model, "_no_improvement_count"):
            model._no_improvement_count = 0
        if model.early_stopping:
            model.best_loss_ = None
        elif fresh or getattr(model, "best_loss_", None) is None:
            model.best_loss_ = np.inf
        if validates:
            scores = None if fresh else getattr(model, "validation_scores_", None)
            # A model file may have the one without the other.
            if scores is None or getattr(model, "best_validation_score_", None) is None:
                model.best_validation_score_ = -np.inf
            model.validation_scores_ = [] if scores is None else list(scores)
            losses = [] if scores is None else getattr(model, "validation_loss_curve_", [])
            model.validation_loss_curve_ = list(losses)
        else:
            model.validation_scores_ = None
            model.best_validation_score_ = None
            vars(model).pop("validation_loss_curve_", None)

    def take_loss(self, loss: float) -> None:
        """Take in the training loss of the next epoch."""
        model = self._model
        model.n_iter_ += 1
        # A NumPy float, as in scikit-learn: scripts call its methods.
        model.loss_ = np.float64(loss)
        model.loss_curve_.append(model.loss_)
        if self.best is None:
            model.best_epoch_ = len(model.loss_curve_)
        if model.verbose:
            print(f"Iteration {model.n_iter_}, loss = {model.loss_:.8f}")
        if not model.early_stopping:
            self._count(not model.loss_ > model.best_loss_ - model.tol)
            if model.loss_ < model.best_loss_:
                model.best_loss_ = model.loss_

    def take_score(self, score: float, loss: float, weights: Callable[[], Weights]) -> None:
        """Take in the epoch's validation score and loss, and for early stopping the weights if they are the best."""
        model = self._model
        model.validation_scores_.append(score)
        model.validation_loss_curve_.append(loss)
        if model.verbose:
            print(f"Validation score: {score:f}")
        if model.early_stopping:
            # A score of NaN compares false both ways: it neither counts as a failure nor becomes the best.
            self._count(not score < model.best_validation_score_ + model.tol)
        best = model.best_validation_score_
        if score > best or (self._last_of_ties and score == best):
            model.best_validation_score_ = score
            if model.early_stopping:
                self.best = weights()
                model.best_epoch_ = len(model.loss_curve_)

    def _count(self, improved: bool) -> None:
        """Count the epochs without improvement."""
        self._model._no_improvement_count = 0 if improved else self._model._no_improvement_count + 1

    def reason_to_stop(self) -> str | None:
        """Why it is time to stop; None as long as it is not."""
        model = self._model
        if model._no_improvement_count <= model.n_iter_no_change:
            return None
        what = "Validation score" if model.early_stopping else "Training loss"
        return (
            f"{what} did not improve more than tol={model.tol:f} "
            f"for {int(model.n_iter_no_change)} consecutive epochs."
        )

    def be_patient_again(self) -> None:
        """Count anew, where training goes on all the same: with a smaller step, say."""
        self._model._no_improvement_count = 0
