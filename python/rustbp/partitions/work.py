"""What is done to one partition, and to what comes of several: first state, training, averages, gradients."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import _num_samples

from rustbp import _arrays, _core
from rustbp._training import initial_weights
from rustbp.partitions.part import named, parts
from rustbp.partitions.planning import DROPOUT, ORDER, Plan

State = dict[str, Any]
"""``coefs``, ``intercepts`` and ``optimizer``, arrays as those of a trainer; ``seen``, sums over the rows of the epoch
so far; ``own``, those of the last partition; ``version`` and ``kernels`` of what made them."""

ROWS, WEIGHT, COST, PENALTY, UPDATES = range(5)
"""What the sums are of."""


def state_of(coefs: Any, intercepts: Any, optimizer: Any, compute: str | None) -> State:
    """The state before an epoch, trained with products of what `compute` names."""
    return {
        "coefs": list(coefs),
        "intercepts": list(intercepts),
        "optimizer": optimizer,
        "seen": np.zeros(5),
        "own": np.zeros(5),
        "version": _core.__version__,
        "kernels": (_core.kernel(compute),),
    }


def readable(state: State, dtype: str) -> tuple[list[Any], list[Any], dict[str, Any] | None]:
    """Weights, biases and the optimizer's state as the core takes them: what has travelled may stand anywhere."""
    optimizer = state.get("optimizer")
    if optimizer is not None:
        optimizer = {name: _readable(value, dtype) for name, value in optimizer.items()}
    return _readable(state["coefs"], dtype), _readable(state["intercepts"], dtype), optimizer


def _readable(value: Any, dtype: str) -> Any:
    return (
        [_arrays.contiguous(array, dtype) for array in value] if isinstance(value, list) else value
    )


def initial(plan: Plan) -> State:
    """The state before the first epoch: the weights that the local estimator would draw.

    Parameters
    ----------
    plan : Plan
        What `plan` made.

    Returns
    -------
    state : dict
        To be given to `train`.
    """
    coefs, intercepts = initial_weights.draw(
        check_random_state(plan.seed),
        plan.layer_sizes,
        scheme=plan.model.init,
        activation=plan.model.activation,
        dtype=np.dtype(plan.dtype),
    )
    return state_of(coefs, intercepts, None, plan.model.compute)


