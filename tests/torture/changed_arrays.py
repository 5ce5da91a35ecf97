"""Arrays that somebody else writes to while a call reads them: another thread, a signal handler, a mapped file.

What was checked may be wrong by the time it is used. A call then gives any numbers or a documented error, and what it
does with memory stays within what it owns: the process goes on, and calls with the arrays as they were give what they
did.

    python tests/torture/changed_arrays.py --quick | --full
"""

import signal
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import scipy.sparse

import rustbp
import sizes
from rustbp import _core

SIZES = {"quick": (0.05, [np.float32]), "full": (3.0, [np.float32, np.float64])}
"""Seconds for each array of each call, and dtypes."""
LONG = "a long epoch"
"""A call that lasts: a handler runs when the core asks for signals, after some thirty milliseconds."""
ROWS, COLS, HIDDEN, CLASSES = 2000, 300, 40, 3
NAMES = {"activation": "relu", "output_activation": "softmax"}
DOCUMENTED = (ValueError, ZeroDivisionError, MemoryError)


class Arrays:
    """Everything that the calls read."""

    def __init__(self, dtype):
        rng = np.random.default_rng(0)
        self.csr = scipy.sparse.random(
            ROWS, COLS, 0.05, format="csr", random_state=rng, dtype=np.float64
        ).astype(dtype)
        self.dense = rng.standard_normal((ROWS, COLS)).astype(dtype)
        self.y = rng.integers(0, CLASSES, ROWS)
        self.matrix = np.eye(CLASSES, dtype=dtype)[self.y]
        self.weights = rng.uniform(0.5, 1, ROWS).astype(dtype)
        self.order = rng.permutation(ROWS)
        layers = [(COLS, HIDDEN), (HIDDEN, CLASSES)]
        self.coefs = [rng.standard_normal(shape).astype(dtype) / 20 for shape in layers]
        self.intercepts = [np.zeros(shape[1], dtype) for shape in layers]
        self.packed = np.concatenate([a.ravel() for a in (*self.coefs, *self.intercepts)])
        names = ("dense", "y", "matrix", "weights", "order", "packed")
        self.named = {name: getattr(self, name) for name in names}
        self.named |= {
            f"csr.{part}": getattr(self.csr, part) for part in ("data", "indices", "indptr")
        }
        self.named["coefs"] = self.coefs[0]


def native_calls(a):
    """Calls of the native module by name, and what each of them reads."""

    def epoch(X, y, order, batch):
        trainer = _core.Trainer(a.coefs, a.intercepts, cost="log_loss", alpha=0.1, **NAMES)
        trainer.epoch(X, y, order, batch, a.weights)
        return trainer.coefs()

    def predict(X):
        return _core.Trainer(a.coefs, a.intercepts, cost="log_loss", **NAMES).predict(X)

    def loss_gradient(X, y):
        gradient = np.empty_like(a.packed)
        layers = [COLS, HIDDEN, CLASSES]
        data = (a.packed, gradient, X, y)
        _core.loss_gradient(
            *data, layer_sizes=layers, cost="log_loss", sample_weight=a.weights, **NAMES
        )
        return gradient

    def backprop(X, y):
        options = {"cost": "log_loss", "sample_weight": a.weights, **NAMES}
        return _core.backprop(X, y, a.coefs, a.intercepts, **options)["a"][-1]

    for kind, X in (("csr", a.csr), ("dense", a.dense)):
        x = [name for name in a.named if name.startswith(kind)]
        yield (
            f"forward, {kind}",
            [*x, "coefs"],
            lambda X=X: _core.forward(X, a.coefs, a.intercepts, **NAMES),
        )
        yield f"Trainer.predict, {kind}", x, lambda X=X: predict(X)
        for batch in (10, 200):
            reads = [*x, "y", "weights", "order"]
            yield f"epoch, {kind}, {batch}", reads, lambda X=X, b=batch: epoch(X, a.y, a.order, b)
        if kind == "csr":
            order = np.tile(a.order, 10)
            yield f"{LONG}, csr", reads, lambda order=order: epoch(a.csr, a.y, order, 10)
        yield f"epoch, {kind}, matrix", [*x, "matrix"], lambda X=X: epoch(X, a.matrix, None, 200)
        reads = [*x, "y", "weights", "packed"]
        yield f"loss_gradient, {kind}", reads, lambda X=X: loss_gradient(X, a.y)
        yield f"backprop, {kind}", [*x, "y", "weights", "coefs"], lambda X=X: backprop(X, a.y)


