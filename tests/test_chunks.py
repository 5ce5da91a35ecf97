"""Rows larger than memory: fit(chunks), what makes chunks of files, and the shuffle on a disk."""

import threading
import tracemalloc
import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.datasets import load_digits

from rustbp import MLPClassifier, MLPRegressor, chunks
from rustbp.chunks import fitting

X, y = load_digits(return_X_y=True)
X = X / 16
MIXED = np.random.default_rng(0).permutation(len(X))
X, y = X[MIXED], y[MIXED]
TRAIN, TEST = slice(0, 1400), slice(1400, None)
PARTS = [(X[i:1400:10], y[i:1400:10]) for i in range(10)]
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def classifier(**options):
    return MLPClassifier(
        (12,),
        **{"max_iter": 3, "learning_rate_init": 0.01, "random_state": 0, "n_threads": 1} | options,
    )


def assert_same(found, expected):
    for name in ("coefs_", "intercepts_"):
        for one, other in zip(getattr(found, name), getattr(expected, name), strict=True):
            assert_array_equal(one, other)
    for name in ("loss_curve_", "validation_scores_", "n_iter_", "t_", "best_loss_"):
        assert getattr(found, name, None) == getattr(expected, name, None), name


@pytest.mark.parametrize(
    "options",
    [{}, {"early_stopping": True}, {"solver": "lbfgs"}, {"dropout": 0.2, "schedule": "cosine"}],
    ids=["adam", "early stopping", "lbfgs", "dropout"],
)
def test_one_chunk_gives_what_fit_gives(options):
    expected = classifier(**options).fit(X[TRAIN], y[TRAIN])
    assert_same(classifier(**options).fit([(X[TRAIN], y[TRAIN])]), expected)
    # So does a buffer that has room for all.
    pieces = chunks.of([(X[:700], y[:700]), (X[700:1400], y[700:1400])])
    assert_same(classifier(**options).fit(pieces), expected)


def test_weights_and_first_weights():
    weight = np.random.default_rng(0).random(1400)
    first = classifier(max_iter=1).fit(X[:100], y[:100])
    given = {"coefs_init": first.coefs_, "intercepts_init": first.intercepts_}
    expected = classifier().fit(X[TRAIN], y[TRAIN], weight, **given)
    assert_same(classifier().fit([(X[TRAIN], y[TRAIN], weight)], **given), expected)


class Reads:
    """Chunks that count who reads them."""

    buffer = 2

    def __init__(self, parts=PARTS):
        self.parts, self.log = parts, []

    def __len__(self):
        return len(self.parts)

    def __getitem__(self, index):
        self.log.append((index, threading.current_thread() is threading.main_thread()))
        return self.parts[index]


class Buffered(Reads):
    """Those of a user, with a buffer of any kind."""

    def __init__(self, buffer):
        super().__init__()
        self.buffer = buffer


def test_buffers_read_each_chunk_once_an_epoch_in_a_new_order_beside_training():
    reads = Reads()
    model = classifier(max_iter=3).fit(reads)
    assert model.t_ == 3 * 1400
    # One look at all of them, then three epochs.
    epochs = [reads.log[i : i + 10] for i in range(0, len(reads.log), 10)]
    assert [sorted(index for index, _ in epoch) for epoch in epochs] == [list(range(10))] * 4
    assert all(in_main for _, in_main in epochs[0])
    assert not any(in_main for epoch in epochs[1:] for _, in_main in epoch)
    orders = {tuple(index for index, _ in epoch) for epoch in epochs[1:]}
    assert len(orders) == 3


def test_buffers_learn_as_much_as_fit():
    local = classifier(max_iter=15).fit(X[TRAIN], y[TRAIN])
    model = classifier(max_iter=15).fit(Reads())
    assert_same(model, classifier(max_iter=15).fit(Reads()))
    assert model.score(X[TEST], y[TEST]) > local.score(X[TEST], y[TEST]) - 0.02


KINDS = {
    "csr": sparse.csr_array,
    # Within a buffer some are sparse, and some are not.
    "some csr": lambda rows: sparse.csr_array(rows) if rows[0, 20] > 0.5 else rows,
    "pandas": lambda rows: pd.DataFrame(rows).rename(columns=str),
    "lists": np.ndarray.tolist,
}


