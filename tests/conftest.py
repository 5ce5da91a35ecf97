"""What several test files share."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

from rustbp._training.epochs import WAY_OUT

CURVES = ("loss_curve_", "validation_scores_", "best_loss_", "best_validation_score_", "loss_")
COUNTS = ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "_no_improvement_count")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Seed what random_state=None draws from, so that a test fails every time or never."""
    np.random.seed(0)  # noqa: NPY002, it is the one that is drawn from


@pytest.fixture
def assert_same_fit():
    """A function that compares two fitted models: everything a fit sets, and what they predict."""

    def compare(theirs, ours, X, *, rtol=1e-7, atol=1e-10, curves=True):
        for name in COUNTS:
            assert getattr(theirs, name, None) == getattr(ours, name, None), name
        for name in CURVES if curves else ():
            expected, got = getattr(theirs, name, None), getattr(ours, name, None)
            assert (expected is None) == (got is None), name
            if expected is not None:
                assert_allclose(got, expected, rtol=rtol, atol=atol, err_msg=name)
        for name in ("coefs_", "intercepts_"):
            for expected, got in zip(getattr(theirs, name), getattr(ours, name), strict=True):
                assert_allclose(got, expected, rtol=rtol, atol=atol, err_msg=name)
                assert got.dtype == expected.dtype
        if hasattr(theirs, "classes_"):
            np.testing.assert_array_equal(ours.classes_, theirs.classes_)
            expected = theirs.predict_proba(X)
            assert_allclose(ours.predict_proba(X), expected, rtol=rtol, atol=atol)
            # A row on the edge between two classes may fall to either side.
            clear = np.abs(expected - 0.5).min(axis=1) > 10 * rtol
            np.testing.assert_array_equal(ours.predict(X)[clear], theirs.predict(X)[clear])
        else:
            assert_allclose(ours.predict(X), theirs.predict(X), rtol=rtol, atol=atol)

    return compare


@pytest.fixture
def observe():
    """A function that calls another and returns (result, exception, warnings as (category, text)).

    The texts are without the way out that rustbp says behind scikit-learn's words.
    """

    def run(function):
        with warnings.catch_warnings(record=True) as log:
            warnings.simplefilter("always")
            try:
                result, error = function(), None
            except Exception as raised:
                result, error = None, raised
        # NumPy's remarks on overflow come from how scikit-learn computes, not from what it says.
        kept = [w for w in log if not issubclass(w.category, RuntimeWarning)]
        return result, error, [(w.category, str(w.message).removesuffix(WAY_OUT)) for w in kept]

    return run


@pytest.fixture
def is_accident():
    """A predicate for errors that older versions of scikit-learn raise by mistake, and 1.9 does not."""
    accidents = (
        "ufunc 'isnan' not supported",  # early stopping on labels that are strings
        "can't multiply sequence by non-int",  # predicting for a data frame of numbers as text
    )
    return lambda error: any(words in str(error) for words in accidents)


@pytest.fixture(scope="module")
def cluster():
    """Two processes that work for Dask."""
    from dask_workers import two_workers

    with two_workers() as cluster:
        yield cluster


@pytest.fixture
def client(cluster):
    """A client of `cluster`, whose test must leave nothing there."""
    from distributed import Client

    from dask_workers import assert_nothing_is_left

    with Client(cluster) as client:
        client.wait_for_workers(2, timeout=60)
        yield client
        assert_nothing_is_left(client)
