"""Targets that are distributions over classes."""

import copy
import pickle

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import neural_network
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.preprocessing import LabelBinarizer

import rustbp
from rustbp import MLPClassifier

X, Y = load_iris(return_X_y=True)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SETTINGS = {"hidden_layer_sizes": (5,), "max_iter": 10, "random_state": 0}


def distributions(n_classes=3, n_rows=150, seed=0):
    return np.random.RandomState(seed).dirichlet(np.ones(n_classes), n_rows)


P = distributions()


class Theirs(neural_network.MLPClassifier):
    """The way of a published course: the hook hands on the distributions, and the rest is scikit-learn's."""

    def _validate_input(self, X, y, incremental, reset):
        self._label_binarizer = LabelBinarizer().fit(np.arange(y.shape[1]))
        self.classes_ = self._label_binarizer.classes_
        self.n_features_in_ = X.shape[1]
        return X, y


@pytest.mark.parametrize("weight", [None, np.linspace(0.5, 2, 150)], ids=["alike", "weighted"])
@pytest.mark.parametrize(
    "options",
    [
        {"solver": "sgd", "learning_rate_init": 0.05},
        {"solver": "adam"},
        {"solver": "adam", "early_stopping": True},
        {"solver": "sgd", "momentum": 0, "alpha": 0.1, "activation": "tanh"},
    ],
    ids=["sgd", "adam", "early stopping", "plain"],
)
def test_as_scikit_learn_with_the_hook(options, weight, assert_same_fit):
    theirs = Theirs(**SETTINGS, **options).fit(X, P, sample_weight=weight)
    ours = MLPClassifier(soft_targets=True, **SETTINGS, **options).fit(X, P, sample_weight=weight)
    assert_same_fit(theirs, ours, X)
    if not options.get("early_stopping"):
        assert_same_fit(theirs.partial_fit(X, P), ours.partial_fit(X, P), X)


# PyTorch 2.13: cross_entropy(logits, targets, reduction="none") of a tanh layer and a linear one, weighted by w and
# divided by the sum of w; three steps of SGD(lr=0.5) over all rows, in float64. Rows and weights are those of the test.
PYTORCH = {
    2: {
        "losses": [1.825976574832167, 0.8744612681704705, 0.6441768323601753],
        "last": [
            [-0.6092349886207251, -1.8593359136253427],
            [-1.1284399271153345, 1.3729451317221117],
            [-0.25929191488195125, -0.6884345684808886],
            [-1.549744637761071, 1.0744396335430546],
        ],
        "biases": [
            -1.548074620063969,
            -0.2279669866978897,
            -0.896204484108698,
            0.42467286205017607,
        ],
    },
    3: {
        "losses": [1.8056223689852957, 1.5339437332674024, 1.4110693173139648],
        "last": [
            [-1.3162079847285146, 0.566487900002053, -1.339482767049506],
            [-0.3478277226446666, -0.7738565527714454, 0.40037993186772963],
            [-0.5772161136619943, -1.1450757516693788, 0.0026723153014333],
            [0.3400531066011161, 0.18441266943671294, 0.27285521461553786],
        ],
        "biases": [
            -0.5300237719682119,
            -0.477768851823507,
            -0.9134114375664169,
            -0.37212606736249654,
        ],
    },
}


@pytest.mark.parametrize("n_classes", PYTORCH)
def test_as_pytorch(n_classes):
    rng = np.random.RandomState(0)
    rows, targets = rng.standard_normal((6, 3)), rng.dirichlet(np.ones(n_classes), 6)
    coefs = [rng.standard_normal((3, 4)), rng.standard_normal((4, n_classes))]
    intercepts = [rng.standard_normal(4), rng.standard_normal(n_classes)]
    model = MLPClassifier(
        (4,),
        "tanh",
        solver="sgd",
        momentum=0,
        alpha=0,
        learning_rate_init=0.5,
        batch_size=6,
        max_iter=3,
        soft_targets=True,
    ).fit(
        rows,
        targets,
        sample_weight=[1, 2, 0.5, 1, 1, 3],
        coefs_init=coefs,
        intercepts_init=intercepts,
    )
    expected = PYTORCH[n_classes]
    assert_allclose(model.loss_curve_, expected["losses"], rtol=1e-12)
    assert_allclose(model.coefs_[-1], expected["last"], rtol=1e-11)
    assert_allclose(model.intercepts_[0], expected["biases"], rtol=1e-11)


