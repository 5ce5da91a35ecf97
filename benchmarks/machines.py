"""What training costs on a cluster, and on chunks of files: time, memory, and a picture of an epoch.

    python benchmarks/machines.py worker            # one worker through Dask against partial_fit here
    python benchmarks/machines.py workers           # two workers, against what two independent processes gain
    python benchmarks/machines.py sorted ../data    # MNIST sorted by label, mixed once, against the local fit
    python benchmarks/machines.py memory            # peak memory of two workers that read partitions anew
    python benchmarks/machines.py chunks --gb 3     # fit(chunks) of Parquet and .npy files under a memory limit
    python benchmarks/machines.py timeline docs/guide/timeline.png

Each starts the processes that it needs on this machine, prints what it measured, and leaves nothing behind.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import numpy as np

COLUMNS, GROUP = 256, 32_768
"""Of the files: 32 MiB of float32 in a chunk."""
WIDE = {"hidden_layer_sizes": (1024, 1024), "random_state": 0, "n_threads": 1}
OF_FILE = {"hidden_layer_sizes": (200, 100), "random_state": 0, "n_threads": 1}


@contextmanager
def cluster(workers, **options):
    import distributed

    with (
        distributed.LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
            **options,
        ) as running,
        distributed.Client(running) as client,
    ):
        yield client


def rows(number, n, columns=784):
    rng = np.random.default_rng(number)
    X = rng.random((n, columns), dtype=np.float32)
    return X, (X[:, :20].sum(axis=1) * 2).astype(int) % 10


def one_worker(given):
    """Seconds of an epoch, the least of three, each in turn."""
    import dask

    from rustbp import MLPClassifier
    from rustbp.dask import DaskMLPClassifier

    sizes = [30_000] * 3
    parts = [rows(i, n) for i, n in enumerate(sizes)]
    X, y = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    with cluster(1) as client:
        data = client.persist([dask.delayed(rows)(i, n) for i, n in enumerate(sizes)])
        here, there = MLPClassifier(**WIDE), DaskMLPClassifier(**WIDE, replicas=1)
        times = {"here": [], "there": []}
        for _ in range(3):
            began = time.perf_counter()
            here.partial_fit(X, y, classes=np.arange(10))
            times["here"].append(time.perf_counter() - began)
            began = time.perf_counter()
            there.partial_fit(data)
            times["there"].append(time.perf_counter() - began)
    least = {name: min(seconds) for name, seconds in times.items()}
    print(
        f"90,000 rows, 784-1024-1024-10, three partitions: here {least['here']:.2f} s, one worker through Dask "
        f"{least['there']:.2f} s, {least['there'] / least['here']:.2f} times"
    )


def seconds_alone(n):
    """Seconds of an epoch over so many rows in this process, the least of two."""
    from rustbp import MLPClassifier

    X, y = rows(0, n)
    model = MLPClassifier(**WIDE)
    times = []
    for _ in range(2):
        began = time.perf_counter()
        model.partial_fit(X, y, classes=np.arange(10))
        times.append(time.perf_counter() - began)
    return min(times)


class Watch:
    """Notes when a fit began and each of its epochs ended."""

    def __init__(self, clock=time.perf_counter):
        self.ends, self.clock = [], clock

    def fit_begins(self, estimator, fitted, *, incremental):
        self.ends.append(self.clock())

    def epoch_ends(self, estimator, fitted):
        self.ends.append(self.clock())

    def fit_ends(self, estimator, fitted, *, reason): ...


def two_workers(given):
    """How much two workers gain, of what two processes gain that know nothing of each other."""
    import dask

    from rustbp._training.callbacks import watching
    from rustbp.dask import DaskMLPClassifier

    count, n = 4, 30_000
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        # In turn, as no machine is as fast all the time.
        alone, both = [], []
        for _ in range(2):
            alone.append(pool.submit(seconds_alone, n).result())
            both.append(max(pool.map(seconds_alone, [n] * 2)))
    epochs = {}
    for workers in (1, 2):
        with cluster(workers):
            DaskMLPClassifier(**WIDE, replicas=2).partial_fit([dask.delayed(rows)(0, 1000)] * 2)
            model = DaskMLPClassifier(**WIDE, replicas=2, max_iter=3, persist=True)
            watch = Watch()
            with watching(watch):
                model.fit([dask.delayed(rows)(i, n) for i in range(count)])
            epochs[workers] = np.diff(watch.ends)
    of_both = 2 * min(alone) / min(both)
    print(
        f"120,000 rows, 784-1024-1024-10, four partitions, replicas=2: two independent processes gain {of_both:.2f}"
    )
    for what, best in (("the best epoch", np.min), ("the mean of three", np.mean)):
        one, two = (best(epochs[workers]) for workers in (1, 2))
        print(
            f"{what}: one worker {one:.2f} s, two {two:.2f} s, {one / two:.2f} times as fast; "
            f"{one / two / of_both:.2f} of it"
        )


def sorted_rows(given):
    """Test accuracy for equally many epochs, with and without mixing."""
    import dask.array as da
    import replicas

    from rustbp import MLPClassifier
    from rustbp.dask import DaskMLPClassifier

    X, y, X_test, y_test = replicas.mnist(given.folder)
    order = np.argsort(y, kind="stable")
    chunk = -(-len(y) // 64)
    found = {"local": [], "auto": [], False: []}
    with cluster(2) as client:
        data = [
            client.persist(da.from_array(values[order], chunks=(chunk, *values.shape[1:])))
            for values in (X, y)
        ]
        for seed in range(given.seeds):
            options = {"max_iter": 10, "n_iter_no_change": np.inf, "random_state": seed}
            local = MLPClassifier(**options).fit(X, y)
            found["local"].append(local.score(X_test, y_test))
            for mix in ("auto", False):
                model = DaskMLPClassifier(**options, replicas=8, mix=mix).fit(*data)
                found[mix].append(model.to_local().score(X_test, y_test))
    means = {name: 100 * np.mean(scores) for name, scores in found.items()}
    print(
        f"MNIST sorted by label, 64 partitions, K=8, 10 epochs, {given.seeds} seeds: local fit {means['local']:.2f}, "
        f"mix='auto' {means['auto']:.2f}, mix=False {means[False]:.2f}"
    )


@contextmanager
def watched(pids):
    """The most memory that each process has for itself, in bytes."""
    import psutil

    processes = {pid: psutil.Process(pid) for pid in pids}
    peak, over = dict.fromkeys(pids, 0), threading.Event()

    def watch():
        while not over.wait(0.01):
            for pid, process in processes.items():
                peak[pid] = max(peak[pid], process.memory_full_info().uss)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def memory(given):
    """Peak memory of workers that make partitions anew in each epoch, and of such that keep them."""
    import os

    import dask
    import psutil

    from rustbp.dask import DaskMLPClassifier

    n = 40_000
    size = n * 784 * 4
    count = round(given.gb * 1e9 / size)
    for persist in (False,) if given.gb > 4 else (False, True):
        with cluster(2, memory_limit="auto" if persist else "2GB") as client:
            # What the first task of a worker imports belongs to its base.
            small = [dask.delayed(rows)(i, 100) for i in range(4)]
            options = {"hidden_layer_sizes": (512, 512), "random_state": 0}
            DaskMLPClassifier(**options, max_iter=1).fit(small)
            pids = list(client.run(os.getpid).values())
            base = max(psutil.Process(pid).memory_full_info().uss for pid in pids)
            model = DaskMLPClassifier(**options, replicas=8, max_iter=2, persist=persist)
            with watched(pids) as peak:
                model.fit([dask.delayed(rows)(i, n) for i in range(count)])
            weights = sum(array.nbytes for array in model.coefs_ + model.intercepts_)
        states = 6 * weights
        held = (count // 2 + 1) * size if persist else 2 * size
        print(
            f"persist={persist}: {count} partitions of {size / 2**20:.0f} MiB, model of {weights / 2**20:.1f} MiB, "
            f"base {base / 2**20:.0f}: peaks {', '.join(f'{p / 2**20:.0f}' for p in peak.values())} MiB; base + "
            f"{'own partitions + 1' if persist else '2 partitions'} + 6 models + 50: "
            f"{(base + held + states) / 2**20 + 50:.0f} MiB",
            flush=True,
        )


def chunks(given):
    """Peak memory and rows per second of fit(chunks), in a process that may have no more than the limit."""
    import pyarrow
    import pyarrow.parquet

    count = int(given.gb * 1e9 / (GROUP * COLUMNS * 4))
    names = [f"c{i}" for i in range(COLUMNS)]
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        folder = Path(folder)
        schema = pyarrow.schema([(name, pyarrow.float32()) for name in names] + [("y", "int64")])
        with pyarrow.parquet.ParquetWriter(
            folder / "rows.parquet", schema, compression="none", use_dictionary=False
        ) as file:
            for i in range(count):
                X, y = rows(i, GROUP, COLUMNS)
                table = pyarrow.Table.from_arrays([*X.T, y], schema=schema)
                file.write_table(table, row_group_size=GROUP)
                np.save(folder / f"X-{i:04}.npy", X)
                np.save(folder / f"y-{i:04}.npy", y)
        size = (folder / "rows.parquet").stat().st_size / 1e9
        what = {
            "memory": "rows in memory",
            "parquet": f"{size:.2f} GB of Parquet",
            "npy": f"{size:.2f} GB of .npy files, with no more than {given.limit} MB of data",
        }
        # In memory before and after each: the machine may be busy.
        for kind in ("memory", "parquet", "memory", "npy", "memory"):
            command = [sys.executable, __file__, "child", str(folder), kind]
            command += ["--limit", str(given.limit)]
            command += [] if given.buffer is None else ["--buffer", str(given.buffer)]
            ran = subprocess.run(command, check=True, stdout=subprocess.PIPE)
            found = json.loads(ran.stdout)
            print(
                f"{what[kind]}: {found['rows']:,} rows, peak {found['peak'] / 1e6:.0f} MB (before the fit "
                f"{found['base'] / 1e6:.0f}), {found['rows'] / found['epoch']:,.0f} rows/s, "
                f"{found['rows'] / found['processor']:,.0f} in a second of all processors, scan {found['scan']:.1f} s",
                flush=True,
            )


def peak():
    """The most memory that this process has had in RAM, in bytes."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) * 1024


