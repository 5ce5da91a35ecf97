"""A progress bar for training, in terminals and notebooks."""

import html
import importlib.util
import inspect
import os
import textwrap
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

from rustbp._training.callbacks import watching

_REDRAWN = 0.1
"""Seconds from one drawing to the next in a notebook."""


class _Shown(NamedTuple):
    """What a line shows of one fit."""

    name: str
    candidate: str
    epoch: int
    most: int | None
    loss: float | None
    score: float | None
    seconds: float
    reason: str

    def figures(self) -> str:
        loss = "" if self.loss is None else f"  loss {self.loss:.6g}"
        score = "" if self.score is None else f"  score {self.score:.4f}"
        return f"{loss}{score}  {self.seconds:.1f} s"

    def line(self) -> str:
        of = "" if self.most is None else f"/{self.most}"
        reason = f"  ({self.reason})" if self.reason else ""
        return f"{self.name}{self.candidate}  epoch {self.epoch}{of}{self.figures()}{reason}"


class TrainingMonitor:
    """Shows each epoch of training: a bar with loss, score and seconds, or plain lines where there is no terminal.

    In a notebook there is a bar too, which needs no widgets. What remains of a fit is a line that says how many epochs
    it had, its last loss and score, and why it ended. In a search, such as ``GridSearchCV``, lines say which of its
    fits they are of, and of which candidate: ``3/12  alpha=0.1, fold 1/2``.

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

    def fit_ends(self, estimator: Any, fitted: Callable[[], Any], *, reason: str) -> None:
        with self._lock:
            fit = self._fits.get(threading.get_ident())
            if fit is not None and not fit.incremental:
                fit.reason = reason
                self._end(threading.get_ident())

    # ---- scikit-learn's callback protocol: beside it, estimators tell it all they tell a watcher ----

    is_watcher = True

    def setup(self, estimator: Any, context: Any) -> None:
        self._open()

    def teardown(self, estimator: Any, context: Any) -> None:
        with self._lock:
            if threading.get_ident() in self._fits:
                self._end(threading.get_ident())
        self._close()

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None: ...
    def on_fit_task_end(self, estimator: Any, context: Any) -> None: ...

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
        place, self.candidate = _place_in_a_search(estimator)
        self.name = type(estimator).__name__ + place
        self.epoch = 0
        self.loss: float | None = None
        self.score: float | None = None
        self.start = self.latest = time.perf_counter()
        self.reason = ""
        # What the display keeps of it.
        self.task: Any = None

    def goes_on_with(self, estimator: Any) -> bool:
        return self.incremental and self.estimator is estimator

    def epoch_ends(self, loss: float | None, score: float | None) -> None:
        self.epoch += 1
        self.loss, self.score, self.latest = loss, score, time.perf_counter()

    def shown(self) -> _Shown:
        seconds = self.latest - self.start
        return _Shown(
            self.name,
            self.candidate,
            self.epoch,
            self.most,
            self.loss,
            self.score,
            seconds,
            self.reason,
        )


def _place_in_a_search(estimator: Any) -> tuple[str, str]:
    """Which of the fits of a search it is, " 3/12" or " refit", and of what: "  alpha=0.1, fold 1/2".

    Searches tell nobody what they are trying, callbacks included: it is read from the variables of the function that
    fits a candidate on a fold. Where there is no such function, or it has changed, the callbacks' numbers are left.
    """
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_name == "_fit_and_score":
            known = frame.f_locals
            fold, candidate = known.get("split_progress"), known.get("candidate_progress")
            if fold and candidate:
                number = candidate[0] * fold[1] + fold[0] + 1
                # In a pipeline the names have the steps' before them.
                named = [
                    f"{name.rpartition('__')[2]}={value!r}"
                    for name, value in (known.get("parameters") or {}).items()
                ]
                what = textwrap.shorten(", ".join(named), 60, placeholder=" ...")
                which = f"  {what}, fold" if what else "  fold"
                return f" {number}/{candidate[1] * fold[1]}", f"{which} {fold[0] + 1}/{fold[1]}"
        frame = frame.f_back
    return _number_in_a_search(estimator), ""


def _number_in_a_search(estimator: Any) -> str:
    """As scikit-learn's callbacks know it."""
    context = getattr(estimator, "_parent_callback_ctx", None)
    while context is not None:
        # The task of a pipeline, say, stands in the place of the one that it is the whole of.
        names = (context.task_name, context.source_task_name)
        if "candidate-split-evaluation" in names:
            return f" {context.task_id + 1}/{context.parent.max_subtasks}"
        if "refit-with-best-params" in names:
            return " refit"
        context = context.parent
    return ""


def _display(console: Any, *, lines: bool) -> Any:
    from rich.console import Console

    console = console or Console()
    # A file or a pipe has no cursor to move, and some terminals cannot.
    if lines or console.is_dumb_terminal:
        return _Lines(console)
    if console.is_jupyter:
        return _Notebook()
    return _Bars(console) if console.is_terminal else _Lines(console)


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
        elif fit.reason:
            line = f"{fit.name}{fit.candidate}  ended: {fit.reason}"
            self.console.print(line, soft_wrap=True, markup=False, highlight=False)

    def stop(self) -> None: ...


class _Notebook:
    """A bar and a line for each fit, written anew after its epochs, by what every notebook has.

    rich's bar is a widget there, which swallows lines that are printed while it is drawn.
    """

    def __init__(self) -> None:
        self._next = 0.0

    def show(self, fit: _Fit) -> None:
        if fit.task is None or time.perf_counter() >= self._next:
            shown = fit.shown()
            left, bar = "", ""
            if shown.most is not None:
                seconds = shown.seconds / shown.epoch * (shown.most - shown.epoch)
                left = f"  {seconds:.0f} s left"
                bar = f'<progress value="{shown.epoch}" max="{shown.most}"></progress> '
            self._write(fit, shown.line() + left, bar)
            self._next = time.perf_counter() + _REDRAWN

    def end(self, fit: _Fit, *, say: bool) -> None:
        self._write(fit, fit.shown().line())

    def _write(self, fit: _Fit, line: str, bar: str = "") -> None:
        from IPython.display import display

        shown = f'{bar}<span style="white-space: pre-wrap">{html.escape(line)}</span>'
        data = {"text/plain": line, "text/html": shown}
        if fit.task is None:
            fit.task = display(data, raw=True, display_id=True)
        else:
            fit.task.update(data, raw=True)

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
            # The rest of the line takes 80 columns.
            wide = self.progress.console.width >= 80 + len(fit.candidate)
            name = fit.name + fit.candidate if wide else fit.name
            fit.task = self.progress.add_task(name, total=fit.most, figures=figures)
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