@pytest.mark.parametrize("n_classes", [2, 3, 7])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_gradients(n_classes, activation):
    targets = distributions(n_classes, 8)
    targets[0] = np.eye(n_classes)[0]
    model = MLPClassifier((4,), activation, soft_targets=True, random_state=0, alpha=0.1)
    assert rustbp.check_gradients(model, X[:8], targets).largest_error < 1e-6
    model.set_params(max_iter=5).fit(X[:8], targets)
    assert rustbp.check_gradients(model, X[:8], targets, np.arange(8.0)).largest_error < 1e-6
    a = model.predict_proba(X[:8])
    assert_allclose(rustbp.backprop(model, X[:8], targets).delta[-1], a - targets)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_certain_distributions_train_like_labels(solver, dtype):
    options = {**SETTINGS, "solver": solver}
    hard = MLPClassifier(**options).fit(X.astype(dtype), Y)
    for targets in (np.eye(3)[Y], np.eye(3, dtype=np.float32)[Y], np.eye(3, dtype=int)[Y]):
        soft = MLPClassifier(soft_targets=True, **options).fit(X.astype(dtype), targets)
        assert soft.coefs_[0].dtype == dtype
        assert_allclose(soft.predict_proba(X), hard.predict_proba(X), rtol=1e-4, atol=1e-6)
        assert_array_equal(soft.predict(X), hard.predict(X))


