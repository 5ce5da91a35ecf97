"""The encoder: from a table as it comes to the inputs of a net."""

from collections.abc import Iterator
from numbers import Integral
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from rustbp._typing import fit_context
from rustbp._warn import warn
from rustbp.tabular import columns, features, weights
from rustbp.tabular.columns import Column, Table

IDENTIFIER = 20
"""A column of categories is taken for an identifier if it has more levels than this and than half as many as rows."""

MOST_BINS, LEAST_BINS, BINS_TOGETHER = 12, 2, 160
"""Of ``n_bins='auto'``. With more columns, the bins of all of them would be most of what a net sees: on four tables of
33 to 57 numbers, 2 to 4 bins made fewer errors than 8, in two thirds of the time."""

ROWS_OF_A_BIN, ROWS_OF_AN_INPUT, MOST_OF_MANY_ROWS = 300, 50, 48
"""Rows that tell finer bins apart: with 15,000, 48 bins made 2 to 4 % fewer errors than 12."""

ROWS_OF_A_PART = 4096
"""Rows that are encoded at once: what is made of them stays in the cache, and predictions need no memory for the inputs
of all rows."""


class TabularEncoder(TransformerMixin, BaseEstimator):
    """Turns a table as it comes into numbers that a neural net learns well from.

    Takes a pandas or polars frame, an Arrow table, an array or a sparse matrix, with missing values, booleans,
    categories and text; gives a float32 array. Numbers are centred at their median, divided by the range of their
    middle half and clipped smoothly [1]_. Beside that each number is spread over several inputs by a piecewise linear
    encoding [2]_, by which a small net learns steps and thresholds. Categories have an input for each level.

    Parameters
    ----------
    categorical_features : 'from_dtype', array-like of bool, int or str, or None, default='from_dtype'
        Which columns are categories: a mask, positions, or names. 'from_dtype': those whose dtype says so (pandas'
        category, polars' Categorical and Enum, Arrow's dictionary) and those of text. None: none. What is no category
        is a number, and text has to read as one.

    n_bins : int or 'auto', default=8
        Inputs of the piecewise linear encoding of a number; 0 for none. Columns of up to three different
        numbers have none. 'auto': 12, or one for each 300 rows up to 48; less with many columns of numbers, so
        that all together have at most 160 of them, or one for each 50 rows; but at least 2 each.

    max_levels : int, default=255
        Levels of a category that have an input; if there are more, the most frequent ones. The others are treated
        as unknown.

    Attributes
    ----------
    n_features_in_ : int
        Columns of X in `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, if all are strings.

    is_categorical_ : ndarray of shape (`n_features_in_`,)
        Which columns are categories.

    left_out_ : dict of str or int to str
        Columns that have no input, and why: 'constant', 'missing', or 'identifier'.

    See Also
    --------
    MLPClassifier, MLPRegressor : Nets to put behind it, in a pipeline.

    Notes
    -----
    Only the rows given to `fit` have a say. Afterwards a number beyond the range of the training rows is that range's
    end, nearly; a level that they did not have is none of those known, all of whose inputs are 0; columns that have
    names may come in another order.

    Categories that are integers are told apart whatever their size, unless they come as floats: from 2^53 on, those are
    no longer all integers.

    A missing number is replaced by the mean, and an input says that it was missing, if it was in some training row.

    Dates are refused: put numbers in their place. A column of categories that has more than 20 levels, and more than
    half as many as rows, is taken for an identifier, and left out with a warning.

    References
    ----------
    .. [1] Holzmüller, Grinsztajn and Steinwart (2024), "Better by default: strong pre-tuned MLPs and boosted trees on
           tabular data", arXiv:2407.04491.
    .. [2] Gorishniy, Rubachev and Babenko (2022), "On embeddings for numerical features in tabular deep learning",
           arXiv:2203.05556, section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from rustbp import TabularEncoder
    >>> X = np.array([[1.0, "red"], [2.0, "blue"], [np.nan, "red"], [4.0, None]], dtype=object)
    >>> encoder = TabularEncoder().fit(X)
    >>> encoder.get_feature_names_out().tolist()
    ['x0', 'x0_missing', 'x1_red']
    >>> encoder.transform(X).astype(float).round(2).tolist()
    [[-0.33, 0.0, 1.0], [0.0, 0.0, -1.0], [0.11, 1.0, 1.0], [0.65, 0.0, 0.0]]
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "n_bins": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "max_levels": [Interval(Integral, 2, None, closed="left")],
    }

    _features: list[tuple[int, Any]]
    left_out_: dict[Any, Any]
    is_categorical_: Any
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    def __init__(
        self,
        categorical_features: Any = "from_dtype",
        *,
        n_bins: int | Literal["auto"] = 8,
        max_levels: int = 255,
    ) -> None:
        self.categorical_features: Any = categorical_features
        self.n_bins: int | Literal["auto"] = n_bins
        self.max_levels = max_levels

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """Learn medians, quantiles and levels.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            Training rows.

        y : object, default=None
            Not used.

        sample_weight : array-like of shape (n_samples,), default=None
            How often each row counts in medians and quantiles. Rows of weight 0 have no say.

        Returns
        -------
        self : object
            The encoder, fitted.

        Raises
        ------
        ValueError, TypeError
            For a table that cannot be encoded; the message names the column.
        """
        table = columns.read(X, type(self).__name__)
        return self._fit_table(table, weights.checked(sample_weight, table.n_rows))

    def fit_transform(
        self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None
    ) -> NDArray[np.float32]:
        """Learn from a table, and encode it.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            Training rows.

        y : object, default=None
            Not used.

        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        X_encoded : ndarray of shape (n_samples, n_features_out), float32
            The same rows, encoded.
        """
        return self.fit(X, y, sample_weight).transform(X)

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Encode a table.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            Rows with the columns of `fit`; those of a frame may come in another order.

        Returns
        -------
        X_encoded : ndarray of shape (n_samples, n_features_out), float32
            The same rows, encoded.
        """
        check_is_fitted(self)
        return self._encode(columns.read(X, type(self).__name__))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Names of the columns of what `transform` gives.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the columns of X; None: those of `fit`, or x0, x1, ...

        Returns
        -------
        names : ndarray of shape (n_features_out,), of str
            A number keeps its name; its bins, its missing values and the levels of categories add theirs to it. All are
            different: where another column has such a name already, '_2' is added, or the next number that is free.
        """
        check_is_fitted(self, "n_features_in_")
        names = _check_feature_names_in(self, input_features)
        return np.array(features.all_names(self._features, names), dtype=object)

    def _fit_table(self, table: Table, weight: Any) -> "TabularEncoder":
        categorical = _categorical(self.categorical_features, table)
        found, left_out = [], {}
        rows = None
        if weight is not None and not weight.all():
            rows = np.flatnonzero(weight)
            weight = weight[rows]
        names = table.names or range(len(table.columns))
        n_bins = self._bins_of_each(table, categorical, rows)
        for at, (name, column) in enumerate(zip(names, table.columns, strict=True)):
            used = column if rows is None else column.take(rows)
            feature, reason = self._feature(used, name, weight, categorical[at], n_bins)
            if feature is None:
                left_out[name] = reason
            else:
                found.append((at, feature))
        self._features = found
        self.left_out_ = left_out
        self.is_categorical_ = categorical
        self.n_features_in_ = len(table.columns)
        vars(self).pop("feature_names_in_", None)
        if table.names:
            self.feature_names_in_ = np.array(table.names, dtype=object)
        return self

    def _bins_of_each(self, table: Table, categorical: Any, rows: Any) -> int:
        """Bins of each number, as the parameter says."""
        if not isinstance(self.n_bins, str):
            return int(self.n_bins)
        count = 0
        for column, is_category in zip(table.columns, categorical, strict=True):
            if not is_category and column.numbers is not None:
                numbers = column.numbers if rows is None else column.numbers[rows]
                count += features.has_bins(numbers)
        n_rows = table.n_rows if rows is None else len(rows)
        most = max(MOST_BINS, min(MOST_OF_MANY_ROWS, n_rows // ROWS_OF_A_BIN))
        together = max(BINS_TOGETHER, n_rows // ROWS_OF_AN_INPUT)
        return max(LEAST_BINS, min(most, together // max(count, 1)))

    def _feature(
        self, column: Column, name: Any, weight: Any, categorical: bool, n_bins: int
    ) -> Any:
        """The feature of a column, or None and why there is none."""
        counts: dict[Any, int] = {}
        if categorical:
            counts = features.count_levels(column)
            n_rows = sum(counts.values())
            if len(counts) > max(IDENTIFIER, n_rows // 2):
                text = (
                    f"Column {name!r} has {len(counts)} levels in {n_rows} rows, as an identifier has. Nothing can be "
                    "learnt from levels that hardly occur twice: it is left out."
                )
                read = features.numbers_of(column, strict=False)
                if column.numbers is None and 2 * np.isfinite(read).sum() > n_rows:
                    text += (
                        " Most of its text reads as numbers: if it is meant as such, convert it, for example with "
                        "pandas.to_numeric(errors='coerce')."
                    )
                warn(text)
                return None, "identifier"
            feature = features.fit_levels(counts, self.max_levels)
        else:
            feature = features.fit_numbers(column, name, weight, n_bins)
        return feature, "missing" if column.is_missing() else "constant"

    def _encode(self, table: Table) -> NDArray[np.float32]:
        """The rows of a table, encoded."""
        out = np.empty((table.n_rows, self._width()), dtype=np.float32)
        for rows, encoded in self._parts(table, type(self).__name__):
            out[rows] = encoded
        return out

    def _parts(self, table: Table, owner: str) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Some rows of a table at a time, encoded; messages speak of ``owner``."""
        order = self._order(table, owner)
        values = []
        for at, feature in self._features:
            name = self.feature_names_in_[at] if table.names and order is not None else at
            values.append(feature.read(table.columns[at if order is None else order[at]], name))
        width = self._width()
        for first in range(0, table.n_rows, ROWS_OF_A_PART):
            rows = slice(first, min(first + ROWS_OF_A_PART, table.n_rows))
            out = np.empty((rows.stop - rows.start, width), dtype=np.float32)
            start = 0
            for (_, feature), value in zip(self._features, values, strict=True):
                feature.encode(value[rows], out[:, start : start + feature.width])
                start += feature.width
            yield rows, out

    def _width(self) -> int:
        return sum(feature.width for _, feature in self._features)

    def _order(self, table: Table, owner: str) -> list[int] | None:
        """Where in ``table`` each column of `fit` is; None where they have no names."""
        known = getattr(self, "feature_names_in_", None)
        if len(table.columns) != self.n_features_in_ and (known is None or table.names is None):
            raise ValueError(
                f"X has {len(table.columns)} features, but {owner} is expecting {self.n_features_in_} features as "
                "input."
            )
        if known is None or table.names is None:
            if known is not None:
                warn(
                    f"X does not have valid feature names, but {owner} was fitted with feature names"
                )
            elif table.names is not None:
                warn(f"X has feature names, but {owner} was fitted without feature names")
            return None
        places = {name: place for place, name in enumerate(table.names)}
        _compare_names(places.keys(), known)
        return [places[name] for name in known]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _compare_names(given: Any, known: Any) -> None:
    """Refuse columns that were not in `fit`, and tables that lack one, in scikit-learn's words."""
    message = "The feature names should match those that were passed during fit.\n"
    unseen, lacking = sorted(set(given) - set(known)), sorted(set(known) - set(given))
    for heading, names in (
        ("Feature names unseen at fit time:", unseen),
        ("Feature names seen at fit time, yet now missing:", lacking),
    ):
        if names:
            shown = [f"- {name}\n" for name in names[:5]] + ["- ...\n"] * (len(names) > 5)
            message += f"{heading}\n{''.join(shown)}"
    if unseen or lacking:
        raise ValueError(message)


