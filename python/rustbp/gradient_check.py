"""BP3 and BP4 against central differences of the cost."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rustbp._arrays import Rows
from rustbp._training.objective import Objective
from rustbp._typing import MatrixLike, Perceptron
from rustbp.inspection import in_dtype, prepare

# Differences of fourth order: their own error shrinks with STEP**4, that of rounding the cost grows with 1 / STEP.
STENCIL = ((-2, 1 / 12), (-1, -2 / 3), (1, 2 / 3), (2, -1 / 12))
STEPS = (1e-3, 1e-4, 1e-5, 1e-6)
"""Smaller ones for parameters where the first disagrees: a neuron at the kink of relu may lie within a step."""
AGREES = 1e-6
"""Relative error below which no smaller step is tried."""
ROUNDING = 4.0
"""Rounding error of a cost, in units of the spacing of floats at it: a few, for it is a sum."""
STEP_FLOAT32 = 0.03
PRECISION_FLOAT32 = 0.01


@dataclass(frozen=True, repr=False)
class GradientCheck:
    """Where backpropagation and central differences disagree most; `check_gradients` makes it.

    Attributes
    ----------
    largest_error : float
        abs(backprop - difference) for the parameter where it is largest, relative to the larger of the two in absolute
        value, or to `resolution` where both are smaller. Correct gradients stay below about 1e-6.

    layer : int
        Layer of that parameter, from 1; the L-th is the output layer.

    parameter : {'weight', 'bias'}
        What it is.

    index : tuple of int
        Where it is: (k, j) in ``coefs_[layer - 1]``, or (j,) in ``intercepts_[layer - 1]``.

    backprop, difference : float
        Its derivative of cost + penalty, by BP4 or BP3 and by central differences, in float64.

    n_parameters : int
        How many were compared: all.

    resolution : float
        Gradients smaller than this cannot be told from it to six digits by differences of this cost in float64.

    float32_unjudged : float or None
        If the model computes in float32: share of the parameters whose gradient differences of a float32 cost could
        not judge to 1 %, since rounding the cost outweighs it. None if the model computes in float64.

    float32_deviation : float or None
        If the model computes in float32: largest difference between its float32 gradient and the float64 gradient at
        the same weights, relative to the largest gradient. None if it computes in float64.
    """

    largest_error: float
    layer: int
    parameter: str
    index: tuple[int, ...]
    backprop: float
    difference: float
    n_parameters: int
    resolution: float
    float32_unjudged: float | None = None
    float32_deviation: float | None = None

    @property
    def where(self) -> str:
        """The parameter, as it is written in Python: ``coefs_[0][3, 5]``."""
        name = "coefs_" if self.parameter == "weight" else "intercepts_"
        return f"{name}[{self.layer - 1}][{', '.join(map(str, self.index))}]"

    def __repr__(self) -> str:
        lines = [
            f"GradientCheck of {self.n_parameters} parameters: "
            f"largest relative error {self.largest_error:.2g}",
            f"at {self.where}, a {self.parameter} of layer {self.layer}: "
            f"backprop {self.backprop:.10g}, central difference {self.difference:.10g}",
        ]
        if self.float32_unjudged is not None:
            lines += [
                "The model computes in float32, in which central differences are too coarse to judge "
                f"{self.float32_unjudged:.1%} of the gradients to 1 %:",
                "this check was therefore made in float64, at the same weights. The float32 gradient "
                f"deviates from it by at most {self.float32_deviation:.2g} of the largest gradient.",
            ]
        return "\n".join(lines)


def check_gradients(
    model: Perceptron,
    X: MatrixLike,
    y: ArrayLike,
    sample_weight: ArrayLike | None = None,
) -> GradientCheck:
    """Compare the gradient of every weight and bias with central differences of cost + penalty, in float64.

    It takes eight passes over X for each parameter or more: a few rows and a small network are enough.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
        Fitted, or not: then with the weights that ``fit(X, y)`` would start from. It is not changed.

    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        Rows over which the cost is taken.

    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Labels or targets, as for `fit`.

    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row in the cost.

    Returns
    -------
    check : GradientCheck
        The largest relative error and where it is; and, for a model that computes in float32, how much of its gradient
        float32 could not have judged.

    Raises
    ------
    TypeError, ValueError, ZeroDivisionError
        As `backprop` does.

    Notes
    -----
    With 'relu', a weighted input that is exactly 0 lies on the kink, where there is no derivative: the core takes
    σ'(0) = 0, and a central difference the mean of both sides. Such a neuron is reported as an error.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from rustbp import MLPClassifier, check_gradients
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier(hidden_layer_sizes=(5,), activation="tanh", random_state=0)
    >>> check_gradients(model, X, y).largest_error < 1e-6
    True
    """
    model, rows = prepare(model, X, y, sample_weight)
    trained_in = model.coefs_[0].dtype
    in_training = None
    if trained_in == np.float32:
        in_training = _Loss(model, rows).gradient_at_start()
        rows = in_dtype(model, rows, np.dtype(np.float64))
    loss = _Loss(model, rows)
    gradient = loss.gradient_at_start()
    noise = ROUNDING * np.finfo(np.float64).eps * max(abs(loss.value), 1.0)
    worst = (-1.0, 0, 0.0)
    for i, exact in enumerate(gradient):
        error, difference = _compare(loss, i, float(exact), noise)
        if error > worst[0]:
            worst = (error, i, difference)
    error, i, difference = worst
    layer, parameter, index = loss.locate(i)
    unjudged = deviation = None
    if in_training is not None:
        unjudged, deviation = _judge_float32(in_training, gradient, loss.value)
    return GradientCheck(
        largest_error=error,
        layer=layer,
        parameter=parameter,
        index=index,
        backprop=float(gradient[i]),
        difference=difference,
        n_parameters=len(gradient),
        resolution=noise / STEPS[0] / AGREES,
        float32_unjudged=unjudged,
        float32_deviation=deviation,
    )


def loss_of(model: Any, X: Any, y: Any, sample_weight: Any = None) -> tuple[float, float]:
    """Cost and penalty of all rows as one batch, as in `backprop`, without keeping a matrix of each layer."""
    loss = _Loss(*prepare(model, X, y, sample_weight))
    return loss.parts(loss.start)


def _compare(loss: "_Loss", i: int, exact: float, noise: float) -> tuple[float, float]:
    """Relative error of the gradient ``exact`` of parameter i, and the central difference that it is the error of."""
    best = (np.inf, np.inf, np.nan)
    for step in STEPS:
        difference = loss.difference(i, step)
        apart = abs(exact - difference)
        if not np.isfinite(apart):
            return np.inf, difference
        doubt = noise / step
        error = apart / max(abs(exact), abs(difference), doubt / AGREES)
        best = min(best, (apart + doubt, error, difference))
        if error < AGREES:
            break
    return best[1:]


def _judge_float32(
    in_training: NDArray[Any], gradient: NDArray[Any], loss: float
) -> tuple[float, float]:
    doubt = ROUNDING * np.finfo(np.float32).eps * max(abs(loss), 1.0) / STEP_FLOAT32
    size = np.abs(gradient)
    unjudged = float((size < doubt / PRECISION_FLOAT32).mean())
    apart = float(np.abs(in_training - gradient).max())
    return unjudged, apart / float(size.max()) if apart else 0.0


class _Loss(Objective):
    """The objective, and its differences."""

    def __init__(self, model: Any, rows: Rows) -> None:
        # The result is the same for any number of threads; so small a task gains nothing by more.
        super().__init__(model, rows, n_threads=1)

    def _evaluate(self) -> float:
        return sum(self.parts(self.start))

    def gradient_at_start(self) -> NDArray[Any]:
        self.value = self._evaluate()
        return self.gradient.copy()

    def difference(self, i: int, step: float) -> float:
        at, total = self.start[i], 0.0
        for steps, factor in STENCIL:
            self.start[i] = at + steps * step
            total += factor * self._evaluate()
        self.start[i] = at
        return total / step

    def locate(self, i: int) -> tuple[int, str, tuple[int, ...]]:
        """Layer, kind and index of parameter i."""
        ends = np.cumsum([0, *map(np.prod, self.shapes)])
        array = next(k for k, (_, end) in enumerate(pairwise(ends)) if i < end)
        index = np.unravel_index(i - ends[array], self.shapes[array])
        n_layers = len(self.shapes) // 2
        kind = "weight" if array < n_layers else "bias"
        return array % n_layers + 1, kind, tuple(map(int, index))
