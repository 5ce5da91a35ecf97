"""Types: what the signatures and the docstrings name is what there is."""

import inspect
import re
from typing import get_args, get_type_hints

import pytest

import rustbp
from rustbp import MLPClassifier, MLPRegressor, _core, _typing
from rustbp._training import initial_weights

ESTIMATORS = pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])


def test_choices_are_those_of_the_core():
    assert set(get_args(_typing.HiddenActivation)) == set(_core.ACTIVATIONS)
    assert set(get_args(_typing.Solver)) == {"lbfgs", *_core.OPTIMIZERS}
    assert set(get_args(_typing.Init)) == set(initial_weights.INIT)
    classifier, regressor = (
        get_args(_typing.Cost),
        get_args(_typing.RegressionCost),
    )
    assert {*classifier, *regressor} == set(_core.COSTS)


def choices(annotation):
    """The strings of a Literal, also of one beside other types."""
    inside = [choice for part in get_args(annotation) for choice in choices(part)]
    return [annotation] if isinstance(annotation, str) else inside


@ESTIMATORS
def test_choices_are_those_that_are_checked_and_described(estimator):
    hints = get_type_hints(estimator.__init__)
    text = inspect.getdoc(estimator)
    for name, constraints in estimator._parameter_constraints.items():
        if name == "scoring":
            continue  # Any str: the scorers are those of the scikit-learn installed.
        allowed = {
            option
            for constraint in constraints
            for option in getattr(constraint, "options", ())
            if isinstance(option, str)
        }
        assert set(choices(hints[name])) == allowed, name
        if described := re.search(rf"^{name} : {{(.*)}}", text, re.MULTILINE):
            assert set(re.findall(r"'(\w+)'", described[1])) == allowed, name
        else:  # Too many for one line.
            assert {option for option in allowed if f"'{option}'" not in text} == set(), name


@ESTIMATORS
def test_every_parameter_and_method_is_annotated(estimator):
    for name, method in inspect.getmembers(estimator, inspect.isfunction):
        if name == "__init__" or (name[0] != "_" and method.__module__.startswith("rustbp")):
            signature = inspect.signature(method)
            assert signature.return_annotation is not inspect.Signature.empty, name
            for parameter in list(signature.parameters.values())[1:]:
                assert parameter.annotation is not inspect.Parameter.empty, (name, parameter)


def test_load_checks_what_is_expected_of_a_file(tmp_path):
    X, y = [[0.0], [1.0]], [0, 1]
    MLPRegressor(solver="lbfgs").fit(X, y).save(tmp_path / "model")
    assert type(rustbp.load(tmp_path / "model", MLPRegressor)) is MLPRegressor
    with pytest.raises(TypeError, match="The file holds MLPRegressor, and not MLPClassifier"):
        rustbp.load(tmp_path / "model", MLPClassifier)


def test_a_misspelt_name_is_an_error():
    with pytest.raises(AttributeError, match="has no attribute 'backprob'"):
        _ = rustbp.backprob
