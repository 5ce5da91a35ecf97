"""How outputs change with inputs."""

from sklearn.utils.validation import check_is_fitted, validate_data

from rustbp import _arrays, _core, _missing
from rustbp._training.network import functions_of
from rustbp._typing import Floats, MatrixLike, Perceptron
from rustbp.inspection import require_perceptron


def input_gradients(model: Perceptron, X: MatrixLike) -> Floats:
    """The derivative of each output of a fitted network with respect to each input, for each row.

    It is the error of layer 0, δ^0 = ∂a^L / ∂a^0, where the output itself takes the place of the cost: BP2 once more,
    with σ' = 1. No product of training computes it.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
        Fitted.

    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Rows at which to take the derivatives.

    Returns
    -------
    gradients : ndarray of shape (n_samples, n_outputs, n_features)
        ``gradients[r, k, i]`` is ∂a_k / ∂x_i at row r, after the output activation: of the probability of class k, or
        of the second class where there is one output for two. With a list of quantiles, of the outputs before
        `predict` sorts them.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    TypeError
        If `model` is not an estimator of this package.
    ValueError
        If X does not fit the network.

    References
    ----------
    Simonyan, Vedaldi and Zisserman (2014), "Deep inside convolutional networks", arXiv:1312.6034, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> from rustbp import MLPRegressor, input_gradients
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> model = MLPRegressor(hidden_layer_sizes=(), max_iter=1).fit(X, X @ [2.0, 3.0])
    >>> bool(np.allclose(input_gradients(model, X)[:, 0], model.coefs_[0][:, 0]))
    True
    """
    require_perceptron(model)
    check_is_fitted(model)
    model = _missing.complete(model._copy())
    X = validate_data(model, X, accept_sparse=["csr", "csc"], reset=False)
    dtype = _arrays.common_dtype(X, *model.coefs_, *model.intercepts_)
    coefs, intercepts = _arrays.layers(model.coefs_, model.intercepts_, dtype)
    gradients = _core.input_gradients(
        _arrays.rows(X, dtype),
        coefs,
        intercepts,
        **functions_of(model),
    )
    return gradients.reshape(X.shape[0], model.n_outputs_, X.shape[1])
