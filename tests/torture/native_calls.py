"""Any call, any argument: the native module and the estimators answer, or raise an exception that is documented.

A seeded generator makes a call that is right, then spoils up to three of its arguments: shapes of no to four
dimensions, empty and huge ones (strides of zero, so that they take no memory), strided, reversed, read-only and
misaligned arrays, other dtypes, NaN and infinity, wrong types, row numbers and labels out of range, sparse matrices
that contradict themselves. A panic or any other exception is a failure; a crash ends the script.

    python tests/torture/native_calls.py --quick | --full [--seed N] [--only CALL]
"""

import collections
import contextlib
import sys
import time
import warnings

import numpy as np
from scipy import sparse

import sizes
from native_arguments import huge_network, network, pick, spoil, spoil_some
from rustbp import MLPClassifier, MLPRegressor, _core

CALLS = {"quick": 3_000, "full": 100_000}
DOCUMENTED = (TypeError, ValueError, OverflowError, MemoryError, ZeroDivisionError)
"""What the native module may raise; KeyError too, for a state that lacks an entry."""


def forward(rng, net):
    arguments = {
        "X": net.X,
        "coefs": net.coefs,
        "intercepts": net.intercepts,
        "n_threads": net.threads,
        **net.functions,
    }
    _core.forward(**spoil_some(rng, arguments))


def loss_gradient(rng, net):
    arrays = [*net.coefs, *net.intercepts]
    if sum(array.size for array in arrays) < 10**6:
        packed = np.concatenate([array.ravel() for array in arrays])
    else:
        packed = np.zeros(7, net.dtype)
    arguments = {
        "packed": packed,
        "gradient": np.empty_like(packed),
        "X": net.X,
        "y": net.y,
        "layer_sizes": net.sizes,
        "cost": net.cost,
        "alpha": 0.1,
        "sample_weight": net.weights,
        "n_threads": net.threads,
        **net.functions,
    }
    arguments = spoil_some(rng, arguments)
    if rng.random() < 0.05:
        arguments["gradient"] = arguments[pick(rng, ["packed", "X", "sample_weight"])]
    _core.loss_gradient(**arguments)


def backprop(rng, net):
    arguments = {
        "X": net.X,
        "y": net.y,
        "coefs": net.coefs,
        "intercepts": net.intercepts,
        "cost": net.cost,
        "alpha": 0.1,
        "sample_weight": net.weights,
        **net.functions,
    }
    _core.backprop(**spoil_some(rng, arguments))


HYPERPARAMETERS = {
    "sgd": {"momentum": 0.9, "nesterov": 1.0},
    "adam": {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8},
}


def trainer(rng, net):
    optimizer = pick(rng, list(HYPERPARAMETERS))
    arguments = {
        "coefs": net.coefs,
        "intercepts": net.intercepts,
        "cost": net.cost,
        "alpha": 0.1,
        "optimizer": optimizer,
        "learning_rate": 0.01,
        "hyperparameters": HYPERPARAMETERS[optimizer],
        "n_threads": net.threads,
        **net.functions,
    }
    if rng.random() < 0.5:
        arguments = spoil_some(rng, arguments)
    model = _core.Trainer(**arguments)
    for _ in range(2):
        epoch = {
            "X": net.X,
            "y": net.y,
            "order": rng.permutation(net.rows) if rng.random() < 0.7 else None,
            "batch_size": int(rng.integers(1, 9)),
            "sample_weight": net.weights,
        }
        survive(lambda epoch=epoch: model.epoch(**spoil_some(rng, epoch)))
        survive(lambda: model.predict(spoil(rng, net.X) if rng.random() < 0.5 else net.X))
        survive(lambda: setattr(model, "learning_rate", spoil(rng, 0.1)))
    model.is_finite()
    state = model.state()
    arguments["coefs"], arguments["intercepts"] = model.coefs(), model.intercepts()
    _core.Trainer(**arguments, state=spoil(rng, state) if rng.random() < 0.7 else state)


