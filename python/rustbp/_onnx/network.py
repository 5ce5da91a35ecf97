"""A fitted network as nodes: the same passes and decisions as `predict` and `predict_proba`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustbp import _quantiles
from rustbp._labels import divides, is_sure
from rustbp._onnx.forms import FORMS, Form
from rustbp._onnx.nodes import Nodes
from rustbp._training.network import activations_of


def add_regressor(g: Nodes, X: str, model: Any, output: str) -> None:
    a = _forward(g, X, model)
    quantiles = _quantiles.learnt(model)
    if quantiles is not None:
        a = _in_order(g, a, quantiles)
    g.add("Identity", a, output=output)


def _in_order(g: Nodes, a: str, quantiles: NDArray[Any]) -> str:
    """Each row sorted, by comparing neighbours, and dealt out so that the larger quantile gets the larger number."""
    n = len(quantiles)
    columns = [g.add("Gather", a, g.constant(np.array([j])), axis=1) for j in range(n)]
    for round_ in range(n):
        for j in range(round_ % 2, n - 1, 2):
            pair = columns[j : j + 2]
            columns[j : j + 2] = g.add("Min", *pair), g.add("Max", *pair)
    ranks = _quantiles.ranks(quantiles)
    return g.add("Concat", *(columns[rank] for rank in ranks), axis=1)


def add_classifier(
    g: Nodes, X: str, model: Any, classes: NDArray[Any], label: str, probability: str
) -> None:
    """Nodes for both results; ``classes`` is what `labels` gave, or their indices."""
    a = _forward(g, X, model)
    if is_multilabel(model):
        g.add("Cast", g.apply("Greater", a, 0.5), to=np.dtype(np.int64), output=label)
        g.add("Identity", a, output=probability)
        return
    g.add("Identity", _probability(g, a, model), output=probability)
    if model.n_outputs_ > 1:
        index = g.add("ArgMax", a, axis=1, keepdims=0)
    else:
        fires = g.add("Cast", g.apply("Greater", a, 0.5), to=np.dtype(np.int64))
        index = g.add("Reshape", fires, g.constant(np.array([-1])))
        if len(classes) == 1:
            # A single class has no other to tell it from.
            classes = np.repeat(classes, 2)
    g.add("Gather", g.constant(classes), index, output=label)


def is_multilabel(model: Any) -> bool:
    return model._label_binarizer.y_type_.startswith("multilabel")


def n_probabilities(model: Any) -> int:
    """Columns of `predict_proba`."""
    return 2 if model.n_outputs_ == 1 and not is_sure(model) else model.n_outputs_


def labels(classes: NDArray[Any]) -> NDArray[Any]:
    """The classes in a type that an ONNX graph can give: int64 for all numbers and bool, else str."""
    if classes.dtype.kind in "biuf":
        integers = classes.astype(np.int64)
        if (integers == classes).all():
            return integers
    elif all(isinstance(name, str) for name in classes):
        return classes.astype(object)
    raise ValueError(
        "The labels of an ONNX model must be integers of 64 bits or strings, "
        f"got classes_={classes!r}."
    )


def _forward(g: Nodes, a: str, model: Any) -> str:
    """a^L for the rows a^0."""
    forms = [_form(name) for name in activations_of(model)]
    for form, coef, intercept in zip(forms, model.coefs_, model.intercepts_, strict=True):
        w, b = (g.constant(np.asarray(array, dtype=g.dtype)) for array in (coef, intercept))
        a = form(g, g.add("Gemm", a, w, b))
    return a


def _form(name: str) -> Form:
    if name not in FORMS:
        raise NotImplementedError(f"The activation {name!r} has no form in ONNX yet.")
    return FORMS[name]


def _probability(g: Nodes, a: str, model: Any) -> str:
    if model.n_outputs_ == 1:
        return a if is_sure(model) else g.add("Concat", g.apply("Sub", 1.0, a), a, axis=1)
    if not divides(model):
        return a
    # Each class has a unit of its own. Where none fires, no class is more probable than another.
    total = g.add("MatMul", a, g.constant(np.ones((model.n_outputs_, 1), g.dtype)))
    share = g.add("Div", a, total)
    return g.apply("Where", g.apply("Greater", total, 0.0), share, 1 / model.n_outputs_)
