"""Accuracy of training over partitions against the local fit, for equally many epochs: MNIST and adult.

    python benchmarks/replicas.py ../shared/data --seeds 3

The rows are dealt to 64 partitions at random. Prints the difference of test accuracy in points after 5 and 10 epochs,
the mean over the seeds. What a Dask cluster gives is the same to the last bit (`tests/test_dask.py`).
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

from rustbp import MLPClassifier, partitions

REPLICAS = (2, 4, 8, 16, 32)
N_PARTITIONS, EPOCHS = 64, (5, 10)


def mnist(folder):
    with np.load(folder / "mnist.npz") as file:
        names = sorted(file.files)
        X, y, X_test, y_test = (
            file[next(name for name in names if name in choices)]
            for choices in (
                ("x_train", "X_train", "train_images"),
                ("y_train", "train_labels"),
                ("x_test", "X_test", "test_images"),
                ("y_test", "test_labels"),
            )
        )
    X, X_test = (rows.reshape(len(rows), -1).astype(np.float32) / 255 for rows in (X, X_test))
    return X, y.ravel(), X_test, y_test.ravel()


def adult(folder):
    table = pd.read_csv(folder / "adult.csv.gz", skipinitialspace=True)
    test = table.pop("split").to_numpy() != "train"
    y = table.pop("income").str.startswith(">50K").to_numpy()
    X = pd.get_dummies(table).to_numpy(np.float32)
    X = (X - X[~test].mean(axis=0)) / np.maximum(X[~test].std(axis=0), 1e-6)
    return X[~test], y[~test], X[test], y[test]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", nargs="*", default=["adult", "mnist"])
    parser.add_argument("--replicas", type=int, nargs="*", default=REPLICAS)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    for name in given.data:
        X, y, X_test, y_test = {"mnist": mnist, "adult": adult}[name](given.folder)
        scores = {replicas: [] for replicas in (0, *given.replicas)}
        for seed in range(given.seeds):
            order = np.random.default_rng(seed).permutation(len(y))
            data = [(X[rows], y[rows]) for rows in np.array_split(order, N_PARTITIONS)]
            for replicas, found in scores.items():
                model = MLPClassifier(
                    max_iter=max(EPOCHS), n_iter_no_change=np.inf, random_state=seed
                )
                judged = {"X_val": X_test, "y_val": y_test}
                if replicas:
                    partitions.fit(model, data, replicas=replicas, **judged)
                else:
                    model.fit(X, y, **judged)
                found.append([100 * model.validation_scores_[epoch - 1] for epoch in EPOCHS])
        local = np.mean(scores[0], axis=0)
        print(f"{name}: local fit " + " / ".join(f"{score:.2f}" for score in local), flush=True)
        for replicas in given.replicas:
            difference = np.mean(scores[replicas], axis=0) - local
            print(f"  K={replicas}: " + " / ".join(f"{one:+.2f}" for one in difference), flush=True)


if __name__ == "__main__":
    main()
