"""Arguments for the native module: those of a call that is right, and what can stand in their place."""

import collections
import itertools
import warnings
from types import SimpleNamespace

import numpy as np
from scipy import sparse

from rustbp import _core

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
    matrix = sparse.csr_array(sparse.random(*shape, density=0.5, random_state=rng))
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
