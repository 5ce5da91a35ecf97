"""scikit-learn's checks of what an estimator must do, for both classes with each solver; none is expected to fail."""

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from rustbp import MLPClassifier, MLPRegressor, _core

ESTIMATORS = [
    estimator(solver=solver, max_iter=100)
    for estimator in (MLPClassifier, MLPRegressor)
    for solver in ("lbfgs", *_core.OPTIMIZERS)
]

# A list: older versions' `parametrize_with_checks` hands pytest a generator, which it takes no more.
CHECKS = [pair for estimator in ESTIMATORS for pair in estimator_checks_generator(estimator)]

# Some checks train on data, and for as few epochs, as no network converges on.
pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
    "ignore:Got `batch_size` less than 1:UserWarning",
)


def name(value):
    return value.func.__name__ if hasattr(value, "func") else repr(value)


@pytest.mark.parametrize(("estimator", "check"), CHECKS, ids=name)
def test_estimator_check(estimator, check):
    check(estimator)
