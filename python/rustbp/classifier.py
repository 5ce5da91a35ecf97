"""The classifier."""

from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar, Literal, Self

from numpy.typing import ArrayLike
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target

from rustbp import _arrays, _inputs, _labels, _missing
from rustbp._base import BaseMultilayerPerceptron
from rustbp._io.registry import registered
from rustbp._predictions import ClassPredictions
from rustbp._training.validation import Given
from rustbp._typing import (
    Activation,
    ChunksLike,
    ClassOutput,
    ClassWeight,
    Compute,
    Cost,
    Init,
    LearningRate,
    MatrixLike,
    RandomState,
    Schedule,
    Scoring,
    Sizes,
    Solver,
    available_if,
    fit_context,
)


@registered
class MLPClassifier(ClassPredictions):
    r"""A multilayer perceptron that classifies, trained by backpropagation.

    Takes the place of ``sklearn.neural_network.MLPClassifier``: the same parameters, and for the same `random_state`
    the same model. What little differs is in ``docs/differences.md``. Parameters from `loss` on are additions.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Neurons of each hidden layer. Without any, `()`, the model is logistic regression.

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
        Whether to hold out `validation_fraction` of the rows, stop by the accuracy on them (see `scoring`), and
        keep the weights that scored best. With `X_val` given to `fit` no rows are held out. Not used by 'lbfgs'.

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

    loss : {'log_loss', 'squared_error'}, default='log_loss'
        Cost of a row: cross-entropy, or the quadratic cost 1/2 \|a - y\|^2 of [4]_, chapter 1.

    output_activation : {None, 'softmax', 'logistic'}, default=None
        Activation of the output neurons. None: 'softmax' for three or more classes with 'log_loss',
        else 'logistic'. 'logistic' with three or more classes trains one neuron per class by itself;
        probabilities are then the outputs divided by their sum. 'softmax' with two classes has two
        neurons instead of one.

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

    soft_targets : bool, default=False
        Whether `y` holds a distribution over the classes for each row instead of labels: what several people
        said, or what another model thinks [5]_. Rows sum to 1; what rounding has left of that is divided out.
        With loss='log_loss' alone. The outputs are those of 'softmax', also for two classes. Column j of `y`
        stands for ``classes_[j]``, which is j itself unless `partial_fit` is given `classes`. `predict` and
        `score` take the most probable class.

    class_weight : dict, list of dict, 'balanced' or None, default=None
        Weights of the classes, as ``{label: weight}``, by which the cost of a row is multiplied in training; not
        so scores and validation losses. 'balanced' weighs each class by the inverse of its frequency in `y`. They
        are scikit-learn's ``compute_sample_weight(class_weight, y)``, times `sample_weight`. With several labels
        per row: 'balanced', or a list of one dict for each label, ``{0: weight, 1: weight}``, whose weights are
        multiplied. `partial_fit` takes no 'balanced'. Not with `soft_targets`.

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

    label_smoothing : float, default=0.0
        Share of each target that is spread evenly over the classes in training [7]_, from 0 up to but not 1; with
        'logistic' outputs, over the two answers of each.

    max_time : float or None, default=None
        Seconds of training after which `fit` ends, with the mini-batch (or iteration) that it is in, and warns. A last
        epoch that is cut short counts as the others. Not used by `partial_fit`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted.

    coefs_ : list of ndarray
        Weights; ``coefs_[l]`` has shape (fan_in, fan_out). They may be written or replaced: what they
        hold predicts, and is what `partial_fit` goes on from.

    intercepts_ : list of ndarray
        Biases; ``intercepts_[l]`` has shape (fan_out,).

    loss_ : float
        Loss of the last epoch: mean cost of a row, as the weights were before each update, and the penalty.

    loss_curve_ : list of float
        Loss of each epoch. Not with 'lbfgs'.

    learning_rate_curve_ : list of float
        Step size that each epoch began with, before Adam's correction of its bias. Not with 'lbfgs'.

    best_loss_ : float or None
        Least loss so far; None if `early_stopping`. Not with 'lbfgs'.

    validation_scores_ : list of float or None
        Accuracy, or what `scoring` says, on the validation rows, which are `X_val` or those held out, after each
        epoch; None where there are none.

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
    MLPRegressor : The same for numbers.

    References
    ----------
    .. [1] Glorot and Bengio (2010), "Understanding the difficulty of training deep feedforward neural
           networks".
    .. [2] He, Zhang, Ren and Sun (2015), "Delving deep into rectifiers", arXiv:1502.01852.
    .. [3] Kingma and Ba (2015), "Adam: a method for stochastic optimization", arXiv:1412.6980.
    .. [4] Nielsen (2015), "Neural networks and deep learning".
    .. [5] Hinton, Vinyals and Dean (2015), "Distilling the knowledge in a neural network", arXiv:1503.02531.
    .. [6] Srivastava et al. (2014), "Dropout: a simple way to prevent neural networks from overfitting".
    .. [7] Szegedy et al. (2016), "Rethinking the Inception architecture for computer vision", section 7.

    Examples
    --------
    >>> from rustbp import MLPClassifier
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> model = MLPClassifier(learning_rate_init=0.01, tol=0.001, random_state=0)
    >>> model.fit(X[:1500] / 16, y[:1500])
    MLPClassifier(learning_rate_init=0.01, random_state=0, tol=0.001)
    >>> bool(model.score(X[1500:] / 16, y[1500:]) > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseMultilayerPerceptron._parameter_constraints,
        "loss": [StrOptions({"log_loss", "squared_error"})],
        "output_activation": [None, StrOptions({"softmax", "logistic"})],
        "soft_targets": ["boolean"],
        "class_weight": [None, dict, list, StrOptions({"balanced"})],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
    }

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
    ) -> None:
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
        self.loss = loss
        self.output_activation = output_activation
        self.init = init
        self.n_threads = n_threads
        self.compute = compute
        self.soft_targets = soft_targets
        self.class_weight = class_weight
        self.scoring = scoring
        self.dropout = dropout
        self.schedule = schedule
        self.warmup = warmup
        self.weight_decay = weight_decay
        self.max_grad_norm = max_grad_norm
        self.label_smoothing = label_smoothing
        self.max_time = max_time

    def _encode(self, X: Any, y: Any, *, incremental: bool, reset: bool) -> tuple[Any, Any]:
        X, y = _inputs.rows_and_targets(self, X, y, reset=reset)
        return X, _labels.encode(self, y, incremental=incremental, reset=reset)

    def _training_weight(self, y: Any, sample_weight: Any, *, incremental: bool) -> Any:
        if self.class_weight is None:
            return sample_weight
        weights = _labels.class_weights(self, y, incremental=incremental)
        return weights if sample_weight is None else weights * sample_weight

    @available_if(lambda est: est._check_solver())
    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: MatrixLike | ChunksLike,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        classes: ArrayLike | None = None,
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

        y : array-like of shape (n_samples,) or (n_samples, n_labels), default=None
            Class labels; with `soft_targets`, distributions over the classes.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the cost.

        classes : array-like of shape (n_classes,), default=None
            Every label that will ever occur. The first call needs it, but for chunks, whose labels are looked for;
            later calls may leave it out. `y` need not contain all of them. With `soft_targets` it names the columns of
            `y`, which are else 0, 1, ...

        X_val, y_val, sample_weight_val : array-like, default=None
            As in `fit`; score and loss of these rows are recorded.

        Returns
        -------
        self : object
            The estimator, trained for one more epoch.

        Raises
        ------
        ValueError
            If `classes` is missing in the first call or differs from it later, if `y` has other labels, for
            ``class_weight='balanced'``, and as in `fit`.
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight '{self.class_weight}' is not supported for partial_fit. In order to use 'balanced' "
                f"weights, use compute_class_weight('{self.class_weight}', classes=classes, y=y). In place of y you "
                "can use a large enough sample of the full training set target to properly estimate the class "
                "frequency distributions. Pass the resulting weights as the class_weight parameter."
            )
        validation = Given(X_val, y_val, sample_weight_val)
        if y is None and _inputs.are_chunks(X):
            return self._pass_over(X, sample_weight, validation, classes)
        model = _missing.complete(self._copy())
        if self.soft_targets and not hasattr(model, "classes_"):
            classes = _labels.columns(y, classes)
        if _check_partial_fit_first_call(model, classes):
            y = _arrays.native(y)
            multilabel = not self.soft_targets and type_of_target(y).startswith("multilabel")
            model._label_binarizer = LabelBinarizer().fit(y if multilabel else classes)
        return self._train(model, X, y, sample_weight, incremental=True, validation=validation)
