"""Processes and threads around fits and predictions; one line of figures each.

python tests/torture/processes.py --quick | --full
"""

import concurrent.futures
import multiprocessing
import multiprocessing.dummy
import os
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
from sklearn.model_selection import GridSearchCV

import sizes
from rustbp import MLPClassifier, MLPRegressor

RNG = np.random.default_rng(0)
X = RNG.standard_normal((1000, 100)).astype(np.float32)
Y = (X[:, :3] @ RNG.standard_normal((3, 5))).argmax(axis=1)
PATIENCE = 120
"""Seconds after which something that has not ended counts as hanging."""


def weights(seed=0):
    """A fit large enough for several threads, as bytes."""
    model = MLPClassifier((128, 64), max_iter=2, random_state=seed, n_threads=2).fit(X, Y)
    return b"".join(array.tobytes() for array in model.coefs_)


def fork(full):
    """Fit, fork, fit in the child: the child's weights have to be the parent's."""
    count = 100 if full else 3
    expected, same = weights(), 0
    for _ in range(count):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            os.write(write, b"1" if weights() == expected else b"0")
            os._exit(0)
        os.close(write)
        with open(read, "rb") as pipe:
            same += pipe.read() == b"1"
        os.waitpid(child, 0)
    return same == count, f"fork after fit: {same} of {count} children with the same weights"


def spawn(full):
    expected, count = weights(), 4 if full else 1
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        same = sum(w == expected for w in pool.map(weights, [0] * count))
    found = joblib.Parallel(2)(joblib.delayed(weights)(0) for _ in range(count))
    same_loky = sum(w == expected for w in found)
    text = f"spawn: {same} of {count} with the same weights; loky: {same_loky} of {count}"
    return same == same_loky == count, text


def running_threads(parents, counts=True):
    """Threads of these processes and their children that are on a processor or wait for one."""
    count = 0
    for pid in parents:
        for task in Path(f"/proc/{pid}/task").glob("*"):
            try:
                children = (task / "children").read_text().split()
                state = (task / "stat").read_text().rsplit(")", 1)[1].split()[0]
                count += counts and state == "R"
            except (FileNotFoundError, ProcessLookupError):
                continue
            count += running_threads(children)
    return count


class Watch(threading.Thread):
    """Counts busy threads every few milliseconds, those of this process too unless `others_only`."""

    def __init__(self, *, others_only=False):
        super().__init__(daemon=True)
        self.seen, self.done = [], threading.Event()
        self.others_only = others_only

    def run(self):
        while not self.done.wait(0.005):
            # This thread itself is one of them.
            busy = running_threads([os.getpid()], not self.others_only)
            self.seen.append(busy if self.others_only else busy - 1)

    def __exit__(self, *_):
        self.done.set()
        self.join()

    def __enter__(self):
        self.start()
        return self


