"""Training over partitions: pure functions; partitions, replicas and random_state decide the result; rules of fit."""

import pickle
import threading
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss, r2_score
from sklearn.utils import compute_class_weight

from rustbp import MLPClassifier, MLPRegressor, partitions
from rustbp.partitions import planning, scaling, work

X, y = load_digits(return_X_y=True)
X = X / 16
PARTS = [(X[i::12], y[i::12]) for i in range(12)]
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def classifier(**options):
    return MLPClassifier(
        (12,),
        **{"max_iter": 3, "learning_rate_init": 0.01, "random_state": 0, "n_threads": 1} | options,
    )


def weights(model):
    return [*model.coefs_, *model.intercepts_]


def assert_same(found, expected):
    for one, other in zip(weights(found), weights(expected), strict=True):
        assert_array_equal(one, other)
    assert getattr(found, "loss_curve_", None) == getattr(expected, "loss_curve_", None)


def plan_for(model, data=PARTS, **options):
    return partitions.plan(
        model, [partitions.scan(*part, classifies=True) for part in data], **options
    )


def unaligned(value):
    """As Dask hands arrays over: at any byte."""
    if isinstance(value, dict):
        return {name: unaligned(inside) for name, inside in value.items()}
    if isinstance(value, list):
        return [unaligned(inside) for inside in value]
    if isinstance(value, np.ndarray):
        moved = np.frombuffer(b"\0" + value.tobytes(), value.dtype, offset=1)
        return moved.reshape(value.shape)
    return value


class Elsewhere(partitions.Engine):
    """As on a cluster: everything travels as a pickle, and tasks run as late as they can, some of them twice."""

    n_threads = 2

    def submit(self, function, *args, **options):
        sent = pickle.dumps((function, args, options))
        return lambda: self._run(sent)

    def _run(self, sent):
        function, args, options = pickle.loads(sent)
        args = [arg() if isinstance(arg, Handle) else arg for arg in args]
        first, second = (pickle.dumps(function(*args, **options)) for _ in range(2))
        assert first == second
        return unaligned(pickle.loads(first))


class Handle:
    def __init__(self, value):
        self.value = value

    def __call__(self):
        return self.value


class Travelling(Elsewhere):
    def submit(self, function, *args, **options):
        return Handle(super().submit(function, *args, **options)())

    def gather(self, handles):
        return [handle() for handle in handles]


def test_any_engine_gives_the_same_bits():
    expected = partitions.fit(classifier(), PARTS, replicas=3)
    assert_same(partitions.fit(classifier(), PARTS, replicas=3, engine=Travelling()), expected)
    csr = [(sparse.csr_array(rows), labels) for rows, labels in PARTS]
    assert_same(partitions.fit(classifier(), csr, replicas=3), expected)
    read = [lambda part=part: part for part in PARTS]
    assert_same(partitions.fit(classifier(n_threads=2), read, replicas=3), expected)
    other = partitions.fit(classifier(), PARTS, replicas=4)
    assert not np.array_equal(other.coefs_[0], expected.coefs_[0])


def test_a_schedule_stays_in_this_process():
    lock = threading.Lock()

    def schedule(progress):
        with lock:  # which no pickle holds
            return 1 - progress / 2

    found = partitions.fit(classifier(schedule=schedule), PARTS, engine=Travelling())
    assert_same(found, partitions.fit(classifier(schedule=lambda at: 1 - at / 2), PARTS))


def test_what_a_fit_leaves_is_packed_once():
    model = partitions.fit(MLPClassifier(max_iter=2, random_state=0), PARTS, replicas=2)
    assert model._optimizer.goes_on_from(model._packed)