@pytest.mark.parametrize("kind", KINDS)
def test_buffers_of_other_kinds_of_rows(kind):
    found = classifier().fit(Reads([(KINDS[kind](rows), list(labels)) for rows, labels in PARTS]))
    assert_same(found, classifier().fit(Reads()))
    assert hasattr(found, "feature_names_in_") == (kind == "pandas")


def test_a_list_of_pairs_is_chunks():
    assert_same(classifier().fit([list(part) for part in PARTS]), classifier().fit(PARTS))


def test_labels_may_be_text_of_another_dtype_in_each_chunk():
    names = np.array([*"abcdefghi", "a long one"])
    parts = [
        (rows, names[labels].astype(object if i % 2 else f"U{10 + i}"))
        for i, (rows, labels) in enumerate(PARTS)
    ]
    found = classifier().fit(Reads(parts))
    assert list(found.classes_) == sorted(names)


def test_early_stopping_holds_rows_of_each_chunk_out():
    model = classifier(early_stopping=True, max_iter=30, validation_fraction=0.2).fit(Reads())
    assert len(model.validation_scores_) == model.n_iter_
    assert model.t_ == model.n_iter_ * 1120
    assert model.best_validation_score_ > 0.85


def test_validation_rows_may_be_chunks_too():
    model = classifier().fit(Reads(), X_val=[(X[1400:1500], y[1400:1500]), (X[1500:], y[1500:])])
    assert model.validation_scores_[-1] == pytest.approx(model.score(X[TEST], y[TEST]))
    same = classifier().fit(Reads(), X_val=X[TEST], y_val=y[TEST])
    assert same.validation_scores_ == pytest.approx(model.validation_scores_)


def test_lbfgs_sums_over_chunks():
    options = {"hidden_layer_sizes": (5,), "solver": "lbfgs", "max_iter": 15, "random_state": 0}
    parts = Reads([(rows, labels / 9) for rows, labels in PARTS])
    found = MLPRegressor(**options).fit(parts)
    rows = np.concatenate([part[0] for part in parts.parts])
    expected = MLPRegressor(**options).fit(rows, np.concatenate([part[1] for part in parts.parts]))
    assert found.predict(X[TEST]) == pytest.approx(expected.predict(X[TEST]), abs=1e-7)


def test_sorted_chunks_warn_and_a_shuffle_mends_it(tmp_path):
    order = np.argsort(y[TRAIN], kind="stable")
    parts = [(X[TRAIN][rows], y[TRAIN][rows]) for rows in np.array_split(order, 10)]
    with pytest.warns(UserWarning, match=r"rustbp\.chunks\.shuffled"):
        classifier(max_iter=1).fit(Reads(parts))
    mixed = chunks.shuffled(Reads(parts), tmp_path / "mixed", random_state=0, buffer=2)
    assert len(mixed) >= 9
    rows = np.concatenate([part[0] for part in mixed])
    labels = np.concatenate([part[1] for part in mixed])
    # The same rows, each with its label.
    assert_array_equal(
        np.sort(np.c_[rows, labels], axis=0), np.sort(np.c_[X[TRAIN], y[TRAIN]], axis=0)
    )
    known = {row.tobytes(): label for row, label in zip(X[TRAIN], y[TRAIN], strict=True)}
    assert all(known[row.tobytes()] == label for row, label in zip(rows, labels, strict=True))
    assert np.abs(np.corrcoef(np.arange(1400), labels)[0, 1]) < 0.1
    classifier(max_iter=1).fit(mixed)
    with pytest.raises(ValueError, match="must be an empty folder"):
        chunks.shuffled(Reads(parts), tmp_path / "mixed")


def test_a_shuffle_keeps_names_of_columns_and_labels_that_are_text(tmp_path):
    names = np.array([*"abcdefghi", "a long one"])
    order = np.argsort(y[TRAIN], kind="stable")
    # The first chunk has only short labels.
    parts = [
        (pd.DataFrame(X[rows], columns=[f"p{i}" for i in range(64)]), names[y[rows]].astype(kind))
        for rows, kind in zip(
            np.array_split(order, 5), [str, object, "U10", object, str], strict=True
        )
    ]
    mixed = chunks.shuffled(parts, tmp_path / "mixed", random_state=0)
    known = {row.tobytes(): names[label] for row, label in zip(X[TRAIN], y[TRAIN], strict=True)}
    assert all(
        known[row.tobytes()] == label
        for rows, labels in mixed
        for row, label in zip(rows, labels, strict=True)
    )
    model = classifier(max_iter=1).fit(mixed)
    assert list(model.feature_names_in_) == [f"p{i}" for i in range(64)]
    assert list(model.classes_) == sorted(names)


