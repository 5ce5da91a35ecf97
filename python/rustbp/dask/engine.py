"""Runs tasks on a Dask cluster: pure ones, none of which waits for another that runs at the same time."""

import asyncio
import itertools
import time
import uuid
import weakref
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import dask
import distributed
from distributed.scheduler import KilledWorker

from rustbp._warn import warn
from rustbp.dask.graphs import needs_of
from rustbp.dask.stuck import look
from rustbp.partitions import Engine

LOOKS_EVERY = 5.0
"""Seconds between two looks whether there are workers at all, and whether they may do what is to be done."""
LOOKS_OFTEN = 0.2
"""The same, once tasks have waited for workers that are gone: those of each epoch will."""
STAY_FOR, STAY_TASKS = 30.0, 1000
"""Seconds and tasks after which the state is sent from the client again: no more is made anew if all workers die, and
the scheduler has to know of no more."""
NOT_ROOTS = 5
"""To Dask, tasks that need one of fewer others are roots, which go to any worker that has nothing to do."""
PATIENCE = 60.0
"""Seconds to wait for a worker again."""
FIRST = 20.0
"""Seconds to wait for a first one."""


def client_of(estimator: Any) -> Any:
    """The client to train with.

    Raises
    ------
    RuntimeError
        If there is none, or it is closed, or has no workers.
    TypeError
        If it is none, or asynchronous.
    """
    client = estimator.client
    if client is None:
        try:
            client = distributed.default_client()
        except ValueError:
            raise RuntimeError(
                f"{type(estimator).__name__} needs a Dask client: distributed.Client(...), made before or passed as "
                "client."
            ) from None
    if not isinstance(client, distributed.Client):
        raise TypeError(f"client must be a distributed.Client; got {client!r}.")
    if client.asynchronous:
        raise TypeError(
            "client is asynchronous, and fit waits for its tasks: use a client made with asynchronous=False."
        )
    if client.status != "running":
        raise RuntimeError(
            f"client is {client.status}: connect a new one, and set_params(client=...)."
        )
    return client


class Part:
    """What a task is given of a partition: Dask's names for it, and futures if workers keep it.

    Parameters
    ----------
    delayed : list of Delayed
        X, y and weights, or one that has them all.
    futures : list of Future, default=None
        The same, in the memory of workers.
    number : int, default=None
        Of the partition, for errors.

    Attributes
    ----------
    reader : callable or None
        Makes all of it within a task, if that is possible.
    where : float
        Where it stands among all of them, from 0 to less than 1.
    home : str or None
        The worker that had it when it was settled.
    """

    delayed: list[Any]
    futures: Sequence[Any] | None
    number: int | None
    reader: Any = None
    where: float = 0.0
    home: str | None = None

    def __init__(
        self,
        delayed: Sequence[Any],
        futures: Sequence[Any] | None = None,
        number: int | None = None,
    ) -> None:
        self.delayed, self.futures, self.number = list(delayed), futures, number


