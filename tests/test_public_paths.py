"""Where users find things: the paths of version 0.1 lead to them, and an import loads no more than a fit needs."""

import importlib
import subprocess
import sys

import pytest

PATHS = {
    "rustbp": "HiddenActivations MLPClassifier MLPRegressor TrainingMonitor __version__ backprop check_gradients "
    "from_sklearn get_num_threads hidden_activations load record_fit set_num_threads to_sklearn",
    "rustbp.classifier": "MLPClassifier",
    "rustbp.convert": "from_sklearn to_sklearn",
    "rustbp.display": "ActivationsDisplay BoundaryDisplay ErrorFlowDisplay TrainingCurveDisplay WeightsDisplay",
    "rustbp.gradient_check": "GradientCheck check_gradients",
    "rustbp.hidden": "HiddenActivations hidden_activations weighted_inputs",
    "rustbp.history": "TrainingHistory record_fit",
    "rustbp.inspection": "Backprop backprop",
    "rustbp.monitor": "TrainingMonitor",
    "rustbp.regressor": "MLPRegressor",
}


@pytest.mark.parametrize("path", PATHS)
def test_paths_lead_there(path):
    module = importlib.import_module(path)
    for name in PATHS[path].split():
        assert getattr(module, name).__doc__, name
    # What users meet is of the module that they have from the documentation, so that pickles stay readable.
    classes = [getattr(module, name) for name in PATHS[path].split() if name[0].isupper()]
    if path not in ("rustbp", "rustbp.display"):
        assert {kind.__module__ for kind in classes} <= {path}


def test_names_are_listed():
    import rustbp

    assert set(rustbp.__all__) <= set(dir(rustbp))
    with pytest.raises(AttributeError, match="no attribute 'backprob'"):
        rustbp.backprob  # noqa: B018


def test_what_is_not_needed_to_fit_is_not_imported():
    script = "import rustbp, sys; print(*sorted(name for name in sys.modules if name.startswith('rustbp')))"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    lazy = ("display", "gradient_check", "hidden", "history", "inspection", "monitor", "_io.saving")
    assert "rustbp.classifier" in loaded
    assert not {f"rustbp.{name}" for name in lazy} & set(loaded)
    assert "matplotlib" not in loaded
