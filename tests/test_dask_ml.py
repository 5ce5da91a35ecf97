"""Dask's own tools with the local estimators: dask-ml's Incremental and ParallelPostFit, searches by joblib."""

import joblib
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from rustbp import MLPClassifier, MLPRegressor

pytest.importorskip("distributed", reason="distributed is not installed")
da = pytest.importorskip("dask.array")
import dask_workers  # noqa: E402

X, y = load_digits(return_X_y=True)
X = X / 16
ROWS = 300
pytestmark = [
    *dask_workers.WARNINGS,
    # What Dask and dask-ml still call by old names.
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
OPTIONS = {"hidden_layer_sizes": (12,), "learning_rate_init": 0.01, "random_state": 0}


@pytest.fixture
def wrappers():
    return pytest.importorskip("dask_ml.wrappers", reason="dask-ml is not installed")


def array(values):
    return da.from_array(values, chunks=(ROWS, *values.shape[1:]))


@pytest.mark.parametrize("form", ["array", "float32", "csr"])
def test_incremental_is_a_loop_over_partial_fit(client, wrappers, form):
    make = {"array": np.asarray, "float32": np.float32, "csr": sparse.csr_array}[form]
    blocks = array(np.float32(X)) if form == "float32" else array(X)
    if form == "csr":
        blocks = blocks.map_blocks(sparse.csr_array)
    wrapped = wrappers.Incremental(MLPClassifier(**OPTIONS), shuffle_blocks=False)
    wrapped.fit(blocks, array(y), classes=np.arange(10))
    for _ in range(4):
        wrapped.partial_fit(blocks, array(y), classes=np.arange(10))
    local = MLPClassifier(**OPTIONS)
    for _ in range(5):
        for first in range(0, len(y), ROWS):
            rows = slice(first, first + ROWS)
            local.partial_fit(make(X[rows]), y[rows], classes=np.arange(10))
    for one, other in zip(wrapped.estimator_.coefs_, local.coefs_, strict=True):
        assert_array_equal(one, other)
    assert wrapped.estimator_.score(X, y) > 0.85


def test_incremental_of_a_regressor(client, wrappers):
    wrapped = wrappers.Incremental(MLPRegressor(**OPTIONS), shuffle_blocks=False)
    for _ in range(5):
        wrapped.partial_fit(array(X), array(y / 9))
    local = MLPRegressor(**OPTIONS)
    for _ in range(5):
        for first in range(0, len(y), ROWS):
            local.partial_fit(X[first : first + ROWS], y[first : first + ROWS] / 9)
    for one, other in zip(wrapped.estimator_.coefs_, local.coefs_, strict=True):
        assert_array_equal(one, other)


def test_parallel_post_fit_predicts_where_the_data_is(client, wrappers):
    local = MLPClassifier(**OPTIONS, max_iter=20).fit(X, y)
    wrapped = wrappers.ParallelPostFit(local)
    for method in ("predict", "predict_proba"):
        found = getattr(wrapped, method)(array(X))
        assert isinstance(found, da.Array)
        assert_array_equal(found.compute(), getattr(local, method)(X))
    assert wrapped.score(array(X), array(y)) == pytest.approx(local.score(X, y))


def test_grid_search_on_joblibs_dask_backend(client):
    grid = {"alpha": [1e-4, 1.0], "hidden_layer_sizes": [(4,), (16,)]}
    model = MLPClassifier(max_iter=5, learning_rate_init=0.01, random_state=0)
    here = GridSearchCV(model, grid, cv=3).fit(X, y)
    with joblib.parallel_backend("dask"):
        there = GridSearchCV(model, grid, cv=3, n_jobs=-1).fit(X, y)
    assert there.best_params_ == here.best_params_
    assert_array_equal(there.cv_results_["mean_test_score"], here.cv_results_["mean_test_score"])
    for one, other in zip(there.best_estimator_.coefs_, here.best_estimator_.coefs_, strict=True):
        assert_array_equal(one, other)
