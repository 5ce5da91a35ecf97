"""Looks on the scheduler at what keeps tasks from running, where they would wait for ever."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any


def look(client: Any, futures: Sequence[Any]) -> dict[str, Any]:
    """What tasks wait for that have not run; those that wait for workers which are gone may run anywhere from now on.

    Parameters
    ----------
    client : distributed.Client
        That is running.
    futures : sequence of Future
        Tasks that somebody waits for.

    Returns
    -------
    found : dict
        ``lost``, keys of data that is nowhere and cannot be made; ``freed``, keys of tasks whose workers were gone;
        ``stuck``, keys of others that no worker may run, with the resources that they ask for. Nothing, if the
        scheduler lets nobody look.
    """
    found: dict[str, Any] = {"lost": [], "freed": [], "stuck": {}}
    pending = [future.key for future in futures if not future.done()]
    # Some schedulers run no functions of clients; then this help is not to be had.
    with contextlib.suppress(Exception):
        found |= client.run_on_scheduler(_looking(), keys=pending)
    return found


def _looking() -> Callable[..., dict[str, Any]]:
    # Defined here so that it travels as code: a scheduler need not have rustbp.
    def looking(dask_scheduler: Any, keys: Any) -> dict[str, Any]:
        lost, freed, stuck = [], {}, {}
        seen, waiting = set(keys), list(keys)
        while waiting:
            key = waiting.pop()
            task = dask_scheduler.tasks.get(key)
            if task is None:
                continue  # It is on its way.
            if getattr(task, "has_lost_dependencies", False):
                lost.append(key)
                continue
            if task.state == "no-worker":
                running = dask_scheduler.running
                hints = task.worker_restrictions or task.host_restrictions
                if hints and running and not dask_scheduler.valid_workers(task) & running:
                    # Of another one nothing is known; where a task needs resources it goes on needing them.
                    task.worker_restrictions = task.host_restrictions = None
                    freed[key] = "processing"
                if task.resource_restrictions:
                    stuck[key] = dict(task.resource_restrictions)
            elif task.run_spec is None:
                lost.append(key)
            for other in task.dependencies:
                if other.state not in ("memory", "processing") and other.key not in seen:
                    seen.add(other.key)
                    waiting.append(other.key)
        if freed:
            dask_scheduler.transitions(freed, "rustbp-frees-tasks")
        return {"lost": lost, "freed": list(freed), "stuck": stuck}

    return looking
