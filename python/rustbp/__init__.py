"""Multilayer perceptrons for scikit-learn users: the same results, many times faster."""

from rustbp._core import __version__, get_num_threads, set_num_threads
from rustbp.classifier import MLPClassifier
from rustbp.convert import from_sklearn
from rustbp.gradient_check import check_gradients
from rustbp.hidden import HiddenActivations, hidden_activations
from rustbp.history import record_fit
from rustbp.inspection import backprop
from rustbp.monitor import TrainingMonitor
from rustbp.regressor import MLPRegressor

__all__ = [
    "HiddenActivations",
    "MLPClassifier",
    "MLPRegressor",
    "TrainingMonitor",
    "__version__",
    "backprop",
    "check_gradients",
    "from_sklearn",
    "get_num_threads",
    "hidden_activations",
    "record_fit",
    "set_num_threads",
]
