"""A progress bar for training, in terminals and notebooks."""

import importlib.util
import os
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

from rustbp._training.callbacks import watching

_EPOCHS = ("epoch", "lbfgs-iter")
"""What the estimators call the tasks that `callbacks.Callbacks` reports."""


class _Shown(NamedTuple):
    """What a line shows of one fit."""

    name: str
    epoch: int
    most: int | None
    loss: float | None
    score: float | None
    seconds: float

    def figures(self) -> str:
        loss = "" if self.loss is None else f"  loss {self.loss:.6g}"
        score = "" if self.score is None else f"  score {self.score:.4f}"
        return f"{loss}{score}  {self.seconds:.1f} s"

    def line(self) -> str:
        of = "" if self.most is None else f"/{self.most}"
        return f"{self.name}  epoch {self.epoch}{of}{self.figures()}"


class TrainingMonitor:
    """Shows each epoch of training: a bar with loss, score and seconds, or plain lines where there is no terminal.

    There are two ways to turn it on.

    - ``with TrainingMonitor(): ...`` shows every fit of this package's estimators inside the block: also in pipelines,
      in a grid search, in threads, and a loop over `partial_fit`. It works with every scikit-learn.
    - ``model.set_callbacks(TrainingMonitor())``, scikit-learn 1.9 and newer, shows the fits of that estimator and its
      clones: also in a pipeline, in a grid search, and in other processes, where each fit is one plain line at its end.

    Parameters
    ----------
    X_val, y_val : array-like, default=None
        Rows and labels to score on after each epoch, as they reach the network: in a pipeline, already transformed.
        Without them the score is that of `early_stopping`, and is left out where there is none.

    console : rich.console.Console, default=None
        Where to show it; the default is standard output, or the notebook. A console that is neither a terminal nor a
        notebook gets plain lines.

    Raises
    ------
    ImportError
        If rich is not installed.
    ValueError
        If only one of `X_val` and `y_val` is given.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from rustbp import MLPClassifier, TrainingMonitor
    >>> X, y = load_iris(return_X_y=True)
    >>> with TrainingMonitor():  # doctest: +SKIP
    ...     model = MLPClassifier(random_state=0, early_stopping=True).fit(X, y)
    """

    def __init__(self, X_val: Any = None, y_val: Any = None, *, console: Any = None) -> None:
        if importlib.util.find_spec("rich") is None:
            raise ImportError("TrainingMonitor needs rich: pip install rich")
        if (X_val is None) != (y_val is None):
            raise ValueError("X_val and y_val go together: pass both, or neither.")
        self.X_val = X_val
        self.y_val = y_val
        self.console = console
        self._process = os.getpid()
        self._reset()

    def _reset(self) -> None:
        # A copy in a worker of joblib, say.
        self._elsewhere = os.getpid() != self._process
        self._lock = threading.RLock()
        self._fits: dict[int, _Fit] = {}
        self._display: Any = None
        self._users = 0
        self._stack = ExitStack()

    def __enter__(self) -> "TrainingMonitor":
        self._stack.enter_context(watching(self))
        self._open()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()
        self._close()

    # ---- what the estimators tell, see `callbacks.Watcher` ----

    def fit_begins(self, estimator: Any, fitted: Callable[[], Any], *, incremental: bool) -> None:
        thread = threading.get_ident()
        with self._lock:
            fit = self._fits.get(thread)
            if fit is not None and not (incremental and fit.goes_on_with(estimator)):
                # Another one: the loop of partial_fit is over, or that fit raised.
                self._end(thread)
                fit = None
            if fit is None:
                most = None if incremental else getattr(estimator, "max_iter", None)
                self._fits[thread] = _Fit(estimator, most, incremental)

    def epoch_ends(self, estimator: Any, fitted: Callable[[], Any]) -> None:
        model = fitted()
        if self.X_val is not None:
            score = float(model.score(self.X_val, self.y_val))
        else:
            scores = getattr(model, "validation_scores_", None)
            score = float(scores[-1]) if scores else None
        with self._lock:
            fit = self._fits.get(threading.get_ident())
            if fit is not None:
                fit.epoch_ends(getattr(model, "loss_", None), score)
                if not self._elsewhere:
                    self._display.show(fit)

    def fit_ends(self, estimator: Any, fitted: Callable[[], Any]) -> None:
        with self._lock:
            fit = self._fits.get(threading.get_ident())
            if fit is not None and not fit.incremental:
                self._end(threading.get_ident())

    # ---- scikit-learn's callback protocol ----

    def setup(self, estimator: Any, context: Any) -> None:
        self._open()

    def teardown(self, estimator: Any, context: Any) -> None:
        with self._lock:
            if threading.get_ident() in self._fits:
                self._end(threading.get_ident())
        self._close()

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        if context.task_name not in _EPOCHS:
            self.fit_begins(estimator, lambda: None, incremental=False)

    def on_fit_task_end(
        self, estimator: Any, context: Any, *, fitted_estimator: Any = None
    ) -> None:
        if context.task_name in _EPOCHS and fitted_estimator is not None:
            self.epoch_ends(estimator, lambda: fitted_estimator)

    # ---- the display ----

    def _open(self) -> None:
        with self._lock:
            self._users += 1
            if self._display is None:
                self._display = _display(self.console, lines=self._elsewhere)

    def _close(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                for thread in list(self._fits):
                    self._end(thread)
                self._display.stop()
                self._display = None

    def _end(self, thread: int) -> None:
        fit = self._fits.pop(thread)
        if fit.epoch:
            self._display.end(fit, say=self._elsewhere)

    def __getstate__(self) -> dict[str, Any]:
        """For a copy, perhaps in another process: what is shown here stays here."""
        return {"X_val": self.X_val, "y_val": self.y_val, "_process": self._process}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, console=None)
        self._reset()


