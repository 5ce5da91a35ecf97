"""An estimator as a document and arrays, and back. The document is what `src/format` describes and checks."""

from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import check_random_state

from rustbp import _core, _labels, _quantiles
from rustbp._io.arrays import Arrays, add_layers, layers_of
from rustbp._io.labels import labels_of, restore_labels
from rustbp._io.registry import ESTIMATORS
from rustbp._io.training_state import (
    optimizer_of,
    random_state_of,
    restore_optimizer,
    restore_random_state,
    restore_unfinished,
    unfinished_of,
)
from rustbp._io.values import decode, encode
from rustbp._missing import LEARNT

FORMAT = 1
_COUNTS = ("n_iter_", "t_", "_no_improvement_count", "best_epoch_")
_SCORES = ("loss_", "best_loss_", "best_validation_score_")
_CURVES = ("loss_curve_", "validation_scores_", "validation_loss_curve_", "learning_rate_curve_")


def take_apart(model: Any) -> tuple[dict[str, Any], Arrays]:
    """What a model file holds of ``model``."""
    name = type(model).__name__
    if ESTIMATORS.get(name) is not type(model):
        raise TypeError(
            "A model file can hold an MLPClassifier or an MLPRegressor, but no subclass, whose code it "
            f"cannot hold; got {type(model).__qualname__}."
        )
    _check_parameters(model)
    _check_outputs(model)
    params = {
        name: encode(value, f"parameter {name!r}")
        for name, value in model.get_params(deep=False).items()
    }
    arrays: Arrays = {}
    add_layers(arrays, "", model.coefs_, model.intercepts_)
    if hasattr(model, "feature_names_in_"):
        names = [str(name).encode() for name in model.feature_names_in_]
        arrays["feature_names_in_.text"] = np.frombuffer(b"".join(names), dtype=np.uint8)
        arrays["feature_names_in_.ends"] = np.cumsum([len(name) for name in names], dtype=np.uint64)
    document = {
        "format": FORMAT,
        "writer": f"rustbp {_core.__version__}",
        "class": name,
        "params": params,
        "fitted": _fitted(model, arrays),
        "labels": labels_of(model, arrays),
        "optimizer": optimizer_of(model, arrays),
        "random_state": random_state_of(model, arrays),
    }
    unfinished = unfinished_of(model, arrays)
    if unfinished is not None:
        document["unfinished"] = unfinished
    return document, arrays


def put_together(document: dict[str, Any], arrays: Arrays) -> Any:
    """The model that `take_apart` made the two of."""
    kind = ESTIMATORS[document["class"]]
    unknown = set(document["params"]) - set(kind._get_param_names())
    if unknown:
        raise ValueError(
            f"{document['writer']} wrote it with parameters that this version does not have: "
            f"{', '.join(map(repr, sorted(unknown)))}"
        )
    generator = restore_random_state(document.get("random_state"), arrays)
    params = {name: decode(value, generator) for name, value in document["params"].items()}
    model = kind(**params)
    _check_parameters(model)
    model.coefs_, model.intercepts_ = layers_of(arrays, "")
    model.n_layers_ = len(model.coefs_) + 1
    model.n_features_in_ = model.coefs_[0].shape[0]
    model.n_outputs_ = model.coefs_[-1].shape[1]
    _restore_fitted(model, document["fitted"], arrays)
    if "feature_names_in_.ends" in arrays:
        model.feature_names_in_ = _feature_names(arrays)
    if document.get("labels"):
        restore_labels(model, document["labels"], arrays)
    else:
        model._learnt_quantiles = _quantiles.learnt(model)
        model._learnt_output = model.out_activation_
    if document.get("optimizer"):
        model._optimizer = restore_optimizer(model, document["optimizer"], arrays)
    if document.get("unfinished"):
        model._unfinished = restore_unfinished(document["unfinished"], arrays)
    model._random_state = generator or check_random_state(model.random_state)
    return model


def _check_parameters(model: Any) -> None:
    """Those that fit would take, and no others."""
    model._validate_params()
    sizes = model.hidden_layer_sizes
    sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
    if not all(isinstance(size, Integral) and size > 0 for size in sizes):
        raise ValueError(
            f"The 'hidden_layer_sizes' parameter must be integers from 1 on. Got {sizes!r} instead."
        )


def _check_outputs(model: Any) -> None:
    """Refuse parameters set since the fit that say something else of its outputs: a file tells it by them."""
    other = model._copy()
    for name in LEARNT:
        vars(other).pop(name, None)
    if is_classifier(model):
        names = ("loss", "output_activation")
        same = all(says(other) == says(model) for says in (_labels.divides, _labels.is_sure))
    else:
        names = ("loss", "quantile")
        same = np.array_equal(_quantiles.of(other), _quantiles.learnt(model))
    if not same:
        values = " and ".join(f"{name}={getattr(model, name)!r}" for name in names)
        raise ValueError(
            f"it was not fitted with {values}, by which a file tells what its outputs are. Set them back, or fit again."
        )


def _fitted(model: Any, arrays: Arrays) -> dict[str, Any]:
    state = vars(model)
    for name in _CURVES:
        if state.get(name) is not None:
            arrays[name] = np.array(state[name], dtype=np.float64)
    fitted = {"out_activation_": str(model.out_activation_)}
    for name in _COUNTS:
        if name in state:
            fitted[name] = int(state[name])
    for name in _SCORES:
        if name in state:
            score = state[name]
            fitted[name] = None if score is None else encode(float(score), name)
    if "validation_scores_" in state and "validation_scores_" not in arrays:
        fitted["validation_scores_"] = None
    return fitted


def _restore_fitted(model: Any, fitted: dict[str, Any], arrays: Arrays) -> None:
    for name, value in fitted.items():
        if value is None and name in _COUNTS:
            continue  # Like one that is not there.
        value = decode(value)
        # NumPy floats, as fit sets them.
        is_loss = name in ("loss_", "best_loss_") and value is not None
        setattr(model, name, np.float64(value) if is_loss else value)
    if "loss_curve_" in arrays:
        model.loss_curve_ = list(arrays["loss_curve_"])
    for name in ("validation_scores_", "validation_loss_curve_", "learning_rate_curve_"):
        if name in arrays:
            setattr(model, name, arrays[name].tolist())


def _feature_names(arrays: Arrays) -> Any:
    text = arrays["feature_names_in_.text"].tobytes()
    ends = arrays["feature_names_in_.ends"].tolist()
    if ends[-1] != len(text):
        raise ValueError(f"the names of its features end at {ends[-1]} of {len(text)} bytes")
    names = np.empty(len(ends), dtype=object)
    start = 0
    for i, end in enumerate(ends):
        names[i] = text[start:end].decode()
        start = end
    return names
