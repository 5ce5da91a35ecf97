"""`backprop` and `check_gradients`: their numbers, what they leave alone, and what they refuse."""

import dataclasses
import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import rustbp
from rustbp import MLPClassifier, MLPRegressor, _core, backprop, check_gradients
from rustbp._sigma import is_flat, sigma_prime

RNG = np.random.default_rng(0)
X = RNG.standard_normal((12, 3))
LABELS = np.array([0, 1, 2] * 4)
NUMBERS = np.column_stack([X[:, 0] * 2 + 1, X[:, 1]])
QUANTITIES = ("z", "a", "delta", "grad_w", "grad_b")


def with_weights(model, X, y, coefs, intercepts):
    """A fitted model with these weights."""
    model.set_params(solver="sgd", max_iter=1, n_iter_no_change=1, learning_rate_init=1e-3)
    with pytest.warns(match="Maximum iterations"):
        model.fit(X, y)
    model.coefs_, model.intercepts_ = coefs, intercepts
    return model


def sines(*shape, step):
    return np.sin(step * np.arange(1, np.prod(shape) + 1)).reshape(shape)


def test_a_published_example():
    """2-2-2 logistic neurons with the quadratic cost: Mazur (2015), "A step by step backpropagation example"."""
    X, y = np.array([[0.05, 0.10]]), np.array([[0.01, 0.99]])
    model = with_weights(
        MLPRegressor(hidden_layer_sizes=2, activation="logistic", alpha=0, batch_size=1),
        X,
        y,
        [np.array([[0.15, 0.25], [0.20, 0.30]]), np.array([[0.40, 0.50], [0.45, 0.55]])],
        [np.array([0.35, 0.35]), np.array([0.60, 0.60])],
    )
    model.out_activation_ = "logistic"
    shown = backprop(model, X, y)
    assert shown.cost == pytest.approx(0.298371109, abs=1e-9)
    assert shown.penalty == 0
    assert_allclose(shown.z[0], [[0.3775, 0.3925]], rtol=1e-12)
    assert_allclose(shown.a[0], [[0.593269992, 0.596884378]], atol=1e-9)
    assert_allclose(shown.a[1], [[0.751365070, 0.772928465]], atol=1e-9)
    assert_allclose(shown.delta[1], [[0.138498562, -0.038098236]], atol=1e-9)
    # The page gives the weights after a step of 0.5, not the gradients.
    after = [w - 0.5 * grad for w, grad in zip(model.coefs_, shown.grad_w, strict=True)]
    expected = [[0.149780716, 0.24975114], [0.19956143, 0.29950229]]
    assert_allclose(after[0], expected, atol=1e-8)
    expected = [[0.35891648, 0.511301270], [0.408666186, 0.561370121]]
    assert_allclose(after[1], expected, atol=1e-8)


def test_against_pytorch():
    """3-4-3, tanh and softmax, with weighted rows and a penalty: values of PyTorch 2.13's autograd in float64."""
    y, weight = np.array([0, 2, 1, 2]), np.array([1.0, 0.5, 2.0, 1.5])
    X = sines(4, 3, step=1)
    model = with_weights(
        MLPClassifier(4, "tanh", alpha=0.3, batch_size=4),
        X,
        y,
        [sines(3, 4, step=2), sines(4, 3, step=5)],
        [sines(4, step=3), sines(3, step=7)],
    )
    shown = backprop(model, X, y, weight)
    assert shown.cost == pytest.approx(1.5176287558683044, rel=1e-12)
    assert shown.penalty == pytest.approx(0.3723458858003109, rel=1e-12)
    # PyTorch's gradients of the total with respect to z, times the sum of the weights.
    delta_1 = [
        [1.133979817318, -0.434929710956, 0.453886432912, -0.228007903029],
        [-0.558698989014, 0.425320480325, -0.258615964824, -0.078992962259],
        [1.144927751256, -0.357312541037, 0.002392178461, 0.569474750668],
        [-0.947581504875, 1.242204891005, -0.526801480043, -0.302764616],
    ]
    delta_2 = [
        [-0.974070076249, 0.271500348379, 0.702569727869],
        [0.207216851918, 0.204698007552, -0.41191485947],
        [0.083342753155, -1.082428432143, 0.999085678988],
        [0.447893555963, 0.503694422366, -0.951587978328],
    ]
    grad_w1 = [
        [0.583506332541, -0.365088063476, 0.156398315464, 0.140715026492],
        [0.696796911353, -0.51200106203, 0.297411228208, 0.129645293245],
        [0.214226537392, -0.144024689859, 0.083462328251, 0.023073647458],
    ]
    grad_w2 = [
        [-0.061852284926, 0.06810059602, -0.057407763817],
        [0.245895542594, 0.142327500295, -0.400669330297],
        [-0.214701177892, -0.146040009344, 0.430811228167],
        [-0.058481184542, -0.013166675436, -0.022368578912],
    ]
    grad_b1 = [0.154525414937, 0.175056623867, -0.065827766699, -0.008058146124]
    grad_b2 = [-0.047123383043, -0.020507130769, 0.067630513812]
    expected = {
        "delta": (delta_1, delta_2),
        "grad_w": (grad_w1, grad_w2),
        "grad_b": (grad_b1, grad_b2),
    }
    for name, arrays in expected.items():
        for got, value in zip(getattr(shown, name), arrays, strict=True):
            assert_allclose(got, value, atol=2e-12, err_msg=name)


