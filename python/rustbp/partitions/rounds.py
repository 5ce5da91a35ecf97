"""What gives the epochs of a fit over partitions, judges them, and gives L-BFGS its gradients."""

import copy
import time
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustbp import _core
from rustbp._training import packed
from rustbp._warn import warn
from rustbp.partitions.part import behind
from rustbp.partitions.planning import ORDER, Plan
from rustbp.partitions.scores import score, total
from rustbp.partitions.work import (
    COST,
    PENALTY,
    ROWS,
    UPDATES,
    State,
    average,
    gradient,
    readable,
    state_of,
    sum_of_gradients,
    train,
)


def same(value: Any) -> Any:
    """A task that has a value, so that others can be given it."""
    return value


def told(state: State) -> dict[str, Any]:
    """What an epoch is judged by, without its weights."""
    arrays = state["coefs"] + state["intercepts"]
    finite = all(bool(np.isfinite(array).all()) for array in arrays)
    return {"seen": state["seen"], "kernels": state["kernels"], "finite": finite}


def _submitted(
    engine: Any,
    data: Sequence[Any],
    function: Any,
    state: Any,
    options: Sequence[dict[str, Any]] | None = None,
    **common: Any,
) -> list[Any]:
    """Tasks for a state and each of the parts, in their order, submitted in the order that suits the engine.

    ``options`` are those of each task; None: the parts are all partitions, and a task is told the number of its own.
    """
    options = options or [{"partition": number} for number in range(len(data))]
    common["n_threads"] = engine.n_threads
    handles: list[Any] = [None] * len(data)
    for i in engine.arranged(data):
        handles[i] = engine.submit(function, state, *data[i], **common, **options[i])
    return handles


class Held:
    """The weights of this moment, as the loop over epochs looks at a trainer. They are brought here when somebody asks
    for them.

    Attributes
    ----------
    handle : object or None
        What stands for them on the engine, as long as they are not here, or may be wanted there.
    """

    handle: Any
    updates: int

    def __init__(self, state: State, updates: int, plan: Plan, engine: Any, threads: Any) -> None:
        self.handle, self.updates = None, updates
        self._made: State | None = state
        self._finite: bool | None = None
        self._plan, self._engine, self._n_threads = plan, engine, threads

    def take(self, handle: Any, made: State | None, finite: bool, updates: int) -> None:
        """Have the weights after another epoch, which may be here."""
        updates += self.updates
        made = None if made is None else self._readable(made)
        # All at once: Ctrl-C may come at any moment.
        vars(self).update(handle=handle, _made=made, _finite=finite, updates=updates)

    def _readable(self, made: State) -> State:
        coefs, intercepts, optimizer = readable(made, self._plan.dtype)
        return made | {"coefs": coefs, "intercepts": intercepts, "optimizer": optimizer}

    @property
    def made(self) -> State:
        """The state, here."""
        if self._made is None:
            self._made = self._readable(self._engine.gather([self.handle])[0])
        return self._made

    def come(self) -> State:
        """The state, which the engine need not keep any more."""
        made, self.handle = self.made, None
        return made

    def coefs(self) -> list[NDArray[Any]]:
        return self.made["coefs"]

    def intercepts(self) -> list[NDArray[Any]]:
        return self.made["intercepts"]

    def state(self) -> dict[str, Any] | None:
        return self.made["optimizer"]

    def is_finite(self) -> bool:
        if self._finite is not None:
            return self._finite
        return all(np.isfinite(array).all() for array in self.coefs() + self.intercepts())

    def evaluate(self, X: Any, y: Any, sample_weight: Any = None) -> tuple[Any, float]:
        trainer = _core.Trainer(
            self.coefs(), self.intercepts(), n_threads=self._n_threads, **self._plan.network
        )
        return trainer.evaluate(X, y, sample_weight)

    def rest(self) -> None:
        """There is nothing to let go of."""


