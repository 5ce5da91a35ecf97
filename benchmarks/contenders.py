"""The contenders, and the turns they take with one workload after the other."""

import dataclasses
from statistics import median

from worker import Absent, Worker

# The key of a contender, and what its worker must know of it. float64 takes every second turn only.
CONTENDERS = {
    "rustbp": {"peer": "rustbp", "dtype": "float32"},
    "scikit-learn": {"peer": "scikit-learn", "dtype": "float32"},
    "PyTorch": {"peer": "PyTorch", "dtype": "float32"},
    "JAX": {"peer": "JAX", "dtype": "float32"},
    "rustbp bfloat16": {"peer": "rustbp", "dtype": "float32", "compute": "bfloat16"},
    "rustbp float64": {"peer": "rustbp", "dtype": "float64"},
    "scikit-learn float64": {"peer": "scikit-learn", "dtype": "float64"},
}
FLOAT32 = ("rustbp", "scikit-learn", "PyTorch", "JAX")
FLOAT64 = ("rustbp float64", "scikit-learn float64")
BFLOAT16 = ("rustbp bfloat16",)


class Contenders:
    """The workers of a run: each is started when it is first needed, and stays to the end.

    Who cannot run here is left out, with a line that says why.
    """

    def __init__(self, peers, *, mnist, say):
        self.absent = {}
        self.versions = {}
        self.blas = None
        self._peers = peers
        self._mnist = mnist
        self._say = say
        self._workers = {}

    def _start(self, keys, threads):
        """All workers of an entry at once; then wait for each."""
        for key in keys:
            if (key, threads) not in self._workers:
                script = "limit.py" if key == "limit" else "peers.py"
                job = CONTENDERS.get(key, {}) | {"mnist": self._mnist}
                self._workers[key, threads] = Worker(script, job, threads=threads)
        workers = {key: self._workers[key, threads] for key in keys}
        return self._those_who_can(workers, self._meet)

    def _meet(self, worker):
        about = worker.ready()
        self.versions |= about.get("versions", {})
        self.blas = about["blas"]

    def _those_who_can(self, workers, call):
        present = {}
        for key, worker in workers.items():
            try:
                call(worker)
            except Absent as error:
                self._say(f"  {key} is left out: {error}")
                self.absent[key] = str(error)
            else:
                present[key] = worker
        return present

    def measure(self, entry, threads):
        """All rounds of an entry, as a record."""
        workload, threads = entry.workload, entry.threads or threads
        known = [key for key in entry.contenders if CONTENDERS[key]["peer"] in self._peers]
        wanted = [key for key in known if key not in self.absent]
        workers = self._start(["limit", *wanted], threads)
        limit_worker = workers.pop("limit")
        job = dataclasses.asdict(workload)
        workers = self._those_who_can(workers, lambda worker: worker.ask(workload=job))
        dtypes = sorted({CONTENDERS[key]["dtype"] for key in workers})
        limit, seconds, disturbance = {}, {key: {} for key in workers}, []
        for number in range(entry.rounds):
            measured = limit_worker.turn(disturbance, dtypes=dtypes)["gflops"]
            limit = {dtype: max(measured[dtype], limit.get(dtype, 0)) for dtype in dtypes}
            for key, worker in workers.items():
                if number % 2 == 0 or CONTENDERS[key]["dtype"] == "float32":
                    epochs = worker.turn(disturbance, epochs=entry.turn)["seconds"]
                    seconds[key][number] = min(epochs)
            line = [f"{key} {s[number]:.4f}" for key, s in seconds.items() if number in s]
            self._say(f"  round {number + 1}: {', '.join(line)}")
        return {
            "name": workload.name,
            "part": entry.part,
            "sweep": entry.sweep,
            "series": entry.series,
            "x": entry.x,
            "net": workload.net,
            "batch": workload.batch,
            "rows": workload.rows,
            "trained by": f"{workload.activation} {workload.solver}",
            "gflop": workload.flops / 1e9,
            "threads": threads,
            "limit": limit,
            "disturbance": median(disturbance) if disturbance else None,
            "contenders": figures(workload, seconds, limit),
        }

    def close(self):
        for worker in self._workers.values():
            worker.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def figures(workload, seconds, limit):
    """For each contender its best epoch, GFLOP/s, share of the limit, and the median over the rounds of its time
    divided by rustbp's in the same round."""
    found = {}
    for key, by_round in seconds.items():
        dtype = CONTENDERS[key]["dtype"]
        ours = seconds.get("rustbp float64" if dtype == "float64" else "rustbp", by_round)
        best = min(by_round.values())
        gflops = workload.flops / best / 1e9
        found[key] = {
            "dtype": "bfloat16" if CONTENDERS[key].get("compute") else dtype,
            "seconds": best,
            "gflops": gflops,
            "share": gflops / limit[dtype],
            "ratio": median(by_round[number] / ours[number] for number in by_round),
            "rounds": list(by_round.values()),
        }
    return found
