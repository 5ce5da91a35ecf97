"""Ctrl-C at random moments of a fit whose one epoch takes seconds, of predictions and of backward passes: how long
until the call is back.

After each the model has to predict, and to take another fit.

    python tests/torture/interrupts.py --quick | --full
"""

import os
import signal
import sys
import threading
import time
import warnings

import numpy as np

import sizes
from rustbp import MLPRegressor, backprop

COUNT = {"quick": 3, "full": 100}
LATEST = 0.2
"""Seconds, for the 99th percentile."""


def interrupt(call, delay):
    """Send SIGINT after `delay` seconds of calls: how long until the call was back, and whether it raised."""
    sent = []

    def send():
        time.sleep(delay)
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=send)
    sender.start()
    raised = False
    try:
        while not sent:
            call()
        returned = time.perf_counter()
        sender.join()
    except KeyboardInterrupt:
        returned = time.perf_counter()
        raised = True
    sender.join()
    return returned - sent[0], raised


def report(what, latencies):
    p99 = float(np.quantile(latencies, 0.99))
    print(
        f"{what}, {len(latencies)} interrupts, {sizes.load()}: "
        f"back after {1e3 * np.median(latencies):.0f} ms (median), {1e3 * p99:.0f} ms (p99), "
        f"{1e3 * max(latencies):.0f} ms (most)",
        flush=True,
    )
    return p99 < LATEST


def interrupted_fits(count, rng, X, y):
    few = X[:200], y[:200]
    latencies, outside = [], 0
    for i in range(count):
        model = MLPRegressor(
            hidden_layer_sizes=(256, 256),
            solver=["sgd", "adam"][i % 2],
            max_iter=50,
            random_state=0,
        )
        latency, raised = interrupt(lambda model=model: model.fit(X, y), rng.uniform(0, 1.5))
        latencies.append(latency)
        # Before the first epoch or after the last there is no training to end early.
        outside += raised
        if hasattr(model, "coefs_"):
            assert np.isfinite(model.predict(X[:1000])).all()
            model.partial_fit(*few)
        assert np.isfinite(model.set_params(max_iter=2).fit(*few).predict(few[0])).all()
    ok = report("fit", latencies)
    print(
        f"{outside} raised KeyboardInterrupt outside the epochs; every model usable, fitted again"
    )
    return ok


def interrupted_calls(count, rng, X, y):
    model = MLPRegressor(hidden_layer_sizes=(256, 256), max_iter=2, random_state=0)
    before = model.fit(X[:1000], y[:1000]).predict(X[:1000])
    calls = {"predict": lambda: model.predict(X), "backprop": lambda: backprop(model, X, y)}
    ok = True
    for what, call in calls.items():
        latencies = []
        for _ in range(count):
            latency, raised = interrupt(call, rng.uniform(0, 0.5))
            assert raised
            latencies.append(latency)
            assert np.array_equal(model.predict(X[:1000]), before)
        ok &= report(what, latencies)
    return ok


def main():
    count = sizes.parser(__doc__, **COUNT).parse_args().size
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200_000, 300), dtype=np.float32)
    y = X[:, 0].copy()
    warnings.simplefilter("ignore")
    # What a shell runs in the background begins with it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    in_time = [interrupted_fits(count, rng, X, y), interrupted_calls(count, rng, X, y)]
    return 0 if all(in_time) else sizes.LATE


if __name__ == "__main__":
    sys.exit(main())
