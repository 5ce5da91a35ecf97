"""The regressor of tables: units of the targets, quantiles, and the spread of the members."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import get_scorer, r2_score

import rustbp
from rustbp import TabularMLPRegressor
from rustbp.tabular import folds
from tabular_data import NUMBERS, QUICK, TABLE, fitted


def test_spread_of_the_members():
    model = fitted(NUMBERS, n_ensemble=3)
    mean, std = model.predict(TABLE, return_std=True)
    rows = model.encoder_.transform(TABLE)
    each = np.array([member.predict(rows) for member in model.members_], dtype=float)
    each = model.target_mean_ + model.target_scale_ * each
    assert_allclose(mean, each.mean(axis=0), rtol=1e-5)
    assert_allclose(std, each.std(axis=0), rtol=1e-3, atol=1e-6)
    assert_allclose(model.score(TABLE, NUMBERS), r2_score(NUMBERS, mean))


def test_quantiles_are_columns_and_cover():
    """Of numbers whose noise is known, about 80 % lie between the quantiles 0.1 and 0.9."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (1200, 1))
    y = 100 + 10 * X[:, 0] + rng.normal(size=1200)
    model = TabularMLPRegressor(
        loss="quantile", quantile=[0.9, 0.1], n_ensemble=2, hidden_layer_sizes=(64,), random_state=0
    ).fit(X[:800], y[:800])
    high, low = model.predict(X[800:]).T
    assert (low <= high).all()
    assert 0.7 < ((low <= y[800:]) & (y[800:] <= high)).mean() < 0.9
    assert model.score(X[800:], y[800:]) > 0.5
    one = TabularMLPRegressor(loss="quantile", quantile=0.5, **QUICK).fit(X, y)
    assert one.predict(X).shape == (1200,)


def test_parameters_set_after_a_fit_are_those_of_the_next_one(tmp_path):
    quantiles = fitted(NUMBERS, loss="quantile", quantile=[0.1, 0.9])
    for model, others in (
        (quantiles, {"quantile": 0.5}),
        (fitted(NUMBERS), {"loss": "quantile", "quantile": [0.1, 0.5, 0.9]}),
    ):
        expected = model.predict(TABLE), model.score(TABLE, NUMBERS)
        model.set_params(**others).save(tmp_path / "model")
        for found in (model, rustbp.load(tmp_path / "model")):
            assert_array_equal(found.predict(TABLE), expected[0])
            assert found.score(TABLE, NUMBERS) == expected[1]
            assert found.get_params() == model.get_params()


def test_targets_of_any_size_and_place():
    """Year numbers and tiny numbers come out as well as those around 0: members see them standardised."""
    for shift, scale in ((2000.0, 1.0), (1.7e9, 100.0), (0.0, 1e-12)):
        model = fitted(shift + scale * NUMBERS, n_epochs=40)
        assert model.score(TABLE, shift + scale * NUMBERS) > 0.5
    # So do numbers whose squares are too large or too small, bit for bit.
    for size in (1010, -1000):
        large = fitted(np.ldexp(NUMBERS, size)).predict(TABLE, return_std=True)
        assert_array_equal(large, np.ldexp(fitted(NUMBERS).predict(TABLE, return_std=True), size))
    constant = fitted(np.full(200, 7.5))
    assert_allclose(constant.predict(TABLE), 7.5, atol=0.5)


@pytest.mark.parametrize(
    "scoring", ["neg_mean_absolute_percentage_error", "neg_mean_squared_error"]
)
def test_scorers_see_targets_as_they_came(scoring):
    """Of one member, the score of the epoch kept is that of the whole model on the rows held out."""
    y = 1e9 + NUMBERS
    model = fitted(y, scoring=scoring, n_ensemble=1)
    _, held_out = folds.splits(np.random.RandomState(0), 1, len(y), None)[0]
    expected = get_scorer(scoring)(model, TABLE.iloc[held_out], y[held_out])
    assert_allclose(model.members_[0].best_validation_score_, expected, rtol=1e-4)
    own = {"X_val": TABLE[:50], "y_val": y[:50]}
    model = TabularMLPRegressor(**{**QUICK, "n_ensemble": 1}, scoring=scoring).fit(TABLE, y, **own)
    expected = get_scorer(scoring)(model, TABLE[:50], y[:50])
    assert_allclose(model.members_[0].best_validation_score_, expected, rtol=1e-4)
