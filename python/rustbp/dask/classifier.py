"""The classifier on a Dask cluster."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from rustbp._training.validation import Given
from rustbp._typing import (
    Activation,
    ClassOutput,
    ClassWeight,
    Compute,
    Cost,
    Init,
    LearningRate,
    RandomState,
    Schedule,
    Scoring,
    Sizes,
    Solver,
    available_if,
    fit_context,
)
from rustbp.classifier import MLPClassifier
from rustbp.dask.estimators import CONSTRAINTS, OnDask


class DaskMLPClassifier(OnDask, MLPClassifier):
    """A multilayer perceptron that classifies, trained on a Dask cluster, on partitions where they are.

    All parameters of `MLPClassifier`, which say the same: `batch_size` and `learning_rate_init` are what a local fit
    would have, and each replica is given batches and steps that lead as far in as many epochs (`partition_spec_`).
    The result depends on the partitions, `replicas` and `random_state` only: not on workers, their threads or their
    number, nor on any that died meanwhile.

    Parameters
    ----------
    client : distributed.Client, default=None
        Where to train; None: the client of this moment. It is left out of pickles.

    replicas : int, default=8
        Networks that are trained side by side, each on its own neighbouring partitions, and averaged after each round
        of one partition each. As many as there are workers, or a few more: the result is not better for more.

    mix : bool or 'auto', default='auto'
        Whether to mix the rows of the partitions once, before training, each new partition from 16 old ones. 'auto': if
        their labels differ, as those of a sorted table do. Mixed rows are kept in the memory of the workers.

    persist : bool or 'auto', default='auto'
        Whether to keep the partitions in the memory of the workers, or to have them made anew in each epoch. 'auto': if
        they take up less than half of it.

    Attributes
    ----------
    client_ : distributed.Client
        Where it was trained.

    partition_spec_ : dict
        What the partitions made of the parameters: ``partitions``, ``rows``, ``replicas``, ``averages`` in an epoch,
        and a replica's ``batch_size`` and ``learning_rate_init``.

    See Also
    --------
    MLPClassifier : The local class, which `to_local` returns, and which has all other parameters and attributes.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MLPClassifier._parameter_constraints,
        **CONSTRAINTS,
    }
    _local: ClassVar[Any] = MLPClassifier

    def __init__(
        self,
        hidden_layer_sizes: Sizes = (100,),
        activation: Activation = "relu",
        *,
        solver: Solver = "adam",
        alpha: float = 0.0001,
        batch_size: int | Literal["auto"] = "auto",
        learning_rate: LearningRate = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: RandomState = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        loss: Cost = "log_loss",
        output_activation: ClassOutput | None = None,
        init: Init = "glorot_uniform",
        n_threads: int | None = None,
        compute: Compute | None = None,
        soft_targets: bool = False,
        class_weight: ClassWeight = None,
        scoring: Scoring = None,
        dropout: float | Sequence[float] = 0.0,
        schedule: Schedule | None = None,
        warmup: float = 0.0,
        weight_decay: float = 0.0,
        max_grad_norm: float | None = None,
        label_smoothing: float = 0.0,
        max_time: float | None = None,
        client: Any = None,
        replicas: int = 8,
        mix: bool | Literal["auto"] = "auto",
        persist: bool | Literal["auto"] = "auto",
    ) -> None:
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
            loss=loss,
            output_activation=output_activation,
            init=init,
            n_threads=n_threads,
            compute=compute,
            soft_targets=soft_targets,
            class_weight=class_weight,
            scoring=scoring,
            dropout=dropout,
            schedule=schedule,
            warmup=warmup,
            weight_decay=weight_decay,
            max_grad_norm=max_grad_norm,
            label_smoothing=label_smoothing,
            max_time=max_time,
        )
        self.client = client
        self.replicas = replicas
        self.mix = mix
        self.persist = persist

    def predict_proba(self, X: Any) -> Any:
        """Probability of each class, made where the data is when somebody computes it.

        Parameters
        ----------
        X : dask Array, DataFrame or list of Delayed
            Rows.

        Returns
        -------
        probability : dask Array, DataFrame or list of Delayed
            Columns in the order of `classes_`.
        """
        return self._lazily("predict_proba", X)

    def predict_log_proba(self, X: Any) -> Any:
        """Natural logarithm of `predict_proba`, made where the data is.

        Parameters
        ----------
        X : dask Array, DataFrame or list of Delayed
            Rows.

        Returns
        -------
        log_probability : dask Array, DataFrame or list of Delayed
            Columns in the order of `classes_`.
        """
        return self._lazily("predict_log_proba", X)

    @available_if(lambda est: est._check_solver())
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        classes: ArrayLike | None = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Train one epoch on this collection, going on from the present weights and optimizer state.

        Parameters
        ----------
        X, y, sample_weight, X_val, y_val, sample_weight_val : as in `fit`
            Rows of Dask.

        classes : array-like, default=None
            Every label that will ever occur; None in the first call: those of `y`.

        Returns
        -------
        self : object
            The estimator, trained for one more epoch.

        Raises
        ------
        ValueError
            For labels that are not in `classes`, ``class_weight='balanced'``, and as in `fit`.
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                "partial_fit takes no class_weight='balanced', as it does not know the labels of later calls: pass a "
                "dict."
            )
        known = getattr(self, "classes_", None)
        if (
            known is not None
            and classes is not None
            and not np.array_equal(known, np.unique(classes))
        ):
            raise ValueError(f"classes={classes!r} is not the same as on last call, {known!r}.")
        return self._train_there(
            (X, y, sample_weight),
            incremental=True,
            classes=classes if known is None else None,
            validation=Given(X_val, y_val, sample_weight_val),
        )
