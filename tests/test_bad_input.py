"""Input that is bad, or merely unusual: each either works as in scikit-learn or ends in its type and words."""

import re
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn import neural_network

import rustbp
from bad_input import (
    BAD_LABELS,
    BAD_NUMBERS,
    BAD_PARAMETERS,
    BAD_WEIGHTS,
    BAD_X,
    LABELS,
    NUMBERS,
    OVERFLOWS,
    X,
    frame,
    memory_mapped,
)
from rustbp._training.epochs import NON_FINITE

PARAMETERS = {"hidden_layer_sizes": 3, "max_iter": 2, "random_state": 0}


def make(module, name, **parameters):
    return getattr(module, name)(**(PARAMETERS | parameters))


def fitted(module, name, X=X, **parameters):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(module, name, **parameters).fit(X, target_of(name))


def target_of(name):
    return LABELS if name == "MLPClassifier" else NUMBERS


def words(error):
    """The message, but for the order in which a set of choices is listed, and addresses."""
    text = re.sub(r"\{[^}]*\}", "{...}", str(error))
    return re.sub(r"0x[0-9a-f]+", "0x", text)


@pytest.fixture
def assert_alike(observe, is_accident):
    """A function that makes one call on scikit-learn's estimator and on ours, and compares what comes of it."""

    def compare(prepare, call, *, may_overflow=False):
        # Data is made anew each time: a call must not see what an earlier one did to it.
        theirs, error, warned = observe(lambda: call(prepare(neural_network)))
        ours, our_error, we_warned = observe(lambda: call(prepare(rustbp)))
        if is_accident(error) or (may_overflow and str(our_error) == NON_FINITE):
            return
        assert type(our_error).__name__ == type(error).__name__, f"{our_error!r} for {error!r}"
        if error is not None:
            # A way out may follow.
            assert words(our_error).startswith(words(error))
            return
        assert we_warned == warned
        if hasattr(theirs, "coefs_"):
            for expected, got in zip(theirs.coefs_, ours.coefs_, strict=True):
                assert_allclose(
                    got, expected, rtol=1e-4 if got.dtype == np.float32 else 1e-7, atol=1e-9
                )
                assert got.dtype == expected.dtype
            assert ours.n_features_in_ == theirs.n_features_in_
            if theirs.n_features_in_ != X.shape[1]:
                return
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that X has no feature names
                theirs, ours = theirs.predict(X), ours.predict(X)
        # The core has no long double.
        assert ours.dtype == theirs.dtype or theirs.dtype == np.longdouble
        if theirs.dtype.kind == "f":
            assert_allclose(
                ours, theirs, rtol=1e-3 if ours.dtype == np.float32 else 1e-7, atol=1e-7
            )
        elif sparse.issparse(theirs):
            assert (ours != theirs).nnz == 0
        else:
            np.testing.assert_array_equal(ours, theirs)

    return compare


