"""How many threads a call may use, and who can see and limit that."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import threadpoolctl

import rustbp
from rustbp import MLPClassifier

RNG = np.random.default_rng(0)
X = RNG.standard_normal((2000, 200))
Y = X[:, 0] > 0

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def ours():
    return [info for info in threadpoolctl.threadpool_info() if info["user_api"] == "rustbp"]


def test_threadpoolctl_lists_the_core():
    [info] = ours()
    assert info["internal_api"] == "rustbp"
    assert info["version"] == rustbp.__version__
    assert info["num_threads"] == rustbp.get_num_threads()


def test_threadpoolctl_limits_and_restores():
    before = rustbp.get_num_threads()
    for limit in (1, 3):
        with threadpoolctl.threadpool_limits(limit):
            assert rustbp.get_num_threads() == ours()[0]["num_threads"] == limit
        assert rustbp.get_num_threads() == before
    with threadpoolctl.threadpool_limits({"rustbp": 5}):
        assert rustbp.get_num_threads() == 5
    with threadpoolctl.threadpool_limits({"blas": 1}):
        assert rustbp.get_num_threads() == before


def most_threads(call):
    """The most threads of the core at once, as /proc names them, while ``call`` runs in another thread."""
    most = 0
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(call)
        while not running.done():
            # By name: a thread of the epoch before, on its way out, has that of one which has just begun.
            names = set()
            for task in Path("/proc/self/task").glob("*/comm"):
                try:
                    names.add(task.read_text())
                except (FileNotFoundError, ProcessLookupError):
                    continue
            most = max(most, sum(name.startswith("rustbp-") for name in names))
        running.result()
    # The thread that leads is not started for the purpose, and has another name.
    return most + 1


def fit(n_threads=None):
    model = MLPClassifier(
        hidden_layer_sizes=(300, 300), n_threads=n_threads, max_iter=3, tol=0, random_state=0
    )
    return most_threads(lambda: model.fit(X, Y))


@linux
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_fit_keeps_to_its_threads():
    assert fit(n_threads=3) == 3
    with threadpoolctl.threadpool_limits(1):
        assert fit() == 1
        assert fit(n_threads=2) == 2
    with threadpoolctl.threadpool_limits(2):
        assert fit() == 2


@pytest.mark.parametrize(("value", "expected"), [("1", 1), ("3", 3), ("5,2", 5), ("70", 64)])
def test_omp_num_threads(monkeypatch, value, expected):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert rustbp.get_num_threads() == expected


@linux
@pytest.mark.parametrize("value", ["", "0", "-1", "many"])
def test_without_a_number_there_the_processors_of_the_process(monkeypatch, value):
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, [min(before)])
        assert rustbp.get_num_threads() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_a_restored_limit_is_none(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with threadpoolctl.threadpool_limits(1):
        pass
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert rustbp.get_num_threads() == 3


@pytest.mark.parametrize("n", [0, -1, 1.5, "2", 10**30])
def test_bad_limits(n):
    with pytest.raises((ValueError, TypeError, OverflowError)):
        rustbp.set_num_threads(n)


def test_a_limit_for_a_block(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with rustbp.set_num_threads(2):
        assert rustbp.get_num_threads() == 2
        with pytest.raises(KeyError), rustbp.set_num_threads(1):
            raise KeyError
        assert rustbp.get_num_threads() == 2
    assert rustbp.get_num_threads() == 3


def test_none_takes_a_limit_back(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    rustbp.set_num_threads(2)
    assert rustbp.get_num_threads() == 2
    rustbp.set_num_threads(None)
    assert rustbp.get_num_threads() == 3
    with pytest.raises(ValueError, match="n must be at least 1; got -1"):
        rustbp.set_num_threads(-1)


NESTED = """
import os, joblib, rustbp
from rustbp._training.threads import allowed
def threads(): return allowed(None) or rustbp.get_num_threads()
def main():
    with joblib.parallel_backend(backend=BACKEND, n_jobs=2):
        print(max(joblib.Parallel()(joblib.delayed(threads)() for _ in range(2))))
if __name__ == "__main__":
    main()
"""


@linux
@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_a_process_of_joblib_has_its_part_of_the_processors(backend):
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    run = subprocess.run(
        [sys.executable, "-c", NESTED.replace("BACKEND", repr(backend))],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) <= max(1, len(os.sched_getaffinity(0)) // 2)


# The handler runs in the middle of the first call; parent and child both go on with that call when it has ended.
FORK = """
import os, signal
import numpy as np
from rustbp import _core

coefs, intercepts = [np.ones((500, 500))] * 3, [np.zeros(500)] * 3
X = np.broadcast_to(np.ones(500), (ROWS, 500))
parent, children = os.getpid(), []

def forward(rows):
    return _core.forward(X[:rows], coefs, intercepts, activation="relu", output_activation="identity")

def ring(*_):
    child = os.fork()
    if child:
        children.append(child)
    else:
        forward(10)

signal.signal(signal.SIGALRM, ring)
signal.setitimer(signal.ITIMER_REAL, 0.05)
expected = forward(ROWS)[0]
while os.getpid() == parent and not children:
    forward(ROWS)
assert all(np.array_equal(forward(rows)[0], expected) for rows in (10, 20, 30))
if os.getpid() == parent:
    [child] = children
    assert os.waitpid(child, 0)[1] == 0
"""


@linux
def test_a_handler_may_fork_in_the_middle_of_a_call():
    """The child counts the calls that are at work in it anew, and the end of its parent's is none of them."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", FORK.replace("ROWS", "6000")]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    assert run.returncode == 0, run.stderr
