"""Multilayer perceptrons for scikit-learn users: the same results, many times faster.

- `MLPClassifier`, `MLPRegressor`: the estimators. `model.save(path)` and `load(path)` keep them in files.
- `TabularMLPClassifier`, `TabularMLPRegressor`: tables as they come, without settings.
- `TabularEncoder`: from tables as they come to inputs that a net learns well from.
- `backprop`, `check_gradients`: every quantity of one backward pass, and the gradients against central differences.
- `record_fit`, `TrainingMonitor`: a fit recorded, and watched; `rustbp.display` draws networks and their training.
- `hidden_activations`, `HiddenActivations`: what hidden neurons put out, by itself or as features in a pipeline.
- `from_sklearn`, `to_sklearn`, `to_onnx`, `register_onnx_converters`: models from and to elsewhere.
- `chunks`: rows larger than memory, from files; `partitions`: training over parts that are elsewhere, on any engine.
- `set_num_threads`, `show_versions`; ``python -m rustbp`` says whether the installation works.

This file imports the public names from all other rooms, some of them when they are used; no other file imports it.
Start with `MLPClassifier` and `MLPRegressor`; `backprop` and `rustbp.display` show what they do.
"""

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from rustbp._core import __version__
from rustbp._threads import get_num_threads, set_num_threads
from rustbp._training import optimizer as _optimizer
from rustbp.classifier import MLPClassifier
from rustbp.convert import from_sklearn, to_sklearn
from rustbp.regressor import MLPRegressor

if TYPE_CHECKING:
    from rustbp import chunks, display, partitions
    from rustbp._io.saving import load
    from rustbp._onnx.model import to_onnx
    from rustbp._onnx.pipelines import register_onnx_converters
    from rustbp._versions import show_versions
    from rustbp.checkpoint import Checkpoint
    from rustbp.gradient_check import GradientCheck, check_gradients
    from rustbp.hidden import HiddenActivations, hidden_activations
    from rustbp.history import TrainingHistory, record_fit
    from rustbp.inspection import Backprop, backprop
    from rustbp.learning_rate import LearningRateSearch, find_learning_rate
    from rustbp.monitor import TrainingMonitor
    from rustbp.sensitivity import input_gradients
    from rustbp.tabular.classifier import TabularMLPClassifier
    from rustbp.tabular.encoder import TabularEncoder
    from rustbp.tabular.regressor import TabularMLPRegressor

__all__ = [
    "Backprop",
    "Checkpoint",
    "GradientCheck",
    "HiddenActivations",
    "LearningRateSearch",
    "MLPClassifier",
    "MLPRegressor",
    "TabularEncoder",
    "TabularMLPClassifier",
    "TabularMLPRegressor",
    "TrainingHistory",
    "TrainingMonitor",
    "__version__",
    "backprop",
    "check_gradients",
    "chunks",
    "display",
    "find_learning_rate",
    "from_sklearn",
    "get_num_threads",
    "hidden_activations",
    "input_gradients",
    "load",
    "partitions",
    "record_fit",
    "register_onnx_converters",
    "set_num_threads",
    "show_versions",
    "to_onnx",
    "to_sklearn",
]

# Imported when used, so that a script that only fits and predicts starts at once.
_LAZY = {
    "Backprop": "inspection",
    "Checkpoint": "checkpoint",
    "GradientCheck": "gradient_check",
    "HiddenActivations": "hidden",
    "LearningRateSearch": "learning_rate",
    "TabularEncoder": "tabular.encoder",
    "TabularMLPClassifier": "tabular.classifier",
    "TabularMLPRegressor": "tabular.regressor",
    "TrainingHistory": "history",
    "TrainingMonitor": "monitor",
    "backprop": "inspection",
    "check_gradients": "gradient_check",
    "find_learning_rate": "learning_rate",
    "hidden_activations": "hidden",
    "input_gradients": "sensitivity",
    "load": "_io.saving",
    "record_fit": "history",
    "register_onnx_converters": "_onnx.pipelines",
    "show_versions": "_versions",
    "to_onnx": "_onnx.model",
}

_MODULES = {
    "chunks",
    "display",
    "gradient_check",
    "hidden",
    "history",
    "inspection",
    "monitor",
    "partitions",
}
"""Of which `rustbp.display` and its like speak, without an import of their own."""
_ELSEWHERE = {"save": "To save a model: model.save(path). rustbp.load(path) reads it."}
"""What some look for here."""

if os.environ.get("RUSTBP_KERNEL"):
    from rustbp._versions import check_kernel

    check_kernel(os.environ["RUSTBP_KERNEL"])

# Pickles of version 0.1 know the optimizer's state by this name.
sys.modules["rustbp._optimizer"] = _optimizer


if not TYPE_CHECKING:  # An editor is to know what is misspelt.

    def __getattr__(name: str) -> Any:
        # Dask is not installed everywhere, and not looked for by who lists names.
        if name in _MODULES or name == "dask":
            return importlib.import_module(f"rustbp.{name}")
        if name not in _LAZY:
            where = f". {_ELSEWHERE[name]}" if name in _ELSEWHERE else ""
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}{where}", name=name)
        value = getattr(importlib.import_module(f"rustbp.{_LAZY[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*__all__, *_MODULES, "classifier", "convert", "regressor"})
