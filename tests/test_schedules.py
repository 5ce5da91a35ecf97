"""Step sizes by schedule and warm-up, weight decay, clipping and time limits as parameters of the estimators."""

import pickle
import re
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import neural_network
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

import rustbp
from rustbp import MLPClassifier, MLPRegressor
from rustbp._training.schedule import SCHEDULES, step_sizes

X, Y = load_iris(return_X_y=True)
X = (X - X.mean(axis=0)) / X.std(axis=0)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def model(kind=MLPClassifier, **options):
    options = {"max_iter": 5, "random_state": 0, "learning_rate_init": 0.01} | options
    return kind(hidden_layer_sizes=(8,), **options)


def steps_of(estimator, updates=0, n_batches=10):
    return step_sizes(estimator, estimator.learning_rate_init, updates, n_batches)


@pytest.mark.parametrize(
    ("schedule", "at"),
    [
        ("cosine", {0: 1, 25: 0.5, 50: 0}),
        ("linear", {0: 1, 25: 0.5, 40: 0.2, 50: 0}),
        ("exponential", {0: 1, 25: 0.1, 50: 0.01}),
        ("one_cycle", {0: 0.04, 15: 1, 50: 4e-6}),
        (lambda progress: 1 - progress**2, {0: 1, 25: 0.75, 50: 0}),
        (None, {0: 1, 50: 1}),
    ],
)
def test_factors_by_progress(schedule, at):
    """Five epochs of ten batches; what comes after the last has progress 1."""
    for update, factor in at.items():
        found = steps_of(model(schedule=schedule, warmup=0.0), update)
        found = [0.01] if found is None else found
        assert_allclose(found[0], 0.01 * factor, rtol=1e-12, atol=1e-18)
    assert schedule is None or (steps_of(model(schedule=schedule), 60) == found[0]).all()


ORACLE = np.load(Path(__file__).parent / "data/updates/updates.npz")
DECAY = {"weight_decay": 0.5}
ADAM = {"solver": "adam", "epsilon": 1e-20}
TRAINED = {
    "adam_decay": ADAM | DECAY | {"alpha": 0.3},
    "adam_clip": ADAM | DECAY | {"alpha": 0.3, "max_grad_norm": 0.4},
    "adam_cosine": ADAM | DECAY | {"schedule": "cosine"},
    "sgd_cosine": DECAY | {"solver": "sgd", "momentum": 0.0, "schedule": "cosine"},
    "adam_linear": ADAM | {"schedule": "linear"},
    "adam_exponential": ADAM | {"schedule": "exponential"},
    "adam_one_cycle": ADAM | {"schedule": "one_cycle"},
    "adam_warm_cosine": ADAM | DECAY | {"schedule": "cosine", "warmup": 0.25},
}


@pytest.mark.parametrize("case", TRAINED)
def test_twenty_updates_are_those_of_pytorch(case):
    """Step by step by `partial_fit`, and in four epochs of `fit`; data/updates/torch_updates.py has made the values."""
    start = [[ORACLE[f"{name}_{layer}"] for layer in (0, 1)] for name in ("coefs", "intercepts")]
    options = {"alpha": 0.0, "learning_rate_init": 0.05, "shuffle": False} | TRAINED[case]
    parts = MLPClassifier((5,), "tanh", max_iter=20, **options)
    (parts.coefs_, parts.intercepts_), parts.out_activation_ = start, "softmax"
    for update, expected in enumerate(ORACLE[case]):
        rows = (update * 8 + np.arange(8)) % 40
        parts.partial_fit(ORACLE["X"][rows], ORACLE["y"][rows], classes=[0, 1, 2])
        found = np.concatenate([array.ravel() for array in [*parts.coefs_, *parts.intercepts_]])
        assert_allclose(found, expected, rtol=0, atol=1e-9)
    whole = MLPClassifier((5,), "tanh", max_iter=4, batch_size=8, **options)
    whole.fit(ORACLE["X"], ORACLE["y"], coefs_init=start[0], intercepts_init=start[1])
    assert_allclose(whole.coefs_[0], parts.coefs_[0], rtol=0, atol=1e-12)
    assert_allclose(whole.intercepts_[1], parts.intercepts_[1], rtol=0, atol=1e-12)


