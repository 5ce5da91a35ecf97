"""examples/notes.py: its network trains as the book's program does, and the script runs."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "examples" / "notes.py"
MNIST = Path(os.environ.get("RUSTBP_MNIST", ROOT.parent / "shared" / "data" / "mnist.npz"))


@pytest.fixture(scope="module")
def notes():
    spec = importlib.util.spec_from_file_location("notes_example", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def runs_in(printed):
    """What the script prints of each run: (name or "", seed, best, last)."""
    runs = re.findall(r"^([a-z-]*) .*? +(\d+) +([\d.]+) +([\d.]+) +[\d.]+$", printed, re.M)
    return [(name, int(seed), float(best), float(last)) for name, seed, best, last in runs]


@pytest.fixture
def run_notes(notes, monkeypatch, capsys):
    """A function that runs the script here, which is quicker than in a process of its own."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["notes.py", *map(str, arguments)])
        notes.main()
        return runs_in(capsys.readouterr().out)

    return run


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def one_epoch_of_the_book(weights, biases, X, Y, *, eta, lmbda, batch_size, cross_entropy):
    """Nielsen (2015), chapters 1 to 3, written from the formulas: columns, w^l of shape (neurons, inputs).

    The cost is C_0 + lambda / (2n) sum w^2 with n the size of the training set, and C_0 the mean over the mini-batch,
    so that w <- (1 - eta lambda / n) w - eta / m sum dC_x/dw.
    """
    n = len(X)
    for start in range(0, n, batch_size):
        rows = range(start, min(start + batch_size, n))
        sum_w, sum_b = [0 * w for w in weights], [0 * b for b in biases]
        for row in rows:
            a = [X[row][:, np.newaxis]]
            for w, b in zip(weights, biases, strict=True):
                a.append(sigmoid(w @ a[-1] + b))
            delta = a[-1] - Y[row][:, np.newaxis]
            if not cross_entropy:
                delta = delta * a[-1] * (1 - a[-1])
            for layer in reversed(range(len(weights))):
                sum_b[layer] = sum_b[layer] + delta
                sum_w[layer] = sum_w[layer] + delta @ a[layer].T
                delta = (weights[layer].T @ delta) * a[layer] * (1 - a[layer])
        m = len(rows)
        weights = [
            (1 - eta * lmbda / n) * w - eta / m * g for w, g in zip(weights, sum_w, strict=True)
        ]
        biases = [b - eta / m * g for b, g in zip(biases, sum_b, strict=True)]
    return weights, biases


@pytest.mark.parametrize("cost", ["squared_error", "log_loss"])
@pytest.mark.parametrize("lmbda", [0.0, 5.0])
def test_an_epoch_is_the_books(notes, cost, lmbda):
    """With alpha = lambda m / n: the same weights after an epoch of 20 mini-batches, from the same start."""
    X, labels = load_digits(return_X_y=True)
    X, labels = X[:200] / 16, labels[:200]
    experiment = notes.Experiment("", (12,), cost, 0.5, lmbda, 1, "test", None)
    model = notes.build(experiment, "normal", seed=0, n_rows=200, n_threads=None)
    model.set_params(shuffle=False)
    model.partial_fit(X, labels, classes=np.arange(10))
    weights = [w.T.copy() for w in model.coefs_]
    biases = [b[:, np.newaxis].copy() for b in model.intercepts_]
    model.partial_fit(X, labels)
    weights, biases = one_epoch_of_the_book(
        weights, biases, X, np.eye(10)[labels],
        eta=0.5, lmbda=lmbda, batch_size=10, cross_entropy=cost == "log_loss",
    )  # fmt: skip
    for got, expected in zip(model.coefs_, weights, strict=True):
        assert_allclose(got, expected.T, rtol=1e-9, atol=1e-12)
    for got, expected in zip(model.intercepts_, biases, strict=True):
        assert_allclose(got, expected[:, 0], rtol=1e-9, atol=1e-12)


def test_alpha_of_the_books_lambda(notes):
    assert notes.alpha_of(5.0, 50_000) == pytest.approx(0.001)


def test_each_epoch_has_its_own_order_of_rows(notes):
    """partial_fit with an int would draw the same one each time."""
    X, labels = load_digits(return_X_y=True)
    model = notes.build(notes.EXPERIMENTS[0], "normal", seed=0, n_rows=100, n_threads=None)
    states = []
    for _ in range(2):
        model.partial_fit(X[:100], labels[:100], classes=np.arange(10))
        states.append(model.random_state.get_state()[2])
    assert states[0] != states[1]


@pytest.fixture
def digits_npz(tmp_path):
    """A file like MNIST's, with the digits of scikit-learn."""
    X, y = load_digits(return_X_y=True)
    X, y = (X * 255 / 16).astype(np.uint8), y.astype(np.uint8)
    path = tmp_path / "digits.npz"
    np.savez(path, X_train=X[:1500], y_train=y[:1500], X_test=X[1500:], y_test=y[1500:])
    return path


def test_as_a_user_runs_it(digits_npz, tmp_path):
    command = [sys.executable, "-W", "error", SCRIPT, digits_npz, "--quick", "--epochs", "1"]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    names = ["first", "wide", "flat", "entropy", "entropy-wide", "decay", "decay-long"]
    assert [name for name, *_ in runs_in(process.stdout)] == names


def test_names_of_keras(notes, digits_npz, tmp_path):
    """Its file says x_train where ours says X_train."""
    with np.load(digits_npz) as arrays:
        renamed = {
            name.lower(): arrays[name].reshape(-1, 8, 8)[:900] for name in ("X_train", "X_test")
        }
        renamed |= {name: arrays[name][:900] for name in ("y_train", "y_test")}
    path = tmp_path / "keras.npz"
    np.savez(path, **renamed)
    ours, theirs = notes.load(digits_npz, 500), notes.load(path, 500)
    np.testing.assert_array_equal(ours["train"][0], theirs["train"][0])


def test_seeds_and_epochs(run_notes, digits_npz):
    runs = run_notes(digits_npz, "--only", "entropy", "--epochs", "20", "--seeds", "2")
    assert [run[:2] for run in runs] == [("entropy", 0), ("", 1)]
    for _, _, best, last in runs:
        assert best >= last > 80


@pytest.mark.skipif(
    not MNIST.exists(),
    reason="MNIST is not part of the repository; set RUSTBP_MNIST to an npz file with X_train, y_train, X_test, y_test",
)
def test_an_epoch_of_mnist(run_notes):
    """After its first epoch this net is already right nine times of ten; see docs/notes.md."""
    [run] = run_notes(MNIST, "--only", "entropy", "--epochs", "1", "--seeds", "1")
    assert run[2] > 88
