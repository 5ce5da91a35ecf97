"""Ends fits without ceremony, and compares those that went on with those that were whole."""

from numpy.testing import assert_array_equal

from rustbp._training.packed import unpack


class Killed(Exception):
    """Ends a fit without ceremony."""


class Kill:
    """A watcher that ends a fit after some epochs."""

    def __init__(self, epochs):
        self.epochs = epochs

    def fit_begins(self, estimator, fitted, *, incremental): ...

    def epoch_ends(self, estimator, fitted):
        self.epochs -= 1
        if self.epochs == 0:
            raise Killed

    def fit_ends(self, estimator, fitted, *, reason): ...


def assert_same(resumed, whole):
    """Everything that a fit sets, to the last bit."""
    found, expected = (unpack(model._fitted_attributes()) for model in (resumed, whole))
    assert found.keys() == expected.keys()
    for name in expected.keys() - {"_optimizer", "_random_state", "_label_binarizer"}:
        if name in ("coefs_", "intercepts_"):
            for one, other in zip(found[name], expected[name], strict=True):
                assert_array_equal(one, other, err_msg=name)
        else:
            assert_array_equal(found[name], expected[name], err_msg=name)
    one, other = resumed._optimizer, whole._optimizer
    assert (one.t, one.learning_rate) == (other.t, other.learning_rate)
    for slot in other.state.keys() - {"t"}:
        for array, expected_array in zip(one.state[slot], other.state[slot], strict=True):
            assert_array_equal(array, expected_array)
    # The next number that either would draw.
    assert resumed._random_state.uniform() == whole._random_state.uniform()
