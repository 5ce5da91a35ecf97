"""BLAS keeps to one thread while L-BFGS runs, for its idle threads spin beside the core's; then it has its own back."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import scipy.optimize
import threadpoolctl
from sklearn.datasets import load_iris

from rustbp import MLPClassifier, MLPRegressor

X, Y = load_iris(return_X_y=True)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
MANY = 3
"""Threads that BLAS has before each test, whatever the machine."""


def threads():
    found = {
        lib["num_threads"] for lib in threadpoolctl.threadpool_info() if lib["user_api"] == "blas"
    }
    assert len(found) == 1
    return found.pop()


@pytest.fixture(autouse=True)
def blas():
    with threadpoolctl.threadpool_limits(MANY, user_api="blas"):
        if threads() != MANY:
            pytest.skip("this BLAS has one thread")
        yield


@pytest.fixture
def inside(monkeypatch):
    """A function that has another one called inside SciPy's minimisation, with the number of the call."""
    minimize = scipy.optimize.minimize

    def during(function):
        calls = []

        def spy(*args, **options):
            calls.append(None)
            function(len(calls))
            return minimize(*args, **options)

        monkeypatch.setattr(scipy.optimize, "minimize", spy)

    return during


def fit():
    return MLPClassifier((4,), solver="lbfgs", max_iter=3, random_state=0).fit(X, Y)


def test_one_thread_inside_and_as_many_as_before_afterwards(inside):
    seen = []
    inside(lambda call: seen.append(threads()))
    fit()
    MLPRegressor(hidden_layer_sizes=4, solver="lbfgs", max_iter=3).partial_fit(X, Y)
    assert seen == [1, 1]
    assert threads() == MANY


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, MemoryError])
def test_restored_after_an_exception(inside, error):
    def fail(call):
        raise error("planted")

    inside(fail)
    # Ctrl-C ends a fit with a warning, and what was learnt so far.
    with (
        pytest.warns(UserWarning, match="interrupted")
        if error is KeyboardInterrupt
        else pytest.raises(error)
    ):
        fit()
    assert threads() == MANY


def test_restored_after_training_that_diverged():
    with pytest.raises(ValueError, match="non-finite"):
        MLPRegressor(solver="lbfgs").fit(np.full((4, 2), 1e300), [0.0, 1e300, 0.0, 1.0])
    assert threads() == MANY


def test_a_fit_inside_a_fit(inside):
    seen = []

    def nest(call):
        if call == 1:
            fit()
        seen.append(threads())

    inside(nest)
    fit()
    assert seen == [1, 1]
    assert threads() == MANY


def test_the_last_of_two_threads_restores(inside):
    first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))
    seen = []

    def wait(call):
        if call == 1:
            first_is_in.set()
            assert second_is_in.wait(60)
        else:
            second_is_in.set()
            assert first_is_out.wait(60)
            seen.append(threads())

    inside(wait)
    first, second = threading.Thread(target=fit), threading.Thread(target=fit)
    first.start()
    assert first_is_in.wait(60)
    second.start()
    first.join()
    assert threads() == 1
    first_is_out.set()
    second.join()
    assert seen == [1]
    assert threads() == MANY


def test_a_number_set_meanwhile_stays(inside):
    inside(lambda call: threadpoolctl.threadpool_limits(2, user_api="blas"))
    fit()
    assert threads() == 2


FORK = """
import os, threadpoolctl, scipy.optimize, warnings
warnings.simplefilter("ignore")
from rustbp import MLPClassifier
def threads():
    return [lib["num_threads"] for lib in threadpoolctl.threadpool_info() if lib["user_api"] == "blas"]
minimize = scipy.optimize.minimize
def fit():
    MLPClassifier((4,), solver="lbfgs", max_iter=2).fit([[0.0], [1.0]], [0, 1])
def spy(*args, **options):
    scipy.optimize.minimize = minimize
    child = os.fork()
    if child == 0:
        ok = set(threads()) == {3}
        fit()
        os._exit(0 if ok and set(threads()) == {3} else 7)
    assert os.waitpid(child, 0)[1] == 0
    return minimize(*args, **options)
threadpoolctl.threadpool_limits(3, user_api="blas")
scipy.optimize.minimize = spy
fit()
assert set(threads()) == {3}
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_forked_meanwhile_has_its_threads():
    done = subprocess.run(
        [sys.executable, "-c", FORK], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