def test_a_round_is_what_it_says():
    """Two replicas, one round: the mean of what the core makes of each, in the order that is drawn."""
    model = classifier(max_iter=1, batch_size=400)
    data = [(X[:500], y[:500]), (X[500:], y[500:])]
    found = partitions.fit(model, data, replicas=2)
    plan = plan_for(classifier(batch_size=400), data, replicas=2)
    assert (plan.batch_size, plan.replicas, plan.pieces) == (200, 2, 1)
    # Half the batch, and a step larger by the root of 2, but not beyond what was asked for or 0.01.
    assert plan.step(0.01) == 0.01
    assert plan.step(0.001) == pytest.approx(0.001 * np.sqrt(2))
    first = partitions.initial(plan)
    local = classifier(max_iter=1).fit(X, y, coefs_init=first["coefs"])
    assert local.t_ == found.t_ == len(X)
    states = [
        partitions.train(first, *part, plan=plan, epoch=0, partition=i)
        for i, part in enumerate(data)
    ]
    shares = np.array([500, len(X) - 500]) / len(X)
    for i, coef in enumerate(found.coefs_):
        mean = sum(share * state["coefs"][i] for share, state in zip(shares, states, strict=True))
        assert_allclose(coef, mean, rtol=1e-12)
    ms = [state["optimizer"]["m"][0] for state in states]
    assert_allclose(found._optimizer.ms[0], shares[0] * ms[0] + shares[1] * ms[1], rtol=1e-12)
    # By hand: the same mini-batches through partial_fit.
    order = plan.rng(planning.ORDER, 0, 0).permutation(500)
    hand = classifier(batch_size=200, shuffle=False, max_iter=1).fit(
        X[:500][order],
        y[:500][order],
        coefs_init=first["coefs"],
        intercepts_init=first["intercepts"],
    )
    assert_array_equal(hand.coefs_[0], states[0]["coefs"][0])


def test_pieces_of_a_partition_are_all_its_batches_once_with_an_average_after_each():
    data = [(X[i::4], y[i::4]) for i in range(4)]
    options = {"batch_size": 64, "max_iter": 1}
    plan = plan_for(classifier(**options), data, replicas=4)
    # 450 rows in 29 batches, of which a piece has 4 or more.
    assert (plan.batch_size, plan.pieces) == (16, 7)
    found = partitions.fit(classifier(**options), data, replicas=4)
    assert found.t_ == len(X)
    state = partitions.initial(plan)
    for piece in range(7):
        trained = [
            partitions.train(state, *part, plan=plan, epoch=0, partition=i, piece=piece)
            for i, part in enumerate(data)
        ]
        state = partitions.average(*trained)
    for one, other in zip(weights(found), [*state["coefs"], *state["intercepts"]], strict=True):
        assert_array_equal(one, other)
    order = np.arange(450)
    pieces = [plan.piece(order, number) for number in range(7)]
    assert_array_equal(np.concatenate(pieces), order)
    assert {len(piece) % 16 for piece in pieces[:-1]} == {0}
    # Partitions with fewer batches than pieces have some that are empty.
    assert sorted(len(plan.piece(order[:20], number)) for number in range(7))[-2:] == [4, 16]


@pytest.mark.parametrize(
    ("replicas", "n_parts", "rows", "expected"),
    [
        # MNIST in 64 partitions: smaller batches and more averages where replicas have few rows.
        (1, 64, 60_000, (200, 1)),
        (2, 64, 60_000, (100, 1)),
        (8, 64, 60_000, (58, 1)),
        (16, 64, 60_000, (29, 2)),
        (32, 64, 60_000, (16, 4)),
        # A second of work in each partition: one average after each.
        (32, 64, 10**7, (64, 1)),
        (8, 8, 240_000, (64, 1)),
        # Too few rows for several averages.
        (8, 8, 1000, (25, 1)),
    ],
)
def test_sizes_of_batches_and_pieces(replicas, n_parts, rows, expected):
    batch_size, *_ = scaling.batch_and_step(classifier(), replicas, rows)
    assert (batch_size, scaling.pieces_of(replicas, n_parts, rows, batch_size)) == expected


