"""Classifier and regressor of tables: what they take, and what they promise."""

import copy
import doctest
import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_diabetes, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.inspection import permutation_importance
from sklearn.metrics import log_loss, make_scorer, recall_score
from sklearn.model_selection import train_test_split
from sklearn.utils.estimator_checks import estimator_checks_generator

import rustbp
from rustbp import TabularMLPClassifier, TabularMLPRegressor
from rustbp.tabular import classifier, encoder, folds, recipe, regressor
from rustbp.tabular.member import Member
from tabular_data import LABELS, NUMBERS, QUICK, TABLE, fitted, frame, outputs

ESTIMATORS = [
    kind(n_ensemble=2, hidden_layer_sizes=(32,))
    for kind in (TabularMLPClassifier, TabularMLPRegressor)
]


@pytest.mark.filterwarnings("ignore:Column .* has .* levels:UserWarning")
@pytest.mark.parametrize(
    ("estimator", "check"),
    [pair for estimator in ESTIMATORS for pair in estimator_checks_generator(estimator)],
    ids=lambda value: value.func.__name__ if hasattr(value, "func") else type(value).__name__,
)
def test_estimator_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize("module", [classifier, regressor])
def test_its_examples_run(module):
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


# ---- the recipe ----


def test_schedules_at_their_landmarks():
    """coslog4 is 0 where 1 + 15 t is a power of two, 1 half-way on that scale; flat_cos falls in the second half."""
    zeros = (2.0 ** np.arange(5) - 1) / 15
    peaks = (2.0 ** (np.arange(4) + 0.5) - 1) / 15
    assert_allclose(recipe.coslog4(zeros), 0, atol=1e-12)
    assert_allclose(recipe.coslog4(peaks), 1)
    assert_allclose(recipe.flat_cos(np.array([0, 0.5, 0.75, 1])), [1, 1, 0.5, 0], atol=1e-12)


def test_where_a_member_is_judged_the_schedule_ends_earlier():
    """One that keeps its last epoch goes to the end, where step sizes vanish."""
    judged = fitted(n_ensemble=1, n_epochs=64, batch_size=1000).members_[0]
    progress = 7 / 8 * np.arange(64) / 64
    assert_allclose(
        judged.learning_rate_curve_, judged.learning_rate_init * recipe.coslog4(progress)
    )
    last = TabularMLPClassifier(n_ensemble=1, random_state=0).fit(TABLE[:40], LABELS[:40])
    assert last.members_[0].learning_rate_curve_[-1] < 0.01 * last.learning_rate_init


def test_first_weights_have_the_variance_of_the_neural_tangent_parametrisation():
    coefs, intercepts = recipe.first_weights(np.random.RandomState(0), [400, 300, 2])
    assert_allclose(coefs[0].std() * 20, 1, rtol=0.01)
    assert_allclose(intercepts[0].std(), 1, rtol=0.1)
    assert not coefs[1].any()
    assert not intercepts[1].any()


def test_folds_are_balanced_and_cover_all_rows():
    classes = np.array([0] * 50 + [1] * 12 + [2] * 2)
    found = folds.splits(np.random.RandomState(0), 10, len(classes), classes)
    for learns, held_out in found:
        assert_array_equal(np.sort(np.concatenate((learns, held_out))), np.arange(64))
        assert len(held_out) == 8
        assert (classes[held_out] == 1).sum() in (1, 2)
    first = np.concatenate([held_out for _, held_out in found[:8]])
    assert_array_equal(np.sort(first), np.arange(64))
    assert set(found[0][1]) != set(found[8][1])


# ---- what a fit gives ----


def test_a_table_as_it_comes_is_learnt():
    model = TabularMLPClassifier(n_ensemble=2, random_state=0).fit(TABLE, LABELS)
    other = frame(seed=1)
    truth = np.where(other["age"].between(30, 60) | (other["town"] == "Oslo"), "yes", "no")
    assert model.score(other, truth) > 0.85
    assert_array_equal(model.classes_, ["no", "yes"])
    assert_allclose(model.predict_proba(other).sum(axis=1), 1, rtol=1e-6)
    assert_array_equal(model.feature_names_in_, TABLE.columns)
    numbers = TabularMLPRegressor(n_ensemble=2, random_state=0).fit(TABLE, NUMBERS)
    assert numbers.score(other, other["age"] / 10 + 3.0 * other["member"]) > 0.9


