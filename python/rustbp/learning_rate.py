"""A search for a step size: one that grows from batch to batch, and the loss that follows it."""

import math
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from rustbp._training.mini_batches import MiniBatches
from rustbp._training.optimizer import Optimizer
from rustbp.display._base import Display
from rustbp.inspection import require_perceptron

DIVERGED = 4.0
"""So many times the least loss end the search."""


class LearningRateSearch(Display):
    """What `rustbp.find_learning_rate` found.

    Attributes
    ----------
    learning_rates : ndarray of shape (n,)
        The step sizes tried, rising.

    losses : ndarray of shape (n,)
        Loss of the mini-batch that each was tried on, before its update.

    smoothed : ndarray of shape (n,)
        The same, averaged over the batches before, the latest counting most.

    suggestion : float or None
        The step size at which `smoothed` falls fastest; None if it never falls.

    ax_ : matplotlib Axes
        With a logarithmic scale of step sizes, once drawn.

    figure_ : matplotlib Figure
        Its figure.
    """

    def __init__(
        self, learning_rates: NDArray[Any], losses: NDArray[Any], smoothing: float
    ) -> None:
        self.learning_rates = learning_rates
        self.losses = losses
        self.smoothed: NDArray[Any] = _smooth(losses, smoothing)
        self.suggestion: float | None = _steepest(learning_rates, self.smoothed)

    def __repr__(self) -> str:
        suggestion = "none" if self.suggestion is None else f"{self.suggestion:.3g}"
        first, last = self.learning_rates[[0, -1]]
        return (
            f"LearningRateSearch from {first:.3g} to {last:.3g} in {len(self.losses)} steps: "
            f"suggestion {suggestion}"
        )

    def _draw(self, ax: Any) -> None:
        ax.plot(self.learning_rates, self.losses, color="tab:blue", alpha=0.3, label="loss")
        ax.plot(self.learning_rates, self.smoothed, color="tab:blue", label="smoothed")
        if self.suggestion is not None:
            label = f"suggestion {self.suggestion:.3g}"
            ax.axvline(self.suggestion, color="tab:orange", linestyle="--", label=label)
        ax.set(xlabel="Step size", ylabel="Loss", xscale="log")
        ax.legend()


def find_learning_rate(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    smallest: float = 1e-6,
    largest: float = 1.0,
    n_steps: int = 100,
    smoothing: float = 0.9,
) -> LearningRateSearch:
    """Train a copy with a step size that grows from one mini-batch to the next, and see where the loss falls fastest.

    This is the range test of Smith [1]_, with steps that grow by the same factor. The batches are those of as many
    epochs as it takes, in the order of `fit`. The search ends early once the loss is four times the least so far.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        With a solver that has a step size. It stays as it is; the copy starts from new weights, or with `warm_start`
        from those of a fitted estimator. Its own step size and schedule have no part in it.

    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Training rows.

    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Labels or targets.

    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row in the cost.

    smallest, largest : float, default=1e-6, 1.0
        The first step size, and the last.

    n_steps : int, default=100
        Mini-batches to train on, at least 2.

    smoothing : float, default=0.9
        Share that the average of the losses before has in the next, from 0 (none) to below 1.

    Returns
    -------
    search : LearningRateSearch
        With ``suggestion``, the curve, and ``plot()``.

    Raises
    ------
    TypeError
        If `estimator` is not an estimator of this package, or a number is of the wrong type.
    ValueError
        If a number is out of its range, for solver='lbfgs', if the loss is not finite at the smallest steps, and as in
        `fit`.

    References
    ----------
    .. [1] Smith (2017), "Cyclical learning rates for training neural networks", section 3.3.

    Examples
    --------
    >>> import rustbp
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> search = rustbp.find_learning_rate(rustbp.MLPClassifier(random_state=0), X / 16, y)
    >>> 1e-4 < search.suggestion < 1e-1
    True
    """
    require_perceptron(estimator)
    _check(smallest, largest, n_steps, smoothing)
    if estimator.solver == "lbfgs":
        raise ValueError("solver='lbfgs' finds its step sizes itself, by a line search.")
    model = clone(estimator)
    if estimator.warm_start and estimator.__sklearn_is_fitted__():
        vars(model).update(estimator._fitted_attributes())
    model._validate_params()
    rows = model._prepare(X, y, sample_weight, incremental=False).rows
    model._optimizer = Optimizer.of(model)
    batches = MiniBatches(model, rows)
    steps = np.geomspace(smallest, largest, n_steps)
    losses: list[float] = []
    for number, step in enumerate(steps):
        if number % batches.n_batches == 0:
            batches.shuffle()
        loss = model._reported_loss(*batches.batch(number % batches.n_batches, step))
        if not math.isfinite(loss):
            break
        losses.append(loss)
        if _smooth(np.array(losses), smoothing)[-1] > DIVERGED * min(losses):
            break
    if len(losses) < 2:
        raise ValueError(
            f"The loss is not finite from step sizes of {smallest:g} on. Scale the data, or begin with a smaller one."
        )
    return LearningRateSearch(steps[: len(losses)], np.array(losses), smoothing)


def _check(smallest: Any, largest: Any, n_steps: Any, smoothing: Any) -> None:
    for name, value in (("smallest", smallest), ("largest", largest), ("smoothing", smoothing)):
        if not isinstance(value, Real):
            raise TypeError(f"{name} must be a number; got {value!r}")
    if not isinstance(n_steps, Integral):
        raise TypeError(f"n_steps must be an integer; got {n_steps!r}")
    if not 0 < smallest < largest < math.inf:
        raise ValueError(
            f"smallest and largest must rise from above 0; got smallest={smallest!r} and largest={largest!r}"
        )
    if n_steps < 2:
        raise ValueError(f"n_steps must be at least 2; got {n_steps}")
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing must be from 0 to below 1; got {smoothing!r}")


def _smooth(losses: NDArray[Any], smoothing: float) -> NDArray[Any]:
    """Exponentially weighted means, corrected for their start as Adam's are."""
    mean, smoothed = 0.0, np.empty(len(losses))
    for i, loss in enumerate(losses):
        mean = smoothing * mean + (1 - smoothing) * loss
        smoothed[i] = mean / (1 - smoothing ** (i + 1))
    return smoothed


def _steepest(learning_rates: NDArray[Any], smoothed: NDArray[Any]) -> float | None:
    """Where the loss falls fastest over the logarithm of the step size, before its least value."""
    slopes = np.gradient(smoothed, np.log(learning_rates))[: smoothed.argmin() + 1]
    return float(learning_rates[slopes.argmin()]) if slopes.min() < 0 else None
