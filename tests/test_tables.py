"""Tables as X: float32 columns train and predict in float32, whoever made the table."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

import rustbp

X = np.random.default_rng(0).random((60, 3), dtype=np.float32)
y = X[:, 0] > 0.5
NAMES = ["a", "b", "c"]


def arrow(dtype):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    return pyarrow.table({name: X[:, i].astype(dtype) for i, name in enumerate(NAMES)})


def dask_frame(dtype):
    dataframe = pytest.importorskip("dask.dataframe", reason="dask is not installed")
    return dataframe.from_pandas(pd.DataFrame(X.astype(dtype), columns=NAMES), npartitions=2)


TABLES = {
    "pandas": lambda dtype: pd.DataFrame(X.astype(dtype), columns=NAMES),
    "pandas, nullable": lambda dtype: pd.DataFrame(X.astype(dtype), columns=NAMES).convert_dtypes(),
    "polars": lambda dtype: pl.DataFrame(X.astype(dtype), schema=NAMES),
    "arrow": arrow,
    "arrow, a batch": lambda dtype: arrow(dtype).to_batches()[0],
    "dask": dask_frame,
}


@pytest.mark.filterwarnings("ignore:X is Dask's DataFrame")
@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_columns_keep_their_precision(kind, dtype):
    table = TABLES[kind](dtype)
    model = rustbp.MLPClassifier(max_iter=2, tol=0, random_state=0)
    expected = rustbp.MLPClassifier(max_iter=2, tol=0, random_state=0)
    with pytest.warns(match="Maximum iterations"):
        model.fit(table, y)
    with pytest.warns(match="Maximum iterations"):
        expected.fit(X.astype(dtype), y)
    assert model.coefs_[0].dtype == dtype
    predicted = model.predict_proba(table)
    assert predicted.dtype == dtype
    # The array of the same numbers is the oracle.
    np.testing.assert_array_equal(predicted, expected.predict_proba(X.astype(dtype)))


def test_one_wider_column_widens_all():
    table = pl.DataFrame(X, schema=NAMES).with_columns(pl.col("b").cast(pl.Float64))
    model = rustbp.MLPRegressor(solver="lbfgs", max_iter=2, random_state=0)
    with pytest.warns(match="lbfgs failed to converge"):
        model.fit(table, X[:, 1])
    assert model.coefs_[0].dtype == np.float64
