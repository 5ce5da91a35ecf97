"""The training monitor: what it prints, with a terminal and without, however it is turned on."""

import io
import pickle
import re
import sys
import time
import types

import joblib
import numpy as np
import pytest
from rich.console import Console
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rustbp import MLPClassifier, MLPRegressor, TrainingMonitor
from rustbp._training import callbacks

X, Y = load_digits(return_X_y=True)
X, Y = X[:300] / 16, Y[:300]
NAME = r"(\w+(?: \d+/\d+| refit)?)(?:  (?:[^,]+, )?fold \d/\d)?"
LINE = re.compile(rf"{NAME}  epoch (\d+)(?:/(\d+))?  loss (\S+)(?:  score (\S+))?  ([\d.]+) s")
ENDED = re.compile(rf"{NAME}  ended: (.+)")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
CALLBACKS = hasattr(MLPClassifier, "set_callbacks")
needs_callbacks = pytest.mark.skipif(not CALLBACKS, reason="callbacks came with scikit-learn 1.9")


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=120)


@pytest.fixture
def terminal():
    return Console(file=io.StringIO(), width=120, force_terminal=True, color_system=None)


def lines(console):
    """Name, epoch, most, loss, score, seconds of each epoch; every line must be one of the monitor's."""
    printed = console.file.getvalue().splitlines()
    found = [LINE.fullmatch(line) for line in printed if not ENDED.fullmatch(line)]
    assert all(found), printed
    return [match.groups() for match in found]


def reasons(console):
    """Name, and why it ended, of each fit."""
    return ENDED.findall(console.file.getvalue())


def network(**options):
    return MLPClassifier(**({"hidden_layer_sizes": 8, "max_iter": 3, "random_state": 0} | options))


def test_a_line_for_each_epoch(console):
    with TrainingMonitor(console=console):
        model = network(early_stopping=True).fit(X, Y)
    shown = lines(console)
    assert [line[:3] for line in shown] == [("MLPClassifier", str(n), "3") for n in (1, 2, 3)]
    assert [float(line[3]) for line in shown] == pytest.approx(model.loss_curve_, rel=1e-5)
    assert [float(line[4]) for line in shown] == pytest.approx(model.validation_scores_, abs=1e-4)
    assert reasons(console) == [("MLPClassifier", "max_iter=3 reached")]


class Stop:
    """A callback that ends a fit after an epoch."""

    def setup(self, estimator, context): ...
    def teardown(self, estimator, context): ...
    def on_fit_task_begin(self, estimator, context): ...
    def on_fit_task_end(self, estimator, context):
        return context.task_name != "fit"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"tol": 10, "n_iter_no_change": 1}, "Training loss did not improve"),
        (
            {"early_stopping": True, "tol": 10, "n_iter_no_change": 1},
            "Validation score did not improve",
        ),
        ({"max_time": 1e-6}, "max_time=1e-06 seconds have passed"),
        ({"solver": "lbfgs", "max_iter": 2}, "max_iter=2 reached"),
        ({"solver": "lbfgs", "max_iter": 9, "max_fun": 2}, "max_fun=2 reached"),
        (
            {"solver": "lbfgs", "max_iter": 9, "max_time": 1e-6},
            "max_time=1e-06 seconds have passed",
        ),
        ({"solver": "lbfgs", "max_iter": 300, "tol": 0.1}, "converged"),
    ],
)
def test_why_a_fit_ended(console, options, reason):
    with TrainingMonitor(console=console):
        network(**({"max_iter": 9} | options)).fit(X, Y)
    assert reasons(console) == [("MLPClassifier", reason)]


@needs_callbacks
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_callback_ended_it(console, solver):
    with TrainingMonitor(console=console):
        network(solver=solver).set_callbacks(Stop()).fit(X, Y)
    assert reasons(console) == [("MLPClassifier", "a callback asked to stop")]


def test_the_fit_is_the_same(console, assert_same_fit):
    plain = network().fit(X, Y)
    with TrainingMonitor(console=console):
        watched = network().fit(X, Y)
    assert_same_fit(plain, watched, X, rtol=0, atol=0)


def test_seconds_are_seconds(console, monkeypatch):
    """A clock that moves by 1.5 s each time somebody looks: at the start and after each epoch."""
    now = [0.0]

    def clock():
        now[0] += 1.5
        return now[0]

    monkeypatch.setattr(time, "perf_counter", clock)
    with TrainingMonitor(console=console):
        network().fit(X, Y)
    assert [line[5] for line in lines(console)] == ["1.5", "3.0", "4.5"]


