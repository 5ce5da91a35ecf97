"""What stays packed between calls: the numbers are those of packing anew for each, and whatever a user writes counts.

The oracle is the same model after a pickle, which holds arrays alone: its next call packs them anew.
"""

import copy
import pickle
import threading

import numpy as np
import pytest
import scipy.sparse

from rustbp import MLPClassifier, MLPRegressor

RNG = np.random.default_rng(0)
X = np.where(RNG.random((60, 70)) < 0.3, RNG.standard_normal((60, 70)), 0.0)
Y = np.arange(60) % 3
SPARSE = scipy.sparse.csr_matrix(X)
OPTIMIZERS = {
    "adam": {},
    "momentum": {"solver": "sgd"},
    "plain": {"solver": "sgd", "momentum": 0.0},
    "plain, no penalty": {"solver": "sgd", "momentum": 0.0, "alpha": 0.0},
    "with everything": {
        "dropout": 0.2,
        "schedule": "cosine",
        "warmup": 0.1,
        "weight_decay": 0.1,
        "max_grad_norm": 0.1,
        "label_smoothing": 0.1,
    },
}


def started(**parameters):
    """A model after a few calls, whose weights nobody has asked for."""
    model = MLPClassifier((20, 17), random_state=0, **parameters)
    model.partial_fit(X, Y, classes=[0, 1, 2])
    return model.partial_fit(X[:7], Y[:7])


def renewed(model):
    return pickle.loads(pickle.dumps(model))


def assert_same(a, b):
    """Weights, the optimizer's arrays and predictions, bit for bit."""
    for name in ("coefs_", "intercepts_"):
        for ours, theirs in zip(getattr(a, name), getattr(b, name), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    ours, theirs = a._optimizer.state, b._optimizer.state
    assert ours.keys() == theirs.keys()
    assert ours["t"] == theirs["t"]
    for slot in ours.keys() - {"t"}:
        for one, other in zip(ours[slot], theirs[slot], strict=True):
            np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(a.predict_proba(X), b.predict_proba(X))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [X, SPARSE], ids=["dense", "sparse"])
def test_calls_go_on_as_if_packed_anew(optimizer, dtype, rows):
    rows = rows.astype(dtype)
    kept = MLPClassifier((20, 17), random_state=0, batch_size=11, **OPTIMIZERS[optimizer])
    kept.partial_fit(rows, Y, classes=[0, 1, 2])
    anew = renewed(kept)
    for n in (60, 11, 13, 60):
        kept.partial_fit(rows[:n], Y[:n])
        anew = renewed(anew.partial_fit(rows[:n], Y[:n]))
        np.testing.assert_array_equal(kept.predict_proba(rows), anew.predict_proba(rows))
    assert_same(kept, anew)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_warm_starts_of_one_epoch(optimizer):
    kept = MLPClassifier(
        (20,), random_state=0, max_iter=1, warm_start=True, **OPTIMIZERS[optimizer]
    )
    anew = renewed(kept.fit(X, Y))
    for _ in range(3):
        kept.fit(X, Y)
        anew = renewed(anew.fit(X, Y))
    assert_same(kept, anew)


def in_place(model):
    model.coefs_[1][3, :] = 0.5


def through_a_view(model):
    model.coefs_[0].T[2].flat[:] = -1.0


def biases(model):
    model.intercepts_[-1][:] += 1.0


def an_array_of_the_list(model):
    model.coefs_[1] = np.full((20, 17), 0.01)


def the_list(model):
    model.coefs_ = [0.5 * w for w in model.coefs_]


def the_list_of_biases(model):
    model.intercepts_ = [b + 0.25 for b in model.intercepts_]


def moments(model):
    model._optimizer.ms[0][:] = 0.125


def all_moments(model):
    model._optimizer.vs = [v + 1.0 for v in model._optimizer.vs]


WRITES = [
    in_place,
    through_a_view,
    biases,
    an_array_of_the_list,
    the_list,
    the_list_of_biases,
    moments,
    all_moments,
]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("looked_before", [False, True])
def test_what_a_user_writes_counts(write, looked_before):
    model = started()
    other = renewed(model)
    if looked_before:
        for each in (model, other):
            assert each.coefs_ is each.coefs_
            assert each._optimizer.ms is each._optimizer.ms
            each.partial_fit(X[:5], Y[:5])
            each.predict(X)
        other = renewed(other)
    before = model.predict_proba(X[:3])
    write(model)
    write(other)
    changes = write not in (moments, all_moments)
    assert changes == (model.predict_proba(X[:3]) != before).any()
    np.testing.assert_array_equal(model.predict_proba(X), other.predict_proba(X))
    for each in (model, other):
        each.partial_fit(X[:9], Y[:9]).partial_fit(X, Y)
    assert_same(model, other)


def test_arrays_that_a_user_has_are_written_at_any_time():
    """Also after calls that went on from them."""
    model = started()
    held = model.coefs_[0]
    model.predict(X)
    held[:] = 0.0
    assert (model.coefs_[0] == 0.0).all()
    expected = renewed(model).predict_proba(X)
    np.testing.assert_array_equal(model.predict_proba(X), expected)
    model.partial_fit(X[:2], Y[:2])
    held[:] = 9.0  # the model has new ones, as ever
    assert not (model.coefs_[0] == 9.0).any()