def estimator_calls(a):
    """The same for estimators. SciPy, which they use too, trusts `indptr`: it stays as it is here."""
    options = {"hidden_layer_sizes": HIDDEN, "max_iter": 2, "random_state": 0}
    parts = ["csr.data", "csr.indices"]

    def learn(method, **more):
        model = rustbp.MLPClassifier(**options, **more)
        return getattr(model, method)(a.csr, a.y).coefs_

    fitted = rustbp.MLPClassifier(**options).fit(a.csr, a.y)
    yield "fit", [*parts, "y"], lambda: learn("fit")
    yield "fit, early stopping", [*parts, "y"], lambda: learn("fit", early_stopping=True)
    yield "fit, lbfgs", [*parts, "y"], lambda: learn("fit", solver="lbfgs")
    yield (
        "partial_fit",
        parts,
        lambda: (
            rustbp.MLPClassifier(**options)
            .partial_fit(a.csr, np.resize([0, 1, 2], ROWS), classes=[0, 1, 2])
            .coefs_
        ),
    )
    yield "predict_proba", parts, lambda: fitted.predict_proba(a.csr)
    yield "rustbp.backprop", [*parts, "y"], lambda: rustbp.backprop(fitted, a.csr, a.y).a[-1]


def wrong_numbers(array):
    """What is written for a moment: numbers beyond any array, next to the last valid one, and below zero."""
    if array.dtype.kind == "f":
        return [np.nan, np.inf, 0, 1e30]
    ends = np.iinfo(array.dtype)
    return [COLS, COLS + 1, CLASSES, ROWS, array.size + 1, 1 << 30, -1, ends.min, ends.max]


class Writer:
    """Writes wrong numbers into an array for a moment, over and over, and leaves it as it was."""

    def __init__(self, array, rng):
        self.array = array
        self.wrong = wrong_numbers(array)
        self.rng = rng
        self.stop = False

    def once(self, *_):
        places = self.rng.integers(0, self.array.size, 50)
        flat = self.array.reshape(-1)
        right = flat[places]
        flat[places] = self.rng.choice(self.wrong, 50).astype(flat.dtype)
        time.sleep(1e-4)
        flat[places] = right

    def run(self):
        while not self.stop:
            self.once()


def attempt(call, outcomes):
    try:
        call()
        outcomes["result"] = outcomes.get("result", 0) + 1
    except DOCUMENTED as error:
        kind = type(error).__name__
        outcomes[kind] = outcomes.get(kind, 0) + 1


def by_thread(call, array, seconds, rng):
    """Calls while a thread writes to an array: how they ended."""
    outcomes, writer, before = {}, Writer(array, rng), array.copy()
    thread = threading.Thread(target=writer.run)
    thread.start()
    try:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            attempt(call, outcomes)
    finally:
        writer.stop = True
        thread.join()
        # Two writes of one place may have been undone in the wrong order.
        array[:] = before
    return outcomes


def by_handler(call, array, seconds, rng):
    """The same with a signal handler, which undoes nothing."""
    outcomes, before = {}, array.copy()
    flat, wrong = array.reshape(-1), wrong_numbers(array)

    def ring(*_):
        # A row that seems to have all entries takes as long as all rows: not more and more of them.
        array[:] = before
        flat[rng.integers(0, flat.size, 5)] = rng.choice(wrong, 5).astype(flat.dtype)

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.031, 0.031)
    try:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            array[:] = before
            attempt(call, outcomes)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        array[:] = before
    return outcomes


def by_mapped_file(seconds, rng):
    """A CSR matrix in a file that is mapped, and written to by way of another mapping."""
    a = Arrays(np.float32)
    outcomes = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "indices"
        a.csr.indices.tofile(path)
        shape, dtype = a.csr.indices.shape, a.csr.indices.dtype
        read = np.memmap(path, dtype, "r", shape=shape)
        writer = Writer(np.memmap(path, dtype, "r+", shape=shape), rng)
        X = scipy.sparse.csr_matrix((a.csr.data, read, a.csr.indptr), a.csr.shape, copy=False)
        thread = threading.Thread(target=writer.run)
        thread.start()
        try:
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                attempt(lambda: _core.forward(X, a.coefs, a.intercepts, **NAMES), outcomes)
        finally:
            writer.stop = True
            thread.join()
    return outcomes


def main():
    seconds, dtypes = sizes.parser(__doc__, **SIZES).parse_args().size
    rng = np.random.default_rng(0)
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    total = 0
    for dtype in dtypes:
        a = Arrays(dtype)
        for what, reads, call in (*native_calls(a), *estimator_calls(a)):
            expected = call()
            for name in reads:
                way = by_handler if what.startswith(LONG) else by_thread
                outcomes = way(call, a.named[name], seconds, rng)
                total += sum(outcomes.values())
                same = all(map(np.array_equal, call(), expected))
                assert same, f"{what} gives something else after {name} was written to"
                print(f"{what}; {name} {way.__name__}: {outcomes}", flush=True)
    outcomes = by_mapped_file(seconds, rng)
    print(f"forward; a mapped file: {outcomes}")
    print(f"{total + sum(outcomes.values())} calls, each with a result or a documented error")


if __name__ == "__main__":
    sys.exit(main())
