"""What goes wrong on a cluster: workers that die with the data, wishes for workers that are gone, odd partitions."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError

import rustbp
from rustbp import Checkpoint, MLPClassifier, MLPRegressor, partitions
from rustbp._training.callbacks import watching

dask = pytest.importorskip("dask", reason="dask is not installed")
distributed = pytest.importorskip("distributed", reason="distributed is not installed")
da = pytest.importorskip("dask.array")

import dask_workers  # noqa: E402
from dask_workers import assert_nothing_is_left, bare_workers  # noqa: E402
from rustbp.dask import DaskMLPClassifier, DaskMLPRegressor, engine  # noqa: E402

pytestmark = [
    *dask_workers.WARNINGS,
    pytest.mark.filterwarnings("ignore:The cluster has 3 workers"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]
N_PARTITIONS = 8
OPTIONS = {
    "hidden_layer_sizes": (16,),
    "max_iter": 6,
    "n_iter_no_change": np.inf,
    "learning_rate_init": 0.01,
    "random_state": 0,
}


def part(number, rows=400):
    rng = np.random.default_rng(number)
    X = rng.random((rows, 20))
    return X, (X[:, :5].sum(axis=1) * 2).astype(int)


PARTS = [part(i) for i in range(N_PARTITIONS)]


@pytest.fixture(scope="module")
def expected():
    """Oracle: the same pure functions, one after another in this process."""
    return partitions.fit(MLPClassifier(**OPTIONS), PARTS, replicas=2)


def classifier(**options):
    return DaskMLPClassifier(**{"replicas": 2} | OPTIONS | options)


def assert_same(found, expected):
    for name in ("coefs_", "intercepts_"):
        for one, other in zip(getattr(found, name), getattr(expected, name), strict=True):
            assert_array_equal(one, other)


class Flat:
    """A schedule that tells that training goes on."""

    def __init__(self, told):
        self.told = told

    def __call__(self, progress):
        if self.told is not None and progress > 0.2:
            self.told()
        return 1.0


def once(action):
    done = []

    def told():
        if not done:
            done.append(True)
            action()

    return told


def workers(client):
    """Addresses and processes."""
    return sorted(client.run(os.getpid).items())


def delayed(numbers=range(N_PARTITIONS)):
    return [dask.delayed(part)(number) for number in numbers]


# ---- data that is lost with its worker ----


@pytest.mark.parametrize(("kind", "persist"), [("pairs", False), ("arrays", True)])
def test_scattered_data_that_is_lost_is_named_at_once(client, kind, persist):
    there = workers(client)
    homes = [[there[i % 2][0]] for i in range(N_PARTITIONS)]
    if kind == "pairs":
        held = [
            client.scatter(list(pair), workers=home)
            for pair, home in zip(PARTS, homes, strict=True)
        ]
        data = ([dask.delayed(tuple)(pair) for pair in held],)
    else:
        held = [
            [client.scatter(array, workers=home) for array in pair]
            for pair, home in zip(PARTS, homes, strict=True)
        ]
        data = tuple(
            da.concatenate(
                [
                    da.from_delayed(dask.delayed(pair[i]), PARTS[0][i].shape, PARTS[0][i].dtype)
                    for pair in held
                ]
            )
            for i in range(2)
        )
    killed = []

    def kill():
        os.kill(there[1][1], signal.SIGKILL)
        killed.append(time.monotonic())

    model = classifier(schedule=Flat(once(kill)), persist=persist, max_iter=20)
    with pytest.raises(RuntimeError, match=r"partitions 1, 3, 5, 7 was lost with.*scattered"):
        model.fit(*data)
    assert time.monotonic() - killed[0] < 30
    with pytest.raises(NotFittedError):
        model.to_local()


# ---- wishes for workers ----


@pytest.mark.parametrize("kind", ["annotated", "persisted", "never there"])
def test_a_worker_that_data_asks_for_is_gone(client, expected, kind, monkeypatch):
    monkeypatch.setattr(engine, "LOOKS_EVERY", 0.5)
    address, pid = workers(client)[0]
    options = {"persist": False}
    kill = once(lambda: os.kill(pid, signal.SIGKILL))
    if kind == "never there":
        address, kill = "tcp://127.0.0.1:1", None
    with dask.annotate(workers=[address], allow_other_workers=False):
        data = delayed()
    if kind == "persisted":
        data = client.persist(delayed(), workers=[address])
        distributed.wait(data)
    model = classifier(**options, schedule=Flat(kill))
    with pytest.warns(UserWarning, match="No worker is left of those"):
        model.fit(data)
    assert_same(model, expected)


def test_resources_that_no_worker_has(client, monkeypatch):
    monkeypatch.setattr(engine, "LOOKS_EVERY", 0.2)
    monkeypatch.setattr(engine, "PATIENCE", 1.0)
    with dask.annotate(resources={"GPU": 1}):
        data = delayed()
    with pytest.raises(RuntimeError, match=r"No worker has had what task .* needs, \{'GPU': 1"):
        classifier().fit(data)


# ---- clients ----


def test_a_client_that_is_closed_meanwhile(cluster, monkeypatch):
    monkeypatch.setattr(engine, "LOOKS_EVERY", 0.5)
    client = distributed.Client(cluster, set_as_default=False)
    close = threading.Thread(target=client.close)
    model = classifier(client=client, schedule=Flat(once(close.start)), max_iter=30)
    began = time.monotonic()
    with pytest.raises(RuntimeError, match=r"client is clos"):
        model.fit(delayed())
    assert time.monotonic() - began < 30
    close.join()
    with pytest.raises(RuntimeError, match="client is closed"):
        model.fit(delayed())
    with distributed.Client(cluster) as other:
        assert_nothing_is_left(other)


NO_CLIENT = """
import dask
from rustbp.dask import DaskMLPClassifier
try:
    DaskMLPClassifier().fit([dask.delayed(tuple)([[[0.0]], [0]])])
