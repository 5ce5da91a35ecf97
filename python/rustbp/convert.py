"""Fitted models from and to scikit-learn."""

import copy
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from sklearn import neural_network
from sklearn.base import BaseEstimator, is_classifier
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from rustbp import _arrays, _labels, _quantiles
from rustbp._io.nested import copy_with
from rustbp._io.registry import ESTIMATORS
from rustbp._missing import changed, complete
from rustbp._training import packed
from rustbp._training.network import one_activation
from rustbp._training.optimizer import SLOTS, Optimizer
from rustbp._warn import warn

if TYPE_CHECKING:
    from rustbp.classifier import MLPClassifier
    from rustbp.regressor import MLPRegressor

THEIRS: dict[str, Any] = {
    "MLPClassifier": neural_network.MLPClassifier,
    "MLPRegressor": neural_network.MLPRegressor,
}
"""Those of scikit-learn, under the names of `ESTIMATORS`."""

PROGRESS = (
    "loss_",
    "loss_curve_",
    "best_loss_",
    "validation_scores_",
    "best_validation_score_",
    "_no_improvement_count",
)
"""What a fit from scratch begins anew."""

SHARED = (
    "coefs_",
    "intercepts_",
    "n_layers_",
    "n_outputs_",
    "out_activation_",
    "n_features_in_",
    "feature_names_in_",
    "classes_",
    "_label_binarizer",
    "n_iter_",
    "t_",
    *PROGRESS,
    "_random_state",
)
"""What the two packages' estimators have in common when fitted, under the same names."""

OWN_PROGRESS = ("validation_loss_curve_", "best_epoch_", "learning_rate_curve_")
"""What a fit from scratch begins anew too, and scikit-learn does not have."""


@overload
def from_sklearn(estimator: neural_network.MLPClassifier) -> "MLPClassifier": ...
@overload
def from_sklearn(estimator: neural_network.MLPRegressor) -> "MLPRegressor": ...
@overload
def from_sklearn(estimator: Any) -> Any: ...
def from_sklearn(estimator: Any) -> Any:
    """The `rustbp` model with the parameters of a scikit-learn perceptron, and its fit if it has one.

    Parameters
    ----------
    estimator : estimator
        ``sklearn.neural_network.MLPClassifier`` or ``MLPRegressor``, fitted or not; or what holds some: a pipeline, a
        search, an ensemble.

    Returns
    -------
    model : estimator
        `MLPClassifier` or `MLPRegressor`; or a copy of what held the perceptrons, with these in their places. It shares
        no array with `estimator`, predicts the same but for the last bits, and `partial_fit` goes on from the same
        optimizer state.

    Raises
    ------
    TypeError
        If there is no such perceptron, or if one is of a subclass that overrides its methods.
    """
    return _converted(estimator, _from_one)


def to_sklearn(model: Any) -> Any:
    """The scikit-learn perceptron with the parameters of a `rustbp` model, and its fit if it has one.

    Parameters
    ----------
    model : estimator
        `MLPClassifier` or `MLPRegressor`, fitted or not; or what holds some: a pipeline, a search, an ensemble.

    Returns
    -------
    estimator : estimator
        ``sklearn.neural_network.MLPClassifier`` or ``MLPRegressor``; or a copy of what held the models, with these in
        their places. It shares no array with `model`, and predicts the same but for the last bits.

    Raises
    ------
    TypeError
        If there is no such model, or if one is of a subclass that overrides its methods.

    ValueError
        If scikit-learn has no such network: another cost, output or hidden activation, or optimizer.

    Warns
    -----
    UserWarning
        If parameters that matter for training alone are left out, because scikit-learn does not have them.
    """
    return _converted(model, _to_one)


