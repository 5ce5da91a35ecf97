"""Step sizes that follow the progress of a fit: a factor on ``learning_rate_init`` for each mini-batch.

The core is handed the step sizes of an epoch as one array; nothing here is called between two mini-batches.
"""

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def _one_cycle(progress: Numbers) -> Numbers:
    start, peak_at, end = 1 / 25, 0.3, 1 / (25 * 1e4)
    rises = start + (1 - start) * (1 - np.cos(np.pi * progress / peak_at)) / 2
    falls = end + (1 - end) * (1 + np.cos(np.pi * (progress - peak_at) / (1 - peak_at))) / 2
    return np.where(progress < peak_at, rises, falls)


PLATEAU = "plateau"
"""The schedule that goes not by progress but by the judge: a fifth of the step each time training has stopped
improving. That is scikit-learn's 'adaptive', and the optimizer does it, see `Optimizer.of`."""

SCHEDULES: dict[str, Callable[[Numbers], Numbers]] = {
    "cosine": lambda progress: (1 + np.cos(np.pi * progress)) / 2,
    "linear": lambda progress: 1 - progress,
    "one_cycle": _one_cycle,
    "exponential": lambda progress: 0.01**progress,
    PLATEAU: np.ones_like,
}
"""From progress, 0 at the first update and 1 after the last, to the factor.

Loshchilov and Hutter (2017), SGDR: stochastic gradient descent with warm restarts, equation 5, for one cycle down to 0;
Smith and Topin (2019), Super-convergence, with the cosines and the three numbers of PyTorch's OneCycleLR.
"""


def check(model: Any) -> None:
    """Refuse a schedule or a warm-up beside another schedule of the step size."""
    if model.learning_rate == "constant":
        return
    for name, off in (("schedule", None), ("warmup", 0)):
        value = getattr(model, name)
        if value != off:
            raise ValueError(
                f"{name}={value!r} does not go with learning_rate={model.learning_rate!r}: both say what the step "
                f"size does. Use learning_rate='constant', or {name}={off!r}."
            )


def step_sizes(model: Any, step: float, updates: int, n_batches: int) -> Numbers | None:
    """Step size of each mini-batch of the next epoch; None if all are ``step``.

    Parameters
    ----------
    model : object
        With ``schedule``, ``warmup`` and ``max_iter``.
    step : float
        What the factors multiply.
    updates : int
        Made so far. Progress is their share of ``max_iter`` epochs like the next one, and stays at 1 after that.
    n_batches : int
        Mini-batches of an epoch.

    Raises
    ------
    ValueError
        If a schedule of the user's own gives a factor that is negative or not finite.
    TypeError
        If it gives what is no number.
    """
    schedule, warmup = model.schedule, model.warmup
    if schedule is None and warmup == 0:
        return None
    progress = (updates + np.arange(n_batches)) / (int(model.max_iter) * n_batches)
    # The schedule has what the warm-up leaves.
    rest = np.clip((progress - warmup) / (1 - warmup), 0, 1)
    factors = _factors(schedule, rest)
    if warmup > 0:
        factors *= np.minimum(progress / warmup, 1)
    return step * factors


def _factors(schedule: Any, progress: Numbers) -> Numbers:
    if schedule is None:
        return np.ones_like(progress)
    if isinstance(schedule, str):
        return SCHEDULES[schedule](progress)
    factors = np.empty_like(progress)
    for i, at in enumerate(progress.tolist()):
        factor = schedule(at)
        if not isinstance(factor, Real):
            raise TypeError(f"schedule must return a number; got {factor!r} at progress {at:.6g}")
        factors[i] = factor
        if not (np.isfinite(factors[i]) and factors[i] >= 0):
            raise ValueError(
                f"schedule must return finite factors from 0 on; got {factor!r} at progress {at:.6g}"
            )
    return factors