def test_real_tables():
    """Of scikit-learn: against what a constant would score, with room."""
    X, y = load_wine(return_X_y=True)
    parts = train_test_split(X, y, stratify=y, random_state=0)
    model = TabularMLPClassifier(n_ensemble=2, random_state=0).fit(parts[0], parts[2])
    assert model.score(parts[1], parts[3]) > 0.9
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    parts = train_test_split(X, y, random_state=0)
    model = TabularMLPRegressor(n_ensemble=2, random_state=0).fit(parts[0], parts[2])
    assert model.score(parts[1], parts[3]) > 0.2


TABLES = Path(__file__).parents[2] / "shared/data/tables"


@pytest.mark.skipif(
    not TABLES.exists(), reason=f"the tables are not part of the repository: {TABLES}"
)
def test_a_real_table_as_well_as_before():
    """Strength of concrete, from 721 mixtures: one member has had an error of 0.31 of the standard deviation there."""
    columns = {table["name"]: table for table in json.loads((TABLES / "manifest.json").read_text())}
    concrete = pd.read_csv(TABLES / "concrete.csv.gz")
    rows, test = train_test_split(concrete, train_size=721, random_state=1000)
    numeric = columns["concrete"]["numeric"]
    model = TabularMLPRegressor(n_ensemble=1, random_state=0).fit(rows[numeric], rows["__y"])
    assert model.score(test[numeric], test["__y"]) > 1 - 0.36**2


@pytest.mark.parametrize("y", [LABELS, NUMBERS], ids=["labels", "numbers"])
def test_every_frame_gives_the_same_model(y):
    expected = outputs(fitted(y), TABLE)
    kind = type(fitted(y))
    table = TABLE.assign(
        word=TABLE["word"].astype("string"), member=TABLE["member"].astype("boolean")
    )
    for given in (table, pl.from_pandas(TABLE), pa.Table.from_pandas(TABLE)):
        model = kind(**QUICK).fit(given, y)
        assert_array_equal(outputs(model, given), expected)
        shuffled = given.select(TABLE.columns[::-1].tolist()) if hasattr(given, "select") else given
        assert_array_equal(outputs(model, shuffled), expected)


def test_the_columns_of_a_frame_may_come_in_another_order_and_levels_may_be_new():
    model = fitted()
    assert_array_equal(model.predict(TABLE[TABLE.columns[::-1]]), model.predict(TABLE))
    strange = TABLE.assign(town="Bonn")
    nothing = TABLE.assign(town=None)
    assert_array_equal(model.predict_proba(strange), model.predict_proba(nothing))
    with pytest.raises(ValueError, match="now missing:\n- town"):
        model.predict(TABLE.drop(columns="town"))


@pytest.mark.parametrize("y", [LABELS, NUMBERS], ids=["labels", "numbers"])
def test_rows_are_encoded_and_predicted_a_part_at_a_time(monkeypatch, y):
    """Bit for bit as all at once, and what says that something is wrong is said once."""
    model = fitted(y)
    expected, encoded = outputs(model, TABLE), model.encoder_.transform(TABLE)
    monkeypatch.setattr(encoder, "ROWS_OF_A_PART", 33)
    assert_array_equal(outputs(model, TABLE), expected)
    assert_array_equal(model.encoder_.transform(TABLE), encoded)
    with pytest.warns(UserWarning, match="X does not have valid feature names") as warned:
        assert_array_equal(outputs(model, TABLE.to_numpy(dtype=object)), expected)
    assert len(warned) == 1