SHUFFLED = {
    "none": ([], ValueError, "at least one chunk"),
    "no rows": ([(X[:0], y[:0])], ValueError, "no rows in any chunk"),
    "generator": ((part for part in PARTS), TypeError, r"must have len\(\).*generator"),
    "kinds": ([PARTS[0], (X[:3], np.array([*"abc"]))], TypeError, "Partition 1: .*one kind"),
    "None": ([(X[:2], np.array(["a", None]))], TypeError, "Partition 0: .*None among labels"),
    "no y": ([(X[:2], None)], ValueError, "Partition 0: A chunk needs y"),
}


@pytest.mark.parametrize("kind", SHUFFLED)
def test_what_cannot_be_shuffled(kind, tmp_path):
    parts, error, message = SHUFFLED[kind]
    with pytest.raises(error, match=message):
        chunks.shuffled(parts, tmp_path / "mixed")
    with pytest.raises(
        ValueError, match=r"n_chunks must be None or an integer from 1 on; got 2\.5"
    ):
        chunks.shuffled(PARTS, tmp_path / "other", n_chunks=2.5)


def test_every_order_is_as_likely_as_any_other(tmp_path):
    """Three rows in two chunks: 240 shuffles, chi-squared with 5 degrees of freedom, 99.9 % quantile 20.5."""
    parts = [(np.array([[0.0], [1.0]]), np.array([0, 1])), (np.array([[2.0]]), np.array([2]))]
    rng, counts = np.random.RandomState(0), {}
    for i in range(240):
        mixed = chunks.shuffled(parts, tmp_path / str(i), random_state=rng)
        order = tuple(np.concatenate([labels for _, labels in mixed]))
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 6
    assert sum((n - 40) ** 2 / 40 for n in counts.values()) < 20.5


def test_npy_files(tmp_path):
    for i in range(2):
        np.save(tmp_path / f"x{i}.npy", (X[i * 700 : (i + 1) * 700] * 16).astype(np.uint8))
        np.save(tmp_path / f"y{i}.npy", y[i * 700 : (i + 1) * 700])
    pieces = chunks.npy(str(tmp_path / "x*.npy"), str(tmp_path / "y*.npy"), rows=300, buffer=2)
    assert [len(labels) for _, labels in pieces] == [300, 300, 100] * 2
    assert_array_equal(np.concatenate([rows for rows, _ in pieces]), X[TRAIN] * 16)
    assert classifier().fit(pieces).t_ == 3 * 1400
    with pytest.raises(FileNotFoundError, match="No file fits"):
        chunks.npy(str(tmp_path / "z*.npy"), str(tmp_path / "y*.npy"))
    np.save(tmp_path / "short.npy", y[:5])
    with pytest.raises(ValueError, match="have 700, 5 rows"):
        chunks.npy(tmp_path / "x0.npy", tmp_path / "short.npy")
    with pytest.raises(ValueError, match="rows must be None or an integer from 1 on; got 0"):
        chunks.npy(tmp_path / "x0.npy", tmp_path / "y0.npy", rows=0)
    (tmp_path / "text.npy").write_text("label")
    with pytest.raises(ValueError, match=r"text\.npy is no \.npy file"):
        chunks.npy(tmp_path / "x0.npy", tmp_path / "text.npy")
    np.savez(tmp_path / "y.npz", y)
    with pytest.raises(ValueError, match=r"must be a \.npy file of rows; got NpzFile"):
        chunks.npy(tmp_path / "x0.npy", tmp_path / "y.npz")


@pytest.fixture
def parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    columns = {f"p{i}": X[TRAIN][:, i].astype(np.float32) for i in range(20, 40)}
    names = np.array(["zero", "one", "two", *["more"] * 7])[y[TRAIN]]
    table = pyarrow.table(columns | {"label": pyarrow.array(names).dictionary_encode()})
    for i in range(2):
        file = tmp_path / f"part-{i}.parquet"
        parquet.write_table(table.slice(i * 700, 700), file, row_group_size=200)
    return tmp_path, table, names


