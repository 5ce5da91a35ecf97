"""Workers of a Dask cluster that are killed at random moments: every fit ends, with the bits of one without that.

    python tests/torture/dask_kills.py --full

Two worker processes; 4 kills by ``SIGKILL``, 20 with --full: every other time of both workers in turn, every
other pair with data that is made anew.
"""

import argparse
import contextlib
import os
import random
import signal
import sys
import threading
import time
import warnings

import dask
import dask.array as da
import distributed
import numpy as np

from rustbp import MLPClassifier, partitions
from rustbp.dask import DaskMLPClassifier, engine

ROWS, N_PARTITIONS = 500, 24
OPTIONS = {
    "hidden_layer_sizes": (64,),
    "max_iter": 8,
    "n_iter_no_change": np.inf,
    "random_state": 0,
}


def part(number):
    rng = np.random.default_rng(number)
    X = rng.random((ROWS, 40), dtype=np.float32)
    return X, (X[:, :5].sum(axis=1) * 2).astype(int)


def weights(model):
    return b"".join(array.tobytes() for array in [*model.coefs_, *model.intercepts_])


def kill_after(cluster, seconds, number):
    # As their nannies know them: a call of a worker that is just being restarted would not come back.
    pids = [nanny.pid for nanny in cluster.workers.values() if nanny.pid]

    def kill():
        for pid in pids[:number]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.3)

    timer = threading.Timer(seconds, kill)
    timer.start()
    return timer


def two_workers(stack):
    cluster = stack.enter_context(
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        )
    )
    return cluster, stack.enter_context(distributed.Client(cluster))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    data = [part(i) for i in range(N_PARTITIONS)]
    expected = weights(partitions.fit(MLPClassifier(**OPTIONS), data, replicas=4))
    X = da.from_array(np.concatenate([X for X, _ in data]), chunks=(ROWS, 40))
    y = da.from_array(np.concatenate([y for _, y in data]), chunks=ROWS)
    right = 0
    times = 20 if given.full else 4
    rng = random.Random(0)
    # On a busy machine a worker takes longer to come back, after which the cluster gives it up, and so does a fit.
    dask.config.set({"distributed.deploy.lost-worker-timeout": "300s"})
    engine.PATIENCE = 300.0
    with contextlib.ExitStack() as stack:
        cluster, client = two_workers(stack)
        model = DaskMLPClassifier(**OPTIONS, replicas=4)
        began = time.monotonic()
        same = weights(model.fit(X, y)) == expected
        seconds = time.monotonic() - began
        print(
            f"without a kill: {'the same bits' if same else 'OTHER BITS'}, {seconds:.1f} s",
            flush=True,
        )
        for i in range(times):
            try:
                client.wait_for_workers(2, timeout=60)
            except TimeoutError:
                print("a worker did not come back in a minute: a new cluster", flush=True)
                stack.close()
                cluster, client = two_workers(stack)
            timer = kill_after(cluster, rng.uniform(0, seconds), 1 + i % 2)
            model = DaskMLPClassifier(**OPTIONS, replicas=4, persist=bool(i // 2 % 2))
            found = weights(model.fit(X, y)) == expected
            timer.join()
            right += found
            print(f"kill {i + 1}: {'the same bits' if found else 'OTHER BITS'}", flush=True)
    ok = same and right == times
    print(f"{right} of {times} kills left the result as it was")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
