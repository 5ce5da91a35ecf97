"""Labels and outputs: which labels a classifier knows, what its output units are, which class an output stands for."""

from typing import Any

import numpy as np


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