def test_one_cycle_is_that_of_pytorch():
    """Torch's OneCycleLR(max_lr=1, total_steps=1000) at these steps: its phases end a step earlier."""
    theirs = {0: 0.04, 150: 0.5225216681, 299: 1.0, 650: 0.4977580218, 998: 9.0355e-06}
    ours = steps_of(model(schedule="one_cycle", max_iter=1, learning_rate_init=1.0), n_batches=1000)
    for step, factor in theirs.items():
        assert ours[step] == pytest.approx(factor, abs=0.006)


def test_warm_up_rises_from_zero_and_leaves_the_rest_to_the_schedule():
    found = steps_of(model(schedule="linear", warmup=0.4, max_iter=1))
    assert_allclose(
        found, 0.01 * np.array([0, 1 / 4, 2 / 4, 3 / 4, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])
    )
    alone = steps_of(model(warmup=0.4, max_iter=1))
    assert_allclose(alone, 0.01 * np.array([0, 1 / 4, 2 / 4, 3 / 4, 1, 1, 1, 1, 1, 1]))
    assert_array_equal(steps_of(model(schedule="plateau", warmup=0.4, max_iter=1)), alone)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_the_curve_has_the_steps_that_epochs_began_with(kind, solver):
    cosine = model(kind, solver=solver, schedule="cosine", batch_size=30).fit(X, Y)
    assert_allclose(cosine.learning_rate_curve_, 0.005 * (1 + np.cos(np.pi * np.arange(5) / 5)))
    plain = model(kind, solver=solver).fit(X, Y)
    assert plain.learning_rate_curve_ == [0.01] * 5
    same = model(kind, solver=solver, schedule=lambda progress: 1).fit(X, Y)
    assert_array_equal(same.coefs_[0], plain.coefs_[0])
    warm = model(kind, solver=solver, warm_start=True, schedule="linear").fit(X, Y).fit(X, Y)
    assert_allclose(warm.learning_rate_curve_, 0.002 * np.array([5, 4, 3, 2, 1] * 2))


def test_invscaling_and_adaptive_are_in_the_curve():
    model_ = model(solver="sgd", learning_rate="invscaling").fit(X, Y)
    assert_allclose(model_.learning_rate_curve_[1:], 0.01 / (150 * np.arange(1, 5) + 1) ** 0.5)
    assert not hasattr(model(solver="lbfgs").fit(X, Y), "learning_rate_curve_")


def test_partial_fit_counts_progress_over_max_iter_epochs():
    whole = model(schedule="linear", batch_size=50, shuffle=False, warmup=0.3).fit(X, Y)
    parts = model(schedule="linear", batch_size=50, shuffle=False, warmup=0.3)
    for _ in range(7):
        parts.partial_fit(X, Y, classes=[0, 1, 2])
        parts = pickle.loads(pickle.dumps(parts))
    assert_array_equal(parts.learning_rate_curve_[:5], whole.learning_rate_curve_)
    assert parts.learning_rate_curve_[5:] == [0, 0]


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_plateau_is_adaptive_for_every_solver(solver):
    options = {"solver": solver, "tol": 0.05, "n_iter_no_change": 2, "max_iter": 60}
    plateau = model(schedule="plateau", **options).fit(X, Y)
    steps = np.unique(plateau.learning_rate_curve_)[::-1]
    assert_allclose(steps, 0.01 / 5.0 ** np.arange(7), rtol=1e-12)
    assert plateau.n_iter_ < 60
    assert plateau.learning_rate_curve_ == sorted(plateau.learning_rate_curve_, reverse=True)
    if solver == "sgd":
        adaptive = model(learning_rate="adaptive", **options).fit(X, Y)
        assert_array_equal(plateau.coefs_[0], adaptive.coefs_[0])
        assert plateau.learning_rate_curve_ == adaptive.learning_rate_curve_


