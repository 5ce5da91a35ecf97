"""Worker processes, and the turns they take.

Every contender lives in a process of its own: thread pools of one library (OpenMP's, BLAS's, XLA's) must not run, or
spin, while another library is timed, and what one leaves in memory must not help or hinder the next. The process stays
for the whole run, so that it imports its library once, and waits for its turn blocked on a pipe. Before each turn there
is a pause in which the threads of the turn before stop spinning (`PAUSE`); the CPU time that anything else used during
a turn is measured, and reported where it matters.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

# GNU OpenMP and OpenBLAS stop spinning within some 20 ms, LLVM's OpenMP after 200 ms.
PAUSE = 0.25
HERE = Path(__file__).resolve().parent
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
# Settings for old builds of OpenBLAS, which take kernels and block sizes from the current ones that do not fit the
# processor.
DROPPED_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


class Absent(Exception):
    """The contender cannot run here; the message says why."""


def environment(threads):
    """The variables of a process that is timed: the same for all contenders."""
    kept = {name: value for name, value in os.environ.items() if name not in DROPPED_VARIABLES}
    return kept | dict.fromkeys(THREAD_VARIABLES, str(threads))


class Worker:
    """A script of this folder as a process that answers one line of JSON to each line it is sent."""

    def __init__(self, script, job, *, threads):
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / script), json.dumps(job | {"threads": threads})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(threads),
            start_new_session=True,
            preexec_fn=lambda: _pin(threads),
        )
        # What it says of itself, once it is ready.
        self.introduction = None

    def ready(self):
        """Wait, at the first call, until it has imported its library; return what it says of itself."""
        if self.introduction is None:
            self.introduction = self._answer()
        return self.introduction

    def ask(self, **command):
        """Send a command, wait for the answer."""
        self._process.stdin.write(f"{json.dumps(command)}\n")
        self._process.stdin.flush()
        return self._answer()

    def turn(self, disturbance, **command):
        """Ask after a pause; append to a list the share of the processors that other processes used meanwhile."""
        time.sleep(PAUSE)
        before = _cpu_seconds(self._process.pid)
        answer = self.ask(**command)
        after = _cpu_seconds(self._process.pid)
        if before and after:
            everything, own, capacity = (b - a for a, b in zip(before, after, strict=True))
            disturbance.append(max(0.0, everything - own) / max(capacity, 0.01))
        return answer

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            message = self._process.communicate()[1].strip().splitlines()
            raise RuntimeError(f"a worker ended: {message[-1] if message else 'no message'}")
        answer = json.loads(line)
        if "absent" in answer:
            raise Absent(answer["absent"])
        return answer

    def close(self):
        self._process.kill()
        self._process.communicate()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def _cpu_seconds(pid):
    """CPU time used by all processes, by this one, and that there was (Linux), else None."""
    try:
        ticks = [int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        own = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    idle = ticks[3] + ticks[4]
    per_second = os.sysconf("SC_CLK_TCK")
    return (
        (sum(ticks) - idle) / per_second,
        (int(own[11]) + int(own[12])) / per_second,
        sum(ticks) / per_second,
    )


def _pin(threads):
    """Leave a process so many processors: a library that counts them gets no more threads than the others."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, _processors(threads))


def _processors(count):
    """So many of the processors this process may use, no two of them on one core while there are others."""
    allowed = sorted(os.sched_getaffinity(0))
    try:
        siblings = [
            Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text()
            for cpu in allowed
        ]
    except OSError:
        return allowed[:count]
    repeated = [siblings.index(core) < place for place, core in enumerate(siblings)]
    return [cpu for _, cpu in sorted(zip(repeated, allowed, strict=True))][:count]


class Channel:
    """The worker's end: answers go to the real stdout, whatever else is printed goes to stderr."""

    def __init__(self):
        self.job = json.loads(sys.argv[1])
        # Asked before any other library brings a BLAS of its own.
        self._blas = numpys_blas()
        self._answers = sys.stdout
        sys.stdout = sys.stderr

    def introduce(self, **what):
        """Say that the worker is ready, and with which BLAS NumPy works in it."""
        self.answer(blas=self._blas, **what)

    def answer(self, **what):
        print(json.dumps(what), file=self._answers, flush=True)

    def command(self):
        """The next command; the process ends when there are no more."""
        line = sys.stdin.readline()
        if not line:
            os._exit(0)
        return json.loads(line)


def numpys_blas():
    """Name, version and kernels of the BLAS that NumPy has loaded, in words."""
    import numpy  # noqa: F401
    from threadpoolctl import threadpool_info

    found = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    if not found:
        return "not known to threadpoolctl"
    pool = found[0]
    return (
        f"{pool['internal_api']} {pool['version']}, kernels {pool.get('architecture', 'unknown')}"
    )
