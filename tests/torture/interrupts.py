"""Ctrl-C at random moments of a fit whose one epoch takes seconds: how long until `fit` is back.

After each the model has to predict, and to take another fit.

    python tests/torture/interrupts.py --quick | --full
"""

import argparse
import os
import signal
import sys
import threading
import time
import warnings

import numpy as np

from rustbp import MLPRegressor

COUNT = {"quick": 3, "full": 100}
LATEST = 0.2
"""Seconds, for the 99th percentile."""


def interrupt_after(delay, sent):
    time.sleep(delay)
    sent.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    size = parser.add_mutually_exclusive_group(required=True)
    for name, count in COUNT.items():
        size.add_argument(f"--{name}", dest="count", action="store_const", const=count)
    count = parser.parse_args().count
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200_000, 300), dtype=np.float32)
    y = X[:, 0].copy()
    few = X[:200], y[:200]
    latencies, raised = [], 0
    warnings.simplefilter("ignore")
    for i in range(count):
        model = MLPRegressor(
            hidden_layer_sizes=(256, 256),
            solver=["sgd", "adam"][i % 2],
            max_iter=50,
            random_state=0,
        )
        sent = []
        killer = threading.Thread(target=interrupt_after, args=(rng.uniform(0, 1.5), sent))
        killer.start()
        try:
            model.fit(X, y)
            returned = time.perf_counter()
        except KeyboardInterrupt:
            # Before the first epoch or after the last there is no training to end early.
            returned = time.perf_counter()
            raised += 1
        killer.join()
        latencies.append(returned - sent[0])
        if hasattr(model, "coefs_"):
            assert np.isfinite(model.predict(X[:1000])).all()
            model.partial_fit(*few)
        assert np.isfinite(model.set_params(max_iter=2).fit(*few).predict(few[0])).all()
    p99 = float(np.quantile(latencies, 0.99))
    print(
        f"{count} interrupts: back after {1e3 * np.median(latencies):.0f} ms (median), "
        f"{1e3 * p99:.0f} ms (p99), {1e3 * max(latencies):.0f} ms (most); "
        f"{raised} raised KeyboardInterrupt outside the epochs; every model usable and fitted again"
    )
    return p99 >= LATEST


if __name__ == "__main__":
    sys.exit(main())