def _categorical(wanted: Any, table: Table) -> Any:
    """Which columns are categories, as the parameter says."""
    n = len(table.columns)
    if wanted is None:
        return np.zeros(n, dtype=bool)
    if isinstance(wanted, str):
        return np.array([column.is_category for column in table.columns])
    wanted = np.asarray(wanted)
    if wanted.size == 0:
        return np.zeros(n, dtype=bool)
    if wanted.ndim != 1 or wanted.dtype.kind not in "biuUO":
        raise ValueError(
            "categorical_features must be 'from_dtype', None, or a list of bools, of ints or of strs. Got "
            f"{wanted.dtype} of shape {wanted.shape}."
        )
    if wanted.dtype.kind == "b":
        if len(wanted) != n:
            raise ValueError(
                f"categorical_features set as a boolean mask must have shape (n_features,), got: {wanted.shape}"
            )
        return wanted
    mask = np.zeros(n, dtype=bool)
    if wanted.dtype.kind in "iu":
        if wanted.min() < 0 or wanted.max() >= n:
            raise ValueError(
                "categorical_features set as integer indices must be in [0, n_features - 1]"
            )
        mask[wanted] = True
        return mask
    if table.names is None:
        raise ValueError(
            "categorical_features should be passed as integers or as a boolean mask when the model is fitted on data "
            "without feature names."
        )
    for name in wanted:
        if name not in table.names:
            raise ValueError(
                f"categorical_features has a item value '{name}' which is not a valid feature name of the training "
                "data."
            )
        mask[table.names.index(name)] = True
    return mask
