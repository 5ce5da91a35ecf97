"""The same data and seed give the same weights, bit for bit: in every repeat, with any number of threads, and after a
pickle in the middle of training.

    python tests/torture/same_result.py --quick | --full
"""

import hashlib
import pickle
import sys
import time
import warnings

import numpy as np
from scipy import sparse

import sizes
from rustbp import MLPClassifier, MLPRegressor

REPEATS = {"quick": 3, "full": 50}
THREADS = (1, 2, 4, 8)

rng = np.random.default_rng(0)
X = rng.standard_normal((2000, 200))
Y = (X[:, :3] @ rng.standard_normal((3, 5))).argmax(axis=1)
SPARSE = sparse.csr_array(np.where(np.abs(X) > 1.5, X, 0))

SMALL = {"hidden_layer_sizes": (17, 5), "batch_size": 30}
# Large enough that every one of 8 threads gets rows and a share of the weights.
LARGE = {"hidden_layer_sizes": (256, 130), "batch_size": 500}
CASES = {
    "small adam": (MLPClassifier, X, Y, {**SMALL, "solver": "adam"}),
    "small sgd": (
        MLPRegressor,
        X,
        X[:, :2],
        {**SMALL, "solver": "sgd", "learning_rate_init": 1e-3},
    ),
    "large adam": (MLPClassifier, X, Y, {**LARGE, "solver": "adam"}),
    "large adam float32": (MLPClassifier, X.astype(np.float32), Y, {**LARGE, "solver": "adam"}),
    "large sgd": (MLPRegressor, X, X[:, 0], {**LARGE, "solver": "sgd", "learning_rate_init": 1e-3}),
    "large lbfgs": (MLPClassifier, X, Y, {**LARGE, "solver": "lbfgs"}),
    "large sparse": (MLPClassifier, SPARSE, Y, {**LARGE, "solver": "adam"}),
    "large early stopping": (MLPClassifier, X, Y, {**LARGE, "early_stopping": True}),
}


def digest(model, X):
    state = hashlib.sha256()
    for array in [*model.coefs_, *model.intercepts_, model.predict(X)]:
        state.update(array.tobytes())
    state.update(repr(model.loss_).encode())
    return state.hexdigest()


def through_pickle(estimator, X, y, options):
    """Four epochs one at a time, the model pickled after each, and without: one digest each."""
    digests = set()
    for store in (lambda model: model, lambda model: pickle.loads(pickle.dumps(model))):
        model = estimator(random_state=0, **options)
        if estimator is MLPClassifier:
            model.partial_fit(X, y, classes=np.unique(y))
        for _ in range(4):
            model = store(model).partial_fit(X, y)
        digests.add(digest(model, X))
    return digests


def main():
    repeats = sizes.parser(__doc__, **REPEATS).parse_args().size
    warnings.simplefilter("ignore")
    started = time.perf_counter()
    fits, bad = 0, []
    for name, (estimator, X, y, options) in CASES.items():
        digests = set()
        for i in range(max(repeats, len(THREADS))):
            model = estimator(
                random_state=0, max_iter=2, n_threads=THREADS[i % len(THREADS)], **options
            )
            digests.add(digest(model.fit(X, y), X))
            fits += 1
        if len(digests) != 1:
            bad.append(name)
        if options.get("solver") != "lbfgs" and not options.get("early_stopping"):
            if len(through_pickle(estimator, X, y, options)) != 1:
                bad.append(f"{name}, pickled")
            fits += 2
    seconds = time.perf_counter() - started
    print(
        f"{fits} fits of {len(CASES)} kinds in {seconds:.0f} s, {max(repeats, len(THREADS))} repeats "
        f"with {', '.join(map(str, THREADS))} threads: {len(bad)} kinds with results that differ {bad or ''}"
    )
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
