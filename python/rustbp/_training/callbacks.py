"""Who is told how a fit goes: scikit-learn's callbacks (1.9 and newer), and watchers of this package (any version).

With an older scikit-learn, estimators simply have no ``set_callbacks``. This is the only module that asks which one is
installed.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, Self

from sklearn.base import clone

if TYPE_CHECKING:

    class CallbackSupportMixin:
        """scikit-learn's, which says nothing of types."""

        def set_callbacks(self, *callbacks: Any) -> Self: ...

else:
    try:
        from sklearn.callback import CallbackSupportMixin
    except ImportError:

        class CallbackSupportMixin:
            """Stands in for the mixin of scikit-learn 1.9: offers nothing."""


Attributes = Callable[..., dict[str, Any]]
"""Returns what a copy of the estimator needs to predict as if training had ended there, or to train on from there if
called with ``to_go_on=True``."""


class NoCallbacks:
    """What a fit without callbacks reports to: nothing is called, nothing is copied."""

    active = False

    def begin(self, attributes: Attributes) -> None: ...
    def epoch_begins(self) -> None: ...
    def epoch_ends(self, attributes: Attributes) -> bool:
        """Whether a callback asks to stop: never."""
        return False

    def end(self, attributes: Attributes, reason: str) -> None:
        """The fit ended well, for this ``reason``."""


class Callbacks(NoCallbacks):
    """Tells the callbacks of ``estimator`` how its fit goes: a root task, and one subtask per epoch or L-BFGS
    iteration.

    ``X`` and ``y`` are those the user gave, and ``metadata`` what else fit was given. ``attributes``, wherever it is an
    argument, is called only if a callback asks for a copy of the estimator.
    """

    active = True

    def __init__(self, estimator: Any, X: Any, y: Any, metadata: dict[str, Any]) -> None:
        self._estimator = estimator
        given = {name: value for name, value in metadata.items() if value is not None}
        self._task = {"estimator": estimator, "X": X, "y": y, "metadata": given or None}
        self._epoch: Any = None
        self._name = "lbfgs-iter" if estimator.solver == "lbfgs" else "epoch"

    def begin(self, attributes: Attributes) -> None:
        self._root = self._estimator._init_callback_context(max_subtasks=self._estimator.max_iter)
        self._root.call_on_fit_task_begin(**self._task)

    def epoch_begins(self) -> None:
        self._epoch = self._root.subcontext(task_name=self._name)
        self._epoch.call_on_fit_task_begin(**self._task)

    def epoch_ends(self, attributes: Attributes) -> bool:
        epoch, self._epoch = self._epoch, None
        return bool(epoch.call_on_fit_task_end(**self._task, reconstruction_attributes=attributes))

    def end(self, attributes: Attributes, reason: str) -> None:
        if self._epoch is not None:
            # An epoch that was interrupted, or an iteration of L-BFGS that was not needed: ended, with nothing to
            # show.
            self._epoch.call_on_fit_task_end(estimator=self._estimator)
        self._root.call_on_fit_task_end(**self._task, reconstruction_attributes=attributes)


class Watcher(Protocol):
    """What `watching` takes. ``fitted()`` returns a copy of ``estimator`` as if training had ended there;
    ``fitted(to_go_on=True)`` one that a fit with `warm_start` goes on with as if it had not been cut short there.

    One that is also a callback of scikit-learn, and is to be told in this way alone, has the attribute ``is_watcher``.
    """

    def fit_begins(self, estimator: Any, fitted: Callable[..., Any], *, incremental: bool) -> None:
        """Called when the weights are drawn; ``incremental`` in `partial_fit`."""

    def epoch_ends(self, estimator: Any, fitted: Callable[..., Any]) -> None:
        """Called after each epoch or L-BFGS iteration."""

    def fit_ends(self, estimator: Any, fitted: Callable[..., Any], *, reason: str) -> None:
        """Called at the end of a fit that raised nothing; ``reason`` says in a few words why it ended."""


_watchers: tuple[Watcher, ...] = ()
_changing_watchers = threading.Lock()


@contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Tell ``watcher`` of every fit in this process, in whatever thread, that begins meanwhile."""
    global _watchers
    with _changing_watchers:
        _watchers = (*_watchers, watcher)
    try:
        yield
    finally:
        with _changing_watchers:
            _watchers = tuple(other for other in _watchers if other is not watcher)


class Watched(NoCallbacks):
    """Tells watchers how the fit of ``estimator`` goes, then whoever else wants to know."""

    active = True

    def __init__(
        self, estimator: Any, watchers: tuple[Watcher, ...], others: NoCallbacks, incremental: bool
    ) -> None:
        self._estimator, self._watchers, self._others = estimator, watchers, others
        self._incremental = incremental

    def begin(self, attributes: Attributes) -> None:
        for watcher in self._watchers:
            fitted = self._fitted(attributes)
            watcher.fit_begins(self._estimator, fitted, incremental=self._incremental)
        self._others.begin(attributes)

    def epoch_begins(self) -> None:
        self._others.epoch_begins()

    def epoch_ends(self, attributes: Attributes) -> bool:
        for watcher in self._watchers:
            watcher.epoch_ends(self._estimator, self._fitted(attributes))
        return self._others.epoch_ends(attributes)

    def end(self, attributes: Attributes, reason: str) -> None:
        for watcher in self._watchers:
            watcher.fit_ends(self._estimator, self._fitted(attributes), reason=reason)
        self._others.end(attributes, reason)

    def _fitted(self, attributes: Attributes) -> Callable[..., Any]:
        def fitted(**options: bool) -> Any:
            model = clone(self._estimator)
            model.__dict__.update(attributes(**options))
            return model

        return fitted


def callbacks_of(estimator: Any, data: tuple[Any, Any, dict[str, Any]] | None) -> NoCallbacks:
    """What a fit of ``estimator`` on ``data`` (X, y, and what else it was given) reports to.

    ``partial_fit`` has no data to report, and is not reported to scikit-learn's callbacks.
    """
    report = NoCallbacks()
    watchers = _watchers
    callbacks = getattr(estimator, "_skl_callbacks", None)
    if data is not None and callbacks:
        report = Callbacks(estimator, *data)
        watchers += tuple(one for one in callbacks if getattr(one, "is_watcher", False))
    return Watched(estimator, watchers, report, data is None) if watchers else report