def test_parquet_files(parquet):
    folder, table, names = parquet
    pieces = chunks.parquet(folder, "label", buffer=3)
    assert [len(labels) for _, labels in pieces] == [200, 200, 200, 100] * 2
    model = classifier().fit(pieces)
    assert model.coefs_[0].dtype == np.float32
    assert list(model.classes_) == ["more", "one", "two", "zero"]
    assert list(model.feature_names_in_) == [f"p{i}" for i in range(20, 40)]
    frame = table.drop_columns(["label"]).to_pandas()
    assert model.score(frame, names) > 0.7
    # All of it at once, from a table.
    whole = classifier().fit(chunks.arrow(table, "label"))
    assert_same(whole, classifier().fit(frame, names))
    assert list(whole.feature_names_in_) == list(frame.columns)
    some = chunks.parquet(folder, "p20", columns=["p21", "p22"], weight="p23")
    assert [part.shape for part in some[0]] == [(200, 2), (200,), (200,)]
    with pytest.raises(ValueError, match=r"no columns \['lable'\]"):
        chunks.parquet(folder, "lable")
    with pytest.raises(ValueError, match="Column 'label' holds dictionary"):
        chunks.parquet(folder, "p20")
    with pytest.raises(TypeError, match="must be a Dataset or a Table"):
        chunks.arrow(table.to_reader(), "label")


def test_rows_to_validate_on_have_the_columns_of_the_files(parquet):
    folder, table, names = parquet
    frame = table.drop_columns(["label"]).to_pandas()
    for buffer in (3, 8):
        pieces = chunks.parquet(folder, "label", buffer=buffer)
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="X has feature names")
            model = classifier().fit(pieces, X_val=frame, y_val=names)
        assert model.validation_scores_[-1] == pytest.approx(model.score(frame, names))
        other = chunks.parquet(folder, "label", columns=list(frame)[::-1])
        for options in ({"X_val": other}, {"X_val": frame[list(frame)[::-1]], "y_val": names}):
            with pytest.raises(ValueError, match="X_val must have the columns of X"):
                classifier().fit(pieces, **options)


def test_folders_of_parquet_files(parquet):
    folder, table, names = parquet
    assert len(chunks.parquet(folder / "*-0.parquet", "label")) == 4
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import dataset
    from pyarrow import parquet as files

    dataset.write_dataset(
        table,
        folder / "by label",
        format="parquet",
        partitioning=["label"],
        partitioning_flavor="hive",
    )
    pieces = chunks.parquet(folder / "by label", "label")
    assert {str(labels[0]) for _, labels in pieces} == set(names)
    assert sum(len(labels) for _, labels in pieces) == 1400
    (folder / "none").mkdir()
    with pytest.raises(FileNotFoundError, match="There are no files"):
        chunks.parquet(folder / "none", "label")
    # A file without a column, of which Arrow makes nulls.
    files.write_table(table.drop_columns(["p21"]), folder / "part-1.parquet")
    with pytest.raises(
        ValueError, match=r"Partition 4: .*part-1\.parquet has no columns \['p21'\]"
    ):
        classifier().fit(chunks.parquet([folder / f"part-{i}.parquet" for i in range(2)], "label"))
    twice = pyarrow.Table.from_arrays([table["p20"]] * 3, names=["a", "a", "b"])
    with pytest.raises(ValueError, match=r"\['a'\] occur more than once"):
        chunks.arrow(twice, "b")


