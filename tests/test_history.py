"""`record_fit`: the fit is the same as without, and each figure is what it says."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, log_loss

from rustbp import MLPClassifier, MLPRegressor, backprop, record_fit

X, Y = load_digits(return_X_y=True)
X, X_VAL, Y, Y_VAL = X[:1200] / 16, X[1200:] / 16, Y[:1200], Y[1200:]
SETTINGS = {"hidden_layer_sizes": (12, 8), "activation": "tanh", "max_iter": 4, "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_the_fit_is_the_same(solver, early_stopping, assert_same_fit):
    options = SETTINGS | {"solver": solver, "early_stopping": early_stopping}
    plain, recorded = MLPClassifier(**options).fit(X, Y), MLPClassifier(**options)
    history = record_fit(recorded, X, Y, X_val=X_VAL, y_val=Y_VAL)
    curves = solver != "lbfgs"
    assert_same_fit(plain, recorded, X_VAL, rtol=0, atol=0, curves=curves)
    assert history.n_epochs == recorded.n_iter_ == 4
    for name in ("loss", "score", "validation_loss", "validation_score", "mean_delta", "grad_norm"):
        assert len(getattr(history, name)) == 5


def test_the_figures_at_both_ends():
    """Before training those of the initial weights, at the end those of the fitted model."""
    model = MLPClassifier(**SETTINGS)
    history = record_fit(model, X[:500], Y[:500], X_val=X_VAL, y_val=Y_VAL)
    before, after = (
        backprop(MLPClassifier(**SETTINGS), X[:500], Y[:500]),
        backprop(model, X[:500], Y[:500]),
    )
    for index, shown in ((0, before), (-1, after)):
        assert history.loss[index] == pytest.approx(shown.cost, rel=1e-12)
        assert history.mean_delta[index] == pytest.approx([np.abs(d).mean() for d in shown.delta])
        assert history.grad_norm[index] == pytest.approx([np.linalg.norm(g) for g in shown.grad_w])
    assert history.activations == ("tanh", "tanh", "softmax")
    assert history.loss[-1] == pytest.approx(log_loss(Y[:500], model.predict_proba(X[:500])))
    assert history.validation_loss[-1] == pytest.approx(log_loss(Y_VAL, model.predict_proba(X_VAL)))
    assert history.score[-1] == accuracy_score(Y[:500], model.predict(X[:500]))
    assert history.validation_score[-1] == accuracy_score(Y_VAL, model.predict(X_VAL))


def test_errors_are_taken_on_a_thousand_rows():
    model = MLPClassifier(**SETTINGS)
    history = record_fit(model, X, Y)
    rows = np.linspace(0, 1199, 1000).astype(int)
    assert history.mean_delta[-1] == pytest.approx(backprop(model, X[rows], Y[rows]).mean_delta)


def test_weights_sparse_rows_and_regression():
    weight = np.linspace(0.5, 2, len(Y))
    model = MLPRegressor(hidden_layer_sizes=5, max_iter=3, random_state=0)
    history = record_fit(model, sparse.csr_array(X), Y, weight)
    assert history.loss[-1] == pytest.approx(
        np.average((model.predict(X) - Y) ** 2, weights=weight) / 2
    )
    assert history.score[-1] == pytest.approx(model.score(X, Y, weight))
    assert history.validation_loss == []


def test_a_warm_start_begins_where_the_model_was():
    model = MLPClassifier(**SETTINGS, warm_start=True).fit(X, Y)
    expected = log_loss(Y, model.predict_proba(X))
    assert record_fit(model, X, Y).loss[0] == pytest.approx(expected)


def test_only_its_own_fit_is_recorded():
    """A fit inside another, here by a scorer of the model, is none of its business."""

    class Nosy(MLPClassifier):
        def score(self, X, y, sample_weight=None):
            MLPClassifier(3, max_iter=2).fit(X[:50], y[:50])
            return super().score(X, y, sample_weight)

    assert record_fit(Nosy(**SETTINGS), X, Y).n_epochs == 4


def test_a_failing_fit_leaves_nothing_behind():
    with pytest.raises(ValueError, match="non-finite"):
        record_fit(MLPClassifier(**SETTINGS, solver="sgd", learning_rate_init=1e300), X, Y)
    from rustbp._training import callbacks

    assert callbacks._watchers == ()


def test_repr():
    history = record_fit(MLPClassifier(**SETTINGS), X, Y, X_val=X_VAL, y_val=Y_VAL)
    assert repr(history).startswith(f"TrainingHistory of 4 epochs: loss {history.loss[0]:.4g} to")
    assert f"validation loss {history.validation_loss[0]:.4g}" in repr(history)
    assert repr(type(history)()) == "TrainingHistory of no epochs"


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="X_val and y_val go together"):
        record_fit(MLPClassifier(), X, Y, X_val=X_VAL)
    with pytest.raises(TypeError, match="not a perceptron"):
        record_fit(None, X, Y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        record_fit(MLPClassifier(), X, Y[:5])


def test_lists_will_do():
    model = MLPClassifier(3, max_iter=2, random_state=0)
    history = record_fit(model, X[:50].tolist(), Y[:50].tolist())
    again = record_fit(MLPClassifier(3, max_iter=2, random_state=0), X[:50], Y[:50])
    assert_allclose(history.loss, again.loss)
    assert_array_equal(history.mean_delta, again.mean_delta)
