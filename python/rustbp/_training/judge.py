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
        kept in its attributes: ``n_iter_``, ``loss_``, ``loss_curve_``, ``best_loss_``, ``validation_scores_``,
        ``best_validation_score_`` and ``_no_improvement_count``.
    first : bool
        Whether the curves start anew; else they are taken up where the last fit left them, if that fit kept them.

    Attributes
    ----------
    best : tuple of list, or None
        The weights and biases that scored best, if early stopping has seen some.
    """

    def __init__(self, model: Any, *, first: bool) -> None:
        self._model = model
        self.best: Weights | None = None
        fresh = first or not hasattr(model, "loss_curve_")
        model.n_iter_ = 0
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

    def take_loss(self, loss: float) -> None:
        """Take in the training loss of the next epoch."""
        model = self._model
        model.n_iter_ += 1
        # A NumPy float, as in scikit-learn: scripts call its methods.
        model.loss_ = np.float64(loss)
        model.loss_curve_.append(model.loss_)
        if model.verbose:
            print(f"Iteration {model.n_iter_}, loss = {model.loss_:.8f}")
        if not model.early_stopping:
            self._count(not model.loss_ > model.best_loss_ - model.tol)
            if model.loss_ < model.best_loss_:
                model.best_loss_ = model.loss_

    def take_score(self, score: float, weights: Callable[[], Weights]) -> None:
        """Take in the epoch's validation score, by which early stopping judges, and the weights if it is the best."""
        model = self._model
        model.validation_scores_.append(score)
        if model.verbose:
            print(f"Validation score: {score:f}")
        # A score of NaN compares false both ways: it neither counts as a failure nor becomes the best.
        self._count(not score < model.best_validation_score_ + model.tol)
        if score > model.best_validation_score_:
            model.best_validation_score_ = score
            self.best = weights()

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
