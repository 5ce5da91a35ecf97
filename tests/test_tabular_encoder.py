"""The encoder of tables: what it makes of each kind of column, and what it refuses."""

import datetime
import decimal
import doctest
import pickle
import time
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.utils.estimator_checks import estimator_checks_generator

import rustbp
from rustbp import TabularEncoder
from rustbp.tabular import encoder as module

NAN = np.nan


@pytest.mark.parametrize(
    ("estimator", "check"),
    list(estimator_checks_generator(TabularEncoder())),
    ids=lambda value: value.func.__name__ if hasattr(value, "func") else "",
)
def test_estimator_check(estimator, check):
    check(estimator)


def test_its_example_runs():
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


# ---- numbers ----


def test_a_number_is_scaled_by_median_and_quartiles_and_clipped_smoothly():
    """By hand: of 0, 1, ... 8 the median is 4 and the quartiles are 2 and 6."""
    x = np.arange(9.0)[:, None]
    encoder = TabularEncoder(n_bins=0).fit(x)
    u = (np.array([0.0, 4.0, 8.0, 1e6]) - 4) / 4
    expected = u / np.sqrt(1 + (u / 3) ** 2)
    found = encoder.transform(np.array([[0.0], [4.0], [8.0], [1e6]]))
    assert_allclose(found[:, 0], expected, rtol=1e-6)
    assert found.dtype == np.float32


def test_where_most_rows_have_one_value_the_others_give_the_scale():
    """Zeros and, in a quarter of the rows or less, 10, 20, 30: their median distance from 0 is 20."""
    x = np.array([0.0] * 20 + [10.0, 20.0, 30.0])[:, None]
    found = TabularEncoder(n_bins=0).fit(x).transform([[20.0], [0.0]])
    assert_allclose(found[:, 0], [1 / np.sqrt(1 + 1 / 9), 0], rtol=1e-6)


@pytest.mark.parametrize(("n_columns", "n_bins"), [(1, 12), (20, 8), (32, 5), (60, 2), (500, 2)])
def test_many_columns_have_fewer_bins_each(n_columns, n_bins):
    """About 160 together, from 2 to 12 each; columns of few different numbers do not count."""
    rng = np.random.default_rng(0)
    X = np.hstack((rng.normal(size=(50, n_columns)), rng.integers(0, 3, (50, 30))))
    encoder = TabularEncoder(n_bins="auto").fit(X)
    assert encoder.transform(X).shape[1] == n_columns * (1 + n_bins) + 30
    assert TabularEncoder().fit(X).transform(X).shape[1] == n_columns * 9 + 30


@pytest.mark.parametrize(
    ("n_rows", "n_columns", "n_bins"),
    [(3000, 1, 12), (7500, 2, 25), (15000, 6, 48), (15000, 30, 10)],
)
def test_many_rows_have_more_bins(n_rows, n_columns, n_bins):
    """One for each 300 rows, up to 48 in a column, and one for each 50 rows together; rows of weight 0 do not count."""
    X = np.random.default_rng(0).normal(size=(n_rows, n_columns))
    encoder = TabularEncoder(n_bins="auto").fit(X)
    assert encoder.transform(X[:2]).shape[1] == n_columns * (1 + n_bins)
    weights = np.arange(2 * n_rows) < n_rows
    encoder.fit(np.vstack((X, X)), sample_weight=weights)
    assert encoder.transform(X[:2]).shape[1] == n_columns * (1 + n_bins)


def test_piecewise_linear_encoding():
    """Gorishniy et al. (2022), eq. 1, on [-1, 1] in place of [0, 1]; edges at every eighth of 0, 1, ... 16."""
    x = np.arange(17.0)[:, None]
    encoder = TabularEncoder(n_bins=8).fit(x)
    found = encoder.transform([[5.0], [-3.0], [99.0]])[:, 1:]
    assert_array_equal(found[0], [1, 1, 0, -1, -1, -1, -1, -1])
    assert_array_equal(found[1], [-1] * 8)
    assert_array_equal(found[2], [1] * 8)


def test_values_with_many_rows_are_edges_and_quantiles_share_the_rest():
    x = np.concatenate((np.zeros(60), np.arange(1.0, 41.0)))[:, None]
    feature = TabularEncoder(n_bins=8).fit(x)._features[0][1]
    edges = 2 * feature.edges
    assert edges[0] == 0
    assert edges[-1] == 40
    assert len(edges) == 9


