"""Converters for skl2onnx, which turns pipelines into ONNX."""

from typing import Any

import numpy as np

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


def register_onnx_converters() -> None:
    """Teach skl2onnx the estimators of `rustbp`, so that ``skl2onnx.to_onnx`` takes pipelines with them.

    They are computed in float64 where their input is of that type, and else in float32. The options ``zipmap``,
    ``nocl`` and ``output_class_labels`` are those of skl2onnx's own classifiers. A second call changes nothing.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    See Also
    --------
    to_onnx : For a model by itself, without skl2onnx.

    Examples
    --------
    >>> import numpy as np
    >>> import rustbp
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skl2onnx import to_onnx
    >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), [0, 0, 1, 1]
    >>> pipeline = make_pipeline(StandardScaler(), rustbp.MLPClassifier(solver="lbfgs")).fit(X, y)
    >>> rustbp.register_onnx_converters()
    >>> onnx_model = to_onnx(pipeline, X[:1], options={"zipmap": False})
    >>> [output.name for output in onnx_model.graph.output]
    ['label', 'probabilities']
    """
    try:
        from skl2onnx import update_registered_converter
    except ImportError as error:
        raise ImportError(
            "register_onnx_converters needs skl2onnx: pip install skl2onnx"
        ) from error

    update_registered_converter(
        MLPClassifier,
        "RustbpMLPClassifier",
        _set_classifier_types,
        _convert_classifier,
        options={
            "zipmap": [True, False, "columns"],
            "nocl": [True, False],
            "output_class_labels": [False, True],
        },
    )
    update_registered_converter(
        MLPRegressor, "RustbpMLPRegressor", _set_regressor_types, _convert_regressor
    )


def _classes(scope: Any, model: Any) -> Any:
    from skl2onnx.common.utils_classifier import get_label_classes

    return labels(np.asarray(get_label_classes(scope, model)))


def _dtype(operator: Any) -> Any:
    from skl2onnx.common.data_types import DoubleTensorType

    return np.float64 if isinstance(operator.inputs[0].type, DoubleTensorType) else np.float32


def _set_classifier_types(operator: Any) -> None:
    from skl2onnx.common.data_types import Int64TensorType, StringTensorType

    model = operator.raw_operator
    rows = operator.inputs[0].get_first_dimension()
    label, probability = operator.outputs
    if is_multilabel(model):
        label.set_type(Int64TensorType([rows, model.n_outputs_]))
    else:
        strings = _classes(operator.scope_inst, model).dtype == object
        label.set_type((StringTensorType if strings else Int64TensorType)([rows]))
    probability.set_type(_float_type(operator)([rows, n_probabilities(model)]))


def _set_regressor_types(operator: Any) -> None:
    rows = operator.inputs[0].get_first_dimension()
    shape = [rows, operator.raw_operator.n_outputs_]
    operator.outputs[0].set_type(_float_type(operator)(shape))


def _float_type(operator: Any) -> Any:
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    return DoubleTensorType if _dtype(operator) == np.float64 else FloatTensorType


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    model = operator.raw_operator
    g = Container(scope, container, _dtype(operator))
    label, probability = (output.full_name for output in operator.outputs)
    X = g.floats(operator.inputs[0].full_name)
    add_classifier(g, X, model, _classes(scope, model), label, probability)


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    g = Container(scope, container, _dtype(operator))
    X = g.floats(operator.inputs[0].full_name)
    add_regressor(g, X, operator.raw_operator, operator.outputs[0].full_name)


class Container(Nodes):
    """Nodes and constants in skl2onnx's container, under names that its scope makes unique."""

    def __init__(self, scope: Any, container: Any, dtype: Any) -> None:
        super().__init__(dtype)
        self.scope = scope
        self.container = container

    def floats(self, X: str) -> str:
        """Integers and Booleans become numbers of `dtype`."""
        return self.add("Cast", X, to=self.dtype)

    def constant(self, value: Any) -> str:
        from onnx import helper

        name = self.scope.get_unique_variable_name("rustbp_constant")
        value = self.as_array(value)
        kind = helper.np_dtype_to_tensor_dtype(value.dtype)
        content = [s.encode() for s in value] if value.dtype == object else value.ravel()
        self.container.add_initializer(name, kind, list(value.shape), content)
        return name

    def add(self, op: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        from onnx import helper

        output = output or self.scope.get_unique_variable_name(f"rustbp_{op.lower()}")
        if "to" in attributes:
            attributes["to"] = helper.np_dtype_to_tensor_dtype(attributes["to"])
        name = self.scope.get_unique_operator_name(f"rustbp_{op}")
        self.container.add_node(op, list(inputs), [output], name=name, **attributes)
        return output