@pytest.mark.parametrize("schedule", ["plateau", "cosine"])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_training_goes_on_from_files_and_pickles(solver, schedule, tmp_path):
    options = {"tol": 0.5, "n_iter_no_change": 1, "weight_decay": 0.1, "max_grad_norm": 0.5}
    kept = model(solver=solver, schedule=schedule, max_time=100.0, **options)
    for _ in range(8):
        kept.partial_fit(X, Y, classes=[0, 1, 2])
    kept.save(tmp_path / "model")
    copies = [rustbp.load(tmp_path / "model"), pickle.loads(pickle.dumps(kept))]
    assert schedule != "plateau" or kept.learning_rate_curve_[-1] < 0.01
    for copy in copies:
        assert copy.learning_rate_curve_ == kept.learning_rate_curve_
        assert copy.get_params() == kept.get_params()
    for m in (kept, *copies):
        m.partial_fit(X, Y)
    for copy in copies:
        assert_array_equal(copy.coefs_[0], kept.coefs_[0])
        assert copy.learning_rate_curve_ == kept.learning_rate_curve_


def test_a_schedule_of_the_users_own_cannot_be_in_a_file(tmp_path):
    fitted = model(schedule=lambda progress: 1.0).fit(X, Y)
    with pytest.raises(TypeError, match="parameter 'schedule' is of type function"):
        fitted.save(tmp_path / "model")


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda p: -0.1, ValueError, "finite factors from 0 on; got -0.1 at progress"),
        (lambda p: np.nan if p > 0.5 else 1, ValueError, "finite factors from 0 on; got nan at"),
        (lambda p: "much", TypeError, "schedule must return a number; got 'much'"),
        (lambda p: None, TypeError, "schedule must return a number; got None"),
        (lambda p: 1 / 0, ZeroDivisionError, "division by zero"),
    ],
)
def test_a_bad_schedule_leaves_the_model_as_it_was(wrong, error, message):
    fitted = model().fit(X, Y)
    before = pickle.dumps({k: v for k, v in vars(fitted).items() if k.endswith("_")})
    fitted.set_params(schedule=wrong)
    for train in (fitted.fit, fitted.partial_fit):
        with pytest.raises(error, match=re.escape(message)):
            train(X, Y)
        assert pickle.dumps({k: v for k, v in vars(fitted).items() if k.endswith("_")}) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedule": "cosine", "learning_rate": "invscaling"}, "does not go with learning_rate='invscaling'"),
        ({"warmup": 0.1, "learning_rate": "adaptive"}, "warmup=0.1 does not go with learning_rate='adaptive'"),
        ({"solver": "lbfgs", "schedule": "linear", "weight_decay": 0.1}, "go with schedule='linear', weight_decay=0.1"),
        ({"solver": "lbfgs", "warmup": 0.1, "max_grad_norm": 1.0}, "does not go with warmup=0.1, max_grad_norm=1.0"),
        ({"schedule": "step"}, "The 'schedule' parameter of MLPClassifier must be"),
        ({"schedule": 0.5}, "The 'schedule' parameter of MLPClassifier must be"),
        ({"warmup": 1.0}, r"The 'warmup' parameter of MLPClassifier must be a float in the range \[0.0, 1.0\)"),
        ({"weight_decay": -1}, "The 'weight_decay' parameter of MLPClassifier must be"),
        ({"weight_decay": np.inf}, "The 'weight_decay' parameter of MLPClassifier must be"),
        ({"max_grad_norm": 0}, "The 'max_grad_norm' parameter of MLPClassifier must be"),
        ({"max_time": 0}, "The 'max_time' parameter of MLPClassifier must be"),
        ({"max_time": "1 h"}, "The 'max_time' parameter of MLPClassifier must be"),
    ],
)  # fmt: skip
def test_what_does_not_go_is_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        model(**options).fit(X, Y)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_decay_shrinks_weights_and_clipping_the_steps(kind):
    plain = model(kind, solver="sgd", momentum=0).fit(X, Y)
    decayed = model(kind, solver="sgd", momentum=0, weight_decay=50.0).fit(X, Y)
    assert np.linalg.norm(decayed.coefs_[0]) < 0.5 * np.linalg.norm(plain.coefs_[0])
    start = model(kind, solver="sgd", momentum=0, learning_rate_init=1e-300).fit(X, Y)
    clipped = model(kind, solver="sgd", momentum=0, max_grad_norm=0.01, batch_size=50).fit(X, Y)
    moved = sum(
        np.linalg.norm(one - other) ** 2
        for name in ("coefs_", "intercepts_")
        for one, other in zip(getattr(clipped, name), getattr(start, name), strict=True)
    )
    # 15 updates of at most 0.01 * 0.01.
    assert 0 < np.sqrt(moved) <= 15 * 1e-4 * (1 + 1e-9)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_max_time_ends_a_fit(early_stopping):
    data = np.random.default_rng(0).normal(size=(20_000, 20))
    slow = model(
        max_iter=10**6,
        n_iter_no_change=np.inf,
        max_time=0.2,
        batch_size=20,
        early_stopping=early_stopping,
    )
    start = time.monotonic()
    with pytest.warns(
        ConvergenceWarning, match=r"max_time=0.2 seconds have passed \(in epoch \d+\)"
    ) as log:
        slow.fit(data, (data[:, 0] > 0).astype(int))
    assert len(log) == 1
    assert 0.2 <= time.monotonic() - start < 60
    assert len(slow.loss_curve_) == slow.n_iter_ == len(slow.learning_rate_curve_)
    assert 0 < slow.t_ <= slow.n_iter_ * len(data)
    assert slow.t_ % 20 == 0
    if early_stopping:
        assert slow.score(data, (data[:, 0] > 0).astype(int)) > 0.9
        assert max(slow.validation_scores_) == slow.best_validation_score_


