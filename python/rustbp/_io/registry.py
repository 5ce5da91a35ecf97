"""The estimators that files and conversion can make, by the name of their class.

Each registers itself, so that nothing here imports an estimator, and estimators may import everything here.
"""

from typing import Any, TypeVar

Estimator = TypeVar("Estimator", bound=type)

ESTIMATORS: dict[str, Any] = {}


def registered(estimator: Estimator) -> Estimator:
    """A decorator for a class that `rustbp.load` and `rustbp.from_sklearn` may make."""
    ESTIMATORS[estimator.__name__] = estimator
    return estimator
