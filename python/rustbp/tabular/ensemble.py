"""What classifier and regressor of tables share: from a table and targets to trained members, and their outputs.

A fit works on locals, and hands its attributes over in one step at the end. So a fit that raises leaves a fitted model
as it was.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.metrics import get_scorer_names
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from rustbp import _core
from rustbp._arrays import Rows
from rustbp._constraints import hidden_sizes
from rustbp._doc_link import DocLinkMixin
from rustbp._training import threads
from rustbp._training.validation import Given, Validation
from rustbp._typing import File, fit_context
from rustbp.tabular import columns, document, folds, recipe, weights
from rustbp.tabular.columns import Table
from rustbp.tabular.encoder import TabularEncoder
from rustbp.tabular.member import Member
from rustbp.tabular.rounds import Rounds

SEEDS = 2**31 - 1


class Targets(NamedTuple):
    """Targets as members take them."""

    y: NDArray[Any]
    """Class indices (n,), or numbers (n, n_outputs)."""
    classes: NDArray[Any] | None
    """By which folds are balanced."""
    fitted: dict[str, Any]
    """Attributes that tell what they mean."""


class BaseTabularMLP(DocLinkMixin, BaseEstimator, ABC):
    """Base of `TabularMLPClassifier` and `TabularMLPRegressor`; not to be used itself."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_ensemble": [Interval(Integral, 1, None, closed="left")],
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "n_epochs": [Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "n_bins": [Interval(Integral, 0, None, closed="left"), StrOptions({"auto"})],
        "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
        "scoring": [None, StrOptions({"loss", *get_scorer_names()}), callable],
        "n_threads": [None, Interval(Integral, 1, None, closed="left")],
        "max_time": [None, Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    n_ensemble: int
    hidden_layer_sizes: Any
    n_epochs: int
    batch_size: int
    learning_rate_init: float
    dropout: float
    weight_decay: float
    n_bins: int | Literal["auto"]
    categorical_features: Any
    scoring: Any
    n_threads: int | None
    max_time: float | None
    random_state: Any
    verbose: bool | int

    _kind: ClassVar[Any]
    """The class of the members."""

    encoder_: TabularEncoder
    members_: list[Any]
    n_features_in_: int
    feature_names_in_: NDArray[np.object_]

    if TYPE_CHECKING:
        # scikit-learn's.
        def get_params(self, deep: bool = True) -> dict[str, Any]: ...
        def set_params(self, **params: Any) -> Self: ...
        def set_fit_request(self, **requested: bool | str | None) -> Self: ...
        def set_score_request(self, **requested: bool | str | None) -> Self: ...

    @abstractmethod
    def _targets(self, y: Any, n_rows: int, weight: Any) -> Targets:
        """Targets of a fit with so many rows of these weights, checked."""

    @abstractmethod
    def _more_targets(self, y: Any, fitted: dict[str, Any]) -> NDArray[Any]:
        """Targets of other rows, in the form of those of the fit."""

    @abstractmethod
    def _member(self, targets: Targets, seed: int) -> Any:
        """A net to be trained, with its parameters, and with what it needs to know of the targets."""

    def _training_weight(self, targets: Targets, sample_weight: Any) -> Any:
        """The weight of each row in training, where that is not its weight in scores."""
        return sample_weight

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: Any = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Train on a table as it comes.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            A pandas or polars frame, an Arrow table, an array, a sparse matrix or lists of rows: numbers, NaN,
            booleans, categories, text.

        y : array-like of shape (n_samples,)
            Class labels for the classifier, numbers for the regressor.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in training and in scores, of which only the ratios matter; None weighs all alike. Rows
            of weight 0 are left out, as if they were not there; but a class that only such rows have is known.

        X_val : {array-like, sparse matrix, frame} of shape (n_val, n_features), default=None
            Rows on which each member chooses its best epoch. Then every member learns from all rows of `X`, in place of
            seven eighths.

        y_val : array-like of shape (n_val,), default=None
            Labels or targets of `X_val`.

        sample_weight_val : array-like of shape (n_val,), default=None
            Weight of each of these rows in scores.

        Returns
        -------
        self : object
            The estimator, fitted.

        Raises
        ------
        ValueError, TypeError
            For data that cannot be used, and if training diverged. A model that was fitted before stays as it was.
        """
        name = type(self).__name__
        sizes = hidden_sizes(self.hidden_layer_sizes)
        rng = check_random_state(self.random_state)
        if y is None:
            raise ValueError(
                f"This {name} estimator requires y to be passed, but the target y is None."
            )
        table = columns.read(X, name)
        weight = weights.checked(sample_weight, table.n_rows)
        # Rows that say nothing are not counted.
        n_rows = table.n_rows if weight is None else np.count_nonzero(weight)
        if n_rows < 2:
            of_weight = "" if weight is None else " of a weight above 0"
            raise ValueError(
                f"Found a table with {n_rows} sample(s){of_weight}, while a minimum of 2 is required by {name}."
            )
        targets = self._targets(y, table.n_rows, weight)
        encoder = TabularEncoder(self.categorical_features, n_bins=self.n_bins)
        encoder._fit_table(table, weight)
        fitted = targets.fitted | {
            name: value
            for name, value in vars(encoder).items()
            if name in ("n_features_in_", "feature_names_in_")
        }
        encoded = _encoded(encoder, table)
        dtype = np.dtype(np.float64 if n_rows < folds.FEWEST_ROWS else np.float32)
        given = Given(X_val, y_val, sample_weight_val)
        judged_on = self._validation(given, encoder, fitted, dtype)
        scored = Rows(encoded, targets.y, weight).in_dtype(dtype)
        rows = scored.weighed(self._training_weight(targets, weight))
        members = self._members(rng, rows, scored, targets, judged_on, sizes)
        Rounds(members, self._all_threads(), self.max_time).run()
        fitted |= {"encoder_": encoder, "members_": [member.finish() for member in members]}
        kept = {name: value for name, value in vars(self).items() if not name.endswith("_")}
        self.__dict__ = kept | fitted
        return self

    def _validation(
        self, given: Given, encoder: TabularEncoder, fitted: dict[str, Any], dtype: Any
    ) -> Validation | None:
        """The rows that the user gave to be judged on, if there are some, in this dtype."""
        X, y, weight = given
        if X is None and y is None:
            if weight is not None:
                raise ValueError(
                    "sample_weight_val is provided, but X_val and y_val were not provided."
                )
            return None
        if X is None or y is None:
            lacking, there = ("X_val", "y_val") if X is None else ("y_val", "X_val")
            raise ValueError(f"{there} is provided, but {lacking} was not provided.")
        try:
            encoded = encoder.transform(X)
            check_consistent_length(encoded, y)
            targets = self._more_targets(y, fitted)
            weight = weights.checked(weight, len(encoded))
        except (TypeError, ValueError) as error:
            raise type(error)(
                f"The validation data, X_val, y_val and sample_weight_val, do not fit: {error}"
            ) from error
        rows = Rows(encoded, targets, weight).in_dtype(dtype)
        y = self._for_scorers(targets, fitted)
        return Validation(rows, encoded, y, in_units=self._in_units(fitted))

    def _members(
        self,
        rng: np.random.RandomState,
        rows: Rows,
        scored: Rows,
        targets: Targets,
        judged_on: Validation | None,
        sizes: list[int],
    ) -> list[Member]:
        """The members before their first epoch."""
        # True is an integer to scikit-learn, and products of NumPy's small integers overflow.
        n_ensemble = int(self.n_ensemble)
        few = rows.X.dtype == np.float64
        there = np.arange(len(rows.y))
        if scored.sample_weight is not None:
            there = there[scored.sample_weight > 0]
        classes = None if targets.classes is None else targets.classes[there]
        if judged_on is None:
            splits = folds.splits(rng, n_ensemble, len(there), classes)
        else:
            splits = [(np.arange(len(there)), None)] * n_ensemble
        seeds = rng.randint(SEEDS, size=n_ensemble)
        y = self._for_scorers(targets.y, targets.fitted)
        in_units = self._in_units(targets.fitted)
        n_threads = max(1, self._all_threads() // n_ensemble)
        members = []
        for number, ((learns, held_out), seed) in enumerate(zip(splits, seeds, strict=True)):
            order, validation = there[learns], judged_on
            if rows.sample_weight is not None:
                # Classes may weigh nothing.
                order = order[rows.sample_weight[order] > 0]
            if not len(order):
                raise ValueError(
                    "All rows of a fold that are to be learnt from have a weight of 0."
                )
            if held_out is not None:
                held_out = there[held_out]
                validation = Validation(
                    scored.take(held_out), scored.X[held_out], y[held_out], in_units=in_units
                )
            model = self._member(targets, int(seed))
            model.set_params(
                hidden_layer_sizes=tuple(sizes),
                batch_size=int(self.batch_size),
                beta_2=recipe.BETA_2,
                dropout=0.0 if few else self.dropout,
                early_stopping=validation is not None,
                learning_rate_init=self.learning_rate_init,
                max_iter=int(self.n_epochs),
                n_iter_no_change=np.inf,
                n_threads=self.n_threads,
                weight_decay=self.weight_decay,
            )
            model.n_features_in_ = rows.X.shape[1]
            line = f"Member {number + 1} of {n_ensemble}" if self.verbose else None
            members.append(Member(model, rows, order, validation, n_threads, line))
        return members

    def _all_threads(self) -> int:
        return threads.allowed(self.n_threads) or _core.get_num_threads()

    def _for_scorers(self, y: NDArray[Any], fitted: dict[str, Any]) -> NDArray[Any]:
        """Targets as the user has them, which a scorer compares with what a member predicts."""
        return y

    def _in_units(self, fitted: dict[str, Any]) -> Callable[[Any], None] | None:
        """What makes a member one that predicts in the units of the targets; None if it does so already."""
        return None

    def _outputs(self, X: Any) -> list[NDArray[Any]]:
        """What each member puts out for each row, shape (n_rows, n_outputs)."""
        check_is_fitted(self)
        name = type(self).__name__
        outputs: list[list[NDArray[Any]]] = [[] for _ in self.members_]
        for _, encoded in self.encoder_._parts(columns.read(X, name), name):
            for member, parts in zip(self.members_, outputs, strict=True):
                parts.append(member._forward(encoded)[1])
        return [np.concatenate(parts) for parts in outputs]

    def save(self, path: File) -> None:
        """Write the fitted model to a file, from which `rustbp.load` reads it without running any code.

        The file is a zip archive, not compressed: a JSON document with the parameters and the encoding of the columns,
        and the members as model files of their own, each of which `rustbp.load` reads too.

        Parameters
        ----------
        path : str, bytes, os.PathLike or binary file
            The file. One that exists is replaced in one step when the new one is safely on the disk; until then, and
            if anything goes wrong, it stays as it is. To one that is open already the model is just written.

        Raises
        ------
        NotFittedError
            If the model has not been fitted.
        TypeError
            For a subclass, and for parameters and classes of a type that the file cannot hold; the message names them.
        OSError
            If the file cannot be written.
        """
        from rustbp._io import saving  # not needed to fit and predict

        saving.save_whole(self, path)

    def _document(self) -> dict[str, Any]:
        """What a model file says of the fit, beside the members."""
        return {"encoder": document.of_encoder(self.encoder_)}

    def _restore(self, stored: dict[str, Any], members: list[Any]) -> None:
        """Be what a file says; ValueError if it does not fit together."""
        encoder = TabularEncoder(self.categorical_features, n_bins=self.n_bins)
        document.to_encoder(stored.get("encoder"), encoder)
        width = encoder._width()
        kind = type(self)._kind
        if not members or not all(
            type(member) is kind and member.n_features_in_ == width for member in members
        ):
            raise ValueError(
                f"its members are not all nets of {width} inputs of class {kind.__name__}"
            )
        self.encoder_ = encoder
        self.n_features_in_ = encoder.n_features_in_
        if hasattr(encoder, "feature_names_in_"):
            self.feature_names_in_ = encoder.feature_names_in_
        self.members_ = members

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags


def _encoded(encoder: TabularEncoder, table: Table) -> NDArray[np.float32]:
    """The rows of a fit; there must be something in them to learn from."""
    encoded = encoder._encode(table)
    if not encoded.shape[1]:
        raise ValueError(
            f"No column of X says anything. Why each is left out: {encoder.left_out_}."
        )
    return encoded
