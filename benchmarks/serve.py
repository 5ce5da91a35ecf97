"""What a user feels beside long training: import, small fits, predictions, memory. rustbp beside scikit-learn.

As a program it is one of the two classes in a process of its own, see worker.py.
"""

import contextlib
import ctypes
import resource
import subprocess
import sys
import warnings
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from worker import Channel, Worker, environment
from workloads import Workload, data

CLASSES = {"rustbp": "rustbp", "scikit-learn": "sklearn.neural_network"}
TIMED = {
    "digits fit": "s",
    "digits fit, lbfgs": "s",
    "one-row predict_proba": "us",
    "one-row predict": "us",
    "100,000-row predict_proba": "ms",
    "20,000-row predict_proba, 128-2048-2048-10": "ms",
    "fit of 100,000 rows, 2 epochs": "s",
    "sparse fit, 1 epoch": "s",
}
UNITS = {"s": 1, "ms": 1e3, "us": 1e6}
# Calls of few rows on many weights: (rows, the net's sizes, share of X that is stored or None).
FEW = {
    "predict_proba of one sparse row, 2^18-50-10": (1, (2**18, 50, 10), 1e-4),
    "predict_proba of 400 sparse rows, 2^18-50-10": (400, (2**18, 50, 10), 1e-4),
    "predict_proba of 16 rows, 784-1000-1000-10": (16, (784, 1000, 1000, 10), None),
    "partial_fit of 20 sparse rows, 2^18-50-10": (20, (2**18, 50, 10), 1e-4),
    "partial_fit of 10 rows, 784-1000-1000-10": (10, (784, 1000, 1000, 10), None),
    "fit of 10 rows, 1 epoch, warm start, 784-1000-1000-10": (10, (784, 1000, 1000, 10), None),
}
TIMED |= dict.fromkeys(FEW, "ms")
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


def few_rows(name, MLPClassifier, quick):
    """The call of a figure of `FEW`, in float64, as most people's data is."""
    from scipy import sparse

    rows, (n_inputs, *hidden, n_classes), density = FEW[name]
    n_inputs //= 16 if quick else 1
    if density is None:
        X = np.random.default_rng(0).random((rows, n_inputs))
    else:
        X = sparse.random(rows, n_inputs, density, "csr", random_state=0)
    y = np.arange(rows) % n_classes
    goes_on = name.startswith("fit")
    model = MLPClassifier(hidden, random_state=0, max_iter=1, warm_start=goes_on)
    model.partial_fit(X, y, classes=np.arange(n_classes))
    if name.startswith("predict_proba"):
        return lambda: model.predict_proba(X)
    return lambda: (model.fit if goes_on else model.partial_fit)(X, y)


def figure(name, MLPClassifier, quick):
    """Prepare a figure; return what is to be timed, and how many calls of it."""
    from sklearn.datasets import load_digits

    if name in FEW:
        return few_rows(name, MLPClassifier, quick), 1
    if name.startswith(("digits fit", "one-row")):
        X, y = load_digits(return_X_y=True)
        X /= 16
        short = {"max_iter": 20} if quick or name.startswith("one-row") else {}
        solver = "lbfgs" if name.endswith("lbfgs") else "adam"
        model = MLPClassifier(solver=solver, random_state=0, **short)
        if name.startswith("digits fit"):
            return lambda: model.fit(X, y), 1
        model.fit(X, y)
        row, method = X[:1], getattr(model, name.removeprefix("one-row "))
        return lambda: method(row), 100
    if name.startswith("20,000-row"):
        net = Workload("", (128, 2048, 2048, 10), batch=256, rows=500 if quick else 20_000)
        X, y = data(net, "float32")
        model = MLPClassifier(net.sizes[1:-1], batch_size=net.batch, max_iter=1, random_state=0)
        model.fit(X[: 2 * net.batch], y[: 2 * net.batch])
        return lambda: model.predict_proba(X), 1
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


def import_seconds(threads):
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
    variables = environment(threads)
    variables.pop("PYTHONDONTWRITEBYTECODE", None)
    output = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, env=variables
    )
    sklearn, rustbp = map(float, output.stdout.split())
    return {"scikit-learn": sklearn, "rustbp": rustbp}


def names():
    """All figures of this page."""
    return ["import", *TIMED, *MEMORY]


def measure(name, *, rounds, threads, quick):
    """One figure, the two classes in turns, as a record."""
    if name == "import":
        import_seconds(threads)
        return record(name, [import_seconds(threads) for _ in range(rounds)], "s", 1)
    jobs = {peer: {"peer": peer, "figure": name, "quick": quick} for peer in CLASSES}
    turns, disturbance = [], []
    if name in MEMORY:
        turns.append({})
        for peer, job in jobs.items():
            with Worker("serve.py", job, threads=threads) as worker:
                worker.ready()
                turns[0][peer] = worker.ask()["result"]
        return record(name, turns, "MiB", 1 / MIB)
    with contextlib.ExitStack() as stack:
        workers = {
            peer: stack.enter_context(Worker("serve.py", job, threads=threads))
            for peer, job in jobs.items()
        }
        for worker in workers.values():
            worker.ready()
        for _ in range(rounds):
            turns.append({p: w.turn(disturbance)["result"] for p, w in workers.items()})
    return record(name, turns, TIMED[name], UNITS[TIMED[name]], disturbance)


def record(name, turns, unit, scale, disturbance=()):
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
        "disturbance": median(disturbance) if disturbance else None,
    }


def main():
    channel = Channel()
    job = channel.job
    warnings.simplefilter("ignore")
    module = __import__(CLASSES[job["peer"]], fromlist=["MLPClassifier"])
    arguments = (job["figure"], module.MLPClassifier, job["quick"])
    if job["figure"] in MEMORY:
        channel.introduce()
        channel.command()
        channel.answer(result=memory_beyond(*arguments))
        return
    call, calls = figure(*arguments)
    if not job["figure"].startswith("sparse"):
        call()
    channel.introduce()
    while True:
        channel.command()
        channel.answer(result=typical_seconds(call, calls))


if __name__ == "__main__":
    main()
