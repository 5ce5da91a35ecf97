"""What has many replicas come as far in an epoch as one network: their batches, their steps, and how often they are
averaged. Sizes alone decide."""

import math
from typing import Any

FEWEST_ROWS, VERY_FEWEST_ROWS = 64, 16
"""Of a mini-batch: smaller ones cost much more for each row, which is worth it where replicas have few rows."""
FEW_UPDATES, MANY_UPDATES = 128, 256
"""Of a replica in an epoch: with less than the first batches are smaller, with less than the second averages of all
replicas are more."""
AVERAGES, BETWEEN = 8, 4
"""Of all replicas in an epoch, at least, and updates of each between two of them."""
LARGEST_STEP = 0.01
"""Up to which Adam's step is raised."""


def batch_and_step(model: Any, replicas: int, rows: int) -> tuple[int, float, float]:
    """Rows of a replica's mini-batch, the factor on its steps, and up to which size.

    A round of all replicas sees as many rows as a mini-batch of the local estimator, if these are not too few for one
    call; and they may be fewer where a replica would make few updates in an epoch. The average of K replicas has 1 / K
    of the noise, and Adam's step may grow by its root; a plain gradient is that of the larger batch already.
    """
    whole = min(200, rows) if model.batch_size == "auto" else min(int(model.batch_size), rows)
    fewest = min(FEWEST_ROWS, max(VERY_FEWEST_ROWS, rows // (replicas * FEW_UPDATES)))
    own = min(whole, max(math.ceil(whole / replicas), fewest))
    if model.solver == "adam":
        return own, replicas * math.sqrt(own / whole) if replicas > 1 else 1.0, LARGEST_STEP
    return own, max(1.0, own * replicas / whole) if replicas > 1 else 1.0, math.inf


def pieces_of(replicas: int, n_parts: int, rows: int, batch_size: int) -> int:
    """How many rounds a partition is trained on in.

    Replicas that make few updates in an epoch come as far as one network if they are averaged often enough. With many
    updates that would take long, and have partitions that are not kept read again and again.
    """
    rounds, updates = -(-n_parts // replicas), rows / (replicas * batch_size)
    if replicas == 1 or updates >= MANY_UPDATES:
        return 1
    return max(1, min(math.ceil(AVERAGES / rounds), int(updates / rounds) // BETWEEN))
