"""Private methods of scikit-learn's perceptrons that subclasses override and scripts call, and what to use instead.

Nothing here would call them: the passes are in the core. To ignore an override without a word would be to train another
network than its author meant.
"""

import re
from collections.abc import Iterable, Iterator

from sklearn import neural_network

_WEIGHTS = "For first weights of your own: fit(X, y, coefs_init=..., intercepts_init=...), or the parameter `init`."
_INPUT = (
    "To change rows or targets: override fit and partial_fit, and hand on what you made of them. "
    "To train on distributions over classes: MLPClassifier(soft_targets=True)."
)
_STOPPING = (
    "To stop by a rule of your own: set_callbacks with a callback that returns True "
    "(scikit-learn 1.9 and newer), or a loop over partial_fit."
)
_FORWARD = (
    "To look at activations: rustbp.hidden_activations. "
    "To change predictions: override predict or predict_proba."
)
_GRADIENT = "To look at errors and gradients: rustbp.backprop and rustbp.check_gradients."
_TRAINING = "To change a fit: override fit and partial_fit."

_INSTEAD = {
    "_init_coef": _WEIGHTS,
    "_initialize": _WEIGHTS,
    "_validate_input": _INPUT,
    "_score": _STOPPING,
    "_score_with_function": _STOPPING,
    "_update_no_improvement_count": _STOPPING,
    "_forward_pass": _FORWARD,
    "_forward_pass_fast": _FORWARD,
    "_predict": _FORWARD,
    "_backprop": _GRADIENT,
    "_compute_loss_grad": _GRADIENT,
    "_loss_grad_lbfgs": _GRADIENT,
    "_fit": _TRAINING,
    "_fit_lbfgs": _TRAINING,
    "_fit_stochastic": _TRAINING,
}

_CALLED = {"_check_solver"}
"""Called here too."""


def _private_methods(kind: type) -> Iterator[str]:
    for name, value in vars(kind).items():
        if re.match("_(?!_)", name) and callable(value):
            yield name


NAMES = frozenset(
    name
    for estimator in (neural_network.MLPClassifier, neural_network.MLPRegressor)
    for kind in estimator.__mro__
    if kind.__module__.startswith("sklearn.neural_network")
    for name in _private_methods(kind)
) - frozenset(_CALLED)
"""What the installed scikit-learn calls on its perceptrons, and nothing calls here."""


def instead_of(*names: str) -> str:
    """What to use in place of some of `NAMES`."""
    ways = dict.fromkeys(_INSTEAD[name] for name in names if name in _INSTEAD)
    return " ".join([*ways, "See 'Subclasses' in docs/differences.md."])


def check_subclass(kind: type, fitted: Iterable[str]) -> None:
    """Refuse a subclass that overrides what would not be called, or is not meant to be overridden.

    ``fitted`` are the names of fitted attributes: a fit hands them over past any property.
    """
    packages = {base: base.__module__.partition(".")[0] for base in kind.__mro__}
    own = {
        name
        for base, package in packages.items()
        if package == "rustbp"
        for name in _private_methods(base)
    } - _CALLED
    for base, package in packages.items():
        # scikit-learn's classes among the bases are those that ours go before.
        if package in ("rustbp", "sklearn"):
            continue
        refuse(kind, NAMES.intersection(vars(base)))
        if taken := sorted(own.intersection(vars(base))):
            raise TypeError(
                f"{kind.__qualname__} overrides {', '.join(taken)}, which rustbp uses for its own purposes. "
                "Please choose another name."
            )
        for name in fitted:
            if hasattr(vars(base).get(name), "__set__"):
                raise TypeError(
                    f"{kind.__qualname__} makes the fitted attribute {name} a property, past which a fit sets it. "
                    f"{instead_of('_fit')}"
                )


def check_class(kind: type) -> None:
    """The same of methods that were put into the class later."""
    if any(hasattr(kind, name) for name in NAMES):
        for base in kind.__mro__:
            if base.__module__.partition(".")[0] != "sklearn":
                refuse(kind, NAMES.intersection(vars(base)))


def refuse(kind: type, names: Iterable[str]) -> None:
    """Raise a TypeError if there are ``names`` of `NAMES` that ``kind`` overrides."""
    if names := sorted(names):
        raise TypeError(
            f"{kind.__qualname__} overrides {', '.join(names)}, which scikit-learn's perceptrons call and rustbp's "
            f"do not: it would have no effect. {instead_of(*names)} A method of your own needs another name."
        )
