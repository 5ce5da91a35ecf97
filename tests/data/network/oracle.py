"""Writes what tests/test_network_oracle.py expects, by PyTorch 2.13.0 in float64: python oracle.py"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

ACTIVATIONS = {
    "elu": F.elu,
    "selu": F.selu,
    "leaky_relu": F.leaky_relu,
    # Ours has no threshold.
    "softplus": lambda z: F.softplus(z, threshold=1000),
    "gelu": F.gelu,
    "silu": F.silu,
    "mish": F.mish,
}
STEPS, RATE, SIZES, ROWS = 20, 0.1, (5, 7, 6, 3), 40


def cross_entropy(z, y):
    return F.cross_entropy(z, y, label_smoothing=0.1)


def binary_cross_entropy(z, y):
    smooth = y * (1 - 0.1) + 0.1 / 2
    return F.binary_cross_entropy_with_logits(z, smooth, reduction="none").sum(dim=1).mean()


def huber(z, y):
    return F.huber_loss(z, y, delta=0.7, reduction="none").sum(dim=1).mean()


def huber_of_softplus(z, y):
    return huber(F.softplus(z), y)


def absolute(z, y):
    return F.l1_loss(z, y, reduction="none").sum(dim=1).mean()


def pinball(z, y):
    """Koenker and Bassett's formula; PyTorch has none."""
    q = torch.tensor([0.1, 0.5, 0.9], dtype=z.dtype)
    error = y - z
    return torch.maximum(q * error, (q - 1) * error).sum(dim=1).mean()


def gamma(z, y):
    """Half the gamma deviance by its formula, with exponential outputs."""
    a = torch.exp(z)
    return (torch.log(a / y) + y / a - 1).sum(dim=1).mean()


LOSSES = {
    "cross_entropy": (cross_entropy, "classes"),
    "binary_cross_entropy": (binary_cross_entropy, "labels"),
    "huber": (huber, "numbers"),
    "huber_of_softplus": (huber_of_softplus, "numbers"),
    "absolute": (absolute, "numbers"),
    "pinball": (pinball, "numbers"),
    "gamma": (gamma, "positive"),
}


def activations(values):
    z = np.concatenate([np.linspace(-30, 30, 481), [-1e-3, -1e-8, 1e-8, 1e-3]])
    values["z"] = z
    for name, function in ACTIVATIONS.items():
        at = torch.tensor(z, requires_grad=True)
        a = function(at)
        a.sum().backward()
        values[f"{name}.a"], values[f"{name}.derivative"] = a.detach().numpy(), at.grad.numpy()


def training(values):
    """Gradient descent on all rows; one hidden layer of gelu, one of selu."""
    rng = np.random.default_rng(0)
    shapes = list(pairwise(SIZES))
    parameters = [rng.normal(0, 0.5, shape) for shape in shapes]
    parameters += [rng.normal(0, 0.3, shape[1]) for shape in shapes]
    X = rng.normal(size=(ROWS, SIZES[0]))
    targets = {
        "classes": rng.integers(SIZES[-1], size=ROWS),
        "labels": (rng.random((ROWS, SIZES[-1])) > 0.5).astype(float),
        "numbers": rng.normal(size=(ROWS, SIZES[-1])),
        "positive": rng.gamma(2.0, size=(ROWS, SIZES[-1])) + 0.1,
    }
    values["X"] = X
    values |= targets
    for i, array in enumerate(parameters):
        values[f"start.{i}"] = array
    for name, (loss, kind) in LOSSES.items():
        trained = [torch.tensor(array, requires_grad=True) for array in parameters]
        optimizer = torch.optim.SGD(trained, lr=RATE)
        half = len(trained) // 2
        for _ in range(STEPS):
            a = torch.tensor(X)
            for w, b, sigma in zip(
                trained[:half], trained[half:], (F.gelu, F.selu, None), strict=True
            ):
                z = a @ w + b
                a = sigma(z) if sigma else z
            optimizer.zero_grad()
            loss(a, torch.tensor(targets[kind])).backward()
            optimizer.step()
        for i, array in enumerate(trained):
            values[f"{name}.{i}"] = array.detach().numpy()


if __name__ == "__main__":
    values = {}
    activations(values)
    training(values)
    np.savez_compressed(Path(__file__).parent / "oracle.npz", **values)
