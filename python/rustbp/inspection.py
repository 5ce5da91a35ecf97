"""One backward pass, open to look at."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight

from rustbp import _arrays, _core, _missing
from rustbp._arrays import Rows
from rustbp._base import BaseMultilayerPerceptron
from rustbp._constraints import hidden_sizes
from rustbp._sigma import is_flat
from rustbp._summary import html_table
from rustbp._training.network import activations_of, check_layers, dropout_of, network_of
from rustbp._typing import MatrixLike, Perceptron

Arrays = tuple[NDArray[Any], ...]


@dataclass(frozen=True, eq=False, repr=False)
class Backprop:
    r"""Every quantity of one backward pass over n rows; `backprop` makes it.

    Layers are numbered as in the notes: 0 is the input, 1 to L have weights, L is the output. Each tuple has L arrays,
    and index ``l - 1`` (that of ``coefs_`` and ``intercepts_``) is layer l; -1 is the output layer. ``size[l]`` is the
    number of neurons of layer l. Row r of X has the weight s_r (1 without ``sample_weight``), S is the sum of all s_r,
    and C_r is the cost of row r alone. The arrays are read-only.

    Attributes
    ----------
    cost : float
        C = (1 / S) Σ_r s_r C_r, where C_r is a sum over the output neurons.

    penalty : float
        (alpha / 2S) Σ w², over all weights, no biases. Training lowers ``cost + penalty``.

    z : tuple of ndarray of shape (n, size[l])
        z^l = w^l a^(l-1) + b^l, the weighted input; in the layout of the arrays ``a[l-1] @ coefs_[l-1] +
        intercepts_[l-1]``.

    a : tuple of ndarray of shape (n, size[l])
        a^l = σ(z^l), the activation. a^0 is X, and not in the tuple.

    delta : tuple of ndarray of shape (n, size[l])
        δ^l, the error: row r holds s_r ∂C_r/∂z^l. It is the notes' δ, of each row by itself; nothing is divided by S.
        BP1, for the output layer: δ^L = ∇_a C ⊙ σ'(z^L). BP2, for the others: δ^l = ((w^(l+1))ᵀ δ^(l+1)) ⊙ σ'(z^l).

    grad_b : tuple of ndarray of shape (size[l],)
        BP3: ∂C/∂b^l, the sum of δ^l over the rows, divided by S.

    grad_w : tuple of ndarray of shape (size[l-1], size[l])
        BP4: ∂(C + penalty)/∂w^l, like ``coefs_``: ``[k, j]`` is the sum of a^(l-1)_k δ^l_j over the rows, plus ``alpha
        w``, divided by S.

    activations : tuple of str
        Name of σ of each layer.
    """

    cost: float
    penalty: float
    z: Arrays
    a: Arrays
    delta: Arrays
    grad_b: Arrays
    grad_w: Arrays
    activations: tuple[str, ...]

    @property
    def mean_delta(self) -> tuple[float, ...]:
        """Mean of abs(δ^l) over rows and neurons, for each layer."""
        return tuple(float(np.abs(delta).mean()) for delta in self.delta)

    @cached_property
    def _flat(self) -> tuple[NDArray[np.bool_] | None, ...]:
        return tuple(map(is_flat, self.activations, self.z))

    @property
    def saturated(self) -> tuple[float | None, ...]:
        """Share of the activations of each layer where σ'(z) is less than a tenth of its largest value.

        There δ^l is at most a tenth of what it could be: BP2 multiplies by σ'(z^l). For 'relu' it is the share of
        activations that are off. None where σ' is not that of one neuron ('softmax') or has no largest value ('exp').
        """
        return tuple(None if flat is None else float(flat.mean()) for flat in self._flat)

    @property
    def dead(self) -> tuple[float | None, ...]:
        """Share of the neurons of each layer that are saturated, as above, in every row: they hardly learn from any."""
        return tuple(
            None if flat is None else float(flat.all(axis=0).mean()) for flat in self._flat
        )

    def __repr__(self) -> str:
        header = "layer  {:>11}  activation  mean |delta|  |grad_w|  |grad_b|  saturated    dead"
        line = "{:>5}  {:>11}  {:10}  {:>12}  {:>8}  {:>8}  {:>9}  {:>6}"
        rows = [line.format(*row) for row in self._rows()]
        return "\n".join([self._caption(), header.format("w"), *rows])

    def _repr_html_(self) -> str:
        header = ("layer", "w", "activation", "mean |δ|", "|∂C/∂w|", "|∂C/∂b|", "saturated", "dead")
        return html_table(self._caption(), header, self._rows())

    def _caption(self) -> str:
        n, dtype = len(self.delta[0]), self.delta[0].dtype
        return (
            f"Backprop of {n} row{'s' * (n != 1)} in {dtype}: "
            f"cost {self.cost:.6g}, penalty {self.penalty:.6g}"
        )

    def _rows(self) -> Iterator[tuple[str, ...]]:
        """What a table says of each layer."""
        columns = (self.grad_w, self.activations, self.mean_delta, self.grad_b)
        shares = (self.saturated, self.dead)
        for number, (grad_w, activation, mean_delta, grad_b, *share) in enumerate(
            zip(*columns, *shares, strict=True), start=1
        ):
            shape = " x ".join(map(str, grad_w.shape))
            sizes = (mean_delta, norm(grad_w), norm(grad_b))
            percent = ("-" if s is None else f"{s:.1%}" for s in share)
            yield str(number), shape, activation, *(f"{size:.3g}" for size in sizes), *percent


def backprop(
    model: Perceptron,
    X: MatrixLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    *,
    dropout_seed: int | None = None,
) -> Backprop:
    """Run one backward pass over all rows as one batch, by the code that trains, and show every quantity of it.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
        Fitted, or not: then its weights are those that ``fit(X, y)`` would start from. It is not changed.

    X : {array-like, sparse matrix} of shape (n, size[0])
        Rows to pass through the network.

    y : array-like of shape (n,) or (n, n_outputs)
        Labels or targets, as for `fit`.

    sample_weight : array-like of shape (n,), default=None
        Weight of each row in the cost.

    dropout_seed : int, default=None
        Seed of the masks with which neurons are dropped as in training, with the rates of `dropout`. The same seed
        gives the same masks. None drops nothing.

    Returns
    -------
    quantities : Backprop
        Of cost, z, a, δ and the gradients of each layer. The dtype is float32 if X and the weights are, else float64.

    Raises
    ------
    TypeError
        If `model` is not an estimator of this package.
    ValueError
        If rows, labels and the network do not fit together.
    ZeroDivisionError
        If the sample weights sum to zero.

    References
    ----------
    Nielsen (2015), "Neural networks and deep learning", chapter 2; ``docs/backpropagation.md`` derives the equations.

    Examples
    --------
    >>> import numpy as np
    >>> from rustbp import MLPRegressor, backprop
    >>> X, y = np.array([[0.0], [1.0]]), np.array([1.0, 3.0])
    >>> model = MLPRegressor(hidden_layer_sizes=(), alpha=0).fit(X, y)
    >>> model.coefs_, model.intercepts_ = [np.array([[1.0]])], [np.array([0.0])]
    >>> shown = backprop(model, X, y)  # outputs 0 and 1, targets 1 and 3
    >>> print(shown.delta[0].tolist(), shown.grad_b[0].tolist(), shown.grad_w[0].tolist())
    [[-1.0], [-2.0]] [-1.5] [[-1.0]]
    """
    model, rows = prepare(model, X, y, sample_weight)
    masks = {}
    if dropout_seed is not None:
        masks["dropout"] = dropout_of(model, len(model.coefs_) - 1)
        masks["dropout_seed"] = dropout_seed
    shown = _core.backprop(
        rows.X,
        rows.y,
        model.coefs_,
        model.intercepts_,
        sample_weight=rows.sample_weight,
        alpha=float(model.alpha),
        **network_of(model),
        **masks,
    )
    arrays = {}
    for name in ("z", "a", "delta", "grad_b", "grad_w"):
        arrays[name] = tuple(shown[name])
        for array in arrays[name]:
            array.flags.writeable = False
    return Backprop(
        cost=shown["cost"],
        penalty=shown["penalty"],
        activations=activations_of(model),
        **arrays,
    )


def prepare(model: Any, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Rows]:
    """A copy of ``model`` with weights, and the rows, in the dtype in which a fit would compute."""
    require_perceptron(model)
    model = model._copy()
    _missing.complete(model)._validate_params()
    check_layers(model, len(hidden_sizes(model.hidden_layer_sizes)))
    if hasattr(model, "coefs_"):
        # As in partial_fit: y may have some of the classes only.
        model.warm_start = False
        X, y = model._encode(X, y, incremental=True, reset=False)
        n_outputs = np.shape(model.coefs_[-1])[1]
        if model.n_outputs_ != n_outputs:
            raise ValueError(
                f"y has {model.n_outputs_} outputs, but the weights in coefs_ are for {n_outputs}."
            )
    else:
        X, y = model._encode(X, y, incremental=False, reset=True)
        # A copy of the generator: the draws stay for the fit.
        model._random_state = copy.deepcopy(check_random_state(model.random_state))
        hidden = hidden_sizes(model.hidden_layer_sizes)
        model._start([X.shape[1], *hidden, model.n_outputs_], X.dtype)
    if sample_weight is not None:
        sample_weight = _check_sample_weight(sample_weight, X)
    dtype = _arrays.common_dtype(X, *model.coefs_, *model.intercepts_)
    return model, in_dtype(model, Rows(X, y, sample_weight), dtype)


def require_perceptron(model: Any) -> None:
    """Refuse what has no layers that this package knows of."""
    if isinstance(model, BaseMultilayerPerceptron):
        return
    advice = "Pass an MLPClassifier or MLPRegressor of rustbp."
    if type(model).__module__.startswith("sklearn.neural_network"):
        advice = "Convert it with rustbp.from_sklearn(model) first."
    elif hasattr(model, "steps"):
        advice = (
            "Pass the network, pipeline[-1], and rows as they reach it, pipeline[:-1].transform(X)."
        )
    elif hasattr(model, "best_estimator_"):
        advice = "Pass its best_estimator_."
    elif hasattr(model, "members_"):
        advice = "Pass one of its members_, and rows as it takes them, model.encoder_.transform(X)."
    name = model.__name__ if isinstance(model, type) else type(model).__name__
    raise TypeError(f"{name} is not a perceptron of this package. {advice}")


def in_dtype(model: Any, rows: Rows, dtype: Any) -> Rows:
    """Put the weights of ``model`` and the rows in one dtype."""
    model.coefs_, model.intercepts_ = _arrays.layers(model.coefs_, model.intercepts_, dtype)
    return rows.in_dtype(dtype).in_memory()


def norm(array: NDArray[Any]) -> float:
    """The Euclidean norm, without BLAS, whose threads would go on spinning beside those of the next epoch."""
    return float(np.sqrt(np.square(array).sum(dtype=np.float64)))
