"""The estimators on a cluster of two processes: the bits of the local loop, whatever the data comes as."""

import inspect
import os
import pickle
import signal
import subprocess
import sys
import threading
import weakref

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError

import rustbp
from rustbp import MLPClassifier, MLPRegressor, partitions

dask = pytest.importorskip("dask", reason="dask is not installed")
distributed = pytest.importorskip("distributed", reason="distributed is not installed")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
import pandas as pd  # noqa: E402

import dask_workers  # noqa: E402
from rustbp.dask import DaskMLPClassifier, DaskMLPRegressor  # noqa: E402
from rustbp.dask.collections import Collected  # noqa: E402
from rustbp.dask.engine import using  # noqa: E402

X, y = load_digits(return_X_y=True)
X = X / 16
ROWS = 225
STARTS = range(0, len(X), ROWS)
PARTS = [(X[i : i + ROWS], y[i : i + ROWS]) for i in STARTS]
pytestmark = dask_workers.WARNINGS
OPTIONS = {
    "hidden_layer_sizes": (12,),
    "max_iter": 2,
    "learning_rate_init": 0.01,
    "random_state": 0,
}


def _predictions(dask_scheduler):
    return [str(key) for key in dask_scheduler.tasks if "predicted" in str(key)]


@pytest.fixture(scope="module")
def expected():
    """Oracle: the same pure functions, one after another in this process."""
    return partitions.fit(MLPClassifier(**OPTIONS), PARTS, replicas=2)


def array(values=None):
    values = X if values is None else values
    return da.from_array(values, chunks=(ROWS, *values.shape[1:]))


def classifier(**options):
    return DaskMLPClassifier(**{"replicas": 2} | OPTIONS | options)


def assert_same(found, expected):
    for name in ("coefs_", "intercepts_"):
        for one, other in zip(getattr(found, name), getattr(expected, name), strict=True):
            assert_array_equal(one, other)
    assert getattr(found, "loss_curve_", None) == getattr(expected, "loss_curve_", None)


def frame():
    return dd.from_map(_frame_of, list(STARTS), meta=_frame_of(0).iloc[:0])


def _frame_of(start):
    rows = slice(start, start + ROWS)
    table = pd.DataFrame(X[rows]).rename(columns=lambda i: f"p{i}")
    return table.assign(label=y[rows])


def _pair(start):
    return X[start : start + ROWS], y[start : start + ROWS]


@pytest.mark.parametrize("persist", [True, False])
def test_arrays_give_the_bits_of_the_local_loop(client, expected, persist):
    model = classifier(persist=persist).fit(array(), array(y))
    assert_same(model, expected)
    assert model.client_ is client
    assert model.partition_spec_["batch_size"] == 100
    assert model.partition_spec_["averages"] == 4
    assert model.n_iter_ == 2
    assert model.t_ == 2 * len(X)


def test_sparse_blocks_frames_and_lists_do_too(client, expected):
    csr = array().map_blocks(sparse.csr_array)
    assert_same(classifier().fit(csr, array(y)), expected)
    table = frame()
    found = classifier().fit(table.drop(columns="label"), table["label"])
    assert_same(found, expected)
    assert list(found.feature_names_in_) == [f"p{i}" for i in range(64)]
    pairs = [dask.delayed(_pair)(start) for start in STARTS]
    assert_same(classifier().fit(pairs), expected)


ALIVE = []


def _alone(start):
    """A pair, of which a process has one at a time."""
    rows = X[start : start + ROWS].copy()
    assert all(one() is None for one in ALIVE), "another partition is still held"
    ALIVE.append(weakref.ref(rows))
    return rows, y[start : start + ROWS]


def test_a_worker_has_one_partition_at_a_time(client, expected):
    pairs = [dask.delayed(_alone)(start) for start in STARTS]
    assert_same(classifier(persist=False).fit(pairs), expected)


@pytest.mark.parametrize("kind", ["pairs", "arrays"])
def test_partitions_that_are_kept_are_in_pieces_as_they_were_given(client, kind):
    data = ([dask.delayed(_pair)(start) for start in STARTS], None)
    parts = Collected("", *(data if kind == "pairs" else (array(), array(y)))).parts
    with using(client, 2) as engine:
        engine.keep(parts)
        for part, (rows, labels) in zip(parts, PARTS, strict=True):
            found = client.gather(part.futures)
            found = found[0] if kind == "pairs" else found
            assert_array_equal(found[0], rows)
            assert_array_equal(found[1], labels)
    dask_workers.assert_nothing_is_left(client)


