"""What all partitions have in common: found by a look at each, planned once, and the same for every task."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.utils import _safe_indexing
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import _check_sample_weight, _num_samples

from rustbp import _arrays
from rustbp._mapped import needs_conversion
from rustbp._training import packed
from rustbp._training.optimizer import Optimizer
from rustbp.partitions.part import column, named, parts, refuse_missing
from rustbp.partitions.scaling import batch_and_step, pieces_of

MOST_LABELS = 10_000
"""More are numbers that somebody took for classes."""
ORDER, HELD_OUT, DROPOUT, MIX = range(4)
"""What is drawn for a partition."""


def scan(
    X: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    classifies: bool,
    soft_targets: bool = False,
    partition: int | None = None,
) -> dict[str, Any]:
    """What has to be known of a partition before training: rows, weight, labels or the range of the targets.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features), or None
        Rows; None where only the targets are at hand. Or a whole partition: a tuple ``(X, y)`` or ``(X, y,
        sample_weight)``, or a function without arguments that returns one.

    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Labels or targets.

    sample_weight : array-like of shape (n_samples,), default=None
        Weights.

    classifies : bool
        Whether `y` has labels.

    soft_targets : bool, default=False
        Whether it has distributions over the classes.

    partition : int, default=None
        Its number, for errors.

    Returns
    -------
    found : dict
        ``rows``, ``weight``, ``weighted``; ``kind``, ``labels`` and ``counts``, or ``low``, ``high``, ``mean``,
        ``square``; and ``head``, the first row of X.
    """
    with named(partition):
        X, y, sample_weight = parts(X, y, sample_weight)
        if y is None:
            raise ValueError("A partition needs y beside X: (X, y) or (X, y, sample_weight).")
        y = column(y)
        if not y.ndim:
            raise ValueError(f"y must have a target for each row; got {y[()]!r}.")
        found: dict[str, Any] = {"rows": len(y), "weight": float(len(y)), "head": None}
        found["shape"] = y.shape[1:]
        if X is not None and _num_samples(X) != len(y):
            raise ValueError(f"X has {_num_samples(X)} rows, and y has {len(y)}.")
        if not len(y):
            return found
        if X is not None:
            found["head"] = head(X)
            width = 4 if _is_float32(X) else 8
            found["bytes"] = width * (X.nnz * 2 if hasattr(X, "nnz") else math.prod(X.shape))
        found["weighted"] = sample_weight is not None
        if sample_weight is not None:
            weight = _check_sample_weight(column(sample_weight), y)
            found["weight"] = float(weight.sum(dtype=np.float64))
        refuse_missing(y)
        if not classifies or soft_targets:
            numbers = y.reshape(len(y), -1)
            found |= {"low": numbers.min(axis=0), "high": numbers.max(axis=0)}
            if numbers.dtype.kind in "biuf":
                numbers = numbers.astype(np.float64, copy=False)
                found |= {"mean": numbers.mean(axis=0), "square": numbers.var(axis=0)}
            return found
        found["kind"] = type_of_target(y)
        if y.ndim == 2:
            return found | {"labels": np.arange(y.shape[1]), "counts": y.sum(axis=0)}
        labels, counts = np.unique(y, return_counts=True)
        if len(labels) > MOST_LABELS:
            raise ValueError(
                f"y has {len(labels)} different labels, more than {MOST_LABELS}: numbers, not classes. For numbers "
                "there are regressors."
            )
        return found | {"labels": labels, "counts": counts}


def head(X: Any, y: Any = None, sample_weight: Any = None) -> Any:
    """The first row of a partition, of the kind of X; None if it has none."""
    X, *_ = parts(X, y, sample_weight)
    if not _num_samples(X):
        return None
    return np.array(X[:1]) if needs_conversion(X) else _safe_indexing(X, [0])


def _chance(share: NDArray[Any], rows: float) -> float:
    """The total variation that rows drawn at random have (of normal deviations)."""
    return float(np.sqrt(2 * share * (1 - share) / (np.pi * max(rows, 1))).sum() / 2)


def mean_skew(scans: Sequence[dict[str, Any]]) -> float:
    """How different the partitions are, beyond chance: near 0 if rows are mixed, near 1 if they are sorted.

    Parameters
    ----------
    scans : sequence of dict
        What `scan` found in each.

    Returns
    -------
    skew : float
        Of labels, the total variation between those of a partition and all, on average over rows; of numbers, the
        share of their variance that is between partitions.
    """
    scans = [found for found in scans if found["rows"]]
    if not scans:
        return 0.0
    rows = np.array([found["rows"] for found in scans], dtype=np.float64)
    share = rows / rows.sum()
    if "labels" in scans[0]:
        labels = _labels(scans)
        counts = np.zeros((len(scans), len(labels)))
        for count, found in zip(counts, scans, strict=True):
            count[np.searchsorted(labels, found["labels"])] = found["counts"]
        of_all = counts.sum(axis=0) / max(counts.sum(), 1)
        own = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        skews = np.abs(own - of_all).sum(axis=1) / 2
        skews -= [_chance(of_all, n) for n in rows]
        return float(share @ np.maximum(skews, 0))
    if "mean" not in scans[0]:
        return 0.0
    means = np.array([found["mean"] for found in scans])
    inside = share @ np.array([found["square"] for found in scans])
    between = share @ (means - share @ means) ** 2
    return float(np.max(between / np.maximum(between + inside, np.finfo(np.float64).tiny)))


def _labels(scans: Sequence[dict[str, Any]]) -> NDArray[Any]:
    found = [one["labels"] for one in scans]
    kinds = {_kind(label) for label in found}
    if len(kinds) > 1:
        raise TypeError(
            f"Labels of all partitions must be of one kind; got {' and '.join(sorted(kinds))}."
        )
    labels = np.unique(np.concatenate(found))
    if len(labels) > MOST_LABELS:
        raise ValueError(
            f"y has {len(labels)} different labels, more than {MOST_LABELS}: numbers, not classes. For numbers there "
            "are regressors."
        )
    return labels


def _kind(labels: NDArray[Any]) -> str:
    if labels.dtype == object and all(isinstance(label, str) for label in labels):
        return "text"
    kinds = {"b": "numbers", "i": "numbers", "u": "numbers", "f": "numbers", "U": "text"}
    return kinds.get(labels.dtype.kind, labels.dtype.name)


def check_weights(scans: Sequence[dict[str, Any]]) -> None:
    """Refuse weights that some partitions have and others lack."""
    weighted = [found.get("weighted", False) for found in scans if found["rows"]]
    if any(weighted) and not all(weighted):
        raise ValueError(
            f"Either all partitions have weights, or none; got weights in {sum(weighted)} of {len(weighted)}."
        )


def check_columns(model: Any, parts: dict[int, Any]) -> None:
    """Refuse a partition whose X does not have the columns of the first; parts are some rows of each."""
    model = model._copy()
    for number, X in parts.items():
        with named(number):
            _arrays.validated(model, X, reset=number == next(iter(parts)))


def stub(scans: Sequence[dict[str, Any]], first: Any, model: Any, classes: Any) -> tuple[Any, Any]:
    """A few rows that have all labels, or the whole range of targets, from which an estimator learns what it has to
    know before its first epoch; ``first`` is a row of X."""
    scans = [found for found in scans if found["rows"]]
    shapes = {found["shape"] for found in scans}
    if len(shapes) > 1:
        raise ValueError(f"y must have the same columns in all partitions; got {sorted(shapes)}.")
    (shape,) = shapes
    if not is_classifier(model):
        y = np.stack([np.min([found["low"] for found in scans], axis=0)] * 2)
        y[1] = np.max([found["high"] for found in scans], axis=0)
        y = y if shape else y[:, 0]
    elif model.soft_targets:
        y = np.full((2, *shape), 1 / max(shape[0] if shape else 1, 1))
    else:
        kinds = {found["kind"] for found in scans}
        if shape and kinds <= {"multilabel-indicator"}:
            y = np.stack([np.zeros(shape, dtype=np.int64), np.ones(shape, dtype=np.int64)])
        else:
            y = _labels(scans)
            if classes is not None:
                others = np.setdiff1d(y, classes)
                if len(others):
                    raise ValueError(f"y has labels that classes does not name: {others}.")
                y = np.unique(classes)
            y = y.reshape(len(y), *([1] * len(shape)))
    return _safe_indexing(first, [0] * len(y)), y


@dataclass(frozen=True)
class Plan:
    """What every task is told beside its partition; `plan` makes one.

    Attributes
    ----------
    model : estimator
        The local estimator, which knows labels and features and has no weights.
    settings : dict
        What the core makes of its parameters.
    layer_sizes : list of int
        Neurons of each layer, the inputs first.
    dtype : str
        Of the weights and of training: 'float32' or 'float64'.
    seed : int
        From ``random_state``.
    replicas : int
        How many partitions are trained on side by side.
    batch_size : int
        Rows of a mini-batch of one replica.
    pieces : int
        How many rounds a partition is trained on in, a piece in each.
    step_factor, step_bound : float
        What a step size is multiplied with, and may be at most if it is smaller itself.
    held_out : float
        Share of each partition that is held out for early stopping.
    """

    model: Any
    settings: dict[str, Any]
    layer_sizes: list[int]
    dtype: str
    seed: int
    replicas: int
    batch_size: int
    pieces: int
    step_factor: float
    step_bound: float
    held_out: float

    @property
    def network(self) -> dict[str, Any]:
        """What the core calls activations and cost."""
        names = ("activation", "output_activation", "cost", "cost_parameter", "label_smoothing")
        return {name: self.settings[name] for name in names}

    def rng(self, what: int, partition: int, epoch: int = 0) -> np.random.Generator:
        """The source of what is random for a partition in an epoch."""
        # The generator counts in the first word.
        return np.random.Generator(
            np.random.Philox(key=self.seed, counter=[0, what, partition, epoch])
        )

    def step(self, step: Any) -> Any:
        """A step size of the local estimator, or several, as a replica makes it."""
        return np.minimum(step * self.step_factor, np.maximum(step, self.step_bound))

    def split(self, rows: int, partition: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The rows of a partition that are trained on, and those that are held out."""
        order = self.rng(HELD_OUT, partition).permutation(rows)
        n_held_out = round(self.held_out * rows)
        return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])

    def piece(self, order: NDArray[np.int64], number: int) -> NDArray[np.int64]:
        """The rows of a partition that a round of these trains on: whole mini-batches."""
        n_batches = -(-len(order) // self.batch_size)
        first, last = (
            self.batch_size * (n_batches * i // self.pieces) for i in (number, number + 1)
        )
        return order[first:last]

    def n_batches(self, rows: int) -> int:
        """Mini-batches of a partition with so many rows."""
        return -(-(rows - round(self.held_out * rows)) // self.batch_size)

    def rows(self, X: Any, y: Any, sample_weight: Any, *, scored: bool = False) -> _arrays.Rows:
        """A partition as the core takes it; ``scored``: weighed for scores, not for training."""
        model = self.model._copy()
        model.warm_start = False
        X, y = model._encode(X, column(y), incremental=True, reset=False)
        if model.n_outputs_ != self.layer_sizes[-1]:
            raise ValueError(f"y has {model.n_outputs_} outputs; expected {self.layer_sizes[-1]}.")
        weight = None
        if sample_weight is not None:
            weight = _check_sample_weight(column(sample_weight), X)
        if not scored:
            weight = model._training_weight(y, weight, incremental=True)
        return _arrays.Rows(X, y, weight).in_dtype(np.dtype(self.dtype))


def plan(
    estimator: Any,
    scans: Sequence[dict[str, Any]],
    *,
    replicas: int = 8,
    head: Any = None,
    classes: Any = None,
) -> Plan:
    """What every task is to be told.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Its parameters count. It is not changed.

    scans : sequence of dict
        What `scan` found in each partition, in their order.

    replicas : int, default=8
        How many partitions are trained on side by side, before their weights are averaged.

    head : object, default=None
        The first row of a partition, where `scan` was given no X.

    classes : array-like, default=None
        Every label that will occur, where partitions may lack some.

    Returns
    -------
    plan : Plan
        It can be pickled, and sent to all tasks.

    Raises
    ------
    ValueError
        If there are no rows, or partitions do not agree.
    """
    model = estimator._copy()
    prepare(model, scans, head=head, classes=classes, incremental=False)
    model._optimizer = Optimizer.of(model)
    return plan_of(model, scans, replicas)


def prepare(
    model: Any,
    scans: Sequence[dict[str, Any]],
    *,
    incremental: bool,
    head: Any = None,
    classes: Any = None,
    given: tuple[Any, Any] = (None, None),
) -> Any:
    """Have ``model``, which is changed, know labels and features, and have weights: what `fit` does before its first
    epoch, of all its rows at once. Returns what it says of them."""
    check_weights(scans)
    heads = [found["head"] for found in scans if found["head"] is not None]
    if head is None:
        if not heads:
            raise ValueError("There are no rows in any partition.")
        # The widest dtype decides, as in one array.
        head = next((row for row in heads if not _is_float32(row)), heads[0])
    vars(model).pop("_unfinished", None)
    X, y = stub(scans, head, model, classes)
    return model._prepare(X, y, None, incremental=incremental, given=given)


def _is_float32(X: Any) -> bool:
    return getattr(X, "dtype", None) == np.float32 or _arrays.is_float32_table(X)


def plan_of(
    model: Any,
    scans: Sequence[dict[str, Any]],
    replicas: int,
    *,
    holds_out: bool = True,
    seed: int | None = None,
) -> Plan:
    """The plan for a model that has been prepared, with its optimizer; ``seed`` of a fit to go on with."""
    rows = sum(found["rows"] for found in scans)
    n_parts = sum(found["rows"] > 0 for found in scans)
    replicas = max(1, min(replicas, n_parts))
    own, factor, bound = batch_and_step(model, replicas, rows)
    # Steps come with each task, from a schedule that may be of this process alone.
    template = type(model)(**model.get_params(deep=False) | {"schedule": None})
    names = ("classes_", "_label_binarizer", "n_outputs_", "out_activation_", "n_features_in_")
    for name in (*names, "feature_names_in_"):
        if hasattr(model, name):
            setattr(template, name, getattr(model, name))
    if getattr(model, "class_weight", None) == "balanced":
        template.class_weight = _balanced(model, scans)
    seed = model.random_state if seed is None else seed
    if not isinstance(seed, int | np.integer):
        seed = model._random_state.randint(2**31 - 1)
    template.random_state = int(seed)
    holds_out = holds_out and model.early_stopping and model.solver != "lbfgs"
    return Plan(
        model=template,
        settings=packed.settings_of(model),
        layer_sizes=packed.layer_sizes_of(model),
        dtype=packed.dtype_of(model).name,
        seed=int(seed),
        replicas=replicas,
        batch_size=own,
        pieces=pieces_of(replicas, n_parts, rows, own),
        step_factor=factor,
        step_bound=bound,
        held_out=model.validation_fraction if holds_out else 0.0,
    )


def _balanced(model: Any, scans: Sequence[dict[str, Any]]) -> Any:
    """The weights of scikit-learn's 'balanced': rows / (classes * rows of the class)."""
    scans = [found for found in scans if found["rows"]]
    rows = sum(found["rows"] for found in scans)
    if scans[0]["shape"]:
        ones = sum(np.asarray(found["counts"], dtype=np.float64) for found in scans)
        pairs = [(rows - n, n) for n in ones]
        return [
            {label: rows / (sum(m > 0 for m in pair) * n) for label, n in enumerate(pair) if n}
            for pair in pairs
        ]
    counts = dict.fromkeys(model.classes_.tolist(), 0)
    for found in scans:
        for label, n in zip(found["labels"].tolist(), found["counts"].tolist(), strict=True):
            counts[label] += n
    present = sum(n > 0 for n in counts.values())
    return {label: rows / (present * n) for label, n in counts.items() if n}