except RuntimeError as error:
    print(error)
"""


def test_no_client():
    found = subprocess.run(
        [sys.executable, "-c", NO_CLIENT], capture_output=True, text=True, timeout=60
    )
    assert found.stdout.startswith("DaskMLPClassifier needs a Dask client"), found.stderr


# ---- workers ----


def test_a_cluster_that_starts_workers_for_tasks(expected):
    with (
        dask.config.set(dask_workers.PATIENT),
        distributed.LocalCluster(
            n_workers=0, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(engine, "FIRST", 0.1)
            with pytest.raises(RuntimeError, match=r"no workers for 0\.1 seconds"):
                classifier().fit(delayed())
        assert_nothing_is_left(client)
        cluster.adapt(minimum=0, maximum=1, interval="200ms")
        assert_same(classifier().fit(delayed()), expected)


def test_one_worker_without_a_nanny(expected):
    with bare_workers(1) as (client, _):
        assert_same(classifier().fit(delayed()), expected)
        assert_nothing_is_left(client)


@pytest.mark.parametrize("persist", [True, False])
def test_three_workers_without_nannies_of_which_two_die(expected, persist):
    with bare_workers(3) as (client, running):
        assert_same(classifier(persist=persist).fit(delayed()), expected)
        kill = once(lambda: [process.kill() for process in running[1:]])
        model = classifier(persist=persist, schedule=Flat(kill)).fit(delayed())
        assert_same(model, expected)
        assert len(client.nthreads()) == 1
        assert_nothing_is_left(client)


@pytest.mark.parametrize("tasks", [0, 1000])
def test_states_stay_on_workers_until_there_is_much_to_make_anew(
    client, expected, tasks, monkeypatch
):
    sent, submit = [], engine.DaskEngine.submit

    def spy(self, function, *args, **options):
        sent.append(function.__name__)
        return submit(self, function, *args, **options)

    monkeypatch.setattr(engine.DaskEngine, "submit", spy)
    monkeypatch.setattr(engine, "STAY_TASKS", tasks)
    model = classifier(persist=True).fit(delayed())
    assert_same(model, expected)
    assert model.loss_curve_ == expected.loss_curve_
    assert sent.count("same") == (1 if tasks else model.n_iter_)
    assert_nothing_is_left(client)


def test_all_workers_die_with_the_state_that_stayed_there(client, expected):
    kill = once(lambda: [os.kill(pid, signal.SIGKILL) for _, pid in workers(client)])
    model = classifier(persist=True, schedule=Flat(kill)).fit(delayed())
    assert_same(model, expected)
    assert model.loss_curve_ == expected.loss_curve_
    client.wait_for_workers(2, timeout=60)
    assert_nothing_is_left(client)


# ---- odd partitions ----


def test_17_rows_beside_a_million(client):
    def rows(number, n):
        rng = np.random.default_rng(number)
        X = rng.random((n, 3), dtype=np.float32)
        return X, (X[:, 0] > X[:, 1]).astype(int)

    sizes = [1_000_000, 17]
    options = OPTIONS | {"hidden_layer_sizes": (4,), "max_iter": 1}
    data = [rows(i, n) for i, n in enumerate(sizes)]
    local = partitions.fit(MLPClassifier(**options), data, replicas=2)
    model = classifier(**options, mix=False)
    model.fit([dask.delayed(rows)(i, n) for i, n in enumerate(sizes)])
    assert_same(model, local)
    # The 17 count as 17.
    assert model.to_local().score(*data[0]) > 0.97


def test_empty_partitions_and_a_label_that_one_has(client):
    odd = [part(i, rows=0 if i in (0, 3, 7) else 400) for i in range(N_PARTITIONS)]
    X, y = odd[4]
    odd[4] = X, np.where(np.arange(len(y)) == 5, 99, y)
    local = partitions.fit(MLPClassifier(**OPTIONS), odd, replicas=2)
    model = classifier().fit([dask.delayed(pair) for pair in odd])
    assert_same(model, local)
    assert model.classes_[-1] == 99


WRONG = {
    "X": (lambda X, y: (np.where(np.arange(20) == 3, np.nan, X), y), "Input X contains NaN"),
    "y": (lambda X, y: (X, np.where(np.arange(len(y)) == 3, np.nan, y)), "contains NaN"),
    "weight": (lambda X, y: (X, y, np.where(np.arange(len(y)) == 3, np.inf, 1.0)), "infinity"),
    "rows": (lambda X, y: (X, y[:-1]), "X has 400 rows, and y has 399"),
    "columns": (lambda X, y: (X[:, :19], y), "X has 19 features, but .* 20 features"),
    "text": (lambda X, y: (X.astype(str).astype(object) + "a", y), "could not convert"),
}


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("estimator", [DaskMLPClassifier, DaskMLPRegressor])
def test_what_is_wrong_with_one_partition(client, kind, estimator):
    change, message = WRONG[kind]
    data = [*PARTS]
    if kind == "weight":
        data = [(*pair, np.ones(len(pair[1]))) for pair in data]
    data[5] = change(*PARTS[5])
    model = estimator(**OPTIONS, replicas=2)
    with pytest.raises((ValueError, TypeError), match=f"Partition 5: .*{message}"):
        model.fit([dask.delayed(pair) for pair in data])
    with pytest.raises(NotFittedError):
        model.to_local()


MIXED = {
    "weights": (lambda X, y: (X, y, np.ones(len(y))), r"weights, or none; got weights in 1 of 8"),
    "X": (
        lambda X, y: (np.where(np.arange(20) == 3, np.nan, X), y),
        "Partition 5: Input X contains",
    ),
    "columns": (lambda X, y: (X[:, :19], y), "Partition 5: X has 19 features, but .* 20 features"),
}


@pytest.mark.parametrize("kind", MIXED)
def test_what_is_wrong_is_said_before_rows_are_mixed(client, kind):
    change, message = MIXED[kind]
    data = [*PARTS]
    data[5] = change(*PARTS[5])
    with pytest.raises(ValueError, match=message):
        classifier(mix=True).fit([dask.delayed(pair) for pair in data])
    assert_nothing_is_left(client)


def test_a_regressor_has_the_bits_of_the_local_loop(client):
    local = partitions.fit(MLPRegressor(**OPTIONS), PARTS, replicas=2)
    assert_same(DaskMLPRegressor(**OPTIONS, replicas=2).fit(delayed()), local)


# ---- a client that dies ----


class Killed(Exception):
    """Ends a fit without ceremony."""


class Kill:
    """A watcher that does so after three epochs."""

    def fit_begins(self, estimator, fitted, *, incremental): ...

    def epoch_ends(self, estimator, fitted):
        if len(fitted().loss_curve_) == 3:
            raise Killed

    def fit_ends(self, estimator, fitted, *, reason): ...


@pytest.mark.parametrize("options", [{}, {"early_stopping": True, "max_iter": 8}])
def test_a_fit_goes_on_from_its_checkpoint_bit_for_bit(client, tmp_path, options):
    path = tmp_path / "checkpoint"
    with pytest.raises(Killed), Checkpoint(path), watching(Kill()):
        classifier(**options).fit(delayed())
    read = rustbp.load(path).set_params(warm_start=True)
    resumed = DaskMLPClassifier.from_local(read, replicas=2).fit(delayed())
    local = partitions.fit(MLPClassifier(**OPTIONS | options), PARTS, replicas=2)
    assert_same(resumed, local)
    assert resumed.loss_curve_ == local.loss_curve_
    with pytest.raises(ValueError, match=r"2 side by side.*got 8, 3 side by side"):
        DaskMLPClassifier.from_local(read, replicas=3).fit(delayed())
    with pytest.raises(TypeError, match=r"must be a rustbp\.MLPClassifier"):
        DaskMLPClassifier.from_local(MLPRegressor())
