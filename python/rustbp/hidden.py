"""Hidden activations as features."""

from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    MetaEstimatorMixin,
    TransformerMixin,
    clone,
)
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods, Interval
from sklearn.utils.validation import check_is_fitted, validate_data

from rustbp import _arrays, _core, _missing
from rustbp._training.network import activations_of
from rustbp._typing import Floats, MatrixLike, Perceptron, fit_context
from rustbp.inspection import require_perceptron


def hidden_activations(model: Perceptron, X: MatrixLike, layer: int = -2) -> Floats:
    """The activations a^l of one layer of a fitted network.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
        Fitted.

    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Rows to pass through the network.

    layer : int, default=-2
        Which layer: 1 is the first hidden layer, L the output layer, and -1, -2, ... count from the output layer back,
        so that the default is the last hidden layer.

    Returns
    -------
    a : ndarray of shape (n_samples, size[l])
        a^l = σ(z^l), a row for each row of X.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    ValueError
        If there is no such layer, or X does not fit the network.
    TypeError
        If `model` is not an estimator of this package.
    """
    model, number = _with_layer(model, layer)
    return _forward(model, X, number, activations_of(model)[number - 1])


def weighted_inputs(model: Perceptron, X: MatrixLike, layer: int) -> Floats:
    """z^l of a layer, in the terms of `hidden_activations`."""
    model, number = _with_layer(model, layer)
    return _forward(model, X, number, "identity")


def _with_layer(model: Any, layer: int) -> tuple[Any, int]:
    """The model as of one moment, and the number of its layer."""
    require_perceptron(model)
    check_is_fitted(model)
    model = _missing.complete(model._copy())
    return model, find_layer(layer, len(model.coefs_))


def _forward(model: Any, X: Any, number: int, activation: str) -> NDArray[Any]:
    """The output of the first layers alone, the last of them with the activation named."""
    X = validate_data(model, X, accept_sparse=["csr", "csc"], reset=False)
    dtype = _arrays.common_dtype(X, *model.coefs_, *model.intercepts_)
    return _core.forward(
        _arrays.rows(X, dtype),
        *_arrays.layers(model.coefs_[:number], model.intercepts_[:number], dtype),
        activation=activations_of(model)[: number - 1],
        output_activation=activation,
        n_threads=model.n_threads,
    )


def find_layer(layer: int, depth: int) -> int:
    """Number, from 1 to ``depth``, of the layer that ``layer`` names."""
    if not isinstance(layer, Integral):
        raise TypeError(f"layer must be an int; got {layer!r}.")
    number = layer + depth + 1 if layer < 0 else layer
    if not 1 <= number <= depth:
        raise ValueError(
            f"There is no layer {layer}: this network has the layers 1 to {depth}, or -{depth} to -1, "
            f"and {'its only one is the output layer' if depth == 1 else 'the last is the output layer'}."
        )
    return number


class HiddenActivations(
    ClassNamePrefixFeaturesOutMixin, MetaEstimatorMixin, TransformerMixin, BaseEstimator
):
    """Turns rows into the activations of a layer of a network, as features for what follows in a pipeline.

    It is a class of its own, not a method of the estimators, so that they keep to what scikit-learn's do, and so that
    `layer` is a parameter like others, which a grid search can vary.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        The network. `fit` trains a clone of it. A network that is already trained, and is to stay as it is, comes in
        ``sklearn.frozen.FrozenEstimator``.

    layer : int, default=-2
        Which layer: 1 is the first hidden layer, -1 the output layer, and -2, the default, the last hidden layer.

    Attributes
    ----------
    estimator_ : MLPClassifier or MLPRegressor
        The trained network.

    n_features_in_ : int
        Columns of X in `fit`. Only defined if the network exposes it.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, if all are strings.

    See Also
    --------
    hidden_activations : The same for a network at hand, without a transformer.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from rustbp import HiddenActivations, MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> network = MLPClassifier(hidden_layer_sizes=(8, 3), solver="lbfgs", random_state=0)
    >>> pipeline = make_pipeline(HiddenActivations(network), KNeighborsClassifier()).fit(X, y)
    >>> pipeline[:-1].transform(X).shape
    (150, 3)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "estimator": [HasMethods(["fit", "predict"])],
        "layer": [Interval(Integral, None, None, closed="neither")],
    }

    estimator_: Perceptron
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    def __init__(self, estimator: Any, layer: int = -2) -> None:
        self.estimator: Any = estimator
        self.layer: int = layer

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: MatrixLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Train the network.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training rows.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Labels or targets. Not needed where the network is frozen.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the cost.

        Returns
        -------
        self : object
            The transformer, fitted.

        Raises
        ------
        TypeError
            If `estimator` is not a network of this package.
        ValueError
            If the network has no such layer, and as in its own `fit`.
        """
        frozen = isinstance(self.estimator, FrozenEstimator)
        network = self.estimator.estimator if frozen else self.estimator
        require_perceptron(network)
        if frozen:
            check_is_fitted(network)
            fitted = network
        else:
            fitted = clone(network).fit(X, y, sample_weight=sample_weight)
        find_layer(self.layer, len(fitted.coefs_))
        self.estimator_ = fitted
        self.n_features_in_ = fitted.n_features_in_
        if hasattr(fitted, "feature_names_in_"):
            self.feature_names_in_ = fitted.feature_names_in_
        else:
            self.__dict__.pop("feature_names_in_", None)
        return self

    def transform(self, X: MatrixLike) -> Floats:
        """The activations of the layer.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows to pass through the network.

        Returns
        -------
        a : ndarray of shape (n_samples, size of the layer)
            A row for each row of X.
        """
        check_is_fitted(self)
        return hidden_activations(self.estimator_, X, self.layer)

    @property
    def _n_features_out(self) -> int:
        model, number = _with_layer(self.estimator_, self.layer)
        return np.shape(model.coefs_[number - 1])[1]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = get_tags(self.estimator)
        tags.input_tags.sparse = inner.input_tags.sparse
        tags.target_tags.required = inner.target_tags.required
        tags.target_tags.multi_output = inner.target_tags.multi_output
        return tags
