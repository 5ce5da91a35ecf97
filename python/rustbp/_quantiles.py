"""Several quantiles of one target: an output for each, sorted where they are predicted."""

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import d2_pinball_score
from sklearn.utils._param_validation import InvalidParameterError


def of(model: Any) -> NDArray[np.float64] | None:
    """The quantiles that the parameters ask for, an output for each; None for one output for each target."""
    if model.loss != "quantile" or isinstance(model.quantile, Real):
        return None
    given = np.asarray(model.quantile, dtype=object)
    is_list = given.ndim == 1 and len(given) > 0
    if not (is_list and all(isinstance(q, Real) and 0 < q < 1 for q in given)):
        raise InvalidParameterError(
            f"The 'quantile' parameter of {type(model).__name__} must be a float in the range (0.0, 1.0), or a "
            f"list of such. Got {model.quantile!r} instead."
        )
    return given.astype(float)


def learnt(model: Any) -> NDArray[np.float64] | None:
    """Those that the outputs of a fitted model are, whatever its parameters are by now."""
    state = vars(model)
    if "_learnt_quantiles" in state:
        return state["_learnt_quantiles"]
    # Put together by hand, or by an older version.
    quantiles = of(model)
    check_number(model, quantiles)
    return quantiles


def check_number(model: Any, quantiles: NDArray[np.float64] | None) -> None:
    """Refuse quantiles of which a fitted model has not as many outputs."""
    n_outputs = vars(model).get("n_outputs_")
    if quantiles is not None and n_outputs not in (None, len(quantiles)):
        raise ValueError(
            f"quantile={model.quantile!r} needs a model with {len(quantiles)} output(s), but this one was fitted with "
            f"{n_outputs}. Fit again with warm_start=False, or set the parameters back."
        )


def repeat(quantiles: NDArray[np.float64] | None, y: NDArray[Any]) -> NDArray[Any]:
    """Targets (n, n_outputs): a column of them once for each quantile, and all else as it is."""
    if quantiles is None:
        return y
    if y.shape[1] != 1:
        raise ValueError(
            "With a list of quantiles y must have one number for each row, the quantiles of which are "
            f"predicted; y has {y.shape[1]} columns. Use one quantile, or a model for each column."
        )
    return np.repeat(y, len(quantiles), axis=1)


def ranks(quantiles: NDArray[np.float64]) -> NDArray[np.intp]:
    """Which of the sorted numbers of a row each quantile gets."""
    return np.argsort(np.argsort(quantiles))


def in_order(output: NDArray[Any], quantiles: NDArray[np.float64]) -> NDArray[Any]:
    """Each row sorted, and dealt out so that the larger quantile gets the larger number."""
    return np.sort(output, axis=1)[:, ranks(quantiles)]


def score(y: Any, predicted: Any, quantiles: NDArray[np.float64], sample_weight: Any) -> float:
    """The mean D² of all quantiles."""
    scores = [
        d2_pinball_score(y, column, sample_weight=sample_weight, alpha=quantile)
        for quantile, column in zip(quantiles, predicted.T, strict=True)
    ]
    return float(np.mean(scores))
