"""Rows to validate on, the score that decides, and what a fit keeps of both."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    get_scorer,
    log_loss,
    mean_poisson_deviance,
    mean_squared_error,
    r2_score,
)
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rustbp import MLPClassifier, MLPRegressor, load

X, INDEX = load_iris(return_X_y=True)
NAMES = np.array(["setosa", "versicolor", "virginica"])[INDEX]
TRAIN, VAL = train_test_split(np.arange(150), random_state=0, test_size=50)
WEIGHTS = np.random.default_rng(0).uniform(0.5, 2, 150)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def classifier(**options):
    return MLPClassifier(
        **{"hidden_layer_sizes": (6,), "max_iter": 12, "batch_size": 20, "random_state": 0}
        | {"learning_rate_init": 0.01}
        | options
    )


def regressor(**options):
    return MLPRegressor(
        **{"hidden_layer_sizes": (6,), "max_iter": 12, "batch_size": 20, "random_state": 0}
        | {"learning_rate_init": 0.01}
        | options
    )


def fit(model, y=NAMES, **options):
    return model.fit(X[TRAIN], y[TRAIN], X_val=X[VAL], y_val=y[VAL], **options)


def weights(model):
    return [*model.coefs_, *model.intercepts_]


def assert_same_weights(first, second):
    for found, expected in zip(weights(first), weights(second), strict=True):
        assert_array_equal(found, expected)


# ---- what is recorded, with scikit-learn's metrics as the oracle ----


def epoch_by_epoch(model, n_epochs, *, y):
    """The models after each epoch, from fits that end there."""
    for n in range(1, n_epochs + 1):
        yield model.set_params(max_iter=n).fit(X[TRAIN], y[TRAIN])


@pytest.mark.parametrize("weight", [None, WEIGHTS[VAL]])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_scores_and_losses_of_a_classifier(form, weight):
    model = classifier(max_iter=5).fit(
        X[TRAIN], NAMES[TRAIN], X_val=form(X[VAL]), y_val=NAMES[VAL], sample_weight_val=weight
    )
    for i, plain in enumerate(epoch_by_epoch(classifier(), 5, y=NAMES)):
        score = accuracy_score(NAMES[VAL], plain.predict(X[VAL]), sample_weight=weight)
        assert_allclose(model.validation_scores_[i], score, rtol=1e-15)
        loss = log_loss(NAMES[VAL], plain.predict_proba(X[VAL]), sample_weight=weight)
        assert_allclose(model.validation_loss_curve_[i], loss, rtol=1e-13)
    assert_same_weights(model, plain)
    assert model.best_epoch_ == 5
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.best_loss_ == min(model.loss_curve_)


def two_columns():
    return np.column_stack([X[:, 2] - 3, X[:, 3]])


REGRESSIONS = {
    "one output": ({}, X[:, 0], lambda y, a: mean_squared_error(y, a) / 2),
    "two outputs": ({}, two_columns(), lambda y, a: mean_squared_error(y, a) / 2),
    "counts": (
        {"loss": "poisson", "learning_rate_init": 1e-4},
        X[:, 0],
        lambda y, a: mean_poisson_deviance(y, a) / 2,
    ),
}


@pytest.mark.parametrize("case", REGRESSIONS)
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_scores_and_losses_of_a_regressor(case, solver):
    options, y, loss = REGRESSIONS[case]
    options = {"solver": solver, "learning_rate_init": 1e-3, **options}
    model = fit(regressor(max_iter=3, **options), y)
    for i, plain in enumerate(epoch_by_epoch(regressor(**options), 3, y=y)):
        prediction = plain.predict(X[VAL])
        assert_allclose(model.validation_scores_[i], r2_score(y[VAL], prediction), rtol=1e-12)
        assert_allclose(model.validation_loss_curve_[i], loss(y[VAL], prediction), rtol=1e-12)
    assert_same_weights(model, plain)


def test_losses_of_other_targets():
    rows, y = make_multilabel_classification(90, 5, n_classes=3, random_state=0)
    model = classifier(max_iter=1).fit(rows[:60], y[:60], X_val=rows[60:], y_val=y[60:])
    p = model.predict_proba(rows[60:])
    losses = -(y[60:] * np.log(p) + (1 - y[60:]) * np.log(1 - p)).sum(axis=1)
    assert_allclose(model.validation_loss_curve_, [losses.mean()], rtol=1e-13)
    soft = np.random.default_rng(0).dirichlet([1, 1, 1], 150)
    model = fit(classifier(max_iter=1, soft_targets=True), soft)
    losses = -(soft[VAL] * np.log(model.predict_proba(X[VAL]))).sum(axis=1)
    assert_allclose(model.validation_loss_curve_, [losses.mean()], rtol=1e-13)
    model = fit(classifier(max_iter=1), INDEX > 0)
    assert_allclose(
        model.validation_loss_curve_, [log_loss(INDEX[VAL] > 0, model.predict_proba(X[VAL]))]
    )


def test_float32_has_its_own_precision():
    model = fit(classifier(max_iter=2), NAMES)
    narrow = classifier(max_iter=2).fit(
        X[TRAIN].astype("f4"), NAMES[TRAIN], X_val=X[VAL], y_val=NAMES[VAL]
    )
    assert narrow.coefs_[0].dtype == np.float32
    assert_allclose(narrow.validation_loss_curve_, model.validation_loss_curve_, rtol=1e-5)


def test_lbfgs_records():
    model = fit(classifier(solver="lbfgs", max_iter=6))
    assert len(model.validation_scores_) == len(model.validation_loss_curve_) == model.n_iter_
    loss = log_loss(NAMES[VAL], model.predict_proba(X[VAL]))
    assert_allclose(model.validation_loss_curve_[-1], loss, rtol=1e-12)
    plain = classifier(solver="lbfgs", max_iter=6).fit(X[TRAIN], NAMES[TRAIN])
    assert_same_weights(model, plain)
    assert not hasattr(plain, "validation_loss_curve_")


def test_partial_fit_records_and_never_stops():
    ours, plain = classifier(n_iter_no_change=1, tol=100), classifier(n_iter_no_change=1, tol=100)
    for _ in range(5):
        ours.partial_fit(
            X[TRAIN], NAMES[TRAIN], classes=np.unique(NAMES), X_val=X[VAL], y_val=NAMES[VAL]
        )
        plain.partial_fit(X[TRAIN], NAMES[TRAIN], classes=np.unique(NAMES))
        assert ours.validation_scores_[-1] == plain.score(X[VAL], NAMES[VAL])
    assert len(ours.validation_scores_) == len(ours.validation_loss_curve_) == 5
    assert ours.best_epoch_ == 5
    assert_same_weights(ours, plain)
    numbers = regressor().partial_fit(X, X[:, 0], X_val=X, y_val=X[:, 0])
    assert len(numbers.validation_scores_) == 1


# ---- who decides ----


def test_early_stopping_by_rows_of_ones_own_draws_no_split():
    model = fit(classifier(early_stopping=True, max_iter=60))
    plain = fit(classifier(max_iter=model.n_iter_))
    # Nothing was drawn and nobody held out: the same epochs.
    assert model.loss_curve_ == plain.loss_curve_
    assert model.validation_scores_ == plain.validation_scores_
    best = int(np.argmax(model.validation_scores_)) + 1
    assert model.best_epoch_ == best
    assert model.best_validation_score_ == model.validation_scores_[best - 1]
    assert_same_weights(model, classifier(max_iter=best).fit(X[TRAIN], NAMES[TRAIN]))


def test_held_out_rows_given_as_ones_own():
    """Given the same rows, it stops at the same epoch by the same scores."""
    held_out = classifier(early_stopping=True, shuffle=False, max_iter=60).fit(X, INDEX)
    rng = np.random.RandomState(0)
    first = classifier(max_iter=1, shuffle=False, random_state=rng)
    first.fit(X, INDEX)
    train, val = train_test_split(np.arange(150), random_state=rng, test_size=0.1)
    own = classifier(early_stopping=True, shuffle=False, max_iter=60).fit(
        X[train], INDEX[train], X_val=X[val], y_val=INDEX[val]
    )
    assert own.validation_scores_ == held_out.validation_scores_
    assert own.validation_loss_curve_ == held_out.validation_loss_curve_
    assert own.best_epoch_ == held_out.best_epoch_
    assert_same_weights(own, held_out)


def test_best_epoch_without_a_better_one_is_that_of_the_first_weights():
    model = fit(classifier(early_stopping=True, max_iter=2, scoring=lambda *_: -np.inf))
    assert model.best_epoch_ == 0


def test_warm_start_counts_on():
    model = fit(classifier(max_iter=3, warm_start=True))
    fit(model)
    assert model.best_epoch_ == len(model.loss_curve_) == len(model.validation_loss_curve_) == 6
    model.set_params(warm_start=False, max_iter=2).fit(X, NAMES)
    assert not hasattr(model, "validation_loss_curve_")
    assert model.validation_scores_ is None


# ---- scoring ----


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("name", ["balanced_accuracy", "neg_log_loss", "f1_macro"])
def test_named_scorers(name, early_stopping):
    model = fit(classifier(scoring=name, early_stopping=early_stopping, max_iter=4))
    for i, plain in enumerate(epoch_by_epoch(classifier(), 4, y=NAMES)):
        expected = get_scorer(name)(plain, X[VAL], NAMES[VAL])
        assert_allclose(model.validation_scores_[i], expected, rtol=1e-12)


def test_loss_as_score():
    model = fit(classifier(scoring="loss", early_stopping=True, max_iter=20))
    assert model.validation_scores_ == [-loss for loss in model.validation_loss_curve_]
    assert model.best_epoch_ == 1 + np.argmin(model.validation_loss_curve_)


def test_a_scorer_gets_a_model_and_what_the_user_has():
    seen = []

    def scorer(estimator, rows, y):
        seen.append((estimator, rows, y))
        return balanced_accuracy_score(y, estimator.predict(rows))

    frame = pd.DataFrame(X, columns=list("abcd"))
    y = pd.Series(NAMES, dtype=object)
    model = classifier(scoring=scorer, early_stopping=True, max_iter=3)
    model.fit(frame.iloc[TRAIN], y.iloc[TRAIN], X_val=frame.iloc[VAL], y_val=y.iloc[VAL])
    for estimator, rows, labels in seen:
        assert type(estimator) is MLPClassifier
        pd.testing.assert_frame_equal(rows, frame.iloc[VAL])
        pd.testing.assert_series_equal(labels, y.iloc[VAL])
    assert len(seen) == 3
    # Each time with the weights of that epoch, which stay what they were.
    scores = [balanced_accuracy_score(y.iloc[VAL], e.predict(frame.iloc[VAL])) for e, _, _ in seen]
    assert scores == model.validation_scores_
    seen.clear()
    model.fit(frame, y)
    assert {len(rows) for _, rows, _ in seen} == {15}
    assert set(seen[0][2]) <= set(NAMES)


def test_a_scorer_is_given_weights_if_there_are_some():
    def scorer(estimator, rows, y, sample_weight=None):
        return accuracy_score(y, estimator.predict(rows), sample_weight=sample_weight)

    own, plain = classifier(scoring=scorer, max_iter=3), classifier(max_iter=3)
    for model in (own, plain):
        fit(model, sample_weight_val=WEIGHTS[VAL])
    assert_allclose(own.validation_scores_, plain.validation_scores_, rtol=1e-15)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("good", "scoring must return a number, got 'good'"),
        (None, "got None"),
        (np.nan, "got nan"),
        ([1.0, 2.0], "got \\[1.0, 2.0\\]"),
        (1j, "got 1j"),
    ],
)
def test_nonsense_from_a_scorer_leaves_the_model_as_it_was(returned, message):
    model = classifier(early_stopping=True).fit(X, NAMES)
    before = dict(vars(model))
    model.scoring = lambda *_: returned
    with pytest.raises(ValueError, match=message):
        model.fit(X, NAMES)
    assert {**vars(model), "scoring": None} == before


def test_a_scorer_that_raises_leaves_the_model_as_it_was():
    def scorer(*_):
        raise LookupError("no such thing")

    model = classifier().fit(X, NAMES)
    before = dict(vars(model))
    model.scoring = scorer
    with pytest.raises(LookupError, match="no such thing"):
        fit(model)
    assert {**vars(model), "scoring": None} == before


def test_unknown_scorer():
    with pytest.raises(ValueError, match="The 'scoring' parameter of MLPClassifier must be"):
        classifier(scoring="beauty").fit(X, NAMES)


# ---- bad input ----


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"X_val": X}, "X_val is provided, but y_val was not provided"),
        ({"y_val": NAMES}, "y_val is provided, but X_val was not provided"),
        ({"sample_weight_val": WEIGHTS}, "X_val and y_val were not provided"),
        ({"X_val": X[:, :3], "y_val": NAMES}, "do not fit: X has 3 features, but MLPClassifier"),
        ({"X_val": X, "y_val": NAMES[:9]}, "inconsistent numbers of samples"),
        ({"X_val": X, "y_val": np.full(150, "rose")}, "classes not in"),
        ({"X_val": X, "y_val": INDEX}, "do not fit"),
        ({"X_val": X, "y_val": np.eye(3)[INDEX]}, "do not fit"),
        ({"X_val": np.full_like(X, np.nan), "y_val": NAMES}, "do not fit: Input X contains NaN"),
        ({"X_val": X[:0], "y_val": NAMES[:0]}, "0 sample"),
        ({"X_val": [["a"] * 4], "y_val": ["setosa"]}, "do not fit"),
        (
            {"X_val": X, "y_val": NAMES, "sample_weight_val": np.zeros(150)},
            "sum of sample_weight must be|non-zero",
        ),
        ({"X_val": X, "y_val": NAMES, "sample_weight_val": WEIGHTS[:4]}, "do not fit"),
    ],
)
def test_rows_that_do_not_fit(options, message):
    model = classifier().fit(X, NAMES)
    before = dict(vars(model))
    for call in (model.fit, model.partial_fit):
        with pytest.raises((ValueError, TypeError), match=message):
            call(X, NAMES, **options)
        assert vars(model) == before


def test_targets_that_do_not_fit():
    with pytest.raises(ValueError, match="y has 2 outputs; expected 1"):
        regressor().fit(X, X[:, 0], X_val=X, y_val=X[:, :2])
    with pytest.raises(ValueError, match="do not fit: Some value"):
        regressor(loss="poisson").fit(X, X[:, 0], X_val=X, y_val=-X[:, 0])


def test_columns_of_other_names():
    frame = pd.DataFrame(X, columns=list("abcd"))
    with pytest.raises(ValueError, match="feature names"):
        classifier().fit(frame, NAMES, X_val=frame[list("dcba")], y_val=NAMES)


def test_a_warm_start_needs_not_all_classes_to_validate_on():
    model = classifier(warm_start=True).fit(X, NAMES)
    model.fit(X, NAMES, X_val=X[:10], y_val=NAMES[:10])
    assert len(model.validation_scores_) == model.n_iter_


# ---- kept, routed ----


def test_pickles_and_files_have_it(tmp_path):
    model = fit(classifier(early_stopping=True, scoring="loss"))
    model.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    for name in ("validation_loss_curve_", "best_epoch_", "validation_scores_", "scoring"):
        assert getattr(loaded, name) == getattr(model, name)


def test_it_is_routed_as_metadata():
    with sklearn.config_context(enable_metadata_routing=True):
        model = classifier().set_fit_request(X_val=True, y_val=True)
        pipeline = make_pipeline(StandardScaler(), model, transform_input=["X_val"])
        pipeline.fit(X[TRAIN], NAMES[TRAIN], X_val=X[VAL], y_val=NAMES[VAL])
    assert pipeline[-1].validation_scores_[-1] == pipeline.score(X[VAL], NAMES[VAL])
