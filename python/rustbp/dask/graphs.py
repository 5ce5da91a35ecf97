"""What tasks of Dask's graphs need."""

from collections.abc import Hashable, Mapping
from typing import Any

import distributed


def needs_of(task: Any, graph: Mapping[Any, Any]) -> set[Any]:
    """The keys that a task of a graph needs, those of the caller's futures among them."""
    if hasattr(task, "dependencies"):
        return set(task.dependencies)
    # Futures, and what older versions of Dask make tasks of: tuples of a function, keys, futures, values and lists.
    found, waiting = set(), [task]
    while waiting:
        item = waiting.pop()
        if isinstance(item, distributed.Future):
            found.add(item.key)
        elif isinstance(item, Hashable) and _is_in(item, graph):
            found.add(item)
        elif isinstance(item, dict):
            waiting += item.values()
        elif isinstance(item, list | tuple):
            waiting += item
    return found


def _is_in(key: Hashable, graph: Mapping[Any, Any]) -> bool:
    try:
        return key in graph
    except TypeError:  # A tuple with something that cannot be hashed.
        return False
