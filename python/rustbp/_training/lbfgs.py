"""Full-batch training by SciPy's L-BFGS-B over the core's loss and gradient."""

import math
import time
from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from rustbp import _core
from rustbp._arrays import layers
from rustbp._missing import changed
from rustbp._training import threads
from rustbp._training.blas import one_blas_thread
from rustbp._training.callbacks import NoCallbacks
from rustbp._training.epochs import NON_FINITE, Judges
from rustbp._training.objective import Objective, network_of
from rustbp._warn import warn


class _Stop(Exception):
    """A callback asked to stop, or the time is up. (SciPy honours StopIteration only from 1.11.)"""


class _Minimised:
    """What SciPy calls, which copies the gradient it gets."""

    latest: tuple[float, float] | None = None

    def __init__(self, objective: Objective) -> None:
        self.parts, self.gradient = objective.parts, objective.gradient

    def __call__(self, packed: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        first = self.latest is None
        self.latest = self.parts(packed)
        loss = sum(self.latest)
        if first and not np.isfinite(loss):
            # Later on it may be a step that the line search takes back.
            raise ValueError(NON_FINITE)
        # SciPy computes in float64; old versions take no other gradient.
        return loss, self.gradient.astype(np.float64, copy=False)


STOCHASTIC_ONLY = ("schedule", "warmup", "weight_decay", "max_grad_norm")
"""Parameters that change the updates of mini-batches, which L-BFGS does not have."""


def check(model: Any) -> None:
    """Refuse parameters that do not go with L-BFGS."""
    if model.compute is not None:
        raise ValueError(
            f"solver='lbfgs' needs exact gradients, which compute={model.compute!r} does not give. "
            "Use compute=None, or another solver."
        )
    given = changed(model, STOCHASTIC_ONLY)
    if given:
        raise ValueError(
            f"solver='lbfgs' has no mini-batches, and does not go with {', '.join(given)}. Leave out what is for "
            "these, or use another solver."
        )


def train(
    model: Any, objective: Objective, *, report: NoCallbacks, validation: Judges | None, stored: Any
) -> str:
    """Minimise the loss of all rows, from ``coefs_`` and ``intercepts_`` of ``model``, which is changed in place;
    return why it ended, in a few words.

    Callbacks get the weights in the dtype ``stored``, in which they will be kept.

    ``validation`` is looked at after each iteration, and has no say. Ctrl-C keeps the last accepted iterate and warns,
    as it does in the loop over epochs.

    Raises
    ------
    ValueError
        If the loss or a weight turned non-finite.
    """
    n_threads = threads.allowed(model.n_threads)
    minimised = _Minimised(objective)
    if validation is not None:
        model.validation_scores_, model.validation_loss_curve_ = [], []
    deadline = math.inf if model.max_time is None else time.monotonic() + model.max_time
    accepted: NDArray[Any] = objective.start
    parts: Any = None
    n_iter = 0
    reason = ""

    def iteration_ends(packed: NDArray[Any]) -> None:
        nonlocal accepted, parts, n_iter, reason
        # The line search ends at the point it evaluated last.
        accepted, parts, n_iter = packed, minimised.latest, n_iter + 1
        if model.verbose:
            # SciPy prints nothing from 1.15 on.
            print(f"Iteration {n_iter}, loss = {model._reported_loss(*parts):.8f}")
        if validation is not None:
            names = network_of(model)
            trainer = _core.Trainer(*objective.unpack(packed), n_threads=n_threads, **names)
            score, loss = validation.judge(model, trainer)
            model.validation_scores_.append(score)
            model.validation_loss_curve_.append(loss)
            if model.verbose:
                print(f"Validation score: {score:f}")
            model.best_validation_score_ = max(model.validation_scores_)
        if report.active:
            model.n_iter_ = n_iter
            model.loss_ = np.float64(model._reported_loss(*parts))
            if report.epoch_ends(lambda **_: _attributes(model, objective, packed, stored)):
                reason = "a callback asked to stop"
                raise _Stop
            if n_iter < model.max_iter:
                report.epoch_begins()
        if time.monotonic() >= deadline:
            reason = f"max_time={model.max_time} seconds have passed"
            warn(
                f"lbfgs failed to converge after {n_iter} iteration(s): max_time={model.max_time} seconds have passed.",
                ConvergenceWarning,
            )
            raise _Stop

    try:
        report.epoch_begins()
        with one_blas_thread():
            result = scipy.optimize.minimize(
                minimised,
                objective.start,
                method="L-BFGS-B",
                jac=True,
                callback=iteration_ends,
                options={
                    "maxfun": model.max_fun,
                    "maxiter": model.max_iter,
                    "gtol": model.tol,
                },
            )
        n_iter = _iterations(result, model.max_iter)
        reason = {0: "converged", 1: f"max_fun={model.max_fun} reached"}.get(
            result.status, "the line search found no lower loss"
        )
        if result.status != 0 and n_iter == model.max_iter:
            reason = f"max_iter={model.max_iter} reached"
        accepted = result.x
        if parts is None or sum(parts) != result.fun:
            parts = objective.parts(accepted)
    except KeyboardInterrupt:
        reason = "interrupted"
        warn("Training interrupted by user.")
    except _Stop:
        pass
    model.n_iter_ = n_iter
    model.coefs_, model.intercepts_ = objective.unpack(accepted)
    if parts is not None:
        model.loss_ = np.float64(model._reported_loss(*parts))
    finite = parts is None or np.isfinite(model.loss_)
    if not (finite and all(np.isfinite(a).all() for a in model.coefs_ + model.intercepts_)):
        raise ValueError(NON_FINITE)
    return reason


def _attributes(
    model: Any, objective: Objective, packed: NDArray[Any], stored: Any
) -> dict[str, Any]:
    coefs, intercepts = layers(*objective.unpack(packed), stored)
    return model._fitted_attributes(coefs_=coefs, intercepts_=intercepts)


def _iterations(result: Any, max_iter: int) -> int:
    """How many there were; warns, in scikit-learn's words, if they did not lead to a minimum."""
    n_iter = min(result.nit, max_iter)
    if result.status != 0:
        advice = ""
        if n_iter == max_iter:
            advice = (
                "\nIncrease the number of iterations to improve the convergence "
                f"(max_iter={max_iter})."
            )
        warn(
            f"lbfgs failed to converge after {n_iter} iteration(s) (status={result.status}):\n"
            f"{result.message}\n{advice}\nYou might also want to scale the data as shown in:\n"
            "    https://scikit-learn.org/stable/modules/preprocessing.html",
            ConvergenceWarning,
        )
    return n_iter
