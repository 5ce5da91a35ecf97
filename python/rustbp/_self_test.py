"""Whether an installation works: a few small fits, judged by what can be known of them otherwise."""

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn import neural_network
from sklearn.datasets import load_digits

from rustbp import _core
from rustbp._io.saving import load
from rustbp.classifier import MLPClassifier
from rustbp.gradient_check import check_gradients


def _require(right: bool, otherwise: str) -> None:
    # An `assert` would not be there with ``python -O``.
    if not right:
        raise RuntimeError(otherwise)


def gradients() -> str:
    """Backpropagation agrees with central differences, for every activation."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(6, 4)), np.arange(6) % 3
    errors = []
    for activation in _core.ACTIVATIONS:
        model = MLPClassifier(hidden_layer_sizes=(5, 3), activation=activation, random_state=0)  # type: ignore[arg-type]
        errors.append(check_gradients(model, X, y).largest_error)
    _require(max(errors) < 1e-5, f"the largest relative error is {max(errors):.1e}")
    return f"largest relative error {max(errors):.0e}"


def same_as_sklearn() -> str:
    """A fit has the losses of scikit-learn's."""
    X, y = load_digits(return_X_y=True)
    settings = {"hidden_layer_sizes": (20,), "max_iter": 5, "random_state": 0}
    fits = [kind(**settings) for kind in (MLPClassifier, neural_network.MLPClassifier)]
    ours, theirs = (np.array(fit.fit(X / 16, y).loss_curve_) for fit in fits)
    difference = float(np.abs(ours / theirs - 1).max())
    _require(difference < 1e-9, f"losses differ by {difference:.1e} relative")
    return f"losses differ by {difference:.0e} relative"


def threads() -> str:
    """Two threads give the bits of one."""
    X, y = load_digits(return_X_y=True)
    one, two = (
        MLPClassifier(hidden_layer_sizes=(60,), max_iter=3, random_state=0, n_threads=n).fit(
            X / 16, y
        )
        for n in (1, 2)
    )
    _require(all(map(np.array_equal, one.coefs_, two.coefs_)), "the weights differ")
    return "the same bits with one and with two"


def files() -> str:
    """A model comes back from its file as it was."""
    X, y = load_digits(return_X_y=True)
    model = MLPClassifier(hidden_layer_sizes=(20,), max_iter=2, random_state=0).fit(X, y)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        model.save(path)
        again = load(path)
    _require(np.array_equal(model.predict(X), again.predict(X)), "predictions differ")
    return "a model comes back as it was"


CHECKS: dict[str, Callable[[], str]] = {
    "gradients": gradients,
    "scikit-learn": same_as_sklearn,
    "threads": threads,
    "files": files,
}


def run() -> bool:
    """Run them all, print what came of each, and say whether all is well."""
    well = True
    for name, check in CHECKS.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                said = f"ok, {check()}"
        except Exception as error:  # whatever it is, the others are tried too
            well, said = False, f"FAILED: {type(error).__name__}: {error}"
        print(f"{name:>14}: {said}")
    return well
