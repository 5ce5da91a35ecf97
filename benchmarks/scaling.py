"""How the cost of an epoch grows with rows, width, depth, batch size and threads.

usage: python benchmarks/scaling.py                everything; kept in results/scaling.json and plots/scaling.svg
       python benchmarks/scaling.py --quick        two points of each sweep: does it run? Nothing is kept
       python benchmarks/scaling.py --peak 115     GFLOP/s of one core; else it is measured

float32, relu, Adam. scikit-learn is timed where that is cheap. Both take turns, in processes of their own.
"""

import argparse
import dataclasses
import json
import time
from pathlib import Path

import machine
from report import rounded
from worker import PAUSE, Absent, Worker
from workloads import Workload

RESULTS = Path(__file__).resolve().parent / "results"
ROUNDS = 2
# A turn lasts about so long, and a scikit-learn epoch that would take longer than this is not timed.
TURN_SECONDS, LONGEST_SECONDS = 0.1, 2.0
PEERS = ("rustbp", "scikit-learn")


def net(*sizes, rows, batch=200):
    """A workload of this page."""
    name = "-".join(map(str, sizes))
    return Workload(name=name, about=name, sizes=sizes, batch=batch, rows=rows)


def sweeps(processors):
    """For each sweep: a title, and series of (x, threads or None for the usual number, workload)."""
    threads = sorted({2**k for k in range(processors.bit_length())} | {processors})
    return {
        "rows": {
            "64-128-128-10, batch 200": [
                (n, None, net(64, 128, 128, 10, rows=n))
                for n in (1000, 3000, 10_000, 30_000, 100_000, 300_000)
            ]
        },
        "width": {
            "64-w-w-10, batch 200, 5,000 rows": [
                (w, None, net(64, w, w, 10, rows=5000)) for w in (2**k for k in range(3, 12))
            ]
        },
        "depth": {
            "64-(64)×d-10, batch 200, 20,000 rows": [
                (d, None, net(*[64] * (d + 1), 10, rows=20_000)) for d in (1, 2, 4, 8, 16, 32)
            ]
        },
        "batch": {
            "64-128-128-10, 20,000 rows": [
                (b, None, net(64, 128, 128, 10, rows=20_000, batch=b))
                for b in (1, 4, 16, 64, 256, 1024, 4096)
            ]
        },
        "threads": {
            "784-100-10, batch 200, 10,000 rows": [
                (t, t, net(784, 100, 10, rows=10_000)) for t in threads
            ],
            "784-1024-1024-10, batch 256, 5,000 rows": [
                (t, t, net(784, 1024, 1024, 10, rows=5000, batch=256)) for t in threads
            ],
        },
    }


def seconds_per_epoch(workload, threads):
    """The shortest epoch of each peer that is timed."""
    expected = workload.flops / 2e10 + workload.rows / workload.batch * 3e-4
    peers = PEERS if expected < LONGEST_SECONDS else PEERS[:1]
    job = {"workload": dataclasses.asdict(workload), "mnist": None, "dtype": "float32"}
    workers, best, epochs = {}, {}, {}
    try:
        for peer in peers:
            more = {"peer": peer, "compute": None}
            workers[peer] = Worker("peers.py", job | more, threads=threads)
        for worker in workers.values():
            worker.ready()
        for peer, worker in workers.items():
            first = worker.ask("start")["seconds"][0]
            epochs[peer] = min(20, max(1, round(TURN_SECONDS / first)))
        for _ in range(ROUNDS):
            for peer, worker in workers.items():
                time.sleep(PAUSE)
                shortest = min(worker.ask(epochs[peer])["seconds"])
                best[peer] = min(shortest, best.get(peer, shortest))
    finally:
        for worker in workers.values():
            worker.close()
    return best


def measure(arguments):
    """All sweeps as one record."""
    peak = arguments.peak or machine.measured_peak()["float32"]
    print(f"limit: {peak:g} GFLOP/s per core, {arguments.threads} threads", flush=True)
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine.describe(arguments.threads),
        "peak_per_core": peak,
        "sweeps": {},
    }
    for what, series in sweeps(machine.processors()).items():
        result["sweeps"][what] = {}
        for title, points in series.items():
            measured = result["sweeps"][what][title] = []
            if arguments.quick:
                points = points[:: max(1, len(points) // 2)][:2]
            for x, threads, workload in points:
                threads = threads or arguments.threads
                best = seconds_per_epoch(workload, threads)
                gflop = workload.flops / 1e9
                limit = gflop / (threads * peak)
                measured.append({"x": x, "gflop": gflop, "limit": limit, "seconds": best})
                figures = ", ".join(
                    f"{peer} {s:.4f} s {gflop / s:.1f} GFLOP/s" for peer, s in best.items()
                )
                print(f"{what} {x}, {title}: {figures}", flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peak", type=float, help="float32 GFLOP/s of one core; else measured")
    parser.add_argument("--threads", type=int, help="threads (default 2), but for the last sweep")
    parser.add_argument("--quick", action="store_true", help="two points of each sweep")
    arguments = parser.parse_args()
    arguments.threads = max(1, arguments.threads or min(2, machine.processors()))
    start = time.perf_counter()
    try:
        result = measure(arguments)
    except Absent as error:
        raise SystemExit(str(error)) from None
    if not arguments.quick:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "scaling.json").write_text(json.dumps(rounded(result), indent=1) + "\n")
        try:
            import plot
        except ImportError:
            print("matplotlib is not installed: no plot; python benchmarks/plot.py draws it later")
        else:
            plot.main()
    print(f"{time.perf_counter() - start:.0f} seconds in all")


if __name__ == "__main__":
    main()
