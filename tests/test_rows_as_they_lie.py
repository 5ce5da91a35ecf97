"""X where it lies: files mapped into memory are not copied; what has no rows at hand is refused; pickles are light."""

import pathlib
import pickle
import re
import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from rustbp import MLPClassifier, MLPRegressor, _mapped

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
RNG = np.random.default_rng(0)
COUNTS = RNG.integers(0, 9, (400, 6))
LABELS = COUNTS.sum(axis=1) > 24


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """A block has 16 rows of six float64 numbers."""
    monkeypatch.setattr(_mapped, "BLOCK", 16 * 6 * 8)


def mapped(folder, X):
    np.save(folder / "x.npy", X)
    return np.load(folder / "x.npy", mmap_mode="r")


def classifier(**options):
    return MLPClassifier(
        (5,),
        **{"max_iter": 4, "batch_size": 7, "learning_rate_init": 0.01, "random_state": 0} | options,
    )


def assert_same(found, expected):
    for name in ("coefs_", "intercepts_"):
        for one, other in zip(getattr(found, name), getattr(expected, name), strict=True):
            assert_array_equal(one, other)
            assert one.dtype == other.dtype
    # The mean of an epoch is put together from those of its blocks.
    for name in ("loss_curve_", "validation_loss_curve_", "validation_scores_"):
        one, other = getattr(found, name, None), getattr(expected, name, None)
        assert (one is None) == (other is None), name
        if one is not None:
            assert_allclose(one, other, rtol=1e-12, err_msg=name)


@pytest.mark.parametrize(
    "dtype", ["uint8", "int16", "float16", ">f4", "bool", "float32", "float64"]
)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"early_stopping": True, "validation_fraction": 0.3},
        {"batch_size": 50, "shuffle": False, "schedule": "cosine"},
        {"solver": "lbfgs"},
    ],
    ids=["plain", "early stopping", "schedule", "lbfgs"],
)
def test_a_file_gives_what_the_array_in_memory_gives(tmp_path, dtype, options):
    X = COUNTS.astype(dtype)
    lies, expected = mapped(tmp_path, X), classifier(**options).fit(X, LABELS)
    found = classifier(**options).fit(lies, LABELS)
    assert_same(found, expected)
    assert_array_equal(found.predict_proba(lies), expected.predict_proba(X))


def test_weights_partial_fit_and_given_validation(tmp_path):
    X = COUNTS.astype(np.int16)
    lies, weight = mapped(tmp_path, X), RNG.uniform(0.5, 2, 400)
    options = {"sample_weight": weight, "X_val": lies[:90], "y_val": LABELS[:90]}
    found, expected = classifier(), classifier()
    for X_of, model in ((lies, found), (X, expected)):
        options["X_val"] = X_of[:90]
        model.fit(X_of, LABELS, **options)
        model.partial_fit(X_of[100:], LABELS[100:])
    assert_same(found, expected)


def peak(function):
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_has_a_block_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(_mapped, "BLOCK", 64 << 10)
    X = RNG.integers(0, 9, (3000, 100)).astype(np.uint8)
    lies, y = mapped(tmp_path, X), X[:, 0] > 4
    model = classifier(max_iter=1)
    model.fit(lies[:10], y[:10])
    # In float64 they are 2,400 kB; order, labels and a copy of both are some of 3000 numbers each.
    assert peak(lambda: model.fit(lies, y)) < 600_000
    assert peak(lambda: model.predict(lies)) < 300_000


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_that_are_held_out_are_not_copied(tmp_path, monkeypatch, dtype):
    monkeypatch.setattr(_mapped, "BLOCK", 64 << 10)
    X = RNG.random((2000, 100)).astype(dtype)
    lies, y = mapped(tmp_path, X), X[:, 0] > 0.5
    model = classifier(max_iter=1, early_stopping=True, validation_fraction=0.9)
    model.fit(lies[:100], y[:100])
    assert peak(lambda: model.fit(lies, y)) < 0.3 * X.nbytes


def test_numbers_in_a_file_are_checked(tmp_path):
    X = COUNTS.astype(np.float16)
    X[399, 5] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        classifier().fit(mapped(tmp_path, X), LABELS)


# ---- what has no rows at hand ----


