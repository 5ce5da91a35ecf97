"""Clusters of worker processes on this machine, for the tests of Dask; `conftest.py` makes fixtures of them."""

import contextlib
import os
import subprocess
import sys
import time

import dask
import distributed
import pytest

# What Dask itself leaves open, for `pytestmark`.
WARNINGS = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
# On a busy machine a worker takes longer to come back, after which the cluster gives it up.
PATIENT = {"distributed.worker.daemon": False, "distributed.deploy.lost-worker-timeout": "120s"}


@contextlib.contextmanager
def two_workers():
    """A cluster of two processes of one thread, each started again when it dies."""
    with (
        dask.config.set(PATIENT),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
    ):
        yield cluster


@contextlib.contextmanager
def bare_workers(number):
    """A client and the processes of workers that nobody starts again."""
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0", processes=True) as cluster,
        distributed.Client(cluster) as client,
    ):
        command = [sys.executable, "-m", "distributed.cli.dask_worker", client.scheduler.address]
        command += ["--no-nanny", "--no-dashboard", "--nthreads", "1"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        # They import what the functions of a test come from.
        path = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        running = [subprocess.Popen(command, env=path, **quiet) for _ in range(number)]
        try:
            client.wait_for_workers(number, timeout=60)
            yield client, running
        finally:
            for process in running:
                process.kill()
                process.wait()


def assert_nothing_is_left(client):
    """No key of ours is in the cluster, or soon will not be: a client lets go of them in its own time."""
    deadline = time.monotonic() + 20
    while left := client.run_on_scheduler(_ours):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def _ours(dask_scheduler):
    return [str(key) for key in dask_scheduler.tasks if "rustbp" in str(key)]
