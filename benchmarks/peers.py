"""One contender in a process of its own: trains for ever, and times epochs when it is told to.

Each `train_...` is the fastest way that a user of that library has to write this training loop: rows in a new random
order every epoch, all of them used, the loss computed. It calls `tick` at the end of each epoch, and trains until that
raises `Finished`. Nothing but epochs is timed: what a library does once for a whole training is part of none.
"""

import contextlib
import importlib.metadata
import warnings
from time import perf_counter

import numpy as np
from worker import Channel
from workloads import Workload, data


class Finished(Exception):
    """The next command is not about the net in training."""

    def __init__(self, command):
        super().__init__()
        self.command = command


class Ticks:
    """Times whole epochs, from the end of one to the end of the next, and waits between turns."""

    def __init__(self, channel):
        self._channel = channel
        self._seconds = []
        # The first epoch also sets up, or compiles: it is not part of a turn.
        self._wanted = 1
        self._start = perf_counter()

    def __call__(self):
        self._seconds.append(perf_counter() - self._start)
        if len(self._seconds) == self._wanted:
            self._channel.answer(seconds=self._seconds)
            self._seconds = []
            command = self._channel.command()
            if "epochs" not in command:
                raise Finished(command)
            self._wanted = command["epochs"]
        self._start = perf_counter()


class TickingStream:
    """A stdout for estimators that print a line per epoch: the one hook that both scikit-learn and rustbp have."""

    def __init__(self, tick):
        self._tick = tick

    def write(self, text):
        if text.startswith("Iteration "):
            self._tick()

    def flush(self):
        pass


def _fit_estimator(MLPClassifier, workload, X, y, tick, **more):
    # Training for the sake of time may neither converge nor generalise.
    warnings.simplefilter("ignore")
    estimator = MLPClassifier(
        hidden_layer_sizes=workload.sizes[1:-1],
        activation=workload.activation,
        solver=workload.solver,
        learning_rate_init=workload.learning_rate,
        batch_size=workload.batch,
        alpha=0.0,
        momentum=0.0,
        nesterovs_momentum=False,
        max_iter=10**9,
        tol=0,
        n_iter_no_change=10**9,
        random_state=0,
        verbose=True,
        **more,
    )
    with contextlib.redirect_stdout(TickingStream(tick)):
        estimator.fit(X, y)


def train_rustbp(workload, X, y, tick, compute=None):
    """Time rustbp with the number of threads it finds for itself."""
    from rustbp import MLPClassifier

    _fit_estimator(MLPClassifier, workload, X, y, tick, loss=workload.cost, compute=compute)


def train_sklearn(workload, X, y, tick):
    """Time scikit-learn, which has no cost but the log loss: W1 too is timed with it, with softmax outputs."""
    from sklearn.neural_network import MLPClassifier

    _fit_estimator(MLPClassifier, workload, X, y, tick)