def test_first_weights_are_those_of_fit():
    first = partitions.initial(plan_for(classifier()))
    local = classifier(max_iter=1, learning_rate_init=1e-300).fit(X, y)
    for ours, theirs in zip(first["coefs"] + first["intercepts"], weights(local), strict=True):
        assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_nothing_that_is_given_is_changed():
    plan = plan_for(classifier(early_stopping=True, dropout=0.2))
    state = partitions.train(partitions.initial(plan), *PARTS[0], plan=plan, epoch=0, partition=0)
    before = pickle.dumps((state, plan, PARTS[1]))
    trained = partitions.train(state, *PARTS[1], plan=plan, epoch=1, partition=1)
    partitions.average(state, trained)
    partitions.score(state, *PARTS[1], plan=plan, partition=1, held_out=True)
    again = pickle.loads(before)
    assert pickle.dumps(again) == pickle.dumps(pickle.loads(pickle.dumps((state, plan, PARTS[1]))))
    for other in (1, 2):
        repeated = partitions.train(
            state, *PARTS[1], plan=plan, epoch=1, partition=1, n_threads=other
        )
        assert_array_equal(repeated["coefs"][0], trained["coefs"][0])
    other_epoch = partitions.train(state, *PARTS[1], plan=plan, epoch=2, partition=1)
    assert not np.array_equal(other_epoch["coefs"][0], trained["coefs"][0])


def test_it_learns_as_much_as_fit_does():
    mixed = np.random.default_rng(0).permutation(len(X))
    train, test = mixed[:1400], mixed[1400:]
    local = classifier(max_iter=20).fit(X[train], y[train])
    for replicas in (2, 4):
        data = [(X[part], y[part]) for part in np.array_split(train, 16)]
        found = partitions.fit(classifier(max_iter=20), data, replicas=replicas)
        assert found.score(X[test], y[test]) > local.score(X[test], y[test]) - 0.02


def test_the_rules_of_stopping_are_those_of_fit(capsys):
    model = partitions.fit(
        classifier(max_iter=50, tol=0.5, n_iter_no_change=2, verbose=True), PARTS, replicas=2
    )
    assert (
        "Training loss did not improve more than tol=0.500000 for 2 consecutive"
        in capsys.readouterr().out
    )
    assert model.n_iter_ < 50
    early = partitions.fit(
        classifier(max_iter=50, early_stopping=True, n_iter_no_change=3, tol=0.01),
        PARTS,
        replicas=2,
    )
    assert early.n_iter_ < 50
    assert early.best_validation_score_ == max(early.validation_scores_)
    assert early.best_epoch_ == 1 + np.argmax(early.validation_scores_)
    with pytest.warns(match="max_time=1e-09 seconds"):
        assert partitions.fit(classifier(max_iter=9, max_time=1e-9), PARTS).n_iter_ == 1


def test_rows_that_are_held_out_are_not_trained_on_and_are_scored_by_sums():
    model = classifier(early_stopping=True, max_iter=2, validation_fraction=0.25)
    plan = plan_for(model)
    held_out = [plan.split(len(labels), i)[1] for i, (_, labels) in enumerate(PARTS)]
    assert sum(map(len, held_out)) == pytest.approx(0.25 * len(X), abs=6)
    found = partitions.fit(model, PARTS)
    assert found.t_ == 2 * (len(X) - sum(map(len, held_out)))
    X_out = np.concatenate([part[0][rows] for part, rows in zip(PARTS, held_out, strict=True)])
    y_out = np.concatenate([part[1][rows] for part, rows in zip(PARTS, held_out, strict=True)])
    assert found.score(X_out, y_out) == pytest.approx(found.best_validation_score_, abs=1e-12)
    loss = log_loss(y_out, found.predict_proba(X_out))
    assert loss == pytest.approx(found.validation_loss_curve_[found.best_epoch_ - 1], rel=1e-9)