def test_tasks_of_a_round_are_submitted_in_turn_of_the_workers_that_have_the_rows(client):
    parts = Collected("", array(), array(y)).parts
    assert len(parts) == 8
    with using(client, 2) as engine:
        engine.keep(parts)
        there = client.who_has([part.futures[0] for part in parts])
        assert [part.home for part in parts] == [there[part.futures[0].key][0] for part in parts]
        for part, home in zip(parts, "aaaabbba", strict=True):
            part.home = home
        assert engine.arranged([(part,) for part in parts]) == [0, 4, 1, 5, 2, 6, 3, 7]
    # Where nobody knows, as they come.
    assert engine.arranged([(part,) for part in Collected("", array(), array(y)).parts]) == [
        *range(8)
    ]


class Stored:
    """As a file that is open."""

    shape, dtype, ndim = X.shape, X.dtype, 2

    def __getitem__(self, index):
        return X[index]


def test_which_partitions_are_made_within_the_task_that_needs_them(client):
    def made(*data):
        return [part.reader is not None for part in Collected("", *data).parts]

    assert all(made(array(), array(y)))
    assert all(made(frame().drop(columns="label"), frame()["label"]))
    assert all(made(da.from_array(Stored(), chunks=(ROWS, 64)), array(y)))
    # Not what workers have, what only some may make, and what all need.
    kept = client.persist(array())
    assert not any(made(kept + 1, array(y)))
    assert not any(made(kept, array(y)))
    pairs = [dask.delayed(_pair)(start) for start in STARTS]
    assert all(made(pairs, None))
    assert not any(made(client.persist(pairs), None))
    with dask.annotate(workers=["tcp://127.0.0.1:1"]):
        asking = [dask.delayed(_pair)(start) for start in STARTS]
    assert not any(made(asking, None))
    whole = dask.delayed(_pair)(0)
    assert not any(made([dask.delayed(tuple)(whole) for _ in range(3)], None))
    large = da.concatenate([da.from_array(X, chunks=(600, 64)).rechunk((ROWS, 64))])
    assert not all(made(large, array(y)))


def test_predictions_are_lazy_and_those_of_the_local_model(client):
    table = frame()
    model = classifier().fit(table.drop(columns="label"), table["label"])
    local = model.to_local()
    assert type(local) is MLPClassifier
    rows = table.drop(columns="label")
    lazy, probability = model.predict(rows), model.predict_proba(rows)
    assert not client.run_on_scheduler(_predictions)
    whole = rows.compute()
    found = lazy.compute()
    assert_array_equal(found.index, whole.index)
    assert_array_equal(found, local.predict(whole))
    assert_allclose(probability.compute(), local.predict_proba(whole), rtol=0, atol=0)
    del lazy, probability


def test_predictions_of_arrays_with_empty_blocks(client):
    model = classifier().fit(array(), array(y))
    local = model.to_local()
    some = array()[array()[:, 20] > 0.9]
    for method in ("predict", "predict_proba", "predict_log_proba"):
        found = getattr(model, method)(some)
        assert found.dtype == getattr(local, method)(X[:2]).dtype
        assert_array_equal(found.compute(), getattr(local, method)(X[X[:, 20] > 0.9]))
    none = array()[array()[:, 20] > 2]
    assert model.predict(none).compute().shape == (0,)
    assert_array_equal(model.predict(X[:5]), local.predict(X[:5]))


def test_a_graph_of_predictions_has_the_weights_once():
    model = DaskMLPClassifier.from_local(MLPClassifier((400,), max_iter=1).fit(X, y))
    weights = sum(array.nbytes for array in model.coefs_)
    pairs = [dask.delayed(part) for part in PARTS]
    frame_of = frame().drop(columns="label")
    lazy = [
        model.predict(array()),
        model.predict(frame_of).optimize(),
        dask.delayed(model.predict(pairs)),
    ]
    for found in lazy:
        graph = dict(found.__dask_graph__())
        rows = sum(rows.nbytes for rows, _ in PARTS)
        assert sum(len(pickle.dumps(task)) for task in graph.values()) < 1.5 * weights + 2 * rows
    # Partitions are what fit takes, too.
    for one, (rows, _) in zip(dask.compute(*model.predict(pairs)), PARTS, strict=True):
        assert_array_equal(one, model.predict(rows))


