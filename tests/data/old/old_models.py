"""Makes the files of this folder: models as pickles and as model files, and what they must go on to compute.

They were made by version 0.1.0, before its modules moved, with NumPy 2.4, SciPy 1.17 and scikit-learn 1.9, and are not
made again: `tests/test_old_files.py` asks of every later version to read them. Run by hand with one argument, the
folder to write to.

With fused multiply-adds (AVX-512, AVX2) the last bits are others than without, so that expected numbers are kept for
both: the script runs itself once for each (`RUSTBP_KERNEL`).
"""

import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np

from rustbp import MLPClassifier, MLPRegressor, _core, load

X = np.random.default_rng(0).standard_normal((40, 3))
TARGETS = {
    "classes": np.array(["bleu", "rouge", "vert"])[np.digitize(X[:, 0] + X[:, 1] ** 2, [0, 1])],
    "two": (X[:, 0] > X[:, 1]).astype(int),
    "labels": (X[:, :2] > X[:, 1:]).astype(int),
    "number": X[:, 0] - X[:, 1] * X[:, 2],
    "numbers": np.stack([X[:, 0] + 1, np.sin(X[:, 1])], axis=1),
    "counts": np.floor(np.exp(X[:, 0])),
}
SMALL = {"hidden_layer_sizes": 5, "batch_size": 16, "max_iter": 6, "random_state": 3}
EARLY = {"early_stopping": True, "validation_fraction": 0.2}
SGD = {"solver": "sgd", "learning_rate_init": 0.05}
LBFGS = {"solver": "lbfgs"}

# name: (class, dtype, parameters, calls of partial_fit after fit, protocol of the pickle)
MODELS = {
    "classes-adam": (MLPClassifier, "f8", {"hidden_layer_sizes": (6, 4)}, 0, 5),
    "classes-adam-early-f4": (MLPClassifier, "f4", EARLY, 0, 4),
    "two-sgd-momentum": (MLPClassifier, "f8", {**SGD, "learning_rate": "adaptive"}, 2, 5),
    "two-quadratic-f4": (MLPClassifier, "f4", {**SGD, "loss": "squared_error"}, 1, 4),
    "labels-adam": (MLPClassifier, "f8", {"activation": "logistic"}, 1, 4),
    "classes-lbfgs": (MLPClassifier, "f8", {**LBFGS, "activation": "tanh"}, 0, 5),
    "number-adam-f4": (MLPRegressor, "f4", {"shuffle": False}, 3, 5),
    "numbers-sgd": (MLPRegressor, "f8", {**SGD, "learning_rate": "invscaling"}, 0, 4),
    "number-sgd-early": (MLPRegressor, "f8", {**SGD, **EARLY, "momentum": 0.0}, 0, 5),
    "counts-adam": (MLPRegressor, "f8", {"loss": "poisson"}, 0, 5),
    "number-lbfgs": (MLPRegressor, "f8", LBFGS, 0, 4),
}


def data(name):
    """The rows and targets of a model; its name begins with that of its targets."""
    return X.astype(MODELS[name][1]), TARGETS[name.split("-")[0]]


def make(name):
    kind, _, parameters, more, _ = MODELS[name]
    model = kind(**(SMALL | parameters))
    if name == "labels-adam":
        # The order of the rows goes on where it was, too.
        model.random_state = np.random.RandomState(4)
    model.fit(*data(name))
    for _ in range(more):
        model.partial_fit(*data(name))
    return model


def outcomes(model, rows, targets):
    """What the model predicts, and what it is after three more epochs."""
    found = {"predict": model.predict(rows)}
    if hasattr(model, "predict_proba"):
        found["predict_proba"] = model.predict_proba(rows)
    if model.solver != "lbfgs":
        # SciPy's L-BFGS is another one in each version.
        model.set_params(early_stopping=False)
        for _ in range(3):
            model.partial_fit(rows, targets)
        for layer, array in enumerate(model.coefs_ + model.intercepts_):
            found[f"parameters.{layer}"] = array
        found["loss_curve_"] = np.array(model.loss_curve_)
        found["predict_later"] = model.predict(rows)
    return found


def main(folder):
    if "RUSTBP_KERNEL" not in os.environ:
        np.savez_compressed(folder / "data.npz", X=X, **TARGETS)
        for name, (*_, protocol) in MODELS.items():
            model = make(name)
            (folder / f"{name}.pickle").write_bytes(pickle.dumps(model, protocol))
            model.save(folder / f"{name}.safetensors")
        for kernel in ("avx2", "portable"):
            environment = os.environ | {"RUSTBP_KERNEL": kernel}
            subprocess.run([sys.executable, __file__, folder], env=environment, check=True)
        return
    expected = {
        f"{name}.{what}": value
        for name in MODELS
        for what, value in outcomes(load(folder / f"{name}.safetensors"), *data(name)).items()
    }
    np.savez_compressed(folder / f"expected-{_core.kernel()}.npz", **expected)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]))