def test_the_optimum_is_the_mean_distribution():
    """By hand: of all constant outputs, the mean of the targets has the least cross-entropy."""
    model = MLPClassifier((), solver="lbfgs", alpha=0, soft_targets=True, tol=1e-9, max_iter=500)
    model.fit(np.zeros((150, 1)), P)
    assert_allclose(model.predict_proba([[0.0]])[0], P.mean(axis=0), atol=1e-5)
    assert_allclose(model.loss_, -(P.mean(axis=0) * np.log(P.mean(axis=0))).sum(), rtol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_classes_predictions_and_score(n_classes):
    targets = distributions(n_classes)
    model = MLPClassifier(soft_targets=True, **SETTINGS).fit(X, targets)
    assert_array_equal(model.classes_, np.arange(n_classes))
    assert model.n_outputs_ == n_classes
    assert model.out_activation_ == "softmax"
    probability = model.predict_proba(X)
    assert probability.shape == targets.shape
    assert_allclose(probability.sum(axis=1), 1)
    assert_array_equal(model.predict(X), probability.argmax(axis=1))
    assert_allclose(model.predict_log_proba(X), np.log(probability))
    weight = np.linspace(0, 1, 150)
    right = probability.argmax(axis=1) == targets.argmax(axis=1)
    assert model.score(X, targets) == pytest.approx(right.mean())
    assert model.score(X, targets, weight) == pytest.approx(np.average(right, weights=weight))
    # Rows with labels can be judged as well.
    assert model.score(X, targets.argmax(axis=1)) == pytest.approx(right.mean())
    with pytest.raises(
        ValueError, match=rf"y has 5 columns, and the model knows {n_classes} classes"
    ):
        model.score(X, distributions(5))


def test_early_stopping_keeps_the_best():
    model = MLPClassifier(
        soft_targets=True,
        early_stopping=True,
        learning_rate_init=0.02,
        validation_fraction=0.3,
        **{**SETTINGS, "max_iter": 60},
    ).fit(X, 0.8 * np.eye(3)[Y] + 0.2 / 3)
    assert len(model.validation_scores_) == model.n_iter_
    assert model.best_validation_score_ == max(model.validation_scores_) > 0.6


def test_partial_fit_names_the_columns():
    names = ["cat", "dog", "owl"]
    model = MLPClassifier((5,), soft_targets=True, random_state=0)
    model.partial_fit(X, P, classes=names).partial_fit(X, P)
    assert_array_equal(model.classes_, names)
    assert_array_equal(model.predict(X), np.array(names)[model.predict_proba(X).argmax(axis=1)])
    other = (
        MLPClassifier((5,), soft_targets=True, random_state=0).partial_fit(X, P).partial_fit(X, P)
    )
    assert_array_equal(other.classes_, [0, 1, 2])
    assert_array_equal(other.coefs_[0], model.coefs_[0])
    with pytest.raises(ValueError, match="classes must be sorted and without doubles"):
        clone(model).partial_fit(X, P, classes=["dog", "cat", "owl"])
    with pytest.raises(ValueError, match="y has 3 columns, and the model knows 2 classes"):
        clone(model).partial_fit(X, P, classes=["cat", "dog"])
    with pytest.raises(ValueError, match="is not the same as on last call to partial_fit"):
        model.partial_fit(X, P, classes=["cat", "dog"])


@pytest.mark.parametrize("n_classes", [2, 3])
def test_warm_start_and_labels_afterwards(n_classes):
    targets = distributions(n_classes)
    model = MLPClassifier(soft_targets=True, warm_start=True, **SETTINGS).fit(X, targets)
    model.fit(X, targets)
    assert len(model.loss_curve_) == 20
    with pytest.raises(
        ValueError, match=rf"y has 4 columns, and the model knows {n_classes} classes"
    ):
        model.fit(X, distributions(4))
    # The same network goes on with labels, and with distributions again.
    labels = Y % n_classes
    model.set_params(soft_targets=False, warm_start=False).partial_fit(X, labels)
    assert model.score(X, labels) <= 1
    model.set_params(soft_targets=True).partial_fit(X, targets)
    assert_allclose(model.predict_proba(X).sum(axis=1), 1)


def test_from_labels_to_distributions():
    model = MLPClassifier(**SETTINGS).fit(X, np.array(["a", "b", "c"])[Y])
    expected = copy.deepcopy(model).partial_fit(X, np.array(["a", "b", "c"])[Y])
    model.set_params(soft_targets=True).partial_fit(X, np.eye(3)[Y])
    assert_allclose(model.coefs_[0], expected.coefs_[0], rtol=1e-9)
    assert_array_equal(model.classes_, ["a", "b", "c"])
    for y in (Y > 0, np.stack([Y > 0, Y > 1], axis=1) * 1):
        other = MLPClassifier(**SETTINGS).fit(X, y).set_params(soft_targets=True)
        with pytest.raises(ValueError, match="needs 'softmax'"):
            other.partial_fit(X, distributions(2))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_stored_and_copied(n_classes, tmp_path):
    targets = distributions(n_classes)
    model = MLPClassifier(soft_targets=True, **SETTINGS).fit(X, targets)
    model.save(tmp_path / "model")
    expected = copy.deepcopy(model).partial_fit(X, targets).predict_proba(X)
    for other in (rustbp.load(tmp_path / "model"), pickle.loads(pickle.dumps(model))):
        assert other.soft_targets is True
        assert_array_equal(other.predict_proba(X), model.predict_proba(X))
        assert_array_equal(other.partial_fit(X, targets).predict_proba(X), expected)


def test_to_sklearn():
    """A network with three units or more is one that scikit-learn has, though it could not train it so."""
    model = MLPClassifier(soft_targets=True, **SETTINGS).fit(X, P)
    theirs = model.to_sklearn()
    assert_allclose(theirs.predict_proba(X), model.predict_proba(X), rtol=1e-9)
    assert_array_equal(theirs.predict(X), model.predict(X))
    labels = P.argmax(axis=1)
    model.set_params(soft_targets=False).partial_fit(X, labels)
    assert_allclose(theirs.partial_fit(X, labels).coefs_[0], model.coefs_[0], rtol=1e-9)
    two = MLPClassifier(soft_targets=True, **SETTINGS).fit(X, distributions(2))
    # It has one unit for two classes: the logistic function of the difference.
    assert_allclose(two.to_sklearn().predict_proba(X), two.predict_proba(X), rtol=1e-9)


def test_searches_and_recordings():
    model = MLPClassifier(soft_targets=True, **SETTINGS)
    assert len(cross_val_score(model, X, P, cv=2)) == 2
    search = GridSearchCV(model, {"alpha": [0.1, 1.0]}, cv=2).fit(X, P)
    assert 0 <= search.best_score_ <= 1
    history = rustbp.record_fit(model, X, P, X_val=X, y_val=P)
    assert len(history.validation_score) == 11
    assert history.loss[-1] == pytest.approx(
        -(P * np.log(model.predict_proba(X))).sum(axis=1).mean()
    )


def test_rounded_distributions_count_as_what_they_mean():
    rounded = P.round(2)
    model = MLPClassifier(soft_targets=True, **SETTINGS).fit(X, rounded)
    exact = MLPClassifier(soft_targets=True, **SETTINGS).fit(
        X, rounded / rounded.sum(axis=1, keepdims=True)
    )
    assert_array_equal(model.coefs_[0], exact.coefs_[0])


def test_a_frame_or_a_sparse_array():
    pandas = pytest.importorskip("pandas")
    expected = MLPClassifier(soft_targets=True, **SETTINGS).fit(X, P)
    for y in (pandas.DataFrame(P), P.tolist(), np.asfortranarray(P), scipy.sparse.csr_array(P)):
        model = MLPClassifier(soft_targets=True, **SETTINGS).fit(X, y)
        assert_array_equal(model.coefs_[0], expected.coefs_[0])


BAD = {
    "labels": (Y, "for each row: y of shape .* Got an array of shape \\(150,\\)"),
    "one column": (np.ones((150, 1)), r"Got an array of shape \(150, 1\)"),
    "sum": (
        P * 1.05,
        "rows of numbers from 0 on whose sum is 1. Row 0 of y is .* with the sum 1.05",
    ),
    "negative": (P - [[0.5, -0.5, 0]], "numbers from 0 on"),
    "nan": (np.where(P > 0.9, np.nan, P), "contains NaN"),
    "infinite": (np.where(P > 0.9, np.inf, P), "contains infinity"),
    "text": (P.astype(str).astype(object) + "x", "could not convert string to float"),
    "zeros": (0 * P, "with the sum 0"),
    "several labels": (np.ones((150, 3), dtype=int), "with the sum 3"),
    "sparse matrix": (scipy.sparse.csr_matrix(P), "dense data is required"),
}


@pytest.mark.parametrize(("y", "words"), BAD.values(), ids=BAD)
def test_other_targets_are_refused(y, words):
    model = MLPClassifier(soft_targets=True, **SETTINGS)
    for call in (model.fit, model.partial_fit, lambda X, y: rustbp.backprop(model, X, y)):
        with pytest.raises((ValueError, TypeError), match=words):
            call(X, y)
    assert not hasattr(model, "coefs_")


@pytest.mark.parametrize("options", [{"loss": "squared_error"}, {"output_activation": "logistic"}])
def test_other_settings_are_refused(options):
    model = MLPClassifier(soft_targets=True, **SETTINGS, **options)
    with pytest.raises(ValueError, match="soft_targets=True needs loss='log_loss'"):
        model.fit(X, P)


def test_without_the_parameter_distributions_are_no_labels():
    """As in scikit-learn."""
    for package in (neural_network, rustbp):
        with pytest.raises(
            ValueError, match=r"Unknown label type|continuous-multioutput|Multioutput target"
        ):
            package.MLPClassifier(**SETTINGS).fit(X, P)
