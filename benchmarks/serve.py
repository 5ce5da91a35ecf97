"""What a user feels beside long training: import, small fits, predictions, memory. rustbp beside scikit-learn.

As a program it is one of the two classes in a process of its own, see worker.py.
"""

import contextlib
import ctypes
import os
import resource
import subprocess
import sys
import warnings
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from worker import PAUSE, Channel, Worker

CLASSES = {"rustbp": "rustbp", "scikit-learn": "sklearn.neural_network"}
TIMED = {
    "digits fit": "s",
    "one-row predict_proba": "us",
    "one-row predict": "us",
    "100,000-row predict_proba": "ms",
    "fit of 100,000 rows, 2 epochs": "s",
    "sparse fit, 1 epoch": "s",
}
UNITS = {"s": 1, "ms": 1e3, "us": 1e6}
# In the order of the fit itself and the prediction, each in a new process.
MEMORY = {
    "fit memory beyond X": "a fit of 100,000 x 100 float32 (a copy of X would be 38 MiB)",
    "predict memory beyond output": "predict_proba of 100,000 x 100 float32, net 100-256-256-2",
}
WIDE = {"hidden_layer_sizes": (256, 256), "batch_size": 256, "random_state": 0}
MIB = 2**20


def big_rows(rows=100_000):
    """X (rows, 100) in float32, made without a temporary, and two classes."""
    X = np.random.default_rng(0).standard_normal((rows, 100), dtype=np.float32)
    return X, (X[:, 0] > 0).astype(int)


