"""Model files: what is saved comes back to the last bit, and what cannot be saved is refused by name.

`tests/torture/format.py` runs the same functions with larger numbers.
"""

import doctest
import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors
import safetensors.numpy
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax
from sklearn import neural_network
from sklearn.exceptions import NotFittedError

import format_models
import rustbp
from rustbp._io import saving

HERE = Path(__file__).parent

X = np.random.default_rng(0).standard_normal((30, 3))
Y = np.resize([0, 1, 2], 30)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def classifier(y=Y, **options):
    return rustbp.MLPClassifier(
        **{"hidden_layer_sizes": 4, "max_iter": 3, "random_state": 0} | options
    ).fit(X, y)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.fixture
def again(path):
    """A function that saves a model and loads it."""

    def save_and_load(model):
        model.save(path)
        return rustbp.load(path)

    return save_and_load


# ---- there and back ----


def test_random_models_come_back_to_the_last_bit():
    assert format_models.round_trips(80) > 20


@pytest.mark.parametrize("labels", format_models.LABELS.values(), ids=format_models.LABELS)
def test_labels_of_any_dtype(labels, again):
    model = classifier(np.resize(labels, 30))
    loaded = again(model)
    assert loaded.classes_.dtype == model.classes_.dtype
    assert_array_equal(loaded.classes_, np.unique(labels))
    assert_array_equal(loaded.predict(X), model.predict(X))
    assert loaded.classes_ is loaded._label_binarizer.classes_


def test_training_goes_on_bit_for_bit(again):
    """With a RandomState that both use on, so that the order of rows is the same too."""
    model = classifier(random_state=np.random.RandomState(5), learning_rate_init=0.01)
    loaded = again(model)
    for _ in range(5):
        model.partial_fit(X, Y)
        loaded.partial_fit(X, Y)
    format_models.assert_same_model(model, loaded)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_warm_start_goes_on_bit_for_bit(solver, again):
    model = classifier(solver=solver, warm_start=True)
    loaded = again(model)
    format_models.assert_same_model(model.fit(X, Y), loaded.fit(X, Y))


def test_one_model_is_one_file(path):
    files = []
    for _ in range(2):
        classifier().save(path)
        files.append(path.read_bytes())
    assert files[0] == files[1]


def test_the_package_safetensors_reads_it(path):
    """And the arrays are the attributes, under their names."""
    model = classifier()
    model.save(path)
    arrays = safetensors.numpy.load_file(path)
    for name in ("coefs_", "intercepts_"):
        for layer, expected in enumerate(getattr(model, name)):
            assert_array_equal(arrays[f"{name}.{layer}"], expected)
    assert_array_equal(arrays["optimizer.m.coefs_.1"], model._optimizer.state["m"][1])
    with safetensors.safe_open(path, "numpy") as file:
        document = json.loads(file.metadata()["rustbp"])
    assert document["class"] == "MLPClassifier"
    assert document["params"]["alpha"] == model.alpha


def test_a_file_that_the_package_wrote_again_is_read(path):
    model = classifier()
    model.save(path)
    with safetensors.safe_open(path, "numpy") as file:
        metadata = file.metadata() | {"licence": "MIT"}
    safetensors.numpy.save_file(safetensors.numpy.load_file(path), path, metadata)
    format_models.assert_same_model(model, rustbp.load(path))


def test_weights_as_a_user_may_have_set_them(again):
    model = classifier()
    model.coefs_ = [coef.astype("f4").tolist() for coef in model.coefs_]
    model.intercepts_ = [np.asfortranarray(b.astype(">f8"))[::-1] for b in model.intercepts_]
    del model._optimizer
    loaded = again(model)
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert {a.dtype for a in loaded.coefs_ + loaded.intercepts_} == {np.dtype("f8")}


def test_a_model_from_sklearn(again):
    theirs = neural_network.MLPClassifier(3, solver="sgd", momentum=0, max_iter=2).fit(X, Y)
    model = rustbp.from_sklearn(theirs)
    loaded = again(model)
    assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert_array_equal(loaded.to_sklearn().coefs_[0], theirs.coefs_[0])


def test_names_of_features(again):
    frame = pd.DataFrame(X, columns=["", "naïve", "\U0001f600\n\x00"])
    loaded = again(rustbp.MLPRegressor(max_iter=1, random_state=0).fit(frame, Y))
    assert loaded.feature_names_in_.tolist() == list(frame)
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(frame.rename(columns={"": "a"}))


def test_loaded_arrays_are_like_others(again):
    model = again(classifier())
    for array in [*model.coefs_, *model.intercepts_, model.classes_]:
        assert array.flags.writeable
        assert array.flags.aligned
        assert array.flags.c_contiguous
    model.coefs_[0][:] = 0
    assert pickle.loads(pickle.dumps(model)).coefs_[0].sum() == 0


def test_the_example_of_load_runs():
    found = doctest.testmod(saving)
    assert found.attempted > 0
    assert found.failed == 0


# ---- files of earlier versions, which must load for ever ----


def forward(arrays, activation, output):
    """The network's output by NumPy alone."""
    a = X[:4]
    depth = sum(name.startswith("coefs_") for name in arrays)
    for layer in range(depth):
        z = a @ arrays[f"coefs_.{layer}"] + arrays[f"intercepts_.{layer}"]
        a = output(z) if layer == depth - 1 else activation(z)
    return a