def _converted(holder: Any, convert: Callable[[Any, Any], Any]) -> Any:
    back = convert is _to_one
    name, package = ("to_sklearn", "rustbp") if back else ("from_sklearn", "sklearn.neural_network")
    # Models that have others as members are registered too.
    ours = {name: ESTIMATORS[name] for name in THEIRS}
    classes, others = (ours, THEIRS) if back else (THEIRS, ours)
    perceptrons = (*THEIRS.values(), *ours.values())

    def exchange(item: Any) -> Any:
        kind = next((kind for kind in type(item).__mro__ if kind in perceptrons), None)
        if kind in classes.values():
            _refuse_overrides(name, type(item), kind)
            # As of this moment, should another thread fit it meanwhile.
            return convert(copy.copy(item), others[kind.__name__]())
        if back and kind is None and isinstance(item, BaseEstimator) and _is_own(type(item)):
            raise TypeError(
                f"to_sklearn cannot convert {type(item).__name__}, which scikit-learn does not have."
            )
        return None

    copied, count = copy_with(holder, exchange)
    if count == 0:
        kind = holder if isinstance(holder, type) else type(holder)
        already = " It is one already." if kind in others.values() else ""
        got = f"rustbp.{kind.__name__}" if _is_own(kind) else kind.__name__
        raise TypeError(
            f"{name} takes an MLPClassifier or MLPRegressor of {package}, or an estimator that holds some; "
            f"got {got}.{already}"
        )
    return copied


def _is_own(kind: type) -> bool:
    return kind.__module__.partition(".")[0] == "rustbp"


def _refuse_overrides(name: str, subclass: type, kind: type) -> None:
    """Refuse a subclass of ``kind`` whose objects do what those of the other package's class would not."""
    for base in subclass.__mro__[: subclass.__mro__.index(kind)]:
        # scikit-learn gives each class set_fit_request and its like.
        taken = [
            method
            for method, value in vars(base).items()
            if callable(value)
            and hasattr(kind, method)
            and not re.match("__|set_.*_request", method)
        ]
        if taken:
            raise TypeError(
                f"{name} cannot convert {subclass.__name__}, which overrides {', '.join(sorted(taken))}. "
                f"Convert a plain {kind.__name__} that has its parameters and attributes, if that is all that matters."
            )


def _from_one(estimator: Any, model: Any) -> Any:
    complete(_copy_shared(estimator, model))
    optimizer = getattr(estimator, "_optimizer", None)
    if optimizer is not None:
        model._optimizer = _optimizer_from_sklearn(optimizer)
    return model


TRAINING_ONLY = (
    "class_weight",
    "scoring",
    "dropout",
    "schedule",
    "warmup",
    "weight_decay",
    "max_grad_norm",
    "label_smoothing",
    "max_time",
)
"""Parameters that scikit-learn's perceptrons do not have, and that have no part in predictions."""


def _to_one(model: Any, estimator: Any) -> Any:
    if hasattr(complete(model), "coefs_"):
        _ = model.out_activation_  # without which scikit-learn would fail later
    _refuse_what_sklearn_lacks(model)
    dropped = changed(model, TRAINING_ONLY)
    if dropped:
        warn(
            f"scikit-learn's perceptron does not have {', '.join(dropped)}: it predicts the same without, and does not "
            "train the same."
        )
    _copy_shared(model, estimator)
    estimator.set_params(activation=one_activation(model))
    if hasattr(estimator, "coefs_"):
        coefs, intercepts = estimator.coefs_, estimator.intercepts_
        of_two = _is_softmax_of_two(model)
        if of_two:
            # It is the logistic function of the difference of the two.
            coefs[-1], intercepts[-1] = np.diff(coefs[-1]), np.diff(intercepts[-1])
            estimator.out_activation_, estimator.n_outputs_ = "logistic", 1
        dtype = _arrays.common_dtype(*coefs, *intercepts)
        estimator.coefs_, estimator.intercepts_ = _arrays.layers(coefs, intercepts, dtype)
        # Where its early stopping keeps the best weights.
        estimator._best_coefs = [coef.copy() for coef in estimator.coefs_]
        estimator._best_intercepts = [intercept.copy() for intercept in estimator.intercepts_]
        if estimator.solver != "lbfgs":
            # Its partial_fit counts on them.
            for name, start in (
                ("loss_curve_", []),
                ("_no_improvement_count", 0),
                ("best_loss_", np.inf),
            ):
                vars(estimator).setdefault(name, start)
        if hasattr(model, "_optimizer") and not of_two:
            estimator._optimizer = _optimizer_to_sklearn(
                model._optimizer, estimator.coefs_ + estimator.intercepts_
            )
    return estimator


