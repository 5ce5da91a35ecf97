"""scikit-learn's callback protocol, where it is installed (1.9 and newer)."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV

from rustbp import MLPClassifier, MLPRegressor
from rustbp._training import callbacks

X, Y = load_iris(return_X_y=True)
callback = pytest.importorskip("sklearn.callback")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class Recorder:
    """Notes what it is told; may ask to stop, or raise, at the end of one epoch."""

    def __init__(self, stop_after=None, raise_after=None):
        self.events, self.models, self.stop_after, self.raise_after = (
            [],
            [],
            stop_after,
            raise_after,
        )

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        self.events.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(
        self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
    ):
        self.events.append(("end", context.task_name, context.task_id))
        self.models.append(fitted_estimator)
        self.y, self.metadata = y, metadata
        if context.task_name != "fit" and context.task_id + 1 == self.raise_after:
            raise LookupError("enough")
        return context.task_name != "fit" and context.task_id + 1 == self.stop_after


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_one_task_per_epoch(solver):
    recorder = Recorder()
    labels = np.array(["a", "b", "c"])[Y]
    model = MLPClassifier(solver=solver, max_iter=3, random_state=0).set_callbacks(recorder)
    model.fit(X, labels, np.ones(len(X)))
    name = "lbfgs-iter" if solver == "lbfgs" else "epoch"
    tasks = [(when, name, i) for i in range(3) for when in ("begin", "end")]
    assert recorder.events == ["setup", ("begin", "fit", 0), *tasks, ("end", "fit", 0), "teardown"]
    assert recorder.y is labels
    assert list(recorder.metadata) == ["sample_weight"]
    # Each epoch came with a model of its own, and the last is the result.
    scores = [fitted.score(X, labels) for fitted in recorder.models]
    assert scores[-1] == model.score(X, labels)
    assert not np.array_equal(recorder.models[0].coefs_[0], recorder.models[1].coefs_[0])
    np.testing.assert_array_equal(recorder.models[-1].coefs_[0], model.coefs_[0])


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_stopping(solver):
    model = MLPRegressor(solver=solver, random_state=0).set_callbacks(Recorder(stop_after=2))
    model.fit(X, Y)
    assert model.n_iter_ == 2
    plain = MLPRegressor(solver=solver, max_iter=2, random_state=0).fit(X, Y)
    np.testing.assert_allclose(model.coefs_[0], plain.coefs_[0], rtol=1e-12)
    assert model.loss_ == pytest.approx(plain.loss_, rel=1e-12)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_callback_that_raises_changes_nothing(solver):
    model = MLPClassifier(solver=solver, max_iter=5, random_state=0).fit(X, Y)
    before = dict(vars(model))
    recorder = Recorder(raise_after=2)
    model.set_callbacks(recorder)
    with pytest.raises(LookupError, match="enough"):
        model.fit(X[:, :2], Y)
    assert recorder.events[-1] == "teardown"
    model.set_callbacks()
    assert {name: id(value) for name, value in vars(model).items()} == {
        name: id(value) for name, value in before.items()
    }


def test_parameters_set_by_a_callback_stay():
    class Setter(Recorder):
        def on_fit_task_end(self, estimator, context, *, X=None):
            estimator.set_params(alpha=0.25)

    model = MLPClassifier(max_iter=2, random_state=0).set_callbacks(Setter())
    assert model.fit(X, Y).alpha == 0.25


def test_no_callbacks_no_calls(monkeypatch):
    monkeypatch.setattr(callbacks, "Callbacks", None)
    MLPClassifier(max_iter=2).fit(X, Y)
    # partial_fit is one epoch by itself, and tells nobody.
    recorder = Recorder()
    MLPClassifier().set_callbacks(recorder).partial_fit(X, Y, classes=[0, 1, 2])
    assert recorder.events == []


def test_scoring_monitor():
    monitor = callback.ScoringMonitor(scoring="accuracy")
    model = MLPClassifier(max_iter=4, random_state=0).set_callbacks(monitor).fit(X, Y)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert [row["task_id"] for row in rows] == [0, 1, 2, 3]
    assert rows[-1]["accuracy"] == model.score(X, Y)


def test_progress_bar(capsys):
    pytest.importorskip("rich")
    MLPRegressor(max_iter=3).set_callbacks(callback.ProgressBar()).fit(X, Y)
    assert "MLPRegressor" in capsys.readouterr().out


def test_inside_a_search():
    search = GridSearchCV(MLPClassifier(max_iter=2), {"alpha": [0.1, 1.0]}, cv=2)
    if not hasattr(search, "set_callbacks"):
        pytest.skip("this search does not propagate callbacks")
    recorder = callback.ScoringMonitor(scoring="accuracy")
    search.estimator.set_callbacks(recorder)
    search.fit(X, Y)
    assert recorder.get_logs("all")
