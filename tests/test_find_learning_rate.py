"""A search for a step size, by a sweep over mini-batches."""

import matplotlib as mpl
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits

from rustbp import MLPClassifier, MLPRegressor, _core, find_learning_rate

mpl.use("Agg")
X, Y = load_digits(return_X_y=True)
X = X / 16
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_losses_are_those_of_one_batch_after_another():
    """By the core's own trainer, from the weights and in the order of the first epochs of `fit`."""
    model = MLPClassifier((8,), batch_size=600, random_state=0)
    search = find_learning_rate(model, X, Y, n_steps=8, smallest=1e-4, largest=0.1)
    assert_allclose(search.learning_rates, np.geomspace(1e-4, 0.1, 8))
    names = {"activation": "relu", "output_activation": "softmax", "cost": "log_loss"}
    # So small a step leaves the first weights as they are drawn.
    drawn = MLPClassifier((8,), random_state=0, max_iter=1, learning_rate_init=1e-300).fit(X, Y)
    trainer = _core.Trainer(drawn.coefs_, drawn.intercepts_, alpha=1e-4, optimizer="adam", **names)
    rng = np.random.RandomState(0)
    rng.uniform(size=64 * 8 + 8 + 8 * 10 + 10)
    order = np.arange(len(X))
    expected = []
    for number, step in enumerate(search.learning_rates):
        if number % 3 == 0:
            rng.shuffle(order)
        trainer.learning_rate = step
        batch = order[600 * (number % 3) :][:600]
        expected.append(sum(trainer.epoch(X, Y, batch, 600)))
    assert_allclose(search.losses, expected, rtol=1e-12)


def test_averages_by_hand():
    search = find_learning_rate(MLPClassifier((8,), random_state=0), X, Y, n_steps=3, smoothing=0.5)
    a, b, c = search.losses
    means = [a, (0.25 * a + 0.5 * b) / 0.75, (0.125 * a + 0.25 * b + 0.5 * c) / 0.875]
    assert_allclose(search.smoothed, means)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_the_suggestion_trains_well(solver):
    model = MLPClassifier((30,), solver=solver, random_state=0, max_iter=15)
    search = find_learning_rate(model, X, Y, largest=10)
    assert len(search.losses) == len(search.smoothed) == len(search.learning_rates)
    model.set_params(learning_rate_init=search.suggestion).fit(X[:1200], Y[:1200])
    assert model.score(X[1200:], Y[1200:]) > 0.88


def test_it_ends_when_the_loss_has_grown():
    model = MLPRegressor(hidden_layer_sizes=(8,), solver="sgd", random_state=0)
    search = find_learning_rate(model, X, Y, largest=1e6)
    assert len(search.losses) < 100
    assert np.isfinite(search.losses).all()


def test_the_estimator_stays_as_it_is():
    rng = np.random.RandomState(0)
    model = MLPClassifier((8,), max_iter=2, random_state=rng).fit(X, Y)
    before, drawn = dict(vars(model)), rng.get_state()[1].copy()
    first = find_learning_rate(model, X, Y, n_steps=12)
    assert vars(model) == before
    assert_array_equal(rng.get_state()[1], drawn)
    second = find_learning_rate(model, X, Y, n_steps=12)
    assert_array_equal(first.losses, second.losses)


def test_a_warm_start_begins_with_the_weights_there_are():
    model = MLPClassifier((8,), max_iter=30, random_state=0, learning_rate_init=0.01)
    new = find_learning_rate(model.fit(X, Y), X, Y, n_steps=5).losses[0]
    old = find_learning_rate(model.set_params(warm_start=True), X, Y, n_steps=5).losses[0]
    assert old < 0.5 < 2 < new


def test_weights_and_rows_in_turn():
    weight = np.zeros(len(X))
    weight[:400] = 1
    model = MLPClassifier((8,), batch_size=400, shuffle=False, random_state=0)
    weighed = find_learning_rate(
        model, X[:400], Y[:400], weight[:400] * 2, n_steps=4, smallest=0.01
    )
    plain = find_learning_rate(
        model.set_params(alpha=1e-4 / 2), X[:400], Y[:400], n_steps=4, smallest=0.01
    )
    assert_allclose(weighed.losses, plain.losses, rtol=1e-10)


def test_drawn():
    search = find_learning_rate(MLPClassifier((8,), random_state=0), X, Y, n_steps=20)
    assert search.plot() is search
    losses, smoothed, suggestion = search.ax_.lines
    assert_array_equal(losses.get_ydata(), search.losses)
    assert_array_equal(smoothed.get_xdata(), search.learning_rates)
    assert suggestion.get_xdata()[0] == search.suggestion
    assert search.ax_.get_xscale() == "log"
    assert f"{search.suggestion:.3g}" in repr(search)
    mpl.pyplot.close("all")


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"smallest": 0.0}, ValueError, "smallest and largest must rise from above 0"),
        ({"smallest": 2.0}, ValueError, "smallest and largest must rise from above 0"),
        ({"largest": np.inf}, ValueError, "smallest and largest must rise from above 0"),
        ({"largest": "1"}, TypeError, "largest must be a number; got '1'"),
        ({"n_steps": 1}, ValueError, "n_steps must be at least 2; got 1"),
        ({"n_steps": 2.5}, TypeError, "n_steps must be an integer"),
        ({"smoothing": 1}, ValueError, "smoothing must be from 0 to below 1; got 1"),
    ],
)
def test_bad_numbers(options, kind, message):
    with pytest.raises(kind, match=message):
        find_learning_rate(MLPClassifier(), X, Y, **options)


def test_bad_estimators():
    with pytest.raises(ValueError, match="solver='lbfgs' finds its step sizes itself"):
        find_learning_rate(MLPClassifier(solver="lbfgs"), X, Y)
    with pytest.raises(ValueError, match="'alpha' parameter"):
        find_learning_rate(MLPClassifier(alpha=-1), X, Y)
    with pytest.raises(TypeError, match="MLPClassifier or MLPRegressor"):
        find_learning_rate(object(), X, Y)
    with pytest.raises(ValueError, match="loss is not finite"):
        find_learning_rate(MLPRegressor(), X, np.full(len(X), 1e200))
