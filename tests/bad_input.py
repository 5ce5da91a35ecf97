"""Input that is bad or unusual, of every kind, for `test_bad_input.py`."""

import numpy as np
import pandas as pd
import polars as pl
from scipy import sparse

X = np.random.default_rng(0).standard_normal((12, 4))
LABELS = np.array([0, 1, 2] * 4)
NUMBERS = X[:, 0] * 2 + 1


def with_value(value, dtype=float):
    changed = X.astype(dtype)
    changed[3, 1] = value
    return changed


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def frame(**options):
    return pd.DataFrame(X, columns=options.get("columns", list("abcd")))


def memory_mapped(tmp_path):
    path = tmp_path / "X.npy"
    np.save(path, X)
    return np.load(path, mmap_mode="r")


def unsorted_csr():
    good = sparse.csr_matrix(X)
    indices, data = good.indices.copy(), good.data.copy()
    indices[:4], data[:4] = indices[:4][::-1].copy(), data[:4][::-1].copy()
    return sparse.csr_matrix((data, indices, good.indptr), shape=good.shape)


def int64_csr():
    csr = sparse.csr_array(X)
    csr.indices, csr.indptr = csr.indices.astype(np.int64), csr.indptr.astype(np.int64)
    return csr


def nullable_frame():
    return pd.DataFrame({c: pd.array(X[:, i], dtype="Float64") for i, c in enumerate("abcd")})


def frame_with_missing():
    missing = nullable_frame()
    missing.loc[2, "b"] = pd.NA
    return missing


BAD_X = {
    "NaN": lambda: with_value(np.nan),
    "infinity": lambda: with_value(np.inf),
    "minus infinity": lambda: with_value(-np.inf),
    "NaN in float32": lambda: with_value(np.nan, np.float32),
    "NaN in sparse": lambda: sparse.csr_matrix(with_value(np.nan)),
    "NaN and infinities": lambda: np.array([[np.nan, np.inf, -np.inf, 0]] * 12),
    "too few columns": lambda: X[:, :3],
    "too many columns": lambda: np.hstack([X, X]),
    "too many columns, sparse": lambda: sparse.csr_matrix(np.hstack([X, X])),
    "fewer rows than y": lambda: X[:7],
    "no rows": lambda: X[:0],
    "no columns": lambda: X[:, :0],
    "no rows, sparse": lambda: sparse.csr_matrix((0, 4)),
    "one dimension": lambda: X[:, 0],
    "three dimensions": lambda: X.reshape(12, 2, 2),
    "a number": lambda: 3.0,
    "None": lambda: None,
    "a string": lambda: "rows",
    "complex": lambda: X + 1j,
    "complex, sparse": lambda: sparse.csr_matrix(X + 1j),
    "strings": lambda: np.full((12, 4), "leaf"),
    "strings of numbers": lambda: X.astype(str),
    "objects of numbers": lambda: X.astype(object),
    "an object with a dict": lambda: with_value({"a": 1}, object),
    "ragged lists": lambda: [[1, 2, 3, 4], [1]] * 6,
    "lists": lambda: X.tolist(),
    "near 1e308": lambda: X * 1e308 / np.abs(X).max(),
    "one value near 1e308": lambda: with_value(1e308),
    "large float32": lambda: with_value(1e30, np.float32),
    "read-only": lambda: read_only(X),
    "every other row": lambda: np.repeat(X, 2, axis=0)[::2],
    "negative strides": lambda: X[::-1, ::-1],
    "strides of zero": lambda: np.broadcast_to(X[0], X.shape),
    "Fortran order": lambda: np.asfortranarray(X),
    "big-endian": lambda: X.astype(">f8"),
    "big-endian float32": lambda: X.astype(">f4"),
    "float16": lambda: X.astype(np.float16),
    "longdouble": lambda: X.astype(np.longdouble),
    "integers": lambda: (X * 9).astype(int),
    "uint8": lambda: (X * 9).astype(np.uint8),
    "booleans": lambda: X > 0,
    "float32": lambda: X.astype(np.float32),
    "masked array": lambda: np.ma.masked_array(X, X > 9),
    "data frame": frame,
    "data frame, other order": lambda: frame()[list("badc")],
    "data frame, other names": lambda: frame(columns=list("efgh")),
    "data frame of integer names": lambda: frame(columns=[0, 1, 2, 3]),
    "data frame of mixed names": lambda: frame(columns=["a", 1, "c", 2]),
    "data frame, nullable": nullable_frame,
    "data frame with a missing value": frame_with_missing,
    "data frame of strings": lambda: frame().astype(str),
    "polars frame": lambda: pl.DataFrame(X, schema=list("abcd")),
    "polars frame, other names": lambda: pl.DataFrame(X, schema=list("efgh")),
    "CSR": lambda: sparse.csr_matrix(X),
    "CSR array": lambda: sparse.csr_array(X),
    "CSC": lambda: sparse.csc_array(X),
    "COO": lambda: sparse.coo_matrix(X),
    "CSR, int64 indices": int64_csr,
    "CSR, unsorted": unsorted_csr,
    "CSR of integers": lambda: sparse.csr_matrix((X * 9).astype(int)),
}

# Scaling would help there: scikit-learn goes on with infinite losses where ours says so.
OVERFLOWS = {"near 1e308", "one value near 1e308", "large float32"}

