"""What the classifier and the regressor share: parameters, validation, the order of a fit, and how they predict.

A fit trains a copy of the estimator and hands its fitted attributes over in one step at the end. So a fit that
raises leaves a fitted model as it was, and a prediction in another thread sees either the old model or the new one.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from rustbp import _arrays, _hints, _hooks, _inputs, _missing, convert
from rustbp._attributes import Attributes
from rustbp._constraints import CONSTRAINTS, hidden_sizes
from rustbp._doc_link import DocLinkMixin
from rustbp._fitted import Fitted
from rustbp._inputs import are_chunks
from rustbp._training import epochs, initial_weights, lbfgs, packed, schedule, threads
from rustbp._training.callbacks import CallbackSupportMixin, callbacks_of
from rustbp._training.mini_batches import MiniBatches
from rustbp._training.network import check_layers
from rustbp._training.objective import Objective
from rustbp._training.unfinished import Unfinished
from rustbp._training.validation import NOTHING, Given, find_validation
from rustbp._typing import ChunksLike, Floats, MatrixLike, fit_context

PROGRESS = (
    *convert.PROGRESS,
    *convert.OWN_PROGRESS,
    "_optimizer",
    "_packed",
    "_unfinished",
)
"""What a fit from scratch begins anew."""
FITTED = tuple(dict.fromkeys((*convert.SHARED, *_missing.LEARNT, *PROGRESS)))
"""Every attribute a fit may set; what a fit from scratch does not set, it removes."""


class _Task(NamedTuple):
    """What a fit has to do: rows to train on, and the same weighed for scores; whether it is the first; the dtype that
    the weights are to be kept in; and a fit to go on with."""

    rows: _arrays.Rows
    scored: _arrays.Rows
    first: bool
    stored: Any
    unfinished: Unfinished | None


class BaseMultilayerPerceptron(
    Attributes, Fitted, CallbackSupportMixin, DocLinkMixin, BaseEstimator, ABC
):
    """Base of `MLPClassifier` and `MLPRegressor`; not to be used itself."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CONSTRAINTS

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        _hooks.check_subclass(cls, FITTED)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _hooks.NAMES:
            _hooks.refuse(type(self), [name])
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        if name in packed.WEIGHTS:
            self.__dict__ = packed.unpack(self.__dict__.copy())
        super().__delattr__(name)

    def __dir__(self) -> list[str]:
        names = super().__dir__()
        return [*names, *packed.WEIGHTS] if "_packed" in self.__dict__ else names

    if not TYPE_CHECKING:  # An editor is to know what is misspelt.

        def __getattr__(self, name: str) -> Any:
            # Only what is not there is looked for here.
            fitted = self.__dict__.get("_packed")
            if fitted is not None and name in packed.WEIGHTS:
                return fitted.weights()[packed.WEIGHTS.index(name)]
            if name in _hooks.NAMES:
                raise AttributeError(
                    f"{type(self).__name__!r} object has no attribute {name!r}, which is private to scikit-learn's "
                    f"perceptrons. {_hooks.instead_of(name)}"
                )
            where = _missing.where_from(name)
            if where is not None:
                raise AttributeError(
                    f"{type(self).__name__!r} object has no attribute {name!r}. {where}"
                )
            # An older version, whose pickle this is, did not have the parameter.
            default = _missing.default_of(type(self), name)
            return (
                object.__getattribute__(self, name)
                if default is inspect.Parameter.empty
                else default
            )

    @abstractmethod
    def _encode(self, X: Any, y: Any, *, incremental: bool, reset: bool) -> tuple[Any, Any]:
        """Validated X, and y as class indices (n,) or a matrix (n, n_outputs); sets what depends on the labels.

        Sets ``n_outputs_`` too, and ``out_activation_`` if ``reset``.
        """

    def _training_weight(self, y: Any, sample_weight: Any, *, incremental: bool) -> Any:
        """The weight of each row in training, where that is not its weight in scores; y as `_encode` gave it."""
        return sample_weight

    @abstractmethod
    def _reported_loss(self, cost: float, penalty: float) -> float:
        """The number scikit-learn reports, from the core's cost and penalty."""

    @abstractmethod
    def _stratifies(self) -> bool:
        """Whether the split for early stopping keeps the proportion of the classes."""

    @abstractmethod
    def _score_output(self, output: Any, y: Any, sample_weight: Any) -> float:
        """The validation score of an output of the network; y as `_encode` gave it."""

    def _validate_params(self) -> None:
        try:
            super()._validate_params()
        except InvalidParameterError as error:
            raise InvalidParameterError(f"{error}{_hints.hint_for(self, str(error))}") from None

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: MatrixLike | ChunksLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        coefs_init: Sequence[ArrayLike] | None = None,
        intercepts_init: Sequence[ArrayLike] | None = None,
        X_val: MatrixLike | ChunksLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Train from new weights, or from the present ones if `warm_start`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or chunks
            Training rows. float32 is trained in float32, all else in float64. Sparse rows stay sparse. Without `y`,
            chunks of rows larger than memory: an object with ``len()`` and ``X[i] -> (X, y)`` or ``(X, y,
            sample_weight)``, such as `rustbp.chunks` makes of files.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Class labels, or a 0/1 matrix of labels, for the classifier, with `soft_targets` distributions over the
            classes; numbers for the regressor.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the cost; None weighs all alike.

        coefs_init, intercepts_init : list of array-like, default=None
            Weights and biases to start from, in the shapes of `coefs_` and `intercepts_`; they are copied. None draws
            them, or with `warm_start` goes on from the present ones.

        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Rows to validate on. After each epoch their score and loss are recorded, and with `early_stopping` they
            decide, in place of rows held out of `X`, of which there are then none.

        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            Labels or targets of `X_val`, of the kind of `y`, and of the classes in `y`.

        sample_weight_val : array-like of shape (n_val,), default=None
            Weight of each of these rows in score and loss.

        Returns
        -------
        self : object
            The estimator, fitted.

        Raises
        ------
        ValueError
            For data that does not fit together, if `compute` cannot be had, and if training diverged. A model that was
            fitted before stays as it was.
        """
        given, validation = (coefs_init, intercepts_init), Given(X_val, y_val, sample_weight_val)
        if y is None and are_chunks(X):
            from rustbp.chunks.fitting import fit  # not needed where rows are in memory

            return fit(self, X, sample_weight, given=given, validation=validation)
        return self._train(
            self._copy(), X, y, sample_weight, incremental=False, given=given, validation=validation
        )

    def _pass_over(
        self, chunks: Any, sample_weight: Any, validation: Given, classes: Any = None
    ) -> Self:
        """What `partial_fit` does with chunks."""
        from rustbp.chunks.fitting import fit

        told = {"incremental": True, "classes": classes, "validation": validation}
        return fit(self, chunks, sample_weight, **told)

    def _train(
        self,
        model: Any,
        X: Any,
        y: Any,
        sample_weight: Any,
        *,
        incremental: bool,
        given: tuple[Any, Any] = (None, None),
        validation: Given = NOTHING,
    ) -> Any:
        """Train ``model``, a copy of self, then take over what it learnt; ``given`` are weights and biases to start
        from, ``validation`` the rows to be judged on."""
        # A script may have put them into the class.
        _hooks.check_class(type(self))
        _inputs.check(self, X=X, y=y, X_val=validation.X, y_val=validation.y)
        metadata = {f"{name}_val": value for name, value in validation._asdict().items()}
        metadata["sample_weight"] = sample_weight
        report = callbacks_of(self, None if incremental else (X, y, metadata))
        task = model._prepare(X, y, sample_weight, incremental=incremental, given=given)
        others = validation, validation.encoded(model)
        report.begin(model._fitted_attributes)
        judged_on = find_validation(model, task.scored, (X, y), others, task.unfinished)
        told = {"report": report, "validation": judged_on, "stored": task.stored}
        if model.solver == "lbfgs":
            objective = Objective(model, task.rows, threads.allowed(model.n_threads))
            reason = lbfgs.train(model, objective, **told)
            vars(model).pop("_packed", None)
        else:
            told |= {"first": task.first, "incremental": incremental, "unfinished": task.unfinished}
            reason = epochs.train(model, partial(MiniBatches, model, task.rows), **told)
        if task.rows.X.dtype != task.stored:
            # Rows in a wider dtype than the weights': compute in theirs, keep the model's.
            model.coefs_, model.intercepts_ = _arrays.layers(
                model.coefs_, model.intercepts_, task.stored
            )
        report.end(model._fitted_attributes, reason)
        self._adopt(model)
        return self

    def _prepare(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        *,
        incremental: bool,
        given: tuple[Any, Any] = (None, None),
    ) -> "_Task":
        """Validate everything, and have weights to start from, in the dtype of the rows; for a copy that is trained."""
        hidden = hidden_sizes(self.hidden_layer_sizes)
        check_layers(self, len(hidden))
        if self.solver == "lbfgs":
            lbfgs.check(self)
        schedule.check(self)
        if incremental and self.early_stopping and self.solver != "lbfgs":
            raise ValueError("partial_fit does not support early_stopping=True")
        first = not self.__sklearn_is_fitted__() or (not self.warm_start and not incremental)
        if not first:
            _missing.complete(self)
        unfinished = self.__dict__.pop("_unfinished", None)
        if first or incremental or self.solver == "lbfgs" or any(w is not None for w in given):
            unfinished = None
        X, y = self._encode(X, y, incremental=incremental, reset=first)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X)
        weight = self._training_weight(y, sample_weight, incremental=incremental)
        if weight is not sample_weight:
            weight = _check_sample_weight(weight, X)
        if unfinished is None:
            self._random_state = check_random_state(self.random_state)
        else:
            unfinished.check(X.shape[0])
        if first:
            self._start([X.shape[1], *hidden, self.n_outputs_], X.dtype, given)
        else:
            self._go_on(given)
        single = unfinished is not None and unfinished.single
        stored = np.dtype(np.float32) if single else packed.dtype_of(self)
        dtype = packed.to_dtype_for(self, X)
        rows = _arrays.Rows(X, y, weight).in_dtype(dtype)
        scored = rows if weight is sample_weight else rows.weighed(sample_weight)
        return _Task(rows, scored, first, stored, unfinished)

    def _start(
        self, layer_sizes: list[int], dtype: Any, given: tuple[Any, Any] = (None, None)
    ) -> None:
        """Forget an earlier fit, and draw the weights that are not given."""
        for name in PROGRESS:
            self.__dict__.pop(name, None)
        self.n_iter_ = 0
        self.t_ = 0
        self.n_layers_: int = len(layer_sizes)
        coefs, intercepts = initial_weights.given(*given, layer_sizes, dtype)
        if coefs is None or intercepts is None:
            drawn = initial_weights.draw(
                self._random_state,
                layer_sizes,
                scheme=self.init,
                activation=self.activation,
                dtype=dtype,
            )
            coefs, intercepts = coefs or drawn[0], intercepts or drawn[1]
        self.coefs_: list[Floats] = coefs
        self.intercepts_: list[Floats] = intercepts

    def _go_on(self, given: tuple[Any, Any]) -> None:
        """Check that the present weights fit the targets, and put those that are given in their place."""
        sizes = packed.layer_sizes_of(self)
        if sizes[-1] != self.n_outputs_:
            raise ValueError(
                f"y has {self.n_outputs_} outputs, but the weights in coefs_ are for {sizes[-1]}."
            )
        coefs, intercepts = initial_weights.given(*given, sizes, packed.dtype_of(self))
        if coefs is not None or intercepts is not None:
            self.coefs_, self.intercepts_ = coefs or self.coefs_, intercepts or self.intercepts_

    def _copy(self) -> Any:
        """A shallow copy as of this moment: `dict.copy` is one step, so it is never half of one fit and half of
        another."""
        model = object.__new__(type(self))
        model.__dict__ = self.__dict__.copy()
        return model

    def __getstate__(self) -> dict[str, Any]:
        # For pickle, copy and deepcopy: as of this moment too.
        return packed.unpack(super().__getstate__().copy())

    def _fitted_attributes(self, **changed: Any) -> dict[str, Any]:
        state = self.__dict__
        return {name: state[name] for name in FITTED if name in state} | changed

    def _adopt(self, model: Any) -> None:
        """Take over what a trained copy learnt, and nothing else: parameters may have been set meanwhile."""
        fitted = model._fitted_attributes()
        # Each of the two is one step, so that no other thread sees some of both fits.
        if all(name in fitted for name in FITTED if name in self.__dict__):
            self.__dict__.update(fitted)
        else:
            state = self.__dict__.copy()
            kept = {name: value for name, value in state.items() if name not in FITTED}
            self.__dict__ = kept | fitted

    def __sklearn_is_fitted__(self) -> bool:
        return "coefs_" in self.__dict__ or "_packed" in self.__dict__

    def _check_solver(self) -> bool:
        if self.solver == "lbfgs":
            raise AttributeError(
                "partial_fit is only available for stochastic optimizers. "
                f"{self.solver} is not stochastic."
            )
        return True

    def _forward(self, X: Any) -> tuple[Any, Any]:
        """The network's output for X, and the model that gave it: self as of one moment.

        Rows that are as the core takes them skip scikit-learn's validation, which costs more than a small network
        does.
        """
        model = self._copy()
        state = model.__dict__
        fitted = packed.weights_of(state)
        kind = type(X)
        numbers = X if kind is np.ndarray else X.data if kind in _arrays.CSR else None
        if numbers is not None and "feature_names_in_" not in state:
            try:
                if (
                    X.ndim == 2
                    and numbers.flags.c_contiguous
                    and X.dtype == (model.coefs_[0] if fitted is None else fitted).dtype
                    and X.shape[1] == state["n_features_in_"]
                    and X.shape[0] > 0
                    and _arrays.surely_finite(numbers)
                ):
                    rows = X if numbers is X else _arrays.rows(X, X.dtype)
                    return model, packed.forward(model, rows)
            except (LookupError, TypeError, ValueError, AttributeError):
                pass  # Not so simple after all; what follows copes, or says what is wrong.
        check_is_fitted(model)
        _missing.complete(model)
        X = _arrays.validated(model, X, dtype="numeric", reset=False)
        return model, packed.forward(model, _arrays.lazy_rows(X, packed.to_dtype_for(model, X)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
