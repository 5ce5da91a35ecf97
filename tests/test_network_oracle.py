"""Activations, costs and label smoothing against PyTorch in float64; `data/network/oracle.py` made the values."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from rustbp import _core
from rustbp._sigma import sigma_prime

EXPECTED = np.load(Path(__file__).parent / "data" / "network" / "oracle.npz")
ACTIVATIONS = ("elu", "selu", "leaky_relu", "softplus", "gelu", "silu", "mish")
STEPS, RATE = 20, 0.1

# Cost, output activation, targets, and what else the core is told.
LOSSES = {
    "cross_entropy": ("log_loss", "softmax", "classes", {"label_smoothing": 0.1}),
    "binary_cross_entropy": ("log_loss", "logistic", "labels", {"label_smoothing": 0.1}),
    "huber": ("huber", "identity", "numbers", {"cost_parameter": 0.7}),
    "huber_of_softplus": ("huber", "softplus", "numbers", {"cost_parameter": 0.7}),
    "absolute": ("absolute_error", "identity", "numbers", {}),
    "pinball": ("quantile", "identity", "numbers", {"cost_parameter": [0.1, 0.5, 0.9]}),
    "gamma": ("gamma", "exp", "positive", {}),
}


def test_all_activations_have_an_oracle():
    assert set(ACTIVATIONS) == set(_core.ACTIVATIONS) - {"identity", "logistic", "tanh", "relu"}


def sigma(activation, z):
    one, none = np.ones((1, 1), z.dtype), np.zeros(1, z.dtype)
    names = {"activation": "identity", "output_activation": activation}
    return _core.forward(z.reshape(-1, 1), [one], [none], **names).ravel()


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_and_their_derivatives(activation):
    z = EXPECTED["z"]
    a, derivative = (EXPECTED[f"{activation}.{what}"] for what in ("a", "derivative"))
    # PyTorch's gelu is z (1 + erf) / 2, which loses its digits far out on the left.
    assert_allclose(sigma(activation, z), a, rtol=1e-14, atol=2e-15)
    assert_allclose(sigma_prime(activation, z), derivative, rtol=1e-14, atol=2e-15)
    single = z.astype(np.float32)
    exact = sigma(activation, single.astype(np.float64))
    assert_allclose(sigma(activation, single), exact, rtol=6e-7, atol=1e-37)
    exact = sigma_prime(activation, single.astype(np.float64))
    assert_allclose(sigma_prime(activation, single), exact, rtol=6e-7, atol=4e-7)


@pytest.mark.parametrize("name", LOSSES)
def test_training(name):
    """Twenty steps of gradient descent, through a layer of gelu and one of selu."""
    cost, output, targets, others = LOSSES[name]
    start = [EXPECTED[f"start.{i}"] for i in range(6)]
    trainer = _core.Trainer(
        start[:3],
        start[3:],
        activation=["gelu", "selu"],
        output_activation=output,
        cost=cost,
        optimizer="sgd",
        learning_rate=RATE,
        hyperparameters={"momentum": 0.0, "nesterov": 0.0},
        **others,
    )
    X, y = EXPECTED["X"], EXPECTED[targets]
    for _ in range(STEPS):
        trainer.epoch(X, y, None, len(X))
    found = trainer.coefs() + trainer.intercepts()
    for i, array in enumerate(found):
        assert_allclose(array, EXPECTED[f"{name}.{i}"], rtol=1e-9, atol=1e-11)