def test_memory_has_two_buffers():
    """2,000 kB in float64, of which a buffer has 200, beside the chunk that is read and converted."""
    rows = np.random.default_rng(0).random((2500, 100), dtype=np.float32)

    def part(i):
        return rows[i : i + 125].astype(float), rows[i : i + 125, 0] > 0.5

    read = chunks.of([partial(part, i) for i in range(0, 2500, 125)], buffer=2)
    classifier(max_iter=1).fit(read)
    tracemalloc.start()
    try:
        classifier(max_iter=2).fit(read)
        assert tracemalloc.get_traced_memory()[1] < 900_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: [], ValueError, "y"),
        (lambda: chunks.of([]), ValueError, "at least one chunk"),
        (lambda: chunks.of([X]), TypeError, r"chunks\[0\] is of type ndarray"),
        (lambda: chunks.of(iter(PARTS)), TypeError, "must be a list"),
        (lambda: chunks.of(PARTS, buffer=0), ValueError, "buffer must be None or an integer"),
        (lambda: Reads([*PARTS, (X[:5] * np.nan, y[:5])]), ValueError, "10: Input X contains NaN"),
        (lambda: Reads([*PARTS, (X[:5, :3], y[:5])]), ValueError, "10: X has 3 features"),
        # All of them in memory.
        (lambda: [*PARTS, (X[:5] * np.nan, y[:5])], ValueError, "10: Input X contains NaN"),
        (lambda: [*PARTS, (X[:5, :3], y[:5])], ValueError, "10: X has 3 features"),
        (
            lambda: [*PARTS, (X[:5], y[:5], y[:5])],
            ValueError,
            "all partitions have weights.* 1 of 11",
        ),
        (lambda: Reads([*PARTS, (X[:5], y[:5], y[:5])]), ValueError, "weights, or none"),
        (lambda: Reads([*PARTS, (X[:2], ["a", None])]), ValueError, "10: Input y contains NaN"),
        (lambda: Reads([*PARTS, (X[:2], [1.0, np.nan])]), ValueError, "10: Input y contains NaN"),
        (
            lambda: Reads([*PARTS, (X[:2], pd.Series([1, None]).astype("Int64"))]),
            ValueError,
            "10: Input y",
        ),
        (
            lambda: Reads([*PARTS, (X[:2], pd.Series(["a", None]).astype("string"))]),
            ValueError,
            "10: Input y",
        ),
        (lambda: Reads([*PARTS, (X[0], 1)]), ValueError, "10: y must have a target for each row"),
        (lambda: Buffered(0), ValueError, "buffer must be None or an integer from 1 on; got 0"),
    ],
)
def test_bad_chunks_leave_the_model_as_it_was(make, error, message):
    model = classifier().fit(Reads())
    before = [coef.copy() for coef in model.coefs_]
    with pytest.raises(error, match=message):
        model.fit(make())
    for one, other in zip(model.coefs_, before, strict=True):
        assert_array_equal(one, other)


def test_errors_of_a_reader_come_through_and_weights_beside_are_refused():
    class Torn(Reads):
        def __getitem__(self, index):
            if len(self.log) > 15:
                raise OSError("the disk is gone")
            return super().__getitem__(index)

    with pytest.raises(OSError, match="the disk is gone"):
        classifier().fit(Torn())
    with pytest.raises(ValueError, match="weights of chunks are in them"):
        classifier().fit(Reads(), sample_weight=np.ones(1400))
    with pytest.raises(TypeError, match="X has chunks, whose targets are in them"):
        classifier().fit(chunks.of(PARTS), y[:1400])
    with pytest.raises(TypeError, match="X_val has chunks"):
        classifier().fit(X, y, X_val=chunks.of(PARTS))
    with pytest.raises(ValueError, match="weights of X_val are in its chunks"):
        classifier().fit(Reads(), X_val=chunks.of(PARTS), y_val=y[:1400])


def test_what_a_reader_raises_says_which_chunk_it_was():
    class Odd(ValueError):
        def __init__(self, file, line):
            super().__init__(f"{file}, line {line}")

    def torn():
        raise Odd("a.csv", 7)

    with pytest.raises(ValueError, match=r"Partition 1: a\.csv, line 7"):
        classifier().fit(chunks.of([PARTS[0], torn]))


def test_the_buffer_is_bounded_by_bytes(monkeypatch):
    # Two buffers of three chunks, and three chunks on their way.
    monkeypatch.setattr(fitting, "ROOM", 9 * 140 * 64 * 8)
    found = {}
    made = fitting.Buffers.__init__

    def spy(self, model, plan, data, scans, buffer, order):
        found["buffer"] = buffer
        made(self, model, plan, data, scans, buffer, order)

    monkeypatch.setattr(fitting.Buffers, "__init__", spy)
    classifier(max_iter=1).fit(chunks.of(PARTS))
    assert found == {"buffer": 3}
    monkeypatch.setattr(fitting, "ROOM", 1000)
    classifier(max_iter=1).fit(chunks.of(PARTS))
    assert found == {"buffer": 1}
