"""Multilayer perceptrons for scikit-learn users: the same results, many times faster.

This file imports the public names from all other rooms, some of them when they are used; no other file imports it.
Start with `MLPClassifier` and `MLPRegressor`; `backprop` and `rustbp.display` show what they do.
"""

import importlib
import sys
from typing import TYPE_CHECKING, Any

from rustbp._core import __version__, get_num_threads, set_num_threads
from rustbp._training import optimizer as _optimizer
from rustbp.classifier import MLPClassifier
from rustbp.convert import from_sklearn, to_sklearn
from rustbp.regressor import MLPRegressor

if TYPE_CHECKING:
    from rustbp._io.saving import load
    from rustbp._onnx.model import to_onnx
    from rustbp._onnx.pipelines import register_onnx_converters
    from rustbp.gradient_check import check_gradients
    from rustbp.hidden import HiddenActivations, hidden_activations
    from rustbp.history import record_fit
    from rustbp.inspection import backprop
    from rustbp.monitor import TrainingMonitor
    from rustbp.tabular.encoder import TabularEncoder

__all__ = [
    "HiddenActivations",
    "MLPClassifier",
    "MLPRegressor",
    "TabularEncoder",
    "TrainingMonitor",
    "__version__",
    "backprop",
    "check_gradients",
    "from_sklearn",
    "get_num_threads",
    "hidden_activations",
    "load",
    "record_fit",
    "register_onnx_converters",
    "set_num_threads",
    "to_onnx",
    "to_sklearn",
]

# Imported when used, so that a script that only fits and predicts starts at once.
_LAZY = {
    "HiddenActivations": "hidden",
    "TabularEncoder": "tabular.encoder",
    "TrainingMonitor": "monitor",
    "backprop": "inspection",
    "check_gradients": "gradient_check",
    "hidden_activations": "hidden",
    "load": "_io.saving",
    "record_fit": "history",
    "register_onnx_converters": "_onnx.pipelines",
    "to_onnx": "_onnx.model",
}

# Pickles of version 0.1 know the optimizer's state by this name.
sys.modules["rustbp._optimizer"] = _optimizer


if not TYPE_CHECKING:  # An editor is to know what is misspelt.

    def __getattr__(name: str) -> Any:
        if name not in _LAZY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"rustbp.{_LAZY[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