def test_categorical_features_by_name_position_or_mask():
    table = pd.DataFrame({"code": np.arange(200) % 3, "x": np.arange(200.0)})
    found = [
        TabularMLPClassifier(categorical_features=wanted, **QUICK).fit(table, LABELS)
        for wanted in (["code"], [0], [True, False])
    ]
    for model in found:
        assert_array_equal(
            model.encoder_.get_feature_names_out()[:3], ["code_0", "code_1", "code_2"]
        )
        assert_array_equal(model.predict_proba(table), found[0].predict_proba(table))


@pytest.mark.parametrize("n_ensemble", [1, 5])
@pytest.mark.parametrize("y", [LABELS, NUMBERS], ids=["labels", "numbers"])
def test_threads_give_the_same_bits(y, n_ensemble):
    one, three = (fitted(y, n_threads=n, n_ensemble=n_ensemble) for n in (1, 3))
    assert_array_equal(outputs(one, TABLE), outputs(three, TABLE))
    for a, b in zip(one.members_, three.members_, strict=True):
        assert_array_equal(a.coefs_[0], b.coefs_[0])
        assert a.loss_curve_ == b.loss_curve_


def test_the_random_state_decides():
    assert_array_equal(fitted().predict_proba(TABLE), fitted().predict_proba(TABLE))
    assert (fitted().predict_proba(TABLE) != fitted(random_state=1).predict_proba(TABLE)).any()


def test_members_are_ordinary_estimators():
    model = fitted()
    rows = model.encoder_.transform(TABLE)
    assert_allclose(
        np.mean([member.predict_proba(rows) for member in model.members_], axis=0),
        model.predict_proba(TABLE),
        rtol=1e-6,
    )
    member = model.members_[0]
    assert type(member) is rustbp.MLPClassifier
    assert rustbp.input_gradients(member, rows[:3]).shape[0] == 3
    assert len(rustbp.backprop(member, rows[:3], LABELS[:3]).delta) == 2
    assert "parameters" in member.summary()
    assert len(member.loss_curve_) == len(member.validation_scores_) == 8
    assert member.best_validation_score_ == max(member.validation_scores_)
    best = 8 - int(np.argmax(member.validation_scores_[::-1]))
    assert member.best_epoch_ == best
    with pytest.warns(UserWarning, match="does not have"):
        theirs = member.to_sklearn()
    assert_allclose(theirs.predict_proba(rows), member.predict_proba(rows), rtol=1e-4, atol=1e-6)
    for act in (rustbp.to_sklearn, lambda m: rustbp.input_gradients(m, rows)):
        with pytest.raises(TypeError, match=r"members_|cannot convert TabularMLPClassifier"):
            act(model)
    mean = fitted(NUMBERS)
    with pytest.warns(UserWarning, match="does not have scoring"):
        theirs = mean.members_[1].to_sklearn()
    assert_allclose(theirs.predict(rows), mean.members_[1].predict(rows), rtol=1e-4, atol=1e-5)


def test_members_choose_their_epoch_on_rows_that_they_do_not_learn_from():
    """What a member scored on its fold is what the kept weights score there."""
    model = fitted(n_ensemble=1)
    rng = np.random.RandomState(0)
    codes = (LABELS == "yes").astype(int)
    _, held_out = folds.splits(rng, 1, len(codes), codes)[0]
    member, rows = model.members_[0], model.encoder_.transform(TABLE)
    assert member.score(rows[held_out], LABELS[held_out]) == member.best_validation_score_


