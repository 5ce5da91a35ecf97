"""How many threads the core may use."""

from rustbp import _core


def get_num_threads() -> int:
    """Threads that estimators with ``n_threads=None`` use at most.

    Returns
    -------
    n : int
        What `set_num_threads` set, else what the environment variable ``OMP_NUM_THREADS`` says, else the processors
        that the process may use; 64 at most.
    """
    return _core.get_num_threads()


class Limit:
    """What `set_num_threads` gives back: as a context manager it restores the limit of before."""

    def __init__(self, before: int) -> None:
        self._before = before

    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None:
        _core.set_num_threads(self._before)


def set_num_threads(n: int | None) -> Limit:
    """Limit the threads that estimators with ``n_threads=None`` use, in this process.

    Results do not depend on it. ``threadpoolctl.threadpool_limits`` limits them too.

    Parameters
    ----------
    n : int or None
        From 1; more than 64 count as 64. None takes the limit back.

    Returns
    -------
    limit : context manager
        ``with set_num_threads(1): ...`` restores what was before at the end of the block. Without ``with`` the limit
        stays.

    Raises
    ------
    ValueError
        If `n` is below 1.

    TypeError
        If `n` is no integer.

    Examples
    --------
    >>> import rustbp
    >>> with rustbp.set_num_threads(1):
    ...     rustbp.get_num_threads()
    1
    """
    limit = Limit(_core.get_num_threads())
    _core.set_num_threads(n)
    return limit
