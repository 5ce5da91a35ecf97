"""Fits on chunks and partitions that were killed go on from their last checkpoint, bit for bit; partial_fit(chunks)."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits

import rustbp
from killed_fits import Kill, Killed, assert_same
from rustbp import Checkpoint, MLPClassifier, MLPRegressor, chunks, partitions
from rustbp._training.callbacks import watching

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
X, y = load_digits(return_X_y=True)
X = X / 16
PARTS = [(X[i::8], y[i::8]) for i in range(8)]


def in_chunks(parts=PARTS):
    return chunks.of(parts, buffer=2)


def by_chunks(model, parts=PARTS, **options):
    return model.fit(in_chunks(parts), **options)


def by_partitions(model, parts=PARTS, replicas=2, **options):
    return partitions.fit(model, parts, replicas=replicas, **options)


def classifier(**options):
    return MLPClassifier(
        **{"hidden_layer_sizes": (8,), "max_iter": 7, "random_state": 3, "n_threads": 1}
        | {"learning_rate_init": 0.01}
        | options
    )


def cut_short(fit, model, path, epochs, **options):
    with pytest.raises(Killed), Checkpoint(path), watching(Kill(epochs)):
        fit(model, **options)
    return rustbp.load(path).set_params(warm_start=True)


CASES = {
    "adam": {},
    "sgd": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1},
    "plain": {"solver": "sgd", "momentum": 0, "shuffle": False},
    "early": {"early_stopping": True, "n_iter_no_change": 2, "max_iter": 20},
    "schedule": {"schedule": "one_cycle", "dropout": 0.2, "weight_decay": 0.01},
}


@pytest.mark.parametrize("fit", [by_chunks, by_partitions])
@pytest.mark.parametrize("epochs", [1, 4, 6])
@pytest.mark.parametrize("case", CASES)
def test_it_goes_on_bit_for_bit(fit, case, epochs, tmp_path):
    whole = fit(classifier(**CASES[case]))
    epochs = min(epochs, whole.n_iter_)
    resumed = cut_short(fit, classifier(**CASES[case]), tmp_path / "c", epochs)
    assert resumed.n_iter_ == epochs
    assert_same(fit(resumed), whole)
    assert not hasattr(resumed, "_unfinished")


@pytest.mark.parametrize("fit", [by_chunks, by_partitions])
def test_random_numbers_of_its_own_float32_and_rows_to_validate_on(fit, tmp_path):
    single = [(rows.astype(np.float32), labels) for rows, labels in PARTS]
    options = {"parts": single, "X_val": X[:100].astype(np.float32), "y_val": y[:100]}
    resumed = cut_short(
        fit,
        classifier(random_state=np.random.RandomState(5), early_stopping=True),
        tmp_path / "c",
        3,
        **options,
    )
    whole = fit(classifier(random_state=np.random.RandomState(5), early_stopping=True), **options)
    assert_same(fit(resumed, **options), whole)


def test_without_a_random_state_it_goes_on_with_its_own(tmp_path):
    """The seed of the partitions was drawn; it is in the file."""
    resumed = cut_short(by_partitions, classifier(random_state=None), tmp_path / "c", 2)
    again = rustbp.load(tmp_path / "c").set_params(warm_start=True)
    assert_same(by_partitions(resumed), by_partitions(again))


def test_other_data_is_refused(tmp_path):
    of_rows = cut_short(lambda model: model.fit(X, y), classifier(), tmp_path / "c", 2)
    for fit in (by_chunks, by_partitions):
        with pytest.raises(ValueError, match=r"rows in one piece.*got 8 chunks or partitions"):
            fit(of_rows)
        resumed = cut_short(fit, classifier(), tmp_path / "c", 2)
        with pytest.raises(ValueError, match=r"8 chunks or partitions.*got 1797 rows"):
            resumed.fit(X, y)
        with pytest.raises(ValueError, match=r"of 8 chunks or partitions.*got 7"):
            fit(resumed, parts=PARTS[:7])
    with pytest.raises(ValueError, match=r"2 side by side.*got 8, 3 side by side"):
        by_partitions(resumed, replicas=3)
    empty = (X[:0], y[:0])
    resumed = cut_short(by_chunks, classifier(), tmp_path / "c", 2)
    with pytest.raises(ValueError, match="other chunks had rows"):
        by_chunks(resumed, [*PARTS[:7], empty])


# ---- partial_fit(chunks) ----


def test_partial_fit_takes_chunks_as_one_pass():
    """Oracle: the first epoch of a fit, and then one of the same order, as partial_fit draws it."""
    model = classifier().partial_fit(in_chunks())
    first = by_chunks(classifier(max_iter=1))
    for one, other in zip(model.coefs_, first.coefs_, strict=True):
        assert_array_equal(one, other)
    assert model.t_ == len(y)
    before = model.loss_
    for _ in range(20):
        model.partial_fit(in_chunks())
    assert model.loss_ < before / 2
    assert model.t_ == 21 * len(y)
    # It goes on with rows at hand, and the other way round.
    model.partial_fit(X, y).partial_fit([(X, y)])
    assert model.t_ == 23 * len(y)


@pytest.mark.parametrize("buffer", [1, 8])
def test_partial_fit_of_chunks_knows_labels_of_others(buffer):
    some = [(X[y < 5][i::4], y[y < 5][i::4]) for i in range(4)]
    model = classifier().partial_fit(chunks.of(some, buffer=buffer), classes=np.arange(10))
    assert_array_equal(model.classes_, np.arange(10))
    model.partial_fit(in_chunks())
    with pytest.raises(ValueError, match="not the same as on last call"):
        model.partial_fit(in_chunks(), classes=[1, 2])
    unaware = classifier().partial_fit(chunks.of(some, buffer=buffer))
    assert_array_equal(unaware.classes_, np.arange(5))
    with pytest.raises(ValueError, match=r"labels|classes"):
        unaware.partial_fit(in_chunks())


@pytest.mark.parametrize("buffer", [1, 8])
def test_partial_fit_of_chunks_regresses_and_refuses(buffer):
    parts = [(rows, labels / 9) for rows, labels in PARTS]
    model = MLPRegressor(hidden_layer_sizes=(8,), random_state=0, learning_rate_init=0.01)
    for _ in range(40):
        model.partial_fit(chunks.of(parts, buffer=buffer))
    assert model.t_ == 40 * len(y)
    assert model.score(X, y / 9) > 0.5
    with pytest.raises(ValueError, match="early_stopping"):
        model.set_params(early_stopping=True).partial_fit(chunks.of(parts, buffer=buffer))
    with pytest.raises(ValueError, match="are in them"):
        model.partial_fit(chunks.of(parts), sample_weight=np.ones(8))
    with pytest.raises(ValueError, match=r"y|target"):
        model.set_params(early_stopping=False).partial_fit(X)
