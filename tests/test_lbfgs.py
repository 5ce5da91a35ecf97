"""L-BFGS where ours differs from scikit-learn, and where it stops."""

import numpy as np
import pytest
from scipy.optimize import check_grad
from sklearn import neural_network
from sklearn.datasets import make_regression
from sklearn.exceptions import ConvergenceWarning

from rustbp import MLPRegressor
from rustbp._arrays import Rows
from rustbp._training.objective import Objective


@pytest.fixture(scope="module")
def data():
    X, y = make_regression(60, 5, n_targets=3, noise=5, random_state=0)
    return X, y / y.std()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_objective_and_gradient_belong_together_for_several_outputs(data):
    X, y = data
    model = MLPRegressor(hidden_layer_sizes=6, activation="tanh", max_iter=1, random_state=0)
    model.fit(X, y)
    objective = Objective(model, Rows(X, y, None), n_threads=None)

    def gradient(w):
        objective.parts(w)
        return objective.gradient.copy()

    error = check_grad(lambda w: sum(objective.parts(w)), gradient, objective.start)
    assert error < 1e-5


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_several_outputs_fit_as_well_as_with_the_gradient_of_another_function(data):
    X, y = data
    ratios = []
    # Each start ends in a minimum of its own, which the last bits of a BLAS decide: one start alone proves nothing.
    for seed in range(7):
        options = {"solver": "lbfgs", "hidden_layer_sizes": 10, "random_state": seed}
        ours = MLPRegressor(**options, max_iter=3000).fit(X, y)
        theirs = neural_network.MLPRegressor(**options, max_iter=3000).fit(X, y)
        ratios.append(ours.loss_ / theirs.loss_)
    assert np.median(ratios) <= 1.01
    # Reported in the units of sgd and adam: the mean over rows and outputs.
    penalty = 0.5 * ours.alpha * sum((c**2).sum() for c in ours.coefs_) / len(X)
    assert ours.loss_ == pytest.approx(0.5 * ((ours.predict(X) - y) ** 2).mean() + penalty)


def test_limits(data):
    X, y = data
    for limit in ({"max_iter": 3}, {"max_fun": 3}):
        model = MLPRegressor(solver="lbfgs", random_state=0, **limit)
        with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge"):
            model.fit(X, y)
        assert model.n_iter_ <= 3


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_fit_by_lbfgs_leaves_no_curve_of_an_earlier_fit(data):
    X, y = data
    model = MLPRegressor(max_iter=2).fit(X, y).set_params(solver="lbfgs").fit(X, y)
    assert not hasattr(model, "loss_curve_")
    assert not hasattr(model, "_optimizer")
    # And training by epochs can go on from it, which scikit-learn cannot.
    before = model.coefs_[0].copy()
    model.set_params(solver="adam").partial_fit(X, y)
    assert len(model.loss_curve_) == 1
    assert not np.array_equal(before, model.coefs_[0])


def test_float32(data):
    X, y = data
    model = MLPRegressor(solver="lbfgs", random_state=0, max_iter=2000, max_fun=50000)
    model.fit(X.astype(np.float32), y)
    assert {a.dtype for a in model.coefs_ + model.intercepts_} == {np.dtype(np.float32)}
    assert model.score(X, y) > 0.9


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_verbose_prints(data, capsys):
    """As the loop over epochs does; SciPy prints nothing from 1.15 on."""
    X, y = data
    model = MLPRegressor(solver="lbfgs", random_state=0, max_iter=3, verbose=True)
    model.fit(X, y, X_val=X, y_val=y)
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 2 * model.n_iter_ == 6
    assert printed[-2] == f"Iteration 3, loss = {model.loss_:.8f}"
    scores = [f"Validation score: {score:f}" for score in model.validation_scores_]
    assert printed[1::2] == scores
    model.set_params(verbose=False).fit(X, y)
    assert capsys.readouterr().out == ""
