"""Draw the pictures of the documentation, from scikit-learn's digits and two moons.

usage: python examples/pictures.py                            all of them, into docs/images; needs matplotlib
       python examples/pictures.py --to FOLDER --only boundary    one of them, somewhere else
"""

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits, make_moons
from sklearn.exceptions import ConvergenceWarning

from rustbp import MLPClassifier, _core, record_fit
from rustbp._sigma import sigma_prime
from rustbp.display import (
    ActivationsDisplay,
    BoundaryDisplay,
    ErrorFlowDisplay,
    TrainingCurveDisplay,
    WeightsDisplay,
)

_digits: Any = load_digits()
DIGITS, LABELS = _digits.data / 16, _digits.target


def error_flow(axes: Any) -> None:
    """Six layers of the sigmoid and of relu: the error that reaches the first ones."""
    plain: dict[str, Any] = {
        "solver": "sgd",
        "momentum": 0.0,
        "max_iter": 40,
        "n_iter_no_change": 40,
        "random_state": 0,
    }
    networks: list[dict[str, Any]] = [
        {"activation": "logistic", "init": "glorot_uniform"},
        {"activation": "relu", "init": "he_normal"},
    ]
    axes[1].sharey(axes[0])
    for ax, network in zip(axes, networks, strict=True):
        model = MLPClassifier(
            hidden_layer_sizes=(30,) * 5, learning_rate_init=0.1, **network, **plain
        )
        ErrorFlowDisplay.from_estimator(model, DIGITS[:1000], LABELS[:1000], ax=ax)
        ax.set(title=f"activation={network['activation']!r}")
    axes[0].get_legend().remove()  # one for both


def activations(axes: Any) -> None:
    """Standard normal weights saturate neurons; weights scaled by the number of inputs do not."""
    schemes: list[Any] = ["normal", "lecun_normal"]
    for ax, init in zip(axes, schemes, strict=True):
        model = MLPClassifier(
            hidden_layer_sizes=(50,) * 3,
            activation="logistic",
            init=init,
            max_iter=5,
            random_state=0,
        )
        ActivationsDisplay.from_estimator(model.fit(DIGITS, LABELS), DIGITS, ax=ax)
        ax.set(title=f"init={init!r}")
    axes[0].get_legend().remove()  # one for both


def training_curve(axes: Any) -> None:
    """More weights than 300 digits can settle: the validation loss turns while the training loss falls."""
    model = MLPClassifier(
        hidden_layer_sizes=(100,),
        alpha=0,
        learning_rate_init=0.01,
        max_iter=150,
        n_iter_no_change=150,
        random_state=0,
    )
    rows = slice(0, 300), slice(300, None)
    (X, X_val), (y, y_val) = ([data[part] for part in rows] for data in (DIGITS, LABELS))
    history = record_fit(model, X, y, X_val=X_val, y_val=y_val)
    TrainingCurveDisplay.from_history(history, ax=axes[0])


def weights(axes: Any) -> None:
    """What each of 20 hidden neurons looks for in a digit."""
    model = MLPClassifier(
        hidden_layer_sizes=(20,), activation="tanh", alpha=2.0, solver="lbfgs", random_state=0
    )
    WeightsDisplay.from_estimator(model.fit(DIGITS, LABELS), columns=5, ax=axes[0])


def boundary(axes: Any) -> None:
    """The lines of the neurons of the first layer, and the boundary that is made of them."""
    X, y = make_moons(300, noise=0.2, random_state=0)
    model = MLPClassifier(
        hidden_layer_sizes=(10,), solver="lbfgs", alpha=0.1, max_iter=1000, random_state=1
    )
    BoundaryDisplay.from_estimator(model.fit(X, y), X, y, neurons=True, ax=axes[0])


def sigmas(axes: Any) -> None:
    """Every activation of hidden layers, and its derivative."""
    z = np.linspace(-4, 4, 400)
    for name in _core.ACTIVATIONS:
        layer: dict[str, Any] = {"activation": "identity", "output_activation": name}
        a = _core.forward(z.reshape(-1, 1), [np.ones((1, 1))], [np.zeros(1)], **layer)
        axes[0].plot(z, a, label=name)
        axes[1].plot(z, sigma_prime(name, z))
    axes[0].set(title="σ(z)", xlabel="z", ylim=(-2, 4))
    axes[1].set(title="σ'(z)", xlabel="z", ylim=(-0.2, 1.4))
    axes[0].legend(fontsize=7)


PICTURES: dict[Callable[[Any], None], int] = {
    sigmas: 2,
    error_flow: 2,
    activations: 2,
    training_curve: 1,
    weights: 1,
    boundary: 1,
}
"""How many axes each takes."""


def main() -> None:
    images = Path(__file__).parent.parent / "docs" / "images"
    names = [draw.__name__ for draw in PICTURES]
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--to", type=Path, default=images, metavar="FOLDER")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    arguments = parser.parse_args()
    folder = arguments.to
    folder.mkdir(parents=True, exist_ok=True)
    # Some of these end at max_iter, as they are meant to.
    warnings.simplefilter("ignore", ConvergenceWarning)
    for draw, n_axes in PICTURES.items():
        if draw.__name__ not in arguments.only:
            continue
        size = (4.5 * n_axes + 0.5, 3.8)
        figure, axes = plt.subplots(1, n_axes, figsize=size, squeeze=False, layout="constrained")
        draw(axes[0])
        path = folder / f"{draw.__name__}.png"
        # Without the version of matplotlib in it, the same picture is the same file.
        figure.savefig(path, dpi=144, metadata={"Software": None})
        print(f"{path}: {draw.__doc__}")


if __name__ == "__main__":
    main()