def test_weights_are_ordinary_attributes():
    model = started()
    assert {"coefs_", "intercepts_"} <= set(dir(model))
    assert all(
        type(w) is np.ndarray and w.flags.writeable and w.flags.c_contiguous for w in model.coefs_
    )
    assert type(model.coefs_) is list
    del model.coefs_
    assert not hasattr(model, "coefs_")
    assert hasattr(model, "intercepts_")
    model = started()
    del model.intercepts_
    assert hasattr(model, "coefs_")
    assert not hasattr(model, "intercepts_")


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, renewed])
def test_copies_go_their_own_way(duplicate):
    model = started()
    other = duplicate(model)
    assert "_packed" not in vars(other)
    assert "coefs_" in vars(other)
    expected = renewed(model).partial_fit(X, Y)
    before = other.predict_proba(X)
    model.partial_fit(X, Y)
    np.testing.assert_array_equal(other.predict_proba(X), before)
    assert_same(model, expected)
    assert_same(other.partial_fit(X, Y), expected)


@pytest.mark.parametrize(
    "changed",
    [
        {"alpha": 0.5},
        {"activation": "tanh"},
        {"activation": ["tanh", "silu"]},
        {"dropout": 0.5},
        {"dropout": [0.0, 0.5]},
        {"schedule": "linear"},
        {"warmup": 0.5},
        {"weight_decay": 0.5},
        {"max_grad_norm": 1e-3},
        {"label_smoothing": 0.5},
        {"batch_size": 4},
        {"n_threads": 2},
        {"random_state": 3},
        {"warm_start": True},
    ],
)
def test_parameters_set_between_calls(changed):
    model = started()
    other = renewed(model)
    for each in (model, other):
        each.set_params(**changed)
    np.testing.assert_array_equal(model.predict_proba(X), other.predict_proba(X))
    for each in (model, other):
        each.partial_fit(X, Y)
    assert_same(model, other)


def test_a_number_of_the_cost_set_between_calls():
    model = MLPRegressor("huber", (5,), random_state=0).partial_fit(X, Y)
    other, same = renewed(model), renewed(model)
    for each in (model, other):
        each.set_params(huber_delta=0.01).partial_fit(X, Y)
    for ours, theirs in zip(model.coefs_, other.coefs_, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert (model.coefs_[0] != same.partial_fit(X, Y).coefs_[0]).any()


def test_settings_of_the_optimizer_between_calls():
    model = started()
    other = renewed(model)
    for each in (model, other):
        each._optimizer.beta_1 = 0.5
        each.partial_fit(X, Y)
    assert_same(model, other)
    model, other = started(solver="sgd"), started(solver="sgd")
    other = renewed(other)
    for each in (model, other):
        each._optimizer.momentum = 0
        each.partial_fit(X, Y)
        each._optimizer.momentum = 0.5
        each.partial_fit(X, Y)
    assert_same(model, other)


def test_another_output_activation():
    model = started()
    other = renewed(model)
    model.out_activation_ = other.out_activation_ = "logistic"
    np.testing.assert_array_equal(model.predict_proba(X), other.predict_proba(X))


@pytest.mark.parametrize("looked", [False, True])
def test_a_failure_leaves_the_model_as_it_was(looked):
    model = started(solver="sgd")
    expected = renewed(model)
    if looked:
        assert len(model.coefs_) == len(model._optimizer.velocities) // 2
    for _ in range(2):
        model._optimizer.learning_rate = np.inf
        with pytest.raises(ValueError, match="non-finite"):
            model.partial_fit(X, Y)
        model._optimizer.learning_rate = expected._optimizer.learning_rate
    assert_same(model, expected)
    assert_same(model.partial_fit(X, Y), expected.partial_fit(X, Y))


def test_a_snapshot_stays_while_its_model_is_trained():
    """Memory is used again only when nobody reads it."""
    model = started()
    snapshot = model._copy()
    expected = renewed(model).predict_proba(X)
    for _ in range(4):
        model.partial_fit(X, Y)
    np.testing.assert_array_equal(snapshot.predict_proba(X), expected)
    optimizer = model._optimizer
    expected = renewed(model)._optimizer.ms
    for _ in range(4):
        model.partial_fit(X, Y)
    for ours, theirs in zip(optimizer.ms, expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_predictions_while_another_thread_trains():
    """Each is that of one of the models there have been."""
    model = MLPRegressor(hidden_layer_sizes=(50,), random_state=0).partial_fit(X, Y)
    seen, expected, done = [], [model.predict(X)], threading.Event()

    def predict():
        while not done.is_set():
            seen.append(model.predict(X))

    threads = [threading.Thread(target=predict) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(40):
        model.partial_fit(X, Y)
        expected.append(model.predict(X))
    done.set()
    for thread in threads:
        thread.join()
    known = {one.tobytes() for one in expected}
    assert seen
    assert all(one.tobytes() in known for one in seen)


def test_partial_fits_in_two_threads():
    model = started()
    threads = [
        threading.Thread(target=lambda: [model.partial_fit(X, Y) for _ in range(20)])
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.isfinite(model.predict_proba(X)).all()
    assert_same(model.partial_fit(X, Y), renewed(model))
