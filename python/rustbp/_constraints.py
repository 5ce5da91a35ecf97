"""What the parameters that both estimators have may be, in the form of scikit-learn's validation."""

import operator
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer_names
from sklearn.utils._param_validation import Hidden, Interval, Options, StrOptions

from rustbp import _core
from rustbp._training import initial_weights
from rustbp._training.schedule import SCHEDULES

CONSTRAINTS: dict[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(set(_core.ACTIVATIONS)), Hidden(list), Hidden(tuple)],
    "solver": [StrOptions({"lbfgs", *_core.OPTIMIZERS})],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
    "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [
        Interval(Integral, 1, None, closed="left"),
        Options(Real, {np.inf}),
    ],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    "init": [StrOptions(set(initial_weights.INIT))],
    "n_threads": [None, Interval(Integral, 1, None, closed="left")],
    "compute": [None, StrOptions({"bfloat16"})],
    "dropout": [Interval(Real, 0, 1, closed="left"), list, tuple],
    "scoring": [None, StrOptions({"loss", *get_scorer_names()}), callable],
    "schedule": [None, StrOptions(set(SCHEDULES)), callable],
    "warmup": [Interval(Real, 0, 1, closed="left")],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "max_grad_norm": [None, Interval(Real, 0, None, closed="neither")],
    "max_time": [None, Interval(Real, 0, None, closed="neither")],
}


def hidden_sizes(sizes: Any) -> list[int]:
    """Neurons of each hidden layer, from what the parameter may be."""
    sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
    if any(isinstance(size, Real) and size <= 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    try:
        return [operator.index(size) for size in sizes]
    except TypeError as error:
        # scikit-learn too has a ValueError for lists in a list.
        kind = ValueError if any(np.ndim(size) for size in sizes) else TypeError
        raise kind(f"{error}: hidden_layer_sizes must be integers, got {sizes}.") from None
