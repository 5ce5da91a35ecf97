"""What the classifier and the regressor of tables refuse, and what they leave out."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from rustbp import TabularMLPClassifier, TabularMLPRegressor
from tabular_data import LABELS, NUMBERS, QUICK, TABLE, fitted


def test_columns_that_say_nothing_are_left_out():
    rng = np.random.default_rng(0)
    table = TABLE.assign(gone=np.nan, same=1.0, key=[f"k{i}" for i in rng.permutation(200)])
    with pytest.warns(
        UserWarning, match="Column 'key' has 200 levels in 200 rows, as an identifier has"
    ):
        model = TabularMLPClassifier(**QUICK).fit(table, LABELS)
    assert model.encoder_.left_out_ == {"gone": "missing", "same": "constant", "key": "identifier"}
    assert_array_equal(model.predict_proba(table.assign(key="new")), fitted().predict_proba(TABLE))
    with pytest.raises(ValueError, match=r"No column of X says anything.*'gone': 'missing'"):
        model.fit(table[["gone", "same"]], LABELS)


def test_identifiers_of_many_rows():
    keys = np.arange(20_000).astype(str)
    table = pd.DataFrame({"key": keys, "x": np.arange(20_000) % 7})
    with pytest.warns(UserWarning, match="identifier"):
        model = TabularMLPClassifier(**{**QUICK, "n_epochs": 1}).fit(table, table["x"] > 3)
    assert model.encoder_.left_out_ == {"key": "identifier"}


def test_few_rows_and_rare_classes():
    few = TabularMLPClassifier(**QUICK).fit(TABLE[:6], ["a", "b"] * 3)
    assert few.members_[0].validation_scores_ is None
    assert few.members_[0].best_epoch_ == 8
    # One class in most folds, one row of another.
    rare = np.array(["a"] * 199 + ["b"])
    assert_array_equal(TabularMLPClassifier(**QUICK).fit(TABLE, rare).classes_, ["a", "b"])
    alone = TabularMLPClassifier(**QUICK).fit(TABLE, np.full(200, "a"))
    assert_array_equal(alone.predict(TABLE), np.full(200, "a"))
    # A class that only rows without weight have is known.
    weight = np.where(LABELS == "yes", 0.0, 1.0)
    known = TabularMLPClassifier(**QUICK).fit(TABLE, LABELS, weight)
    assert_array_equal(known.predict_proba(TABLE).argmax(axis=1), np.zeros(200))


WRONG = [
    ({"X": TABLE.assign(age=np.inf)}, "infinity.*'age'"),
    ({"X": TABLE.assign(day=pd.Timestamp("2020-01-01"))}, "'day'.*dates and times"),
    ({"X": pd.concat([TABLE, TABLE[["age"]]], axis=1)}, "occur more than once: .'age'"),
    ({"X": TABLE[:0], "y": LABELS[:0]}, "0 sample"),
    ({"X": TABLE[:1], "y": LABELS[:1]}, "1 sample"),
    ({"X": TABLE[:100]}, "inconsistent numbers of samples"),
    ({"y": None}, "requires y to be passed"),
    (
        {"y": np.where(LABELS == "yes", None, "no")},
        "Input y contains NaN, None or infinity, in row",
    ),
    ({"y": pd.array(["a", pd.NA] * 100)}, "Input y contains NaN, None or infinity, in row 1"),
    ({"y": np.array(["a", 1] * 100, dtype=object)}, "dtype object, and holds int and str"),
    ({"y": np.array([True, False] * 100, dtype=object)}, r"holds bool.*y.astype\(int\)"),
    ({"y": NUMBERS + 0.5}, "For numbers there is TabularMLPRegressor"),
    ({"sample_weight": np.zeros(200)}, "at least one non-zero"),
    ({"sample_weight": -np.ones(200)}, "Negative values"),
    ({"sample_weight": np.ones(3)}, "sample_weight.shape"),
    ({"sample_weight": np.eye(200)[3]}, r"1 sample\(s\) of a weight above 0"),
]


@pytest.mark.parametrize(("given", "message"), WRONG, ids=[message for _, message in WRONG])
def test_bad_input_is_refused_and_leaves_the_model_as_it_was(given, message):
    model = fitted()
    before = model.predict_proba(TABLE)
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(**{"X": TABLE, "y": LABELS, **given})
    assert_array_equal(model.predict_proba(TABLE), before)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("n_ensemble", 0),
        ("n_epochs", 0),
        ("dropout", 1.0),
        ("label_smoothing", -0.1),
        ("hidden_layer_sizes", (0,)),
        ("scoring", "nonsense"),
        ("class_weight", "heavy"),
        ("class_weight", {"yes": -1.0}),
        ("class_weight", {"yes": np.nan}),
        ("class_weight", {"yes": np.inf}),
        ("max_time", 0),
        ("categorical_features", ["nowhere"]),
    ],
)
def test_bad_parameters_are_refused(parameter, value):
    with pytest.raises(ValueError, match=parameter if parameter != "max_time" else "max_time"):
        fitted(**{parameter: value})


@pytest.mark.parametrize(
    ("parameter", "value", "same"),
    [
        # As scikit-learn's n_estimators is.
        ("n_ensemble", True, 1),
        ("n_ensemble", np.uint8(2), 2),
        ("n_epochs", np.int8(100), 100),
        ("batch_size", np.uint8(70), 70),
    ],
)
def test_integers_of_other_types_are_integers(parameter, value, same):
    with pytest.raises(ValueError, match=f"'{parameter}' parameter.* must be an int"):
        fitted(**{parameter: float(value)})
    expected = fitted(**{parameter: same}).predict_proba(TABLE)
    assert_array_equal(fitted(**{parameter: value}).predict_proba(TABLE), expected)


@pytest.mark.parametrize("quantile", [0.0, 1.5, [0.5, 1.0], [], "half", [0.1, "x"]])
def test_bad_quantiles_are_refused_before_any_work(quantile):
    with pytest.raises(ValueError, match="'quantile' parameter of TabularMLPRegressor"):
        fitted(NUMBERS, loss="quantile", quantile=quantile)


def test_numbers_that_are_none_are_refused():
    for wrong in (np.nan, np.inf):
        with pytest.raises(ValueError, match="Input y contains"):
            fitted(np.where(NUMBERS > 5, wrong, NUMBERS))

    with pytest.raises(ValueError, match="Input y contains NaN"):
        TabularMLPRegressor(**QUICK).fit(TABLE, [None, *NUMBERS[1:]])


@pytest.mark.parametrize("y", [LABELS, NUMBERS], ids=["labels", "numbers"])
def test_several_targets_are_refused(y):
    kind = type(fitted(y))
    with pytest.raises(
        ValueError, match=r"y should be a 1d array, got an array of shape \(200, 2\)"
    ):
        kind(**QUICK).fit(TABLE, np.column_stack((y, y)))


def test_an_unfitted_model_says_so(tmp_path):
    for act in (lambda m: m.predict(TABLE), lambda m: m.save(tmp_path / "model")):
        with pytest.raises(NotFittedError):
            act(TabularMLPClassifier())


def test_a_step_that_is_too_large_is_named():
    with pytest.warns(
        ConvergenceWarning, match=r"diverged in epoch \d.*smaller learning_rate_init"
    ):
        fitted(NUMBERS, learning_rate_init=1e38)


def test_an_epoch_whose_outputs_overflow_is_not_kept():
    with pytest.warns(ConvergenceWarning, match="diverged in epoch 2"):
        model = fitted(learning_rate_init=1e30)
    assert np.isfinite(model.predict_proba(TABLE)).all()


@pytest.mark.filterwarnings("ignore:Only one class is present")
def test_a_score_that_the_rows_of_a_member_do_not_have_is_named():
    rare = np.array(["a"] * 199 + ["b"])
    with pytest.raises(ValueError, match=r"scorer='roc_auc'\) .*X_val and y_val would give"):
        fitted(rare, scoring="roc_auc")
    fitted(rare, scoring="neg_log_loss")
