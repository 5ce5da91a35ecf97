"""Sparse rows: the same fit as dense ones, in every layout, and never a dense copy."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from rustbp import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(1)
X = RNG.standard_normal((50, 9)) * (RNG.random((50, 9)) < 0.3)
X[4] = 0
Y = (X.sum(axis=1) > 0).astype(int) + (X[:, 0] > 0.2)


def int64_indices(matrix):
    matrix = matrix.copy()
    matrix.indices = matrix.indices.astype(np.int64)
    matrix.indptr = matrix.indptr.astype(np.int64)
    return matrix


def unsorted(matrix):
    coo = sparse.coo_array(matrix)
    order = np.lexsort((-coo.col, coo.row))
    indptr = np.r_[0, np.cumsum(np.bincount(coo.row, minlength=50))]
    return sparse.csr_array((coo.data[order], coo.col[order], indptr), shape=coo.shape)


def duplicated(matrix):
    csr = sparse.csr_array(matrix)
    data = np.repeat(csr.data, 2) * np.tile([0.25, 0.75], csr.nnz)
    return sparse.csr_array((data, np.repeat(csr.indices, 2), csr.indptr * 2), shape=csr.shape)


def stored_zeros(matrix):
    csr = sparse.csr_array(matrix + 100.0 * (matrix == 0))
    csr.data[csr.data == 100.0] = 0.0
    return csr


LAYOUTS = {
    "csr_matrix": sparse.csr_matrix,
    "csr_array": sparse.csr_array,
    "csc_matrix": sparse.csc_matrix,
    "csc_array": sparse.csc_array,
    "coo": sparse.coo_matrix,
    "csr int64": lambda x: int64_indices(sparse.csr_array(x)),
    "csc int64": lambda x: int64_indices(sparse.csc_matrix(x)),
    "unsorted": unsorted,
    "duplicated": duplicated,
    "stored zeros": stored_zeros,
}


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_same_as_dense(layout, solver):
    options = {"solver": solver, "max_iter": 6, "random_state": 0, "hidden_layer_sizes": (6, 5)}
    dense = MLPClassifier(**options).fit(X, Y)
    given = LAYOUTS[layout](X)
    before = given.copy()
    model = MLPClassifier(**options).fit(given, Y)
    for expected, got in zip(dense.coefs_, model.coefs_, strict=True):
        assert_allclose(got, expected, rtol=1e-7, atol=1e-10)
    assert_allclose(model.predict_proba(given), dense.predict_proba(X), rtol=1e-7)
    np.testing.assert_array_equal(model.predict(given), dense.predict(X))
    # The user's matrix is as it was.
    assert given.dtype == before.dtype
    np.testing.assert_array_equal(given.data, before.data)
    if hasattr(given, "indices"):
        np.testing.assert_array_equal(given.indices, before.indices)


@pytest.mark.parametrize("zeros", ["everywhere", "not where one looks"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_zeros_of_a_dense_matrix_are_left_out_without_a_trace(solver, dtype, order, zeros):
    """Where every fifth row, which is looked at, is full, the products run over all numbers."""
    rng = np.random.default_rng(2)
    some = rng.standard_normal((300, 150)) * (rng.random((300, 150)) < 0.15)
    if zeros == "not where one looks":
        some[::5] = rng.standard_normal((60, 150))
    dense = np.asarray(some, dtype=dtype, order=order)
    labels = np.arange(300) % 3
    options = {"solver": solver, "max_iter": 4, "random_state": 0, "hidden_layer_sizes": (49, 7)}

    def fit(data, threads):
        model = MLPClassifier(**options, batch_size=60, n_threads=threads)
        return model.fit(data, labels)

    expected = fit(sparse.csr_array(dense), 1)
    for model in (fit(dense, 1), fit(dense, 2), fit(dense, 3)):
        for w, got in zip(expected.coefs_, model.coefs_, strict=True):
            np.testing.assert_array_equal(got, w)
        np.testing.assert_array_equal(model.predict_proba(dense), expected.predict_proba(dense))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_dtype(dtype):
    given = sparse.csr_array((X * 10).astype(dtype))
    model = MLPRegressor(max_iter=3, random_state=0).fit(given, Y)
    dense = MLPRegressor(max_iter=3, random_state=0).fit((X * 10).astype(dtype), Y)
    tolerance = 1e-4 if dtype == np.float32 else 1e-7
    assert model.coefs_[0].dtype == (np.float32 if dtype == np.float32 else np.float64)
    assert_allclose(model.predict(given), dense.predict(given.toarray()), rtol=tolerance, atol=1e-6)


def test_early_stopping_weights_and_partial_fit():
    options = {"random_state": 0, "early_stopping": True, "max_iter": 5, "validation_fraction": 0.2}
    weight = RNG.uniform(0.5, 2, size=50)
    sparse_model, dense_model = MLPRegressor(**options), MLPRegressor(**options)
    sparse_model.fit(sparse.csc_array(X), Y, weight)
    dense_model.fit(X, Y, weight)
    assert_allclose(sparse_model.validation_scores_, dense_model.validation_scores_, rtol=1e-7)
    for model, given in ((sparse_model, sparse.csr_array(X)), (dense_model, X)):
        model.set_params(early_stopping=False).partial_fit(given, Y, weight)
    assert_allclose(sparse_model.coefs_[0], dense_model.coefs_[0], rtol=1e-7, atol=1e-10)


def test_never_dense():
    """A matrix whose dense form would take 8 GB."""
    wide = sparse.random(
        20_000, 50_000, density=1e-5, format="csc", random_state=np.random.default_rng(0)
    )
    labels = np.arange(20_000) % 2
    model = MLPClassifier(hidden_layer_sizes=4, max_iter=1, solver="sgd", random_state=0)
    tracemalloc.start()
    model.fit(wide, labels)
    model.predict(wide)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6


@pytest.mark.parametrize("starts", [[1, 2, 3], [0, 3, 2], [0, 2, 9], [0, 2, -(2**31)], [0, 3]])
def test_a_matrix_whose_rows_are_not_within_its_entries(starts):
    """SciPy does not look, and would write beyond its arrays while it sorts them."""
    good = sparse.csr_array(np.array([[0.0, 1, 2], [3, 0, 0]]))
    model = MLPRegressor(max_iter=1).fit(good.toarray(), [1.0, 2.0])
    good.indptr = np.array(starts, dtype=np.int32)
    for call in (model.predict, lambda X: model.fit(X, [1.0, 2.0])):
        with pytest.raises(ValueError, match=r"CSR|dimension|samples|indptr"):
            call(good)
