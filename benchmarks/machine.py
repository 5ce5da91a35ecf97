"""The machine a measurement was made on."""

import os
import platform
from pathlib import Path


def processors():
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