def grid_search(full):
    """Two jobs on two processors, and how many threads are busy meanwhile.

    A fit of the small network is the work of one thread, so that two jobs must gain. One of the wide network keeps two
    threads busy by itself: two jobs can gain only what its threads wait for each other.
    """
    joblib.Parallel(2)(joblib.delayed(weights)(0) for _ in range(2))  # the workers start
    texts, ok = [], True
    for hidden, epochs, limit in (((16,), 200, 0.65), ((64, 64), 60, 1.0)):
        ratio, alone, busy = search(hidden, epochs if full else epochs // 10)
        most = float(np.quantile(busy, 0.9))
        ok &= most <= 2 and ratio <= limit
        texts.append(
            f"GridSearchCV, hidden layers {hidden}: n_jobs=2 takes {ratio:.2f} of n_jobs=1 ({alone:.1f} s); "
            f"busy threads {np.mean(busy):.2f} on average, {most:.0f} at the 90th percentile"
        )
    # In the short form starting the jobs is most of it.
    return not full or ok, "\n".join(texts)


def search(hidden, epochs):
    """Time of n_jobs=2 by that of n_jobs=1, the latter in seconds, and the busy threads of n_jobs=2 now and then."""
    model = MLPClassifier(hidden, max_iter=epochs, tol=0, n_iter_no_change=epochs, random_state=0)
    X, y = RNG.standard_normal((6000, 32)).astype(np.float32), RNG.integers(0, 2, 6000)
    grid = {"alpha": [1e-5, 1e-4, 1e-3, 1e-2]}
    seconds = {1: [], 2: []}
    busy = []
    for _ in range(3):
        for jobs in (1, 2):
            search = GridSearchCV(model, grid, cv=3, n_jobs=jobs, refit=False)
            # What this process does meanwhile is to hand out jobs.
            with Watch(others_only=True) as watch:
                started = time.perf_counter()
                search.fit(X, y)
                seconds[jobs].append(time.perf_counter() - started)
            if jobs == 2:
                busy += watch.seen
    return min(seconds[2]) / min(seconds[1]), min(seconds[1]), busy


def backends(full):
    """Threads that a fit with n_threads=None may use in each of joblib's backends; the sum over two jobs counts."""
    found = {}
    wide = MLPClassifier((512, 512), max_iter=30 if full else 6, tol=0, random_state=0)
    for backend in ("loky", "threading", "multiprocessing"):
        with joblib.parallel_config(backend=backend, n_jobs=2), Watch() as watch:
            joblib.Parallel()(joblib.delayed(wide.fit)(X, Y) for _ in range(2))
        found[backend] = float(np.quantile(watch.seen, 0.5))
    text = ", ".join(f"{name} {busy:.0f}" for name, busy in found.items())
    return max(found.values()) <= max(2, os.cpu_count()), f"busy threads of 2 jobs: {text}"


def predictions(full):
    """Predictions while another thread fits the same model again, from one of two seeds."""
    count, threads = (100_000, 8) if full else (10_000, 4)
    model = MLPClassifier(20, max_iter=1, random_state=0)
    rows = X[:5]
    known = set()
    for seed in (0, 1):
        known.add(model.set_params(random_state=seed).fit(X, Y).predict_proba(rows).tobytes())
    bad, done, fits = [], threading.Event(), 0

    def predict():
        bad.extend(1 for _ in range(count) if model.predict_proba(rows).tobytes() not in known)

    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        running = [pool.submit(predict) for _ in range(threads)]
        while not all(future.done() for future in running):
            model.set_params(random_state=fits % 2).fit(X, Y)
            fits += 1
        done.set()
        for future in running:
            future.result()
    text = (
        f"{threads} threads x {count} predictions during {fits} fits: {len(bad)} of neither model"
    )
    return not bad and fits > 1, text


def overlap(full):
    """Two fits in two threads at once, against one after the other."""
    epochs = 60 if full else 10
    models = [MLPClassifier((200, 100), max_iter=epochs, tol=0, n_threads=1) for _ in range(2)]
    best = {"in turn": np.inf, "at once": np.inf}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for _ in range(5 if full else 2):
            started = time.perf_counter()
            for model in models:
                model.fit(X, Y)
            best["in turn"] = min(best["in turn"], time.perf_counter() - started)
            started = time.perf_counter()
            list(pool.map(lambda model: model.fit(X, Y), models))
            best["at once"] = min(best["at once"], time.perf_counter() - started)
    ratio = best["at once"] / best["in turn"]
    return ratio < (
        0.75 if full else 1.5
    ), f"two fits at once take {ratio:.2f} of one after the other"


def free_gil(full):
    """How fast a Python thread counts while a fit runs on the other processor, against without."""
    model = MLPRegressor(
        hidden_layer_sizes=(512, 512), max_iter=10_000, tol=0, n_iter_no_change=10_000, n_threads=1
    )
    big = np.tile(X, (20, 1))
    seconds = 1.0 if full else 0.3

    def rate():
        n, end = 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            n += 1
        return n / seconds

    ratios = []
    for _ in range(7 if full else 3):
        idle = rate()
        counted = []
        counter = threading.Thread(target=lambda counted=counted: counted.append(rate()))
        fit = multiprocessing.dummy.Process(
            target=lambda: model.set_params(max_iter=3 if full else 1).fit(big, big[:, 0])
        )
        fit.start()
        time.sleep(0.1)
        counter.start()
        counter.join()
        still = fit.is_alive()
        fit.join()
        if still:
            ratios.append(counted[0] / idle)
    ratio = float(np.median(ratios)) if ratios else np.nan
    # Without a quiet machine the short form can only tell a free GIL from one that is kept.
    return ratio > (
        0.9 if full else 0.1
    ), f"a Python thread keeps {ratio:.0%} of its rate during a fit"


AT_EXIT = """
import sys, atexit, threading, warnings
import numpy as np
from rustbp import MLPClassifier
warnings.simplefilter("ignore")
X = np.random.default_rng(0).standard_normal((2000, 100)); Y = X[:, 0] > 0
def fit(max_iter=2): MLPClassifier((128, 64), max_iter=max_iter, n_threads=2).fit(X, Y)
kind = sys.argv[1]
if kind == "atexit": atexit.register(fit)
if kind == "thread": threading.Thread(target=fit, args=(20,)).start()
if kind == "daemon":
    threading.Thread(target=fit, args=(10_000,), daemon=True).start()
    import time; time.sleep(0.5)
if kind == "pool":
    import concurrent.futures
    pool = concurrent.futures.ThreadPoolExecutor(4)
    for _ in range(8): pool.submit(fit)
fit()
"""


def no_deadlock(full):
    """A fit in a callback of a fit, in thread pools, and while the interpreter exits."""
    from rustbp._training.callbacks import watching

    class FitsToo:
        fits = 0

        def fit_begins(self, estimator, fitted, *, incremental): ...

        def fit_ends(self, estimator, fitted, *, reason): ...

        def epoch_ends(self, estimator, fitted):
            if self.fits < 4:
                FitsToo.fits += 1
                weights(1)

    with watching(FitsToo()):
        weights()
    bad = []
    for kind in ("atexit", "thread", "daemon", "pool"):
        for _ in range(10 if full else 1):
            try:
                run = subprocess.run(
                    [sys.executable, "-c", AT_EXIT, kind],
                    timeout=PATIENCE,
                    capture_output=True,
                    text=True,
                )
                if run.returncode or run.stderr:
                    bad.append(f"{kind}: {run.returncode} {run.stderr[-200:]}")
            except subprocess.TimeoutExpired:
                bad.append(f"{kind} hangs")
    text = f"fits in a callback ({FitsToo.fits}), thread, pool, atexit and daemon thread: {bad or 'all end'}"
    return FitsToo.fits > 0 and not bad, text


CHECKS = (fork, spawn, grid_search, backends, predictions, overlap, free_gil, no_deadlock)
QUICK = (fork, spawn, predictions, no_deadlock)
"""Those whose outcome does not hang on what else the machine is doing."""


def main():
    parser = sizes.parser(__doc__, quick=False, full=True)
    parser.add_argument("--only", choices=[check.__name__ for check in CHECKS])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    os.environ["PYTHONWARNINGS"] = "ignore"
    failed = late = False
    for check in CHECKS:
        if check.__name__ == options.only or (
            options.only is None and (options.size or check in QUICK)
        ):
            good, text = check(options.size)
            timed = check not in QUICK
            verdict = "" if good else f"LATE, {sizes.load()}: " if timed else "FAILED "
            print(f"{verdict}{text}", flush=True)
            failed |= not good and not timed
            late |= not good and timed
    return 1 if failed else sizes.LATE if late else 0


if __name__ == "__main__":
    sys.exit(main())
