"""The nets that are timed, and the data they are timed on."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Workload:
    """One net and how it is trained; `turn` is the number of epochs that a contender times in its turn."""

    name: str
    about: str
    sizes: tuple[int, ...]
    batch: int
    rows: int
    activation: str = "relu"
    solver: str = "adam"
    learning_rate: float = 1e-3
    cost: str = "log_loss"
    turn: int = 2

    @property
    def flops(self):
        """Floating-point operations of one epoch's matrix products: the forward product and the gradient of each
        layer, and the error of each layer but the first."""
        weights = [a * b for a, b in zip(self.sizes[:-1], self.sizes[1:], strict=True)]
        return 2 * self.rows * (3 * sum(weights) - weights[0])


WORKLOADS = (
    Workload(
        name="W1",
        about="784-30-10 logistic, SGD, batch 10, quadratic cost",
        sizes=(784, 30, 10),
        batch=10,
        rows=50_000,
        activation="logistic",
        solver="sgd",
        learning_rate=3.0,
        cost="squared_error",
    ),
    Workload(
        name="W2",
        about="784-100-10 relu, Adam, batch 200",
        sizes=(784, 100, 10),
        batch=200,
        rows=60_000,
    ),
    Workload(
        name="W3",
        about="784-1024-1024-10 relu, Adam, batch 256",
        sizes=(784, 1024, 1024, 10),
        batch=256,
        rows=20_000,
        turn=1,
    ),
    Workload(
        name="W4",
        about="32-64-64-2 relu, Adam, batch 128",
        sizes=(32, 64, 64, 2),
        batch=128,
        rows=100_000,
        turn=4,
    ),
    Workload(
        name="W5",
        about="64-(64)x6-10 tanh, SGD, batch 64",
        sizes=(64,) * 7 + (10,),
        batch=64,
        rows=50_000,
        activation="tanh",
        solver="sgd",
        learning_rate=0.05,
        turn=3,
    ),
)


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
