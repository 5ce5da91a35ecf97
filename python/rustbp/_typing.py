"""The types that public signatures are written in, and scikit-learn's decorators with their types told."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import base
from sklearn.utils import metaestimators

HiddenActivation: TypeAlias = Literal[
    "identity",
    "logistic",
    "tanh",
    "relu",
    "elu",
    "selu",
    "leaky_relu",
    "softplus",
    "gelu",
    "silu",
    "mish",
]
"""Those of hidden layers; `tests/test_types.py` compares each of these with what the core has."""
Activation: TypeAlias = HiddenActivation | Sequence[HiddenActivation]
Solver: TypeAlias = Literal["lbfgs", "sgd", "adam"]
LearningRate: TypeAlias = Literal["constant", "invscaling", "adaptive"]
Schedule: TypeAlias = (
    Literal["cosine", "linear", "one_cycle", "exponential", "plateau"] | Callable[[float], float]
)
"""By name, or from progress to the factor on the step size."""
Init: TypeAlias = Literal[
    "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_normal", "normal"
]
Compute: TypeAlias = Literal["bfloat16"]
File: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes] | BinaryIO
Cost: TypeAlias = Literal["log_loss", "squared_error"]
RegressionCost: TypeAlias = Literal[
    "squared_error", "absolute_error", "huber", "quantile", "poisson", "gamma"
]
RegressionOutput: TypeAlias = Literal["identity", "logistic", "tanh", "exp", "softplus"]
ClassOutput: TypeAlias = Literal["softmax", "logistic"]

ClassWeight: TypeAlias = (
    Mapping[Any, float] | Sequence[Mapping[Any, float]] | Literal["balanced"] | None
)
Scoring: TypeAlias = str | Callable[..., float] | None
Sizes: TypeAlias = int | Sequence[int] | NDArray[np.integer[Any]]
RandomState: TypeAlias = int | np.random.RandomState | None
Floats: TypeAlias = NDArray[np.floating[Any]]
"""float32 or float64."""


class SparseMatrix(Protocol):
    """A sparse matrix or array of SciPy."""

    @property
    def shape(self) -> Any: ...
    def tocsr(self) -> Any: ...


MatrixLike: TypeAlias = ArrayLike | SparseMatrix
"""Rows: an array, a data frame, nested lists, or a sparse matrix."""


class ChunksLike(Protocol):
    """Rows in pieces: each is X and y, or X, y and sample_weight."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Any: ...


class Perceptron(Protocol):
    """`MLPClassifier` or `MLPRegressor`."""

    coefs_: list[Floats]
    intercepts_: list[Floats]

    def predict(self, X: MatrixLike) -> NDArray[Any]: ...
    def to_sklearn(self) -> Any: ...


Method = TypeVar("Method", bound=Callable[..., Any])


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[Method], Method]:
    return base._fit_context(prefer_skip_nested_validation=prefer_skip_nested_validation)


def available_if(check: Callable[[Any], bool]) -> Callable[[Method], Method]:
    return metaestimators.available_if(check)
