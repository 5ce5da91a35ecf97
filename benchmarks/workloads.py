"""What a net that is timed is, and the data it is timed on."""

import os
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Workload:
    """A net, how it is trained, and on how many rows."""

    name: str
    sizes: tuple[int, ...]
    batch: int
    rows: int
    activation: str = "relu"
    solver: str = "adam"
    learning_rate: float = 1e-3
    cost: str = "log_loss"

    @property
    def net(self):
        """The layers, as in 784-30-10; equal hidden layers, if more than two, as in 64-(64)×6-10."""
        hidden = [(size, len(list(equal))) for size, equal in groupby(self.sizes[1:-1])]
        words = [f"({size})×{n}" if n > 2 else "-".join([str(size)] * n) for size, n in hidden]
        return "-".join([str(self.sizes[0]), *words, str(self.sizes[-1])])

    @property
    def flops(self):
        """Floating-point operations of one epoch's matrix products: the forward product and the gradient of each
        layer, and the error of each layer but the first."""
        weights = [a * b for a, b in zip(self.sizes[:-1], self.sizes[1:], strict=True)]
        return 2 * self.rows * (3 * sum(weights) - weights[0])


@dataclass(frozen=True)
class Entry:
    """A workload's place on the page: its part of it, who is timed, how often, and for how many epochs in a turn.

    `sweep`, `series` and `x` are those of a point in a picture; `threads` is None for the usual number.
    """

    part: str
    workload: Workload
    contenders: tuple[str, ...]
    rounds: int
    turn: int = 1
    sweep: str | None = None
    series: str | None = None
    x: int | None = None
    threads: int | None = None

    def quick(self):
        """The same with few rows and one round, to see whether it runs."""
        rows = max(self.workload.batch, self.workload.rows // 50)
        workload = replace(self.workload, rows=rows)
        return replace(self, workload=workload, rounds=1, turn=1)


def find_mnist(path=None):
    """The npz file with MNIST (X_train, y_train): the one named, that of RUSTBP_MNIST, the usual place, or None."""
    if path:
        if not Path(path).is_file():
            raise FileNotFoundError(f"there is no file {path}")
        return str(Path(path).resolve())
    usual = ROOT.parent / "shared" / "data" / "mnist.npz"
    found = Path(os.environ.get("RUSTBP_MNIST", usual))
    return str(found.resolve()) if found.is_file() else None


def data(workload, dtype, mnist=None):
    """X (rows, size[0]) of `dtype` and labels (rows,); without MNIST, numbers of its shape and sparsity."""
    random = np.random.default_rng(0)
    rows, features, classes = workload.rows, workload.sizes[0], workload.sizes[-1]
    if features == 784 and mnist:
        with np.load(mnist) as arrays:
            X = arrays["X_train"][:rows].astype(dtype) / np.dtype(dtype).type(255)
            return X, arrays["y_train"][:rows].astype(np.int64)
    if features == 784:
        X = random.random((rows, features), dtype=np.float32)
        X *= random.random((rows, features), dtype=np.float32) < 0.19
    else:
        X = random.standard_normal((rows, features), dtype=np.float32)
    y = (X @ random.standard_normal((features, classes), dtype=np.float32)).argmax(axis=1)
    return np.ascontiguousarray(X, dtype=dtype), y
