"""Time rustbp beside scikit-learn, PyTorch and JAX on five nets, and what else a user feels.

usage: python benchmarks/run.py                   everything; kept in results/run.json
       python benchmarks/run.py --quick           few rows, two rounds: does it run? Its figures mean nothing
       python benchmarks/run.py --only W1,serve   a part; kept only if --output names a file
       python benchmarks/run.py --update-readme   no measurement: results/*.json into README.md

Contenders take turns (A B C D A B C D ...), so that whatever else the machine does meets all of them. A turn is the
same number of epochs for all, its figure the shortest epoch; the ratio of a peer is the median over the rounds of its
time divided by rustbp's in the same round.
"""

import argparse
import dataclasses
import json
import time
from pathlib import Path
from statistics import median

import machine
import report
import serve
from goals import judge
from worker import PAUSE, Absent, Worker
from workloads import WORKLOADS, find_mnist

RESULTS = Path(__file__).resolve().parent / "results"
# The key of a contender, and what its worker must know of it. float64 takes every second turn only.
CONTENDERS = {
    "rustbp": {"peer": "rustbp", "dtype": "float32", "compute": None},
    "scikit-learn": {"peer": "scikit-learn", "dtype": "float32"},
    "PyTorch": {"peer": "PyTorch", "dtype": "float32"},
    "JAX": {"peer": "JAX", "dtype": "float32"},
    "rustbp bfloat16": {"peer": "rustbp", "dtype": "float32", "compute": "bfloat16"},
    "rustbp float64": {"peer": "rustbp", "dtype": "float64", "compute": None},
    "scikit-learn float64": {"peer": "scikit-learn", "dtype": "float64"},
}
BFLOAT16_WORKLOADS = ("W3",)


def say(text):
    print(text, flush=True)


class Contenders:
    """The workers of one workload, by key; who cannot run here is left out, with a line that says why."""

    def __init__(self, workload, keys, *, mnist, threads):
        job = {"workload": dataclasses.asdict(workload), "mnist": mnist}
        self.workers = {}
        self.versions = {}
        self.absent = {}
        self.disturbance = []
        try:
            for key in keys:
                self.workers[key] = Worker("peers.py", job | CONTENDERS[key], threads=threads)
            for key in keys:
                self._or_leave_out(key, lambda key=key: self._meet(key))
            for key in list(self.workers):
                self._or_leave_out(key, lambda key=key: self.turn(key, "start"))
        except BaseException:
            self.close()
            raise
        # The first epoch is not part of the measurement, and neither is what disturbed it.
        self.disturbance.clear()

    def _meet(self, key):
        self.versions |= self.workers[key].ready()["versions"]

    def _or_leave_out(self, key, call):
        try:
            call()
        except Absent as error:
            say(f"  {key} is left out: {error}")
            self.absent[key] = str(error)
            self.workers.pop(key).close()

    def turn(self, key, command):
        """Let one contender train; return its shortest epoch in seconds."""
        time.sleep(PAUSE)
        worker = self.workers[key]
        seconds = min(worker.ask(command)["seconds"])
        if worker.disturbance is not None:
            self.disturbance.append(worker.disturbance)
        return seconds

    def close(self):
        for worker in self.workers.values():
            worker.close()


def measure_workload(workload, contenders, rounds):
    """Seconds of every contender in every round in which it took part."""
    seconds = {key: {} for key in contenders.workers}
    for number in range(rounds):
        for key in contenders.workers:
            if number % 2 == 0 or not key.endswith("float64"):
                seconds[key][number] = contenders.turn(key, workload.turn)
        line = ", ".join(
            f"{key} {by_round[number]:.4f}"
            for key, by_round in seconds.items()
            if number in by_round
        )
        say(f"  round {number + 1}: {line}")
    return seconds


def summary(workload, seconds, peak):
    """The figures of every contender: its best epoch, GFLOP/s, share of the limit, and the median ratio to rustbp."""
    figures = {}
    for key, by_round in seconds.items():
        best = min(by_round.values())
        dtype = CONTENDERS[key]["dtype"]
        reference = seconds["rustbp float64" if dtype == "float64" else "rustbp"]
        figures[key] = {
            "dtype": "bfloat16" if CONTENDERS[key].get("compute") else dtype,
            "seconds": best,
            "gflops": workload.flops / best / 1e9,
            "share": workload.flops / best / 1e9 / peak[dtype],
            "ratio": median(by_round[number] / reference[number] for number in by_round),
            "rounds": list(by_round.values()),
        }
    return {
        "name": workload.name,
        "about": workload.about,
        "rows": workload.rows,
        "gflop": workload.flops / 1e9,
        "contenders": figures,
    }


