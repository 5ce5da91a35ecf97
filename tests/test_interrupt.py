"""Ctrl-C during one long epoch: back within a fifth of a second, with the warning, and the model still of use."""

import signal
import subprocess
import sys
import time

import pytest

# One epoch, or one evaluation of all rows, of this takes seconds. The child notes when `fit` returned; both processes
# read the same clock.
CHILD = """
import sys, time, warnings
import numpy as np
from rustbp import MLPRegressor

rng = np.random.default_rng(0)
X = rng.standard_normal((20_000, 500), dtype=np.float32)
y = X[:, 0]
model = MLPRegressor(hidden_layer_sizes=(512, 512), **PARAMETERS)
model.fit(X[:500], y[:500])
before = model.coefs_[0].copy()
model.set_params(max_iter=1000)
big = np.tile(X, (10, 1))
target = np.tile(y, 10)
with warnings.catch_warnings(record=True) as log:
    warnings.simplefilter("always")
    print("ready", flush=True)
    model.fit(big, target)
    returned = time.perf_counter()
sent = float(sys.stdin.readline())
texts = [str(w.message) for w in log]
assert "Training interrupted by user." in texts, texts
print(returned - sent)
prediction = model.predict(X)
assert np.isfinite(prediction).all()
assert not np.array_equal(before, model.coefs_[0])
if model.solver != "lbfgs":
    model.set_params(early_stopping=False).partial_fit(X[:1000], y[:1000])
"""

LATEST = 0.2


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to one process there")
@pytest.mark.parametrize(
    "parameters",
    [
        {"solver": "sgd", "max_iter": 1, "random_state": 0},
        {"solver": "adam", "max_iter": 1, "random_state": 0},
        {"solver": "adam", "max_iter": 1, "random_state": 0, "early_stopping": True},
        {"solver": "lbfgs", "max_iter": 1, "random_state": 0},
    ],
    ids=lambda p: p["solver"] + ("-early" if "early_stopping" in p else ""),
)
def test_interrupted_epoch(parameters):
    command = [sys.executable, "-W", "ignore", "-c", CHILD.replace("PARAMETERS", repr(parameters))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "ready\n", child.stderr.read()
        time.sleep(1.0)  # into the epoch
        child.send_signal(signal.SIGINT)
        sent = time.perf_counter()
        out, error = child.communicate(f"{sent}\n", timeout=120)
    assert child.returncode == 0, error
    assert float(out) < LATEST