def test_max_time_of_one_update():
    short = model(MLPRegressor, max_time=1e-9, batch_size=50).fit(X, Y)
    assert (short.n_iter_, short.t_) == (1, 50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert short.partial_fit(X, Y).t_ == 200
    with pytest.warns(ConvergenceWarning, match="after 1 iteration.*max_time=1e-09 seconds"):
        short = model(MLPRegressor, solver="lbfgs", max_time=1e-9).fit(X, Y)
    assert short.n_iter_ == 1
    assert np.isfinite(short.loss_)


def test_scikit_learn_gets_what_it_has_and_a_warning():
    options = {
        "schedule": "cosine",
        "warmup": 0.1,
        "weight_decay": 0.1,
        "max_grad_norm": 1.0,
        "max_time": 60.0,
    }
    fitted = model(**options).fit(X, Y)
    with pytest.warns(
        UserWarning, match="does not have schedule='cosine', warmup=0.1, weight_decay=0.1, max_grad"
    ) as log:
        theirs = fitted.to_sklearn()
    assert len(log) == 1
    assert_allclose(theirs.predict_proba(X), fitted.predict_proba(X), rtol=1e-12, atol=1e-15)
    assert not hasattr(theirs, "learning_rate_curve_")
    plain = model().fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        back = rustbp.from_sklearn(plain.to_sklearn())
    assert not hasattr(back, "learning_rate_curve_")
    assert len(back.partial_fit(X, Y).learning_rate_curve_) == 1


def test_plateau_goes_over_to_scikit_learn():
    options = {"tol": 0.05, "n_iter_no_change": 1, "schedule": "plateau", "solver": "sgd"}
    with pytest.warns(UserWarning, match="does not have schedule='plateau'"):
        theirs = model(**options).fit(X, Y).to_sklearn()
    assert isinstance(theirs, neural_network.MLPClassifier)
    assert theirs._optimizer.lr_schedule == "adaptive"


def test_every_name_is_a_schedule():
    for name in SCHEDULES:
        fitted = model(schedule=name).fit(X.astype(np.float32), Y)
        assert np.isfinite(fitted.loss_)
        assert fitted.coefs_[0].dtype == np.float32


def test_epochs_may_be_counted_in_a_small_integer():
    """Whose products with the number of mini-batches do not fit in it."""
    few, small = (model(schedule="cosine", max_iter=n) for n in (100, np.int8(100)))
    assert_array_equal(steps_of(small), steps_of(few))
