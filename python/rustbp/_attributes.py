"""The types of what both estimators have: fitted attributes, and methods of scikit-learn's that say nothing of theirs.

Only declarations: a fit sets the attributes, and their descriptions are in the docstrings of the estimators.
"""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from rustbp._typing import Floats


class Attributes:
    """Declares them; has nothing."""

    coefs_: list[Floats]
    intercepts_: list[Floats]
    loss_: float
    loss_curve_: list[float]
    learning_rate_curve_: list[float]
    best_loss_: float | None
    validation_scores_: list[float] | None
    best_validation_score_: float | None
    validation_loss_curve_: list[float]
    best_epoch_: int
    n_iter_: int
    t_: int
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]
    n_layers_: int
    n_outputs_: int
    out_activation_: str

    if TYPE_CHECKING:
        # scikit-learn's.
        def get_params(self, deep: bool = True) -> dict[str, Any]: ...
        def set_params(self, **params: Any) -> Self: ...
        def set_fit_request(self, **requested: bool | str | None) -> Self: ...
        def set_partial_fit_request(self, **requested: bool | str | None) -> Self: ...
        def set_score_request(self, **requested: bool | str | None) -> Self: ...
