"""Members trained side by side: each by one thread at a time, and all of them about equally far at any moment."""

import heapq
import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from sklearn.exceptions import ConvergenceWarning

from rustbp import _core
from rustbp._warn import warn
from rustbp.tabular.member import Member


class Rounds:
    """The epochs of all members, in rounds.

    A thread takes the member that is least far, trains one epoch of it, and puts it back: so threads are busy to the
    end, whatever the number of members, and a fit that is cut short has members that are equally good. A member draws
    from a generator of its own, and its numbers do not depend on who trains it.

    Parameters
    ----------
    members : list of Member
        To be trained.
    n_threads : int
        Threads that share them.
    max_time : float or None
        Seconds after which no epoch begins, once each member has had one.
    """

    def __init__(self, members: Sequence[Member], n_threads: int, max_time: float | None) -> None:
        self._members = members
        self._waiting = [(0, number) for number in range(len(members))]
        self._n_threads = min(n_threads, len(members))
        self._lock = threading.Lock()
        self._stop = _core.Stop()
        self._max_time = max_time
        self._deadline = math.inf if max_time is None else time.monotonic() + max_time

    def run(self) -> None:
        """Train until all are done, the time is up, or Ctrl-C is pressed."""
        try:
            if self._n_threads == 1:
                # Here, where signals arrive.
                self._work()
            else:
                self._share_out()
        except KeyboardInterrupt:
            if not all(member.epochs_done for member in self._members):
                raise
            warn("Training interrupted by user.")
            return
        if not all(member.is_done for member in self._members):
            epochs = min(member.epochs_done for member in self._members if not member.is_done)
            warn(
                f"max_time={self._max_time} seconds have passed (in epoch {epochs}), and the members are not fully "
                "trained.",
                ConvergenceWarning,
            )

    def _share_out(self) -> None:
        with ThreadPoolExecutor(self._n_threads) as pool:
            try:
                for future in [pool.submit(self._work) for _ in range(self._n_threads)]:
                    future.result()
            except BaseException:
                # The others end with the mini-batch that they are in.
                self._stop.set()
                raise

    def _work(self) -> None:
        while (number := self._next()) is not None:
            member = self._members[number]
            seconds = None if self._deadline == math.inf else self._deadline - time.monotonic()
            member.epoch(seconds, self._stop)
            if not member.is_done:
                with self._lock:
                    heapq.heappush(self._waiting, (member.epochs_done, number))

    def _next(self) -> int | None:
        """The member that is least far, among those that nobody trains; None if there is nothing to do."""
        with self._lock:
            if self._stop.is_set() or not self._waiting:
                return None
            epochs, number = self._waiting[0]
            if epochs > 0 and time.monotonic() >= self._deadline:
                return None
            heapq.heappop(self._waiting)
            return number
