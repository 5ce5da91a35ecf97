"""What both estimators do on a cluster: fit, go on, predict when asked to compute, come home as local models."""

import copy
import secrets
from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from rustbp import _quantiles
from rustbp._training.validation import Given
from rustbp._typing import fit_context
from rustbp._warn import warn
from rustbp.dask.collections import Collected, is_collection, lazily
from rustbp.dask.engine import DaskEngine, Part, client_of, using
from rustbp.dask.mixing import mixed
from rustbp.partitions.fitting import Partitions, run, scans_of
from rustbp.partitions.part import column, named, parts
from rustbp.partitions.planning import check_columns, check_weights, head, mean_skew, scan
from rustbp.partitions.scores import errors, total

CONSTRAINTS: dict[str, list[Any]] = {
    "client": "no_validation",  # type: ignore[dict-item]
    "replicas": [Interval(Integral, 1, None, closed="left")],
    "mix": ["boolean", StrOptions({"auto"})],
    "persist": ["boolean", StrOptions({"auto"})],
}
SKEWED = 0.25
"""How different partitions may be before they are mixed."""


class OnDask:
    """Stands before a local class, of which it is a kind."""

    _local: ClassVar[Any]
    client: Any
    replicas: int
    mix: Any
    persist: Any
    client_: Any
    partition_spec_: dict[str, Any]

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        coefs_init: Sequence[Any] | None = None,
        intercepts_init: Sequence[Any] | None = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Train from new weights, or from the present ones if `warm_start`, where the data is.

        Parameters
        ----------
        X : dask Array, DataFrame or list of Delayed
            Rows: an array of shape (n_samples, n_features) with all columns in one chunk, whose blocks may be sparse; a
            data frame; or a list with a delayed ``(X, y)`` or ``(X, y, sample_weight)`` for each partition.

        y : dask Array or Series, default=None
            Labels or targets, with the partitions of X. None with a list.

        sample_weight : dask Array or Series, default=None
            Weights, with the partitions of X.

        coefs_init, intercepts_init : list of array-like, default=None
            As in the local `fit`.

        X_val, y_val, sample_weight_val : dask collection or array-like, default=None
            Rows to validate on. Those of Dask are scored where they are.

        Returns
        -------
        self : object
            The estimator, fitted. After Ctrl-C it has the weights of the last whole epoch.

        Raises
        ------
        TypeError, ValueError
            For data that does not fit together; the message names the partition.
        RuntimeError
            If there is no client, data was lost with its worker, or no worker is left. A model that was fitted before
            stays as it was.
        """
        return self._train_there(
            (X, y, sample_weight),
            incremental=False,
            given=(coefs_init, intercepts_init),
            validation=Given(X_val, y_val, sample_weight_val),
        )

    def _train_there(
        self,
        data: tuple[Any, Any, Any],
        *,
        incremental: bool,
        validation: Given,
        given: tuple[Any, Any] = (None, None),
        classes: Any = None,
    ) -> Any:
        estimator: Any = self
        client = client_of(self)
        learner = self._here()
        collected = Collected(self._local.__name__, *data)
        judged_on = None
        if is_collection(validation.X):
            judged_on = Collected(self._local.__name__, *validation, ending="_val")
            validation = Given()
        with using(client, self.replicas) as engine:
            if len(engine.workers) > self.replicas:
                warn(
                    f"The cluster has {len(engine.workers)} workers, of which replicas={self.replicas} lets no more "
                    "than so many work at once."
                )
            if self.persist is True:
                self._keep(collected, engine)
            scans, row = _scanned(learner, collected, engine)
            all_parts, scans = self._settled(learner, collected, scans, engine)
            model = run(
                learner,
                Partitions(
                    [(part,) for part in all_parts],
                    scans,
                    row,
                    None if judged_on is None else [(part,) for part in judged_on.parts],
                ),
                engine,
                replicas=self.replicas,
                incremental=incremental,
                classes=classes,
                given=given,
                validation=validation,
            )
        estimator._adopt(model)
        self.partition_spec_ = model.partition_spec_
        self.client_ = client
        return self

    def _keep(self, collected: Collected, engine: DaskEngine) -> None:
        """Have the workers keep the partitions."""
        engine.keep(collected.parts)
        if collected.targets is not None and collected.rows_of_x is not None:
            for part, targets, rows in zip(
                collected.parts, collected.targets, collected.rows_of_x, strict=True
            ):
                assert part.futures is not None
                targets.futures, rows.futures = part.futures[1:], part.futures[:1]

    def _settled(
        self, learner: Any, collected: Collected, scans: list[dict[str, Any]], engine: DaskEngine
    ) -> tuple[list[Part], list[dict[str, Any]]]:
        """The partitions to train on, mixed if they are sorted, kept if there is room, and what is in each."""
        check_weights(scans)
        rows = [found["rows"] for found in scans]
        fits = collected.n_bytes(scans) < _memory(engine.client) / 2
        skew = mean_skew(scans) if learner.solver != "lbfgs" else 0.0
        mixes = self.mix is True
        if skew > SKEWED and self.mix is not True:
            mixes = self.mix == "auto" and fits
            what = (
                "they are mixed once, and kept in memory"
                if mixes
                else "training forgets kinds of rows that it does not see; shuffle them, or have them mixed (mix=True)"
            )
            warn(f"The partitions differ in their labels (by {skew:.2f}; 0.25 is much): {what}.")
        if mixes and sum(n > 0 for n in rows) > 1:
            heads = {i: found["head"] for i, found in enumerate(scans) if found["head"] is not None}
            check_columns(learner, heads)
            seed = learner.random_state
            seed = int(seed) if isinstance(seed, Integral) else secrets.randbits(31)
            made, _ = mixed(collected.parts, rows, seed, engine)
            engine.settle(made)
            return made, scans_of(learner, [(part,) for part in made], engine)
        kept = collected.parts[0].futures is not None
        if not kept and (self.persist is True or (self.persist == "auto" and fits)):
            self._keep(collected, engine)
        return collected.parts, scans

    def _here(self, *, callbacks: bool = True) -> Any:
        """The local estimator with these parameters and this fit."""
        estimator: Any = self
        params = estimator.get_params(deep=False)
        names = self._local._get_param_names()
        model = self._local(**{name: params[name] for name in names})
        vars(model).update(estimator._fitted_attributes())
        if callbacks and hasattr(self, "_skl_callbacks"):
            model._skl_callbacks = self._skl_callbacks
        return model

    @classmethod
    def from_local(cls, model: Any, **options: Any) -> Self:
        """The estimator on a cluster, with the parameters and the fit of a local one.

        Parameters
        ----------
        model : MLPClassifier or MLPRegressor
            Fitted or not. With ``warm_start=True`` `fit` goes on from it, and from a `Checkpoint` that was written by a
            fit on the same partitions, with the same `replicas`, as if that had not been cut short.

        **options : object
            ``client``, ``replicas``, ``mix`` and ``persist``.

        Returns
        -------
        model : DaskMLPClassifier or DaskMLPRegressor
            A new one.
        """
        if type(model) is not cls._local:
            raise TypeError(f"model must be a rustbp.{cls._local.__name__}; got {type(model)!r}.")
        made = cls(**model.get_params(deep=False), **options)
        vars(made).update(copy.deepcopy(model)._fitted_attributes())
        return made

    def to_local(self) -> Any:
        """The local estimator with these parameters and this fit.

        Returns
        -------
        model : MLPClassifier or MLPRegressor
            It predicts the same, can be saved, and goes on training with the optimizer's state.

        Raises
        ------
        NotFittedError
            If the model has not been fitted.
        """
        check_is_fitted(self)
        return copy.deepcopy(self._here(callbacks=False))

    def predict(self, X: Any) -> Any:
        """Predictions, made where the data is when somebody computes them.

        Parameters
        ----------
        X : dask Array, DataFrame or list of Delayed
            Rows. Those in this process are predicted for at once.

        Returns
        -------
        y : dask Array, Series or list of Delayed
            What the local class predicts, with the partitions and the index of X.
        """
        return self._lazily("predict", X)

    def _lazily(self, method: str, X: Any) -> Any:
        model = self.to_local().without_optimizer()
        if not is_collection(X):
            return getattr(model, method)(X)
        nameless = model._copy()
        vars(nameless).pop("feature_names_in_", None)
        dtype = model.coefs_[0].dtype
        empty = getattr(nameless, method)(np.zeros((1, model.n_features_in_), dtype))[:0]
        # Arrays have no names to compare.
        return lazily(nameless if hasattr(X, "numblocks") else model, method, X, empty)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Accuracy or R², of rows that stay where they are.

        Parameters
        ----------
        X, y, sample_weight : as in `fit`
            Rows, what is right for them, and weights.

        Returns
        -------
        score : float
            The local class's for the same rows, but for the last bits.
        """
        model = self.to_local().without_optimizer()
        if not is_collection(X):
            return model.score(X, y, sample_weight)
        if not is_classifier(model) and _quantiles.learnt(model) is not None:
            raise ValueError("D² of several quantiles is no sum over partitions; score a sample.")
        collected = Collected(self._local.__name__, X, y, sample_weight)
        with using(client_of(self), self.replicas) as engine:
            model.n_threads = engine.n_threads
            there = engine.submit(_same, model)
            sums = [
                engine.submit(_score_sums, there, part, partition=number)
                for number, part in enumerate(collected.parts)
            ]
            return total(engine.gather(sums))[0]

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()  # type: ignore[misc]
        state.pop("client_", None)
        return {**state, "client": None}

    def __sklearn_clone__(self) -> Any:
        estimator: Any = self
        params = estimator.get_params(deep=False)
        # A client is not copied.
        new = type(self)(
            **{name: clone(value, safe=False) for name, value in params.items() if name != "client"}
        )
        new.client = self.client
        if hasattr(self, "_skl_callbacks"):
            new._skl_callbacks = clone(self._skl_callbacks, safe=False)
        if hasattr(self, "_metadata_request"):
            new._metadata_request = copy.deepcopy(self._metadata_request)
        return new


