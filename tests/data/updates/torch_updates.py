"""Made updates.npz: twenty updates of a small classifier, step by step, by PyTorch 2.13 in float64.

    python torch_updates.py updates.npz

Weights and biases after each update, as one vector: all weights in C order, then all biases. Adam's epsilon is 1e-20:
it stands in another place than in scikit-learn's form.
"""

import math
import sys

import numpy as np
import torch
from torch.nn.functional import cross_entropy

SIZES, ROWS, BATCH, UPDATES, RATE = (4, 5, 3), 40, 8, 20, 0.05

draw = np.random.default_rng(0)
DATA = {
    "X": draw.normal(size=(ROWS, SIZES[0])),
    "y": draw.integers(SIZES[-1], size=ROWS),
    "coefs_0": draw.normal(size=SIZES[:2]),
    "coefs_1": draw.normal(size=SIZES[1:]),
    "intercepts_0": draw.normal(size=SIZES[1]),
    "intercepts_1": draw.normal(size=SIZES[2]),
}


def train(make, *, alpha=0.0, decay=0.0, clip=None, schedule=None, rates=(1, 1, 1, 1), decays=None):
    """``make`` an optimizer of parameter groups; ``rates`` are factors for weights, then biases, of each layer."""
    names = ("coefs_0", "coefs_1", "intercepts_0", "intercepts_1")
    w0, w1, b0, b1 = parameters = [torch.tensor(DATA[name], requires_grad=True) for name in names]
    is_weight = (True, True, False, False)
    optimizer = make(
        [
            {"params": [p], "lr": RATE * factor, "weight_decay": decay if weight else 0.0}
            for p, factor, weight in zip(parameters, rates, is_weight, strict=True)
        ]
    )
    scheduler = schedule and schedule(optimizer)
    X, y = torch.tensor(DATA["X"]), torch.tensor(DATA["y"])
    path = []
    for update in range(UPDATES):
        rows = [(update * BATCH + i) % ROWS for i in range(BATCH)]
        z = torch.tanh(X[rows] @ w0 + b0) @ w1 + b1
        loss = cross_entropy(z, y[rows]) + alpha / 2 * ((w0**2).sum() + (w1**2).sum()) / BATCH
        optimizer.zero_grad()
        loss.backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(parameters, clip)
        if decays is not None:
            for group in optimizer.param_groups[:2]:
                group["weight_decay"] = decays[update]
        optimizer.step()
        if scheduler:
            scheduler.step()
        path.append(np.concatenate([p.detach().numpy().ravel() for p in parameters]))
    return np.array(path)


def adam(groups):
    return torch.optim.AdamW(groups, eps=1e-20)


class SGD(torch.optim.SGD):
    """PyTorch's, whose own weight_decay is an L2 penalty: here it decays as AdamW's does."""

    def step(self):
        for group in self.param_groups:
            decay, group["weight_decay"] = group["weight_decay"], 0.0
            with torch.no_grad():
                for p in group["params"]:
                    p.mul_(1 - group["lr"] * decay)
            group["decay"] = decay
        super().step()
        for group in self.param_groups:
            group["weight_decay"] = group["decay"]


def sgd(groups):
    return SGD(groups)


def momentum(groups):
    return SGD(groups, momentum=0.9)


def nesterov(groups):
    return SGD(groups, momentum=0.9, nesterov=True)


def by(factor):
    """A schedule by LambdaLR, of progress from 0 to 1."""
    return lambda optimizer: torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda update: factor(update / UPDATES)
    )


def one_cycle(p):
    def anneal(start, end, part):
        return end + (start - end) / 2 * (1 + math.cos(math.pi * part))

    return anneal(1 / 25, 1, p / 0.3) if p < 0.3 else anneal(1, 4e-6, (p - 0.3) / 0.7)


def warm_cosine(p):
    return p / 0.25 if p < 0.25 else 0.5 * (1 + math.cos(math.pi * (p - 0.25) / 0.75))


scheduler = torch.optim.lr_scheduler
CASES = {
    "adam_decay": train(adam, alpha=0.3, decay=0.5),
    "sgd_decay": train(sgd, alpha=0.3, decay=0.5),
    "momentum_decay": train(momentum, alpha=0.3, decay=0.5),
    "nesterov_decay": train(nesterov, alpha=0.3, decay=0.5),
    "adam_clip": train(adam, alpha=0.3, decay=0.5, clip=0.4),
    "sgd_clip": train(sgd, alpha=0.3, clip=0.4),
    "nesterov_clip": train(nesterov, alpha=0.3, clip=0.4),
    "adam_cosine": train(
        adam, decay=0.5, schedule=lambda o: scheduler.CosineAnnealingLR(o, UPDATES)
    ),
    "sgd_cosine": train(sgd, decay=0.5, schedule=lambda o: scheduler.CosineAnnealingLR(o, UPDATES)),
    "adam_linear": train(adam, schedule=lambda o: scheduler.LinearLR(o, 1.0, 0.0, UPDATES)),
    "adam_exponential": train(
        adam, schedule=lambda o: scheduler.ExponentialLR(o, 0.01 ** (1 / UPDATES))
    ),
    "adam_one_cycle": train(adam, schedule=by(one_cycle)),
    "adam_warm_cosine": train(adam, decay=0.5, schedule=by(warm_cosine)),
    "adam_layer_rates": train(adam, decay=0.5, rates=(0.5, 2, 0.1, 3)),
    "nesterov_layer_rates": train(nesterov, decay=0.5, clip=0.4, rates=(0.5, 2, 0.1, 3)),
    "adam_decays": train(adam, decays=[0.1 * (i % 4) for i in range(UPDATES)]),
}

if __name__ == "__main__":
    np.savez_compressed(sys.argv[1], **DATA, **CASES)
