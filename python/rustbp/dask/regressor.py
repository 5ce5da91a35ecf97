"""The regressor on a Dask cluster."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

from rustbp._training.validation import Given
from rustbp._typing import (
    Activation,
    Compute,
    Init,
    LearningRate,
    RandomState,
    RegressionCost,
    RegressionOutput,
    Schedule,
    Scoring,
    Sizes,
    Solver,
    fit_context,
)
from rustbp.dask.estimators import CONSTRAINTS, OnDask
from rustbp.regressor import MLPRegressor


class DaskMLPRegressor(OnDask, MLPRegressor):
    """A multilayer perceptron that predicts numbers, trained on a Dask cluster, on partitions where they are.

    All parameters of `MLPRegressor`, which say the same: `batch_size` and `learning_rate_init` are what a local fit
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
    MLPRegressor : The local class, which `to_local` returns, and which has all other parameters and attributes.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **MLPRegressor._parameter_constraints,
        **CONSTRAINTS,
    }
    _local: ClassVar[Any] = MLPRegressor

    def __init__(
        self,
        loss: RegressionCost = "squared_error",
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
        init: Init = "glorot_uniform",
        n_threads: int | None = None,
        compute: Compute | None = None,
        output_activation: RegressionOutput | None = None,
        huber_delta: float = 1.0,
        quantile: float | Sequence[float] = 0.5,
        scoring: Scoring = None,
        dropout: float | Sequence[float] = 0.0,
        schedule: Schedule | None = None,
        warmup: float = 0.0,
        weight_decay: float = 0.0,
        max_grad_norm: float | None = None,
        max_time: float | None = None,
        client: Any = None,
        replicas: int = 8,
        mix: bool | Literal["auto"] = "auto",
        persist: bool | Literal["auto"] = "auto",
    ) -> None:
        super().__init__(
            loss=loss,
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
            init=init,
            n_threads=n_threads,
            compute=compute,
            output_activation=output_activation,
            huber_delta=huber_delta,
            quantile=quantile,
            scoring=scoring,
            dropout=dropout,
            schedule=schedule,
            warmup=warmup,
            weight_decay=weight_decay,
            max_grad_norm=max_grad_norm,
            max_time=max_time,
        )
        self.client = client
        self.replicas = replicas
        self.mix = mix
        self.persist = persist

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
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

        Returns
        -------
        self : object
            The estimator, trained for one more epoch.

        Raises
        ------
        ValueError
            As in `fit`.
        """
        return self._train_there(
            (X, y, sample_weight),
            incremental=True,
            validation=Given(X_val, y_val, sample_weight_val),
        )
