"""Training over partitions of rows that no one machine holds: pure functions, and a loop that any engine can run.

Imports `_training`, `_arrays`, `_mapped`, `_typing`, `_warn` and `_core`, and knows an estimator only as the object
that it is given. Start with `fit` in `fitting`; what happens to one partition is in `work`.

A function takes arrays and a state, a dict of arrays, and returns another; it reads no file, keeps nothing and changes
nothing that it is given. What is random is drawn from ``random_state``, the epoch and the number of the partition. So a
task that is run again, elsewhere, with any number of threads, gives the same bits.
"""

from rustbp.partitions.fitting import Engine, fit
from rustbp.partitions.planning import Plan, head, mean_skew, plan, scan
from rustbp.partitions.scores import score, total
from rustbp.partitions.work import average, gradient, initial, sum_of_gradients, train

__all__ = [
    "Engine",
    "Plan",
    "average",
    "fit",
    "gradient",
    "head",
    "initial",
    "mean_skew",
    "plan",
    "scan",
    "score",
    "sum_of_gradients",
    "total",
    "train",
]