NAMES = ("MLPClassifier", "MLPRegressor")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", BAD_X)
def test_x_in_fit(assert_alike, name, case):
    y = target_of(name)
    assert_alike(
        lambda module: make(module, name),
        lambda model: model.fit(BAD_X[case](), y),
        may_overflow=case in OVERFLOWS,
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", BAD_X)
def test_x_in_partial_fit(assert_alike, name, case):
    y = target_of(name)
    assert_alike(
        lambda module: fitted(module, name),
        lambda model: model.partial_fit(BAD_X[case](), y),
        may_overflow=case in OVERFLOWS,
    )


@pytest.mark.parametrize(
    "method", ["MLPClassifier.predict", "MLPClassifier.predict_proba", "MLPRegressor.predict"]
)
@pytest.mark.parametrize("trained_on", [X, frame()], ids=["array", "frame"])
@pytest.mark.parametrize("case", BAD_X)
def test_x_in_predict(assert_alike, method, trained_on, case):
    name, method = method.split(".")
    assert_alike(
        lambda module: fitted(module, name, trained_on),
        lambda model: getattr(model, method)(BAD_X[case]()),
    )


@pytest.mark.parametrize(
    "method", ["predict", "predict_proba", "predict_log_proba", "score", "partial_fit"]
)
def test_not_fitted(assert_alike, method):
    arguments = (X, LABELS) if method in ("score", "partial_fit") else (X,)
    assert_alike(
        lambda module: make(module, "MLPClassifier"),
        lambda model: getattr(model, method)(*arguments),
    )


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("case", BAD_LABELS)
def test_labels_in_fit(assert_alike, case, early_stopping):
    options = {"early_stopping": early_stopping, "validation_fraction": 0.25}
    assert_alike(
        lambda module: make(module, "MLPClassifier", **options),
        lambda model: model.fit(X, BAD_LABELS[case]()),
    )


@pytest.mark.parametrize(
    "classes", [None, [0, 1, 2], [2, 1, 0], ["a", "b", "c"], [0, 1], [1], [], [0, "a"], 3]
)
@pytest.mark.parametrize("case", BAD_LABELS)
def test_labels_in_first_partial_fit(assert_alike, case, classes):
    assert_alike(
        lambda module: make(module, "MLPClassifier"),
        lambda model: model.partial_fit(X, BAD_LABELS[case](), classes=classes),
    )


@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("case", BAD_LABELS)
def test_labels_after_fit(assert_alike, case, warm_start):
    for method in ("fit", "partial_fit"):
        assert_alike(
            lambda module: fitted(module, "MLPClassifier", warm_start=warm_start),
            lambda model, method=method: getattr(model, method)(X, BAD_LABELS[case]()),
        )


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("case", BAD_NUMBERS)
def test_numbers(assert_alike, case, loss):
    y = NUMBERS + 50 if loss == "poisson" else NUMBERS
    for method in ("fit", "partial_fit"):
        assert_alike(
            lambda module: make(module, "MLPRegressor", loss=loss),
            lambda model, method=method: getattr(model, method)(X, BAD_NUMBERS[case](y)),
        )


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", BAD_WEIGHTS)
def test_weights(assert_alike, name, case, solver):
    assert_alike(
        lambda module: make(module, name, solver=solver),
        lambda model: model.fit(X, target_of(name), BAD_WEIGHTS[case]()),
    )


def test_a_batch_whose_weights_sum_to_zero(assert_alike):
    weights = np.r_[np.zeros(4), np.ones(8)]
    assert_alike(
        lambda module: make(module, "MLPClassifier", batch_size=4, shuffle=False),
        lambda model: model.fit(X, LABELS, weights),
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("parameters", BAD_PARAMETERS, ids=str)
def test_parameters(assert_alike, name, parameters):
    assert_alike(
        lambda module: make(module, name, **parameters),
        lambda model: model.fit(X, target_of(name)),
    )


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_targets_near_the_largest_number(solver):
    # scikit-learn fits without a word, to a loss of infinity.
    with pytest.raises(ValueError, match=NON_FINITE):
        make(rustbp, "MLPRegressor", solver=solver).fit(X, NUMBERS * 1e307)


def test_negative_targets_of_poisson():
    with pytest.raises(ValueError, match="negative, which loss='poisson' does not allow"):
        make(rustbp, "MLPRegressor", loss="poisson").fit(X, NUMBERS)


def test_own_parameters_are_checked():
    for name, bad in {
        "loss": "hinge",
        "output_activation": "relu",
        "init": "zeros",
        "n_threads": 0,
        "compute": "float8",
    }.items():
        with pytest.raises(ValueError, match=f"The '{name}' parameter of MLPClassifier must be"):
            make(rustbp, "MLPClassifier", **{name: bad}).fit(X, LABELS)
    multilabel = np.stack([LABELS == 0, LABELS != 1], axis=1)
    with pytest.raises(ValueError, match="output_activation='softmax'"):
        make(rustbp, "MLPClassifier", output_activation="softmax").fit(X, multilabel)


def test_memory_mapped_rows(assert_alike, tmp_path):
    mapped = memory_mapped(tmp_path)
    for name in NAMES:
        assert_alike(
            lambda module, name=name: make(module, name),
            lambda model, name=name: model.fit(mapped, target_of(name)),
        )
        assert_alike(
            lambda module, name=name: fitted(module, name), lambda model: model.predict(mapped)
        )