def test_few_values_are_edges_all_of_them():
    x = np.array([1.0, 2.0, 3.0, 5.0] * 10)[:, None]
    assert_array_equal(2 * TabularEncoder().fit(x)._features[0][1].edges, [1, 2, 3, 5])
    x = np.array([1.0, 2.0, 3.0] * 10)[:, None]
    assert TabularEncoder().fit(x).transform(x).shape == (30, 1)


def test_missing_numbers_are_the_mean_and_are_marked():
    x = np.array([0.0, 1.0, 2.0, 9.0, NAN])[:, None]
    encoder = TabularEncoder(n_bins=0).fit(x)
    found = encoder.transform([[3.0], [NAN]])
    assert_array_equal(found[:, 0], found[[0, 0], 0])
    assert_array_equal(found[:, 1], [0, 1])
    assert encoder.get_feature_names_out().tolist() == ["x0", "x0_missing"]


def test_a_number_missing_for_the_first_time_is_the_mean():
    encoder = TabularEncoder(n_bins=0).fit([[0.0], [1.0], [5.0]])
    assert_array_equal(encoder.transform([[NAN]]), encoder.transform([[2.0]]))


@pytest.mark.parametrize("scale", [1e308, 1e-308, 5e-324, 1e300])
def test_numbers_of_any_size(scale):
    x = np.array([-1.0, -0.5, 0.0, 0.5, 1.0, 1.0])[:, None] * scale
    encoder = TabularEncoder().fit(x)
    for rows in (x, [[1.7e308], [-1.7e308], [0.0]]):
        assert np.isfinite(encoder.transform(rows)).all()


def test_weights_are_repetitions():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 3)).round(1)
    weights = rng.integers(0, 4, 30)
    weighted = TabularEncoder().fit(x, sample_weight=weights)
    repeated = TabularEncoder().fit(x.repeat(weights, axis=0))
    assert_array_equal(weighted.transform(x), repeated.transform(x))
    for exponent in (-1072, 1020):
        sized = TabularEncoder().fit(x, sample_weight=np.ldexp(weights, exponent))
        assert_array_equal(sized.transform(x), repeated.transform(x))


# ---- categories ----


def test_levels():
    frame = pd.DataFrame({"c": ["a", "b", "c", "a", None]})
    encoder = TabularEncoder().fit(frame)
    assert encoder.get_feature_names_out().tolist() == ["c_a", "c_b", "c_c"]
    on = module.features.ON
    found = encoder.transform(pd.DataFrame({"c": ["b", None, "never seen"]}))
    assert_array_equal(found, [[0, on, 0], [0, 0, 0], [0, 0, 0]])


def test_two_levels_share_an_input():
    frame = pd.DataFrame({"c": ["no", "yes", "no"]})
    found = TabularEncoder().fit(frame).transform(pd.DataFrame({"c": ["no", "yes", "?"]}))
    assert_array_equal(found, [[-1], [1], [0]])


@pytest.mark.parametrize("at", [[1], [False, True], ["code"]])
def test_numbers_as_categories(at):
    frame = pd.DataFrame({"x": [0.5, 1.5, 2.5, 3.5], "code": [7, 9, 7, 11]})
    encoder = TabularEncoder(at, n_bins=0).fit(frame)
    assert encoder.get_feature_names_out().tolist() == ["x", "code_7", "code_9", "code_11"]
    assert_array_equal(encoder.is_categorical_, [False, True])
    with_floats = frame.assign(code=frame["code"].astype(float))
    assert_array_equal(encoder.transform(with_floats), encoder.transform(frame))
    as_text = frame.assign(code=frame["code"].astype(str))
    assert_array_equal(encoder.transform(as_text), encoder.transform(frame))


