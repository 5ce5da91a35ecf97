"""Runs tasks on a Dask cluster: pure ones, none of which waits for another that runs at the same time."""

import itertools
import time
import uuid
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import dask
import distributed
from distributed.client import FutureCancelledError
from distributed.scheduler import KilledWorker

from rustbp.partitions import Engine

LOOKS_EVERY = 5.0
"""Seconds between two looks whether there are workers at all."""
PATIENCE = 60.0
"""Seconds to wait for a first worker, or for one again."""


def client_of(estimator: Any) -> Any:
    """The client to train with.

    Raises
    ------
    RuntimeError
        If there is none, or it is closed, or has no workers.
    TypeError
        If it is asynchronous.
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
    """

    delayed: list[Any]
    futures: Sequence[Any] | None

    def __init__(self, delayed: Sequence[Any], futures: Sequence[Any] | None = None) -> None:
        self.delayed, self.futures = list(delayed), futures


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
        self.window = 1
        threads = self._await_workers()
        self.workers = sorted(threads)
        fewest = min(threads.values())
        at_once = min(fewest, -(-replicas // len(threads)))
        # Also past OMP_NUM_THREADS, which Dask sets to 1 for workers.
        self.n_threads = max(1, fewest // at_once)

    def _await_workers(self) -> dict[str, int]:
        since = time.monotonic()
        while not (threads := self.client.nthreads()):
            if time.monotonic() - since > min(PATIENCE, 10.0):
                raise RuntimeError(
                    "The cluster of the client has no workers; wait_for_workers(1) waits for one."
                )
            time.sleep(0.1)
        return threads

    def submit(self, function: Any, *args: Any, **options: Any) -> Any:
        """Have a function called on a worker; parts stand for what they have."""
        given = []
        for arg in args:
            if isinstance(arg, Part):
                given += arg.futures or self.load(arg)
            else:
                given.append(arg)
        key = f"rustbp-{function.__name__}-{self._name}-{next(self._numbers)}"
        with _large_graphs():
            future = self.client.submit(function, *given, key=key, pure=False, **options)
        self._own.add(future)
        return future

    def load(self, part: Part) -> list[Any]:
        """Futures of a part, which workers have as long as a task needs them, or these are held."""
        # Without a wish for a worker: in a trial a task with one (allow_other_workers=True), which became ready while
        # there was no worker at all, was never run.
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
        try:
            self._wait(handles)
            return self.client.gather(handles)
        except KilledWorker as error:
            raise RuntimeError(
                f"A task killed its workers, again and again, perhaps for want of memory: {error} Smaller partitions, "
                "or persist=False, need less."
            ) from error
        except (FutureCancelledError, distributed.CancelledError) as error:
            raise RuntimeError(
                f"Data was lost with its worker, and there is nothing to make it anew from: {error}. Give fit a "
                "collection that Dask can compute again (from files, or persisted), not one that was scattered."
            ) from error

    def _wait(self, futures: Sequence[Any]) -> None:
        without_workers = None
        while True:
            try:
                distributed.wait(futures, timeout=LOOKS_EVERY, return_when="ALL_COMPLETED")
                return
            except (TimeoutError, distributed.TimeoutError):
                pass
            if self.client.status not in ("running", "connecting"):
                raise RuntimeError(f"The client is {self.client.status}.")
            if self.client.nthreads():
                without_workers = None
                continue
            without_workers = without_workers or time.monotonic()
            if time.monotonic() - without_workers > PATIENCE:
                raise RuntimeError(
                    f"The cluster has had no workers for {PATIENCE:g} seconds; training stopped."
                )

    def round_ends(self, state: Any) -> None:
        """Wait until the round before last is done: the next one is read while this one trains."""
        self._rounds.append(state)
        if len(self._rounds) > self.window:
            self._wait([self._rounds.popleft()])

    def keep(self, parts: Sequence[Part]) -> None:
        """Have workers keep these."""
        for part in parts:
            part.futures = self.load(part)
        self._wait([future for part in parts for future in part.futures or ()])
        self.window = 2

    def close(self) -> None:
        """Let go of everything: cancel what is ours, and only release what others may have too."""
        self._rounds.clear()
        own = list(self._own)
        if own and self.client.status == "running":
            self.client.cancel(own, force=True)
        for future in [*self._loads, *own]:
            future.release()


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
