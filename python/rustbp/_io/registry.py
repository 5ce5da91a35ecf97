"""The estimators that files and conversion can make, by the name of their class.

Each registers itself, so that nothing here imports an estimator, and estimators may import everything here.
"""

from importlib import import_module
from typing import Any, TypeVar

Estimator = TypeVar("Estimator", bound=type)

ESTIMATORS: dict[str, Any] = {}

LATER = {
    "TabularMLPClassifier": "rustbp.tabular.classifier",
    "TabularMLPRegressor": "rustbp.tabular.regressor",
}
"""Models that have others as members, and the modules in which they register themselves when first used."""


def whole(name: Any) -> Any:
    """The class of this name of models that have others as members.

    Raises
    ------
    ValueError
        If there is none.
    """
    if name not in LATER:
        raise ValueError(f"it is of the class {name!r:.100}, which this version does not have")
    import_module(LATER[name])
    return ESTIMATORS[name]


def registered(estimator: Estimator) -> Estimator:
    """A decorator for a class that `rustbp.load` and `rustbp.from_sklearn` may make."""
    ESTIMATORS[estimator.__name__] = estimator
    return estimator
