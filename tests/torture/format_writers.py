"""Writers of model files that are killed, or find the disk full: the old file stays whole."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import rustbp
from format_models import quiet

WRITER = """
import os, sys
import numpy as np
import rustbp
models = []
for value in (0.0, 1.0):
    model = rustbp.MLPRegressor(hidden_layer_sizes=1, max_iter=1)
    model.partial_fit(np.zeros((2, 1)), np.zeros(2))
    model.coefs_ = [np.full((1, 300_000), value), np.full((300_000, 1), value)]
    model.intercepts_ = [np.full(300_000, value), np.full(1, value)]
    del model._optimizer
    models.append(model)
for path in sys.stdin:
    pid = os.fork()
    while pid == 0:
        for model in models:
            model.save(path.strip())
    print(pid, flush=True)
    os.waitpid(pid, 0)
    print("dead", flush=True)
"""
"""Starts a process for each line it reads, which saves two models of 7 MB in turn, over each other."""


def kill_writers(count, seed=0):
    """Kill processes that save; the file must be one model or the other. Returns how many were killed in the middle."""
    rng = np.random.default_rng(seed)
    in_the_middle = 0
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen([sys.executable, "-W", "ignore", "-c", WRITER], **pipes) as writer,
    ):
        path = Path(folder, "model.safetensors")
        for _ in range(count):
            print(path, file=writer.stdin, flush=True)
            pid = int(writer.stdout.readline())
            while not path.exists():
                time.sleep(0.001)
            time.sleep(rng.random() * 0.1)
            os.kill(pid, signal.SIGKILL)
            assert writer.stdout.readline() == "dead\n"
            model = rustbp.load(path)
            value = model.intercepts_[-1][0]
            arrays = model.coefs_ + model.intercepts_
            assert value in (0, 1)
            assert all((array == value).all() for array in arrays)
            left = [other for other in Path(folder).iterdir() if other != path]
            assert len(left) <= 1
            assert all(other.match(".rustbp-*.tmp") for other in left)
            in_the_middle += len(left)
            for other in left:
                other.unlink()
        writer.stdin.close()
    return in_the_middle


def fill_disk(folder):
    """Save on a full file system: OSError, the old file whole, nothing left over."""
    path = Path(folder, "model.safetensors")
    model = rustbp.MLPRegressor(hidden_layer_sizes=2, max_iter=1).partial_fit(
        np.zeros((2, 1)), np.zeros(2)
    )
    model.save(path)
    before = path.read_bytes()
    # More than there is room for.
    wide = rustbp.MLPRegressor(hidden_layer_sizes=20_000, max_iter=1).partial_fit(
        np.zeros((2, 1)), np.zeros(2)
    )
    try:
        wide.save(path)
    except OSError as error:
        found = error.errno
    else:
        raise AssertionError("there was room for it")
    assert path.read_bytes() == before
    assert list(Path(folder).iterdir()) == [path]
    rustbp.load(path)
    return found


def fill_tmpfs():
    """`fill_disk` on a file system of 256 KiB; None where such a one cannot be mounted."""
    with tempfile.TemporaryDirectory() as folder, quiet():
        command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder]
        try:
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        try:
            return fill_disk(folder)
        finally:
            subprocess.run(["umount", folder], check=True)
