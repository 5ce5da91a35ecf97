"""class_weight: what passing scikit-learn's compute_sample_weight gives, to the last bit."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.linear_model import SGDClassifier
from sklearn.utils.class_weight import compute_sample_weight

from rustbp import MLPClassifier

X, INDEX = load_iris(return_X_y=True)
# Unlike in size, so that "balanced" is something.
KEPT = np.r_[:50, 50:80, 100:110]
X, INDEX = X[KEPT], INDEX[KEPT]
NAMES = np.array(["setosa", "versicolor", "virginica"])[INDEX]
WEIGHTS = np.random.default_rng(0).uniform(0.5, 2, len(X))
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def network(**options):
    return MLPClassifier(
        **{"hidden_layer_sizes": (6,), "max_iter": 4, "batch_size": 20, "random_state": 0} | options
    )


def assert_same(ours, expected):
    for name in ("coefs_", "intercepts_"):
        for found, array in zip(getattr(ours, name), getattr(expected, name), strict=True):
            assert_array_equal(found, array)
    assert getattr(ours, "loss_curve_", None) == getattr(expected, "loss_curve_", None)


CASES = {
    "balanced": (INDEX, "balanced"),
    "labels": (NAMES, {"setosa": 0.5, "versicolor": 1, "virginica": 4.25}),
    "some of the labels": (NAMES, {"virginica": 3}),
    "two classes": (INDEX > 0, {False: 2.0, True: 0.25}),
    "none": (INDEX, {}),
    "floats": (INDEX.astype(float), {0: 0.5, 1: 1, 2: 3}),
}


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("weight", [None, WEIGHTS, WEIGHTS.astype("f4")])
@pytest.mark.parametrize("case", CASES)
def test_fit_is_as_with_those_weights(case, weight, solver):
    y, class_weight = CASES[case]
    given = compute_sample_weight(class_weight, y) * (1 if weight is None else weight)
    expected = network(solver=solver).fit(X, y, given)
    assert_same(network(solver=solver, class_weight=class_weight).fit(X, y, weight), expected)


@pytest.mark.parametrize("form", [np.asarray, lambda X: X.astype("f4"), sparse.csr_array])
def test_other_forms_of_rows(form):
    expected = network().fit(form(X), NAMES, compute_sample_weight("balanced", NAMES))
    assert_same(network(class_weight="balanced").fit(form(X), NAMES), expected)


@pytest.mark.parametrize("class_weight", ["balanced", [{0: 1, 1: 5}, {1: 2}, {}]])
def test_several_labels(class_weight):
    rows, y = make_multilabel_classification(60, 5, n_classes=3, random_state=0)
    expected = network().fit(rows, y, compute_sample_weight(class_weight, y))
    assert_same(network(class_weight=class_weight).fit(rows, y), expected)


def test_several_labels_and_one_dict():
    """scikit-learn's words."""
    rows, y = make_multilabel_classification(60, 5, n_classes=3, random_state=0)
    with pytest.raises(ValueError, match="class_weight should be a list of dicts"):
        network(class_weight={0: 2}).fit(rows, y)


def test_partial_fit_takes_the_weights_of_classes_that_a_batch_lacks():
    class_weight = {"virginica": 3.0}
    ours, expected = network(class_weight=class_weight), network()
    for batch in (slice(0, 60), slice(30, 90), slice(0, 40)):
        given = np.where(NAMES[batch] == "virginica", 3.0, 1.0)
        ours.partial_fit(X[batch], NAMES[batch], classes=np.unique(NAMES))
        expected.partial_fit(X[batch], NAMES[batch], given, classes=np.unique(NAMES))
        assert_same(ours, expected)


def test_partial_fit_of_several_labels():
    rows, y = make_multilabel_classification(60, 5, n_classes=2, random_state=0)
    ours = network(class_weight=[{1: 5}, {0: 2}])
    expected = network()
    for batch in (y[:, 0] == 0, y[:, 1] == 1):
        given = np.where(y[batch, 0], 5.0, 1) * np.where(y[batch, 1], 1.0, 2)
        ours.partial_fit(rows[batch], y[batch], classes=[0, 1])
        expected.partial_fit(rows[batch], y[batch], given, classes=[0, 1])
        assert_same(ours, expected)


def test_partial_fit_refuses_balanced_in_the_words_of_sgd_classifier():
    messages = []
    for model in (network(class_weight="balanced"), SGDClassifier(class_weight="balanced")):
        with pytest.raises(ValueError, match="class_weight") as raised:
            model.partial_fit(X, INDEX, classes=[0, 1, 2])
        messages.append(str(raised.value))
    assert messages[0] == messages[1]


def test_scores_are_not_weighed():
    """With early stopping, the held-out rows count as without class weights; so do the rows of `score`."""
    weighed = network(class_weight={0: 1, 1: 1, 2: 1e-3}, early_stopping=True, max_iter=1)
    plain = network(early_stopping=True, max_iter=1)
    weighed.fit(X, INDEX), plain.fit(X, INDEX)
    # In one epoch of one update, both have trained from the same weights, on other losses.
    assert weighed.loss_curve_ != plain.loss_curve_
    for model in (weighed, plain):
        model.set_params(learning_rate_init=1e-30).fit(X, INDEX)
    assert weighed.validation_scores_ == plain.validation_scores_
    assert weighed.validation_loss_curve_ == plain.validation_loss_curve_


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({5: 1.0}, "are not in class_weight"),
        ({0: np.nan, 1: 1, 2: 1}, "sample_weight contains NaN"),
        ({0: 0, 1: 0, 2: 0}, "[Ww]eights (must contain|sum to zero)"),
        ("heavy", "The 'class_weight' parameter of MLPClassifier must be"),
    ],
)
def test_bad_weights(class_weight, message):
    model = network().fit(X, INDEX)
    before = [coef.copy() for coef in model.coefs_]
    # Where all are zero, scikit-learn before 1.9 leaves it to the mean to say so.
    with pytest.raises((ValueError, ZeroDivisionError), match=message):
        model.set_params(class_weight=class_weight).fit(X, INDEX)
    assert all(map(np.array_equal, before, model.coefs_))


def test_soft_targets_have_no_classes_to_weigh():
    with pytest.raises(ValueError, match="class_weight weighs labels"):
        network(soft_targets=True, class_weight="balanced").fit(X, np.eye(3)[INDEX])


def test_the_parameter_is_saved(tmp_path):
    import rustbp

    for class_weight in (
        {"setosa": 0.5, "virginica": 2},
        "balanced",
        {np.str_("setosa"): np.float32(2)},
    ):
        model = network(class_weight=class_weight).fit(X, NAMES)
        model.save(tmp_path / "model")
        assert rustbp.load(tmp_path / "model").class_weight == class_weight
    rows, y = make_multilabel_classification(60, 5, n_classes=2, random_state=0)
    several = [{0: 1, 1: 5.5}, {1: 2}]
    network(class_weight=several).fit(rows, y).save(tmp_path / "model")
    assert rustbp.load(tmp_path / "model").class_weight == several


def test_to_sklearn_leaves_it_out_and_says_so():
    model = network(class_weight="balanced").fit(X, NAMES)
    with pytest.warns(UserWarning, match="class_weight"):
        theirs = model.to_sklearn()
    assert_array_equal(theirs.predict(X), model.predict(X))