def child(given):
    """A fit, of which all epochs but the first are timed."""
    import resource

    from rustbp import MLPClassifier
    from rustbp import chunks as make
    from rustbp._training.callbacks import watching

    folder = given.folder
    if given.kind == "memory":
        # So many rows as fit with ease, and epochs for some seconds.
        parts = [rows(i, GROUP, COLUMNS) for i in range(8)]
        data = [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
        n, epochs = len(data[1]), 30
    else:
        n, epochs = len(list(folder.glob("y-*.npy"))) * GROUP, 2
        data = [
            make.parquet(folder / "rows.parquet", target="y", buffer=given.buffer)
            if given.kind == "parquet"
            else make.npy(folder / "X-*.npy", folder / "y-*.npy", buffer=given.buffer)
        ]
        if given.kind == "npy":
            # Arrow's allocator takes a gigabyte of addresses at once, used or not; of it the peak tells.
            resource.setrlimit(resource.RLIMIT_DATA, (given.limit * 10**6,) * 2)
    Path("/proc/self/clear_refs").write_text("5")  # So that the peak is that of the fit.
    base = peak()
    began, watch, processor = time.perf_counter(), Watch(), Watch(time.process_time)
    with watching(watch), watching(processor):
        MLPClassifier(**OF_FILE, max_iter=epochs, tol=0).fit(*data)
    print(
        json.dumps(
            {
                "rows": n,
                "base": base,
                "peak": peak(),
                "epoch": np.diff(watch.ends)[1:].mean(),
                "processor": np.diff(processor.ends)[1:].mean(),
                "scan": watch.ends[0] - began,
            }
        )
    )


COLOURS = {"train": "#4477aa", "average": "#cc3311", "transfer": "#bbbbbb"}
"""Of the timeline: blue, red and grey, told apart by everybody."""
LABELS = {"train": "train on a partition", "average": "average", "transfer": "fetch"}


def spans_of(stream, began):
    """Kind, worker, start and stop of what workers do from the first training on."""
    spans = []
    for task in stream.data:
        for span in task["startstops"]:
            name = str(task["key"]).split("-")[1] if "rustbp" in str(task["key"]) else None
            kind = "transfer" if span["action"] == "transfer" else name
            if kind in COLOURS and span["start"] > began:
                spans.append((kind, task["worker"], span["start"], span["stop"]))
    zero = min(start for kind, _, start, _ in spans if kind == "train")
    return [(kind, worker, start - zero, stop - zero) for kind, worker, start, stop in spans]


def timeline(given):
    """A picture of what two workers do in two epochs."""
    import dask
    import distributed
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    from rustbp.dask import DaskMLPClassifier

    with cluster(2) as client:
        sizes = [15_000, 18_000, 21_000, 18_000]
        data = [dask.delayed(rows)(i, n) for i, n in enumerate(sizes * 2)]
        options = {"hidden_layer_sizes": (512, 512), "random_state": 0, "persist": True}
        model = DaskMLPClassifier(**options, replicas=4, max_iter=1).fit(data)
        began = time.time()
        with distributed.get_task_stream(client=client) as stream:
            model.set_params(max_iter=2).fit(data)
    spans = spans_of(stream, began)
    lanes = sorted({worker for _, worker, *_ in spans})
    figure, axes = pyplot.subplots(figsize=(8, 1.9), layout="constrained")
    for kind, worker, start, stop in spans:
        axes.barh(
            lanes.index(worker),
            max(stop - start, 0.004),
            left=start,
            color=COLOURS[kind],
            edgecolor="white",
            linewidth=0.5,
            height=0.35 if kind == "transfer" else 0.7,
        )
    ends = sorted(stop for kind, _, _, stop in spans if kind == "average")
    middle = ends[len(ends) // 2 - 1]
    axes.axvline(middle, color="black", linewidth=0.8, linestyle=":")
    for x, side, text in ((middle, "right", "epoch 1 "), (middle, "left", " epoch 2")):
        axes.text(x, len(lanes) - 0.55, text, ha=side, va="bottom", fontsize=8)
    axes.set_yticks(range(len(lanes)), [f"worker {i}" for i in range(len(lanes))])
    axes.set_xlabel("seconds")
    handles = [pyplot.Rectangle((0, 0), 1, 1, color=COLOURS[kind]) for kind in LABELS]
    axes.legend(
        handles,
        LABELS.values(),
        ncols=3,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.05),
        frameon=False,
    )
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(given.file, dpi=110)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    commands.add_parser("worker").set_defaults(run=one_worker)
    commands.add_parser("workers").set_defaults(run=two_workers)
    one = commands.add_parser("sorted")
    one.add_argument("folder", type=Path)
    one.add_argument("--seeds", type=int, default=3)
    one.set_defaults(run=sorted_rows)
    one = commands.add_parser("memory")
    one.add_argument("--gb", type=float, default=3.0, help="above 4 they are not kept")
    one.set_defaults(run=memory)
    one = commands.add_parser("chunks")
    one.add_argument("--gb", type=float, default=3.0)
    one.add_argument("--limit", type=int, default=600, help="MB of data that the process may have")
    one.add_argument(
        "--buffer", type=int, help="chunks of 32 MiB to mix; as many as fit mixes by itself"
    )
    one.add_argument("--folder", type=Path, help="where the files go for a while")
    one.set_defaults(run=chunks)
    one = commands.add_parser("child")
    one.add_argument("folder", type=Path)
    one.add_argument("kind")
    one.add_argument("--limit", type=int)
    one.add_argument("--buffer", type=int)
    one.set_defaults(run=child)
    one = commands.add_parser("timeline")
    one.add_argument("file", type=Path)
    one.set_defaults(run=timeline)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    given.run(given)


if __name__ == "__main__":
    main()
