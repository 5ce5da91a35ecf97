"""Resident memory over many fits, predictions, and fits that fail or are interrupted.

python tests/torture/leaks.py --quick | --full
"""

import gc
import os
import signal
import sys
import time
import warnings
from pathlib import Path

import numpy as np

import sizes
from rustbp import MLPClassifier, MLPRegressor, _core

# Small fits, predictions, failed or interrupted fits.
COUNTS = {"quick": (300, 3_000, 60), "full": (10_000, 100_000, 1_000)}
WARM_UP = 0.1
MOST_MIB = 4

rng = np.random.default_rng(0)
X = rng.standard_normal((60, 8))
Y = (X[:, 0] > 0).astype(int)
BIG = rng.standard_normal((4000, 64), dtype=np.float32)


def resident():
    """MiB."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def fit(i):
    kind = (MLPClassifier, MLPRegressor)[i % 2]
    kind(
        hidden_layer_sizes=5,
        solver=("adam", "sgd", "lbfgs")[i % 3],
        max_iter=3,
        n_threads=1 + i % 2,
    ).fit(X, Y)


MODELS = [
    kind(hidden_layer_sizes=5, max_iter=3, random_state=0).fit(X, Y)
    for kind in (MLPClassifier, MLPRegressor)
]


def predict(i):
    MODELS[i % 2].predict(X[: 1 + i % 7])


def raise_interrupt(number, frame):
    raise KeyboardInterrupt


def fail(i):
    """A fit that ends in one of five ways other than its end."""
    way = i % 5
    try:
        if way == 0:
            MLPRegressor(hidden_layer_sizes=3, solver="sgd", max_iter=2).fit(X * 1e200, Y)
        elif way == 1:
            MODELS[0].partial_fit(X[:, :3], Y)
        elif way == 2:
            weights = [np.ones((8, 3)), np.ones((3, 2))], [np.ones(3), np.ones(1)]
            _core.Trainer(*weights, activation="relu", output_activation="softmax", cost="log_loss")
        elif way == 3:
            trainer = _core.Trainer(
                [np.ones((8, 2))],
                [np.ones(2)],
                activation="relu",
                output_activation="softmax",
                cost="log_loss",
            )
            trainer.epoch(X, np.full(60, 7), None, 10)
        else:
            signal.setitimer(signal.ITIMER_REAL, 0.03)
            MLPRegressor(
                hidden_layer_sizes=(64, 64), max_iter=1000, tol=0, n_iter_no_change=1000
            ).fit(BIG, BIG[:, 0])
    except (ValueError, KeyboardInterrupt):
        pass
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def main():
    counts = sizes.parser(__doc__, **COUNTS).parse_args().size
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    signal.signal(signal.SIGALRM, raise_interrupt)
    started = time.perf_counter()
    steps = list(zip((fit, predict, fail), counts, strict=True))
    for step, count in steps:
        for i in range(max(20, int(WARM_UP * count))):
            step(i)
    grown = []
    for step, count in steps:
        before = resident()
        for i in range(count):
            step(i)
        grown.append(resident() - before)
    shown = ", ".join(
        f"{count} x {step.__name__} {growth:+.2f} MiB"
        for (step, count), growth in zip(steps, grown, strict=True)
    )
    print(f"{shown}; {sum(grown):+.2f} MiB in all, in {time.perf_counter() - started:.0f} s")
    return sum(grown) > MOST_MIB


if __name__ == "__main__":
    sys.exit(main())
