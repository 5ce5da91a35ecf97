"""Predictions of few rows, which read the weights where they lie: bit for bit those of many rows."""

import itertools

import numpy as np
import pytest
import scipy.sparse

import rustbp
from rustbp import _core

RNG = np.random.default_rng(0)
NETS = [(7, 3), (40, 1), (130, 70, 33, 5), (70, 200, 17)]


def network(sizes, dtype):
    pairs = list(itertools.pairwise(sizes))
    coefs = [RNG.standard_normal(pair).astype(dtype) / pair[0] ** 0.5 for pair in pairs]
    return coefs, [RNG.standard_normal(n).astype(dtype) for n in sizes[1:]]


@pytest.mark.parametrize("sizes", NETS, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("functions", [("relu", "softmax"), ("tanh", "identity")], ids=str)
def test_few_rows_are_predicted_as_many(sizes, dtype, functions):
    coefs, intercepts = network(sizes, dtype)
    names = dict(zip(("activation", "output_activation"), functions, strict=True))
    X = RNG.standard_normal((400, sizes[0])).astype(dtype)
    X[RNG.random(X.shape) < 0.5] = 0
    expected = _core.forward(X, coefs, intercepts, **names)
    # As the formula says, too.
    a = X.astype(np.float64)
    for w, b in zip(coefs[:-1], intercepts[:-1], strict=True):
        a = np.maximum(a @ w + b, 0) if functions[0] == "relu" else np.tanh(a @ w + b)
    z = a @ coefs[-1] + intercepts[-1]
    if functions[1] == "softmax":
        z = np.exp(z - z.max(axis=1, keepdims=True))
        z /= z.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(expected, z, atol=1e-5 if dtype == np.float32 else 1e-13)
    strided = [np.asfortranarray(w) for w in coefs]
    for n in (1, 2, 3, 16, 95, 96, 97):
        for weights in (coefs, strided):
            for rows in (X[:n], scipy.sparse.csr_array(X[:n])):
                for threads in (1, 3):
                    found = _core.forward(rows, weights, intercepts, **names, n_threads=threads)
                    np.testing.assert_array_equal(found, expected[:n])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_layers_are_taken_in_parts_by_several_threads(dtype):
    coefs, intercepts = network((600, 700, 650, 10), dtype)
    names = {"activation": "relu", "output_activation": "softmax"}
    X = RNG.standard_normal((600, 600)).astype(dtype)
    # So many rows that the weights are packed first.
    expected = _core.forward(X, coefs, intercepts, **names)
    rows_of_a_larger_array = [np.hstack((w, w))[:, : w.shape[1]] for w in coefs]
    for n in (1, 2, 7, 16, 17, 96, 97, 512):
        for threads in (1, 2, 5, 8):
            for weights in (coefs, rows_of_a_larger_array):
                found = _core.forward(X[:n], weights, intercepts, **names, n_threads=threads)
                np.testing.assert_array_equal(found, expected[:n])


@pytest.mark.parametrize("rows", [1, 5, 96, 250])
def test_a_sparse_row_takes_the_weights_of_its_columns_alone(rows):
    """Those of all others may be anything; a product with them would be NaN."""
    X = scipy.sparse.random(rows, 5000, 0.002, "csr", random_state=0)
    coefs, intercepts = network((5000, 50, 3), np.float64)
    expected = np.tanh(X @ coefs[0] + intercepts[0]) @ coefs[1] + intercepts[1]
    coefs[0][np.setdiff1d(np.arange(5000), X.indices)] = np.nan
    names = {"activation": "tanh", "output_activation": "identity"}
    found = _core.forward(X, coefs, intercepts, **names)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    # Rows without any entry, and entries that are stored and zero.
    empty = scipy.sparse.csr_array((3, 5000))
    biases = np.tanh(intercepts[0]) @ coefs[1] + intercepts[1]
    np.testing.assert_allclose(_core.forward(empty, coefs, intercepts, **names), [biases] * 3)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_an_estimator_predicts_few_rows_as_many():
    X = RNG.standard_normal((300, 20))
    model = rustbp.MLPClassifier((30,), max_iter=3, tol=1, random_state=0)
    model.fit(X, np.arange(300) % 4)
    packed = model.predict_proba(X)
    few = [model.predict_proba(X[i : i + 3]) for i in range(0, 300, 3)]
    np.testing.assert_array_equal(np.concatenate(few), packed)
    assert len(model.coefs_) == 2  # from now on from arrays
    np.testing.assert_array_equal(model.predict_proba(X), packed)
    for rows in (X[:1], X[:1].copy(order="F"), scipy.sparse.csr_array(X[:1])):
        np.testing.assert_array_equal(model.predict_proba(rows), packed[:1])
