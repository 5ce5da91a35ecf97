"""Every gradient of the core against central differences of its own cost, in float64.

Names come from the core: an activation or a cost that is added there is tested here without a change.
"""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose

from rustbp import _core

# Differences of fourth order: their error is STEP**4, and that of rounding 1e-16 / STEP.
STEP = 2e-4
STENCIL = {-2: 1 / 12, -1: -2 / 3, 1: 2 / 3, 2: -1 / 12}
LARGEST_ERROR = 1e-6
# Relative to the whole gradient's scale: differences of a cost of order one cannot resolve less.
FLOOR = 1e-3
N_IN, N_OUT = 5, 3
HIDDEN = [(), (6,), (6, 5), (6, 5, 4)]


def targets(cost, output_activation, rng, n):
    """Targets the cost is defined for: class indices, or a matrix."""
    if cost == "log_loss" and output_activation == "softmax":
        return rng.integers(N_OUT, size=n)
    if cost == "log_loss":
        return (rng.random((n, N_OUT)) > 0.5).astype(float)
    if cost == "poisson":
        return rng.poisson(2.0, size=(n, N_OUT)).astype(float)
    if cost == "gamma":
        return rng.gamma(2.0, size=(n, N_OUT)) + 0.1
    return rng.random((n, N_OUT))


def network(hidden, seed):
    rng = np.random.default_rng(seed)
    sizes = [N_IN, *hidden, N_OUT]
    shapes = list(pairwise(sizes))
    coefs = [rng.normal(0, 0.7, shape) for shape in shapes]
    intercepts = [rng.normal(0, 0.3, shape[1]) for shape in shapes]
    return rng, sizes, coefs, intercepts


def valid(cost, output_activation):
    """Whether the core has this pair: it names the others as errors."""
    rng, _, coefs, intercepts = network((), 0)
    y = targets(cost, output_activation, rng, 2)
    try:
        _core.backprop(
            rng.normal(size=(2, N_IN)),
            y,
            coefs,
            intercepts,
            activation="tanh",
            output_activation=output_activation,
            cost=cost,
        )
    except ValueError:
        return False
    return True


PAIRS = [(c, o) for c in _core.COSTS for o in _core.OUTPUT_ACTIVATIONS if valid(c, o)]
# Where ∂C/∂a, or its derivative, jumps: at these errors of an output.
KINKS = {"absolute_error": [0.0], "quantile": [0.0], "huber": [-0.4, 0.4]}
PARAMETERS = {"quantile": [0.1, 0.5, 0.8], "huber": 0.4}
# Every activation with two pairs, and every pair with two activations.
COMBINATIONS = [
    (cost, output, activation)
    for cost, output in PAIRS
    for activation in _core.ACTIVATIONS
    if (output in ("softmax", "identity") and cost in ("log_loss", "squared_error"))
    or activation in ("tanh", "gelu")
]
ALWAYS = {
    ("log_loss", "softmax"),
    ("log_loss", "logistic"),
    ("squared_error", "identity"),
    ("squared_error", "logistic"),
    ("poisson", "exp"),
}


def test_the_pairs_that_the_estimators_use_are_there():
    assert set(PAIRS) >= ALWAYS


def pack(coefs, intercepts):
    return np.concatenate([a.ravel() for a in coefs + intercepts])


def away_from_kinks(quantities, y, kinks):
    """Rows none of whose neurons lies so near a kink that a step of a parameter could carry it across."""
    near = [np.abs(z).min(axis=1) < 20 * STEP for z in quantities["z"][:-1]]
    for kink in kinks:
        near.append((np.abs(quantities["a"][-1] - y - kink) < 20 * STEP).any(axis=1))
    return ~np.any(near, axis=0) if near else np.ones(len(quantities["z"][0]), dtype=bool)


@pytest.mark.parametrize("n", [1, 7, 64])
@pytest.mark.parametrize("hidden", HIDDEN, ids=len)
@pytest.mark.parametrize(("cost", "output_activation", "activation"), COMBINATIONS)
def test_every_parameter(cost, output_activation, activation, hidden, n):
    rng, sizes, coefs, intercepts = network(hidden, seed=n)
    X = rng.normal(size=(4 * n, N_IN))
    y = targets(cost, output_activation, rng, 4 * n)
    weight = rng.uniform(0.5, 2.0, size=4 * n)
    options = {
        "activation": activation,
        "output_activation": output_activation,
        "cost": cost,
        "cost_parameter": PARAMETERS.get(cost),
        "label_smoothing": 0.1 if cost == "log_loss" else 0.0,
        "alpha": 0.3,
    }
    shown = _core.backprop(X, y, coefs, intercepts, **options)
    keep = away_from_kinks(shown, y, KINKS.get(cost, []))
    X, y, weight = X[keep][:n], y[keep][:n], weight[keep][:n]
    assert len(X) == n
    options["sample_weight"] = weight

    packed = pack(coefs, intercepts)
    gradient, ignored = np.empty_like(packed), np.empty_like(packed)

    def loss(parameters, into):
        return sum(_core.loss_gradient(parameters, into, X, y, layer_sizes=sizes, **options))

    loss(packed, gradient)
    differences = np.empty_like(packed)
    for i in range(len(packed)):
        differences[i] = 0.0
        for steps, factor in STENCIL.items():
            moved = packed.copy()
            moved[i] += steps * STEP
            differences[i] += factor * loss(moved, ignored) / STEP
    scale = np.maximum(np.abs(differences), FLOOR * max(1.0, np.abs(differences).max()))
    assert np.max(np.abs(gradient - differences) / scale) <= LARGEST_ERROR

    shown = _core.backprop(X, y, coefs, intercepts, **options)
    assert_allclose(pack(shown["grad_w"], shown["grad_b"]), gradient, rtol=1e-10, atol=1e-13)
    assert_allclose(shown["cost"] + shown["penalty"], loss(packed, ignored), rtol=1e-12)


@pytest.mark.parametrize(("cost", "output_activation", "activation"), COMBINATIONS)
def test_training_follows_the_gradient(cost, output_activation, activation):
    """One plain step of a trainer is the gradient times the step size."""
    rng, _, coefs, intercepts = network((6, 5), seed=1)
    X, y = rng.normal(size=(9, N_IN)), targets(cost, output_activation, rng, 9)
    options = {
        "activation": activation,
        "output_activation": output_activation,
        "cost": cost,
        "alpha": 0.3,
    }
    shown = _core.backprop(X, y, coefs, intercepts, **options)
    trainer = _core.Trainer(
        coefs,
        intercepts,
        optimizer="sgd",
        learning_rate=0.1,
        hyperparameters={"momentum": 0.0, "nesterov": 0.0},
        **options,
    )
    trainer.epoch(X, y, None, 9)
    for before, after, grad in zip(
        coefs + intercepts,
        trainer.coefs() + trainer.intercepts(),
        shown["grad_w"] + shown["grad_b"],
        strict=True,
    ):
        assert_allclose(after, before - 0.1 * grad, rtol=1e-10, atol=1e-12)
