"""`to_onnx`: a fitted estimator as a model of ONNX."""

import os
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from rustbp import _core
from rustbp._arrays import common_dtype, layers
from rustbp._io.files import replacing
from rustbp._missing import complete
from rustbp._onnx.network import (
    add_classifier,
    add_regressor,
    is_multilabel,
    labels,
    n_probabilities,
)
from rustbp._onnx.nodes import Nodes
from rustbp.classifier import MLPClassifier
from rustbp.regressor import MLPRegressor

OPSET = 22
"""The newest that skl2onnx has been tested with."""
OLDEST = 13
"""Where the operators that are used got the meaning and the types they have."""


def to_onnx(model: Any, path: Any = None, *, target_opset: int | None = None) -> Any:
    """A fitted model in ONNX, the format that onnxruntime and many other programs predict with.

    The graph takes one input, ``X`` of shape (n_samples, n_features), in the dtype of the weights: float32 or float64.
    A classifier gives ``label``, as `predict` does, and ``probabilities``, a matrix as of `predict_proba`; a regressor
    gives ``variable`` of shape (n_samples, n_outputs). These are the names that ``skl2onnx`` uses. Labels are int64, or
    strings. For a whole pipeline see `register_onnx_converters`.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
        Fitted.

    path : str, bytes or os.PathLike, default=None
        A file to write the model to, usually named ``.onnx``. One that exists is replaced in one step.

    target_opset : int, default=None
        Version of ONNX's operators, 13 or newer; None is 22, or the newest that the installed onnx has.

    Returns
    -------
    onnx_model : onnx.ModelProto
        ``onnx_model.SerializeToString()`` is what ``onnxruntime.InferenceSession`` takes.

    Raises
    ------
    ImportError
        If onnx is not installed.

    TypeError
        If `model` is not one of `rustbp`.

    NotFittedError
        If `model` has not been fitted.

    ValueError
        If the labels are neither strings nor integers, or for a `target_opset` out of range.

    See Also
    --------
    register_onnx_converters : For skl2onnx, with a model in a pipeline.

    Examples
    --------
    >>> from rustbp import MLPRegressor, to_onnx
    >>> model = MLPRegressor(hidden_layer_sizes=(), solver="lbfgs").fit([[0.0], [1.0]], [1.0, 3.0])
    >>> [output.name for output in to_onnx(model).graph.output]
    ['variable']
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError("to_onnx needs onnx: pip install onnx") from error

    model = _fitted(model)
    opset = _opset(target_opset, onnx.defs.onnx_opset_version())
    g = Graph(common_dtype(*model.coefs_, *model.intercepts_))
    if isinstance(model, MLPClassifier):
        classes = labels(model.classes_)
        add_classifier(g, "X", model, classes, "label", "probabilities")
        shape = [None, model.n_outputs_] if is_multilabel(model) else [None]
        kind = np.int64 if is_multilabel(model) else classes.dtype
        outputs = [
            g.value("label", kind, shape),
            g.value("probabilities", g.dtype, [None, n_probabilities(model)]),
        ]
    else:
        add_regressor(g, "X", model, "variable")
        outputs = [g.value("variable", g.dtype, [None, model.n_outputs_])]
    graph = onnx.helper.make_graph(
        g.nodes,
        type(model).__name__,
        [g.value("X", g.dtype, [None, model.n_features_in_])],
        outputs,
        g.constants,
    )
    opsets = [onnx.helper.make_opsetid("", opset)]
    made = onnx.helper.make_model(
        graph,
        opset_imports=opsets,
        ir_version=onnx.helper.find_min_ir_version_for(opsets),
        producer_name="rustbp",
        producer_version=_core.__version__,
    )
    if path is not None:
        with replacing(os.fspath(path)) as file:
            file.write(made.SerializeToString())
    return made


def _fitted(model: Any) -> Any:
    """The model as of one moment."""
    if not isinstance(model, MLPClassifier | MLPRegressor):
        advice = (
            "For a pipeline or search with one in it, call rustbp.register_onnx_converters() "
            "and then skl2onnx.to_onnx."
        )
        if hasattr(model, "members_"):
            advice = "Its members_ are such nets, of rows that encoder_.transform gives."
        raise TypeError(
            "to_onnx takes an MLPClassifier or MLPRegressor of rustbp, "
            f"got {type(model).__module__.partition('.')[0]}'s {type(model).__name__}. {advice}"
        )
    model = model._copy()
    check_is_fitted(model)
    complete(model)
    # Whatever a user may have assigned.
    dtype = common_dtype(*model.coefs_, *model.intercepts_)
    model.coefs_, model.intercepts_ = layers(model.coefs_, model.intercepts_, dtype)
    return model


def _opset(wanted: int | None, newest: int) -> int:
    if wanted is None:
        return min(OPSET, newest)
    if not OLDEST <= wanted <= newest:
        raise ValueError(
            f"target_opset must be from {OLDEST} to {newest}, the newest that the installed onnx has; "
            f"got {wanted}."
        )
    return wanted


class Graph(Nodes):
    """Nodes and constants as onnx's own messages."""

    def __init__(self, dtype: Any) -> None:
        super().__init__(dtype)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: Any) -> str:
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(self.as_array(value), name))
        return name

    def add(self, op: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        from onnx import helper

        name = f"{op}_{len(self.nodes)}"
        output = output or name
        if "to" in attributes:
            attributes["to"] = helper.np_dtype_to_tensor_dtype(attributes["to"])
        self.nodes.append(helper.make_node(op, inputs, [output], name, **attributes))
        return output

    @staticmethod
    def value(name: str, dtype: Any, shape: list[int | None]) -> Any:
        from onnx import helper

        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return helper.make_tensor_value_info(name, kind, shape)