def _copy_shared(source: Any, target: Any) -> Any:
    # A model put together by hand, or by an older version, may lack some of them.
    given = {name: getattr(source, name) for name in target.get_params() if hasattr(source, name)}
    target.set_params(**copy.deepcopy(given))
    state = packed.unpack(vars(source).copy())
    # Without weights it is not fitted, whatever else it has.
    for name in ("_metadata_request", *(SHARED if "coefs_" in state else ())):
        if name in state:
            setattr(target, name, copy.deepcopy(state[name]))
    return target


def _n_outputs(model: Any) -> int:
    return np.shape(getattr(model, "coefs_", [[[0]]])[-1])[1]


def _is_softmax_of_two(model: Any) -> bool:
    """Whether there are two output units for two classes, where scikit-learn has one."""
    kind = getattr(getattr(model, "_label_binarizer", None), "y_type_", None)
    return kind == "binary" and _n_outputs(model) == 2 and model.out_activation_ == "softmax"


def _refuse_what_sklearn_lacks(model: Any) -> None:
    lacking = []
    if model.loss not in ({"log_loss"} if is_classifier(model) else {"squared_error", "poisson"}):
        lacking.append(f"loss={model.loss!r}")
    elif not is_classifier(model):
        usual = "exp" if model.loss == "poisson" else "identity"
        asked = vars(model).get("_learnt_output", model.output_activation)
        if asked not in (None, usual):
            lacking.append(f"output activation {asked!r} with loss={model.loss!r}")
        if hasattr(model, "coefs_") and _quantiles.learnt(model) is not None:
            lacking.append("outputs that are quantiles")
    kind = getattr(getattr(model, "_label_binarizer", None), "y_type_", None)
    if kind is not None:
        usual = "softmax" if kind == "multiclass" else "logistic"
        two = kind == "binary" and _n_outputs(model) == 2
        unusual = _labels.learnt_output(model, kind) != usual or two
        if unusual and not _is_softmax_of_two(model):
            lacking.append(f"output activation {model.out_activation_!r} for {kind} targets")
    if one_activation(model) not in ("identity", "logistic", "tanh", "relu"):
        lacking.append(f"activation={model.activation!r}")
    if model.solver not in {"lbfgs", "sgd", "adam"}:
        lacking.append(f"solver={model.solver!r}")
    if lacking:
        raise ValueError(f"scikit-learn's perceptron does not have {', '.join(lacking)}.")


def _optimizer_from_sklearn(theirs: Any) -> Optimizer:
    if isinstance(theirs, AdamOptimizer):
        ours = Optimizer(
            "adam",
            {name: float(getattr(theirs, name)) for name in ("beta_1", "beta_2", "epsilon")},
            theirs.learning_rate_init,
        )
    elif isinstance(theirs, SGDOptimizer):
        ours = Optimizer(
            "sgd",
            {"momentum": float(theirs.momentum), "nesterov": float(theirs.nesterov)},
            theirs.learning_rate_init,
            theirs.lr_schedule,
            theirs.power_t,
        )
    else:
        raise TypeError(
            f"_optimizer is of type {type(theirs).__name__}, which is none of scikit-learn's. Set it to None: training "
            "then goes on with a new one."
        )
    ours.learning_rate = float(theirs.learning_rate)
    slots = SLOTS[ours.name]
    if all(hasattr(theirs, name) for name in slots):
        ours.t = getattr(theirs, "t", 0)
        ours.state = {"t": ours.t}
        for name, slot in slots.items():
            ours.state[slot] = copy.deepcopy(getattr(theirs, name))
    return ours


def _optimizer_to_sklearn(ours: Optimizer, parameters: list[Any]) -> Any:
    if ours.name == "adam":
        theirs = AdamOptimizer(parameters, ours.learning_rate_init, **ours.hyperparameters)
        theirs.t = ours.t
    else:
        theirs = SGDOptimizer(
            parameters,
            ours.learning_rate_init,
            ours.schedule,
            ours.momentum,
            ours.nesterov,
            ours.power_t,
        )
    theirs.learning_rate = ours.learning_rate
    for name, slot in SLOTS[ours.name].items():
        # Plain descent has no velocities; those of scikit-learn are then zeros, as it makes them.
        if slot in (ours.state or ()):
            setattr(theirs, name, copy.deepcopy(ours.state[slot]))
    return theirs