class DaskEngine(Engine):
    """Submits tasks to a client; `using` makes one, and leaves none of its keys in the cluster.

    Parameters
    ----------
    client : distributed.Client
        A client that is running.
    replicas : int
        Tasks that run side by side.
    """

    client: Any
    workers: list[str]
    window: int
    n_threads: int | None

    def __init__(self, client: Any, replicas: int) -> None:
        self.client = client
        self._name, self._numbers = uuid.uuid4().hex[:12], itertools.count()
        self._own: weakref.WeakSet[Any] = weakref.WeakSet()
        self._loads: weakref.WeakSet[Any] = weakref.WeakSet()
        self._rounds: deque[Any] = deque()
        self._parts: dict[int, Part] = {}
        self._replicas, self._places = replicas, list[Any]()
        self._lost: set[Any] = set()
        self._look_every, self._in_vain, self._looked = LOOKS_EVERY, 0.0, time.monotonic()
        self._submitted, self._sent = 0, (0, time.monotonic())
        # Partitions that are made anew for the next round would be held by workers that wait for this one's average.
        self.window = 0
        threads = self._await_workers()
        self.workers = sorted(threads)
        fewest = min(threads.values())
        at_once = min(fewest, -(-replicas // len(threads)))
        # Also past OMP_NUM_THREADS, which Dask sets to 1 for workers.
        self.n_threads = max(1, fewest // at_once)

    def _await_workers(self) -> dict[str, int]:
        since, wanted = time.monotonic(), None
        while not (threads := self.client.nthreads()):
            # A cluster that adapts itself starts workers for tasks.
            wanted = wanted or self.submit(place)
            if time.monotonic() - since > FIRST:
                wanted.release()
                raise RuntimeError(
                    f"The cluster of the client has had no workers for {FIRST:g} seconds; wait_for_workers(1) waits "
                    "for one, and adapt(minimum=1) keeps one."
                )
            time.sleep(0.1)
        return threads

    def submit(self, function: Any, *args: Any, **options: Any) -> Any:
        """Have a function called on a worker; parts stand for what they have."""
        given, call = [], function
        for arg in args:
            if not isinstance(arg, Part):
                given.append(arg)
            elif arg.futures or arg.reader is None:
                given += arg.futures or self.load(arg)
            else:
                given, call = [self._place(arg), function, *given, arg.reader], placed
        key = f"rustbp-{function.__name__}-{self._name}-{next(self._numbers)}"
        with self._explained(), _large_graphs():
            # Dask takes what is submitted within a moment for equally urgent, unless it is told not to.
            future = self.client.submit(
                call, *given, key=key, pure=False, fifo_timeout="0 ms", **options
            )
        self._own.add(future)
        self._submitted += 1
        return future

    def _place(self, part: Part) -> Any:
        """A future that is on one of the workers, another one for each replica.

        Dask has a task run where something is that it needs, and otherwise has it stolen late or never: where workers
        do not have the rows, all tasks of a round would be where the state is.
        """
        if not self._places:
            self._places = [self.submit(place) for _ in range(max(self._replicas, NOT_ROOTS))]
        return self._places[int(part.where * self._replicas)]

    def load(self, part: Part) -> list[Any]:
        """Futures of a part, which workers have as long as a task needs them, or these are held."""
        # Without a wish for a worker: in a trial a task with one (allow_other_workers=True), which became ready while
        # there was no worker at all, was never run.
        if part.number is not None:
            self._parts[part.number] = part
        with self._explained():
            futures = list(self.client.compute(part.delayed))
        self._loads.update(futures)
        return futures

    def gather(self, handles: Sequence[Any]) -> list[Any]:
        """The results.

        Raises
        ------
        RuntimeError
            If data was lost with its worker, tasks kill their workers, or there is no worker any more.
        """
        handles = list(handles)
        # Others for the next epoch, as workers come and go.
        self._places = []
        self._wait(handles)
        with self._explained():
            # Not the client's own wait, which ends only with an answer: what is lost on its way is made anew.
            coming = asyncio.run_coroutine_threadsafe(
                self.client.gather(handles, asynchronous=True), self.client.loop.asyncio_loop
            )
            try:
                while True:
                    try:
                        return list(coming.result(self._look_every))
                    except TimeoutError:
                        if coming.done():
                            raise
                        self._look(handles)
            finally:
                coming.cancel()

    def _wait(self, futures: Sequence[Any]) -> None:
        """Wait until tasks have run, and look now and then why they have not."""
        # distributed.wait asks the present client, whoever had the tasks submitted.
        with self._explained(), self.client.as_current():
            while True:
                try:
                    distributed.wait(futures, timeout=self._look_every, return_when="ALL_COMPLETED")
                    return
                except (TimeoutError, distributed.TimeoutError):
                    self._look(futures)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Have errors say what to do."""
        try:
            yield
        except KilledWorker as error:
            raise RuntimeError(
                f"A task killed its workers, again and again, perhaps for want of memory: {error} Smaller partitions, "
                "or persist=False, need less."
            ) from error
        except (distributed.CancelledError, asyncio.CancelledError) as error:
            why = self._loss() if self.client.status == "running" else self._disconnected()
            raise RuntimeError(why) from error
        except Exception as error:
            # Whatever it says then.
            if self.client.status not in ("running", "connecting"):
                raise RuntimeError(self._disconnected()) from error
            raise

    def _disconnected(self) -> str:
        return f"The client is {self.client.status}, and training stopped: it was closed, or lost its scheduler."

    def _loss(self) -> str:
        """What to say of data that is nowhere any more."""
        lost = [number for number, part in sorted(self._parts.items()) if self._needs_lost(part)]
        what = "Data"
        if lost:
            names = ", ".join(map(str, lost[:10])) + (", ..." if len(lost) > 10 else "")
            what = f"Partition {names}" if len(lost) == 1 else f"Data of partitions {names}"
        return (
            f"{what} was lost with the worker that had it, and there is nothing to make it anew from: it was "
            "scattered, somebody cancelled it, or it is another client's. Give fit a collection that Dask can compute "
            "again, of files or of functions; it may be persisted."
        )

    def _needs_lost(self, part: Part) -> bool:
        """Whether the graph of a part has a future of the caller whose data is nowhere."""
        for delayed in part.delayed:
            graph = dict(delayed.__dask_graph__())
            # Only what this part is made of: blocks of an array all have the graph of the whole.
            seen, waiting = {delayed.key}, [delayed.key]
            while waiting:
                key = waiting.pop()
                state = None if key in graph else self.client.futures.get(key)
                if state is not None and state.status in ("cancelled", "lost"):
                    return True
                needs = needs_of(graph.get(key), graph) - seen
                seen |= needs
                waiting += needs
        return False

    def _look(self, futures: Sequence[Any]) -> None:
        """See to it that nobody waits for what will never be.

        Raises
        ------
        RuntimeError
            If the client is closed, there have been no workers for a while, or none that may run a task.
        """
        if self.client.status not in ("running", "connecting"):
            raise RuntimeError(self._disconnected())
        found = look(self.client, futures)
        # Twice, as it might have been on its way.
        lost, self._lost = self._lost & {*found["lost"]}, {*found["lost"]}
        if lost:
            raise RuntimeError(self._loss())
        if found["freed"] and self._look_every == LOOKS_EVERY:
            self._look_every = LOOKS_OFTEN
            warn(
                "No worker is left of those that the data is to be made on (workers=...): it is made on others."
            )
        # Where this process itself was stopped for a while, so may the workers have been: that does not count.
        now = time.monotonic()
        since, self._looked = min(now - self._looked, 2 * self._look_every), now
        has_workers = bool(self.client.nthreads())
        if has_workers and not found["stuck"]:
            self._in_vain = 0.0
            return
        self._in_vain += since
        if self._in_vain <= PATIENCE:
            return
        if not has_workers:
            raise RuntimeError(
                f"The cluster has had no workers for {PATIENCE:g} seconds; training stopped."
            )
        key, needs = next(iter(found["stuck"].items()))
        raise RuntimeError(
            f"No worker has had what task {key!r} needs, {needs}, for {PATIENCE:g} seconds; training stopped."
        )

    def arranged(self, parts: Sequence[Any]) -> Sequence[int]:
        """The workers that have them take turns.

        Dask decides for one task after another, and has it run where its partition is, unless another worker has less
        to do so far: then that one fetches a copy.
        """
        given: Counter[Any] = Counter()
        turns = []
        for number, (part,) in enumerate(parts):
            turns.append((given[part.home], number))
            given[part.home] += 1
        return [number for _, number in sorted(turns)]

    def round_ends(self, state: Any) -> None:
        """Wait until this round is done; where workers keep the partitions, until the one before last is."""
        self._rounds.append(state)
        if len(self._rounds) > self.window:
            self._wait([self._rounds.popleft()])

    def may_stay(self) -> bool:
        """Where workers keep the partitions, for a while.

        The scheduler knows every task that led to the state. Those that make a partition may have all of its rows.
        """
        tasks, since = self._sent
        now = time.monotonic()
        if self.window and self._submitted < tasks + STAY_TASKS and now < since + STAY_FOR:
            return True
        self._sent = self._submitted, now
        return False

    def keep(self, parts: Sequence[Part]) -> None:
        """Have workers keep these, those of a replica together where nothing else decides.

        Dask deals out what is in no array or data frame one by one. Then half of a round's partitions may be with one
        worker, and others fetch copies, which stay.
        """
        if any(part.reader is not None for part in parts):
            # While workers have nothing to do, so that each gets as many.
            self._place(parts[0])
            self._wait(self._places)
        for part in parts:
            if part.reader is None:
                part.futures = self.load(part)
                continue
            made = self.submit(kept, part)
            # Apart, as some tasks need only one of them.
            n = len(part.delayed)
            part.futures = [made] if n == 1 else [self.submit(item, made, i) for i in range(n)]
        self._wait([future for part in parts for future in part.futures or ()])
        self.settle(parts)

    def settle(self, parts: Sequence[Part]) -> None:
        """Note where these are, which workers have from now on."""
        firsts = [part.futures[0] for part in parts if part.futures]
        with self._explained():
            homes = self.client.who_has(firsts)
        for part, first in zip(parts, firsts, strict=True):
            part.home = next(iter(homes.get(first.key, ())), None)
        self.window = 2

    def close(self) -> None:
        """Let go of everything: the scheduler forgets what nobody wants, and workers stop what has not begun."""
        self._rounds.clear()
        self._places.clear()
        # Not cancelled: of a task that depends on another one and that nobody holds any more, the scheduler (2026.8)
        # then fails, and closes the client's connection.
        for future in [*self._loads, *self._own]:
            future.release()


def place() -> None:
    """Stands for a worker."""


def kept(read: Any) -> Any:
    """A partition."""
    return read()


def item(blocks: Sequence[Any], number: int) -> Any:
    """One of its blocks."""
    return blocks[number]


def placed(_: None, function: Any, *args: Any, **options: Any) -> Any:
    """Call a function where something else is, too."""
    return function(*args, **options)


@contextmanager
def using(client: Any, replicas: int) -> Iterator[DaskEngine]:
    """An engine, closed whatever happens."""
    engine = DaskEngine(client, replicas)
    try:
        yield engine
    finally:
        engine.close()


def _large_graphs() -> Any:
    # A state of some megabytes belongs into its task: what is scattered is lost with a worker.
    return dask.config.set({"distributed.admin.large-graph-warning-threshold": "10 GB"})