class Rounds:
    """Epochs of rounds: in each round every replica trains on one of its partitions, or on a piece of it, and the
    weights are averaged.

    Parameters
    ----------
    model : estimator
        With weights and an optimizer.
    plan : Plan
        What tasks are told.
    data : sequence of tuple
        What the engine hands to a task for each partition.
    rows : sequence of int
        Rows of each.
    engine : Engine
        What runs tasks.
    once : bool, default=False
        Whether there will be no other epoch.
    """

    order = None
    trainer: Held
    n_batches: int
    rows_seen: int

    def __init__(
        self,
        model: Any,
        plan: Plan,
        data: Sequence[Any],
        rows: Sequence[int],
        engine: Any,
        *,
        once: bool = False,
    ) -> None:
        self._model, self._plan, self._data, self._engine = model, plan, data, engine
        self._rows, self._once = rows, once
        self.parts: tuple[int, int, int] = plan.seed, plan.replicas, len(data)
        coefs, intercepts = list(model.coefs_), list(model.intercepts_)
        optimizer = model._optimizer.state_for(coefs, intercepts)
        state = state_of(coefs, intercepts, optimizer, model.compute)
        self.trainer = Held(state, model._optimizer.t, plan, engine, model.n_threads)
        self._blocks = blocks_of(rows, plan.replicas)
        self._warned = False
        self.n_batches = max(
            sum(plan.n_batches(rows[number]) for number in block) for block in self._blocks
        )
        self.rows_seen = sum(rows)

    @property
    def packed(self) -> Any:
        """What the model will have at the end."""
        model = self._model._copy()
        model.coefs_, model.intercepts_ = self.trainer.coefs(), self.trainer.intercepts()
        model._optimizer = copy.copy(model._optimizer)
        if self.trainer.state() is not None:
            model._optimizer.state = self.trainer.state()
            model._optimizer.t = self.trainer.state()["t"]
        return packed.begin(model)

    def shuffle(self) -> None:
        """Deal out the partitions of the next epoch."""
        self._epoch = len(self._model.loss_curve_)
        orders = []
        for replica, block in enumerate(self._blocks):
            if self._plan.model.shuffle:
                rng = self._plan.rng(ORDER, 2**63 + replica, self._epoch)
                block = [block[i] for i in rng.permutation(len(block))]
            orders.append([(part, i) for part in block for i in range(self._plan.pieces)])
        n_rounds = max(map(len, orders))
        self._rounds = [[order[i] for order in orders if i < len(order)] for i in range(n_rounds)]

    def epoch(
        self, step: float, steps: Any = None, seconds: float | None = None
    ) -> tuple[float, float]:
        """Train on each row once; returns the mean cost and the penalty."""
        deadline = None if seconds is None else time.monotonic() + seconds
        engine, trainer = self._engine, self.trainer
        stays = trainer.handle is not None and engine.may_stay()
        # In a task of its own: what is lost with a machine is made again from here.
        state = trainer.handle if stays else engine.submit(same, trainer.come())
        for number, numbers in enumerate(self._rounds):
            if deadline is not None and number:
                engine.gather([engine.submit(told, state)])
                if time.monotonic() >= deadline:
                    break
            trained = _submitted(
                engine,
                [self._data[partition] for partition, _ in numbers],
                train,
                state,
                [
                    {"partition": partition, "piece": piece, "first": not number}
                    for partition, piece in numbers
                ],
                plan=self._plan,
                epoch=self._epoch,
                step=step if steps is None else self._part(steps, number),
            )
            state = engine.submit(average, *trained)
            engine.round_ends(state)
            if stays and number == min(1, len(self._rounds) - 1):
                # While it goes on: for Ctrl-C, and so that workers have the next state only.
                trainer.come()
        # Both at once if the weights are sure to be asked for.
        ends = self._once or self._model.n_iter_ + 1 >= self._model.max_iter
        found, *made = engine.gather([engine.submit(told, state), *([state] if ends else [])])
        self._compare(found["kernels"])
        self.rows_seen = int(found["seen"][ROWS])
        n = max(self.rows_seen, 1)
        updates = int(found["seen"][UPDATES])
        trainer.take(state, made[0] if made else None, found["finite"], updates)
        return float(found["seen"][COST] / n), float(found["seen"][PENALTY] / n)

    def _part(self, steps: NDArray[Any], number: int) -> NDArray[Any]:
        """The step sizes of a round."""
        edges = np.linspace(0, len(steps), len(self._rounds) + 1).astype(int)
        first = min(edges[number], len(steps) - 1)
        return steps[first : max(edges[number + 1], first + 1)]

    def _compare(self, kernels: Sequence[str]) -> None:
        if len(kernels) > 1 and not self._warned:
            self._warned = True
            warn(
                f"Workers have different instruction sets, {', '.join(kernels)}: the result depends on which of them "
                "did what, and cannot be had again. RUSTBP_KERNEL=avx2 in their environment makes them alike."
            )


