"""What the estimators make of the network's outputs: classes, probabilities, numbers, a score."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_is_fitted

from rustbp import _labels, _missing, _quantiles
from rustbp._base import BaseMultilayerPerceptron
from rustbp._typing import Floats, MatrixLike


class ClassPredictions(ClassifierMixin, BaseMultilayerPerceptron):
    """Base of `MLPClassifier`; not to be used itself."""

    classes_: NDArray[Any]
    soft_targets: bool

    def _reported_loss(self, cost: float, penalty: float) -> float:
        return cost + penalty

    def _stratifies(self) -> bool:
        return self.n_outputs_ == 1

    def _score_output(self, output: Any, y: Any, sample_weight: Any) -> float:
        if sample_weight is not None and not sample_weight.any():
            raise ValueError("Sample weights must contain at least one non-zero number.")
        if self.soft_targets:
            y = y.argmax(axis=1)
        right = (output > 0.5) == y if y.ndim == 2 else _labels.decide(output) == y
        right = right.all(axis=1) if right.ndim == 2 else right
        return float(np.average(right, weights=sample_weight))

    def predict(self, X: MatrixLike) -> NDArray[Any]:
        """The most probable class of each row, or each label that is more probable than not.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to classify.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Labels, in the dtype of `classes_`.
        """
        model, output = self._forward(X)
        binarizer = model._label_binarizer or _missing.complete(model)._label_binarizer
        if binarizer.y_type_.startswith("multilabel"):
            return binarizer.inverse_transform(output)
        # A single class has no other to tell it from.
        return binarizer.classes_.take(_labels.decide(output), mode="clip")

    def predict_proba(self, X: MatrixLike) -> Floats:
        """Probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to classify.

        Returns
        -------
        probability : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`. With several labels per row, the probability of each label by itself.
            With one logistic unit per class (see `output_activation`), the outputs divided by their sum.
        """
        model, output = self._forward(X)
        if output.shape[1] == 1:
            return (
                output if _labels.is_sure(model) else np.concatenate((1 - output, output), axis=1)
            )
        if _labels.divides(model):
            total = output.sum(axis=1, keepdims=True)
            # No unit fires at all: no class is more probable than another.
            np.divide(output, total, out=output, where=total > 0)
            output[total[:, 0] == 0] = 1 / output.shape[1]
        return output

    def predict_log_proba(self, X: MatrixLike) -> Floats:
        """Natural logarithm of `predict_proba`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to classify.

        Returns
        -------
        log_probability : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        probability = self.predict_proba(X)
        return np.log(probability, out=probability)

    def score(self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Share of the rows whose class is right.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to classify.

        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels. With `soft_targets` also distributions; the right class of a row is then the most probable.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row.

        Returns
        -------
        accuracy : float
            From 0 to 1. Of several labels per row all must be right.
        """
        kind = getattr(vars(self).get("_label_binarizer"), "y_type_", "")
        if self.soft_targets and np.ndim(y) == 2 and not kind.startswith("multilabel"):
            y = _labels.most_probable(y, self.classes_)
        return super().score(X, y, sample_weight)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class NumberPredictions(RegressorMixin, BaseMultilayerPerceptron):
    """Base of `MLPRegressor`; not to be used itself."""

    loss: str
    n_outputs_: int

    def _reported_loss(self, cost: float, penalty: float) -> float:
        # The core's cost is the sum over outputs, which is what the gradient is of; scikit-learn
        # reports the mean of squared errors, but the sum of Poisson deviances.
        return cost / (self.n_outputs_ if self.loss == "squared_error" else 1) + penalty

    def _stratifies(self) -> bool:
        return False

    def _score_output(self, output: Any, y: Any, sample_weight: Any) -> float:
        if not np.isfinite(output).all():
            return np.nan
        quantiles = _quantiles.learnt(self)
        if quantiles is None:
            return r2_score(y, output, sample_weight=sample_weight)
        return _quantiles.score(
            y[:, 0], _quantiles.in_order(output, quantiles), quantiles, sample_weight
        )

    def predict(self, X: MatrixLike) -> Floats:
        """The network's output for each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict for.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions, in the units of the targets. With a list of quantiles a column for each, in the order of the
            list; those of a row are sorted, so that no quantile lies above a larger one.
        """
        model, output = self._forward(X)
        quantiles = _quantiles.learnt(model)
        if quantiles is not None:
            return _quantiles.in_order(output, quantiles)
        return output.ravel() if output.shape[1] == 1 else output

    def score(self, X: MatrixLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """R², the share of the variance of y that is explained; with a list of quantiles the mean of their D².

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to predict for.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row.

        Returns
        -------
        score : float
            1 at best, and 0 for predicting the mean of y. D² is that for each quantile, by the pinball loss
            (``sklearn.metrics.d2_pinball_score``).
        """
        check_is_fitted(self)
        quantiles = _quantiles.learnt(self)
        if quantiles is None:
            return super().score(X, y, sample_weight)
        return _quantiles.score(y, self.predict(X), quantiles, sample_weight)
