"""How far an update goes: weight decay, clipping, step sizes for each batch and each layer.

Against PyTorch, and in every way to share a batch among threads.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.preprocessing import LabelBinarizer

from rustbp import MLPClassifier, _core, backprop

DATA = np.load(Path(__file__).parent / "data/updates/updates.npz")
START = [[DATA[f"{name}_{layer}"] for layer in (0, 1)] for name in ("coefs", "intercepts")]
ADAM = {"optimizer": "adam", "hyperparameters": {"epsilon": 1e-20}}
SGD = {"hyperparameters": {"momentum": 0.0}}
MOMENTUM = {"hyperparameters": {"nesterov": 0.0}}
DECAY = {"alpha": 0.3, "weight_decay": 0.5}
CLIP = {"alpha": 0.3, "max_grad_norm": 0.4}
RATES = {"weight_decay": 0.5, "layer_rates": [(0.5, 0.1), (2.0, 3.0)]}
CASES = {
    "adam_decay": ADAM | DECAY,
    "sgd_decay": SGD | DECAY,
    "momentum_decay": MOMENTUM | DECAY,
    "nesterov_decay": DECAY,
    "adam_clip": ADAM | DECAY | CLIP,
    "sgd_clip": SGD | CLIP,
    "nesterov_clip": CLIP,
    "adam_layer_rates": ADAM | RATES,
    "nesterov_layer_rates": RATES | {"max_grad_norm": 0.4},
    "adam_decays": ADAM,
}


def vector(trainer):
    """All weights, then all biases."""
    return flat([*trainer.coefs(), *trainer.intercepts()])


def flat(arrays):
    return np.concatenate([array.ravel() for array in arrays])


def core(**options):
    names = {"activation": "tanh", "output_activation": "softmax", "cost": "log_loss"}
    return _core.Trainer(*START, **names, **{"learning_rate": 0.05} | options)


@pytest.mark.parametrize("case", CASES)
def test_twenty_updates_are_those_of_pytorch(case):
    decays = 0.1 * (np.arange(20) % 4) if case == "adam_decays" else None
    trainer = core(**CASES[case])
    for update, expected in enumerate(DATA[case]):
        rows = (update * 8 + np.arange(8)) % 40
        decay = None if decays is None else decays[update : update + 1]
        trainer.epoch(DATA["X"], DATA["y"], rows, 8, weight_decays=decay)
        found = vector(trainer)
        assert_allclose(found, expected, rtol=0, atol=1e-9)
    # The same in one epoch.
    trainer = core(**CASES[case])
    trainer.epoch(DATA["X"], DATA["y"], np.arange(160) % 40, 8, weight_decays=decays)
    assert_array_equal(vector(trainer), found)
    assert trainer.updates == 20


def test_step_sizes_of_an_epoch_are_those_of_its_batches():
    rates = np.linspace(0.1, 0.0, 20)
    whole, parts = core(**ADAM), core(**ADAM)
    whole.epoch(DATA["X"], DATA["y"], np.arange(160) % 40, 8, learning_rates=rates)
    for update, rate in enumerate(rates):
        parts.learning_rate = rate
        parts.epoch(DATA["X"], DATA["y"], (update * 8 + np.arange(8)) % 40, 8)
    assert_array_equal(vector(whole), vector(parts))


# Layers, rows of a batch, of an epoch, and which way it goes.
WAYS = {
    "by_rows": ((60, 150, 130, 7), 203, 600),
    "several_goes": ((20, 150, 5), 3000, 3100),
    "halves": ((48, 70, 40, 3), 150, 407),
    "by_neurons": ((784, 90, 5, 3), 10, 47),
    "columns": ((700, 40, 5), 10, 73),
}


def problem(way, dtype, is_sparse=False):
    """X, y, weights and biases; of "columns" half of X is zero in most batches."""
    sizes, batch, rows = WAYS[way]
    draw = np.random.default_rng(5)
    X = draw.normal(size=(rows, sizes[0])).astype(dtype)
    if way == "columns":
        X[:, ::2] *= draw.random((rows, (sizes[0] + 1) // 2)) < 0.02
    if is_sparse:
        X[draw.random(X.shape) < 0.9] = 0
        X = sparse.csr_matrix(X)
    y = draw.integers(sizes[-1], size=rows)
    coefs = [draw.normal(0, 0.2, s).astype(dtype) for s in pairwise(sizes)]
    intercepts = [draw.normal(0, 0.2, s).astype(dtype) for s in sizes[1:]]
    return X, y, coefs, intercepts, batch


def trained(
    way,
    dtype,
    n_threads,
    *,
    is_sparse=False,
    epochs=1,
    alpha=0.0,
    optimizer="sgd",
    momentum=0.0,
    **options,
):
    """Parameters and state after some epochs."""
    X, y, coefs, intercepts, batch = problem(way, dtype, is_sparse)
    trainer = _core.Trainer(
        coefs,
        intercepts,
        activation="tanh",
        output_activation="softmax",
        cost="log_loss",
        learning_rate=0.05,
        alpha=alpha,
        optimizer=optimizer,
        hyperparameters={"momentum": momentum} if optimizer == "sgd" else {},
        n_threads=n_threads,
        **options,
    )
    for _ in range(epochs):
        trainer.epoch(X, y, None, batch)
    slots = [a for name, slot in trainer.state().items() if name != "t" for a in slot]
    return flat([vector(trainer), *slots])


ALL = {"weight_decay": 0.4, "max_grad_norm": 0.3}


def layer_rates(way):
    return [(0.5 + layer, 2.0 - layer / 2) for layer in range(len(WAYS[way][0]) - 1)]


@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("way", WAYS)
def test_the_same_bits_on_any_number_of_threads(way, dtype, is_sparse):
    for optimizer in ("sgd", "adam"):
        for options in ({"weight_decay": 0.4, "layer_rates": layer_rates(way)}, ALL):
            found = [
                trained(
                    way, dtype, n, is_sparse=is_sparse, optimizer=optimizer, alpha=0.1, **options
                )
                for n in (1, 2, 3, 5)
            ]
            assert all(np.array_equal(found[0], other) for other in found), (optimizer, options)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("way", WAYS)
def test_what_changes_nothing_leaves_every_bit(way, momentum):
    expected = trained(way, np.float32, 2, alpha=0.1, momentum=momentum)
    ones = [(1.0, 1.0)] * (len(WAYS[way][0]) - 1)
    for options in ({"max_grad_norm": 1e300}, {"layer_rates": ones}, {"weight_decay": 0.0}):
        found = trained(way, np.float32, 2, alpha=0.1, momentum=momentum, **options)
        assert np.array_equal(found, expected), options


@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize("is_sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("way", WAYS)
def test_each_way_makes_the_updates_that_the_gradients_say(way, is_sparse, alpha):
    X, y, coefs, intercepts, batch = problem(way, np.float64, is_sparse)
    model = MLPClassifier(WAYS[way][0][1:-1], "tanh", alpha=alpha)
    model.coefs_, model.intercepts_ = coefs, intercepts
    model.out_activation_ = "softmax"
    model.classes_ = np.arange(len(intercepts[-1]))
    model._label_binarizer = LabelBinarizer().fit(model.classes_)
    rates = layer_rates(way)
    for start in range(0, X.shape[0], batch):
        rows = slice(start, start + batch)
        shown = backprop(model, X[rows], y[rows])
        gradients = [*shown.grad_w, *shown.grad_b]
        clip = min(1.0, 0.3 / (np.sqrt(sum((g**2).sum() for g in gradients)) + 1e-6))
        steps = [0.05 * clip * g for g in gradients]
        model.coefs_ = [
            w * (1 - 0.05 * rate * 0.4) - rate * step
            for w, step, (rate, _) in zip(model.coefs_, steps[: len(rates)], rates, strict=True)
        ]
        model.intercepts_ = [
            b - rate * step
            for b, step, (_, rate) in zip(
                model.intercepts_, steps[len(rates) :], rates, strict=True
            )
        ]
    found = trained(way, np.float64, 2, is_sparse=is_sparse, alpha=alpha, layer_rates=rates, **ALL)
    assert_allclose(found, flat([*model.coefs_, *model.intercepts_]), rtol=0, atol=1e-12)


def test_step_sizes_for_each_batch_have_a_place():
    trainer = core()

    def epoch(**numbers):
        trainer.epoch(DATA["X"], DATA["y"], None, 8, **numbers)

    epoch(learning_rates=np.full(5, 0.1), weight_decays=np.zeros(5))
    for name in ("learning_rates", "weight_decays"):
        with pytest.raises(ValueError, match=rf"{name} must have shape \(5,\); got \(4,\)"):
            epoch(**{name: np.ones(4)})
        for wrong in (-1.0, np.inf, np.nan):
            with pytest.raises(ValueError, match=f"{name} must be at least 0 and finite"):
                epoch(**{name: np.array([1, 1, 1, 1, wrong])})
        with pytest.raises(TypeError, match=f"{name} must be a 1-dimensional array of float64"):
            epoch(**{name: np.ones(5, dtype=np.float32)})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight_decay": -0.1}, "weight_decay must be at least 0 and finite; got -0.1"),
        ({"weight_decay": np.nan}, "weight_decay must be at least 0 and finite; got NaN"),
        ({"max_grad_norm": 0.0}, "max_grad_norm must be positive and finite; got 0"),
        ({"layer_rates": [(1.0, 1.0)]}, "layer_rates must be a pair for each of 2 layers; got 1 pairs"),
        ({"layer_rates": [(1.0, 1.0), (1.0, np.inf)]}, "layer_rates must be at least 0 and finite; got inf"),
    ],
)  # fmt: skip
def test_the_core_refuses_what_is_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        core(**options)


def test_an_epoch_ends_after_the_batch_in_which_its_time_is_up():
    for way in ("by_neurons", "by_rows", "halves"):
        X, y, coefs, intercepts, batch = problem(way, np.float64)
        names = {"activation": "tanh", "output_activation": "softmax", "cost": "log_loss"}
        whole, cut = (_core.Trainer(coefs, intercepts, **names, n_threads=2) for _ in range(2))
        expected = whole.epoch(X[:batch], y[:batch], None, batch)
        assert cut.epoch(X, y, None, batch, seconds=0.0) == expected
        assert cut.updates == 1
        cut.epoch(X, y, None, batch, seconds=1e300)
        assert cut.updates == 1 + -(-len(y) // batch)
