"""The regressor."""

from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils._param_validation import Interval, StrOptions

from rustbp import _arrays, _inputs, _quantiles
from rustbp._base import BaseMultilayerPerceptron
from rustbp._hints import about_targets
from rustbp._io.registry import registered
from rustbp._predictions import NumberPredictions
from rustbp._training.network import check_cost
from rustbp._training.validation import Given
from rustbp._typing import (
    Activation,
    ChunksLike,
    Compute,
    Init,
    LearningRate,
    MatrixLike,
    RandomState,
    RegressionCost,
    RegressionOutput,
    Schedule,
    Scoring,
    Sizes,
    Solver,
    fit_context,
)


@registered
class MLPRegressor(NumberPredictions):
    r"""A multilayer perceptron that predicts numbers, trained by backpropagation.

    Takes the place of ``sklearn.neural_network.MLPRegressor``: the same parameters, and for the same `random_state`
    the same model. What little differs is in ``docs/differences.md``. Parameters from `init` on are additions.

    Parameters
    ----------
    loss : {'squared_error', 'absolute_error', 'huber', 'quantile', 'poisson', 'gamma'}, default='squared_error'
        Cost of a row, the sum over its outputs of: half the squared error; the absolute error; half the squared error
        near 0 and the absolute error far out, see `huber_delta`; the pinball loss, see `quantile`; half the Poisson
        deviance, for which targets are not negative; half the gamma deviance, for which they are positive.

    hidden_layer_sizes : int or array-like of int, default=(100,)
        Neurons of each hidden layer. Without any, `()`, the model is linear regression.

    activation : str or list of str, default='relu'
        Activation of the hidden neurons, or of each hidden layer in turn: 'identity', 'logistic', 'tanh', 'relu',
        'elu', 'selu', 'leaky_relu', 'softplus', 'gelu', 'silu', 'mish'. Those that scikit-learn does not have are
        PyTorch's with its defaults; 'softplus' has no threshold, and 'gelu' is the exact one.

    solver : {'lbfgs', 'sgd', 'adam'}, default='adam'
        'sgd' is stochastic gradient descent, plain or with momentum; 'adam' is by Kingma and Ba [3]_;
        'lbfgs' is SciPy's quasi-Newton method on all rows at once.

    alpha : float, default=0.0001
        Strength of the L2 penalty: ``alpha / 2`` times the sum of squared weights, without biases,
        divided by the number (or total weight) of the rows of a batch.

    batch_size : int or 'auto', default='auto'
        Rows of a mini-batch; 'auto' is ``min(200, n_samples)``. Not used by 'lbfgs'.

    learning_rate : {'constant', 'invscaling', 'adaptive'}, default='constant'
        Schedule of the step size of 'sgd': as it is; ``learning_rate_init / (t_ + 1) ** power_t`` after
        each epoch; or divided by 5 each time training has stopped improving, until it is 1e-6.

    learning_rate_init : float, default=0.001
        Step size at the start. Not used by 'lbfgs'.

    power_t : float, default=0.5
        Exponent of the schedule 'invscaling'.

    max_iter : int, default=200
        Most epochs (for 'lbfgs': iterations) to train.

    shuffle : bool, default=True
        Whether to put the rows in a new random order before each epoch.

    random_state : int, RandomState instance or None, default=None
        Source of the initial weights, the split for early stopping and the order of rows. An int gives
        the same result each time, and the same draws as scikit-learn.

    tol : float, default=1e-4
        Training stops when the loss, or the validation score, has not improved by `tol` for
        `n_iter_no_change` epochs. For 'lbfgs', the largest gradient component to stop at.

    verbose : bool or int, default=False
        Whether to print the loss of each epoch, or iteration of 'lbfgs', and the score of validation rows. As in
        scikit-learn, all numbers above 0 print the same; `TrainingMonitor` tells the time that is left.

    warm_start : bool, default=False
        Whether `fit` goes on from the present weights.

    momentum : float, default=0.9
        Momentum of 'sgd', from 0 to 1.

    nesterovs_momentum : bool, default=True
        Whether the momentum of 'sgd' is Nesterov's.

    early_stopping : bool, default=False
        Whether to hold out `validation_fraction` of the rows, stop by R² on them (see `scoring`), and keep the
        weights that scored best. With `X_val` given to `fit` no rows are held out. Not used by 'lbfgs'.

    validation_fraction : float, default=0.1
        Fraction of rows to hold out if `early_stopping`.

    beta_1, beta_2 : float, default=0.9, 0.999
        Decay rates of Adam's first and second moments, in [0, 1).

    epsilon : float, default=1e-8
        Added to the denominator of Adam's step.

    n_iter_no_change : int or inf, default=10
        Epochs without improvement to put up with.

    max_fun : int, default=15000
        Most evaluations of the loss by 'lbfgs'.

    init : {'glorot_uniform', 'glorot_normal', 'he_uniform', 'he_normal', 'lecun_normal', 'normal'}
        Distribution of the initial weights. The default, 'glorot_uniform', is scikit-learn's. He's [2]_ suit 'relu'.
        'normal' and 'lecun_normal' draw the biases from a standard normal distribution, the others of
        these start them at zero.

    n_threads : int or None, default=None
        Threads of the core; None is ``rustbp.get_num_threads()``. Results do not depend on it.

    compute : {None, 'bfloat16'}, default=None
        What the matrix products of training multiply. None: numbers of the type of X. 'bfloat16': numbers
        rounded to 8 significant bits, while sums, weights, activations and updates stay float32; this is
        faster where layers are wide: half as fast again on AMD's processors, two to three times as fast on Intel's
        with AMX. It needs float32 data, a processor with AVX512-BF16, and another solver than 'lbfgs'; else `fit`
        and `partial_fit` raise
        ValueError. Sparse rows are multiplied in float32, and so is all that `predict` does.

    output_activation : {None, 'identity', 'logistic', 'tanh', 'exp', 'softplus'}, default=None
        Activation of the output neurons. None: 'exp' with 'poisson' and 'gamma', which take 'softplus' too; else
        'identity'.

    huber_delta : float, default=1.0
        Error up to which 'huber' [5]_ is half its square; beyond it is ``huber_delta * (error - huber_delta / 2)``.

    quantile : float or list of float, default=0.5
        Quantile that 'quantile' [7]_ predicts, above 0 and below 1. With a list, y has one number for each row, and the
        model an output for each quantile: an interval of 90 % is ``quantile=[0.05, 0.95]``.

    scoring : str, callable or None, default=None
        What validation rows are scored by, the more the better. None: accuracy of a classifier, R² of a regressor.
        'loss': minus the mean loss, in one forward pass. Else the name of a scorer of scikit-learn, or a callable
        ``scoring(estimator, X, y)`` that returns a number; it is given `sample_weight` as well if there is one.

    dropout : float or list of float, default=0.0
        Share of the neurons of each hidden layer, or of each in turn, that an update does without [6]_, from 0 up to
        but not 1. Each row has its own, drawn anew each time; the activations of the others are divided by the share
        that is left. Predictions, scores and the losses of validation drop nothing. Not with 'lbfgs'.

    schedule : {None, 'cosine', 'linear', 'one_cycle', 'exponential', 'plateau'} or callable, default=None
        Factor on `learning_rate_init` for each mini-batch. All but 'plateau' go by progress, the share of the updates
        of `max_iter` epochs that have been made: 'cosine' and 'linear' fall from 1 to 0, 'exponential' to 0.01;
        'one_cycle' rises from 1/25 to 1, until progress is 0.3, and falls to 4e-6 (Smith and Topin 2019). A callable
        is given progress, from 0 to 1, and returns the factor. 'plateau' divides the step by 5 each time training has
        stopped improving, until it is 1e-6. Training may stop before a schedule has ended: `n_iter_no_change` of inf
        lets it run. `partial_fit` counts progress over `max_iter` epochs of as many mini-batches as its call has,
        from the updates made so far, and stays at 1. Not with 'lbfgs', nor with a `learning_rate` but 'constant'.

    warmup : float, default=0.0
        Share of all updates, from 0 up to 1, in which the step rises linearly from 0; `schedule` has the rest.

    weight_decay : float, default=0.0
        Decoupled weight decay (Loshchilov and Hutter 2019; AdamW with 'adam'): before each step the weights, but not
        the biases, are multiplied by 1 - step size * `weight_decay`. Not in the loss, as `alpha` is. Not with 'lbfgs'.

    max_grad_norm : float or None, default=None
        Gradients whose Euclidean norm, over all weights and biases and with the penalty, is larger are scaled down
        to it. Not with 'lbfgs'.

    max_time : float or None, default=None
        Seconds of training after which `fit` ends, with the mini-batch (or iteration) that it is in, and warns. A last
        epoch that is cut short counts as the others. Not used by `partial_fit`.

    Attributes
    ----------
    coefs_ : list of ndarray
        Weights; ``coefs_[l]`` has shape (fan_in, fan_out). They may be written or replaced: what they
        hold predicts, and is what `partial_fit` goes on from.

    intercepts_ : list of ndarray
        Biases; ``intercepts_[l]`` has shape (fan_out,).

    loss_ : float
        Loss of the last epoch: mean cost of a row (of its outputs, for 'squared_error'), as the weights were
        before each update, and the penalty.

    loss_curve_ : list of float
        Loss of each epoch. Not with 'lbfgs'.

    learning_rate_curve_ : list of float
        Step size that each epoch began with, before Adam's correction of its bias. Not with 'lbfgs'.

    best_loss_ : float or None
        Least loss so far; None if `early_stopping`. Not with 'lbfgs'.

    validation_scores_ : list of float or None
        R², or what `scoring` says, on the validation rows, which are `X_val` or those held out, after each epoch;
        None where there are none.

    best_validation_score_ : float or None
        The best of them.

    validation_loss_curve_ : list of float
        Mean cost of the validation rows after each epoch, without the penalty. Only where there are such rows.

    best_epoch_ : int
        The epoch whose weights were kept, counted from 1 in `loss_curve_`: the best with `early_stopping`, else
        the last. 0 are the first weights. Not with 'lbfgs'.

    n_iter_ : int
        Epochs or iterations of the last fit.

    t_ : int
        Rows seen in training, counted each time.

    n_features_in_ : int
        Columns of X in `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, if all are strings.

    n_layers_ : int
        Layers, input and output included.

    n_outputs_ : int
        Output neurons.

    out_activation_ : str
        Activation of the output neurons.

    See Also
    --------
    MLPClassifier : The same for labels.

    References
    ----------
    .. [1] Glorot and Bengio (2010), "Understanding the difficulty of training deep feedforward neural
           networks".
    .. [2] He, Zhang, Ren and Sun (2015), "Delving deep into rectifiers", arXiv:1502.01852.
    .. [3] Kingma and Ba (2015), "Adam: a method for stochastic optimization", arXiv:1412.6980.
    .. [4] Nielsen (2015), "Neural networks and deep learning".
    .. [5] Huber (1964), "Robust estimation of a location parameter".
    .. [6] Srivastava et al. (2014), "Dropout: a simple way to prevent neural networks from overfitting".
    .. [7] Koenker and Bassett (1978), "Regression quantiles".

    Examples
    --------
    >>> import numpy as np
    >>> from rustbp import MLPRegressor
    >>> X = np.linspace(-1, 1, 200).reshape(-1, 1)
    >>> model = MLPRegressor(solver="lbfgs", random_state=0).fit(X, np.sin(3 * X[:, 0]))
    >>> bool(model.score(X, np.sin(3 * X[:, 0])) > 0.99)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMultilayerPerceptron._parameter_constraints,
        "loss": [StrOptions(set(get_args(RegressionCost)))],
        "output_activation": [None, StrOptions(set(get_args(RegressionOutput)))],
        "huber_delta": [Interval(Real, 0, None, closed="neither")],
        "quantile": [Interval(Real, 0, 1, closed="neither"), list, tuple, np.ndarray],
    }

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
    ) -> None:
        self.loss = loss
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.init = init
        self.n_threads = n_threads
        self.compute = compute
        self.output_activation = output_activation
        self.huber_delta = huber_delta
        self.quantile = quantile
        self.scoring = scoring
        self.dropout = dropout
        self.schedule = schedule
        self.warmup = warmup
        self.weight_decay = weight_decay
        self.max_grad_norm = max_grad_norm
        self.max_time = max_time

    def _encode(self, X: Any, y: Any, *, incremental: bool, reset: bool) -> tuple[Any, Any]:
        X, y = _inputs.rows_and_targets(self, X, y, reset=reset, y_numeric=True)
        y = _arrays.column(_arrays.dense(y))
        if y.dtype.kind not in "biuf":
            # Not numbers: let NumPy say so, in the words that scikit-learn's users know.
            with about_targets(y):
                (np.divide if self.loss == "poisson" else np.subtract)(y[:1], np.ones(1, X.dtype))
        if self.loss == "poisson" and y.min() < 0:
            raise ValueError(
                "Some value(s) of y are negative, which loss='poisson' does not allow."
            )
        if self.loss == "gamma" and y.min() <= 0:
            raise ValueError("loss='gamma' requires strictly positive y.")
        y = y.reshape(len(y), -1)
        quantiles = _quantiles.of(self)
        y = _quantiles.repeat(quantiles, y)
        if not reset:
            _quantiles.check_number(self, quantiles)
        self._learnt_quantiles = quantiles
        self.n_outputs_: int = y.shape[1]
        if reset:
            usual = "exp" if self.loss in ("poisson", "gamma") else "identity"
            self.out_activation_: str = self.output_activation or usual
            self._learnt_output = self.out_activation_
        check_cost(self, self.out_activation_)
        return X, y

    # Also there with solver="lbfgs", as in scikit-learn: then a call minimises from the present weights.
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: MatrixLike | ChunksLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: MatrixLike | ChunksLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Train one epoch on these rows, going on from the present weights and optimizer state.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features), or chunks
            Training rows. Chunks, without `y`, are passed over once, each row trained on once, as in an epoch of `fit`.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Targets.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the cost.

        X_val, y_val, sample_weight_val : array-like, default=None
            As in `fit`; score and loss of these rows are recorded.

        Returns
        -------
        self : object
            The estimator, trained for one more epoch.

        Raises
        ------
        ValueError
            As in `fit`.
        """
        validation = Given(X_val, y_val, sample_weight_val)
        if y is None and _inputs.are_chunks(X):
            return self._pass_over(X, sample_weight, validation)
        return self._train(
            self._copy(), X, y, sample_weight, incremental=True, validation=validation
        )
