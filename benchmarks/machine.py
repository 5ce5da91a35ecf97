"""The machine a measurement was made on, and the limit of its arithmetic."""

import os
import platform
import subprocess
import sys
from pathlib import Path

from worker import THREAD_VARIABLES

PEAK_PROGRAM = """
from time import perf_counter
import numpy as np
n = 1024
for dtype in ("float32", "float64"):
    a = np.random.default_rng(0).random((n, n)).astype(dtype)
    out, seconds, end = np.empty_like(a), [], perf_counter() + 1.0
    while perf_counter() < end:
        start = perf_counter()
        np.matmul(a, a, out=out)
        seconds.append(perf_counter() - start)
    print(2e-9 * n**3 / min(seconds))
"""


def processors():
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def measured_peak():
    """GFLOP/s of one core in float32 and float64: the best of NumPy's products of 1024 x 1024 in one second each."""
    environment = os.environ | dict.fromkeys(THREAD_VARIABLES, "1")
    command = [sys.executable, "-c", PEAK_PROGRAM]
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    float32, float64 = (round(float(line), 1) for line in output.stdout.split())
    return {"float32": float32, "float64": float64}


def describe(threads):
    """What a reader of the figures must know of the machine; nothing that names it."""
    from rustbp import _core

    return {
        "cpu": _cpu_model(),
        "processors": processors(),
        "threads": threads,
        "kernel": _core.kernel(),
        "system": platform.system(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
    }


def _cpu_model():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    for line in lines:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