def test_text_meets_numbers():
    """Levels read from a CSV as text, and from another one as numbers."""
    encoder = TabularEncoder().fit(pd.DataFrame({"c": ["1", "2", "x", "1"]}))
    text = encoder.transform(pd.DataFrame({"c": ["1", "2"]}))
    assert_array_equal(encoder.transform(pd.DataFrame({"c": pd.Categorical([1, 2])})), text)
    assert_array_equal(encoder.transform(pd.DataFrame({"c": np.array([1, 2], object)})), text)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (["1.0", "2.50", "x", "1.0"], [1.0, 2.5]),
        (["007", "8", "x", "8"], [7, 8]),
        (["TRUE", "FALSE", "unknown", "TRUE"], [True, False]),
        (["True", "False", "1", "0"], ["True", "False"]),
    ],
)
def test_a_csv_without_the_levels_that_are_no_numbers_is_read_as_numbers(text, read):
    encoder = TabularEncoder().fit(pd.DataFrame({"c": text}))
    expected = encoder.transform(pd.DataFrame({"c": text[:2]}))
    assert expected.any(axis=1).all()
    assert_array_equal(encoder.transform(pd.DataFrame({"c": read})), expected)
    assert_array_equal(encoder.transform(pl.DataFrame({"c": read})), expected)


def test_intervals_of_cut_are_categories():
    x = np.arange(30.0)
    frame = pd.DataFrame({"c": pd.cut(x, 4), "q": pd.qcut(x, 3)})
    encoder = TabularEncoder().fit(frame)
    assert encoder.is_categorical_.all()
    assert encoder.get_feature_names_out()[:2].tolist() == ["c_(-0.029, 7.25]", "c_(14.5, 21.75]"]
    text = frame.astype(str)
    assert_array_equal(encoder.transform(frame), TabularEncoder().fit_transform(text))


def test_identifiers_are_left_out():
    frame = pd.DataFrame({"name": [f"row {i}" for i in range(100)], "x": np.arange(100.0)})
    with pytest.warns(UserWarning, match="Column 'name' has 100 levels in 100 rows"):
        encoder = TabularEncoder().fit(frame)
    assert encoder.left_out_ == {"name": "identifier"}
    assert encoder.transform(frame).shape == (100, 9)


def test_numbers_that_came_as_text_are_pointed_out():
    """As from a file in which a question mark stands for what is missing."""
    values = [str(i / 7) for i in range(60)] + ["?"] * 4
    with pytest.warns(UserWarning, match=r"61 levels in 64 rows.*reads as numbers.*to_numeric"):
        TabularEncoder().fit(pd.DataFrame({"x": values, "y": range(64)}))
    with pytest.warns(UserWarning, match="left out.$"):
        TabularEncoder().fit(pd.DataFrame({"x": [f"no {v}" for v in values], "y": range(64)}))


def test_a_million_levels():
    """Numbers and text, of which some have been seen, and text that is there twice each and so no identifier."""
    n = 1_000_000
    key, pair = [f"key {i}" for i in range(n)], [f"pair {i // 2}" for i in range(n)]
    frame = pd.DataFrame({"id": np.arange(n), "key": key, "pair": pair, "x": np.arange(n) % 2})
    start = time.process_time()
    with pytest.warns(UserWarning, match="1000000 levels") as warned:
        encoder = TabularEncoder(["id", "key", "pair"]).fit(frame)
    assert len(warned) == 2
    assert encoder.left_out_ == {"id": "identifier", "key": "identifier"}
    assert encoder.transform(frame.head()).shape == (5, 256)
    # Three seconds where it was written; anything quadratic takes hours.
    assert time.process_time() - start < 60


def test_the_most_frequent_levels_are_kept():
    values = [f"{i:03}" for i in range(50) for _ in range(i + 1)]
    encoder = TabularEncoder(max_levels=3).fit(pd.DataFrame({"c": values}))
    assert encoder.get_feature_names_out().tolist() == ["c_047", "c_048", "c_049"]


def test_columns_that_say_nothing():
    frame = pd.DataFrame(
        {"same": [3, 3, 3], "gone": [None] * 3, "word": ["a"] * 3, "some": [1.0, NAN, 1.0]}
    )
    encoder = TabularEncoder().fit(frame)
    assert encoder.left_out_ == {"same": "constant", "gone": "missing", "word": "constant"}
    assert encoder.get_feature_names_out().tolist() == ["some_missing"]
    assert_array_equal(encoder.transform(frame), [[0], [1], [0]])


# ---- what a table comes in ----