BAD_LABELS = {
    "NaN": lambda: np.where(LABELS == 1, np.nan, LABELS),
    "infinity": lambda: np.where(LABELS == 1, np.inf, LABELS),
    "None": lambda: None,
    "Nones": lambda: [None] * 12,
    "too few": lambda: LABELS[:5],
    "column vector": lambda: LABELS[:, None],
    "continuous": lambda: NUMBERS,
    "two columns of classes": lambda: np.stack([LABELS, LABELS + 1], axis=1),
    "three dimensions": lambda: LABELS.reshape(12, 1, 1),
    "a number": lambda: 1,
    "one class": lambda: np.ones(12, dtype=int),
    "strings": lambda: np.array(list("abc") * 4),
    "string objects": lambda: np.array(["a", "bb", "c"] * 4, dtype=object),
    "strings and numbers": lambda: np.array(["a", 1, 2] * 4, dtype=object),
    "an object with a dict": lambda: np.array([{"a": 1}, 1, 2] * 4, dtype=object),
    "complex": lambda: LABELS + 1j,
    "booleans": lambda: LABELS == 1,
    "whole floats": lambda: LABELS.astype(float),
    "float32": lambda: LABELS.astype(np.float32),
    "negative": lambda: LABELS - 5,
    "uint8": lambda: LABELS.astype(np.uint8),
    "big-endian": lambda: LABELS.astype(">i4"),
    "list": LABELS.tolist,
    "tuple of strings": lambda: tuple("abc" * 4),
    "series": lambda: pd.Series(LABELS),
    "categories": lambda: pd.Series(list("abc") * 4, dtype="category"),
    "polars series": lambda: pl.Series(LABELS),
    "indicator matrix": lambda: np.stack([LABELS == 0, LABELS != 1], axis=1).astype(int),
    "sparse indicator matrix": lambda: sparse.csr_matrix(np.stack([LABELS == 0, LABELS != 1], 1)),
    "empty": lambda: [],
    "read-only": lambda: read_only(LABELS),
}

BAD_NUMBERS = {
    "NaN": lambda y: np.where(LABELS == 1, np.nan, y),
    "infinity": lambda y: np.where(LABELS == 1, np.inf, y),
    "None": lambda y: None,
    "too many": lambda y: np.tile(y, 2),
    "column vector": lambda y: y[:, None],
    "two columns": lambda y: np.stack([y, y + 1], axis=1),
    "three dimensions": lambda y: y.reshape(12, 1, 1),
    "strings": lambda y: np.array(list("abc") * 4),
    "objects of numbers": lambda y: y.astype(object),
    "strings of numbers": lambda y: y.astype(str),
    "complex": lambda y: NUMBERS + 1j,
    "integers": lambda y: LABELS,
    "booleans": lambda y: LABELS == 1,
    "float32": lambda y: y.astype(np.float32),
    "float16": lambda y: y.astype(np.float16),
    "big-endian": lambda y: y.astype(">f8"),
    "negative strides": lambda y: y[::-1],
    "Fortran order": lambda y: np.asfortranarray(np.stack([y, y + 1], axis=1)),
    "series": lambda y: pd.Series(y),
    "polars series": lambda y: pl.Series(y),
    "data frame": lambda y: pd.DataFrame({"p": y, "q": y + 1}),
    "sparse": lambda y: sparse.csr_matrix(y[:, None]),
}

BAD_WEIGHTS = {
    "NaN": lambda: np.where(LABELS == 1, np.nan, 1.0),
    "infinity": lambda: np.where(LABELS == 1, np.inf, 1.0),
    "all zero": lambda: np.zeros(12),
    "some zero": lambda: (LABELS > 0).astype(float),
    "some negative": lambda: LABELS - 0.5,
    "negative, sum zero": lambda: LABELS - 1.0,
    "all negative": lambda: -np.ones(12),
    "too few": lambda: np.ones(5),
    "two dimensions": lambda: np.ones((12, 1)),
    "a number": lambda: 2.0,
    "strings": lambda: list("abc") * 4,
    "integers": lambda: LABELS + 1,
    "float32": lambda: (LABELS + 1).astype(np.float32),
    "series": lambda: pd.Series(LABELS + 1.0),
}

BAD_PARAMETERS = [
    {"hidden_layer_sizes": 0},
    {"hidden_layer_sizes": (3, 0)},
    {"hidden_layer_sizes": (3, -1)},
    {"hidden_layer_sizes": -1},
    {"hidden_layer_sizes": "wide"},
    {"hidden_layer_sizes": 2.5},
    {"hidden_layer_sizes": (2.5,)},
    {"activation": "ghost"},
    {"activation": None},
    {"solver": "hadoken"},
    {"alpha": -1},
    {"alpha": np.nan},
    {"alpha": "small"},
    {"batch_size": 0},
    {"batch_size": -1},
    {"batch_size": "all"},
    {"batch_size": 100},
    {"learning_rate": "converge"},
    {"learning_rate_init": 0},
    {"learning_rate_init": -1},
    {"power_t": -1},
    {"max_iter": 0},
    {"max_iter": 1.5},
    {"shuffle": "true"},
    {"random_state": -1},
    {"random_state": "seed"},
    {"tol": -1},
    {"verbose": "yes"},
    {"warm_start": 3},
    {"momentum": 2},
    {"momentum": -0.5},
    {"nesterovs_momentum": None},
    {"early_stopping": "yes"},
    {"validation_fraction": 1},
    {"validation_fraction": -1},
    {"validation_fraction": 0, "early_stopping": True},
    {"validation_fraction": 0.01, "early_stopping": True},
    {"validation_fraction": 0.9, "early_stopping": True},
    {"beta_1": 1},
    {"beta_2": -0.5},
    {"epsilon": 0},
    {"epsilon": -0.5},
    {"n_iter_no_change": 0},
    {"n_iter_no_change": 2.5},
    {"max_fun": 0, "solver": "lbfgs"},
]
