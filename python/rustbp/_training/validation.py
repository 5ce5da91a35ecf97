"""Rows that a network is judged on, and does not learn from: those the user gave, or some that are held out."""

import math
from collections.abc import Callable
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import get_scorer
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _check_sample_weight

from rustbp import _core
from rustbp._arrays import Rows
from rustbp._mapped import Mapped
from rustbp._training.unfinished import Unfinished


class Given(NamedTuple):
    """What the user gave to be judged on, as it came."""

    X: Any = None
    y: Any = None
    sample_weight: Any = None

    def encoded(self, model: Any) -> Rows | None:
        """The same as `model` encodes what it trains on; None if there is nothing.

        Raises
        ------
        ValueError, TypeError
            If a part is missing, or does not fit the rows that ``model`` has been prepared for.
        """
        X, y, sample_weight = self
        if X is None and y is None:
            if sample_weight is not None:
                raise ValueError(
                    "sample_weight_val is provided, but X_val and y_val were not provided."
                )
            return None
        if y is None:
            raise ValueError("X_val is provided, but y_val was not provided.")
        if X is None:
            raise ValueError("y_val is provided, but X_val was not provided.")
        other = model._copy()
        # Not all classes need be there.
        other.warm_start = False
        try:
            X, y = other._encode(X, y, incremental=True, reset=False)
            if other.n_outputs_ != model.n_outputs_:
                raise ValueError(f"y has {other.n_outputs_} outputs; expected {model.n_outputs_}.")
            if sample_weight is not None:
                sample_weight = _check_sample_weight(sample_weight, X)
                if not sample_weight.sum() > 0:
                    raise ValueError("The sum of sample_weight must be greater than 0.")
        except (TypeError, ValueError) as error:
            raise type(error)(
                f"The validation data, X_val, y_val and sample_weight_val, do not fit: {error}"
            ) from error
        return Rows(X, y, sample_weight)


NOTHING = Given()


class Validation:
    """Rows to judge each epoch on.

    Parameters
    ----------
    rows : Rows
        As the core takes them, in the dtype of training.
    X, y : array-like
        The same as the user has them.
    trained_on, held_out : ndarray of int64 or None
        Where the rows are held out of those of the fit, indices of the others and of these.
    in_units : callable, default=None
        What makes a model that learns from other targets than the user's one that predicts in the units of ``y``.
    """

    def __init__(
        self,
        rows: Rows,
        X: Any,
        y: Any,
        trained_on: NDArray[np.int64] | None = None,
        held_out: NDArray[np.int64] | None = None,
        in_units: Callable[[Any], None] | None = None,
    ) -> None:
        self._in_units = in_units
        self._rows, self._X, self._y = rows, X, y
        self.trained_on: NDArray[np.int64] | None = trained_on
        self.held_out: NDArray[np.int64] | None = held_out

    def judge(self, model: Any, trainer: _core.Trainer) -> tuple[float, float]:
        """Score, of which more is better, and mean loss without the penalty, with the weights of ``trainer``."""
        _, y, sample_weight = self._rows
        if sample_weight is not None and not sample_weight.any():
            raise ValueError("Sample weights must contain at least one non-zero number.")
        output, cost = _evaluate(trainer, self._rows)
        loss = model._reported_loss(cost, 0.0)
        if model.scoring is None:
            return model._score_output(output, y, sample_weight), loss
        if model.scoring == "loss":
            return -loss, loss
        judged = model._copy()
        judged.coefs_, judged.intercepts_ = trainer.coefs(), trainer.intercepts()
        if self._in_units is not None:
            self._in_units(judged)
        options = {} if sample_weight is None else {"sample_weight": sample_weight}
        score = get_scorer(model.scoring)(judged, self._X, self._y, **options)
        if isinstance(score, np.ndarray) and score.size == 1:
            score = score.item()
        if not isinstance(score, Real) or math.isnan(score):
            raise ValueError(
                f"scoring must return a number, got {score!r} ({type(score)}) instead. "
                f"(scorer={model.scoring!r})"
            )
        return float(score), loss


def _evaluate(trainer: _core.Trainer, rows: Rows) -> tuple[Any, float]:
    """The network's output for the rows, and their mean cost."""
    X, y, sample_weight = rows
    if not isinstance(X, Mapped):
        return trainer.evaluate(X, y, sample_weight)
    outputs, costs, totals = [], [], []
    for part in X.slices():
        weight = None if sample_weight is None else sample_weight[part]
        total = len(y[part]) if weight is None else float(weight.sum(dtype=np.float64))
        # Rows without any weight have no mean.
        output, cost = trainer.evaluate(X[part], y[part], weight if total else None)
        outputs.append(output)
        costs.append(cost)
        totals.append(total)
    if len(costs) == 1:
        return outputs[0], costs[0]
    return np.concatenate(outputs), float(np.average(costs, weights=totals))


def find_validation(
    model: Any,
    rows: Rows,
    as_it_came: tuple[Any, Any],
    given: tuple[Given, Rows | None],
    unfinished: Unfinished | None,
) -> Validation | None:
    """What a fit is judged on, if anything: the rows that the user gave, or those that early stopping holds out.

    Parameters
    ----------
    model : estimator
        Prepared for training.
    rows : Rows
        Those of the fit, weighed as for scores.
    as_it_came : tuple
        X and y of the fit as the user has them.
    given : tuple of Given and Rows or None
        What the user gave besides, as it came and encoded.
    unfinished : Unfinished or None
        The fit that this one goes on with, whose split it keeps.

    Raises
    ------
    ValueError
        If the split cannot be made.
    """
    others, encoded = given
    if encoded is not None:
        return Validation(encoded.in_dtype(rows.X.dtype), others.X, others.y)
    if not model.early_stopping or model.solver == "lbfgs":
        return None
    if unfinished is not None and unfinished.held_out is not None:
        trained_on, held_out = unfinished.order, unfinished.held_out
    else:
        trained_on, held_out = _split(model, rows)
    X, y = as_it_came
    if model.scoring is not None and model.scoring != "loss":
        X, y = _safe_indexing(X, held_out), _safe_indexing(y, held_out)
    return Validation(rows.take(held_out), X, y, trained_on, held_out)


def _split(model: Any, rows: Rows) -> tuple[Any, Any]:
    """Indices of the rows to train on and of those held out, with the draws of scikit-learn's split of the arrays."""
    stratify = None
    if model._stratifies():
        # As text, because that is what scikit-learn's splitter makes of its column of booleans.
        stratify = np.where(rows.y, "True", "False")
    try:
        train_index, held_out = train_test_split(
            np.arange(rows.X.shape[0], dtype=np.int64),
            random_state=model._random_state,
            test_size=model.validation_fraction,
            stratify=stratify,
        )
    except ValueError as error:
        few = [] if stratify is None else np.flatnonzero(np.bincount(rows.y, minlength=2) < 2)
        if len(few):
            error.args = (
                f"{error} With early_stopping=True rows of each class are held out, and y has "
                f"{np.count_nonzero(rows.y == few[0])} of the class {model.classes_.tolist()[few[0]]!r}.",
            )
        raise
    if len(held_out) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' "
            "or the size of your dataset."
        )
    return train_index, held_out