def figure(name, MLPClassifier, quick):
    """Prepare a figure; return what is to be timed, and how many calls of it."""
    from sklearn.datasets import load_digits

    if name == "digits fit" or name.startswith("one-row"):
        X, y = load_digits(return_X_y=True)
        X /= 16
        epochs = {"max_iter": 20} if quick or name != "digits fit" else {}
        model = MLPClassifier(random_state=0, **epochs)
        if name == "digits fit":
            return lambda: model.fit(X, y), 1
        model.fit(X, y)
        row, method = X[:1], getattr(model, name.removeprefix("one-row "))
        return lambda: method(row), 100
    if name == "sparse fit, 1 epoch":
        from scipy import sparse

        n = 2000 if quick else 20_000
        X = sparse.random(n, n, 60 / n, "csr", dtype=np.float32, random_state=0)
        y = (np.asarray(X[:, : n // 40].sum(axis=1)).ravel() > 0.5).astype(int)
        model = MLPClassifier((64,), max_iter=1, random_state=0)
        return lambda: model.fit(X, y), 1
    X, y = big_rows(10_000 if quick else 100_000)
    model = MLPClassifier(**WIDE, max_iter=2)
    if name.startswith("fit"):
        return lambda: model.fit(X, y), 1
    model.set_params(max_iter=1).fit(X[:1000], y[:1000])
    return lambda: model.predict_proba(X), 1


def typical_seconds(call, calls):
    """Seconds per call, the median of as many series of calls as fit in a moment; at least one.

    Not the best: a class whose calls are shorter has more of them, and would have the better best for it.
    """
    seconds, end = [], perf_counter() + 0.3
    while not seconds or perf_counter() < end:
        start = perf_counter()
        for _ in range(calls):
            call()
        seconds.append((perf_counter() - start) / calls)
    return median(seconds)


def memory_beyond(name, MLPClassifier, quick):
    """Bytes that the process grew by at its peak, without the output."""
    X, y = big_rows(10_000 if quick else 100_000)
    model = MLPClassifier(**WIDE, max_iter=1)
    # So that libraries, pools and code are in memory before.
    model.fit(X[:1000], y[:1000]).predict_proba(X[:1000])
    if name.startswith("fit"):
        del model
        return peak_growth(lambda: MLPClassifier(**WIDE, max_iter=2).fit(X, y) and None)
    return peak_growth(lambda: model.predict_proba(X))


def peak_growth(call):
    """Growth of resident memory at its peak during a call, less the array that it returns, in bytes."""
    # What the C library (glibc) has freed, but keeps for later, would hide some growth.
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew (Linux)
        before = _status("VmRSS")
        output = call()
        after = _status("VmHWM")
    except OSError:
        before = _highest_resident()
        output = call()
        after = _highest_resident()
    return max(0, after - before - (0 if output is None else output.nbytes))


def _status(name):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {name} in /proc/self/status")


def _highest_resident():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def import_seconds():
    """Seconds a new interpreter takes to import scikit-learn's class, and rustbp's: the same, and what rustbp adds.

    rustbp needs all that scikit-learn's class does, so that both can be timed in one process: two would differ by more
    than rustbp takes.
    """
    program = (
        "from time import perf_counter as t; start = t(); "
        "from sklearn.neural_network import MLPClassifier; first = t(); "
        "from rustbp import MLPClassifier; print(first - start, t() - start)"
    )
    # Bytecode is kept after the first time, as pip's is, also where this environment has Python keep none.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    output = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    sklearn, rustbp = map(float, output.stdout.split())
    return {"scikit-learn": sklearn, "rustbp": rustbp}


def measure(*, rounds, threads, quick, say, pause, disturbance):
    """All figures, the two classes in turns: a list of records. What disturbed a turn is appended to a list."""
    say("serve: import")
    import_seconds()
    turns = [import_seconds() for _ in range(rounds)]
    records = [record("import", turns, "s", 1)]
    for name, unit in TIMED.items():
        turns = []
        jobs = {peer: {"peer": peer, "figure": name, "quick": quick} for peer in CLASSES}
        workers = {peer: Worker("serve.py", job, threads=threads) for peer, job in jobs.items()}
        try:
            for worker in workers.values():
                worker.ready()
            for _ in range(rounds):
                turns.append({})
                for peer, worker in workers.items():
                    pause(PAUSE)
                    turns[-1][peer] = worker.ask("time")["result"]
                    if worker.disturbance is not None:
                        disturbance.append(worker.disturbance)
        finally:
            for worker in workers.values():
                worker.close()
        records.append(record(name, turns, unit, UNITS[unit]))
        say(f"serve: {line_of(records[-1])}")
    for name in MEMORY:
        turn = {}
        for peer in CLASSES:
            job = {"peer": peer, "figure": name, "quick": quick}
            with Worker("serve.py", job, threads=threads) as worker:
                worker.ready()
                turn[peer] = worker.ask("memory")["result"]
        records.append(record(name, [turn], "MiB", 1 / MIB))
        say(f"serve: {line_of(records[-1])}")
    return records


def record(name, turns, unit, scale):
    """The median of each class over the turns, and of their ratios and differences."""
    ours, theirs = ([turn[peer] for turn in turns] for peer in CLASSES)
    pairs = list(zip(ours, theirs, strict=True))
    return {
        "name": name,
        "unit": unit,
        "rustbp": scale * median(ours),
        "scikit-learn": scale * median(theirs),
        "ratio": median(b / a if a else float("inf") for a, b in pairs) if unit != "MiB" else None,
        "difference": scale * median(a - b for a, b in pairs),
    }


def line_of(row):
    """One line about a record."""
    ratio = f", {row['ratio']:.1f} times" if row["ratio"] else ""
    ours, theirs = (f"{row[peer]:.3g} {row['unit']}" for peer in CLASSES)
    return f"{row['name']:30} rustbp {ours}, scikit-learn {theirs}{ratio}"


def main():
    channel = Channel()
    job = channel.job
    warnings.simplefilter("ignore")
    module = __import__(CLASSES[job["peer"]], fromlist=["MLPClassifier"])
    arguments = (job["figure"], module.MLPClassifier, job["quick"])
    if job["figure"] in MEMORY:
        channel.answer(ready=True)
        channel.command()
        channel.answer(result=memory_beyond(*arguments))
        return
    call, calls = figure(*arguments)
    if not job["figure"].startswith("sparse"):
        call()
    channel.answer(ready=True)
    while channel.command():
        channel.answer(result=typical_seconds(call, calls))


if __name__ == "__main__":
    main()
