"""What a classifier makes of the network's outputs: classes, probabilities, a score."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin

from rustbp import _labels, _missing
from rustbp._base import BaseMultilayerPerceptron
from rustbp._typing import Floats, MatrixLike


class ClassPredictions(ClassifierMixin, BaseMultilayerPerceptron):
    """Base of `MLPClassifier`; not to be used itself."""

    classes_: NDArray[Any]
    soft_targets: bool

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
        if self.soft_targets and np.ndim(y) == 2:
            y = _labels.most_probable(y, self.classes_)
        return super().score(X, y, sample_weight)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