def test_a_local_fit_says_that_it_fetches_what_dask_has():
    array = pytest.importorskip("dask.array", reason="dask is not installed")
    X = COUNTS.astype(float)
    with pytest.warns(UserWarning, match="computes all of it in this process.*DaskMLPClassifier"):
        found = classifier().fit(array.from_array(X, chunks=100), LABELS)
    assert_same(found, classifier().fit(X, LABELS))


def test_objects_of_dask_that_are_no_arrays():
    dask = pytest.importorskip("dask", reason="dask is not installed")
    from scipy import sparse

    array = pytest.importorskip("dask.array")
    with pytest.raises(TypeError, match=r"Delayed.*DaskMLPRegressor"):
        MLPRegressor().fit(dask.delayed(COUNTS), LABELS)
    X = array.from_array(COUNTS.astype(float), chunks=(100, 6)).map_blocks(sparse.csr_array)
    with pytest.raises(TypeError, match=r"sparse matrices.*DaskMLPClassifier"):
        MLPClassifier().fit(X, LABELS)


def lazy_frame():
    return pytest.importorskip("polars").DataFrame(COUNTS).lazy()


def reader():
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    return pyarrow.table({"a": COUNTS[:, 0]}).to_reader()


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: (row for row in COUNTS), "an iterator \\(generator\\)"),
        (lazy_frame, "a LazyFrame of polars"),
        (reader, "a RecordBatchReader of Arrow"),
    ],
    ids=["generator", "polars", "arrow"],
)
def test_streams_are_told_where_they_can_be_read(make, what):
    with pytest.raises(TypeError, match=rf"X is {what}.*rustbp\.chunks"):
        MLPClassifier().fit(make(), LABELS)


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        ("rows.parquet", ValueError, "string to float: 'rows.parquet'. If it is a path: "),
        (pathlib.Path("rows.parquet"), TypeError, "X is a path, 'rows.parquet'. "),
    ],
)
def test_paths_too(path, error, words):
    with pytest.raises(error, match=re.escape(f"{words}rustbp.chunks.parquet")):
        MLPClassifier().fit(path, LABELS)


# ---- models that travel ----


def test_a_model_travels_without_its_optimizer():
    X = COUNTS.astype(float)
    model = classifier().fit(X, LABELS)
    light = model.without_optimizer()
    assert model._packed is not None
    assert_array_equal(light.predict_proba(X), model.predict_proba(X))
    numbers = 8 * model.n_parameters_
    assert len(pickle.dumps(model)) - len(pickle.dumps(light)) >= 2 * numbers
    # Adam's moments start at zero, its step size stays.
    fresh = classifier().fit(X, LABELS)
    fresh._optimizer = None
    assert_same(
        pickle.loads(pickle.dumps(light)).partial_fit(X, LABELS), fresh.partial_fit(X, LABELS)
    )


def test_its_size_is_that_of_its_arrays():
    X = COUNTS.astype(float)
    model = classifier().fit(X, LABELS)
    numbers = 8 * model.n_parameters_
    for state in ("packed", "in arrays"):
        assert 3 * numbers <= model.__sizeof__() < 3 * numbers + 500, state
        _ = model.coefs_, model._optimizer.ms
    assert numbers <= model.without_optimizer().__sizeof__() < numbers + 500
    assert MLPClassifier().__sizeof__() < 500
    sgd = classifier(solver="sgd", momentum=0.0).fit(X, LABELS)
    assert numbers <= sgd.__sizeof__() < numbers + 500


def test_dask_knows_it_again():
    tokenize = pytest.importorskip("dask.base", reason="dask is not installed").tokenize
    X = COUNTS.astype(float)
    model = classifier(early_stopping=True).fit(X, LABELS)
    name = tokenize(model)
    assert tokenize(pickle.loads(pickle.dumps(model))) == name
    assert tokenize(classifier(early_stopping=True).fit(X, LABELS)) == name
    assert tokenize(classifier(early_stopping=True, tol=1e-9).fit(X, LABELS)) != name
    model.intercepts_[0][0] += 1e-9
    assert tokenize(model) != name
    assert tokenize(MLPClassifier(alpha=1.0)) != tokenize(MLPClassifier(alpha=2.0))