def test_scores_of_numbers_by_sums():
    """Oracle: scikit-learn's r2_score of all rows."""
    targets = np.column_stack([y, X[:, 10] * 3 + 7, np.full(len(y), 2.0)])
    weight = np.random.default_rng(0).random(len(y))
    data = [(X[i::5], targets[i::5], weight[i::5]) for i in range(5)]
    model = MLPRegressor(hidden_layer_sizes=(8,), max_iter=3, random_state=0)
    partitions.fit(model, data, X_val=X, y_val=targets, sample_weight_val=weight)
    scans = [partitions.scan(*part, classifies=False) for part in data]
    plan = partitions.plan(model, scans)
    state = {"coefs": model.coefs_, "intercepts": model.intercepts_}
    sums = [partitions.score(state, *part, plan=plan) for part in data]
    found, loss = partitions.total(sums, model)
    assert found == pytest.approx(
        r2_score(targets, model.predict(X), sample_weight=weight), rel=1e-9
    )
    assert found == pytest.approx(model.validation_scores_[-1], rel=1e-9)
    assert loss == pytest.approx(model.validation_loss_curve_[-1], rel=1e-9)


@pytest.mark.parametrize("parts", [1, 4, 12])
def test_lbfgs_is_exact(parts):
    """Sums over partitions are the cost and the gradient of all rows: oracle is the local fit."""
    weight = np.random.default_rng(0).uniform(0.5, 2, len(y))
    options = {"solver": "lbfgs", "max_iter": 25, "class_weight": "balanced", "alpha": 0.1}
    expected = classifier(**options).fit(X, y, sample_weight=weight)
    data = [(X[i::parts], y[i::parts], weight[i::parts]) for i in range(parts)]
    engine = Travelling() if parts == 4 else None
    found = partitions.fit(classifier(**options), data, engine=engine)
    assert found.n_iter_ == expected.n_iter_
    for one, other in zip(weights(found), weights(expected), strict=True):
        assert_allclose(one, other, atol=1e-7)
    assert found.loss_ == pytest.approx(expected.loss_, rel=1e-9)


def test_balanced_weights_are_those_of_all_rows():
    labels = np.array(["a", "b", "c"])[np.minimum(y, 2)]
    data = [(X[i::4], labels[i::4]) for i in range(4)]
    plan = plan_for(classifier(class_weight="balanced"), data)
    expected = compute_class_weight("balanced", classes=np.unique(labels), y=labels)
    assert list(plan.model.class_weight.values()) == pytest.approx(list(expected))
    matrix = np.column_stack([y > 4, y == 3]).astype(int)
    plan = plan_for(
        classifier(class_weight="balanced"), [(X[i::4], matrix[i::4]) for i in range(4)]
    )
    for column, found in zip(matrix.T, plan.model.class_weight, strict=True):
        expected = compute_class_weight("balanced", classes=np.arange(2), y=column)
        assert [found[0], found[1]] == pytest.approx(list(expected))


def test_partitions_may_be_empty_or_tiny_and_lack_labels():
    data = [
        (X[:0], y[:0]),
        (X[:17], y[:17]),
        (X[17:1200], y[17:1200]),
        (X[1200:], y[1200:]),
        (X[:0], y[:0]),
    ]
    model = partitions.fit(classifier(), data, replicas=8)
    assert_array_equal(model.classes_, np.arange(10))
    by_label = [(X[y == label], y[y == label]) for label in range(10)]
    model = partitions.fit(classifier(), by_label)
    assert_array_equal(model.classes_, np.arange(10))
    with pytest.raises(ValueError, match="no rows in any partition"):
        partitions.fit(classifier(), data[:1])


def test_frames_float32_and_columns_of_targets():
    frames = [
        (pd.DataFrame(a.astype(np.float32)).rename(columns=str), pd.DataFrame(b)) for a, b in PARTS
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "Stochastic Optimizer")
        model = partitions.fit(classifier(), frames)
    assert model.coefs_[0].dtype == np.float32
    assert list(model.feature_names_in_) == [str(i) for i in range(64)]


