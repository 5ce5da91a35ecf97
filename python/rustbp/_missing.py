"""Attributes that a model may lack: one put together by hand, made small for its pickle, or of an older version.

What follows from the weights is filled in; of the rest an AttributeError says what it is and where to get it.
"""

import inspect
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

_WEIGHTS = {
    "coefs_": "the weights, a list of arrays of the shapes (fan_in, fan_out)",
    "intercepts_": "the biases, a list of arrays of the shapes (fan_out,)",
    "out_activation_": "the activation of the output units: 'softmax' for three or more classes, 'logistic' for two "
    "classes or several labels, 'identity' for a regressor ('exp' with loss='poisson')",
    "classes_": "the labels, sorted: numpy.unique(y)",
    "_label_binarizer": "what knows the labels: sklearn.preprocessing.LabelBinarizer().fit(y)",
    "n_features_in_": "the number of columns of X",
    "n_layers_": "len(coefs_) + 1",
    "n_outputs_": "the number of output units",
}
_PROGRESS = (
    "n_iter_",
    "t_",
    "loss_",
    "loss_curve_",
    "best_loss_",
    "validation_scores_",
    "best_validation_score_",
    "validation_loss_curve_",
    "best_epoch_",
    "learning_rate_curve_",
)
_NOT_NONE = (
    *_WEIGHTS,
    "feature_names_in_",
    "n_iter_",
    "t_",
    "loss_",
    "loss_curve_",
    "validation_loss_curve_",
    "best_epoch_",
    "_no_improvement_count",
    "_optimizer",
    "_unfinished",
    "_random_state",
)

LEARNT = ("_learnt_quantiles", "_learnt_output")
"""What the parameters said of the outputs in the fit, which predictions go by, whatever they are set to since."""


def where_from(name: str) -> str | None:
    """What to say to someone who looks for a fitted attribute that is not there; None for other names."""
    if name in _WEIGHTS:
        return f"A fit sets it; a model put together by hand needs it too: {_WEIGHTS[name]}."
    if name in _PROGRESS:
        return (
            "A fit sets it, at its end. To follow one that runs: rustbp.TrainingMonitor, rustbp.record_fit, or a "
            "callback (set_callbacks)."
        )
    return None


def default_of(kind: type, name: str) -> Any:
    """The default of a constructor's parameter; ``inspect.Parameter.empty`` where there is none."""
    parameter = _parameters(kind).get(name)
    return inspect.Parameter.empty if parameter is None else parameter.default


# A fit asks for several attributes that need not be there, and to read a signature takes longer than a small epoch.
@lru_cache(maxsize=64)
def _parameters(kind: type) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(kind).parameters


def changed(model: Any, names: Iterable[str]) -> list[str]:
    """Those of the constructor's parameters of these names that are not at their defaults, as ``name=value``."""
    kind = type(model)
    values = {
        name: getattr(model, name)
        for name in names
        if default_of(kind, name) is not inspect.Parameter.empty
    }
    return [
        f"{name}={value!r}"
        for name, value in values.items()
        if not np.array_equal(value, default_of(kind, name))
    ]


def complete(model: Any) -> Any:
    """Fill in, in a copy of a fitted model, what follows from its weights; None counts as not there.

    Raises
    ------
    AttributeError
        If there are no weights or biases.

    ValueError
        If the weights are no matrices.
    """
    state = vars(model)
    packed = state.get("_packed")
    if packed is None and "coefs_" not in state:
        return model
    weights = ("coefs_", "intercepts_")
    if packed is not None and any(state.get(name, ...) is None for name in weights):
        # What takes the place of the one may not bring back the other.
        del state["_packed"]
        state.update({**dict(zip(weights, packed.weights(), strict=True)), **state})
        packed = None
    for name in _NOT_NONE:
        if name in state and state[name] is None:
            del state[name]
    as_packed = packed is not None and "coefs_" not in state and not packed.weights_are_out
    shapes = (
        list(pairwise(packed.layer_sizes))
        if as_packed
        else [np.shape(coef) for coef in model.coefs_]
    )
    for layer, shape in enumerate(shapes):
        if len(shape) != 2:
            raise ValueError(f"coefs_[{layer}] must have 2 dimensions; got {len(shape)}")
    if not shapes:
        raise ValueError("coefs_ must hold the weights of at least one layer; got none")
    if not as_packed:
        _ = model.intercepts_
    model.n_layers_ = len(shapes) + 1
    model.n_outputs_ = shapes[-1][1]
    state.setdefault("n_features_in_", shapes[0][0])
    state.setdefault("n_iter_", 0)
    state.setdefault("t_", 0)
    if "_label_binarizer" in state:
        state.setdefault("classes_", model._label_binarizer.classes_)
    return model
