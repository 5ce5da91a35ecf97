"""A fitted network as nodes: the same passes and decisions as `predict` and `predict_proba`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustbp._labels import divides, is_sure
from rustbp._onnx.forms import FORMS, Form
from rustbp._onnx.nodes import Nodes


def add_regressor(g: Nodes, X: str, model: Any, output: str) -> None:
    g.add("Identity", _forward(g, X, model), output=output)


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
    n_hidden = len(model.coefs_) - 1
    names = model.activation
    hidden = [names] * n_hidden if isinstance(names, str) else list(names)
    forms = [_form(name) for name in [*hidden, model.out_activation_]]
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
