"""How the cost of an epoch grows with rows, width, depth, batch size and threads.

float32, relu, Adam. scikit-learn is timed where that is cheap.
"""

import machine
from workloads import Entry, Workload

ROUNDS = 2
# A turn of rustbp lasts about so long, and a scikit-learn epoch that would take longer than this is not timed.
TURN_SECONDS, LONGEST_SECONDS = 0.1, 2.0


def sweeps(processors):
    """For each sweep: series of points (x, layers, rows, batch)."""
    threads = sorted({2**k for k in range(processors.bit_length())} | {processors})
    return {
        "rows": {
            "64-128-128-10, batch 200": [
                (n, (64, 128, 128, 10), n, 200)
                for n in (1000, 3000, 10_000, 30_000, 100_000, 300_000)
            ]
        },
        "width": {
            "64-w-w-10, batch 200, 5,000 rows": [
                (w, (64, w, w, 10), 5000, 200) for w in (2**k for k in range(3, 12))
            ]
        },
        "depth": {
            "64-(64)×d-10, batch 200, 20,000 rows": [
                (d, (64,) * (d + 1) + (10,), 20_000, 200) for d in (1, 2, 4, 8, 16, 32)
            ]
        },
        "batch": {
            "64-128-128-10, 20,000 rows": [
                (b, (64, 128, 128, 10), 20_000, b) for b in (1, 4, 16, 64, 256, 1024, 4096)
            ]
        },
        "threads": {
            "784-100-10, batch 200, 10,000 rows": [
                (t, (784, 100, 10), 10_000, 200) for t in threads
            ],
            "784-1024-1024-10, batch 256, 5,000 rows": [
                (t, (784, 1024, 1024, 10), 5000, 256) for t in threads
            ],
        },
    }


def entry(sweep, series, point):
    """One point of a sweep."""
    x, sizes, rows, batch = point
    workload = Workload(f"{sweep} {x}, {series}", sizes, batch, rows)
    # What scikit-learn takes, roughly; rustbp takes a fifth.
    expected = workload.flops / 2e10 + rows / batch * 3e-4
    contenders = ("rustbp", "scikit-learn") if expected < LONGEST_SECONDS else ("rustbp",)
    return Entry(
        part="growth",
        workload=workload,
        contenders=contenders,
        rounds=ROUNDS,
        turn=min(20, max(1, round(TURN_SECONDS / (expected / 5)))),
        sweep=sweep,
        series=series,
        x=x,
        threads=x if sweep == "threads" else None,
    )


def entries(quick=False):
    """All points of all sweeps; two of each series if quick."""
    found = []
    for sweep, by_series in sweeps(machine.processors()).items():
        for series, points in by_series.items():
            if quick:
                points = points[:: max(1, len(points) // 2)][:2]
            found += [entry(sweep, series, point) for point in points]
    return found
