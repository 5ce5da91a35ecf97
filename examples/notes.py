"""Repeat the MNIST experiments of the book behind the notes, and print its figures beside ours.

The book is Nielsen (2015), "Neural networks and deep learning", chapters 1 and 3. It trains on the first 50,000 rows of
MNIST, calls the next 10,000 validation data, and gives single runs, those of chapter 1 the best of three. Here each
experiment is run for several seeds, which set the initial weights and the order of rows.

usage: python examples/notes.py mnist.npz                              all of them, seeds 0 to 4
       python examples/notes.py mnist.npz --only wide --seeds 10       one of them, with more seeds
       python examples/notes.py mnist.npz --quick                      a look at it: few rows, two epochs, one seed

The npz file has the arrays X_train, y_train, X_test, y_test, with pixels from 0 to 255. Keras's mnist.npz, which calls
them x_train and so on, will do: https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz
"""

import argparse
from time import perf_counter
from typing import Any, Literal, NamedTuple

import numpy as np

from rustbp import MLPClassifier

TRAINING_ROWS = 50_000
BATCH_SIZE = 10


class Experiment(NamedTuple):
    """One experiment of the book; `reported` is its accuracy in percent, None where it gives none."""

    name: str
    hidden: tuple[int, ...]
    cost: Literal["log_loss", "squared_error"]
    eta: float
    lmbda: float
    epochs: int
    judged_on: str
    reported: float | None


EXPERIMENTS = [
    Experiment("first", (30,), "squared_error", 3.0, 0.0, 30, "test", 95.42),
    Experiment("wide", (100,), "squared_error", 3.0, 0.0, 30, "test", 96.59),
    Experiment("flat", (), "squared_error", 3.0, 0.0, 30, "test", None),
    Experiment("entropy", (30,), "log_loss", 0.5, 0.0, 30, "test", 95.49),
    Experiment("entropy-wide", (100,), "log_loss", 0.5, 0.0, 30, "test", 96.82),
    Experiment("decay", (100,), "log_loss", 0.5, 5.0, 30, "validation", 97.92),
    Experiment("decay-long", (100,), "log_loss", 0.1, 5.0, 60, "validation", 98.04),
]


def alpha_of(lmbda: float, n_rows: int) -> float:
    """Return scikit-learn's alpha that shrinks the weights as the book's lambda does; see docs/notes.md."""
    return lmbda * BATCH_SIZE / n_rows


def build(
    experiment: Experiment, init: Any, seed: int, n_rows: int, n_threads: int | None
) -> MLPClassifier:
    return MLPClassifier(
        experiment.hidden,
        activation="logistic",
        loss=experiment.cost,
        output_activation="logistic",
        solver="sgd",
        momentum=0.0,
        nesterovs_momentum=False,
        learning_rate_init=experiment.eta,
        alpha=alpha_of(experiment.lmbda, n_rows),
        batch_size=BATCH_SIZE,
        init=init,
        # partial_fit draws from it in turn; an int would give each epoch the same order of rows.
        random_state=np.random.RandomState(seed),
        n_threads=n_threads,
    )


def train(
    model: MLPClassifier, epochs: int, X: Any, y: Any, X_judge: Any, y_judge: Any
) -> tuple[list[float], float]:
    """Return the accuracy in percent after each epoch, and the seconds of training."""
    accuracy: list[float] = []
    seconds = 0.0
    for _ in range(epochs):
        start = perf_counter()
        model.partial_fit(X, y, classes=np.arange(10))
        seconds += perf_counter() - start
        accuracy.append(100 * model.score(X_judge, y_judge))
    return accuracy, seconds


def load(path: str, n_rows: int) -> dict[str, tuple[Any, Any]]:
    """Return rows of pixels from 0 to 1 in float32, and labels, of each part of the data."""
    with np.load(path) as arrays:
        x = "X" if "X_train" in arrays else "x"
        X = {name: arrays[f"{x}_{name}"] for name in ("train", "test")}
        y = {name: arrays[f"y_{name}"] for name in ("train", "test")}
    X = {name: rows.reshape(len(rows), -1).astype(np.float32) / 255 for name, rows in X.items()}
    n_rows = min(n_rows, len(X["train"]) * 5 // 6)
    held_out = slice(n_rows, n_rows + 10_000)
    return {
        "train": (X["train"][:n_rows], y["train"][:n_rows]),
        "validation": (X["train"][held_out], y["train"][held_out]),
        "test": (X["test"], y["test"]),
    }


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument(
        "path", help="npz file with X_train, y_train, X_test, y_test, or Keras's mnist.npz"
    )
    names = [experiment.name for experiment in EXPERIMENTS]
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names)
    )
    parser.add_argument("--seeds", type=int, default=5, help="run seeds 0 to SEEDS - 1 (default 5)")
    parser.add_argument("--epochs", type=int, help="instead of the book's 30 or 60")
    parser.add_argument(
        "--init", default="normal", help="initial weights (default normal, the book's first)"
    )
    parser.add_argument(
        "--threads", type=int, help="threads of the core; results do not depend on it"
    )
    parser.add_argument("--quick", action="store_true", help="2000 rows, two epochs, one seed")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.seeds, arguments.epochs = 1, arguments.epochs or 2
    return arguments


def main() -> None:
    arguments = parse_arguments()
    data = load(arguments.path, 2000 if arguments.quick else TRAINING_ROWS)
    X, y = data["train"]
    print(
        f"{len(X)} rows to train on, mini-batches of {BATCH_SIZE}, init={arguments.init!r}, float32"
    )
    print(
        "Accuracy in percent. best: of the best epoch, as the book counts; last: after the last epoch.\n"
    )
    print(
        f"{'':13}{'net':12}{'cost':14}{'eta':>4}{'lambda':>7}{'epochs':>7} {'judged on':10}{'book':>6}"
        f"{'seed':>7}{'best':>7}{'last':>7}{'seconds':>9}"
    )
    for experiment in EXPERIMENTS:
        if experiment.name not in arguments.only:
            continue
        epochs = arguments.epochs or experiment.epochs
        net = "-".join(str(size) for size in (X.shape[1], *experiment.hidden, 10))
        book = f"{experiment.reported:.2f}" if experiment.reported else "none"
        what = (
            f"{experiment.name:13}{net:12}{experiment.cost:14}{experiment.eta:4}"
            f"{experiment.lmbda:7}{epochs:7} {experiment.judged_on:10}{book:>6}"
        )
        for seed in range(arguments.seeds):
            model = build(experiment, arguments.init, seed, len(X), arguments.threads)
            accuracy, seconds = train(model, epochs, X, y, *data[experiment.judged_on])
            print(
                f"{what:73}{seed:7}{max(accuracy):7.2f}{accuracy[-1]:7.2f}{seconds:9.1f}",
                flush=True,
            )
            what = ""


if __name__ == "__main__":
    main()