def blocks_of(rows: Sequence[int], replicas: int) -> list[list[int]]:
    """The partitions of each replica, neighbours together; those without rows are nobody's."""
    numbers = [number for number, n in enumerate(rows) if n]
    return [block.tolist() for block in np.array_split(numbers, min(replicas, len(numbers)))]


class Scores:
    """Judges epochs on rows that are held out of each partition, or on partitions of their own."""

    trained_on = held_out = None

    def __init__(self, plan: Plan, data: Sequence[Any], engine: Any, *, held_out: bool) -> None:
        self._plan, self._data, self._engine, self._held_out = plan, data, engine, held_out

    def judge(self, model: Any, trainer: Any) -> tuple[float, float]:
        """Score and loss with the weights of ``trainer``."""
        state = getattr(trainer, "handle", None)
        if state is None:
            names = ("coefs", "intercepts")
            state = self._engine.submit(same, {name: getattr(trainer, name)() for name in names})
        sums = _submitted(
            self._engine,
            self._data,
            score,
            state,
            plan=self._plan,
            held_out=self._held_out,
        )
        # Held-out rows are of the partitions that are trained on.
        others = nullcontext() if self._held_out else behind("The validation data does not fit")
        with others:
            found, loss = total(self._engine.gather(sums), model)
        return (-loss if model.scoring == "loss" else found), loss


class Summed:
    """The objective of L-BFGS: `rustbp._training.objective.Objective` of rows that are elsewhere."""

    shapes: list[tuple[int, ...]]
    start: NDArray[Any]
    gradient: NDArray[Any]

    def __init__(self, model: Any, plan: Plan, data: Sequence[Any], engine: Any) -> None:
        parameters = [*model.coefs_, *model.intercepts_]
        self.shapes = [array.shape for array in parameters]
        self.start = np.concatenate([array.ravel() for array in parameters])
        self.gradient = np.empty_like(self.start)
        self._n_weights = sum(coef.size for coef in model.coefs_)
        self._alpha = float(model.alpha)
        self._plan, self._data, self._engine = plan, data, engine

    def parts(self, packed: NDArray[Any]) -> tuple[float, float]:
        """Cost and penalty; writes the gradient of their sum."""
        where = self._engine.submit(same, np.array(packed, dtype=self.gradient.dtype))
        sums = _submitted(
            self._engine,
            self._data,
            gradient,
            where,
            plan=self._plan,
        )
        (found,) = self._engine.gather([self._engine.submit(sum_of_gradients, *sums)])
        weight = found["weight"]
        if not weight:
            raise ZeroDivisionError("Weights sum to zero, can't be normalized")
        whole = found["gradient"] / weight
        weights = np.asarray(packed[: self._n_weights], dtype=np.float64)
        whole[: self._n_weights] += self._alpha * weights / weight
        self.gradient[:] = whole
        return found["cost"] / weight, float(self._alpha / 2 * np.square(weights).sum() / weight)

    def unpack(self, packed: NDArray[Any]) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
        """Coefs and intercepts, copied out of the packed vector."""
        arrays, start = [], 0
        for shape in self.shapes:
            end = start + int(np.prod(shape))
            arrays.append(packed[start:end].reshape(shape).astype(self.gradient.dtype))
            start = end
        half = len(arrays) // 2
        return arrays[:half], arrays[half:]