def train_torch(workload, X, y, tick, threads):
    """Time PyTorch: eager, with fused optimizers, and no DataLoader, which would cost more than the training."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    torch.set_num_threads(threads)
    activation = {"relu": nn.ReLU, "logistic": nn.Sigmoid, "tanh": nn.Tanh}[workload.activation]
    quadratic = workload.cost == "squared_error"
    layers = []
    for fan_in, fan_out in zip(workload.sizes[:-1], workload.sizes[1:], strict=True):
        layers += [nn.Linear(fan_in, fan_out), activation()]
    net = nn.Sequential(*(layers if quadratic else layers[:-1]))
    make_optimizer = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[workload.solver]
    optimizer = make_optimizer(net.parameters(), lr=workload.learning_rate, fused=True)
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    if quadratic:
        y = nn.functional.one_hot(y, workload.sizes[-1]).float()

        def cost(output, target):
            return 0.5 * ((output - target) ** 2).sum() / len(target)
    else:
        cost = nn.CrossEntropyLoss()
    while True:
        for batch in torch.randperm(len(X)).split(workload.batch):
            optimizer.zero_grad(set_to_none=True)
            cost(net(X[batch]), y[batch]).backward()
            optimizer.step()
        tick()


def train_jax(workload, X, y, tick):
    """Time JAX with a whole epoch in one jitted scan: no Python between two batches."""
    import jax
    import optax
    from jax import numpy as jnp

    activation = {"relu": jax.nn.relu, "logistic": jax.nn.sigmoid, "tanh": jnp.tanh}[
        workload.activation
    ]
    quadratic = workload.cost == "squared_error"
    classes, batch = workload.sizes[-1], workload.batch
    optimizer = {"adam": optax.adam, "sgd": optax.sgd}[workload.solver](workload.learning_rate)

    def cost(parameters, x, labels):
        for layer, (w, b) in enumerate(parameters, start=1):
            x = x @ w + b
            if quadratic or layer < len(parameters):
                x = activation(x)
        if quadratic:
            return 0.5 * ((x - jax.nn.one_hot(labels, classes)) ** 2).sum() / len(labels)
        return optax.softmax_cross_entropy_with_integer_labels(x, labels).mean()

    def epoch(carry, key, X, y):
        def step(carry, rows):
            parameters, state = carry
            loss, gradient = jax.value_and_grad(cost)(parameters, X[rows], y[rows])
            update, state = optimizer.update(gradient, state, parameters)
            return (optax.apply_updates(parameters, update), state), loss

        order = jax.random.permutation(key, len(X))
        whole = len(X) // batch * batch
        carry, loss = jax.lax.scan(step, carry, order[:whole].reshape(-1, batch))
        if whole < len(X):
            carry, _ = step(carry, order[whole:])
        return carry, loss.mean()

    epoch = jax.jit(epoch, donate_argnums=0)
    random = np.random.default_rng(0)
    parameters = [
        (
            jnp.asarray(random.standard_normal((fan_in, fan_out), np.float32) / fan_in**0.5),
            jnp.zeros(fan_out),
        )
        for fan_in, fan_out in zip(workload.sizes[:-1], workload.sizes[1:], strict=True)
    ]
    carry = (parameters, optimizer.init(parameters))
    X, y = jnp.asarray(X), jnp.asarray(y.astype(np.int32))
    key = jax.random.key(0)
    while True:
        key, this_epoch = jax.random.split(key)
        carry, _ = jax.block_until_ready(epoch(carry, this_epoch, X, y))
        tick()


# The packages of a peer; all but the first are parts of it that are installed by themselves.
PACKAGES = {
    "rustbp": ("rustbp",),
    "scikit-learn": ("sklearn",),
    "PyTorch": ("torch",),
    "JAX": ("jax", "optax"),
}


def _versions(peer):
    """Import a peer's packages; return their versions."""
    found = {}
    for package in PACKAGES[peer]:
        module = __import__(package)
        found[package] = getattr(module, "__version__", None) or importlib.metadata.version(package)
    return found


def train(job, workload, X, y, tick):
    """Train with the contender of a job until `tick` raises `Finished`."""
    match job["peer"]:
        case "rustbp":
            train_rustbp(workload, X, y, tick, job.get("compute"))
        case "scikit-learn":
            train_sklearn(workload, X, y, tick)
        case "PyTorch":
            train_torch(workload, X, y, tick, job["threads"])
        case "JAX":
            train_jax(workload, X, y, tick)


def main():
    channel = Channel()
    job = channel.job
    try:
        versions = _versions(job["peer"])
    except ImportError as error:
        channel.answer(absent=f"not installed ({error})")
        return
    channel.introduce(versions=versions)
    command = channel.command()
    while True:
        sizes = tuple(command["workload"]["sizes"])
        workload = Workload(**command["workload"] | {"sizes": sizes})
        X, y = data(workload, job["dtype"], job["mnist"])
        try:
            train(job, workload, X, y, Ticks(channel))
        except Finished as finished:
            command = finished.command
        except ValueError as error:
            # The processor may have no bfloat16.
            if not job.get("compute"):
                raise
            channel.answer(absent=str(error))
            command = channel.command()


if __name__ == "__main__":
    main()
