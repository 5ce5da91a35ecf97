"""The regressor of tables."""

from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.utils import assert_all_finite
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_y, check_consistent_length, check_is_fitted

from rustbp import _quantiles
from rustbp._io.registry import registered
from rustbp._typing import RandomState, Scoring, Sizes
from rustbp.regressor import MLPRegressor
from rustbp.tabular import document
from rustbp.tabular.ensemble import BaseTabularMLP, Targets

Numbers = NDArray[np.float64]


@registered
class TabularMLPRegressor(RegressorMixin, BaseTabularMLP):
    """Predicts numbers from tables as they come, with defaults that were chosen on many tables.

    Takes a pandas or polars frame, an Arrow table or an array, with missing values, booleans, categories and text.
    `TabularEncoder` turns it into inputs; an ensemble of small nets learns from them, by a recipe that is in large
    parts that of RealMLP [1]_: each member trains on seven eighths of the rows and keeps the epoch that does best on
    the last eighth, and their mean predicts. The target is standardised for the members.

    Parameters
    ----------
    n_ensemble : int, default=5
        Members, each a net of its own, that is judged on an eighth of the rows of its own. Time is proportional to it.
        Five have about 6 % less error than one. One is for a first look.

    hidden_layer_sizes : int or array-like of int, default=(128, 128)
        Neurons of each hidden layer of a member. With 3,000 rows neither wider nets nor a third layer made fewer
        errors. Twice as wide takes two to three times as long, and may pay off for tables of tens of thousands of rows.

    loss : {'squared_error', 'absolute_error', 'quantile'}, default='squared_error'
        What is minimised: for the mean, for the median, or for a `quantile`.

    quantile : float or list of float, default=0.5
        Quantile that 'quantile' predicts, above 0 and below 1. With a list, the model predicts one in each column: an
        interval of 90 % is ``quantile=[0.05, 0.95]``.

    n_epochs : int, default=56
        Epochs of each member. The best one is kept, so that more cost time, but do little harm; with few rows more
        of them help at times. A member stops after the third of four cycles (`learning_rate_init`), 30 of 56 epochs,
        if its loss on held-out rows is then 3 % above that after the first or the second: errors were the same.

    batch_size : int, default=256
        Rows of a mini-batch.

    learning_rate_init : float, default=0.14
        Largest step size of Adam, which `coslog4` multiplies: four cycles from 0 to 1 and back, each twice as long as
        the one before. The last eighth of them all, where steps are small, is left out. The weights of a layer with d
        inputs take 1 / sqrt(d) of it, biases a tenth. RealMLP's is 0.07; twice that made errors 1 % smaller.

    dropout : float, default=0.0
        Share of the neurons of each hidden layer that an update does without. RealMLP's 0.15 made
        errors 1 % larger on six tables; try it where best epochs come early.

    weight_decay : float, default=0.02
        Decoupled weight decay of the weights. For half of the updates it is this, and then falls to 0 along a cosine.

    n_bins : int or 'auto', default='auto'
        Inputs of the piecewise linear encoding of each number, which helps small nets with thresholds; 0 for none.
        'auto': 12, up to 48 with many rows and down to 2 with many columns of numbers, see `TabularEncoder`.

    categorical_features : 'from_dtype', array-like of bool, int or str, or None, default='from_dtype'
        Which columns are categories: a mask, positions, or names. 'from_dtype': those whose dtype says so, and text.
        See `TabularEncoder`.

    scoring : str, callable or None, default=None
        What the best epoch is chosen by, the more the better; the last one of ties. None: minus the loss that is
        trained. Else the name of a scorer of scikit-learn, or a callable ``scoring(estimator, X, y)``, which is given
        a member, encoded rows and targets; here the member predicts in the units of the targets.

    n_threads : int or None, default=None
        Threads; None is ``rustbp.get_num_threads()``. Members train side by side. Results do not depend on it.

    max_time : float or None, default=None
        Seconds of training after which `fit` ends and warns. All members are then about equally far.

    random_state : int, RandomState instance or None, default=None
        Source of the folds and of all that members draw. An int gives the same result each time.

    verbose : bool or int, default=False
        Whether to print a line for each epoch of each member.

    Attributes
    ----------
    target_mean_, target_scale_ : float
        Mean and standard deviation of the targets, in the units of which the members predict.

    members_ : list of MLPRegressor
        The nets. They take what ``encoder_.transform`` gives, and are ordinary estimators: ``loss_curve_``,
        ``validation_scores_`` and ``best_epoch_`` tell how each learnt, and all that looks into a net takes them.

    encoder_ : TabularEncoder
        From a table to the inputs of the members.

    n_features_in_ : int
        Columns of X in `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, if all are strings.

    See Also
    --------
    TabularMLPClassifier : The same for labels.
    TabularEncoder : The encoding of the columns by itself.

    Notes
    -----
    Other than RealMLP's are: the piecewise linear encoding of numbers [2]_, which needs no training; relu in place of
    SELU and Mish; 56 epochs of two hidden layers of 128 neurons in place of 256 of three of 256; and the ensemble.
    There are no parameters that scale the inputs, and dropout does not fade. ``docs/tabular.md`` tells how it compares
    with others.

    With fewer than 50 rows none are held out: the last epoch is kept, and there is no dropout.

    There is no `partial_fit`: medians, levels and folds are those of all rows.

    References
    ----------
    .. [1] Holzmüller, Grinsztajn and Steinwart (2024), "Better by default: strong pre-tuned MLPs and boosted trees on
           tabular data", arXiv:2407.04491.
    .. [2] Gorishniy, Rubachev and Babenko (2022), "On embeddings for numerical features in tabular deep learning",
           arXiv:2203.05556, section 3.2.

    Examples
    --------
    >>> import pandas as pd
    >>> from rustbp import TabularMLPRegressor
    >>> table = pd.DataFrame({"size": range(100), "colour": ["red", "blue"] * 50})
    >>> price = 2.0 * table["size"] + 100 * (table["colour"] == "red")
    >>> model = TabularMLPRegressor(random_state=0).fit(table, price)
    >>> mean, std = model.predict(table[:3], return_std=True)
    >>> mean.shape, std.shape
    ((3,), (3,))
    >>> bool(model.score(table, price) > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseTabularMLP._parameter_constraints,
        "loss": [StrOptions({"squared_error", "absolute_error", "quantile"})],
        "quantile": [Interval(Real, 0, 1, closed="neither"), list, tuple, np.ndarray],
    }

    _kind = MLPRegressor

    target_mean_: float
    target_scale_: float
    members_: list[MLPRegressor]

    def __init__(
        self,
        n_ensemble: int = 5,
        hidden_layer_sizes: Sizes = (128, 128),
        *,
        loss: Literal["squared_error", "absolute_error", "quantile"] = "squared_error",
        quantile: float | Sequence[float] = 0.5,
        n_epochs: int = 56,
        batch_size: int = 256,
        learning_rate_init: float = 0.14,
        dropout: float = 0.0,
        weight_decay: float = 0.02,
        n_bins: int | Literal["auto"] = "auto",
        categorical_features: Any = "from_dtype",
        scoring: Scoring = None,
        n_threads: int | None = None,
        max_time: float | None = None,
        random_state: RandomState = None,
        verbose: bool | int = False,
    ) -> None:
        self.n_ensemble = n_ensemble
        self.hidden_layer_sizes = hidden_layer_sizes
        self.loss = loss
        self.quantile = quantile
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.n_bins: int | Literal["auto"] = n_bins
        self.categorical_features = categorical_features
        self.scoring = scoring
        self.n_threads = n_threads
        self.max_time = max_time
        self.random_state = random_state
        self.verbose = verbose

    def predict(self, X: Any, *, return_std: bool = False) -> Any:
        """The mean of what the members predict, in the units of the targets.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            Rows with the columns of `fit`; those of a frame may come in another order.

        return_std : bool, default=False
            Whether to return also how far the members are apart.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_quantiles)
            Predictions. With a list of quantiles a column for each, in the order of the list; those of a row are
            sorted, so that no quantile lies above a larger one.

        std : ndarray of the same shape
            Standard deviation of the members' predictions. Only if `return_std`. It says where the members disagree,
            as they do far from the training rows; it is no interval in which targets lie: that is ``loss='quantile'``.
        """
        outputs = np.asarray(self._outputs(X), dtype=np.float64)
        quantiles = self._quantiles()
        if quantiles is not None:
            outputs = np.stack([_quantiles.in_order(output, quantiles) for output in outputs])
        elif outputs.shape[2] == 1:
            outputs = outputs[:, :, 0]
        mean = self.target_mean_ + self.target_scale_ * outputs.mean(axis=0)
        return (mean, self.target_scale_ * outputs.std(axis=0)) if return_std else mean

    def score(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """R², the share of the variance of y that is explained; with a list of quantiles the mean of their D².

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            Rows to predict for.

        y : array-like of shape (n_samples,)
            Targets.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row.

        Returns
        -------
        score : float
            1 at best, and 0 for predicting the mean of y. D² is that for each quantile, by the pinball loss
            (``sklearn.metrics.d2_pinball_score``).
        """
        quantiles = self._quantiles()
        if quantiles is None:
            return super().score(X, y, sample_weight)
        return _quantiles.score(y, self.predict(X), quantiles, sample_weight)

    def _quantiles(self) -> Numbers | None:
        """Those that the members have learnt, whatever the parameters are by now."""
        check_is_fitted(self)
        return _quantiles.learnt(self.members_[0])

    def _targets(self, y: Any, n_rows: int, weight: Any) -> Targets:
        # A wrong quantile is told before any work.
        _quantiles.of(self)
        y = _numbers(y, self)
        check_consistent_length(np.empty(n_rows), y)
        # Divided by a power of two, which changes no digit: no sum or square is too large or too small then.
        size = int(np.frexp(np.abs(y).max())[1])
        unit = np.ldexp(y, -size)
        mean = np.average(unit, weights=weight)
        scale = np.ldexp(np.sqrt(np.average((unit - mean) ** 2, weights=weight)), size)
        # A constant target is predicted by the mean alone.
        fitted = {
            "target_mean_": float(np.ldexp(mean, size)),
            "target_scale_": float(scale) if scale > 0 else 1.0,
        }
        return Targets(self._standardised(y, fitted), None, fitted)

    def _more_targets(self, y: Any, fitted: dict[str, Any]) -> Numbers:
        return self._standardised(_numbers(y, self), fitted)

    def _standardised(self, y: Numbers, fitted: dict[str, Any]) -> Numbers:
        mean, scale = fitted["target_mean_"], fitted["target_scale_"]
        # The difference of halves is finite.
        y = (0.5 * y - 0.5 * mean) / (0.5 * scale)
        return _quantiles.repeat(_quantiles.of(self), y.reshape(-1, 1))

    def _for_scorers(self, y: Any, fitted: dict[str, Any]) -> Any:
        return fitted["target_mean_"] + fitted["target_scale_"] * y[:, 0]

    def _in_units(self, fitted: dict[str, Any]) -> Callable[[MLPRegressor], None]:
        def in_units(member: MLPRegressor) -> None:
            coefs, intercepts = (
                [array.astype(np.float64) for array in arrays]
                for arrays in (member.coefs_, member.intercepts_)
            )
            coefs[-1] *= fitted["target_scale_"]
            intercepts[-1] *= fitted["target_scale_"]
            intercepts[-1] += fitted["target_mean_"]
            member.coefs_, member.intercepts_ = coefs, intercepts

        return in_units

    def _member(self, targets: Targets, seed: int) -> MLPRegressor:
        model = MLPRegressor(
            loss=self.loss,
            quantile=self.quantile,
            # The last epochs differ little: what is trained tells them apart as well as R².
            scoring="loss" if self.scoring is None else self.scoring,
            random_state=seed,
        )
        model.out_activation_ = "identity"
        model.n_outputs_ = targets.y.shape[1]
        return model

    def _document(self) -> dict[str, Any]:
        target = {"mean": self.target_mean_, "scale": self.target_scale_}
        return {**super()._document(), "target": target}

    def _restore(self, stored: dict[str, Any], members: list[Any]) -> None:
        super()._restore(stored, members)
        quantiles, target = self._quantiles(), stored.get("target")
        n_outputs = 1 if quantiles is None else len(quantiles)
        if not isinstance(target, dict) or any(m.n_outputs_ != n_outputs for m in members):
            raise ValueError(
                f"its members do not all have {n_outputs} outputs, or its target is lacking"
            )
        self.target_mean_ = document.number(target.get("mean"), "mean")
        self.target_scale_ = document.number(target.get("scale"), "scale")


def _numbers(y: Any, owner: Any) -> Numbers:
    """Targets as a vector of finite numbers."""
    y = _check_y(y, y_numeric=True, estimator=owner).astype(np.float64)
    # None among objects is NaN only now.
    assert_all_finite(y, input_name="y")
    return y
