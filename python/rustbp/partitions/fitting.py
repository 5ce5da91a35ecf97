"""A fit over partitions on any engine: the loop over epochs, stopping rules and reports are those of the local fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import is_classifier

from rustbp import _arrays
from rustbp._training import epochs, lbfgs
from rustbp._training.callbacks import callbacks_of
from rustbp._training.optimizer import Optimizer
from rustbp._training.validation import NOTHING, Given, Validation
from rustbp._typing import MatrixLike
from rustbp.partitions.planning import Plan, plan_of, prepare, scan
from rustbp.partitions.rounds import Rounds, Scores, Summed
from rustbp.partitions.scores import check_scoring


class Engine:
    """Runs tasks: here, one after another. Engines of clusters are subclasses.

    A task is a function and its arguments, of which some are what `submit` returned for others. It may be run anywhere,
    any number of times.
    """

    n_threads: int | None = 1
    """Threads of the core in each task; results do not depend on it."""

    def submit(self, function: Any, *args: Any, **options: Any) -> Any:
        """Have a function called, some day.

        Parameters
        ----------
        function : callable
            A function of a module.

        *args : object
            Values, or what `submit` returned.

        **options : object
            Values.

        Returns
        -------
        handle : object
            Stands for the result.
        """
        return function(*args, **options)

    def gather(self, handles: Sequence[Any]) -> list[Any]:
        """The results, when they are there.

        Parameters
        ----------
        handles : sequence
            What `submit` returned.

        Returns
        -------
        results : list
            In the same order.
        """
        return list(handles)

    def arranged(self, parts: Sequence[Any]) -> Sequence[int]:
        """Asked before tasks are submitted that need a state and a part each.

        Parameters
        ----------
        parts : sequence of tuple
            What they are given of the partitions, as `fit` was.

        Returns
        -------
        order : sequence of int
            The numbers of the parts, in the order in which to submit their tasks.
        """
        return range(len(parts))

    def round_ends(self, state: Any) -> None:
        """Told of the state after each round, so that not too many rounds are submitted at once.

        Parameters
        ----------
        state : object
            Its handle.
        """

    def may_stay(self) -> bool:
        """Asked before each epoch but the first.

        Returns
        -------
        stays : bool
            Whether the epoch may begin with the last one's state as it is there. Else the state is brought here, and
            sent from here, so that nothing older is needed to make anew what is lost: the safe way, and the default.
        """
        return False


@dataclass
class Partitions:
    """Rows that are elsewhere: what the engine hands to a task for each part; what a scan found there; parts to
    validate on; and what gives the epochs, of a model and its plan, if it is not rounds."""

    data: Sequence[Any]
    scans: Sequence[dict[str, Any]] | None = None
    head: Any = None
    validation: Sequence[Any] | None = None
    batches: Any = None


def fit(
    estimator: Any,
    data: Sequence[Any],
    *,
    engine: Engine | None = None,
    replicas: int = 8,
    X_val: MatrixLike | None = None,
    y_val: ArrayLike | None = None,
    sample_weight_val: ArrayLike | None = None,
) -> Any:
    """Train an estimator on partitions, on any engine.

    `replicas` copies of the network each train on their own block of neighbouring partitions: in each round on one
    of them, after which weights and moments are averaged. The result depends on the partitions, `replicas` and
    ``random_state`` only. Batches and steps are scaled so that equally many epochs lead about as far as `fit`'s.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Trained, as by its `fit`.

    data : sequence
        What the engine hands to a task for each partition: a tuple ``(X, y)`` or ``(X, y, sample_weight)`` of arrays or
        of the engine's handles to them; or a function without arguments that reads such a tuple where the task runs.

    engine : Engine, default=None
        What runs tasks; None: this process.

    replicas : int, default=8
        Networks that are trained side by side; no more than there are partitions.

    X_val, y_val, sample_weight_val : array-like, default=None
        Rows to validate on, as in `fit`.

    Returns
    -------
    estimator : object
        The same, fitted.

    Raises
    ------
    ValueError, TypeError
        If partitions do not agree, hold NaN, or fit no estimator; the message names the partition.

    Examples
    --------
    >>> from rustbp import MLPClassifier, partitions
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> data = [(X[i::16] / 16, y[i::16]) for i in range(16)]
    >>> model = MLPClassifier(max_iter=30, n_iter_no_change=30, random_state=0)
    >>> import warnings
    >>> with warnings.catch_warnings(action="ignore"):
    ...     _ = partitions.fit(model, data, replicas=4)
    >>> bool(model.score(X / 16, y) > 0.95)
    True
    """
    if isinstance(estimator, type) or not hasattr(estimator, "_adopt"):
        raise TypeError(
            f"estimator must be an MLPClassifier or an MLPRegressor; got {estimator!r}."
        )
    if not isinstance(replicas, Integral) or replicas < 1:
        raise ValueError(f"replicas must be an integer from 1 on; got {replicas!r}.")
    estimator._validate_params()
    parts = [part if isinstance(part, tuple) else (part,) for part in data]
    validation = Given(X_val, y_val, sample_weight_val)
    if engine is None:
        engine = Engine()
        engine.n_threads = estimator.n_threads
    model = run(estimator, Partitions(parts), engine, replicas=replicas, validation=validation)
    estimator._adopt(model)
    return estimator


def scans_of(estimator: Any, data: Sequence[Any], engine: Engine) -> list[dict[str, Any]]:
    """What a scan finds in each partition."""
    kind = {
        "classifies": is_classifier(estimator),
        "soft_targets": getattr(estimator, "soft_targets", False),
    }
    handles = [engine.submit(scan, *part, **kind, partition=i) for i, part in enumerate(data)]
    return engine.gather(handles)


def run(
    estimator: Any,
    parts: Partitions,
    engine: Engine,
    *,
    replicas: int,
    incremental: bool = False,
    classes: Any = None,
    given: tuple[Any, Any] = (None, None),
    validation: Given = NOTHING,
) -> Any:
    """A copy of ``estimator``, trained, for it to adopt: the order of a fit is that of the local one."""
    scans = scans_of(estimator, parts.data, engine) if parts.scans is None else parts.scans
    model = estimator._copy()
    report = callbacks_of(estimator, None if incremental else (parts.data, None, {}))
    unfinished, source = vars(model).pop("_unfinished", None), getattr(model, "_random_state", None)
    if incremental or model.solver == "lbfgs" or any(weights is not None for weights in given):
        unfinished = None
    task = prepare(
        model, scans, head=parts.head, classes=classes, incremental=incremental, given=given
    )
    if task.first:
        unfinished = None
    stored = task.stored
    if unfinished is not None:
        model._random_state = source
        stored = np.dtype(np.float32) if unfinished.single else stored
    others = validation.encoded(model)
    report.begin(model._fitted_attributes)
    optimizer = getattr(model, "_optimizer", None)
    goes_on = incremental or unfinished is not None
    if not goes_on or not isinstance(optimizer, Optimizer):
        model._optimizer = Optimizer.of(model)
    is_judged = others is not None or parts.validation is not None
    plan = plan_of(
        model,
        scans,
        replicas,
        holds_out=not (is_judged or incremental),
        seed=unfinished.parts[0] if unfinished is not None and unfinished.parts else None,
    )
    if unfinished is not None:
        unfinished.check_parts(plan.replicas, len(scans))
    judges: Any = None
    if others is not None:
        judges = Validation(others.in_dtype(task.rows.X.dtype), validation.X, validation.y)
    elif parts.validation is not None:
        check_scoring(model)
        judges = Scores(plan, parts.validation, engine, held_out=False)
    elif plan.held_out:
        check_scoring(model)
        if sum(round(plan.held_out * found["rows"]) for found in scans) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        judges = Scores(plan, parts.data, engine, held_out=True)
    told: dict[str, Any] = {"report": report, "validation": judges, "stored": stored}
    model.partition_spec_ = spec_of(plan, scans)
    if model.solver == "lbfgs":
        objective: Any = Summed(model, plan, parts.data, engine)
        reason = lbfgs.train(model, objective, **told)
        for name in ("_packed", "_optimizer"):
            vars(model).pop(name, None)
    else:
        rows = [found["rows"] for found in scans]
        reason = epochs.train(
            model,
            lambda index: (
                Rounds(model, plan, parts.data, rows, engine, once=incremental)
                if parts.batches is None
                else parts.batches(model, plan, index)
            ),
            unfinished=unfinished,
            first=task.first,
            incremental=incremental,
            **told,
        )
    if task.rows.X.dtype != stored:
        model.coefs_, model.intercepts_ = _arrays.layers(model.coefs_, model.intercepts_, stored)
    report.end(model._fitted_attributes, reason)
    return model


def spec_of(plan: Plan, scans: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the rule for batches and steps made of the parameters."""
    return {
        "partitions": len(scans),
        "rows": sum(found["rows"] for found in scans),
        "replicas": plan.replicas,
        "averages": plan.pieces * -(-sum(found["rows"] > 0 for found in scans) // plan.replicas),
        "batch_size": plan.batch_size,
        "learning_rate_init": float(plan.step(plan.model.learning_rate_init)),
    }
