"""What an optimizer remembers between epochs and between calls of ``partial_fit``.

The update itself is in the core (``optimizer.rs``). Here are the step size and its schedule, one multiplication per
epoch, and the state (velocities or moments) that the core handed back, so that a pickled model can go on where it
stopped.
"""

import math
from typing import Any

import numpy as np

from rustbp import _arrays
from rustbp._training.schedule import PLATEAU

# Constructor parameters of an estimator that an optimizer takes, under the core's names for them.
HYPERPARAMETERS: dict[str, dict[str, str]] = {
    "sgd": {"momentum": "momentum", "nesterov": "nesterovs_momentum"},
    "adam": {"beta_1": "beta_1", "beta_2": "beta_2", "epsilon": "epsilon"},
}

SLOTS: dict[str, dict[str, str]] = {
    "sgd": {"velocities": "velocity"},
    "adam": {"ms": "m", "vs": "v"},
}
"""What the core calls the parts of its state that have these names in scikit-learn."""

SCHEDULES = ("constant", "invscaling", "adaptive")

SMALLEST_STEP = 1e-6
"""Where the adaptive schedule gives up, as in scikit-learn."""


class Optimizer:
    """A step size with its schedule, and the state of one of the core's optimizers.

    Hyperparameters are those of the estimator when training began: as in scikit-learn, ``set_params`` between two
    calls of ``partial_fit`` does not change the optimizer that is under way. What is set on the optimizer itself, under
    scikit-learn's names, does.

    Attributes
    ----------
    name : str
        One of ``_core.OPTIMIZERS``.
    hyperparameters : dict
        What the core takes; also as attributes: ``momentum``, ``nesterov``; ``beta_1``, ``beta_2``, ``epsilon``.
    learning_rate_init : float
        Step size at the start; Adam's is that of now, if it shrinks.
    learning_rate : float
        The last step size in scikit-learn's sense: sgd's follows the schedule, Adam's has its bias corrections in it.
    schedule, power_t : str, float
        Of sgd's step size; also as ``lr_schedule``. What goes by the progress of a fit is in ``schedule.py``.
    t : int
        Updates made.
    state : dict or None
        What ``Trainer.state`` gave last; None before the first epoch. Its arrays also as attributes: ``velocities``;
        ``ms``, ``vs``.
    """

    def __init__(
        self,
        name: str,
        hyperparameters: dict[str, float],
        learning_rate_init: float,
        schedule: str = "constant",
        power_t: float = 0.5,
    ) -> None:
        # Past `__setattr__`, which is for changes.
        vars(self).update(
            name=name,
            hyperparameters=hyperparameters,
            learning_rate_init=float(learning_rate_init),
            schedule=schedule,
            power_t=float(power_t),
            learning_rate=float(learning_rate_init),
            t=0,
            state=None,
            _packed=None,
        )

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
            _schedule_of(estimator),
            estimator.power_t,
        )

    def __copy__(self) -> "Optimizer":
        new = object.__new__(type(self))
        vars(new).update(vars(self))
        return new

    def without_state(self) -> "Optimizer":
        """The same step size and settings, with nothing remembered of the updates."""
        new = self.__copy__()
        vars(new).update(state=None, _packed=None, t=0)
        return new

    def __getstate__(self) -> dict[str, Any]:
        # What is packed goes into no pickle.
        return {**vars(self), "state": self.state, "_packed": None}

    def __getattr__(self, name: str) -> Any:
        # Only what is no attribute of its own comes here.
        own = vars(self)
        if name == "state" and own.get("_packed") is not None:
            return own["_packed"].state()
        if name in own.get("hyperparameters", ()):
            value = own["hyperparameters"][name]
            return bool(value) if name == "nesterov" else value
        if name == "lr_schedule" and own.get("name") == "sgd":
            return own["schedule"]
        slot = SLOTS.get(own.get("name", ""), {}).get(name)
        if slot is not None and slot in (self.state or ()):
            return self.state[slot]
        why = f": it keeps no {name} without momentum or before the first epoch" if slot else ""
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{why}")

    def __setattr__(self, name: str, value: Any) -> None:
        slots = SLOTS.get(self.name, {})
        if name in self.hyperparameters:
            # Another dict: copies of the optimizer have this one.
            name, value = "hyperparameters", {**self.hyperparameters, name: float(value)}
        elif name in slots:
            name, value = "state", {**(self.state or {}), slots[name]: list(value)}
        elif name == "state":
            pass
        elif name in ("schedule", "lr_schedule") and self.name == "sgd":
            if value not in SCHEDULES:
                raise ValueError(f"lr_schedule must be one of {SCHEDULES}; got {value!r}")
            name = "schedule"
        elif name not in vars(self) or (name in ("schedule", "power_t") and self.name != "sgd"):
            raise AttributeError(f"The optimizer {self.name!r} has no setting {name!r}.")
        object.__setattr__(self, name, value)

    @property
    def step(self) -> float:
        """Step size of the next epoch, before any bias correction."""
        return self.learning_rate if self.name == "sgd" else self.learning_rate_init

    def _shrink(self) -> None:
        """Go on with a fifth of the step."""
        if self.name == "sgd":
            self.learning_rate /= 5.0
        else:
            self.learning_rate_init /= 5.0

    @property
    def state_is_packed(self) -> bool:
        """Whether the state is that of what a fit left packed, and nobody has its arrays or has set ``t``."""
        packed = vars(self).get("_packed")
        return (
            "state" not in vars(self)
            and packed is not None
            and not packed.state_is_out
            and self.t == packed.trainer.updates
        )

    def goes_on_from(self, packed: Any) -> bool:
        """Whether there is no other state than what is packed there; none at all is one that starts at zero."""
        if self.state_is_packed:
            return vars(self)["_packed"] is packed
        return vars(self).get("state", ...) is None

    def state_for(self, coefs: list[Any], intercepts: list[Any]) -> dict[str, Any] | None:
        """The state in the dtype of these parameters; zeros for what it lacks, momentum after none, say."""
        if self.state is None:
            return None
        state: dict[str, Any] = {"t": self.t}
        # Plain descent has no velocities.
        slots = SLOTS.get(self.name, {}) if self.hyperparameters.get("momentum", 1) else {}
        for name, slot in slots.items():
            arrays, half = self.state.get(slot), len(coefs)
            if arrays is None:
                state[slot] = [np.zeros_like(array) for array in coefs + intercepts]
            else:
                weights, biases = _arrays.layers(
                    arrays[:half], arrays[half:], coefs[0].dtype, f"the biases' part of {name}"
                )
                state[slot] = weights + biases
        return state

    def remember(self, trainer: Any, packed: Any = None) -> None:
        """Take over the state of a trainer: a copy, or as it is ``packed`` when the trainer has finished."""
        own = vars(self)
        own.pop("state", None)
        own["_packed"] = packed
        if packed is None:
            own["state"] = trainer.state()
        self.t = trainer.updates
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
            if self.step > SMALLEST_STEP:
                self._shrink()
                outcome = f"Setting learning rate to {self.step:f}"
            else:
                outcome = "Learning rate too small. Stopping."
        if verbose:
            print(f"{reason} {outcome}")
        return outcome.endswith("Stopping.")


def _schedule_of(estimator: Any) -> str:
    if estimator.schedule == PLATEAU:
        return "adaptive"
    # `learning_rate` is for sgd only; the others ignore it.
    return estimator.learning_rate if estimator.solver == "sgd" else "constant"