def test_scores_validation_weights_and_early_stopping(client):
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    model = classifier(early_stopping=True).fit(array(), array(y), array(weight))
    parts = [(*part, weight[i : i + ROWS]) for i, part in zip(STARTS, PARTS, strict=True)]
    local = partitions.fit(MLPClassifier(**OPTIONS, early_stopping=True), parts, replicas=2)
    assert_same(model, local)
    assert model.validation_scores_ == local.validation_scores_
    found = model.score(array(), array(y), array(weight))
    assert found == pytest.approx(local.score(X, y, weight), abs=1e-12)
    there = classifier().fit(array(), array(y), X_val=array(), y_val=array(y))
    here = classifier().fit(array(), array(y), X_val=X, y_val=y)
    assert there.validation_scores_ == pytest.approx(here.validation_scores_, abs=1e-12)


def test_going_on(client, expected):
    model = classifier(max_iter=1).fit(array(), array(y))
    model.partial_fit(array(), array(y))
    # The second epoch of a fit is that of partial_fit.
    assert_same(model, expected)
    warm = classifier(warm_start=True).fit(array(), array(y))
    before = warm.loss_
    assert warm.fit(array(), array(y)).loss_ < before
    assert len(warm.loss_curve_) == 4
    first = classifier().partial_fit(array(), array(np.minimum(y, 3)), classes=np.arange(10))
    assert_array_equal(first.classes_, np.arange(10))
    local = first.to_local()
    local.partial_fit(X, y)


def test_numbers_and_lbfgs(client):
    options = {"hidden_layer_sizes": (5,), "solver": "lbfgs", "max_iter": 10, "random_state": 0}
    model = DaskMLPRegressor(**options, replicas=2).fit(array(), array(y / 9))
    local = MLPRegressor(**options).fit(X, y / 9)
    for one, other in zip(model.coefs_, local.coefs_, strict=True):
        assert_allclose(one, other, atol=1e-7)
    assert model.score(array(), array(y / 9)) == pytest.approx(local.score(X, y / 9), abs=1e-6)
    assert_allclose(model.predict(array()).compute(), local.predict(X), atol=1e-6)


def test_sorted_rows_are_mixed_once(client):
    order = np.argsort(y, kind="stable")
    with pytest.warns(UserWarning, match=r"differ in their labels.*mixed once"):
        model = classifier(max_iter=12).fit(array(X[order]), array(y[order]))
    with pytest.warns(UserWarning, match=r"differ in their labels.*forgets"):
        other = classifier(max_iter=12, mix=False).fit(array(X[order]), array(y[order]))
    assert model.score(array(), array(y)) > max(0.93, other.score(array(), array(y)) + 0.02)
    with pytest.warns(UserWarning, match="differ in their labels"):
        again = classifier(max_iter=12).fit(array(X[order]), array(y[order]))
    assert_same(again, model)


def test_a_worker_is_killed_in_mid_epoch(client):
    """``kill -9`` while it trains: the bits of a fit without that."""
    options = {"max_iter": 12, "persist": False}
    expected = partitions.fit(MLPClassifier(**OPTIONS | {"max_iter": 12}), PARTS, replicas=2)
    pids = client.run(os.getpid)
    victim = next(iter(pids.values()))
    killer = threading.Timer(0.5, os.kill, (victim, signal.SIGKILL))
    killer.start()
    model = classifier(**options).fit(array(), array(y))
    killer.join()
    assert_same(model, expected)
    client.wait_for_workers(2, timeout=60)


def test_parameters_pickles_and_clones(client):
    for kind, local in ((DaskMLPClassifier, MLPClassifier), (DaskMLPRegressor, MLPRegressor)):
        ours = inspect.signature(kind).parameters
        theirs = inspect.signature(local).parameters
        assert list(ours) == [*theirs, "client", "replicas", "mix", "persist"]
        for name, parameter in theirs.items():
            assert ours[name].default == parameter.default, name
            assert ours[name].kind == parameter.kind, name
        values = {name: object() for name in ours}
        assert kind(**values).get_params(deep=False) == values
    model = classifier(client=client).fit(array(), array(y))
    assert clone(model).client is client
    read = pickle.loads(pickle.dumps(model))
    assert read.client is None
    assert_same(read, model)
    assert_array_equal(read.predict(X), model.predict(X))
    assert pickle.loads(pickle.dumps(model.to_local())).score(X, y) == model.score(X, y)


def nan_in_one():
    bad = X.copy()
    bad[3 * ROWS] = np.nan
    return array(bad)


