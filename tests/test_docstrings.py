"""Docstrings: their examples run, and they name every parameter."""

import doctest
import inspect

import pytest

from rustbp import MLPClassifier, MLPRegressor

ESTIMATORS = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])


@ESTIMATORS
def test_examples_run(estimator):
    module = inspect.getmodule(estimator)
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0


@ESTIMATORS
def test_every_parameter_is_described(estimator):
    text = inspect.getdoc(estimator)
    described = {
        name.strip()
        for line in text.splitlines()
        if " : " in line and not line.startswith(" ")
        for name in line.split(" : ")[0].split(",")
    }
    assert described >= set(inspect.signature(estimator).parameters)


@ESTIMATORS
def test_every_fitted_attribute_is_described(estimator):
    model = estimator(early_stopping=True, max_iter=50, tol=10, n_iter_no_change=1)
    model.fit([[0.0], [1.0]] * 20, [0, 1] * 20)
    public = {name for name in vars(model) if name.endswith("_") and name[0] != "_"}
    assert {name for name in public if f"\n{name} : " not in inspect.getdoc(estimator)} == set()


@ESTIMATORS
def test_every_public_method_is_described(estimator):
    for name in ("fit", "partial_fit", "predict", "to_sklearn"):
        text = inspect.getdoc(getattr(estimator, name))
        assert "Returns\n-------" in text, name


def entries(estimator):
    """The text of each parameter and attribute, by its heading."""
    lines = inspect.getdoc(estimator).split("See Also")[0].splitlines()
    starts = [i for i, line in enumerate(lines) if " : " in line and not line.startswith(" ")]
    ends = [*starts[1:], len(lines)]
    # The heading of the attributes follows the last parameter.
    return {
        lines[start].partition(" : ")[0]: "\n".join(lines[start:end]).split("\n\n")[0].strip()
        for start, end in zip(starts, ends, strict=True)
    }


def test_both_estimators_say_the_same_of_the_same():
    """An editor shows what is written at the class, so that it is written twice; here is what may differ."""
    classifier, regressor = entries(MLPClassifier), entries(MLPRegressor)
    shared = classifier.keys() & regressor.keys()
    assert len(shared) > 35
    own = {
        "hidden_layer_sizes",  # without any: logistic or linear regression
        "early_stopping",  # accuracy or R²
        "validation_scores_",
        "output_activation",
        "loss",
        "loss_",  # over the outputs, too
    }
    assert {name for name in shared if classifier[name] != regressor[name]} == own
