"""One BLAS thread while SciPy minimises: its others would spin beside the core's threads between two of its calls."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sklearn.utils.parallel import _get_threadpool_controller

_lock = threading.Lock()
_users = 0
_before: list[tuple[Any, int]] = []
"""What the last of several users at the same time restores: most libraries have one number for the whole process."""


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Limit BLAS, in any number of threads and in fits inside fits."""
    mine = _enter()
    try:
        yield
    finally:
        _leave(mine)


def _enter() -> list[tuple[Any, int]]:
    """Returns what only this thread can restore."""
    global _users
    mine = []
    with _lock:
        _users += 1
        # scikit-learn's controller is made once: looking for libraries takes milliseconds.
        for library in _get_threadpool_controller().select(user_api="blas").lib_controllers:
            number = library.num_threads
            if number is not None and number > 1:
                _set(library, 1)
                # With OpenMP, each thread has a number of its own.
                own = getattr(library, "threading_layer", None) == "openmp"
                (mine if own else _before).append((library, number))
    return mine


def _leave(mine: list[tuple[Any, int]]) -> None:
    global _users
    with _lock:
        _users -= 1
        _restore(mine)
        if _users == 0:
            _restore(_before)


def _restore(numbers: list[tuple[Any, int]]) -> None:
    # The number that was there first is set last.
    while numbers:
        library, number = numbers.pop()
        # Another one was set meanwhile, by somebody who wants it.
        if library.num_threads == 1:
            _set(library, number)


def _set(library: Any, number: int) -> None:
    # threadpoolctl 3.8 lets only one thread set the number; others do nothing. Here they take turns.
    give_up = getattr(library, "clear_controlling_thread", lambda force: None)
    give_up(force=True)
    library.set_num_threads(number)
    give_up(force=True)


def _begin_anew() -> None:
    """In a child process that was forked during a fit, which goes on in the parent alone."""
    global _lock, _users
    _lock, _users = threading.Lock(), 0
    _restore(_before)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