def _same(value: Any) -> Any:
    return value


def _memory(client: Any) -> float:
    """Bytes that all workers may use."""
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    limits = [worker["memory_limit"] for worker in workers]
    return float(sum(limits)) if all(limits) else float("inf")


def _scanned(learner: Any, collected: Collected, engine: DaskEngine) -> tuple[list[Any], Any]:
    """What is in the partitions, and the first row of one."""
    if collected.targets is None or collected.rows_of_x is None:
        return scans_of(learner, [(part,) for part in collected.parts], engine), None
    kind = {
        "classifies": is_classifier(learner),
        "soft_targets": getattr(learner, "soft_targets", False),
    }
    scans = engine.gather(
        [
            engine.submit(scan, None, targets, **kind, partition=number)
            for number, targets in enumerate(collected.targets)
        ]
    )
    number = next((number for number, found in enumerate(scans) if found["rows"]), None)
    if number is None:
        return scans, None
    return scans, engine.gather([engine.submit(head, collected.rows_of_x[number])])[0]


def _score_sums(
    model: Any, X: Any, y: Any = None, sample_weight: Any = None, *, partition: int
) -> dict[str, Any]:
    with named(partition):
        X, y, sample_weight = parts(X, y, sample_weight)
        y = column(y)
        if not len(y):
            return {"weight": 0.0}
        weight = None if sample_weight is None else column(sample_weight)
        amount = float(len(y) if weight is None else weight.sum(dtype=np.float64))
        if not amount:
            return {"weight": 0.0}
        if is_classifier(model):
            return {"weight": amount, "right": model.score(X, y, weight) * amount}
        output = model.predict(X).reshape(len(y), -1)
        return {"weight": amount, **errors(y.reshape(len(y), -1), output, weight)}