def frames():
    """The same table from different libraries."""
    x, c = [1.5, None, 3.0, 4.0, 4.5], ["u", "v", None, "w", "u"]
    b, i = [True, False, None, True, False], [1, 2, None, 4, 5]
    plain = pd.DataFrame({"x": x, "c": c, "b": b, "i": i})
    yield "object", plain.astype(object)
    yield "nullable", plain.astype({"x": "Float64", "c": "string", "b": "boolean", "i": "Int64"})
    yield "category", plain.astype({"x": "float32", "c": "category", "b": object, "i": float})
    arrow = pa.table({"x": x, "c": c, "b": b, "i": i})
    yield "arrow", arrow
    yield "dictionary", arrow.set_column(1, "c", arrow["c"].dictionary_encode())
    yield "batch", arrow.to_batches()[0]
    yield "pandas of arrow", arrow.to_pandas(types_mapper=pd.ArrowDtype)
    frame = pl.DataFrame({"x": x, "c": c, "b": b, "i": i})
    yield "polars", frame
    yield "polars categorical", frame.with_columns(pl.col("c").cast(pl.Categorical))
    yield "polars enum", frame.with_columns(pl.col("c").cast(pl.Enum(["w", "v", "u"])))
    yield "array", plain.astype(object).to_numpy()
    yield "lists", plain.astype(object).to_numpy().tolist()


def test_any_table():
    tables = dict(frames())
    expected = TabularEncoder().fit_transform(tables["object"])
    assert expected.shape == (5, 15)  # x, i: 5 each; c: 3; b: 2
    for name, table in tables.items():
        encoder = TabularEncoder().fit(table)
        assert_array_equal(encoder.transform(table), expected, err_msg=name)
    encoder = TabularEncoder().fit(tables["object"])
    for name in set(tables) - {"array", "lists"}:
        assert_array_equal(encoder.transform(tables[name]), expected, err_msg=name)


def test_integers_that_floats_cannot_hold():
    """The nearest float, whatever holds them."""
    x = [2**53 + 1, 2**62, 5, -7] * 2
    expected = TabularEncoder().fit_transform(np.array(x, dtype=float)[:, None])
    for table in (pa.table({"x": x}), pl.DataFrame({"x": x}), pd.DataFrame({"x": x})):
        assert_array_equal(TabularEncoder().fit_transform(table), expected)
    encoded = TabularEncoder().fit(pa.table({"x": pa.array(x).dictionary_encode()}))
    assert len(encoded.get_feature_names_out()) == 4


def test_sparse_and_dense_alike():
    dense = np.random.default_rng(0).binomial(3, 0.2, (40, 5)).astype(float)
    encoder = TabularEncoder().fit(scipy.sparse.csr_array(dense))
    assert_array_equal(
        encoder.transform(scipy.sparse.csc_matrix(dense)), encoder.fit_transform(dense)
    )


def test_columns_in_another_order():
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["x", "y", "x"]})
    encoder = TabularEncoder().fit(frame)
    assert_array_equal(encoder.transform(frame[["b", "a"]]), encoder.transform(frame))
    assert_array_equal(
        encoder.transform(pl.DataFrame(frame[["b", "a"]].to_dict("list"))), encoder.transform(frame)
    )
    with pytest.raises(ValueError, match=r"unseen at fit time:\n- z\n(.|\n)*now missing:\n- b"):
        encoder.transform(frame.rename(columns={"b": "z"}))
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        encoder.transform(frame.to_numpy(dtype=object))
    with pytest.raises(ValueError, match="X has 1 features, but TabularEncoder is expecting 2"):
        encoder.transform(np.zeros((2, 1)))


def test_set_output_and_pickle():
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["x", "y", "x"]})
    encoder = TabularEncoder().set_output(transform="pandas").fit(frame)
    assert list(pickle.loads(pickle.dumps(encoder)).transform(frame)) == ["a", "b_y"]


