"""compute="bfloat16": what it gives where the processor has it, and what it says where not.

Products and whole fits are tested in the core (src/linalg/dense/bfloat16.rs, src/training/compute.rs), on a model of
the instructions where the processor lacks them.
"""

import os
import pickle
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

import rustbp
from rustbp import MLPClassifier, MLPRegressor, _core

BFLOAT16 = {"compute": "bfloat16", "random_state": 0}
SMALL = {"hidden_layer_sizes": 4}


def digits_in_float32():
    X, y = load_digits(return_X_y=True)
    return train_test_split((X / 16).astype(np.float32), y, test_size=0.5, random_state=0)


def refusal(model, X, y):
    """What a fit says that is refused, or None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X, y)
    except ValueError as error:
        return str(error)
    return None


def small_rows():
    X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    return X, np.arange(20) % 2


NEEDS_PROCESSOR = 'compute="bfloat16" needs a processor with AVX512-BF16'


def has_bfloat16():
    return refusal(MLPClassifier(max_iter=1, **SMALL, **BFLOAT16), *small_rows()) is None


@pytest.fixture
def bfloat16():
    if not has_bfloat16():
        pytest.skip("this processor lacks AVX512-BF16; the core's own tests have a model of it")


def test_it_is_refused_exactly_where_the_processor_lacks_it():
    X, y = small_rows()
    cpuinfo = Path("/proc/cpuinfo")
    if sys.platform == "linux" and "flags" in cpuinfo.read_text():
        assert has_bfloat16() == (" avx512_bf16" in cpuinfo.read_text())
    if has_bfloat16():
        return
    model = MLPClassifier(max_iter=1, **SMALL, **BFLOAT16)
    for call in (lambda: model.fit(X, y), lambda: model.partial_fit(X, y, classes=[0, 1])):
        with pytest.raises(ValueError, match=NEEDS_PROCESSOR) as caught:
            call()
        message = str(caught.value)
        assert "this one has" in message
        assert "use compute=None" in message
        assert not hasattr(model, "coefs_")
    assert refusal(model.set_params(compute=None), X, y) is None


def test_float64_is_refused():
    X, y = small_rows()
    for rows in (X.astype(np.float64), X.tolist()):
        message = refusal(MLPClassifier(**SMALL, **BFLOAT16), rows, y)
        assert 'compute="bfloat16" needs X in float32' in message
        assert "float64" in message
        assert "compute=None" in message
    fitted = MLPRegressor(max_iter=2, warm_start=True, **SMALL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted.fit(X.astype(np.float64), y)
    # The weights of the earlier fit are float64, and training would be too.
    before = fitted.coefs_
    message = refusal(fitted.set_params(compute="bfloat16"), X, y)
    assert "or the model with it, is float64" in message
    assert fitted.coefs_ is before


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_lbfgs_is_refused(kind):
    message = refusal(kind(solver="lbfgs", **SMALL, **BFLOAT16), *small_rows())
    assert "solver='lbfgs' needs exact gradients" in message
    assert "compute=None" in message


def test_other_names_are_refused():
    X, y = small_rows()
    for name in ("float8", "BFLOAT16", "", 16, np.float32):
        with pytest.raises(ValueError, match="The 'compute' parameter of MLPClassifier must be"):
            MLPClassifier(compute=name).fit(X, y)
    one = np.ones((1, 1), dtype=np.float32)
    functions = {"activation": "relu", "output_activation": "identity", "cost": "squared_error"}
    with pytest.raises(ValueError, match='compute must be one of "None", "bfloat16"; got "float8"'):
        _core.Trainer([one], [one[0]], compute="float8", **functions)


def test_the_parameter_goes_with_the_estimator(tmp_path):
    model = MLPClassifier(**SMALL, **BFLOAT16)
    assert clone(model).get_params() == model.get_params()
    assert "compute='bfloat16'" in repr(model)
    X, y = small_rows()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.set_params(compute=None, max_iter=2).fit(X, y)
    model.set_params(compute="bfloat16").save(tmp_path / "model")
    for again in (rustbp.load(tmp_path / "model"), pickle.loads(pickle.dumps(model))):
        assert again.compute == "bfloat16"
        assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert_array_equal(model.to_sklearn().predict(X), model.predict(X))


def test_digits_are_learnt_as_well_as_in_float32(bfloat16):
    X, X_test, y, y_test = digits_in_float32()
    options = {"hidden_layer_sizes": (100, 50), "max_iter": 60, "tol": 0, "n_iter_no_change": 1000}
    scores = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for compute in (None, "bfloat16"):
            fits = [
                MLPClassifier(**options, compute=compute, random_state=seed).fit(X, y)
                for seed in range(3)
            ]
            scores[compute] = np.mean([fit.score(X_test, y_test) for fit in fits])
    assert abs(scores["bfloat16"] - scores[None]) < 0.01


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("solver", _core.OPTIMIZERS)
def test_any_number_of_threads_gives_the_same(bfloat16, solver, sparse):
    X, _, y, _ = digits_in_float32()
    X = scipy.sparse.csr_matrix(X) if sparse else X
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fits = [
            MLPClassifier(
                (128, 65), solver=solver, batch_size=99, max_iter=3, n_threads=threads, **BFLOAT16
            ).fit(X, y)
            for threads in (1, 2, 3)
        ]
        exact = MLPClassifier((128, 65), solver=solver, batch_size=99, max_iter=3, random_state=0)
        exact.fit(X, y)
    for other in fits[1:]:
        for one, two in zip(fits[0].coefs_, other.coefs_, strict=True):
            assert_array_equal(one, two)
    # And it is bfloat16 that was used.
    assert not np.array_equal(fits[0].coefs_[-1], exact.coefs_[-1])


def test_the_tiles_of_amx_are_used_where_they_are(bfloat16):
    flags = Path("/proc/cpuinfo").read_text() if sys.platform == "linux" else ""
    expected = "bfloat16 tiles" if " amx_bf16" in flags else "bfloat16"
    assert _core.kernel("bfloat16") == expected
    assert _core.kernel() == _core.kernel(None) != expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_goes_on(bfloat16):
    """What the system has allowed this process, tiles among it, its children may use too."""
    X, _, y, _ = digits_in_float32()
    model = MLPClassifier((64, 64), batch_size=128, max_iter=1, n_threads=2, **BFLOAT16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        expected = model.fit(X, y).coefs_[0]
        child = os.fork()
        if child == 0:
            os._exit(0 if np.array_equal(model.fit(X, y).coefs_[0], expected) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_numbers_that_overflow_end_in_the_usual_error(bfloat16):
    X, y = small_rows()
    X[3, 1] = np.finfo(np.float32).max  # finite, but infinite in bfloat16
    with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
        MLPClassifier(max_iter=5, **SMALL, **BFLOAT16).fit(X, y)
