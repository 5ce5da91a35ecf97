"""Any call, any argument: the native module and the estimators answer, or raise an exception that is documented.

A seeded generator makes a call that is right, then spoils up to three of its arguments: shapes of no to four
dimensions, empty and huge ones (strides of zero, so that they take no memory), strided, reversed, read-only and
misaligned arrays, other dtypes, NaN and infinity, wrong types, row numbers and labels out of range, sparse matrices
that contradict themselves. A panic or any other exception is a failure; a crash ends the script.

    python tests/torture/native_calls.py --quick | --full [--seed N] [--only CALL]
"""

import argparse
import collections
import contextlib
import itertools
import sys
import time
import warnings
from types import SimpleNamespace

import numpy as np
from scipy import sparse

from rustbp import MLPClassifier, MLPRegressor, _core

CALLS = {"quick": 3_000, "full": 100_000}
DOCUMENTED = (TypeError, ValueError, OverflowError, MemoryError, ZeroDivisionError)
"""What the native module may raise; KeyError too, for a state that lacks an entry."""

PAIRS = _core.PAIRS
DTYPES = ["f4", "f8", "f2", "g", "i1", "i4", "i8", "u1", "u8", "?", "c16", "O", "U3", "S2", "M8[s]"]
DTYPES += [">f8", ">f4", ">i8"]


class Liar:
    """A sequence that says it is longer, or of another kind, than it is."""

    def __init__(self, items, length):
        self.items, self.length = items, length

    def __len__(self):
        return self.length

    def __getitem__(self, i):
        return self.items[i]


collections.abc.Sequence.register(Liar)

JUNK = [
    lambda rng: None,
    lambda rng: "words",
    lambda rng: b"bytes",
    lambda rng: 3,
    lambda rng: -1,
    lambda rng: 2**70,
    lambda rng: float("nan"),
    lambda rng: [1.0, 2.0],
    lambda rng: [[1, 2], [3]],
    lambda rng: (),
    lambda rng: {},
    lambda rng: {"a": 1},
    lambda rng: range(10**18),
    lambda rng: range(3),
    lambda rng: Liar([1, 2], 2**62),
    lambda rng: Liar([1, 2], 0),
    lambda rng: object(),
    lambda rng: np.float32(1),
    lambda rng: np.ma.masked_array([[1.0, 2.0]], [[True, False]]),
    lambda rng: np.asmatrix(np.ones((3, 3))),
    lambda rng: memoryview(b"12345678"),
    lambda rng: np.ones((2, 2)).__class__,
    lambda rng: SimpleNamespace(format="csr"),
    lambda rng: SimpleNamespace(format="csr", shape=(3, 3), data=[1], indices=[0], indptr=[0]),
    lambda rng: SimpleNamespace(format="csr", shape=(-1, 2**70), data=None, indices=0, indptr=0),
    lambda rng: sparse.csc_array(np.eye(3)),
    lambda rng: sparse.coo_array(np.eye(3)),
    lambda rng: bad_csr(rng, (5, 3), np.float32),
    lambda rng: any_array(rng),
]


def pick(rng, options):
    return options[int(rng.integers(len(options)))]


def any_shape(rng):
    return tuple(int(n) for n in rng.choice([0, 1, 2, 3, 4, 5, 17], int(rng.integers(5))))


def any_array(rng):
    return spoil_layout(rng, values(rng, any_shape(rng)).astype(pick(rng, ["f4", "f8"])))


def values(rng, shape):
    array = rng.standard_normal(shape)
    array = np.asarray(array)
    if array.size and rng.random() < 0.2:
        array.flat[int(rng.integers(array.size))] = pick(
            rng, [np.nan, np.inf, -np.inf, 1e308, -1e308, 1e-310, 0.0]
        )
    return array


def huge(rng, dtype, ndim):
    """An array of one number in memory with a length that no other array has."""
    n = 2**40 + int(rng.integers(2**39))
    shape = [int(rng.integers(1, 5)) for _ in range(ndim)]
    if ndim:
        shape[int(rng.integers(ndim))] = n
    return np.broadcast_to(np.ones((), dtype), shape)


def misaligned(array):
    raw = np.zeros(array.nbytes + 1, np.uint8)
    out = np.frombuffer(raw.data, array.dtype, array.size, 1).reshape(array.shape)
    out[...] = array
    return out


def spoil_layout(rng, array):
    """The same numbers, or the same shape, laid out otherwise."""
    kind = int(rng.integers(9))
    if kind == 0:
        return np.asfortranarray(array)
    if kind == 1 and array.ndim:
        return np.repeat(array, 2, axis=0)[::2]
    if kind == 2 and array.ndim:
        return array[(slice(None, None, -1),) * array.ndim]
    if kind == 3:
        out = array.copy()
        out.flags.writeable = False
        return out
    if kind == 4 and not array.dtype.hasobject:
        return misaligned(array)
    if kind == 5 and array.size:
        return np.broadcast_to(array.flat[0], array.shape)
    if kind == 6 and array.ndim and not array.dtype.hasobject:
        # A field of records: strides that are no multiple of the item size.
        records = np.zeros(array.shape, [("value", array.dtype), ("other", "u1")])
        records["value"] = array
        return records["value"]
    if kind == 7 and array.ndim >= 2:
        return np.swapaxes(array, 0, -1)
    return np.lib.stride_tricks.as_strided(array, array.shape, array.strides)