def test_a_step_of_training_is_the_gradient():
    """What is shown is what trains: one plain step on all rows moves the weights by minus eta times the gradient."""
    model = MLPClassifier(
        (5, 4), "logistic", solver="sgd", momentum=0, alpha=0.5, batch_size=12, random_state=0,
        learning_rate_init=0.1,
    ).partial_fit(X, LABELS, classes=[0, 1, 2])  # fmt: skip
    shown = backprop(model, X, LABELS)
    before = [array.copy() for array in model.coefs_ + model.intercepts_]
    model.partial_fit(X, LABELS)
    moved = zip(model.coefs_ + model.intercepts_, before, shown.grad_w + shown.grad_b, strict=True)
    for after, start, gradient in moved:
        assert_allclose(after, start - 0.1 * gradient, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("init", ["glorot_uniform", "normal"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_unfitted_has_the_weights_of_a_fit(init, dtype):
    """So small a step leaves the initial weights as they are."""
    settings = {
        "hidden_layer_sizes": (4, 3),
        "init": init,
        "random_state": 3,
        "early_stopping": True,
    }
    model = MLPClassifier(**settings, validation_fraction=0.5)
    rows, y = X.astype(dtype), np.array([0, 1] * 6)
    shown = backprop(model, rows, y)
    assert not hasattr(model, "coefs_")
    started = MLPClassifier(
        **settings, validation_fraction=0.5, solver="sgd", learning_rate_init=1e-30, max_iter=1
    )
    with pytest.warns(match="Maximum iterations"):
        started.fit(rows, y)
    expected = backprop(started, rows, y)
    for name in QUANTITIES:
        for got, value in zip(getattr(shown, name), getattr(expected, name), strict=True):
            assert got.dtype == dtype
            assert_array_equal(got, value)


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(5)], ids=["global", "given"])
def test_unfitted_draws_nothing_from_the_users_generator(random_state):
    model = MLPRegressor(hidden_layer_sizes=3, random_state=random_state)
    generator = random_state or np.random.mtrand._rand
    before = generator.get_state()[1].copy()
    first, again = (backprop(model, X, NUMBERS) for _ in range(2))
    assert_array_equal(generator.get_state()[1], before)
    assert_array_equal(first.z[0], again.z[0])


def test_nothing_changes_in_the_model(fitted):
    before = dict(vars(fitted))
    backprop(fitted, X, LABELS)
    check_gradients(fitted, X, LABELS)
    assert vars(fitted) == before


@pytest.fixture
def fitted():
    model = MLPClassifier((5, 4), "logistic", solver="lbfgs", max_iter=5, random_state=0)
    with pytest.warns(match="lbfgs failed to converge"):
        return model.fit(X, LABELS)


def test_it_is_frozen(fitted):
    shown = backprop(fitted, X, LABELS)
    with pytest.raises(dataclasses.FrozenInstanceError):
        shown.cost = 0.0
    for name in QUANTITIES:
        with pytest.raises(ValueError, match="read-only"):
            getattr(shown, name)[0][...] = 0


def test_shapes(fitted):
    shown = backprop(fitted, X, LABELS)
    for name in ("z", "a", "delta"):
        assert [array.shape for array in getattr(shown, name)] == [(12, 5), (12, 4), (12, 3)]
    assert [grad.shape for grad in shown.grad_w] == [(3, 5), (5, 4), (4, 3)]
    assert [grad.shape for grad in shown.grad_b] == [(5,), (4,), (3,)]


def test_sparse_rows_give_the_same(fitted):
    dense, thin = backprop(fitted, X, LABELS), backprop(fitted, sparse.csr_array(X), LABELS)
    for name in QUANTITIES:
        for got, value in zip(getattr(thin, name), getattr(dense, name), strict=True):
            assert_allclose(got, value, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("warm_start", [False, True])
def test_some_of_the_classes_are_enough(fitted, warm_start):
    fitted.set_params(warm_start=warm_start)
    shown = backprop(fitted, X[:2], LABELS[:2])
    assert_allclose(shown.delta[-1], fitted.predict_proba(X[:2]) - np.eye(3)[:2], rtol=1e-12)
    assert fitted.warm_start is warm_start


def test_delta_carries_the_weight_of_the_row(fitted):
    weight = np.linspace(0, 2, 12)
    plain, weighted = backprop(fitted, X, LABELS), backprop(fitted, X, LABELS, weight)
    for before, after in zip(plain.delta, weighted.delta, strict=True):
        assert_allclose(after, before * weight[:, np.newaxis], rtol=1e-10, atol=1e-16)
    assert_allclose(weighted.grad_b[0], weighted.delta[0].sum(axis=0) / weight.sum(), rtol=1e-10)


def test_saturated_and_dead():
    """Against the definition for the logistic function: a (1 - a) under a tenth of 1/4."""
    model = MLPClassifier((30, 20), "logistic", init="normal", random_state=0)
    rows, y = load_digits(return_X_y=True)
    shown = backprop(model, rows[:200], y[:200])
    for a, saturated, dead in zip(shown.a[:2], shown.saturated, shown.dead, strict=False):
        flat = a * (1 - a) < 0.025
        assert saturated == pytest.approx(flat.mean())
        assert dead == pytest.approx(flat.all(axis=0).mean())
    assert 0.5 < shown.saturated[0] < 1
    assert shown.dead[0] > 0
    assert shown.saturated[2] is None
    assert shown.dead[2] is None


def test_off_relu_neurons():
    model = MLPRegressor(hidden_layer_sizes=4, random_state=0, solver="lbfgs").fit(X, NUMBERS)
    model.intercepts_[0] = np.array([-1e3, 1e3, 0, 0])
    shown = backprop(model, X, NUMBERS)
    assert shown.saturated[0] == (shown.a[0] == 0).mean()
    assert shown.dead[0] == 0.25
    assert shown.saturated[1] == 0  # identity


SIGMA_PRIME = {
    "identity": np.ones_like,
    "logistic": lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2,
    "tanh": lambda z: 1 / np.cosh(z) ** 2,
    "relu": lambda z: (z > 0).astype(z.dtype),
}


@pytest.mark.parametrize("activation", SIGMA_PRIME)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigma_prime(activation, dtype):
    z = np.linspace(-6, 6, 60, dtype=dtype).reshape(5, 12)
    got = sigma_prime(activation, z)
    assert got.shape == z.shape
    assert got.dtype == dtype
    assert_allclose(got, SIGMA_PRIME[activation](z), atol=10 * np.finfo(dtype).eps)


@pytest.mark.parametrize("activation", _core.ACTIVATIONS)
def test_every_hidden_activation_has_a_steepest_point(activation):
    z = np.linspace(-5, 5, 1001)
    flat = is_flat(activation, z)
    assert flat.shape == z.shape
    assert not flat.all()


def test_repr():
    model = MLPClassifier((30, 20), "logistic", random_state=0, alpha=0)
    rows, y = load_digits(return_X_y=True)
    shown = backprop(model, rows.astype(np.float32)[:64], y[:64])
    head, columns, *layers = repr(shown).splitlines()
    assert head == f"Backprop of 64 rows in float32: cost {shown.cost:.6g}, penalty 0"
    assert columns.split("  ")[0] == "layer"
    assert len(layers) == 3
    for number, line in enumerate(layers):
        words = line.replace(" x ", "x").split()
        assert words[0] == str(number + 1)
        assert words[1] == ["64x30", "30x20", "20x10"][number]
        assert words[2] == ["logistic", "logistic", "softmax"][number]
        assert float(words[3]) == pytest.approx(np.abs(shown.delta[number]).mean(), rel=1e-2)
        assert float(words[4]) == pytest.approx(np.linalg.norm(shown.grad_w[number]), rel=1e-2)
        assert float(words[5]) == pytest.approx(np.linalg.norm(shown.grad_b[number]), rel=1e-2)
        if number < 2:
            assert words[6:] == [f"{shown.saturated[number]:.1%}", f"{shown.dead[number]:.1%}"]
        else:
            assert words[6:] == ["-", "-"]
    assert max(map(len, repr(shown).splitlines())) <= 100
    assert repr(backprop(model, rows[:1], y[:1])).startswith("Backprop of 1 row in float64")


# ---- check_gradients ----


MODELS = {
    "softmax": (MLPClassifier(alpha=0.1), LABELS),
    "one logistic output": (MLPClassifier(), LABELS == 1),
    "quadratic": (MLPClassifier(loss="squared_error"), LABELS),
    "logistic outputs": (MLPClassifier(output_activation="logistic"), LABELS),
    "several labels": (MLPClassifier(), np.column_stack([LABELS == 0, X[:, 0] > 0]).astype(int)),
    "regression": (MLPRegressor(alpha=0.1), NUMBERS),
    "poisson": (MLPRegressor(loss="poisson"), np.abs(NUMBERS)),
}


@pytest.mark.parametrize("activation", _core.ACTIVATIONS)
@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_right(name, activation):
    model, y = MODELS[name]
    model.set_params(hidden_layer_sizes=(4, 3), activation=activation, random_state=1)
    weight = np.linspace(0.5, 2, 12)
    for options in ({}, {"sample_weight": weight}):
        check = check_gradients(model, X, y, **options)
        assert check.largest_error < 1e-6
        assert check.float32_unjudged is None
    n_outputs = backprop(model, X, y).z[-1].shape[1]
    assert check.n_parameters == (3 + 1) * 4 + (4 + 1) * 3 + (3 + 1) * n_outputs


@pytest.mark.parametrize(
    ("wrong", "where", "kind"),
    [
        (7, "coefs_[0][1, 2]", "weight"),
        (15 + 3, "coefs_[1][0, 3]", "weight"),
        (15 + 20 + 12 + 4, "intercepts_[0][4]", "bias"),
        (15 + 20 + 12 + 5 + 4 + 2, "intercepts_[2][2]", "bias"),
    ],
)
def test_a_wrong_gradient_is_found(fitted, monkeypatch, wrong, where, kind):
    """The core's gradient, with one part in a thousand wrong at one place: 3-5-4-3 has 15, 20 and 12 weights."""
    right = _core.loss_gradient

    def slightly_wrong(packed, gradient, *rows, **options):
        parts = right(packed, gradient, *rows, **options)
        gradient[wrong] *= 1.001
        return parts

    monkeypatch.setattr(_core, "loss_gradient", slightly_wrong)
    check = check_gradients(fitted, X, LABELS)
    assert check.where == where
    assert check.parameter == kind
    assert check.largest_error == pytest.approx(0.001 / 1.001, rel=1e-3)
    assert check.backprop == pytest.approx(check.difference * 1.001, rel=1e-6)
    assert f"at {where}, a {kind} of layer {check.layer}" in repr(check)


def test_a_neuron_near_the_kink_is_no_error():
    """z = 1e-5 in one row: a step of 1e-3 crosses the kink of relu, a step of 1e-6 does not."""
    model = with_weights(
        MLPRegressor(hidden_layer_sizes=2, batch_size=2),
        X[:2],
        NUMBERS[:2, 0],
        [np.array([[1.0, 2.0], [0.5, -1.0], [1.0, 0.3]]), np.array([[1.0], [-2.0]])],
        [np.zeros(2), np.zeros(1)],
    )
    model.intercepts_[0] = 1e-5 - X[:1].dot(model.coefs_[0])[0]
    assert check_gradients(model, X[:2], NUMBERS[:2, 0]).largest_error < 1e-6


def test_float32_says_that_it_is_too_coarse(fitted):
    rows, y = load_digits(return_X_y=True)
    model = MLPClassifier(6, random_state=0)
    check = check_gradients(model, rows[:20].astype(np.float32) / 16, y[:20])
    assert check.largest_error < 1e-6
    # Many pixels are always blank, and the gradients of their weights next to nothing.
    assert 0.3 < check.float32_unjudged < 1
    assert 0 < check.float32_deviation < 1e-5
    assert "float32, in which central differences are too coarse to judge" in repr(check)
    assert "too coarse" not in repr(check_gradients(model, rows[:20] / 16, y[:20]))


def test_sparse_rows_are_checked(fitted):
    assert check_gradients(fitted, sparse.csr_matrix(X), LABELS).largest_error < 1e-6


# ---- what they refuse ----


@pytest.mark.parametrize("function", [backprop, check_gradients])
@pytest.mark.parametrize(
    ("model", "advice"),
    [
        (SklearnClassifier(), "MLPClassifier is not a perceptron of this package. Convert it with rustbp.from_sklearn"),
        (make_pipeline(StandardScaler(), MLPClassifier()), "Pass the network, pipeline[-1]"),
        (GridSearchCV(MLPClassifier(), {}).fit, "Pass an MLPClassifier or MLPRegressor of rustbp"),
        (LogisticRegression(), "LogisticRegression is not a perceptron"),
        (MLPClassifier, "MLPClassifier is not a perceptron"),
        (None, "NoneType is not a perceptron"),
    ],
    ids=["scikit-learn", "pipeline", "method", "another estimator", "class", "None"],
)  # fmt: skip
def test_other_models_are_refused(function, model, advice):
    with pytest.raises(TypeError, match=re.escape(advice)):
        function(model, X, LABELS)


def test_a_grid_search_is_refused_with_advice():
    search = GridSearchCV(MLPClassifier(3, solver="lbfgs", random_state=0), {"alpha": [1.0]}, cv=2)
    search.fit(X, LABELS)
    with pytest.raises(TypeError, match="Pass its best_estimator_"):
        backprop(search, X, LABELS)


@pytest.mark.parametrize("function", [backprop, check_gradients])
@pytest.mark.parametrize(
    ("rows", "y", "message"),
    [
        (X[:, :2], LABELS, "X has 2 features, but MLPClassifier is expecting 3"),
        (X, LABELS[:5], "inconsistent numbers of samples"),
        (X, LABELS + 1, "has classes not in"),
        (X, np.eye(3)[LABELS].astype(int), "not fitted with multilabel"),
        (X[:0], LABELS[:0], "0 sample"),
        (np.full_like(X, np.nan), LABELS, "NaN"),
        (X, None, "y"),
    ],
    ids=["features", "rows", "classes", "matrix of labels", "no rows", "NaN", "no y"],
)
def test_rows_that_do_not_fit_are_refused(fitted, function, rows, y, message):
    with pytest.raises(ValueError, match=message):
        function(fitted, rows, y)


def test_targets_that_do_not_fit_are_refused():
    model = MLPRegressor(hidden_layer_sizes=2, solver="lbfgs", max_iter=500, tol=1e-2).fit(
        X, NUMBERS
    )
    with pytest.raises(ValueError, match="y has 1 outputs, but the weights in coefs_ are for 2"):
        backprop(model, X, NUMBERS[:, 0])


def test_sample_weights_that_do_not_fit_are_refused(fitted):
    with pytest.raises(ValueError, match=r"sample_weight"):
        backprop(fitted, X, LABELS, np.ones(5))
    with pytest.raises(ZeroDivisionError, match="zero"):
        backprop(fitted, X, LABELS, np.array([1.0, -1.0] * 6))
    with pytest.raises((ValueError, ZeroDivisionError), match="zero"):
        backprop(fitted, X, LABELS, np.zeros(12))


def test_bad_parameters_are_refused():
    with pytest.raises(ValueError, match="'activation' parameter"):
        backprop(MLPClassifier(activation="step"), X, LABELS)


def test_the_public_names():
    assert {"backprop", "check_gradients"} <= set(rustbp.__all__)
