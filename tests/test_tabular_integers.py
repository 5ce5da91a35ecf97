"""Categories that are integers too large for a float: two of them stay two, whatever holds them."""

import io

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal

import rustbp
from rustbp import TabularEncoder, TabularMLPClassifier

ODD, EVEN = 2**53 + 1, 2**53
# float64 has one number for both.
assert float(ODD) == float(EVEN)
IDS = [ODD, EVEN, 7] * 20
NAMES = ["7", "9007199254740992", "9007199254740993"]

TABLES = {
    "int64": np.array(IDS)[:, np.newaxis],
    "uint64": np.array(IDS, dtype=np.uint64)[:, np.newaxis],
    "objects": np.array(IDS, dtype=object)[:, np.newaxis],
    "rows": [[i] for i in IDS],
    "pandas": pd.DataFrame({"id": IDS}),
    "pandas' objects": pd.DataFrame({"id": pd.Series(IDS, dtype=object)}),
    "pandas' Int64": pd.DataFrame({"id": pd.array(IDS, dtype="Int64")}),
    "pandas' category": pd.DataFrame({"id": pd.Categorical(IDS)}),
    "pandas' Arrow": pd.DataFrame({"id": pd.array(IDS, dtype="int64[pyarrow]")}),
    "text": pd.DataFrame({"id": list(map(str, IDS))}),
    "polars": pl.DataFrame({"id": IDS}),
    "polars' Int128": pl.DataFrame({"id": pl.Series(IDS, dtype=getattr(pl, "Int128", pl.Int64))}),
    "Arrow": pa.table({"id": IDS}),
    "Arrow's dictionary": pa.table({"id": pa.array(IDS).dictionary_encode()}),
}
FEW = [EVEN, None, ODD, ODD + 2, EVEN + 2]
WITH_MISSING = [
    pd.DataFrame({"id": pd.array(FEW, dtype="Int64")}),
    pd.DataFrame({"id": pd.Series(FEW, dtype=object)}),
    pl.DataFrame({"id": FEW}),
    pa.table({"id": FEW}),
]


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names")
@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_large_integers_are_levels_of_their_own(table):
    encoder = TabularEncoder([0]).fit(table)
    names = encoder.get_feature_names_out().tolist()
    assert [name.partition("_")[2] for name in names] == NAMES
    expected = 1.5 * (np.array(IDS)[:, np.newaxis] == [7, EVEN, ODD])
    for other in TABLES.values():
        assert_array_equal(encoder.transform(other), expected)
    for other in WITH_MISSING:
        # What is missing, or was not there, is none of them.
        assert_array_equal(
            encoder.transform(other), [[0, 1.5, 0], [0] * 3, [0, 0, 1.5], *[[0] * 3] * 2]
        )


def test_beyond_64_bits():
    large = [[2**64 + 1], [-(2**70)], [2**64]]
    encoder = TabularEncoder([0]).fit(np.array(large, dtype=object))
    assert (encoder.transform(np.array(large, dtype=object)) > 0).sum(axis=1).tolist() == [1, 1, 1]
    unsigned = np.array([[2**64 - 1], [2**64 - 2], [0]], dtype=np.uint64)
    assert len(TabularEncoder([0]).fit(unsigned).get_feature_names_out()) == 3


def test_rows_without_weight_and_numbers():
    weight = np.array(IDS) != EVEN
    encoder = TabularEncoder([0]).fit(TABLES["int64"], sample_weight=weight)
    assert encoder.get_feature_names_out().tolist() == [f"x0_{ODD}"]
    as_numbers = TabularEncoder().fit(TABLES["int64"])
    assert_array_equal(
        as_numbers.transform(TABLES["int64"]),
        as_numbers.transform(TABLES["int64"].astype(np.float64)),
    )


@pytest.mark.parametrize("name", ["int64", "pandas", "polars", "Arrow"])
def test_a_model_learns_them_and_its_file_knows_them(name):
    table, labels = TABLES[name], np.array(IDS) == ODD
    model = TabularMLPClassifier(2, (8,), n_epochs=30, categorical_features=[0], random_state=0)
    assert model.fit(table, labels).score(table, labels) == 1.0
    file = io.BytesIO()
    model.save(file)
    file.seek(0)
    loaded = rustbp.load(file)
    assert_array_equal(loaded.predict_proba(table), model.predict_proba(table))
