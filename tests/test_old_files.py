"""Pickles and model files of version 0.1.0 load, predict the same to the last bit, and train on with the same numbers.

`data/old/old_models.py` says how they were made.
"""

import pickle
from pathlib import Path

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_array_equal

import old_models
import rustbp
from rustbp import _core

OLD = Path(__file__).parent / "data" / "old"

# Only the rows and targets of its moment are certain: NumPy's generators may change.
DATA = np.load(OLD / "data.npz")
EXPECTED = np.load(
    OLD / ("expected-portable.npz" if _core.kernel() == "portable" else "expected-avx2.npz")
)
pytestmark = pytest.mark.filterwarnings(
    # The binarizer in a pickle is scikit-learn's, which asks for the version that made it.
    "ignore::sklearn.exceptions.InconsistentVersionWarning"
)


def from_pickle(name):
    if np.lib.NumpyVersion(np.__version__) < "2.0.0":
        pytest.skip("NumPy 1 does not read the random states that NumPy 2 pickled")
    if tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 9):
        pytest.skip("scikit-learn does not read pickles of newer versions")
    return pickle.loads((OLD / f"{name}.pickle").read_bytes())


def from_file(name):
    return rustbp.load(OLD / f"{name}.safetensors")


@pytest.mark.parametrize("read", [from_pickle, from_file])
@pytest.mark.parametrize("name", old_models.MODELS)
def test_it_goes_on_as_it_did(name, read):
    model = read(name)
    assert type(model) is old_models.MODELS[name][0]
    X = DATA["X"].astype(model.coefs_[0].dtype)
    found = old_models.outcomes(model, X, DATA[name.split("-")[0]])
    assert {f"{name}.{what}" for what in found} == {
        what for what in EXPECTED.files if what.startswith(f"{name}.")
    }
    for what, value in found.items():
        expected = EXPECTED[f"{name}.{what}"]
        assert value.dtype == expected.dtype, what
        assert_array_equal(value, expected, err_msg=what)


@pytest.mark.parametrize("read", [from_pickle, from_file])
@pytest.mark.parametrize("name", old_models.MODELS)
def test_it_is_stored_again(name, read, tmp_path):
    """As a pickle and as a model file of today."""
    model = read(name)
    X = DATA["X"].astype(model.coefs_[0].dtype)
    model.save(tmp_path / "model.safetensors")
    for again in (rustbp.load(tmp_path / "model.safetensors"), pickle.loads(pickle.dumps(model))):
        assert_array_equal(again.predict(X), EXPECTED[f"{name}.predict"])