def measure(arguments):
    """Everything that was asked for, as one record."""
    mnist = find_mnist(arguments.data)
    only = arguments.only.split(",") if arguments.only else None
    known = [w.name for w in WORKLOADS] + ["serve"]
    if only and not set(only) <= set(known):
        raise SystemExit(f"--only takes some of {', '.join(known)}; got {arguments.only}")
    say(
        f"MNIST: {'real' if mnist else 'numbers of its shape (--data or RUSTBP_MNIST names an npz)'}"
    )
    per_core = (
        dict.fromkeys(("float32", "float64"), 1.0) if arguments.quick else machine.measured_peak()
    )
    if arguments.limit:
        per_core = {"float32": arguments.limit, "float64": arguments.limit / 2}
    peak = {dtype: arguments.threads * gflops for dtype, gflops in per_core.items()}
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "quick": arguments.quick,
        "rounds": arguments.rounds,
        "mnist": bool(mnist),
        "machine": machine.describe(arguments.threads),
        "peak_per_core": per_core,
        "versions": {},
        "absent": {},
        "workloads": [],
        "serve": [],
    }
    disturbance = []
    for workload in WORKLOADS:
        if only and workload.name not in only:
            continue
        if arguments.quick:
            workload = dataclasses.replace(workload, rows=max(1000, workload.rows // 50))
        say(f"{workload.name}: {workload.about}, {workload.rows} rows")
        keys = [
            key
            for key in CONTENDERS
            if CONTENDERS[key]["peer"] in arguments.peers.split(",")
            and (workload.name in BFLOAT16_WORKLOADS or not key.endswith("bfloat16"))
        ]
        contenders = Contenders(workload, keys, mnist=mnist, threads=arguments.threads)
        try:
            seconds = measure_workload(workload, contenders, arguments.rounds)
        finally:
            contenders.close()
        result["versions"] |= contenders.versions
        result["absent"] |= contenders.absent
        disturbance += contenders.disturbance
        result["workloads"].append(summary(workload, seconds, peak))
    if not only or "serve" in only:
        result["serve"] = serve.measure(
            rounds=arguments.rounds,
            threads=arguments.threads,
            quick=arguments.quick,
            say=say,
            pause=time.sleep,
            disturbance=disturbance,
        )
    result["disturbance"] = median(disturbance) if disturbance else None
    result["goals"] = judge(result)
    return result


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", help="npz file with MNIST (X_train, y_train)")
    parser.add_argument("--only", help="workloads, by comma: W1 to W5, serve")
    parser.add_argument("--peers", default="rustbp,scikit-learn,PyTorch,JAX", help="by comma")
    parser.add_argument("--rounds", type=int, help="turns of each contender (default 5)")
    parser.add_argument("--threads", type=int, help="threads of each contender (default 2)")
    parser.add_argument("--limit", type=float, help="float32 GFLOP/s of one core; else measured")
    parser.add_argument("--output", type=Path, help="file for the figures, in place of the usual")
    parser.add_argument("--quick", action="store_true", help="few rows; the figures mean nothing")
    parser.add_argument("--update-readme", action="store_true", help="only rewrite README.md")
    arguments = parser.parse_args()
    if "rustbp" not in arguments.peers.split(","):
        arguments.peers = f"rustbp,{arguments.peers}"
    arguments.rounds = max(1, arguments.rounds or (2 if arguments.quick else 5))
    arguments.threads = max(1, arguments.threads or min(2, machine.processors()))
    return arguments


def main():
    arguments = parse()
    if arguments.update_readme:
        report.update_readme()
        return
    start = time.perf_counter()
    result = measure(arguments)
    say("")
    say(report.text(result))
    output = arguments.output
    if output is None and not arguments.quick and not arguments.only:
        output = RESULTS / "run.json"
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(report.rounded(result), indent=1) + "\n")
        say(f"\nkept in {output}; run.py --update-readme puts results/run.json into README.md")
    say(f"{time.perf_counter() - start:.0f} seconds in all")


if __name__ == "__main__":
    main()
