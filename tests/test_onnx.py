"""Models in ONNX give what `predict` and `predict_proba` give, computed by onnxruntime."""

import doctest
import importlib
import subprocess
import sys

import numpy as np
import pytest
from scipy import special
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression
from sklearn.ensemble import StackingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import rustbp
from rustbp import MLPClassifier, MLPRegressor, _core
from rustbp._onnx.forms import FORMS

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
skl2onnx = pytest.importorskip("skl2onnx")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
N_ROWS = 1000
TOLERANCE = {np.float64: 1e-6, np.float32: 1e-4}
each_dtype = pytest.mark.parametrize("dtype", TOLERANCE, ids=lambda dtype: dtype.__name__)

X3, y3 = make_classification(N_ROWS, 8, n_informative=6, n_classes=3, random_state=0)
LABELS = {
    "binary": y3 > 0,
    "integers": y3 - 5,
    "strings": np.array(["ape", "bee", "cat"])[y3],
    "objects": np.array(["ape", "bee", "cat"], dtype=object)[y3],
    "floats": y3.astype(float),
    "two strings": np.array(["no", "yes"])[y3 % 2],
    "one class": np.full(N_ROWS, 7),
    "multilabel": make_multilabel_classification(N_ROWS, n_classes=4, random_state=0)[1],
    "two labels": make_multilabel_classification(N_ROWS, n_classes=2, random_state=0)[1],
}
OUTPUTS = [{}, {"loss": "squared_error"}, {"output_activation": "logistic"}]
OUTPUTS_OF_CLASSES = [*OUTPUTS, {"output_activation": "softmax"}]