def test_skew_of_sorted_rows():
    """Sorted into as many partitions as there are labels, each has one: the total variation is 1 - 1/10."""
    order = np.argsort(y, kind="stable")
    cut = np.searchsorted(y[order], np.arange(1, 10))
    scans = [partitions.scan(X[p], y[p], classifies=True) for p in np.split(order, cut)]
    chance = np.mean([10 / 2 * np.sqrt(2 * 0.1 * 0.9 / (np.pi * found["rows"])) for found in scans])
    assert partitions.mean_skew(scans) == pytest.approx(0.9 - chance, abs=0.01)
    scans = [partitions.scan(*part, classifies=True) for part in PARTS]
    assert partitions.mean_skew(scans) < 0.05
    numbers = [partitions.scan(X[p], y[p] * 1.0, classifies=False) for p in np.split(order, cut)]
    assert partitions.mean_skew(numbers) == pytest.approx(1)


def nan_in_one():
    bad = X.copy()
    bad[7] = np.nan
    return [(bad[i::12], y[i::12]) for i in range(12)]


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (nan_in_one(), ValueError, "Partition 7: Input X contains NaN"),
        ([*PARTS, (X[:5, :9], y[:5])], ValueError, "Partition 12: X has 9 features"),
        ([*PARTS, (X[:5], y[:4])], ValueError, "Partition 12: X has 5 rows, and y has 4"),
        ([*PARTS, (X[:5],)], ValueError, "Partition 12: A partition needs y"),
        ([*PARTS, (X[:5], np.c_[y[:5], y[:5]])], ValueError, "same columns in all partitions"),
        ([*PARTS, (X[:5], y[:5].astype(str))], TypeError, "one kind; got numbers and text"),
        ([(X, np.arange(len(X)) + 0.5)], ValueError, "MLPRegressor"),
    ],
)
def test_bad_partitions_are_named_and_leave_the_model_as_it_was(data, error, message):
    model = partitions.fit(classifier(), PARTS)
    before = pickle.dumps(model)
    with pytest.raises(error, match=message):
        partitions.fit(model, data)
    assert pickle.dumps(model) == before


def test_what_is_no_estimator_and_no_number_of_replicas():
    for estimator in (MLPClassifier, 3):
        with pytest.raises(TypeError, match="must be an MLPClassifier or an MLPRegressor"):
            partitions.fit(estimator, PARTS)
    for replicas in (0, 2.5, "2"):
        with pytest.raises(ValueError, match="replicas must be an integer from 1 on"):
            partitions.fit(classifier(), PARTS, replicas=replicas)


def test_states_of_another_version_are_refused():
    plan = plan_for(classifier())
    state = partitions.initial(plan)
    with pytest.raises(RuntimeError, match=r"same version of rustbp.*0\.0\.1"):
        partitions.average(state, state | {"version": "0.0.1"})
    with pytest.raises(RuntimeError, match="same version"):
        partitions.train(state | {"version": "0.0.1"}, *PARTS[0], plan=plan, epoch=0, partition=0)


def test_other_instruction_sets_are_told(monkeypatch):
    made = work.state_of
    monkeypatch.setattr(work, "state_of", lambda *args: made(*args) | {"kernels": ("other",)})
    with pytest.warns(match="different instruction sets"):
        partitions.fit(classifier(), PARTS)


def test_scores_that_are_no_sums_are_refused():
    with pytest.raises(ValueError, match="scoring='f1_macro' needs all rows at once"):
        partitions.fit(classifier(early_stopping=True, scoring="f1_macro"), PARTS)
    model = partitions.fit(
        classifier(early_stopping=True, scoring="f1_macro"), PARTS, X_val=X, y_val=y
    )
    assert len(model.validation_scores_) == model.n_iter_