BAD = {
    "numpy": (lambda: (X, y), TypeError, "rustbp.MLPClassifier"),
    "NaN": (lambda: (nan_in_one(), array(y)), ValueError, "Partition 3: Input X contains NaN"),
    "columns": (
        lambda: (da.from_array(X, chunks=(ROWS, 32)), array(y)),
        ValueError,
        r"columns in 2 chunks.*rechunk",
    ),
    "partitions": (
        lambda: (array(), da.from_array(y, chunks=100)),
        ValueError,
        "must have the same partitions",
    ),
    "rows": (
        lambda: (array(), da.from_array(y, chunks=((100, *[ROWS] * 6, 347),))),
        ValueError,
        "rows cut alike",
    ),
    "y here": (lambda: (array(), y), TypeError, "y must be a collection of Dask"),
    "no y": (lambda: (array(), None), ValueError, "y must be a collection"),
    "empty": (lambda: (array()[:0], array(y)[:0]), ValueError, "no rows in any partition"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_leaves_the_model_as_it_was(client, expected, kind):
    make, error, message = BAD[kind]
    model = classifier().fit(array(), array(y)) if kind == "NaN" else classifier()
    with pytest.raises(error, match=message):
        model.fit(*make())
    if kind == "NaN":
        assert_same(model, expected)
    else:
        with pytest.raises(NotFittedError):
            model.to_local()


INTERRUPTED = """
import os, signal, sys, threading, time, warnings
import dask.array as da
import distributed
import numpy as np
from rustbp.dask import DaskMLPClassifier

signal.signal(signal.SIGINT, signal.default_int_handler)

def schedule(progress):
    # In the second epoch.
    if progress > 0.001 and "BEGUN" not in os.environ:
        os.environ["BEGUN"] = "1"
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    return 1.0

if __name__ == "__main__":
    X = da.random.default_rng(0).random((600, 8), chunks=(100, 8))
    with distributed.Client(sys.argv[1]) as client:
        model = DaskMLPClassifier((8,), max_iter=1000, n_iter_no_change=np.inf, schedule=schedule)
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            model.fit(X, (X[:, 0] > 0.5).astype(int))
        for _ in range(400):
            left = client.run_on_scheduler(lambda dask_scheduler: "rustbp" in str([*dask_scheduler.tasks]))
            if not left:
                break
            time.sleep(0.05)
        said = any("Training interrupted by user" in str(warning.message) for warning in found)
        print(said, not left, 0 < model.n_iter_ == len(model.loss_curve_) < 1000, model.score(X, X[:, 0] > 0.5) >= 0)
"""


def test_errors_say_which_data_and_which_partition_they_are_of(client):
    bad = nan_in_one()
    model = classifier().fit(array(), array(y))
    with pytest.raises(ValueError, match="Partition 3: Input X contains NaN"):
        model.score(bad, array(y))
    with pytest.raises(
        ValueError, match="validation data does not fit: Partition 3: Input X contains"
    ):
        classifier().fit(array(), array(y), X_val=bad, y_val=array(y))
    with pytest.raises(
        ValueError, match="y_val must be a collection of Dask with the partitions of X_val"
    ):
        classifier().fit(array(), array(y), X_val=array())
    with pytest.raises(TypeError, match="got a list of Future"):
        classifier().fit([client.submit(_pair, 0)])
    dask_workers.assert_nothing_is_left(client)


def test_ctrl_c_keeps_the_last_epoch(client):
    command = [sys.executable, "-c", INTERRUPTED, client.scheduler.address]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert found.stdout.split() == ["True"] * 4, found.stderr


def test_without_a_client_or_with_a_closed_one(client):
    closed = distributed.Client(client.scheduler.address, set_as_default=False)
    closed.close()
    with pytest.raises(RuntimeError, match="client is closed"):
        classifier(client=closed).fit(array(), array(y))
    with pytest.raises(TypeError, match=r"client must be a distributed\.Client; got 'tcp:"):
        classifier(client=client.scheduler.address).fit(array(), array(y))
    with pytest.warns(ConvergenceWarning):
        classifier(client=client, max_iter=1).fit(array(), array(y))


def test_names(client):
    assert rustbp.dask.__all__ == ["DaskMLPClassifier", "DaskMLPRegressor"]
    with pytest.warns(UserWarning, match="replicas=1 lets no more"):
        classifier(replicas=1, max_iter=1).fit(array(), array(y))
