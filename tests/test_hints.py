"""The way out, behind the words of scikit-learn or in the place of NumPy's."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline

import rustbp
from rustbp import MLPClassifier, MLPRegressor, _core, _hints
from rustbp._training import initial_weights
from rustbp.display import ErrorFlowDisplay, TrainingCurveDisplay

X, y = load_iris(return_X_y=True)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"activation": "sigmoid"}, "'sigmoid' is called 'logistic' here."),
        ({"loss": "cross_entropy"}, "'cross_entropy' is called 'log_loss' here."),
        ({"init": "xavier"}, "'xavier' is called 'glorot_uniform' here."),
        ({"solver": "Adam"}, "'Adam' is called 'adam' here."),
        ({"learning_rate": 0.01}, "The number is learning_rate_init=0.01"),
        ({"activation": "swash"}, "Got 'swash' instead.$"),
        ({"alpha": -1}, "Got -1 instead.$"),
    ],
)
def test_other_names(parameters, words):
    with pytest.raises(ValueError, match=words):
        MLPClassifier(**parameters).fit(X, y)


def test_every_name_that_is_suggested_is_there():
    there = {
        "activation": _core.ACTIVATIONS,
        "solver": ("lbfgs", *_core.OPTIMIZERS),
        "loss": _core.COSTS,
        "output_activation": _core.OUTPUT_ACTIVATIONS,
        "init": initial_weights.INIT,
    }
    assert there.keys() == _hints._CALLED.keys()
    for name, meant in _hints._CALLED.items():
        assert set(meant.values()) <= set(there[name])
        assert not set(meant) & set(there[name])


def test_the_first_parameter_of_the_regressor():
    with pytest.raises(ValueError, match=r"write hidden_layer_sizes=\(50,\)\."):
        MLPRegressor((50,)).fit(X, y)


@pytest.mark.parametrize(
    ("sizes", "error"), [((10.5,), TypeError), (("a",), TypeError), (((10, 5), 3), ValueError)]
)
def test_sizes_that_are_no_integers(sizes, error):
    with pytest.raises(error, match="hidden_layer_sizes must be integers, got "):
        MLPClassifier(sizes).fit(X, y)


def test_numbers_that_are_no_labels():
    with pytest.raises(
        ValueError, match=r"numbers, not classes\. For numbers there is MLPRegressor\."
    ):
        MLPClassifier().fit(X, X[:, 0])


@pytest.mark.parametrize("model", [MLPClassifier(), MLPRegressor()])
def test_rows_of_text(model):
    frame = pd.DataFrame({"width": [1.0, 2, 3] * 50, "leaf": ["oak", "ash", "elm"] * 50})
    way = "rustbp.TabularEncoder, or a ColumnTransformer with OneHotEncoder"
    with pytest.raises(ValueError, match=rf"float: 'oak' Not numbers: 'leaf'\. To make .*{way}"):
        model.fit(frame, y)
    with pytest.raises(ValueError, match=rf"'leaf'.*{way}"):
        model.fit(frame.astype({"leaf": "category"}), y)
    with pytest.raises(ValueError, match=rf"'leaf'.*{way}"):
        model.fit(pl.from_pandas(frame), y)
    with pytest.raises(ValueError, match=rf"X has text in it\. .*{way}"):
        model.fit(frame.to_numpy(), y)
    fitted = clone(model).set_params(solver="lbfgs", max_iter=1000).fit(X[:, :2], y)
    with pytest.raises(ValueError, match=way):
        fitted.predict(frame.to_numpy().astype(str))


def test_columns_of_text_are_named_up_to_a_number():
    frame = pd.DataFrame({f"c{n}": ["a"] * 150 for n in range(9)})
    with pytest.raises(ValueError, match=r"Not numbers: 'c0', 'c1', 'c2', 'c3', 'c4' and 4 more\."):
        MLPClassifier().fit(frame, y)


def test_images_of_three_dimensions():
    with pytest.raises(ValueError, match=r"Found array with dim 3.* X\.reshape\(len\(X\), -1\)\."):
        MLPClassifier().fit(X.reshape(150, 2, 2), y)


def test_targets_of_text():
    with pytest.raises(TypeError, match="ufunc 'subtract'") as raised:
        MLPRegressor().fit(X, np.array(["oak", "ash", "elm"] * 50))
    [note] = raised.value.__notes__
    assert (
        note == "y must be numbers for a regressor; got 'oak'. For classes there is MLPClassifier."
    )


def test_targets_of_text_among_objects():
    """As pandas had them; scikit-learn's check of both arrays does not say whose text it is."""
    target = np.array(["oak", "ash", "elm"] * 50, dtype=object)
    with pytest.raises(
        ValueError, match="float: 'oak' y must be numbers for a regressor; got 'oak'"
    ):
        MLPRegressor().fit(X, target)


@pytest.mark.parametrize("labels", [("few", "many"), (7, 8)])
def test_a_class_of_one_row(labels):
    few, many = labels
    target = np.array([few] + [many] * 149)
    with pytest.raises(ValueError, match=rf"too few.* y has 1 of the class {few!r}\."):
        MLPClassifier(early_stopping=True).fit(X, target)


def test_max_iter_is_reached():
    with pytest.warns(match=r"hasn't converged yet\. Raise max_iter, or scale X"):
        MLPClassifier(max_iter=1).fit(X, y)


def test_a_model_that_is_one_already():
    with pytest.raises(TypeError, match=r"got rustbp\.MLPClassifier\. It is one already\."):
        rustbp.from_sklearn(MLPClassifier())
    with pytest.raises(TypeError, match=r"got Pipeline\.$"):
        rustbp.from_sklearn(make_pipeline("passthrough"))


def test_a_layer_that_is_no_number():
    model = MLPClassifier((3,), solver="lbfgs", max_iter=1000, random_state=0).fit(X, y)
    with pytest.raises(TypeError, match="layer must be an int; got 'hidden'"):
        rustbp.hidden_activations(model, X, layer="hidden")
    assert rustbp.hidden_activations(model, X, layer=np.int64(1)).shape == (150, 3)


@pytest.mark.parametrize("display", [ErrorFlowDisplay, TrainingCurveDisplay])
def test_a_model_in_the_place_of_its_history(display):
    with pytest.raises(TypeError, match=r"got MLPClassifier\. For a model there is"):
        display.from_history(MLPClassifier())