def run(onnx_model, inputs):
    """All results by name, from a graph that the checker has found right, types and shapes included."""
    onnx.checker.check_model(onnx_model, full_check=True)
    session = onnxruntime.InferenceSession(
        onnx_model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    inputs = inputs if isinstance(inputs, dict) else {session.get_inputs()[0].name: inputs}
    return dict(
        zip([o.name for o in session.get_outputs()], session.run(None, inputs), strict=True)
    )


def small(kind=MLPClassifier, **parameters):
    parameters = {"hidden_layer_sizes": (9, 5), "solver": "lbfgs", "max_iter": 8} | parameters
    return kind(random_state=0, **parameters)


def assert_same(results, model, X, tolerance):
    """What a graph gave is what the classifier gives."""
    probability = model.predict_proba(X)
    np.testing.assert_allclose(results["probabilities"], probability, rtol=0, atol=tolerance)
    # A row on the edge between two classes may fall to either side.
    edge = np.sort(probability, axis=1)[:, -2:] if probability.ndim == 2 else probability
    clear = np.abs(np.diff(edge, axis=1))[:, 0] > 2 * tolerance if edge.shape[1] == 2 else ...
    np.testing.assert_array_equal(results["label"][clear], model.predict(X)[clear])


@pytest.mark.parametrize("activation", ["logistic", "identity", "softmax"])
@pytest.mark.parametrize("kind", ["integers", "binary", "multilabel"])
def test_an_output_activation_set_by_hand(kind, activation):
    model = small().fit(X3, LABELS[kind])
    model.out_activation_ = activation
    model.intercepts_ = [b[None, :] for b in model.intercepts_]
    del model.n_outputs_, model.n_features_in_
    assert_same(run(rustbp.to_onnx(model), X3), model, X3, 1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_trained_on_distributions(n_classes):
    targets = np.random.RandomState(0).dirichlet(np.ones(n_classes), N_ROWS)
    model = small(soft_targets=True).fit(X3, targets)
    assert_same(run(rustbp.to_onnx(model), X3), model, X3, 1e-6)


# ---- activations ----


def test_every_activation_has_a_form():
    assert {*_core.ACTIVATIONS, *_core.OUTPUT_ACTIVATIONS} <= set(FORMS)


def test_an_activation_without_a_form_is_named(monkeypatch):
    model = small().fit(X3, y3)
    monkeypatch.delitem(FORMS, "relu")
    with pytest.raises(NotImplementedError, match=r"'relu' has no form in ONNX"):
        rustbp.to_onnx(model)


FORMULAS = {  # the formulas of PyTorch's documentation
    "elu": lambda z: np.where(z > 0, z, np.expm1(z)),
    "selu": lambda z: (
        1.0507009873554804934193349852946
        * np.where(z > 0, z, 1.6732632423543772848170429916717 * np.expm1(z))
    ),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "softplus": lambda z: np.logaddexp(0, z),
    "gelu": lambda z: z * special.ndtr(z),
    "silu": lambda z: z * special.expit(z),
    "mish": lambda z: z * np.tanh(np.logaddexp(0, z)),
}


@each_dtype
@pytest.mark.parametrize("name", FORMULAS)
def test_forms_of_several_operators_are_their_formulas(name, dtype):
    from rustbp._onnx.model import Graph

    z = np.concatenate([np.linspace(-30, 30, 997), [0, -1e4, 1e4]]).astype(dtype)[:, None]
    g = Graph(dtype)
    g.add("Identity", FORMS[name](g, "z"), output="a")
    made = onnx.helper.make_graph(
        g.nodes,
        name,
        [g.value("z", dtype, [None, 1])],
        [g.value("a", dtype, [None, 1])],
        g.constants,
    )
    opsets = [onnx.helper.make_opsetid("", 13)]
    model = onnx.helper.make_model(made, opset_imports=opsets, ir_version=8)
    with np.errstate(over="ignore"):
        expected = FORMULAS[name](z.astype(np.float64))
    precision = 100 * np.finfo(dtype).eps
    a = run(model, z)["a"]
    np.testing.assert_allclose(a, expected, rtol=precision, atol=precision)


@each_dtype
@pytest.mark.parametrize("activation", _core.ACTIVATIONS)
def test_each_hidden_activation(activation, dtype):
    X = X3.astype(dtype)
    model = small(activation=activation).fit(X, y3)
    assert_same(run(rustbp.to_onnx(model), X), model, X, TOLERANCE[dtype])


@each_dtype
@pytest.mark.parametrize("name", _core.OUTPUT_ACTIVATIONS)
def test_each_output_activation(name, dtype):
    X = X3.astype(dtype)
    model = small(MLPRegressor, max_iter=3).fit(X, np.eye(3)[y3])
    model.out_activation_ = name
    variable = run(rustbp.to_onnx(model), X)["variable"]
    np.testing.assert_allclose(variable, model.predict(X), rtol=0, atol=TOLERANCE[dtype])


# ---- models ----


@each_dtype
@pytest.mark.parametrize("labels", LABELS)
def test_classifiers(labels, dtype):
    X, y = X3.astype(dtype), LABELS[labels]
    for parameters in OUTPUTS if "label" in labels else OUTPUTS_OF_CLASSES:
        if parameters == {"output_activation": "softmax"}:
            parameters = parameters | {"loss": "log_loss"}
        model = small(**parameters).fit(X, y)
        results = run(rustbp.to_onnx(model), X)
        assert results["probabilities"].dtype == dtype
        assert results["label"].dtype == (object if y.dtype.kind in "UO" else np.int64)
        assert_same(results, model, X, TOLERANCE[dtype])


@each_dtype
@pytest.mark.parametrize("n_targets", [1, 3])
@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("hidden", [(), 9])
def test_regressors(loss, n_targets, hidden, dtype):
    X, y = make_regression(N_ROWS, 5, n_targets=n_targets, random_state=0)
    X, y = X.astype(dtype), np.abs(y) / 100
    model = small(MLPRegressor, hidden_layer_sizes=hidden, loss=loss).fit(X, y)
    variable = run(rustbp.to_onnx(model), X)["variable"]
    assert variable.dtype == dtype
    assert variable.shape == (N_ROWS, n_targets)
    expected = model.predict(X).reshape(N_ROWS, n_targets)
    np.testing.assert_allclose(variable, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def test_no_unit_of_a_class_fires():
    model = small(output_activation="logistic").fit(X3, y3)
    model.intercepts_[-1][:] = -np.inf
    probability = run(rustbp.to_onnx(model), X3)["probabilities"]
    np.testing.assert_array_equal(probability, np.full((N_ROWS, 3), 1 / 3))


def signature(onnx_model):
    return [
        (v.name, v.type.tensor_type.elem_type, len(v.type.tensor_type.shape.dim))
        for v in [*onnx_model.graph.input, *onnx_model.graph.output]
    ]


@each_dtype
@pytest.mark.parametrize("labels", ["binary", "integers", "strings", None])
def test_names_and_types_are_those_of_skl2onnx(labels, dtype):
    X = X3.astype(dtype)
    if labels:
        model, options = small().fit(X, LABELS[labels]), {"zipmap": False}
    else:
        model, options = small(MLPRegressor).fit(X, y3), None
    theirs = skl2onnx.to_onnx(model.to_sklearn(), X[:1], options=options)
    assert signature(rustbp.to_onnx(model)) == signature(theirs)


def test_opsets():
    model = small().fit(X3, LABELS["strings"])
    newest = onnx.defs.onnx_opset_version()
    for given, made in [(None, min(22, newest)), (13, 13), (18, 18)]:
        onnx_model = rustbp.to_onnx(model, target_opset=given)
        assert [(o.domain, o.version) for o in onnx_model.opset_import] == [("", made)]
        assert_same(run(onnx_model, X3), model, X3, 1e-6)
    for wrong in (12, newest + 1):
        with pytest.raises(ValueError, match=rf"target_opset must be from 13 to {newest}"):
            rustbp.to_onnx(model, target_opset=wrong)


def test_the_file_is_the_model(tmp_path):
    model = small().fit(X3, y3)
    path = tmp_path / "model.onnx"
    onnx_model = rustbp.to_onnx(model, path)
    assert onnx.load(path) == onnx_model
    with pytest.raises(NotFittedError):
        rustbp.to_onnx(MLPClassifier(), path)
    assert onnx.load(path) == onnx_model
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def test_mixed_weights_are_computed_in_the_wider_type():
    model = small().fit(X3.astype(np.float32), y3)
    model.coefs_[0] = model.coefs_[0].astype(np.float64)
    assert_same(run(rustbp.to_onnx(model), X3), model, X3, 1e-6)


def test_what_is_not_a_fitted_model_is_refused():
    with pytest.raises(NotFittedError, match="MLPRegressor"):
        rustbp.to_onnx(MLPRegressor())
    for other in (TheirClassifier(), make_pipeline(MLPClassifier())):
        with pytest.raises(TypeError, match=rf"of rustbp, got sklearn's {type(other).__name__}"):
            rustbp.to_onnx(other)
    table = rustbp.TabularMLPRegressor(n_ensemble=1, n_epochs=1).fit(np.eye(5), np.arange(5.0))
    with pytest.raises(TypeError, match=r"rustbp's TabularMLPRegressor\. Its members_"):
        rustbp.to_onnx(table)


@pytest.mark.parametrize("classes", [np.array([0, 2**63, 2**64 - 1], np.uint64), [0, 1.5, 2]])
def test_labels_that_onnx_has_not_are_refused(classes):
    model = small().fit(X3, y3)
    model.classes_ = np.asarray(classes)
    with pytest.raises(ValueError, match="integers of 64 bits or strings"):
        rustbp.to_onnx(model)


# ---- pipelines, by skl2onnx ----


@pytest.fixture(autouse=True, scope="module")
def converters():
    rustbp.register_onnx_converters()
    rustbp.register_onnx_converters()


@each_dtype
@pytest.mark.parametrize("labels", LABELS)
def test_pipeline_with_a_classifier(labels, dtype):
    X = X3.astype(dtype)
    pipeline = make_pipeline(StandardScaler(), small()).fit(X, LABELS[labels])
    results = run(skl2onnx.to_onnx(pipeline, X[:1], options={"zipmap": False}), X)
    assert results["probabilities"].dtype == dtype
    assert_same(results, pipeline, X, TOLERANCE[dtype])


@each_dtype
@pytest.mark.parametrize("n_targets", [1, 2])
def test_pipeline_with_a_regressor(n_targets, dtype):
    X, y = make_regression(N_ROWS, 5, n_targets=n_targets, random_state=0)
    X, y = X.astype(dtype), y / 100
    pipeline = make_pipeline(StandardScaler(), small(MLPRegressor, activation="tanh")).fit(X, y)
    variable = run(skl2onnx.to_onnx(pipeline, X[:1]), X)["variable"]
    assert variable.dtype == dtype
    expected = pipeline.predict(X).reshape(N_ROWS, n_targets)
    np.testing.assert_allclose(variable, expected, rtol=0, atol=10 * TOLERANCE[dtype])


def test_search_over_a_pipeline_with_columns_of_several_types():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame({"length": X3[:, 0], "width": X3[:, 1], "colour": LABELS["objects"]})
    columns = ColumnTransformer(
        [("numbers", StandardScaler(), ["length", "width"]), ("names", OneHotEncoder(), ["colour"])]
    )
    search = GridSearchCV(
        make_pipeline(columns, small()), {"mlpclassifier__alpha": [1e-4, 1e-2]}, cv=2
    ).fit(X, LABELS["two strings"])
    double = skl2onnx.common.data_types.DoubleTensorType([None, 1])
    text = skl2onnx.common.data_types.StringTensorType([None, 1])
    onnx_model = skl2onnx.to_onnx(
        search,
        initial_types=[("length", double), ("width", double), ("colour", text)],
        options={"zipmap": False},
    )
    inputs = {name: X[[name]].to_numpy() for name in X}
    assert_same(run(onnx_model, inputs), search, X, 1e-6)


def test_inside_another_estimator():
    stack = StackingClassifier(
        [("net", small()), ("line", LogisticRegression())], LogisticRegression(), cv=2
    ).fit(X3, y3)
    onnx_model = skl2onnx.to_onnx(stack, X3[:1], options={"zipmap": False})
    assert_same(run(onnx_model, X3), stack, X3, 1e-6)


def test_options_of_skl2onnx():
    X = X3.astype(np.float32)  # ZipMap takes no other
    model = small().fit(X, LABELS["strings"])
    by_class = run(skl2onnx.to_onnx(model, X[:1]), X)["output_probability"]
    probability = np.array([[row[name] for name in ["ape", "bee", "cat"]] for row in by_class])
    np.testing.assert_allclose(probability, model.predict_proba(X), rtol=0, atol=1e-4)
    options = {"zipmap": False, "nocl": True}
    label = run(skl2onnx.to_onnx(model, X[:1], options=options), X)["label"]
    np.testing.assert_array_equal(model.classes_[label], model.predict(X))
    options = {"zipmap": False, "output_class_labels": True}
    names = run(skl2onnx.to_onnx(model, X[:1], options=options), X)["class_labels"]
    np.testing.assert_array_equal(names, model.classes_)


def test_integers_are_computed_in_float32():
    X = (10 * X3).astype(np.int64)
    model = small(activation="tanh").fit(X.astype(np.float32), y3)
    onnx_model = skl2onnx.to_onnx(model, X[:1], options={"zipmap": False})
    assert_same(run(onnx_model, X), model, X.astype(np.float32), 1e-4)


# ---- packages that are not there ----


@pytest.mark.parametrize(
    ("call", "package", "named"),
    [
        ("to_onnx(None)", "onnx", "to_onnx needs onnx: pip install onnx"),
        (
            "register_onnx_converters()",
            "skl2onnx",
            "register_onnx_converters needs skl2onnx: pip install skl2onnx",
        ),
    ],
)
def test_a_missing_package_is_named(call, package, named):
    script = f"""
import sys, rustbp
rustbp.MLPClassifier
rustbp.to_onnx, rustbp.register_onnx_converters
assert not {{"onnx", "skl2onnx"}} & set(sys.modules), "imported before it is used"
sys.modules[{package!r}] = None
try:
    rustbp.{call}
except ImportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == named


@pytest.mark.parametrize("module", ["model", "pipelines"])
def test_examples_run(module):
    found = doctest.testmod(importlib.import_module(f"rustbp._onnx.{module}"))
    assert found.attempted > 0
    assert found.failed == 0
