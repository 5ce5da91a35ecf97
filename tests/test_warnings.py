"""Warnings, the filters that scripts have for scikit-learn's, and what is printed while a fit runs."""

import contextlib
import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import rustbp
from rustbp._training.epochs import WAY_OUT

X, Y = load_iris(return_X_y=True)
both = pytest.mark.parametrize("package", [neural_network, rustbp], ids=["sklearn", "rustbp"])
silently = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# Each gives a warning of scikit-learn's perceptrons: what it is called with, and the warning's category.
CASES = {
    "epochs": (lambda p: p.MLPClassifier((3,), max_iter=2).fit(X, Y), ConvergenceWarning),
    "iterations": (
        lambda p: p.MLPClassifier((3,), solver="lbfgs", max_iter=2, random_state=0).fit(X, Y),
        ConvergenceWarning,
    ),
    "iterations of a regressor": (
        lambda p: p.MLPRegressor(
            hidden_layer_sizes=3, solver="lbfgs", max_iter=2, random_state=0
        ).fit(X, Y),
        ConvergenceWarning,
    ),
    "batch": (
        lambda p: p.MLPRegressor(hidden_layer_sizes=3, batch_size=500).partial_fit(X, Y),
        UserWarning,
    ),
    "column": (
        lambda p: p.MLPClassifier((3,)).partial_fit(X, Y[:, None], classes=[0, 1, 2]),
        DataConversionWarning,
    ),
    "column of numbers": (
        lambda p: p.MLPRegressor(hidden_layer_sizes=3).partial_fit(X, Y[:, None]),
        DataConversionWarning,
    ),
}


def given(package, call, *filters):
    """The warnings of a call under ``simplefilter("always")`` and then these filters, each its arguments."""
    with warnings.catch_warnings(record=True) as log:
        warnings.simplefilter("always")
        for action, options in filters:
            warnings.filterwarnings(action, **options)
        call(package)
    # Without the way out behind scikit-learn's words.
    return [(w.category, str(w.message).removesuffix(WAY_OUT)) for w in log]


@pytest.mark.parametrize(
    "module", ["sklearn", r"sklearn\.neural_network", "sklearn.*perceptron", ""]
)
@pytest.mark.parametrize(("call", "category"), CASES.values(), ids=CASES)
def test_filters_that_name_sklearn_apply(call, category, module):
    expected = given(neural_network, call)
    assert [c for c, _ in expected] == [category]
    assert given(rustbp, call) == expected
    ignore = ("ignore", {"category": category, "module": module})
    assert given(neural_network, call, ignore) == []
    assert given(rustbp, call, ignore) == []


@pytest.mark.parametrize(
    "options",
    [
        {"module": "sklearn", "category": DeprecationWarning},
        {"module": "sklearn", "message": "something else"},
        {"module": "scikit"},
        {"module": r"sklearn\.metrics"},
        {"module": "sklearn", "lineno": 1},
        {"module": "__main__"},
    ],
)
@both
def test_other_filters_do_not(package, options):
    assert len(given(package, CASES["epochs"][0], ("ignore", options))) == 1


def test_the_first_filter_that_fits_decides():
    call = CASES["epochs"][0]
    ours, theirs = {"module": "rustbp"}, {"module": "sklearn"}
    # filterwarnings puts each filter before the others.
    assert len(given(rustbp, call, ("ignore", theirs), ("always", ours))) == 1
    assert given(rustbp, call, ("always", ours), ("ignore", theirs)) == []
    assert given(rustbp, call, ("ignore", ours)) == []
    with pytest.raises(ConvergenceWarning):
        given(rustbp, call, ("error", theirs))
    with pytest.raises(ConvergenceWarning):
        given(
            rustbp,
            call,
            ("error", {"message": "Stochastic Optimizer"}),
            ("ignore", {"module": "a"}),
        )


@pytest.mark.parametrize("wrapped", [False, True], ids=["alone", "in a search"])
def test_where_a_warning_is_shown_to_come_from(wrapped):
    """The line of the script, past scikit-learn's own frames."""
    model = rustbp.MLPClassifier((3,), max_iter=2)
    if wrapped:
        model = GridSearchCV(make_pipeline(StandardScaler(), model), {}, cv=2, refit=False)
    with warnings.catch_warnings(record=True) as log:
        warnings.simplefilter("always")
        model.fit(X, Y)
    assert {warning.filename for warning in log} == {__file__}
    lines = Path(__file__).read_text().splitlines()
    assert {lines[warning.lineno - 1].strip() for warning in log} == {"model.fit(X, Y)"}


def test_diverging_is_of_the_same_kind():
    def diverge(package):
        package.MLPClassifier(
            (3,), early_stopping=True, solver="sgd", learning_rate_init=1e300, random_state=0
        ).fit(X, Y)

    ignore = ("ignore", {"category": ConvergenceWarning, "module": "sklearn"})
    assert [c for c, _ in given(rustbp, diverge)] == [ConvergenceWarning]
    assert given(rustbp, diverge, ignore) == []


# ---- rows held out that weigh nothing ----


@silently
@pytest.mark.parametrize(
    "y", [Y, Y > 0, np.stack([Y > 0, Y > 1], axis=1) * 1], ids=["3", "2", "labels"]
)
@both
def test_validation_rows_without_weight(package, y):
    rng = np.random.RandomState(0)
    n_outputs = 3 if y is Y else y.reshape(len(y), -1).shape[1]
    for fan_in, fan_out in ((4, 3), (3, n_outputs)):
        rng.uniform(size=fan_in * fan_out + fan_out)
    stratify = np.where(y, "True", "False") if n_outputs == 1 else None
    _, held_out = train_test_split(
        np.arange(150), random_state=rng, test_size=0.1, stratify=stratify
    )
    weight = np.ones(150)
    weight[held_out] = 0
    model = package.MLPClassifier((3,), max_iter=2, early_stopping=True, random_state=0)
    # scikit-learn before 1.9 leaves it to the mean of its scores to say so.
    errors = ValueError if package is rustbp else (ValueError, ZeroDivisionError)
    with pytest.raises(
        errors, match=r"[Ww]eights (must contain at least one non-zero|sum to zero)"
    ):
        model.fit(X, y, sample_weight=weight)
    weight[held_out[0]] = 1
    assert len(model.fit(X, y, sample_weight=weight).validation_scores_) == 2


# ---- what is printed ----


class Failing(io.StringIO):
    """Raises at the second line that is written to it."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):
        if self.getvalue().count("\n") == 1:
            raise self.error
        return super().write(text)


@silently
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize(
    "error", [BrokenPipeError(), ValueError("closed"), UnicodeError(), AttributeError("x")]
)
@both
def test_an_error_of_printing_ends_a_fit_as_in_sklearn(package, error, early_stopping):
    model = package.MLPClassifier((3,), max_iter=3, verbose=True, early_stopping=early_stopping)
    with contextlib.redirect_stdout(Failing(error)), pytest.raises(type(error)) as raised:
        model.fit(X, Y)
    assert raised.value is error


@both
def test_ctrl_c_while_printing_keeps_what_was_learnt(package):
    model = package.MLPClassifier((3,), max_iter=3, verbose=True)
    with (
        contextlib.redirect_stdout(Failing(KeyboardInterrupt())),
        pytest.warns(UserWarning, match=r"Training interrupted by user\."),
    ):
        model.fit(X, Y)
    assert model.n_iter_ == len(model.loss_curve_) == 2
