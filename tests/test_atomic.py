"""A fit succeeds whole or changes nothing, and no prediction sees half of one."""

import threading

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_iris

from rustbp import MLPClassifier, MLPRegressor

X, Y = load_iris(return_X_y=True)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def snapshot(model):
    """Each attribute: which object, and, where that can change, what it holds."""
    return {
        name: (id(value), repr(value), [a.tobytes() for a in value] if name == "coefs_" else None)
        for name, value in vars(model).items()
    }


FAILURES = {
    "rows of another width": lambda model: model.partial_fit(X[:, :2], Y),
    "not a number": lambda model: model.fit(np.where(X > 5, np.nan, X), Y),
    "too few labels": lambda model: model.fit(X, Y[:10]),
    "wrong weights": lambda model: model.fit(X, Y, np.ones(3)),
    "weights of zero": lambda model: model.fit(X, Y, np.r_[np.ones(140), np.zeros(10)]),
    "bad parameter": lambda model: model.set_params(max_iter=-1).fit(X, Y),
    "divergence": lambda model: model.fit(X * 1e200, Y),
    "divergence in partial_fit": lambda model: model.partial_fit(X * 1e200, Y),
    "a validation set too small": lambda model: model.set_params(
        early_stopping=True, validation_fraction=0.001
    ).fit(X, Y),
    "early stopping in partial_fit": lambda model: model.set_params(
        early_stopping=True
    ).partial_fit(X, Y),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_a_failed_fit_changes_nothing(estimator, failure):
    model = estimator(solver="sgd", batch_size=10, shuffle=False, max_iter=3, random_state=0)
    model.fit(X, Y)
    before, predicted = snapshot(model), model.predict(X)
    with pytest.raises((ValueError, ZeroDivisionError)):
        FAILURES[failure](model)
    after = snapshot(model)
    for parameter in model.get_params():
        before.pop(parameter), after.pop(parameter)
    assert after == before
    assert_array_equal(model.predict(X), predicted)


def test_a_first_fit_that_fails_leaves_nothing():
    model = MLPRegressor()
    before = snapshot(model)
    with pytest.raises(ValueError, match="non-finite"):
        model.fit(X * 1e200, Y)
    assert snapshot(model) == before


def test_divergence_with_early_stopping_keeps_the_best_weights():
    options = {"solver": "sgd", "early_stopping": True, "random_state": 0}
    model = MLPRegressor(activation="identity", learning_rate_init=1.0, **options)
    with pytest.warns(match="Training diverged in epoch"):
        model.fit(X, Y)
    assert np.isnan(model.validation_scores_[-1])
    assert len(model.validation_scores_) == len(model.loss_curve_) == model.n_iter_ < 20
    assert all(np.isfinite(array).all() for array in model.coefs_ + model.intercepts_)
    # The optimizer starts anew, so that training can go on.
    model.set_params(early_stopping=False, learning_rate_init=1e-6)
    assert model._optimizer.t == 0


def test_predictions_during_refits_are_of_one_model():
    """Models of two shapes alternate; a mixture of their weights could not even be multiplied."""
    narrow, wide = X[:, :2].copy(), X
    model = MLPClassifier(hidden_layer_sizes=3, max_iter=1, random_state=0).fit(wide, Y)
    expected = model.predict_proba(wide)
    done, problems = threading.Event(), []

    def predict():
        while not done.is_set():
            try:
                got = model.predict_proba(wide)
                if not np.array_equal(got, expected):
                    problems.append(got)
            except ValueError as error:
                if "2 features" not in str(error):
                    problems.append(error)

    threads = [threading.Thread(target=predict) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(40):
        model.fit(narrow, Y > 0)
        model.fit(wide, Y)
    done.set()
    for thread in threads:
        thread.join()
    assert problems == []


def test_fits_in_several_threads():
    models = [MLPClassifier(max_iter=5, random_state=i) for i in range(4)]
    threads = [threading.Thread(target=model.fit, args=(X, Y)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, model in enumerate(models):
        alone = MLPClassifier(max_iter=5, random_state=i).fit(X, Y)
        assert_array_equal(model.coefs_[0], alone.coefs_[0])
