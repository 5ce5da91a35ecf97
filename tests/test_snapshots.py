"""A model that another thread fits: every copy of it is of one moment, whichever way it is made."""

import copy
import pickle
import sys
import threading
import time

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import rustbp
from rustbp import MLPClassifier

X, Y = load_iris(return_X_y=True)
TRIES = 150
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def through_a_file(model, folder):
    model.save(folder / "model")
    return rustbp.load(folder / "model")


# Each gives something that has the fitted attributes of a model.
WAYS = {
    "deepcopy": lambda model, folder: copy.deepcopy(model),
    "copy": lambda model, folder: copy.copy(model),
    "pickle": lambda model, folder: pickle.loads(pickle.dumps(model)),
    "to_sklearn": lambda model, folder: model.to_sklearn(),
    "to_sklearn of a pipeline": lambda model, folder: rustbp.to_sklearn(
        make_pipeline(StandardScaler(), model)
    )[-1],
    "deepcopy of a pipeline": lambda model, folder: copy.deepcopy(make_pipeline(model))[-1],
    "save": through_a_file,
}


@pytest.fixture
def in_training():
    """A model that a thread fits in turn in two ways, of which everything that a fit sets tells them apart."""

    def train():
        while not over.is_set():
            # Without curves, and other labels, features and layers.
            model.set_params(solver="lbfgs").fit(X[20:90, :3], Y[20:90] > 0)
            model.set_params(solver="adam").fit(X[::4], Y[::4])

    model = MLPClassifier((3,), max_iter=2, random_state=0, n_threads=1)
    model.fit(X[::4], Y[::4])
    over, interval = threading.Event(), sys.getswitchinterval()
    thread = threading.Thread(target=train)
    sys.setswitchinterval(1e-5)
    thread.start()
    yield model
    over.set()
    thread.join()
    sys.setswitchinterval(interval)


def fit_of(model):
    """Which of the two fits each part of a model is of."""
    return {
        "coefs_": model.coefs_[0].shape[0] == 4,
        "intercepts_": model.intercepts_[-1].shape == (3,),
        "classes_": len(model.classes_) == 3,
        "_label_binarizer": len(model._label_binarizer.classes_) == 3,
        "n_features_in_": model.n_features_in_ == 4,
        "n_outputs_": model.n_outputs_ == 3,
        "out_activation_": model.out_activation_ == "softmax",
        "loss_curve_": bool(getattr(model, "loss_curve_", None)),
        "_optimizer": hasattr(model, "_optimizer"),
        "t_": model.t_ > 0,
    }


@pytest.mark.parametrize("way", WAYS)
def test_copies_are_of_one_moment(in_training, way, tmp_path):
    seen, until, tries = set(), time.monotonic() + 60, 0
    while tries < TRIES or (len(seen) < 2 and time.monotonic() < until):
        parts = fit_of(WAYS[way](in_training, tmp_path))
        assert len(set(parts.values())) == 1, parts
        seen |= set(parts.values())
        tries += 1
    assert seen == {True, False}


def test_what_does_not_copy_a_fit_works_too(in_training):
    for _ in range(TRIES):
        assert not hasattr(clone(in_training), "coefs_")
        assert repr(in_training).startswith("MLPClassifier(")
        assert in_training.get_params()["max_iter"] == 2
        row = np.ones((1, 4))
        try:
            assert in_training.predict_proba(row).shape == (1, 3)
            assert rustbp.hidden_activations(in_training, row).shape == (1, 3)
        except ValueError as error:
            assert "expecting 3 features" in str(error)  # noqa: PT017
