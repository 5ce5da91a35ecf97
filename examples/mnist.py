"""Learn MNIST from an npz file with the arrays X_train, y_train, X_test, y_test (pixels 0 to 255).

usage: python examples/mnist.py mnist.npz            100 relu neurons, Adam, log loss: about 98 %
       python examples/mnist.py mnist.npz --notes    30 logistic neurons, quadratic cost, plain SGD: about 95.5 %

Keras's mnist.npz, which calls them x_train and x_test, will do:
https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz
"""

import argparse
import warnings
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from rustbp import MLPClassifier

MODERN: dict[str, Any] = {"hidden_layer_sizes": (100,), "max_iter": 20}

# The net of the notes: 784-30-10, with nothing but the four equations and w <- w - eta dC/dw.
NOTES: dict[str, Any] = {
    "hidden_layer_sizes": (30,),
    "activation": "logistic",
    "loss": "squared_error",
    "solver": "sgd",
    "momentum": 0.0,
    "nesterovs_momentum": False,
    "alpha": 0.0,
    "batch_size": 10,
    "learning_rate_init": 3.0,
    "max_iter": 30,
}
NOTES_ROWS = 50_000


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument(
        "path", help="npz file with X_train, y_train, X_test, y_test, or Keras's mnist.npz"
    )
    parser.add_argument("--notes", action="store_true", help="train the net of the notes")
    parser.add_argument("--rows", type=int, help="use only the first ROWS rows to train")
    parser.add_argument("--epochs", type=int, help="train for EPOCHS epochs")
    parser.add_argument("--seed", type=int, default=0, help="random_state of the net (default 0)")
    return parser.parse_args()


def load(path: str) -> tuple[Any, Any, Any, Any]:
    """Return train and test data: rows of pixels from 0 to 1 in float32, and labels."""
    with np.load(path) as arrays:
        x = "X" if "X_train" in arrays else "x"
        # Keras's mnist.npz calls them x_train and x_test.
        X_train, X_test = (
            rows.reshape(len(rows), -1).astype(np.float32) / 255
            for rows in (arrays[f"{x}_{part}"] for part in ("train", "test"))
        )
        return X_train, arrays["y_train"], X_test, arrays["y_test"]


def main() -> None:
    arguments = parse_arguments()
    settings = dict(NOTES if arguments.notes else MODERN)
    if arguments.epochs is not None:
        settings["max_iter"] = arguments.epochs
    # Train for exactly this many epochs, even when the loss falls slowly for a while.
    settings["n_iter_no_change"] = settings["max_iter"]
    # Ending at max_iter is therefore what is wanted, and no reason to warn.
    warnings.simplefilter("ignore", ConvergenceWarning)

    X_train, y_train, X_test, y_test = load(arguments.path)
    rows = arguments.rows or (NOTES_ROWS if arguments.notes else len(X_train))
    X_train, y_train = X_train[:rows], y_train[:rows]

    classifier = MLPClassifier(**settings, random_state=arguments.seed, verbose=True)
    start = perf_counter()
    classifier.fit(X_train, y_train)
    seconds = perf_counter() - start

    sizes = "-".join(str(n) for n in (X_train.shape[1], *settings["hidden_layer_sizes"], 10))
    print(f"\n{sizes} on {len(X_train)} rows, {classifier.n_iter_} epochs")
    print(f"test accuracy {classifier.score(X_test, y_test):.2%}, {seconds:.2f} seconds")


if __name__ == "__main__":
    main()