def test_score_on_rows_of_the_users(console):
    with TrainingMonitor(X[:100], Y[:100], console=console):
        model = network().fit(X, Y)
    assert float(lines(console)[-1][4]) == pytest.approx(model.score(X[:100], Y[:100]), abs=1e-4)


def test_without_a_score(console):
    with TrainingMonitor(console=console):
        MLPRegressor(hidden_layer_sizes=3, max_iter=2).fit(X, Y)
    assert [line[4] for line in lines(console)] == [None, None]


def test_lbfgs(console):
    with TrainingMonitor(console=console):
        model = network(solver="lbfgs", max_iter=4).fit(X, Y)
    shown = lines(console)
    assert [line[1] for line in shown] == ["1", "2", "3", "4"]
    assert float(shown[-1][3]) == pytest.approx(model.loss_, rel=1e-5)


def test_a_loop_over_partial_fit_is_one_run(console):
    with TrainingMonitor(console=console):
        model = network(solver="sgd")
        for _ in range(3):
            model.partial_fit(X, Y, classes=np.arange(10))
        network(solver="sgd").partial_fit(X, Y, classes=np.arange(10))
    assert [line[1:3] for line in lines(console)] == [(n, None) for n in ("1", "2", "3", "1")]


@pytest.mark.parametrize("backend", ["sequential", "threading"])
def test_a_grid_search_of_pipelines(console, backend):
    search = GridSearchCV(
        make_pipeline(StandardScaler(), network()),
        {"mlpclassifier__alpha": [0.0, 1.0]},
        cv=2,
        n_jobs=2,
        refit=False,
    )
    with joblib.parallel_backend(backend), TrainingMonitor(console=console):
        search.fit(X, Y)
    assert sorted(line[1] for line in lines(console)) == sorted(["1", "2", "3"] * 4)
    ended = re.findall(r"^(.*)  ended", console.file.getvalue(), flags=re.MULTILINE)
    assert sorted(ended) == [
        "MLPClassifier 1/4  alpha=0.0, fold 1/2",
        "MLPClassifier 2/4  alpha=0.0, fold 2/2",
        "MLPClassifier 3/4  alpha=1.0, fold 1/2",
        "MLPClassifier 4/4  alpha=1.0, fold 2/2",
    ]


def test_outside_of_a_candidate_there_is_the_number_at_most(console):
    with TrainingMonitor(console=console):
        GridSearchCV(network(), {}, cv=2).fit(X, Y)
        cross_val_score(network(), X, Y, cv=2)
    named = [name for name, _ in reasons(console)]
    refit = "MLPClassifier refit" if CALLBACKS else "MLPClassifier"
    assert named == ["MLPClassifier 1/2", "MLPClassifier 2/2", refit, *["MLPClassifier"] * 2]


def test_a_bar_in_a_terminal():
    terminal = Console(file=io.StringIO(), width=120, force_terminal=True, color_system="standard")
    with TrainingMonitor(console=terminal):
        model = network(max_iter=5).fit(X, Y)
    printed = terminal.file.getvalue()
    plain = re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", printed)
    assert re.search(r"MLPClassifier ━+ \d/5 +loss \S+  [\d.]+ s", plain)
    # The cursor was hidden, and is back; what stays is a line for the fit.
    assert printed.count("\x1b[?25l") == printed.count("\x1b[?25h") == 1
    assert f"MLPClassifier  epoch 5/5  loss {model.loss_:.6g}" in plain
    assert plain.rstrip().endswith(" s  (max_iter=5 reached)")


def test_a_dumb_terminal_gets_lines(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None)
    with TrainingMonitor(console=console):
        network().fit(X, Y)
    assert len(lines(console)) == 3


def test_standard_output_is_the_default(capsys):
    with TrainingMonitor():
        network().fit(X, Y)
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 4
    assert printed.err == ""


def test_a_failing_fit(console, terminal):
    """The bar is gone, and the next fit starts from one."""
    for shown in (console, terminal):
        with TrainingMonitor(console=shown):
            with pytest.raises(ValueError, match="non-finite"):
                network(solver="sgd", learning_rate_init=1e300).fit(X, Y)
            network(max_iter=1).fit(X, Y)
    assert [line[1] for line in lines(console)][-1] == "1"
    assert callbacks._watchers == ()
    with pytest.raises(ZeroDivisionError), TrainingMonitor(console=terminal):
        raise ZeroDivisionError
    assert callbacks._watchers == ()


