"""Time rustbp beside scikit-learn, PyTorch and JAX on five nets and on wide ones, and what else a user feels.

usage: python benchmarks/run.py                       everything; kept in results/run.json
       python benchmarks/run.py --minutes 7           what begins within 7 minutes
       python benchmarks/run.py --minutes 7 --resume  and what is missing still
       python benchmarks/run.py --only W1,serve       parts, or what has such a name: 128-4096; kept only in --output
       python benchmarks/run.py --only W1 --merge     in the place of what results/run.json has of them
       python benchmarks/run.py --quick               few rows, one round: does it run? Its figures mean nothing
       python benchmarks/run.py --page                no measurement: pictures and README.md from results/run.json

Contenders take turns (A B C D A B C D ...), so that whatever else the machine does meets all of them. A turn is the
same number of epochs for all, its figure the shortest epoch; the ratio of a peer is the median over the rounds of its
time divided by rustbp's in the same round.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import five
import machine
import report
import scaling
import serve
import wide
from contenders import Contenders
from goals import judge
from workloads import find_mnist

SERVE_ROUNDS = 5
PARTS = ("W1", "W2", "W3", "W4", "W5", "wide", "growth", "serve")


def say(text):
    print(text, flush=True)


def plan(arguments):
    """All that there is to measure, in the order of the page: (part, name, Entry or None for a figure of serve.py)."""
    entries = [*five.entries(), *wide.entries(), *scaling.entries(arguments.quick)]
    found = []
    for entry in entries:
        if arguments.quick:
            entry = entry.quick()
        if arguments.rounds:
            entry = replace(entry, rounds=arguments.rounds)
        found.append((entry.part, entry.workload.name, entry))
    return found + [("serve", name, None) for name in serve.names()]


def chosen(items, only):
    """Those items that --only names."""
    if not only:
        return items
    terms = only.split(",")
    found = {
        term: [item for item in items if item[0] == term or item[1].startswith(term)]
        for term in terms
    }
    for term, matches in found.items():
        if not matches:
            raise SystemExit(
                f"--only takes some of {', '.join(PARTS)}, or how a name begins; got {term}"
            )
    return [item for item in items if any(item in matches for matches in found.values())]


def empty(arguments, mnist):
    """A result without figures."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "quick": arguments.quick,
        "mnist": bool(mnist),
        "machine": machine.describe(arguments.threads),
        "blas": None,
        "versions": {},
        "absent": {},
        "workloads": [],
        "serve": [],
        "disturbance": None,
        "goals": [],
    }


class Result:
    """The figures so far, and the file that has them."""

    def __init__(self, new, path, items, keep):
        self.record = new
        self.path = path
        self._order = [name for _, name, _ in items]
        if keep and path and path.exists():
            old = json.loads(path.read_text())
            for key in ("quick", "mnist", "machine"):
                self._same(key, old[key], new[key])
            self.record = old | {"date": new["date"]}

    def _same(self, what, old, new):
        """Figures of two machines, or of two versions of a library, are not to be mixed."""
        if old and old != new:
            raise SystemExit(
                f"{self.path} has figures with another {what}: {old}, and not {new}. "
                "Without --resume and --merge it is made anew."
            )

    def names(self):
        return {row["name"] for row in self.record["workloads"] + self.record["serve"]}

    def meet(self, contenders):
        """Take in what the workers say of themselves."""
        if contenders.blas:
            self._same("BLAS", self.record["blas"], contenders.blas)
            self.record["blas"] = contenders.blas
        for package, version in contenders.versions.items():
            self._same(package, self.record["versions"].get(package), version)
        self.record["versions"] |= contenders.versions
        self.record["absent"] |= contenders.absent

    def put(self, kind, row):
        """Take in a row of a kind, in its place in the order of the page; keep the file up to date."""
        rows = [old for old in self.record[kind] if old["name"] != row["name"]] + [row]
        places = {name: place for place, name in enumerate(self._order)}
        self.record[kind] = sorted(rows, key=lambda row: places.get(row["name"], len(places)))
        disturbed = [
            row["disturbance"]
            for row in self.record["workloads"] + self.record["serve"]
            if row["disturbance"] is not None
        ]
        self.record["disturbance"] = median(disturbed) if disturbed else None
        self.record["goals"] = judge(self.record)
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(report.rounded(self.record), indent=1, ensure_ascii=False)
            self.path.write_text(f"{text}\n")


def measure(arguments, items, result):
    """Measure items one after the other, as long as there is time; return those that are left."""
    mnist = find_mnist(arguments.data)
    say(f"MNIST: {'real' if mnist else 'numbers of its shape'}")
    end = time.perf_counter() + 60 * (arguments.minutes or float("inf"))
    with Contenders(arguments.peers.split(","), mnist=mnist, say=say) as contenders:
        for place, (_, name, entry) in enumerate(items):
            if time.perf_counter() > end:
                return items[place:]
            if entry is None:
                row = serve.measure(
                    name,
                    rounds=arguments.rounds or (1 if arguments.quick else SERVE_ROUNDS),
                    threads=arguments.threads,
                    quick=arguments.quick,
                )
                say(report.serve_line(row))
                result.put("serve", row)
            else:
                say(f"{name}, {entry.workload.net}, {entry.workload.rows} rows")
                row = contenders.measure(entry, arguments.threads)
                result.meet(contenders)
                result.put("workloads", row)
    return []


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", help="npz file with MNIST (X_train, y_train)")
    parser.add_argument("--only", help=f"by comma: {', '.join(PARTS)}, or how a name begins")
    parser.add_argument("--peers", default="rustbp,scikit-learn,PyTorch,JAX", help="by comma")
    parser.add_argument("--rounds", type=int, help="turns of each contender (default 2 to 5)")
    parser.add_argument("--threads", type=int, help="threads of each contender (default 2)")
    parser.add_argument("--minutes", type=float, help="begin nothing after so many")
    parser.add_argument("--output", type=Path, help="file for the figures, in place of the usual")
    parser.add_argument("--merge", action="store_true", help="keep what else the file has")
    parser.add_argument("--resume", action="store_true", help="only what the file has not")
    parser.add_argument("--quick", action="store_true", help="few rows; the figures mean nothing")
    parser.add_argument("--page", action="store_true", help="only draw, and rewrite README.md")
    arguments = parser.parse_args()
    if "rustbp" not in arguments.peers.split(","):
        arguments.peers = f"rustbp,{arguments.peers}"
    arguments.threads = max(1, arguments.threads or min(2, machine.processors()))
    if arguments.output is None and not arguments.quick:
        keep = arguments.merge or arguments.resume
        arguments.output = report.RESULT if keep or not arguments.only else None
    return arguments


def main():
    arguments = parse()
    if arguments.page:
        report.make_page()
        return
    start = time.perf_counter()
    items = plan(arguments)
    keep = arguments.merge or arguments.resume
    new = empty(arguments, find_mnist(arguments.data))
    result = Result(new, arguments.output, items, keep)
    items = chosen(items, arguments.only)
    if arguments.resume:
        items = [item for item in items if item[1] not in result.names()]
    left = measure(arguments, items, result)
    say("")
    if not left:
        say(report.text(result.record))
    if result.path:
        say(f"\nkept in {result.path}; --page makes README.md of {report.RESULT.name}")
    say(f"{time.perf_counter() - start:.0f} seconds in all")
    if left:
        say(f"{len(left)} of {len(items)} are left: run the same with --resume")


if __name__ == "__main__":
    main()