def train(
    state: State,
    X: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    plan: Plan,
    epoch: int,
    partition: int,
    piece: int | None = None,
    step: Any = None,
    n_threads: int | None = 1,
    first: bool = False,
) -> State:
    """Train on each row of a partition, or of a piece of it, once.

    Parameters
    ----------
    state : dict
        Where to start; it is not changed.

    X, y, sample_weight : array-like
        The partition, as `scan` takes it.

    plan : Plan
        What `plan` made.

    epoch, partition : int
        Which these are, counted from 0. They and ``random_state`` decide the order of the rows.

    piece : int, default=None
        Which of the plan's pieces, from 0 on; None: all of it.

    step : float or ndarray, default=None
        Step size of the local estimator, or several that are to follow one another at equal distances; None:
        ``learning_rate_init``.

    n_threads : int or None, default=1
        Threads of the core. The result does not depend on it.
    first : bool, default=False
        Whether this is the first round of an epoch, whose sums start anew.

    Returns
    -------
    state : dict
        After it. If there are no rows, the same.

    Raises
    ------
    ValueError, TypeError
        If the rows do not fit the plan; the message names the partition.
    """
    if state["version"] != _core.__version__:
        raise RuntimeError(
            f"All workers need the same version of rustbp: the state is of {state['version']}, and this is "
            f"{_core.__version__}."
        )
    if first:
        state = state | {"seen": np.zeros(5)}
    with named(partition):
        X, y, sample_weight = parts(X, y, sample_weight)
    if not _num_samples(X):
        return state | {"own": np.zeros(5)}
    with named(partition):
        rows = plan.rows(X, y, sample_weight)
        order, _ = plan.split(len(rows.y), partition)
        if plan.model.shuffle:
            order = order[plan.rng(ORDER, partition, epoch).permutation(len(order))]
        batch = min(plan.batch_size, len(order))
        drops = plan.rng(DROPOUT, partition, epoch).integers(2**31, size=(piece or 0) + 1)
        if piece is not None:
            order = plan.piece(order, piece)
        if not len(order):
            return state | {"own": np.zeros(5)}
        steps = np.atleast_1d(plan.step(plan.model.learning_rate_init if step is None else step))
        n_batches = -(-len(order) // batch)
        at = np.arange(n_batches) * len(steps) // n_batches
        coefs, intercepts, optimizer = readable(state, plan.dtype)
        trainer = _core.Trainer(
            coefs,
            intercepts,
            state=optimizer,
            n_threads=n_threads,
            dropout_seed=int(drops[-1]),
            **plan.settings,
        )
        before = trainer.updates
        trainer.learning_rate = float(steps[-1])
        cost, penalty = trainer.epoch(
            rows.in_memory().X,
            rows.y,
            order.astype(np.int64, copy=False),
            batch,
            rows.sample_weight,
            learning_rates=steps[at].astype(np.float64) if len(steps) > 1 else None,
        )
    weight = len(order) if rows.sample_weight is None else float(rows.sample_weight[order].sum())
    n = len(order)
    made = state_of(trainer.coefs(), trainer.intercepts(), trainer.state(), plan.model.compute)
    made["seen"] = state["seen"]
    made["own"] = np.array([n, weight, cost * n, penalty * n, trainer.updates - before])
    made["kernels"] = tuple(sorted({*state["kernels"], *made["kernels"]}))
    return made


def average(*states: State) -> State:
    """The mean of weights and of the optimizer's moments, by the weight of the rows behind them, in the given order.

    Parameters
    ----------
    *states : dict
        What `train` made of one state on several partitions.

    Returns
    -------
    state : dict
        To go on from.

    Raises
    ------
    RuntimeError
        If they are of different versions of `rustbp`.
    """
    versions = {state["version"] for state in states}
    if len(versions) > 1:
        raise RuntimeError(
            f"All workers need the same version of rustbp; got {', '.join(sorted(versions))}."
        )
    own = np.array([state["own"] for state in states])
    mean = dict(states[0])
    trained = [state for state in states if state["own"][ROWS] > 0]
    if trained:
        by = WEIGHT if own[:, WEIGHT].sum() > 0 else ROWS
        shares = np.array([state["own"][by] for state in trained])
        shares = shares / shares.sum()
        for name in ("coefs", "intercepts"):
            mean[name] = _means([state[name] for state in trained], shares)
        mean["optimizer"] = _mean_state([state["optimizer"] for state in trained], shares)
    mean["seen"] = states[0]["seen"] + own.sum(axis=0)
    # Side by side, so that there are as many updates as the longest has.
    mean["seen"][UPDATES] = states[0]["seen"][UPDATES] + own[:, UPDATES].max()
    mean["own"] = np.zeros(5)
    mean["kernels"] = tuple(sorted({kernel for state in states for kernel in state["kernels"]}))
    return mean


def _means(lists: Sequence[Sequence[NDArray[Any]]], shares: Any) -> list[NDArray[Any]]:
    if len(lists) == 1:
        return list(lists[0])
    means = []
    for arrays in zip(*lists, strict=True):
        total = arrays[0] * arrays[0].dtype.type(shares[0])
        for array, share in zip(arrays[1:], shares[1:], strict=True):
            total += array * array.dtype.type(share)
        means.append(total)
    return means


def _mean_state(states: Sequence[dict[str, Any]], shares: Any) -> dict[str, Any]:
    mean = {
        name: _means([state[name] for state in states], shares)
        for name, value in states[0].items()
        if isinstance(value, list)
    }
    return states[0] | mean | {"t": max(state["t"] for state in states)}


def gradient(
    packed: NDArray[Any],
    X: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    plan: Plan,
    partition: int,
    n_threads: int | None = 1,
) -> dict[str, Any]:
    """Cost and gradient of a partition, summed over its rows, without the penalty.

    Parameters
    ----------
    packed : ndarray of shape (n_parameters,)
        All weights, then all biases, in C order.

    X, y, sample_weight : array-like
        The partition, as `scan` takes it.

    plan, partition, n_threads
        As in `train`.

    Returns
    -------
    sums : dict
        ``cost``, ``weight`` and ``gradient``, in float64.
    """
    with named(partition):
        X, y, sample_weight = parts(X, y, sample_weight)
    found = np.zeros(len(packed), dtype=plan.dtype)
    if not _num_samples(X):
        return {"cost": 0.0, "weight": 0.0, "gradient": found.astype(np.float64)}
    with named(partition):
        rows = plan.rows(X, y, sample_weight).in_memory()
        weight = len(rows.y) if rows.sample_weight is None else float(rows.sample_weight.sum())
        cost = 0.0
        if weight:
            cost, _ = _core.loss_gradient(
                _arrays.contiguous(packed, plan.dtype),
                found,
                rows.X,
                rows.y,
                layer_sizes=plan.layer_sizes,
                sample_weight=rows.sample_weight,
                n_threads=n_threads,
                **plan.network,
            )
    return {"cost": cost * weight, "weight": weight, "gradient": found * np.float64(weight)}


def sum_of_gradients(*sums: dict[str, Any]) -> dict[str, Any]:
    """What several partitions have together, added in the given order.

    Parameters
    ----------
    *sums : dict
        What `gradient` returned.

    Returns
    -------
    sums : dict
        The same of all.
    """
    total = dict(sums[0])
    for one in sums[1:]:
        total = {name: total[name] + one[name] for name in total}
    return total
