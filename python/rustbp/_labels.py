"""Labels and outputs: which labels a classifier knows, what its output units are, which class an output stands for."""

from typing import Any

import numpy as np
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import type_of_target, unique_labels

from rustbp import _arrays

ROUNDING = 0.02
"""What the sum of a distribution may be off by, as that of rounded numbers is."""


def encode(model: Any, y: Any, *, incremental: bool, reset: bool) -> Any:
    """Class indices (n,), or a matrix (n, n_outputs); sets what depends on the labels."""
    known = hasattr(model, "classes_") and (model.warm_start or incremental)
    if model.soft_targets:
        return _distributions(model, y, known=known, reset=reset)
    y = _arrays.column(_arrays.native(y))
    if not known:
        try:
            model._label_binarizer = LabelBinarizer().fit(y)
        except ValueError as error:
            if type_of_target(y).startswith("continuous"):
                raise ValueError(
                    f"{error}: numbers, not classes. For numbers there is MLPRegressor."
                ) from None
            raise
        model.classes_ = model._label_binarizer.classes_
    elif model.warm_start or not surely_known(y, model.classes_):
        refuse_others(unique_labels(y), model.classes_, all_of_them=model.warm_start)
    kind = model._label_binarizer.y_type_
    if reset:
        model.out_activation_ = output_activation(model, kind)
        model._learnt_output = learnt_of(model, kind)
    output = model.out_activation_
    if kind.startswith("multilabel") or y.ndim == 2:
        # The binarizer refuses a matrix where single labels were fitted, and the reverse.
        y = model._label_binarizer.transform(y)
        model.n_outputs_ = y.shape[1]
        return y
    n_classes = len(model.classes_)
    model.n_outputs_ = n_classes if kind == "multiclass" or output == "softmax" else 1
    return np.searchsorted(model.classes_, y)


def _distributions(model: Any, y: Any, *, known: bool, reset: bool) -> Any:
    """A distribution over the classes for each row, its sum exactly 1."""
    if model.loss != "log_loss" or model.output_activation == "logistic":
        raise ValueError(
            "soft_targets=True needs loss='log_loss' and output units whose sum is 1: output_activation=None or "
            f"'softmax'. Got loss={model.loss!r} and output_activation={model.output_activation!r}."
        )
    if model.class_weight is not None:
        raise ValueError(
            "class_weight weighs labels, and soft_targets=True takes distributions over the classes: weigh the rows, "
            f"with sample_weight. Got class_weight={model.class_weight!r}."
        )
    y = _arrays.dense(y)
    if y.ndim != 2 or y.shape[1] < 2:
        raise ValueError(
            "soft_targets=True takes a distribution over two or more classes for each row: y of shape (n_samples, "
            f"n_classes). Got an array of shape {y.shape}."
        )
    y = np.asarray(y, dtype=y.dtype if y.dtype.kind == "f" else np.float64)
    sums = y.sum(axis=1, keepdims=True)
    wrong = (np.abs(sums[:, 0] - 1) > ROUNDING) | (y < 0).any(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            "soft_targets=True takes rows of numbers from 0 on whose sum is 1. "
            f"Row {row} of y is {np.array2string(y[row], threshold=8)}, with the sum {sums[row, 0]:g}."
        )
    if not known:
        model._label_binarizer = LabelBinarizer().fit(np.arange(y.shape[1]))
        model.classes_ = model._label_binarizer.classes_
    elif y.shape[1] != len(model.classes_):
        raise ValueError(
            f"y has {y.shape[1]} columns, and the model knows {len(model.classes_)} classes."
        )
    if reset:
        model.out_activation_ = model._learnt_output = "softmax"
    elif model.out_activation_ != "softmax":
        raise ValueError(
            "soft_targets=True cannot go on from a model whose outputs are those of "
            f"{model.out_activation_!r} units; it needs 'softmax'."
        )
    model.n_outputs_ = y.shape[1]
    return y / sums