def test_nothing_is_shown_outside(console):
    monitor = TrainingMonitor(console=console)
    network().fit(X, Y)
    with monitor:
        pass
    network().fit(X, Y)
    assert console.file.getvalue() == ""


# ---- as a callback of scikit-learn ----


@needs_callbacks
def test_as_a_callback(console):
    model = network(early_stopping=True).set_callbacks(TrainingMonitor(console=console)).fit(X, Y)
    shown = lines(console)
    assert [float(line[3]) for line in shown] == pytest.approx(model.loss_curve_, rel=1e-5)
    model.fit(X, Y)
    assert [line[1] for line in lines(console)] == ["1", "2", "3"] * 2


@needs_callbacks
def test_as_a_callback_in_a_terminal(terminal):
    network().set_callbacks(TrainingMonitor(console=terminal)).fit(X, Y)
    assert "MLPClassifier  epoch 3/3" in terminal.file.getvalue()


@needs_callbacks
@pytest.mark.parametrize("backend", ["sequential", "threading"])
def test_as_a_callback_in_a_grid_search(console, backend):
    model = network().set_callbacks(TrainingMonitor(console=console))
    search = GridSearchCV(make_pipeline(StandardScaler(), model), {}, cv=2, n_jobs=2, refit=False)
    with joblib.parallel_backend(backend):
        search.fit(X, Y)
    assert sorted(line[1] for line in lines(console)) == sorted(["1", "2", "3"] * 2)


@needs_callbacks
def test_as_a_callback_of_a_fit_that_fails(console):
    model = network().set_callbacks(TrainingMonitor(console=console))
    with pytest.raises(ValueError, match="inconsistent"):
        model.fit(X, Y[:5])
    model.set_params(solver="sgd", learning_rate_init=1e300)
    with pytest.raises(ValueError, match="non-finite"):
        model.fit(X, Y)
    model.set_params(learning_rate_init=0.1).fit(X, Y)
    assert [line[1] for line in lines(console)][-3:] == ["1", "2", "3"]


@needs_callbacks
def test_in_another_process_a_fit_is_one_line(capfd):
    """As joblib does it: pickled, and unpickled elsewhere."""
    monitor = TrainingMonitor()
    monitor._process = -1
    model = network().set_callbacks(pickle.loads(pickle.dumps(monitor))).fit(X, Y)
    [line] = capfd.readouterr().out.splitlines()
    assert line.startswith(f"MLPClassifier  epoch 3/3  loss {model.loss_:.6g}")


@needs_callbacks
def test_a_copy_in_the_same_process_shows_epochs(capsys):
    pickle.loads(pickle.dumps(network().set_callbacks(TrainingMonitor()))).fit(X, Y)
    assert len(capsys.readouterr().out.splitlines()) == 4


# ---- in a notebook ----


class Handle:
    """What IPython's ``display`` returns, and what was shown by it."""

    def __init__(self, shown):
        self.shown = shown

    def update(self, line, *, raw):
        self.shown[-1].append(line["text/plain"])


@pytest.fixture
def notebook(monkeypatch):
    """Stands in for IPython: the texts that each output had, one after the other."""
    shown = []

    def display(line, *, raw, display_id):
        shown.append([line["text/plain"]])
        return Handle(shown)

    module = types.ModuleType("IPython.display")
    module.display = display
    monkeypatch.setitem(sys.modules, "IPython", types.ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return shown


def test_a_notebook(notebook):
    """Without widgets: one output for each fit, written anew, but not more often than eyes can follow."""
    console = Console(file=io.StringIO(), force_jupyter=True)
    with TrainingMonitor(console=console):
        network(max_iter=300, tol=0).fit(X, Y)
        network().fit(X, Y)
    assert console.file.getvalue() == ""
    assert len(notebook) == 2
    for texts, epochs in zip(notebook, (300, 3), strict=True):
        assert texts[0].startswith("MLPClassifier  epoch 1/")
        assert texts[0].endswith(" s left")
        assert f"epoch {epochs}/{epochs}" in texts[-1]
        assert texts[-1].endswith(f"(max_iter={epochs} reached)")
    assert len(notebook[0]) < 100


# ---- what it refuses ----


def test_rich_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich", None)
    with pytest.raises(ImportError, match=r"TrainingMonitor needs rich: pip install rich"):
        TrainingMonitor()


def test_half_of_the_validation_rows():
    with pytest.raises(ValueError, match="X_val and y_val go together"):
        TrainingMonitor(X)