def test_names_are_different():
    """Numbers keep theirs, wherever they stand; pandas and polars take no column twice."""
    frame = pd.DataFrame(
        {
            "a": [1.0, NAN, 3.0, 4.0],
            "a_missing": [4.0, 3.0, 2.0, 1.5],
            "c": ["x", "y", "z", "b_x"],
            "c_b": ["x", "y", "z", "y"],
            "c_x_2": [1.0, 2.0, 3.0, 5.0],
            "c_x": [1.0, 2.0, 3.0, 5.0],
        }
    )
    encoder = TabularEncoder(n_bins=0).fit(frame)
    expected = ["a", "a_missing_2", "a_missing", "c_b_x", "c_x_3", "c_y", "c_z", "c_b_x_2"]
    expected += ["c_b_y", "c_b_z", "c_x_2", "c_x"]
    assert encoder.get_feature_names_out().tolist() == expected
    for library in ("pandas", "polars"):
        encoded = encoder.set_output(transform=library).transform(frame)
        assert list(encoded.columns) == expected
    array = TabularEncoder(n_bins=0).fit(frame[["a", "c_x"]].to_numpy())
    assert array.get_feature_names_out(["b", "b"]).tolist() == ["b", "b_missing", "b_2"]


# ---- what is refused ----


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"when": pd.to_datetime(["2024-01-01", "2024-01-02"])}),
        pd.DataFrame({"when": pd.to_datetime(["2024-01-01"] * 2).tz_localize("UTC")}),
        pd.DataFrame({"when": pd.to_timedelta([1, 2], unit="s")}),
        pd.DataFrame({"when": [datetime.date(2024, 1, 1), None]}),
        pd.DataFrame({"when": pd.period_range("2024", periods=2, freq="M")}),
        pl.DataFrame({"when": [datetime.date(2024, 1, 1), datetime.date(2024, 1, 2)]}),
        pl.DataFrame({"when": [datetime.time(1), datetime.time(2)]}),
    ],
)
def test_dates_are_refused(table):
    with pytest.raises(TypeError, match=r"Column 'when': dates and times .* the month"):
        TabularEncoder().fit(table)


def test_other_things_are_refused():
    with pytest.raises(
        TypeError, match="Column 'c': argument must be a string or a number, not 'tuple'"
    ):
        TabularEncoder().fit(pd.DataFrame({"c": [(1, 2), "a"]}))
    with pytest.raises(ValueError, match="Column 'c': a value is too large for dtype"):
        TabularEncoder().fit(pd.DataFrame({"c": [10**400, 1]}))
    with pytest.raises(TypeError, match=r"Column 'c': .*signaling NaN"):
        TabularEncoder().fit(pd.DataFrame({"c": [decimal.Decimal("sNaN"), 1]}))
    with pytest.raises(TypeError, match=r"collect\(\)"):
        TabularEncoder().fit(pl.LazyFrame({"a": [1]}))
    with pytest.raises(ValueError, match="more than once: \\['a'\\]"):
        TabularEncoder().fit(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(TypeError, match="string names"):
        TabularEncoder().fit(pd.DataFrame([[1, 2]], columns=["a", 1]))
    with pytest.raises(ValueError, match=r"contains infinity .* in column 'a'"):
        TabularEncoder().fit(pd.DataFrame({"a": [1.0, np.inf]}))
    with pytest.raises(ValueError, match="Column 'c' is one of numbers"):
        TabularEncoder(["d"]).fit(pd.DataFrame({"c": ["x", "y"], "d": [1, 2]}))
    with pytest.raises(ValueError, match="0 sample"):
        TabularEncoder().fit(pd.DataFrame({"a": []}))
    with pytest.raises(ValueError, match=r"0 feature\(s\)"):
        TabularEncoder().fit(pd.DataFrame(index=[0, 1]))
    with pytest.raises(ValueError, match="at least one non-zero"):
        TabularEncoder().fit([[1.0], [2.0]], sample_weight=[0, 0])


@pytest.mark.parametrize(
    ("wanted", "match"),
    [
        ([True], "boolean mask must have shape"),
        ([5], r"must be in \[0, n_features - 1\]"),
        (["z"], "'z' which is not a valid feature name"),
        ([0.5, 1.5], "list of bools, of ints or of strs"),
        ("guess", "must be an array-like, a str among"),
    ],
)
def test_bad_categorical_features(wanted, match):
    with pytest.raises(ValueError, match=match):
        TabularEncoder(wanted).fit(pd.DataFrame({"a": [1, 2], "b": [1, 2]}))


def test_no_warning_without_reason():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TabularEncoder().fit(pd.DataFrame({"c": [f"{i % 7}" for i in range(21)]}))


def test_public_name():
    assert "TabularEncoder" in rustbp.__all__