def test_classifier_of_format_1():
    file = HERE / "data" / "model-v1.safetensors"
    arrays = safetensors.numpy.load_file(file)
    model = rustbp.load(file)
    frame = pd.DataFrame(X[:4], columns=model.feature_names_in_)
    expected = forward(arrays, np.tanh, lambda z: softmax(z, axis=1))
    assert_allclose(model.predict_proba(frame), expected, rtol=1e-12)
    assert model.predict(frame).tolist() == ["bleu", "vert", "rouge", "bleu"]
    assert model.classes_.tolist() == ["bleu", "rouge", "vert"]
    assert model.feature_names_in_.tolist() == ["hauteur", "largeur", "épaisseur"]
    assert model.get_params()["hidden_layer_sizes"] == (4, 3)
    assert (model.n_iter_, model.t_, len(model.loss_curve_)) == (40, 1200, 40)


def test_training_of_format_1_goes_on():
    """The same state in a scikit-learn estimator is where the expected step comes from."""
    model = rustbp.load(HERE / "data" / "model-v1.safetensors")
    theirs = model.to_sklearn()
    frame = pd.DataFrame(X, columns=model.feature_names_in_)
    y = np.resize(model.classes_, 30)
    model.partial_fit(frame, y)
    theirs.partial_fit(frame, y)
    assert model._optimizer.t == 41 * 3
    for ours, expected in zip(model.coefs_, theirs.coefs_, strict=True):
        assert_allclose(ours, expected, rtol=1e-7, atol=1e-12)


def test_regressor_of_format_1():
    file = HERE / "data" / "regressor-v1.safetensors"
    arrays = safetensors.numpy.load_file(file)
    model = rustbp.load(file)
    assert model.coefs_[0].dtype == np.float32
    expected = forward(arrays, expit, lambda z: z)
    assert_allclose(model.predict(X[:4].astype("f4")), expected, rtol=1e-5)
    assert model.validation_scores_ is None
    assert model.random_state == 7


# ---- what is not saved ----


def test_a_model_that_is_not_fitted(path):
    with pytest.raises(NotFittedError):
        rustbp.MLPClassifier().save(path)
    assert not path.exists()


class Subclass(rustbp.MLPClassifier):
    def __init__(self, hook=None):
        super().__init__(max_iter=1)
        self.hook = hook


def set_weight(value):
    def change(model):
        model.coefs_[0][1, 1] = value

    return change


REFUSED = {
    "not finite": (set_weight(np.nan), ValueError, "coefs_.0 must be finite"),
    "infinite": (set_weight(-np.inf), ValueError, "coefs_.0 must be finite"),
    "a parameter that fit refuses": (
        lambda model: model.set_params(activation=len),
        ValueError,
        "'activation' parameter",
    ),
    "sizes that are no integers": (
        lambda model: model.set_params(hidden_layer_sizes=[1, 2.5]),
        ValueError,
        "'hidden_layer_sizes' parameter must be integers",
    ),
    "a long list": (
        lambda model: model.set_params(hidden_layer_sizes=[1] * 1025),
        ValueError,
        "a list of 1025 items",
    ),
    "a huge number": (
        lambda model: model.set_params(max_iter=2**63),
        ValueError,
        "parameter 'max_iter' is an integer of more than 64 bits",
    ),
    "another generator": (
        lambda model: model.set_params(random_state=np.random.RandomState(np.random.PCG64())),
        ValueError,
        "random_state is a RandomState of PCG64",
    ),
    "labels of 80 bits": (
        lambda model: setattr(model, "classes_", model.classes_.astype(np.clongdouble)),
        TypeError,
        "classes_ is of dtype c",
    ),
    "labels of objects": (
        lambda model: setattr(model, "classes_", model.classes_.astype(object)),
        TypeError,
        "classes_ is of dtype object",
    ),
    "labels out of order": (
        lambda model: setattr(model, "classes_", model.classes_[::-1]),
        ValueError,
        "classes_ must be valid labels in increasing order",
    ),
    "too few labels": (
        lambda model: setattr(model, "classes_", model.classes_[1:]),
        ValueError,
        "2 classes",
    ),
    "biases of another width": (
        lambda model: model.intercepts_.insert(0, np.zeros(7)),
        ValueError,
        "intercepts_[0] must have shape (4,); got (7,)",
    ),
    "weights that the optimizer's state is not for": (
        lambda model: (
            setattr(model, "coefs_", [np.ones((3, 9)), np.ones((9, 3))])
            or setattr(model, "intercepts_", [np.ones(9), np.ones(3)])
        ),
        ValueError,
        "optimizer.m.coefs_.0 must be F64 of shape",
    ),
    "names that are no Unicode": (
        lambda model: setattr(model, "feature_names_in_", np.array(["a", "\ud800", "c"], object)),
        ValueError,
        "can't encode",
    ),
}


@pytest.mark.parametrize(("change", "kind", "message"), REFUSED.values(), ids=REFUSED)
def test_what_a_file_cannot_hold_is_refused(change, kind, message, path):
    model = classifier()
    change(model)
    path.write_bytes(b"before")
    with pytest.raises(kind, match="cannot be saved: ") as caught:
        model.save(path)
    assert message in str(caught.value)
    assert path.read_bytes() == b"before"
    assert list(path.parent.iterdir()) == [path]


def test_a_parameter_of_another_type_is_refused_by_name(path, monkeypatch):
    """Should there ever be one that may be a function."""
    model = classifier()
    constraints = model._parameter_constraints | {"tol": [callable]}
    monkeypatch.setattr(rustbp.MLPClassifier, "_parameter_constraints", constraints)
    with pytest.raises(TypeError, match="parameter 'tol' is of type builtin_function_or_method"):
        model.set_params(tol=len).save(path)


def test_a_subclass_is_refused(path):
    with pytest.raises(TypeError, match="no subclass, whose code it cannot hold; got Subclass"):
        Subclass(hook=print).fit(X, Y).save(path)