class _Fit:
    """One fit, or one loop over `partial_fit`, that is being shown."""

    def __init__(self, estimator: Any, most: int | None, incremental: bool) -> None:
        self.estimator, self.most, self.incremental = estimator, most, incremental
        self.name = type(estimator).__name__
        self.epoch = 0
        self.loss: float | None = None
        self.score: float | None = None
        self.start = self.latest = time.perf_counter()
        self.task: Any = None

    def goes_on_with(self, estimator: Any) -> bool:
        return self.incremental and self.estimator is estimator

    def epoch_ends(self, loss: float | None, score: float | None) -> None:
        self.epoch += 1
        self.loss, self.score, self.latest = loss, score, time.perf_counter()

    def shown(self) -> _Shown:
        seconds = self.latest - self.start
        return _Shown(self.name, self.epoch, self.most, self.loss, self.score, seconds)


def _display(console: Any, *, lines: bool) -> Any:
    from rich.console import Console

    console = console or Console()
    # A file or a pipe has no cursor to move, and some terminals cannot.
    can_redraw = (console.is_terminal or _has_widgets(console)) and not console.is_dumb_terminal
    return _Bars(console) if can_redraw and not lines else _Lines(console)


def _has_widgets(console: Any) -> bool:
    """Whether it is a notebook that can redraw: without ipywidgets rich would show nothing until the end."""
    return console.is_jupyter and importlib.util.find_spec("ipywidgets") is not None


class _Lines:
    """Plain lines: one for each epoch."""

    def __init__(self, console: Any) -> None:
        self.console = console

    def show(self, fit: _Fit) -> None:
        # Wrapped by nobody: a line is a line, for grep too.
        self.console.print(fit.shown().line(), soft_wrap=True, markup=False, highlight=False)

    def end(self, fit: _Fit, *, say: bool) -> None:
        if say:
            self.show(fit)

    def stop(self) -> None: ...


class _Bars:
    """A bar for each fit that is under way; a line for each that has ended."""

    def __init__(self, console: Any) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            # Short, so that a cell of a notebook has room for what follows.
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}", markup=False),
            TextColumn("left"),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
        )
        self.progress.start()

    def show(self, fit: _Fit) -> None:
        figures = fit.shown().figures()
        if fit.task is None:
            fit.task = self.progress.add_task(fit.name, total=fit.most, figures=figures)
        self.progress.update(fit.task, completed=fit.epoch, figures=figures)

    def end(self, fit: _Fit, *, say: bool) -> None:
        if fit.task is not None:
            self.progress.remove_task(fit.task)
            self.progress.refresh()
        self.progress.console.print(
            fit.shown().line(), soft_wrap=True, markup=False, highlight=False
        )

    def stop(self) -> None:
        self.progress.stop()
