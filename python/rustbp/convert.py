"""Fitted models from and to scikit-learn."""

import copy
from typing import Any

from sklearn import neural_network
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from rustbp._io.registry import ESTIMATORS
from rustbp._training.optimizer import Optimizer

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
    "loss_",
    "loss_curve_",
    "best_loss_",
    "validation_scores_",
    "best_validation_score_",
    "_no_improvement_count",
    "_random_state",
)
"""What the two packages' estimators have in common when fitted, under the same names."""


def from_sklearn(estimator: Any) -> Any:
    """The `rustbp` model with the parameters of a scikit-learn perceptron, and its fit if it has one.

    Parameters
    ----------
    estimator : sklearn.neural_network.MLPClassifier or MLPRegressor
        Fitted or not.

    Returns
    -------
    model : MLPClassifier or MLPRegressor
        It shares no array with `estimator`, predicts the same but for the last bits, and `partial_fit` goes on from
        the same optimizer state.

    Raises
    ------
    TypeError
        If `estimator` is something else.
    """
    if isinstance(estimator, neural_network.MLPClassifier):
        model = ESTIMATORS["MLPClassifier"]()
    elif isinstance(estimator, neural_network.MLPRegressor):
        model = ESTIMATORS["MLPRegressor"]()
    else:
        raise TypeError(
            "from_sklearn takes an MLPClassifier or MLPRegressor of sklearn.neural_network, "
            f"got {type(estimator).__name__}."
        )
    _copy_shared(estimator, model)
    if hasattr(estimator, "_optimizer"):
        model._optimizer = _optimizer_from_sklearn(estimator._optimizer)
    return model


def to_sklearn(model: Any) -> Any:
    """The scikit-learn perceptron with the parameters and the fit of `model`; see its method of this name."""
    classifier = hasattr(model, "output_activation")
    _refuse_what_sklearn_lacks(model, classifier)
    estimator = neural_network.MLPClassifier() if classifier else neural_network.MLPRegressor()
    _copy_shared(model, estimator)
    if hasattr(model, "coefs_"):
        # Where its early stopping keeps the best weights.
        estimator._best_coefs = [coef.copy() for coef in estimator.coefs_]
        estimator._best_intercepts = [intercept.copy() for intercept in estimator.intercepts_]
    if hasattr(model, "_optimizer"):
        estimator._optimizer = _optimizer_to_sklearn(
            model._optimizer, estimator.coefs_ + estimator.intercepts_
        )
    return estimator


def _copy_shared(source: Any, target: Any) -> None:
    known = target.get_params(deep=False)
    given = source.get_params(deep=False)
    target.set_params(**{name: copy.deepcopy(given[name]) for name in known if name in given})
    state = vars(source)
    for name in SHARED:
        if name in state:
            setattr(target, name, copy.deepcopy(state[name]))


def _refuse_what_sklearn_lacks(model: Any, classifier: bool) -> None:
    lacking = []
    if classifier:
        if model.loss != "log_loss":
            lacking.append(f"loss={model.loss!r}")
        kind = getattr(getattr(model, "_label_binarizer", None), "y_type_", None)
        usual = "softmax" if kind == "multiclass" else "logistic"
        if kind and model.out_activation_ != usual:
            lacking.append(f"output activation {model.out_activation_!r} for {kind} targets")
    if model.activation not in {"identity", "logistic", "tanh", "relu"}:
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
        ours.t = theirs.t
        slots = {"m": theirs.ms, "v": theirs.vs}
    else:
        ours = Optimizer(
            "sgd",
            {"momentum": float(theirs.momentum), "nesterov": float(theirs.nesterov)},
            theirs.learning_rate_init,
            theirs.lr_schedule,
            theirs.power_t,
        )
        slots = {"velocity": theirs.velocities}
    ours.learning_rate = float(theirs.learning_rate)
    ours.state = {"t": ours.t, **copy.deepcopy(slots)}
    return ours


def _optimizer_to_sklearn(ours: Optimizer, parameters: list[Any]) -> Any:
    options = ours.hyperparameters
    if ours.name == "adam":
        theirs = AdamOptimizer(parameters, ours.learning_rate_init, **options)
        theirs.t = ours.t
        names = {"m": "ms", "v": "vs"}
    else:
        theirs = SGDOptimizer(
            parameters,
            ours.learning_rate_init,
            ours.schedule,
            options["momentum"],
            bool(options["nesterov"]),
            ours.power_t,
        )
        names = {"velocity": "velocities"}
    theirs.learning_rate = ours.learning_rate
    for slot, name in names.items():
        if ours.state is not None:
            setattr(theirs, name, copy.deepcopy(ours.state[slot]))
    return theirs
