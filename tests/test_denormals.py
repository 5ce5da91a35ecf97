"""Denormal numbers: predictions have scikit-learn's, the same for any number of rows, and Python never loses them."""

import subprocess
import sys

import numpy as np
import pytest

from rustbp import MLPClassifier, _core

ROWS = 30
SMALLEST = {np.float32: 2.0**-126, np.float64: 2.0**-1022}
"""Of the normal numbers."""


DEPTH = {
    "softmax": {np.float32: -95, np.float64: -730},
    # Further down scikit-learn's logistic function is zero.
    "logistic": {np.float32: -88, np.float64: -709.2},
    "multilabel": {np.float32: -88, np.float64: -709.2},
}
"""e to this is denormal."""
TARGETS = {
    "softmax": np.resize([0, 1, 2], ROWS),
    "logistic": np.resize([0, 1], ROWS),
    "multilabel": np.resize([[0, 1], [1, 1], [1, 0]], (ROWS, 2)),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("output", TARGETS)
def test_probabilities_are_those_of_scikit_learn(output, dtype):
    X = np.random.default_rng(0).standard_normal((ROWS, 5)).astype(dtype)
    model = MLPClassifier(20, max_iter=1, random_state=0).fit(X, TARGETS[output])
    # The first class of three keeps its place: a softmax knows differences alone.
    model.intercepts_[-1][-2:] = DEPTH[output][dtype]
    # Weighted inputs are that, and a little: within the narrow range where a logistic output is denormal.
    model.coefs_[-1] *= dtype(0.1)
    expected = model.to_sklearn().predict_proba(X)
    found = model.predict_proba(X)
    denormal = (expected > 0) & (expected < SMALLEST[dtype])
    assert denormal.sum() >= ROWS
    smallest = float(np.nextafter(dtype(0), dtype(1)))
    # Denormal numbers are whole numbers of the smallest; z of 95 has seven digits, the last of which are lost in e^z.
    rtol = {np.float32: 1e-4, np.float64: 1e-12}[dtype]
    error = np.abs(found.astype(float) - expected)
    assert (error <= rtol * expected.astype(float) + 2 * smallest).all()
    for rows in (1, 2, 3, 17):
        some = [model.predict_proba(X[i : i + rows]) for i in range(0, ROWS, rows)]
        assert np.array_equal(np.concatenate(some), found)


def test_denormal_data_counts_as_zero_whatever_the_number_of_rows():
    rng = np.random.default_rng(2)
    X = rng.standard_normal((ROWS, 6)).astype(np.float32)
    coefs = [rng.standard_normal((6, 3)).astype(np.float32)]
    names = {"activation": "relu", "output_activation": "identity"}
    intercepts = [np.zeros(3, np.float32)]
    zeros, tiny = X.copy(), X.copy()
    zeros[:, ::2], tiny[:, ::2] = 0, 1e-40
    expected = _core.forward(zeros, coefs, intercepts, **names)
    assert np.array_equal(_core.forward(tiny, coefs, intercepts, **names), expected)
    for i in range(ROWS):
        assert np.array_equal(
            _core.forward(tiny[i : i + 1], coefs, intercepts, **names)[0], expected[i]
        )


# A call of seconds, in the middle of which Python's handlers run.
HANDLER = """
import signal
import numpy as np
from rustbp import _core

coefs, intercepts = [np.ones((500, 500))] * 3, [np.zeros(500)] * 3
X = np.broadcast_to(np.ones(500), (ROWS, 500))
names = {"activation": "relu", "output_activation": "identity"}
trainer = _core.Trainer(coefs, intercepts, cost="squared_error", **names)
y = np.broadcast_to(np.ones(500), (ROWS, 500))
smallest = 5e-324
lost, seen = [], []

def ring(*_):
    seen.append(True)
    if smallest == 0.0 or np.float64(smallest) * 2 == 0.0:
        lost.append(smallest)

signal.signal(signal.SIGALRM, ring)
signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
while len(seen) < 10:
    CALL
signal.setitimer(signal.ITIMER_REAL, 0)
assert not lost, f"{len(lost)} of {len(seen)} handlers saw that the smallest number is zero"
"""
CALLS = {
    "forward": "_core.forward(X, coefs, intercepts, **names)",
    "predict": "trainer.predict(X)",
    "epoch": "trainer.epoch(X, y, None, 200)",
}


@pytest.mark.skipif(sys.platform == "win32", reason="no timers there")
@pytest.mark.parametrize("call", CALLS)
def test_python_counts_with_denormal_numbers_in_the_middle_of_a_call(call):
    program = HANDLER.replace("CALL", CALLS[call]).replace("ROWS", "1000")
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=200
    )
    assert run.returncode == 0, run.stderr