def test_members_that_learn_by_heart_stop_after_the_third_cycle():
    """Where labels are chance, all but chance is learnt by heart; where they are not, members go on to the end."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 8))
    chance = TabularMLPClassifier(2, n_threads=1, random_state=0).fit(X, rng.integers(0, 2, 400))
    third = round(56 * 7 / 15 / recipe.JUDGED_END)
    first, second = (round(56 * cycle / 15 / recipe.JUDGED_END) for cycle in (1, 3))
    for member in chance.members_:
        losses = member.validation_loss_curve_
        assert member.n_iter_ == len(losses) == third == 30
        assert losses[-1] > 1.03 * min(losses[first - 1], losses[second - 1])
        assert member.best_epoch_ <= third
    clear = TabularMLPClassifier(2, n_threads=1, random_state=0).fit(X, X[:, 0] > 0)
    assert [member.n_iter_ for member in clear.members_] == [56, 56]


def test_so_few_epochs_that_a_cycle_has_none_are_all_made():
    schedules = recipe.Schedules(3, 1, 0.1, 0.0)
    assert not any(schedules.learns_by_heart([1.0, 9.0, 99.0][:n]) for n in range(4))


def test_validation_rows_of_the_user():
    other = frame(seed=1)
    truth = np.where(other["age"] > 50, "yes", "no")
    model = TabularMLPClassifier(**QUICK).fit(TABLE, LABELS, X_val=other, y_val=truth)
    for member in model.members_:
        assert member.best_validation_score_ == member.score(model.encoder_.transform(other), truth)
        assert member.t_ == member.n_iter_ * len(TABLE)
    with pytest.raises(ValueError, match="y_val was not provided"):
        model.fit(TABLE, LABELS, X_val=other)
    with pytest.raises(ValueError, match=r"do not fit: y has classes .*maybe"):
        model.fit(TABLE, LABELS, X_val=other, y_val=np.full(len(other), "maybe"))
    with pytest.raises(ValueError, match="sample_weight_val is provided"):
        model.fit(TABLE, LABELS, sample_weight_val=[1.0])
    numbers = TabularMLPRegressor(**QUICK).fit(TABLE, NUMBERS, X_val=TABLE[:50], y_val=NUMBERS[:50])
    assert len(numbers.members_[0].validation_scores_) == 8


def test_scoring():
    """By log loss the members learn without smoothing, so that they say what they know."""
    sharp = fitted(scoring="neg_log_loss", n_epochs=32)
    smooth = fitted(n_epochs=32)
    assert {m.label_smoothing for m in sharp.members_} == {0.0}
    assert {m.label_smoothing for m in smooth.members_} == {0.1}
    by_loss = fitted(scoring="loss")
    assert by_loss.members_[0].label_smoothing == 0.1
    for member in (sharp.members_[0], by_loss.members_[0]):
        assert_allclose(member.validation_scores_, -np.array(member.validation_loss_curve_))
    assert log_loss(LABELS, sharp.predict_proba(TABLE)) < log_loss(
        LABELS, smooth.predict_proba(TABLE)
    )
    recall = make_scorer(recall_score, pos_label="yes")
    assert 0 <= fitted(scoring=recall).members_[0].best_validation_score_ <= 1
    by_name = fitted(NUMBERS, scoring="r2").members_[0]
    assert by_name.best_validation_score_ <= 1


def test_class_weight_moves_the_answers():
    rare = np.where(np.quantile(NUMBERS, 0.85) < NUMBERS, "yes", "no")
    noisy = np.where(np.random.default_rng(0).random(200) < 0.2, "no", rare)
    heavy, plain = (
        TabularMLPClassifier(**{**QUICK, "n_epochs": 20}, class_weight=weight).fit(TABLE, noisy)
        for weight in ("balanced", None)
    )
    assert heavy.predict_proba(TABLE)[:, 1].mean() > plain.predict_proba(TABLE)[:, 1].mean() + 0.05
    by_hand = TabularMLPClassifier(**QUICK, class_weight={"yes": 3.0}).fit(TABLE, noisy)
    without = TabularMLPClassifier(**QUICK).fit(TABLE, noisy)
    assert (by_hand.predict_proba(TABLE) != without.predict_proba(TABLE)).any()


@pytest.mark.parametrize(
    ("y", "options"),
    [(LABELS, {}), (LABELS, {"class_weight": "balanced"}), (NUMBERS, {})],
    ids=["labels", "balanced", "numbers"],
)
def test_rows_without_weight_are_as_if_they_were_not_there(y, options):
    weight = np.where((np.arange(200) % 3 == 0) | ((y == "yes") & (np.arange(200) < 90)), 0.0, 1.0)
    kind = TabularMLPClassifier if y.dtype.kind == "U" else TabularMLPRegressor
    weighed = kind(**QUICK, **options).fit(TABLE, y, weight)
    there = weight > 0
    fewer = kind(**QUICK, **options).fit(TABLE[there], y[there], weight[there])
    assert_allclose(outputs(weighed, TABLE), outputs(fewer, TABLE), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("y", [LABELS, NUMBERS], ids=["labels", "numbers"])
def test_only_ratios_of_weights_matter(y):
    weight = np.arange(200) % 4 + 1.0
    kind = type(fitted(y))
    expected = outputs(kind(**QUICK).fit(TABLE, y, weight), TABLE)
    for exponent in (-1000, 1000):
        found = kind(**QUICK).fit(TABLE, y, np.ldexp(weight, exponent))
        assert_array_equal(outputs(found, TABLE), expected)


def test_verbose_tells_each_member_and_epoch(capsys):
    fitted(verbose=True, n_threads=1)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 16
    assert lines[0].startswith("Member 1 of 2, epoch 1: loss = ")
    assert "validation score = " in lines[0]


def test_a_fit_ends_after_its_time():
    with pytest.warns(ConvergenceWarning, match="max_time=1e-09 seconds have passed"):
        model = fitted(max_time=1e-9, n_threads=1)
    assert [member.n_iter_ for member in model.members_] == [1, 1]
    assert model.predict(TABLE).shape == (200,)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_interrupted_fit_keeps_what_it_has(monkeypatch, n_threads):
    """Ctrl-C, as the core raises it, in the third epoch of the second member; in the first one there is nothing yet."""
    whole, at = Member.epoch, 3

    def epoch(member, *ends):
        if member.epochs_done == at - 1:
            raise KeyboardInterrupt
        whole(member, *ends)

    monkeypatch.setattr(Member, "epoch", epoch)
    with pytest.warns(UserWarning, match="interrupted by user"):
        model = fitted(n_threads=n_threads)
    assert all(1 <= member.n_iter_ <= 2 for member in model.members_)
    before, at = model.predict_proba(TABLE), 1
    with pytest.raises(KeyboardInterrupt):
        model.fit(TABLE, LABELS)
    assert_array_equal(model.predict_proba(TABLE), before)


# ---- files, pickles, copies ----


@pytest.mark.parametrize(
    ("y", "options"),
    [
        (LABELS, {}),
        (LABELS, {"class_weight": {"yes": 2.0}, "categorical_features": ["town", "word", "age"]}),
        (NUMBERS, {}),
        (NUMBERS, {"loss": "quantile", "quantile": [0.1, 0.5, 0.9]}),
    ],
)
def test_files_pickles_and_copies_predict_the_same(tmp_path, y, options):
    model = fitted(y, **options)
    expected = outputs(model, TABLE)
    model.save(tmp_path / "model")
    with open(tmp_path / "other", "wb") as file:
        model.save(file)
    assert (tmp_path / "model").read_bytes() == (tmp_path / "other").read_bytes()
    loaded = rustbp.load(tmp_path / "model")
    assert repr(loaded) == repr(model)
    assert loaded.encoder_.left_out_ == model.encoder_.left_out_
    for again in (loaded, pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert type(again) is type(model)
        assert_array_equal(outputs(again, TABLE), expected)
        assert_array_equal(outputs(again, TABLE[TABLE.columns[::-1]]), expected)
        assert_array_equal(
            again.encoder_.get_feature_names_out(), model.encoder_.get_feature_names_out()
        )
    # Bit for bit the same file, once more.
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


def test_permutation_importance_takes_the_raw_table():
    model = TabularMLPRegressor(n_ensemble=2, random_state=0).fit(TABLE, NUMBERS)
    found = permutation_importance(model, TABLE, NUMBERS, n_repeats=2, random_state=0)
    assert TABLE.columns[found.importances_mean.argmax()] in ("age", "member")
    assert found.importances_mean[1] < 0.1
