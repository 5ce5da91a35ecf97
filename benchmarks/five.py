"""W1 to W5: five nets of the sizes that people train."""

from contenders import BFLOAT16, FLOAT32, FLOAT64
from workloads import Entry, Workload

ROUNDS = 5
# With the epochs of a turn.
WORKLOADS = {
    Workload(
        name="W1",
        sizes=(784, 30, 10),
        batch=10,
        rows=50_000,
        activation="logistic",
        solver="sgd",
        learning_rate=3.0,
        cost="squared_error",
    ): 2,
    Workload(name="W2", sizes=(784, 100, 10), batch=200, rows=60_000): 2,
    Workload(name="W3", sizes=(784, 1024, 1024, 10), batch=256, rows=20_000): 1,
    Workload(name="W4", sizes=(32, 64, 64, 2), batch=128, rows=100_000): 4,
    Workload(
        name="W5",
        sizes=(64,) * 7 + (10,),
        batch=64,
        rows=50_000,
        activation="tanh",
        solver="sgd",
        learning_rate=0.05,
    ): 3,
}


def entries():
    """The five entries, each a part of its own."""
    found = []
    for workload, turn in WORKLOADS.items():
        keys = FLOAT32 + (BFLOAT16 if workload.name == "W3" else ()) + FLOAT64
        found.append(Entry(workload.name, workload, keys, ROUNDS, turn))
    return found