def small_things(rng, net):
    pick(rng, [_core.get_num_threads, _core.kernel])()
    n = _core.get_num_threads()
    try:
        _core.set_num_threads(spoil(rng, 1))
    finally:
        _core.set_num_threads(n)


def survive(call):
    with contextlib.suppress(DOCUMENTED):
        call()


def is_for_sklearn(value):
    """Whether scikit-learn's and SciPy's own checks cope with it: they would read every one of 2**40 numbers, and
    rely on what a CSR matrix says of itself."""
    if not sparse.issparse(value):
        return type(value) is not range and getattr(value, "size", 0) < 10**6
    try:
        value.check_format(full_check=True)
        rises = np.all(value.indptr[1:] >= value.indptr[:-1])
    except (AttributeError, TypeError, ValueError, IndexError, OverflowError):
        return False
    integers = value.indices.dtype.kind == value.indptr.dtype.kind == "i"
    return integers and rises and max(value.data.size, *value.shape) < 10**6


def estimator(rng, net):
    X, y = net.X, net.y
    model = pick(rng, [MLPClassifier, MLPRegressor])(
        hidden_layer_sizes=net.sizes[1:-1] or 2,
        activation=net.functions["activation"],
        solver=pick(rng, ["sgd", "adam", "lbfgs"]),
        max_iter=2,
        random_state=0,
    )
    parameters = {
        "alpha": 0.1,
        "batch_size": 3,
        "hidden_layer_sizes": model.hidden_layer_sizes,
        "n_threads": net.threads,
        "learning_rate_init": 0.01,
        "early_stopping": False,
    }
    if rng.random() < 0.3:
        key = pick(rng, list(parameters))
        value = pick(rng, [0, -1, 10**15, 2**70, 1e308, float("nan"), None, "adaptive", [], [3, 0]])
        model.set_params(**{key: value})
    fit = {"X": X, "y": y, "sample_weight": net.weights}
    spoilt = spoil_some(rng, dict(fit))
    spoilt = {key: value if is_for_sklearn(value) else fit[key] for key, value in spoilt.items()}
    survive(lambda: model.fit(**spoilt))
    if hasattr(model, "coefs_"):
        for method in ("predict", "score"):
            rows = spoil(rng, X) if rng.random() < 0.5 else X
            if is_for_sklearn(rows):
                more = (y,) if method == "score" else ()
                survive(lambda m=method, rows=rows, more=more: getattr(model, m)(rows, *more))


TARGETS = [forward] * 6 + [loss_gradient] * 5 + [backprop] * 3 + [trainer] * 5 + [small_things]


def one(seed, number):
    """Make call `number`; returns its name, and the exception it ended in or None."""
    rng = np.random.default_rng([seed, number])
    net = network(rng)
    target = estimator if number % 12 == 0 else pick(rng, TARGETS)
    if target is not estimator and rng.random() < 0.03:
        huge_network(rng, net)
    try:
        target(rng, net)
    except (*DOCUMENTED, KeyError) as error:
        return target.__name__, error
    return target.__name__, None


def main():
    parser = sizes.parser(__doc__, **CALLS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="make this call alone")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    started = time.perf_counter()
    counts = collections.Counter()
    failures = 0
    numbers = range(options.size) if options.only is None else [options.only]
    slowest = (0.0, 0)
    for number in numbers:
        began = time.perf_counter()
        try:
            _, error = one(options.seed, number)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            failures += 1
            if failures <= 10 or options.only is not None:
                print(f"call {number}: {type(error).__name__}: {error}", file=sys.stderr)
            if options.only is not None:
                raise
        else:
            counts["returned" if error is None else type(error).__name__] += 1
        slowest = max(slowest, (time.perf_counter() - began, number))
    outcome = ", ".join(f"{name} {n}" for name, n in counts.most_common())
    seconds = time.perf_counter() - started
    print(
        f"{len(numbers)} calls in {seconds:.0f} s, the slowest (number {slowest[1]}) in "
        f"{slowest[0]:.2f} s: {failures} failures; {outcome}"
    )
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
