"""What an optimizer remembers between epochs and between calls of ``partial_fit``.

The update itself is in the core (``optimizer.rs``). Here are the step size and its schedule, one multiplication per
epoch, and the state (velocities or moments) that the core handed back, so that a pickled model can go on where it
stopped.
"""

import math
from typing import Any

import numpy as np

from rustbp import _core

# Constructor parameters of an estimator that an optimizer takes, under the core's names for them.
HYPERPARAMETERS: dict[str, dict[str, str]] = {
    "sgd": {"momentum": "momentum", "nesterov": "nesterovs_momentum"},
    "adam": {"beta_1": "beta_1", "beta_2": "beta_2", "epsilon": "epsilon"},
}

SMALLEST_STEP = 1e-6
"""Where the adaptive schedule gives up, as in scikit-learn."""


class Optimizer:
    """A step size with its schedule, and the state of one of the core's optimizers.

    Hyperparameters are those of the estimator when training began: as in scikit-learn, ``set_params`` between two
    calls of ``partial_fit`` does not change the optimizer that is under way.

    Attributes
    ----------
    name : str
        One of ``_core.OPTIMIZERS``.
    learning_rate_init : float
        Step size at the start.
    learning_rate : float
        The last step size in scikit-learn's sense: sgd's follows the schedule, Adam's has its bias corrections in it.
    t : int
        Updates made.
    state : dict or None
        What ``Trainer.state`` gave last; None before the first epoch.
    """

    def __init__(
        self,
        name: str,
        hyperparameters: dict[str, float],
        learning_rate_init: float,
        schedule: str = "constant",
        power_t: float = 0.5,
    ) -> None:
        self.name = name
        self.hyperparameters = hyperparameters
        self.learning_rate_init = float(learning_rate_init)
        self.schedule = schedule
        self.power_t = float(power_t)
        self.learning_rate = self.learning_rate_init
        self.t = 0
        self.state: dict[str, Any] | None = None

    @classmethod
    def of(cls, estimator: Any) -> "Optimizer":
        """The optimizer that an estimator's parameters ask for, at its start."""
        name = estimator.solver
        return cls(
            name,
            {
                core_name: float(getattr(estimator, parameter))
                for core_name, parameter in HYPERPARAMETERS.get(name, {}).items()
            },
            estimator.learning_rate_init,
            # Schedules are for sgd only; the others ignore `learning_rate`.
            estimator.learning_rate if name == "sgd" else "constant",
            estimator.power_t,
        )

    @property
    def step(self) -> float:
        """Step size of the next epoch, before any bias correction."""
        return self.learning_rate if self.name == "sgd" else self.learning_rate_init

    def trainer(self, coefs: list[Any], intercepts: list[Any], **options: Any) -> _core.Trainer:
        """A trainer that goes on from the present state."""
        return _core.Trainer(
            coefs,
            intercepts,
            optimizer=self.name,
            learning_rate=self.step,
            hyperparameters=self.hyperparameters,
            state=_as_dtype(self.state, coefs[0].dtype),
            **options,
        )

    def remember(self, trainer: _core.Trainer) -> None:
        """Take over the state of a trainer that has finished."""
        self.state = trainer.state()
        self.t = int(self.state["t"])
        if self.name == "adam" and self.t > 0:
            beta_1, beta_2 = self.hyperparameters["beta_1"], self.hyperparameters["beta_2"]
            correction = math.sqrt(1.0 - beta_2**self.t) / (1.0 - beta_1**self.t)
            self.learning_rate = self.learning_rate_init * correction

    def epoch_ends(self, samples_seen: int) -> None:
        """Follow the schedule; ``samples_seen`` is the estimator's ``t_``."""
        if self.schedule == "invscaling":
            self.learning_rate = self.learning_rate_init / (samples_seen + 1) ** self.power_t

    def stops(self, reason: str, verbose: bool) -> bool:
        """Whether to stop now that training has stopped improving; an adaptive step shrinks to a fifth instead."""
        outcome = "Stopping."
        if self.schedule == "adaptive":
            if self.learning_rate > SMALLEST_STEP:
                self.learning_rate /= 5.0
                outcome = f"Setting learning rate to {self.learning_rate:f}"
            else:
                outcome = "Learning rate too small. Stopping."
        if verbose:
            print(f"{reason} {outcome}")
        return outcome.endswith("Stopping.")


def _as_dtype(state: dict[str, Any] | None, dtype: Any) -> dict[str, Any] | None:
    if state is None:
        return None
    return {
        name: [np.asarray(array, dtype=dtype) for array in value] if name != "t" else value
        for name, value in state.items()
    }
