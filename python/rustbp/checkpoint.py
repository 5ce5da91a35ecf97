"""Model files written while a fit runs, from which it goes on should it be killed."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from numbers import Integral
from typing import Any

from rustbp._training.callbacks import watching


class Checkpoint:
    """Writes a model file after every so many epochs of training.

    There are two ways to turn it on.

    - ``with Checkpoint(path): model.fit(X, y)`` works with every scikit-learn, and with loops over `partial_fit`.
    - ``model.set_callbacks(Checkpoint(path))``, scikit-learn 1.9 and newer.

    A fit that was killed goes on from its last checkpoint, bit for bit as if it had not been:
    ``rustbp.load(path).set_params(warm_start=True).fit(X, y)``, with the same rows, chunks or partitions (on Dask
    after ``DaskMLPClassifier.from_local``). The file has what that takes beside the weights of the epoch: the
    optimizer's state, the curves, the best weights so far, the order of the rows and which are held out, and the state
    of the random numbers. It is a model like any other, too, and predicts as it would have at that epoch.

    The end of a fit leaves the last checkpoint as it is, so that the same lines give the same model again;
    ``model.save`` keeps the fitted one. A model that cannot be saved, because `scoring` is a callable, say, cannot be
    fitted with checkpoints either. With solver='lbfgs', whose state is SciPy's, the weights are kept, and the
    search starts anew from them.

    Parameters
    ----------
    path : str, bytes or os.PathLike
        The file. It is replaced in one step, so that it is whole at any moment. One file is for one fit at a time.

    every : int, default=1
        Epochs, L-BFGS iterations or calls of `partial_fit` from one file to the next.

    Raises
    ------
    TypeError, ValueError
        If `path` is no path, or `every` no integer from 1 on.

    See Also
    --------
    rustbp.load : Reads the file.

    Examples
    --------
    >>> import os, tempfile, rustbp
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = rustbp.MLPClassifier(max_iter=500, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "checkpoint")
    ...     with rustbp.Checkpoint(path, every=50):
    ...         model = model.fit(X, y)
    ...     again = rustbp.load(path).set_params(warm_start=True).fit(X, y)
    >>> again.loss_curve_ == model.loss_curve_
    True
    """

    is_watcher = True

    def __init__(self, path: Any, every: int = 1) -> None:
        if not isinstance(every, Integral) or isinstance(every, bool):
            raise TypeError(f"every must be an integer; got {every!r}")
        if every < 1:
            raise ValueError(f"every must be at least 1; got {every}")
        self.path: str = os.fsdecode(path)
        self.every: int = int(every)
        self._epochs = 0
        self._stack = ExitStack()

    def __enter__(self) -> "Checkpoint":
        self._stack.enter_context(watching(self))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "every": self.every}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)

    # ---- what the estimators tell, see `callbacks.Watcher` ----

    def fit_begins(self, estimator: Any, fitted: Callable[..., Any], *, incremental: bool) -> None:
        if not incremental:
            self._epochs = 0

    def epoch_ends(self, estimator: Any, fitted: Callable[..., Any]) -> None:
        self._epochs += 1
        if self._epochs % self.every == 0:
            fitted(to_go_on=True).save(self.path)

    def fit_ends(self, estimator: Any, fitted: Callable[..., Any], *, reason: str) -> None: ...

    # ---- scikit-learn's callback protocol: it hands the checkpoint on, and need not call it ----

    def setup(self, estimator: Any, context: Any) -> None: ...
    def teardown(self, estimator: Any, context: Any) -> None: ...
    def on_fit_task_begin(self, estimator: Any, context: Any) -> None: ...
    def on_fit_task_end(self, estimator: Any, context: Any) -> None: ...