def spoil(rng, value):
    """Something in place of an argument that was right."""
    kind = rng.random()
    if isinstance(value, np.ndarray) and kind < 0.75:
        how = int(rng.integers(6))
        if how == 0:
            return spoil_layout(rng, value)
        if how == 1:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    return value.astype(pick(rng, DTYPES))
                except (TypeError, ValueError, RuntimeError):  # of NumPy's own conversion
                    return value.astype(object)
        if how == 2:
            return values(rng, any_shape(rng)).astype(value.dtype)
        if how == 3:
            return huge(rng, value.dtype, int(rng.integers(5)))
        if how == 4 and value.size:
            out = value.copy()
            bad = [-1, 10**6, -(2**62)] if value.dtype.kind == "i" else [np.nan, np.inf, 3e38]
            out.flat[int(rng.integers(out.size))] = pick(rng, bad)
            return out
        return value[:-1] if value.ndim else value
    if isinstance(value, list) and value and kind < 0.6:
        out = list(value)
        out[int(rng.integers(len(out)))] = spoil(rng, pick(rng, out))
        return out if rng.random() < 0.8 else out[:-1]
    if sparse.issparse(value) and isinstance(value.data, np.ndarray) and kind < 0.7:
        return bad_csr(rng, value.shape, value.dtype)
    if isinstance(value, float) and kind < 0.7:
        return pick(rng, [0.0, -1.0, 1.0, 1e308, -1e308, float("nan"), float("inf"), 2])
    if isinstance(value, bool | int) and kind < 0.7:
        return pick(rng, [0, 1, -1, 2, 2**31, 2**62, 2**63 - 1, 2**63, 2**64, True, None])
    if isinstance(value, str) and kind < 0.7:
        return pick(rng, ["", "relu", "softmax", "identity", "adam", "\0", "é", "squared_error"])
    if isinstance(value, dict) and kind < 0.7:
        out = dict(value)
        key = pick(rng, list(out) or ["t"])
        out[key] = spoil(rng, out.get(key, 1))
        if rng.random() < 0.3:
            del out[key]
        return out
    return pick(rng, JUNK)(rng)


def csr(rng, shape, dtype):
    matrix = sparse.random_array(shape, density=0.5, format="csr", dtype=np.float64, rng=rng)
    return matrix.astype(dtype)


def bad_csr(rng, shape, dtype):
    """A CSR matrix whose parts contradict each other: SciPy checks them only when it makes one."""
    matrix = csr(rng, shape, dtype)
    part = pick(rng, ["data", "indices", "indptr"])
    array = getattr(matrix, part)
    how = int(rng.integers(7))
    index = pick(rng, [-1, 7, 10**6, -(2**31), 2**31 - 1])
    if how == 0:
        array = array[:-1]
    elif how == 1 and array.size:
        array = array.copy()
        array[int(rng.integers(array.size))] = index
    elif how == 2:
        array = array.astype(pick(rng, ["i8", "i4", "u4", "f8", "i2"]))
    elif how == 3:
        array = np.repeat(array, 2)[::2]
    elif how == 4:
        array = array[::-1]
    elif how == 5:
        array = spoil(rng, array)
    else:
        array = np.concatenate([array, array])
    setattr(matrix, part, array)
    if rng.random() < 0.2:
        matrix._shape = pick(rng, [(5, 2**62), (2**62, 3), (-1, 3), (5,), "ab", (5, 3, 1)])
    return matrix


def network(rng):
    """Everything a call needs, all of it right."""
    dtype = pick(rng, [np.float32, np.float64])
    depth = int(rng.integers(1, 4))
    sizes = [int(n) for n in rng.choice([1, 2, 3, 5, 16, 17, 33], depth + 1)]
    cost, output = pick(rng, PAIRS)
    rows = int(rng.choice([1, 2, 7, 20]))
    X = values(rng, (rows, sizes[0])).astype(dtype)
    if rng.random() < 0.3:
        X = csr(rng, X.shape, dtype)
    y = rng.random((rows, sizes[-1])).astype(dtype)
    if rng.random() < 0.5:
        y = rng.integers(0, max(2, sizes[-1]), rows)
    return SimpleNamespace(
        sizes=sizes,
        X=X,
        y=y,
        rows=rows,
        dtype=dtype,
        coefs=[values(rng, s).astype(dtype) for s in itertools.pairwise(sizes)],
        intercepts=[values(rng, n).astype(dtype) for n in sizes[1:]],
        weights=rng.random(rows).astype(dtype) if rng.random() < 0.5 else None,
        functions={
            "activation": pick(rng, _core.ACTIVATIONS),
            "output_activation": output,
        },
        cost=cost,
        threads=int(rng.integers(1, 4)),
    )


def spoil_some(rng, arguments):
    """Up to three arguments replaced; None of a fifth of the calls."""
    for _ in range(int(rng.integers(4)) if rng.random() < 0.8 else 0):
        key = pick(rng, list(arguments))
        arguments[key] = spoil(rng, arguments[key])
    return arguments


def huge_network(rng, net):
    """Weights whose number overflows, or is more than any memory; they take none themselves."""
    wide = int(2 ** rng.integers(40, 54))
    shapes = [(net.sizes[0], wide), (wide, pick(rng, [1, 3, 16]))]
    ones = np.ones((), net.dtype)
    net.sizes = [net.sizes[0], wide, shapes[1][1]]
    net.coefs = [np.broadcast_to(ones, shape) for shape in shapes]
    net.intercepts = [np.broadcast_to(ones, shape[1:]) for shape in shapes]


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
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    size = parser.add_mutually_exclusive_group(required=True)
    for name, calls in CALLS.items():
        size.add_argument(f"--{name}", dest="calls", action="store_const", const=calls)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="make this call alone")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    started = time.perf_counter()
    counts = collections.Counter()
    failures = 0
    numbers = range(options.calls) if options.only is None else [options.only]
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
