"""scikit-learn's checks of what an estimator must do, for both classes with each solver; none is expected to fail."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from rustbp import MLPClassifier, MLPRegressor, _core

ESTIMATORS = [
    estimator(solver=solver, max_iter=100)
    for estimator in (MLPClassifier, MLPRegressor)
    for solver in ("lbfgs", *_core.OPTIMIZERS)
]

# Some checks train on data, and for as few epochs, as no network converges on.
pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
    "ignore:Got `batch_size` less than 1:UserWarning",
)


@parametrize_with_checks(ESTIMATORS)
def test_estimator_check(estimator, check):
    check(estimator)
