"""How a member of an ensemble is trained: its first weights, and what changes from one mini-batch to the next.

Where nothing else is said, it is RealMLP's: Holzmüller, Grinsztajn and Steinwart (2024), "Better by default: strong
pre-tuned MLPs and boosted trees on tabular data", arXiv:2407.04491, section 3 and appendix A.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BETA_2 = 0.95
"""Adam's second decay rate: with few updates, 0.999 would remember the first ones for too long."""

BIAS_RATE = 0.1
"""Step size of biases, as a share of the weights'."""

JUDGED_END = 7 / 8
"""Share of the schedules that a member goes through whose best epoch is kept. In the last eighth steps are so small
that no epoch is better than those before but by chance. One that keeps its last epoch goes to the end."""


CYCLE_ENDS = 1 / 15, 3 / 15, 7 / 15
"""Progress at the ends of the first three cycles of `coslog4`, where steps are 0."""

BY_HEART = 1.03
"""A member is done after the third cycle if its loss on held-out rows is then so many times that after the first or
the second: it learns its rows by heart, and the last cycle, half of all epochs, would not make it better."""


def coslog4(progress: Floats) -> Floats:
    """Factor on the step size: four cycles from 0 to 1 and back, each twice as long as the one before.

    Parameters
    ----------
    progress : ndarray
        Share of all updates that have been made, from 0 to 1.
    """
    return (1 - np.cos(2 * np.pi * np.log2(1 + 15 * progress))) / 2


def flat_cos(progress: Floats) -> Floats:
    """Factor on weight decay: 1 for half of the updates, then down to 0 along a cosine."""
    return (1 + np.cos(np.pi * np.maximum(2 * progress - 1, 0))) / 2


def first_weights(
    rng: np.random.RandomState, layer_sizes: Sequence[int], dtype: Any = np.float32
) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """Standard normal weights divided by the root of the number of inputs, standard normal biases, and an output layer
    of zeros.

    With `layer_rates` this is the neural tangent parametrisation with its factors folded into the weights.
    """
    coefs, intercepts = [], []
    for fan_in, fan_out in pairwise(layer_sizes):
        coefs.append((rng.standard_normal((fan_in, fan_out)) / np.sqrt(fan_in)).astype(dtype))
        intercepts.append(rng.standard_normal(fan_out).astype(dtype))
    coefs[-1][:] = 0.0
    intercepts[-1][:] = 0.0
    return coefs, intercepts


def layer_rates(layer_sizes: Sequence[int]) -> list[tuple[float, float]]:
    """Factors on the step sizes of each layer's weights and biases."""
    return [(fan_in**-0.5, BIAS_RATE) for fan_in in layer_sizes[:-1]]


class Schedules:
    """What each mini-batch of each epoch has of its own.

    Parameters
    ----------
    n_epochs, n_batches : int
        Epochs of a fit, and mini-batches of an epoch.
    learning_rate, weight_decay : float
        What the factors multiply.
    end : float, default=1.0
        Progress after the last epoch.
    """

    def __init__(
        self,
        n_epochs: int,
        n_batches: int,
        learning_rate: float,
        weight_decay: float,
        end: float = 1.0,
    ) -> None:
        progress = end * np.arange(n_epochs * n_batches) / (n_epochs * n_batches)
        self._n_batches = n_batches
        self._epochs_of_cycles = [round(n_epochs * cycle / end) for cycle in CYCLE_ENDS]
        self._numbers = {
            "learning_rates": learning_rate * coslog4(progress),
            "weight_decays": weight_decay * flat_cos(progress),
        }

    def learns_by_heart(self, losses: Sequence[float]) -> bool:
        """Whether a member with these losses on held-out rows, one for each epoch so far, should stop (`BY_HEART`)."""
        first, second, third = self._epochs_of_cycles
        if len(losses) != third or not 0 < first < second < third:
            return False
        return losses[third - 1] > BY_HEART * min(losses[first - 1], losses[second - 1])

    def of_epoch(self, epoch: int) -> dict[str, Any]:
        """The numbers of an epoch, counted from 0, under the names that the core's trainer takes."""
        first = epoch * self._n_batches
        return {
            name: numbers[first : first + self._n_batches]
            for name, numbers in self._numbers.items()
        }
