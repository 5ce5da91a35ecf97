"""Scores and losses by sums over partitions, whose rows never meet."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import _num_samples

from rustbp import _core
from rustbp.partitions.part import named, parts
from rustbp.partitions.planning import Plan
from rustbp.partitions.work import State, readable


def check_scoring(model: Any) -> None:
    """Refuse scores that are no sums over rows."""
    if model.scoring not in (None, "loss"):
        raise ValueError(
            f"scoring={model.scoring!r} needs all rows at once, and partitions are scored by sums: use None or 'loss', "
            "or validate on rows at hand, with X_val and y_val that are arrays."
        )
    if model.scoring is None and np.ndim(getattr(model, "quantile", 0.5)):
        raise ValueError("D² of several quantiles is no sum over partitions: use scoring='loss'.")


def score(
    state: State,
    X: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    plan: Plan,
    partition: int | None = None,
    held_out: bool = False,
    n_threads: int | None = 1,
) -> dict[str, Any]:
    """What `total` needs of a partition: sums of cost and of right rows, or of squared errors.

    Parameters
    ----------
    state : dict
        Whose weights are judged.

    X, y, sample_weight : array-like
        The partition, as `scan` takes it.

    plan : Plan
        What `plan` made.

    partition : int, default=None
        Its number.

    held_out : bool, default=False
        Whether only the rows count that `train` does not see.

    n_threads : int or None, default=1
        Threads of the core.

    Returns
    -------
    sums : dict
        ``weight`` and ``cost``; and ``right``, or ``mean``, ``square`` and ``error``.
    """
    with named(partition):
        X, y, sample_weight = parts(X, y, sample_weight)
    if not _num_samples(X):
        return {"weight": 0.0}
    with named(partition):
        rows = plan.rows(X, y, sample_weight, scored=True)
        if held_out:
            rows = rows.take(plan.split(len(rows.y), partition or 0)[1])
        rows = rows.in_memory()
        weight = rows.sample_weight
        total = float(len(rows.y) if weight is None else weight.sum(dtype=np.float64))
        if not total:
            return {"weight": 0.0}
        coefs, intercepts, _ = readable(state, plan.dtype)
        trainer = _core.Trainer(coefs, intercepts, n_threads=n_threads, **plan.network)
        output, cost = trainer.evaluate(rows.X, rows.y, weight)
    sums = {"weight": total, "cost": cost * total}
    if is_classifier(plan.model):
        return sums | {"right": plan.model._score_output(output, rows.y, weight) * total}
    return sums | errors(rows.y, output, weight)


def errors(y: Any, output: Any, weight: Any = None) -> dict[str, Any]:
    """Sums for R²; y and output of shape (n, n_outputs)."""
    y, output = np.asarray(y, np.float64), np.asarray(output, np.float64)
    mean = np.average(y, axis=0, weights=weight)
    by = np.ones(len(y)) if weight is None else np.asarray(weight, np.float64)
    return {"mean": mean, "square": by @ (y - mean) ** 2, "error": by @ (y - output) ** 2}


def total(sums: Sequence[dict[str, Any]], model: Any = None) -> tuple[float, float]:
    """Score and mean cost of all partitions.

    Parameters
    ----------
    sums : sequence of dict
        What `score` returned, in the order of the partitions.

    model : estimator, default=None
        Whose loss is reported as `fit` does; None: the mean cost of a row.

    Returns
    -------
    score : float
        Accuracy, or R² averaged over the outputs.

    loss : float
        Mean cost, without the penalty. NaN where `score` was not by the core.

    Raises
    ------
    ValueError
        If there are no rows with a weight.
    """
    sums = [one for one in sums if one["weight"]]
    if not sums:
        raise ValueError("There are no rows to score, or none of them has a weight.")
    weight = sum(one["weight"] for one in sums)
    loss = sum(one.get("cost", np.nan) for one in sums) / weight
    if model is not None:
        loss = model._reported_loss(loss, 0.0)
    if "right" in sums[0]:
        return float(sum(one["right"] for one in sums) / weight), float(loss)
    mean = sum(one["weight"] * one["mean"] for one in sums) / weight
    square = sum(one["square"] + one["weight"] * (one["mean"] - mean) ** 2 for one in sums)
    error = sum(one["error"] for one in sums)
    if not np.isfinite(error).all():
        return float("nan"), float(loss)
    # What is left by rounding is no variance. Where all targets are alike, as scikit-learn's r2_score.
    square = np.where(square > weight * np.square(1e-12 * mean), square, 0.0)
    alike = np.where(error > 0, 0.0, 1.0)
    r2 = np.where(square > 0, 1 - error / np.where(square > 0, square, 1), alike)
    return float(r2.mean()), float(loss)
