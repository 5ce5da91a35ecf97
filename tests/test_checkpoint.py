"""A fit that was killed goes on from its last checkpoint bit for bit as if it had not been."""

import pickle
import signal
import subprocess
import sys

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.datasets import load_iris

import rustbp
from killed_fits import Kill, Killed, assert_same
from rustbp import Checkpoint, MLPClassifier, MLPRegressor
from rustbp._training.callbacks import watching

X, Y = load_iris(return_X_y=True)
CALLBACKS = hasattr(MLPClassifier, "set_callbacks")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def classifier(**options):
    return MLPClassifier(
        **{"hidden_layer_sizes": (6,), "max_iter": 15, "batch_size": 32, "random_state": 3}
        | {"learning_rate_init": 0.01}
        | options
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint"


def cut_short(model, path, epochs, *data, every=1, **options):
    """Fit until the watcher ends it, and return what the file has."""
    with pytest.raises(Killed), Checkpoint(path, every), watching(Kill(epochs)):
        model.fit(*data, **options)
    return rustbp.load(path).set_params(warm_start=True)


CASES = {
    "adam": {},
    "sgd": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1},
    "plain sgd": {"solver": "sgd", "momentum": 0, "shuffle": False},
    "early": {"early_stopping": True, "n_iter_no_change": 3, "max_iter": 60},
    "early by loss": {"early_stopping": True, "scoring": "loss", "max_iter": 30},
    "early, in turn": {"early_stopping": True, "shuffle": False},
    "adaptive": {
        **{"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.5},
        **{"n_iter_no_change": 1, "tol": 0.05, "max_iter": 40},
    },
    "weighed": {"class_weight": "balanced"},
    "dropout": {"dropout": 0.5, "hidden_layer_sizes": (6, 5)},
    "schedule": {
        **{"schedule": "one_cycle", "warmup": 0.2, "weight_decay": 0.01, "max_grad_norm": 0.1},
        **{"label_smoothing": 0.1, "dropout": [0.2], "early_stopping": True},
    },
    "plateau": {"schedule": "plateau", "tol": 0.1, "n_iter_no_change": 2},
}


@pytest.mark.parametrize("epochs", [1, 2, 5, 9, 14])
@pytest.mark.parametrize("case", CASES)
def test_it_goes_on_bit_for_bit(case, epochs, path):
    whole = classifier(**CASES[case]).fit(X, Y)
    epochs = min(epochs, whole.n_iter_)
    resumed = cut_short(classifier(**CASES[case]), path, epochs, X, Y)
    assert resumed.n_iter_ == epochs
    assert_same(resumed.fit(X, Y), whole)


def test_where_patience_had_run_out(path):
    """After the last epoch of a fit that stopped early there is nothing left to do; nor after the last of max_iter."""
    for options in (CASES["early"], {"max_iter": 4}):
        whole = classifier(**options).fit(X, Y)
        resumed = cut_short(classifier(**options), path, whole.n_iter_, X, Y)
        assert_same(resumed.fit(X, Y), whole)


@pytest.mark.parametrize("form", [lambda X: X.astype("f4"), sparse.csr_array])
def test_other_rows(form, path):
    whole = classifier(early_stopping=True).fit(form(X), Y)
    resumed = cut_short(classifier(early_stopping=True), path, 6, form(X), Y)
    assert_same(resumed.fit(form(X), Y), whole)


def test_rows_to_validate_on(path):
    own = {"X_val": X[::3], "y_val": Y[::3]}
    whole = classifier(early_stopping=True).fit(X, Y, **own)
    resumed = cut_short(classifier(early_stopping=True), path, 6, X, Y, **own)
    assert_same(resumed.fit(X, Y, **own), whole)


def test_a_regressor_with_a_random_state_of_its_own(path):
    def model():
        rng = np.random.RandomState(7)
        rng.standard_normal(5)
        return MLPRegressor(
            hidden_layer_sizes=(5,), random_state=rng, max_iter=12, early_stopping=True
        )

    whole = model().fit(X, X[:, :2])
    resumed = cut_short(model(), path, 7, X, X[:, :2])
    assert_same(resumed.fit(X, X[:, :2]), whole)


def test_numpys_own_random_state(path):
    """It does not outlive a process: the file has it."""
    np.random.seed(11)  # noqa: NPY002
    whole = classifier(random_state=None).fit(X, Y)
    np.random.seed(11)  # noqa: NPY002
    resumed = cut_short(classifier(random_state=None), path, 7, X, Y).fit(X, Y)
    assert resumed.loss_curve_ == whole.loss_curve_
    assert_array_equal(resumed.coefs_[0], whole.coefs_[0])


def test_killed_again_and_again(path):
    whole = classifier(**CASES["early"]).fit(X, Y)
    model = cut_short(classifier(**CASES["early"]), path, 3, X, Y)
    for _ in range(3):
        model = cut_short(model, path, 2, X, Y)
    assert_same(model.fit(X, Y), whole)


def test_a_fit_that_went_on_from_another(path):
    """A warm start with new curves of its own, cut short."""
    whole = classifier(warm_start=True, max_iter=8).fit(X, Y).fit(X, Y)
    first = classifier(warm_start=True, max_iter=8).fit(X, Y)
    assert_same(cut_short(first, path, 5, X, Y).fit(X, Y), whole)


@pytest.mark.parametrize("options", [{}, {"early_stopping": True}], ids=["adam", "early"])
def test_wider_rows_than_the_weights(options, path):
    """A warm start on float64 rows trains float32 weights in float64, and keeps them in float32, cut short or not."""
    options = {"warm_start": True, "max_iter": 8} | options
    whole = classifier(**options).fit(X.astype("f4"), Y).fit(X, Y)
    first = classifier(**options).fit(X.astype("f4"), Y)
    resumed = cut_short(first, path, 5, X, Y)
    # Those of float64, so that nothing is lost.
    assert resumed.coefs_[0].dtype == np.float64
    assert_same(resumed.fit(X, Y), whole)
    assert resumed.coefs_[0].dtype == np.float32


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_copy_in_mid_fit_has_the_dtype_of_the_model(solver, path):
    first = classifier(solver=solver, warm_start=True).fit(X.astype("f4"), Y)
    seen = []

    class Look(Kill):
        def epoch_ends(self, estimator, fitted):
            seen.append(fitted().coefs_[0].dtype)

    with watching(Look(1)):
        assert first.fit(X, Y).coefs_[0].dtype == np.float32
    assert set(seen) == {np.dtype(np.float32)}
    # A call of partial_fit is whole, and so is its checkpoint.
    if solver == "adam":
        with Checkpoint(path):
            first.partial_fit(X, Y)
        assert rustbp.load(path).coefs_[0].dtype == np.float32


def test_every_so_many_epochs(path):
    whole = classifier().fit(X, Y)
    resumed = cut_short(classifier(), path, 11, X, Y, every=4)
    assert resumed.n_iter_ == 8
    assert_same(resumed.fit(X, Y), whole)


def test_a_checkpoint_predicts_and_can_begin_anew(path):
    resumed = cut_short(classifier(early_stopping=True), path, 5, X, Y)
    plain = classifier(early_stopping=True)
    with pytest.raises(Killed), watching(Kill(5)):
        plain.fit(X, Y)
    assert resumed.predict(X).shape == Y.shape
    anew = resumed.set_params(warm_start=False).fit(X, Y)
    assert_array_equal(anew.coefs_[0], classifier(early_stopping=True).fit(X, Y).coefs_[0])


def test_the_end_of_a_fit_leaves_the_last_checkpoint(path):
    """So that a script that is started again comes to the same model."""
    with Checkpoint(path, every=4):
        whole = classifier().fit(X, Y)
    assert not hasattr(whole, "_unfinished")
    assert_same(rustbp.load(path).set_params(warm_start=True).fit(X, Y), whole)


def test_without_early_stopping_from_there_on(path):
    """The weights of the last epoch are then those to keep."""
    resumed = cut_short(classifier(early_stopping=True), path, 5, X, Y)
    resumed.set_params(early_stopping=False).fit(X, Y)
    assert resumed.best_epoch_ == len(resumed.loss_curve_) == 15
    assert resumed.best_loss_ < resumed.loss_curve_[4]


def test_a_scorer_that_no_file_can_hold(path):
    model = classifier(scoring=lambda *_: 0.5).fit(X, Y)
    before = dict(vars(model))
    with (
        Checkpoint(path),
        pytest.raises(TypeError, match="parameter 'scoring' is of type function"),
    ):
        model.fit(X, Y)
    assert vars(model) == before
    assert not path.exists()


def test_partial_fit_uses_up_the_checkpoint(path):
    resumed = cut_short(classifier(), path, 5, X, Y)
    resumed.partial_fit(X, Y)
    assert not hasattr(resumed, "_unfinished")
    assert len(resumed.loss_curve_) == 6


def test_a_loop_over_partial_fit(path):
    model, whole = classifier(), classifier()
    with Checkpoint(path, every=2):
        for _ in range(5):
            model.partial_fit(X, Y, classes=[0, 1, 2])
    resumed = rustbp.load(path)
    resumed.partial_fit(X, Y)
    for _ in range(5):
        whole.partial_fit(X, Y, classes=[0, 1, 2])
    assert resumed.loss_curve_ == whole.loss_curve_
    assert_array_equal(resumed.coefs_[0], whole.coefs_[0])


def test_lbfgs_keeps_the_weights(path):
    resumed = cut_short(classifier(solver="lbfgs"), path, 4, X, Y)
    assert resumed.n_iter_ == 4
    assert resumed.fit(X, Y).loss_ < classifier(solver="lbfgs", max_iter=4).fit(X, Y).loss_


def test_other_rows_are_refused(path):
    resumed = cut_short(classifier(), path, 5, X, Y)
    with pytest.raises(ValueError, match=r"of 150 rows\. Pass the same rows; got 120"):
        resumed.fit(X[30:], Y[30:])


@pytest.mark.skipif(not CALLBACKS, reason="scikit-learn before 1.9 has no callbacks")
def test_as_a_callback(path):
    whole = classifier().fit(X, Y)
    model = classifier().set_callbacks(Checkpoint(path, every=6))
    model.fit(X, Y)
    assert_same(rustbp.load(path).set_params(warm_start=True).fit(X, Y), whole)


CHILD = """
import os, signal, sys, warnings
import numpy as np
from sklearn.datasets import load_iris
from rustbp import Checkpoint, MLPClassifier
from rustbp._training.callbacks import watching
from rustbp._training.packed import unpack

class Kill:
    epochs = 0
    def fit_begins(self, estimator, fitted, *, incremental): ...
    def epoch_ends(self, estimator, fitted):
        self.epochs += 1
        if self.epochs == 10:
            os.kill(os.getpid(), signal.SIGKILL)
    def fit_ends(self, estimator, fitted, *, reason): ...

X, y = load_iris(return_X_y=True)
model = MLPClassifier((6,), early_stopping=True, random_state=1, max_iter=30, learning_rate_init=0.01)
with Checkpoint(sys.argv[1], every=3), watching(Kill()):
    model.fit(X, y)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_process_that_is_killed(path):
    child = subprocess.run([sys.executable, "-c", CHILD, path], check=False)
    assert child.returncode == -signal.SIGKILL
    options = {"early_stopping": True, "random_state": 1, "max_iter": 30}
    whole = MLPClassifier((6,), learning_rate_init=0.01, **options).fit(X, Y)
    resumed = rustbp.load(path)
    assert resumed.n_iter_ == 9
    assert_same(resumed.set_params(warm_start=True).fit(X, Y), whole)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_what_cannot_be_written_says_so_and_leaves_the_model(tmp_path):
    model = classifier().fit(X, Y)
    before = dict(vars(model))
    with Checkpoint(tmp_path / "no" / "folder"), pytest.raises(FileNotFoundError):
        model.fit(X, Y)
    assert vars(model) == before


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (("file", 0), ValueError, "every must be at least 1; got 0"),
        (("file", 1.5), TypeError, "every must be an integer; got 1.5"),
        ((3,), TypeError, "PathLike"),
    ],
)
def test_bad_arguments(arguments, kind, message):
    with pytest.raises(kind, match=message):
        Checkpoint(*arguments)


def test_it_can_be_copied(path):
    copied = pickle.loads(pickle.dumps(Checkpoint(path, every=2)))
    with copied:
        classifier(max_iter=2).fit(X, Y)
    assert rustbp.load(path).n_iter_ == 2
    assert sklearn.clone(copied, safe=False).every == 2
