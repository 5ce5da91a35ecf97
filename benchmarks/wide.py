"""Wide nets on dense data: layers that grow out of the caches, and batches from few rows to many.

X is normally distributed, so that nothing can be left out of a product but what relu sets to zero.
"""

from contenders import BFLOAT16, FLOAT32, FLOAT64
from workloads import Entry, Workload

ROUNDS = 3
FEATURES, CLASSES, BATCH = 128, 10, 256
# So many rows that an epoch has some 30 GFLOP, and two batches at least.
WIDTHS = {128: 102_400, 256: 51_200, 512: 16_384, 1024: 4096, 2048: 1024, 4096: 512}
TRAINED_BY = (("tanh", "sgd"), ("relu", "adam"))
BFLOAT16_FROM = 1024
BATCH_WIDTH, BATCHES = 1024, {32: 4096, 64: 4096, 128: 4096, 512: 4096, 1024: 4096, 4096: 8192}


def net(sizes, batch, rows, activation, solver):
    """A workload of this page."""
    name = f"{'-'.join(map(str, sizes))} {activation} {solver} batch {batch}"
    return Workload(name, tuple(sizes), batch, rows, activation, solver)


def entries():
    """Width, then batch size, then a net with many classes."""
    found = []
    for activation, solver in TRAINED_BY:
        for width, rows in WIDTHS.items():
            workload = net((FEATURES, width, width, CLASSES), BATCH, rows, activation, solver)
            keys = FLOAT32 + (BFLOAT16 if width >= BFLOAT16_FROM else ()) + FLOAT64
            turn = 2 if width <= 256 else 1
            series = f"{FEATURES}-w-w-{CLASSES}, {activation}, {solver}, batch {BATCH}"
            place = {"sweep": "wide: width", "series": series, "x": width}
            found.append(Entry("wide", workload, keys, ROUNDS, turn, **place))
    sizes = (FEATURES, BATCH_WIDTH, BATCH_WIDTH, CLASSES)
    for batch, rows in BATCHES.items():
        workload = net(sizes, batch, rows, "tanh", "adam")
        series = f"{workload.net}, tanh, adam"
        place = {"sweep": "wide: batch", "series": series, "x": batch}
        found.append(Entry("wide", workload, FLOAT32, ROUNDS, **place))
    workload = net((256, 2048, 2048, 100), 512, 2048, "tanh", "sgd")
    found.append(Entry("wide", workload, FLOAT32, ROUNDS, sweep="wide: classes"))
    return found
