"""Memory refused, callbacks that raise, numbers that grow beyond all bounds: an exception, and things left whole."""

import subprocess
import sys
import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from rustbp import MLPClassifier, MLPRegressor
from rustbp._training.callbacks import watching
from rustbp._training.epochs import NON_FINITE

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4))
Y = X[:, 0] > 0

# What is needed grows in small steps while the limit stays, so that each allocation in turn is the one refused.
MEMORY = """
import resource, sys, warnings
import numpy as np
from rustbp import MLPRegressor, _core
warnings.simplefilter("ignore")
small = np.ones((10, 4), np.float32)
model = MLPRegressor(hidden_layer_sizes=3, max_iter=1, random_state=0).fit(small, small[:, 0])
expected = model.predict(small)

def used():
    for line in open("/proc/self/status"):
        if line.startswith("VmSize"):
            return int(line.split()[1]) * 1024

def call(kind, n):
    functions = {"activation": "relu", "output_activation": "identity"}
    wide = [np.broadcast_to(np.float32(1), s) for s in [(4, n), (n, 2)]]
    biases = [np.broadcast_to(np.float32(1), s) for s in [n, 2]]
    X = np.broadcast_to(np.float32(1), (n, 4))
    tall = [np.ones((4, 8), np.float32), np.ones((8, 2), np.float32)]
    short = [np.ones(8, np.float32), np.ones(2, np.float32)]
    y = np.broadcast_to(np.float32(1), (n, 2))
    if kind == "wide network, one row":
        _core.forward(small[:1], wide, biases, **functions)
    if kind == "wide network, rows":
        _core.forward(small, wide, biases, **functions)
    if kind == "rows":
        _core.forward(X, tall, short, n_threads=2, **functions)
    if kind == "backprop":
        _core.backprop(X, y, tall, short, cost="squared_error", **functions)
    if kind == "backprop, wide":
        _core.backprop(small, small[:, :2].copy(), wide, biases, cost="squared_error", **functions)
    if kind == "trainer":
        trainer = _core.Trainer(wide, biases, cost="squared_error", optimizer="adam", n_threads=2,
                                alpha=1e-4, **functions)
        trainer.epoch(small, small[:, :2].copy(), None, 10)
        trainer.coefs(), trainer.intercepts(), trainer.state(), trainer.predict(small)
    if kind == "fit":
        model.set_params(hidden_layer_sizes=n).fit(small, small[:, 0])

for kind in KINDS:
    refused = passed = 0
    for room in (3, 30):
        for share in (0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 2, 10, 1e6):
            room_bytes = room * 2**20
            n = int(share * room_bytes / 160) + 1
            resource.setrlimit(resource.RLIMIT_AS, (used() + room_bytes, resource.RLIM_INFINITY))
            try:
                call(kind, n)
                passed += 1
                if kind == "fit":
                    expected = model.predict(small)
            except MemoryError:
                refused += 1
            finally:
                resource.setrlimit(resource.RLIMIT_AS, (-1, resource.RLIM_INFINITY))
            assert np.array_equal(model.predict(small), expected)
    print(refused, passed)
"""
KINDS = [
    "wide network, one row",
    "wide network, rows",
    "rows",
    "backprop",
    "backprop, wide",
    "trainer",
    "fit",
]


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space")
def test_memory_refused():
    code = MEMORY.replace("KINDS", repr(KINDS))
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200)
    assert run.returncode == 0, run.stdout + run.stderr
    for line in run.stdout.splitlines():
        refused, passed = map(int, line.split())
        assert refused > 0
        assert passed > 0
    assert len(run.stdout.splitlines()) == len(KINDS)


class Failing:
    """A watcher that raises at one of the moments it is told of."""

    def __init__(self, moment, error):
        self.moment, self.error = moment, error

    def _tell(self, moment):
        if moment == self.moment:
            raise self.error

    def fit_begins(self, estimator, fitted, *, incremental):
        self._tell("begin")

    def epoch_ends(self, estimator, fitted):
        self._tell("epoch")

    def fit_ends(self, estimator, fitted, *, reason):
        self._tell("end")


@pytest.mark.parametrize("error", [RuntimeError("mine"), SystemExit(3), GeneratorExit()])
@pytest.mark.parametrize("moment", ["begin", "epoch", "end"])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_callback_that_raises_changes_nothing(solver, moment, error):
    model = MLPClassifier(hidden_layer_sizes=3, solver=solver, max_iter=3, random_state=0)
    model.fit(X, Y)
    predicted, attributes = model.predict_proba(X), dict(vars(model))
    with watching(Failing(moment, error)), pytest.raises(type(error)):
        model.set_params(random_state=1).fit(X, ~Y)
    assert_array_equal(model.predict_proba(X), predicted)
    model.set_params(random_state=0)
    after = vars(model)
    attributes.pop("random_state")
    assert all(after[name] is attributes[name] for name in attributes)


DIVERGENT = {
    "learning rate 1e6": (X, {"solver": "sgd", "learning_rate_init": 1e6}),
    "X near 1e308": (X / np.abs(X).max() * 1.7e308, {"solver": "sgd"}),
    "X near 1e308, adam": (X / np.abs(X).max() * 1.7e308, {"solver": "adam"}),
    "X near 1e308, lbfgs": (X / np.abs(X).max() * 1.7e308, {"solver": "lbfgs"}),
    "alpha 1e300": (X, {"solver": "sgd", "alpha": 1e300}),
}


@pytest.mark.parametrize("case", DIVERGENT)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_divergence_ends_in_the_first_epochs(case, early_stopping):
    """The documented error, or with early stopping the warning and the weights of before; never a model of NaN."""
    data, options = DIVERGENT[case]
    model = MLPRegressor(
        activation="identity",
        max_iter=50,
        random_state=0,
        batch_size=5,
        early_stopping=early_stopping and options["solver"] != "lbfgs",
        **options,
    )

    class Counting(Failing):
        epochs = 0

        def epoch_ends(self, estimator, fitted):
            Counting.epochs += 1

    with warnings.catch_warnings(record=True) as log, watching(Counting("never", None)):
        warnings.simplefilter("always")
        try:
            model.fit(data, X[:, 1])
        except ValueError as error:
            assert str(error) == NON_FINITE  # noqa: PT017
            assert not hasattr(model, "coefs_")
        else:
            assert any("Training diverged in epoch 1:" in str(w.message) for w in log)
            assert all(np.isfinite(array).all() for array in model.coefs_ + model.intercepts_)
    # An epoch that ended in numbers that are not finite is reported to nobody.
    assert Counting.epochs == 0
