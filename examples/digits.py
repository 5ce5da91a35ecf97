"""Learn scikit-learn's handwritten digits, and compare with scikit-learn's own perceptron.

usage: python examples/digits.py
"""

import warnings
from time import perf_counter
from typing import Any

import numpy as np
import sklearn.neural_network
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

import rustbp

SETTINGS: dict[str, Any] = {
    "hidden_layer_sizes": (100,),
    "batch_size": 32,
    "learning_rate_init": 0.01,
    "max_iter": 20,
    "random_state": 0,
}
REPEATS = 3


def timed_fit(estimator_class: Any, X: Any, y: Any) -> tuple[Any, float]:
    """Fit a new estimator; return it and the seconds that the fit took."""
    estimator = estimator_class(**SETTINGS)
    start = perf_counter()
    estimator.fit(X, y)
    return estimator, perf_counter() - start


def main() -> None:
    # The number of epochs is fixed here, so "not converged yet" is expected of both classes.
    warnings.simplefilter("ignore", ConvergenceWarning)

    digits: Any = load_digits()
    X, y = digits.data / 16, digits.target  # pixels from 0 to 1
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    print(f"{len(X_train)} digits of 8 x 8 pixels to learn from, {len(X_test)} to test with.\n")

    rustbp.MLPClassifier(**SETTINGS, verbose=True).fit(X_train, y_train)

    # The classes take turns, without output, so that whatever else the machine does meets both.
    classes: dict[str, Any] = {
        "rustbp": rustbp.MLPClassifier,
        "scikit-learn": sklearn.neural_network.MLPClassifier,
    }
    fitted: dict[str, Any] = {}
    seconds = dict.fromkeys(classes, np.inf)
    for _ in range(REPEATS):
        for name, estimator_class in classes.items():
            fitted[name], elapsed = timed_fit(estimator_class, X_train, y_train)
            seconds[name] = min(seconds[name], elapsed)

    print(f"\n{'':14}test accuracy   seconds (best of {REPEATS})")
    for name, estimator in fitted.items():
        print(f"{name:14}{estimator.score(X_test, y_test):13.1%}{seconds[name]:10.3f}")

    ours, theirs = (np.array(estimator.loss_curve_) for estimator in fitted.values())
    print(f"\nThe same training, {seconds['scikit-learn'] / seconds['rustbp']:.1f} times as fast:")
    print(
        f"over {len(ours)} epochs the losses differ by at most {np.abs(ours / theirs - 1).max():.0e} relative."
    )


if __name__ == "__main__":
    main()