def class_weights(model: Any, y: Any, *, incremental: bool) -> Any:
    """What `class_weight` weighs each row with, by scikit-learn's ``compute_sample_weight``; y as `encode` gave it."""
    labels = y if y.ndim == 2 else model.classes_[y]
    if incremental:
        # To these, one row of each class, because a batch may lack some that have a weight.
        others = (
            np.arange(2)[:, np.newaxis].repeat(y.shape[1], axis=1)
            if y.ndim == 2
            else model.classes_
        )
        labels = np.concatenate((labels, others))
    return compute_sample_weight(model.class_weight, labels)[: len(y)]


def columns(y: Any, classes: Any) -> Any:
    """The classes that the columns of the first distributions stand for: 0, 1, ... where none are named."""
    if classes is None:
        # Of another shape, y is refused later.
        return np.arange(np.shape(y)[1] if np.ndim(y) == 2 else 2)
    if list(classes) != sorted(set(classes)):
        raise ValueError(
            "With soft_targets=True, classes must be sorted and without doubles: column j of y is that "
            f"of classes[j]. Got {classes!r}."
        )
    return classes


def most_probable(y: Any, classes: Any) -> Any:
    """The labels that distributions give the largest share."""
    y = np.asarray(y)
    if y.shape[1] != len(classes):
        raise ValueError(f"y has {y.shape[1]} columns, and the model knows {len(classes)} classes.")
    return classes[y.argmax(axis=1)]


def divides(model: Any) -> bool:
    """Whether probabilities are outputs divided by their sum: of logistic units, one for each of several classes, where
    the fit was asked for them."""
    return (
        learnt_output(model, "multiclass") == model.out_activation_ == "logistic"
        and model._label_binarizer.y_type_ == "multiclass"
    )


def is_sure(model: Any) -> bool:
    """Whether there is a single class, whose output is the softmax of itself alone."""
    asked = learnt_output(model, "binary")
    return asked == model.out_activation_ == "softmax" and len(model.classes_) == 1


def learnt_of(model: Any, kind: str) -> str | None:
    """What a fit to targets of this kind keeps for `learnt_output`: nothing for several labels per row, whose outputs
    are always shown as they are."""
    return None if kind.startswith("multilabel") else output_activation(model, kind)


def learnt_output(model: Any, kind: str) -> str:
    """Name of the activation that the fit gave the output units, whatever parameters and attributes are by now."""
    learnt = vars(model).get("_learnt_output")
    # One put together by hand, or by an older version, does not say.
    return output_activation(model, kind) if learnt is None else learnt


def surely_known(y: Any, classes: Any) -> bool:
    """Whether all labels certainly have outputs; a quick look, for streams of few rows."""
    if y.ndim != 1 or y.dtype != classes.dtype or y.dtype.kind not in "biuU":
        return False
    index = np.searchsorted(classes, y)
    return bool((classes.take(index, mode="clip") == y).all())


def refuse_others(labels: Any, classes: Any, *, all_of_them: bool) -> None:
    """Refuse labels that the weights have no outputs for; with a warm start, also ``classes`` without a label."""
    if all_of_them:
        if set(labels) != set(classes):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {classes}, `y` has {labels}"
            )
    elif len(np.setdiff1d(labels, classes, assume_unique=True)):
        raise ValueError(
            "`y` has classes not in `self.classes_`. "
            f"`self.classes_` has {classes}. 'y' has {labels}."
        )


def output_activation(model: Any, kind: str) -> str:
    """Name of the activation of the output units for targets of this kind."""
    if model.output_activation == "softmax" and kind.startswith("multilabel"):
        raise ValueError(
            "output_activation='softmax' makes the outputs of a row sum to one, which several "
            "labels per row do not; use 'logistic' or None."
        )
    if model.output_activation is not None:
        return model.output_activation
    return "softmax" if kind == "multiclass" and model.loss == "log_loss" else "logistic"


def decide(output: Any) -> Any:
    """Index of the class of each row, from one output per class or the one output of two classes."""
    if output.shape[1] == 1:
        return (output[:, 0] > 0.5).astype(np.intp)
    return output.argmax(axis=1)
