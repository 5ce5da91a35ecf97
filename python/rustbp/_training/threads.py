"""The core's threads among those that ``threadpoolctl`` lists and limits.

``threadpoolctl`` loads a library it knows by the beginning of its file name, and asks it by C functions, which the
native module exports.
"""

import os
from multiprocessing import parent_process

import threadpoolctl
from joblib.parallel import get_active_backend

from rustbp import _core


def allowed(n_threads: int | None) -> int | None:
    """``n_threads`` for a call of the core: 1 instead of None in a process of joblib's multiprocessing backend.

    joblib tells the processes of its loky backend by ``OMP_NUM_THREADS`` how many threads are theirs, but not those of
    the other one.
    """
    if n_threads is None and parent_process() is not None and "OMP_NUM_THREADS" not in os.environ:
        backend, _ = get_active_backend()
        if backend.nesting_level:
            return 1
    return n_threads


class RustbpController(threadpoolctl.LibController):
    """Lists and limits what calls with ``n_threads=None`` may use; an explicit ``n_threads`` goes before it."""

    user_api = "rustbp"
    internal_api = "rustbp"
    filename_prefixes = ("_core.abi3", "_core.cp")
    check_symbols = ("rustbp_get_num_threads", "rustbp_set_num_threads")

    def get_num_threads(self) -> int:
        return self.dynlib.rustbp_get_num_threads()

    def set_num_threads(self, num_threads: int) -> None:
        self.dynlib.rustbp_set_num_threads(num_threads)

    def get_version(self) -> str:
        return _core.__version__


threadpoolctl.register(RustbpController)
