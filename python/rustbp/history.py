"""What happens in a network while it trains, epoch by epoch."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_classifier
from sklearn.utils import _safe_indexing, indexable

from rustbp._summary import html_table
from rustbp._training.callbacks import watching
from rustbp._typing import MatrixLike, Perceptron
from rustbp.gradient_check import loss_of
from rustbp.inspection import backprop, norm, require_perceptron

MOST_ROWS = 1000
"""Rows, spread evenly over all, on which errors and gradients are taken after each epoch."""


@dataclass(eq=False)
class TrainingHistory:
    """One training run, from before its first epoch (index 0) to after its last; `record_fit` makes it.

    Every figure is taken with the weights as they were at that moment, unlike ``loss_curve_``, which averages over the
    updates of an epoch.

    Attributes
    ----------
    loss, score : list of float
        Mean cost of the training rows, without the penalty, and the estimator's `score` on them (accuracy or R²).

    validation_loss, validation_score : list of float
        The same on ``X_val`` and ``y_val``; empty if there were none.

    mean_delta : list of tuple of float
        For each layer, first to last, the mean of abs(δ^l) over rows and neurons: how fast the cost changes with the
        weighted inputs of the layer.

    grad_norm : list of tuple of float
        For each layer, the Euclidean norm of the gradient of its weights (BP4) over the rows of `mean_delta`.

    activations : tuple of str
        Name of σ of each layer.

    score_name : str
        What the scores are: "Accuracy" or "R²".
    """

    loss: list[float] = field(default_factory=list)
    score: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    validation_score: list[float] = field(default_factory=list)
    mean_delta: list[tuple[float, ...]] = field(default_factory=list)
    grad_norm: list[tuple[float, ...]] = field(default_factory=list)
    activations: tuple[str, ...] = ()
    score_name: str = "Score"

    @property
    def n_epochs(self) -> int:
        """Epochs trained; the lists have one element more."""
        return len(self.loss) - 1

    def to_dict(self) -> dict[str, list[float]]:
        """A list for each quantity, an element for each moment: the columns of a table.

        Returns
        -------
        columns : dict of str to list
            "epoch", "loss" and "score"; "validation_loss" and "validation_score" if there were validation rows; and for
            each layer l "mean_delta_l" and "grad_norm_l", counted from 1.
        """
        columns: dict[str, list[float]] = {"epoch": list(range(len(self.loss)))}
        for name in ("loss", "score", "validation_loss", "validation_score"):
            if values := getattr(self, name):
                columns[name] = list(values)
        for name in ("mean_delta", "grad_norm"):
            for layer, values in enumerate(zip(*getattr(self, name), strict=True), start=1):
                columns[f"{name}_{layer}"] = list(values)
        return columns

    def to_frame(self) -> Any:
        """`to_dict` as a table of pandas.

        Returns
        -------
        frame : pandas.DataFrame
            A row for each moment, with the epoch as its index.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError(
                "TrainingHistory.to_frame needs pandas: pip install pandas. Others take to_dict()."
            ) from error
        return pd.DataFrame(self.to_dict()).set_index("epoch")

    def _repr_html_(self) -> str:
        """Up to a dozen of the moments, the first and the last among them."""
        columns = self.to_dict()
        n_moments = len(self.loss)
        shown = np.unique(np.linspace(0, n_moments - 1, min(n_moments, 12)).round().astype(int))
        rows = [[f"{values[moment]:.4g}" for values in columns.values()] for moment in shown]
        return html_table(repr(self), list(columns), rows)

    def __repr__(self) -> str:
        if not self.loss:
            return "TrainingHistory of no epochs"
        text = (
            f"TrainingHistory of {self.n_epochs} epoch{'s' * (self.n_epochs != 1)}: "
            f"loss {self.loss[0]:.4g} to {self.loss[-1]:.4g}, "
            f"score {self.score[0]:.4g} to {self.score[-1]:.4g}"
        )
        if self.validation_loss:
            text += (
                f", validation loss {self.validation_loss[0]:.4g} to {self.validation_loss[-1]:.4g}, "
                f"score {self.validation_score[0]:.4g} to {self.validation_score[-1]:.4g}"
            )
        return text


def record_fit(
    model: Perceptron,
    X: MatrixLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    X_val: MatrixLike | None = None,
    y_val: ArrayLike | None = None,
) -> TrainingHistory:
    """Fit ``model``, exactly as ``model.fit(X, y, sample_weight)`` does, and keep what happens after each epoch.

    An epoch takes about twice as long as without: the cost and the score of all rows are computed once more.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
        To be fitted.

    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Training rows.

    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Labels or targets.

    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row in the cost.

    X_val, y_val : array-like, default=None
        Rows and labels that are not trained on, to measure loss and score on.

    Returns
    -------
    history : TrainingHistory
        For ``rustbp.display``, or to look at.

    Raises
    ------
    TypeError
        If `model` is not an estimator of this package.
    ValueError
        If only one of `X_val` and `y_val` is given, and as in `fit`.
    """
    require_perceptron(model)
    if (X_val is None) != (y_val is None):
        raise ValueError("X_val and y_val go together: pass both, or neither.")
    X, y, sample_weight = indexable(X, y, sample_weight)
    recorder = _Recorder(model, (X, y, sample_weight), X_val, y_val)
    with watching(recorder):
        model.fit(X, y, sample_weight=sample_weight)
    return recorder.history


def usual_score_of(estimator: Any) -> str:
    """What its method `score` returns."""
    return "Accuracy" if is_classifier(estimator) else "R²"


class _Recorder:
    """The watcher that fills in a history."""

    def __init__(self, model: Any, training: tuple[Any, Any, Any], X_val: Any, y_val: Any) -> None:
        self.model = model
        self.history = TrainingHistory(score_name=usual_score_of(model))
        self.training = training
        self.validation = None if X_val is None else (X_val, y_val, None)
        self.sample: Any = None

    def fit_begins(self, estimator: Any, fitted: Any, *, incremental: bool) -> None:
        if estimator is self.model:
            self._look(fitted())

    def epoch_ends(self, estimator: Any, fitted: Any) -> None:
        if estimator is self.model:
            self._look(fitted())

    def fit_ends(self, estimator: Any, fitted: Any, *, reason: str) -> None: ...

    def _look(self, model: Any) -> None:
        history = self.history
        history.loss.append(loss_of(model, *self.training)[0])
        history.score.append(float(model.score(*self.training)))
        if self.validation is not None:
            history.validation_loss.append(loss_of(model, *self.validation)[0])
            history.validation_score.append(float(model.score(*self.validation)))
        if self.sample is None:
            self.sample = _spread(self.training)
        shown = backprop(model, *self.sample)
        history.activations = shown.activations
        history.mean_delta.append(shown.mean_delta)
        history.grad_norm.append(tuple(map(norm, shown.grad_w)))


def _spread(training: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
    """At most `MOST_ROWS` of the rows, evenly spread: nothing is drawn, so the fit sees the same random numbers."""
    n_rows = np.shape(training[0])[0]
    rows: NDArray[Any] = np.linspace(0, n_rows - 1, min(n_rows, MOST_ROWS)).astype(int)
    X, y, weight = (None if part is None else _safe_indexing(part, rows) for part in training)
    return X, y, weight
