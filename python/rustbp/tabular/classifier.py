"""The classifier of tables."""

from numbers import Real
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length

from rustbp._io.registry import registered
from rustbp._typing import ClassWeight, RandomState, Scoring, Sizes
from rustbp.classifier import MLPClassifier
from rustbp.tabular import columns
from rustbp.tabular.ensemble import BaseTabularMLP, Targets
from rustbp.tabular.weights import of_unit_size

LOG_LOSS = "neg_log_loss"


@registered
class TabularMLPClassifier(ClassifierMixin, BaseTabularMLP):
    """Classifies tables as they come, with defaults that were chosen on many tables.

    Takes a pandas or polars frame, an Arrow table or an array, with missing values, booleans, categories and text.
    `TabularEncoder` turns it into inputs; an ensemble of small nets learns from them, by a recipe that is in large
    parts that of RealMLP [1]_: each member trains on seven eighths of the rows and keeps the epoch that does best on
    the last eighth, and their mean predicts.

    Parameters
    ----------
    n_ensemble : int, default=5
        Members, each a net of its own, that is judged on an eighth of the rows of its own. Time is proportional to it.
        Five have about 6 % less error than one. One is for a first look.

    hidden_layer_sizes : int or array-like of int, default=(128, 128)
        Neurons of each hidden layer of a member. With 3,000 rows neither wider nets nor a third layer made fewer
        errors. Twice as wide takes two to three times as long, and may pay off for tables of tens of thousands of rows.

    n_epochs : int, default=56
        Epochs of each member. The best one is kept, so that more cost time, but do little harm; with few rows more
        of them help at times. A member stops after the third of four cycles (`learning_rate_init`), 30 of 56 epochs,
        if its loss on held-out rows is then 3 % above that after the first or the second: errors were the same.

    batch_size : int, default=256
        Rows of a mini-batch.

    learning_rate_init : float, default=0.09
        Largest step size of Adam, which `coslog4` multiplies: four cycles from 0 to 1 and back, each twice as long as
        the one before. The last eighth of them all, where steps are small, is left out. The weights of a layer with d
        inputs take 1 / sqrt(d) of it, biases a tenth. RealMLP's is 0.04; 0.12 made 1 % more errors than 0.09.

    dropout : float, default=0.15
        Share of the neurons of each hidden layer that an update does without. It is RealMLP's; letting it fade, as
        there, changed nothing that could be measured.

    weight_decay : float, default=0.02
        Decoupled weight decay of the weights. For half of the updates it is this, and then falls to 0 along a cosine.

    label_smoothing : float, default=0.1
        Share of each target that is spread evenly over the classes in training: a tenth makes log losses smaller by an
        eighth, where the best epoch is chosen by accuracy. Not used with ``scoring='neg_log_loss'``.

    n_bins : int or 'auto', default='auto'
        Inputs of the piecewise linear encoding of each number, which helps small nets with thresholds; 0 for none.
        'auto': 12, up to 48 with many rows and down to 2 with many columns of numbers, see `TabularEncoder`.

    categorical_features : 'from_dtype', array-like of bool, int or str, or None, default='from_dtype'
        Which columns are categories: a mask, positions, or names. 'from_dtype': those whose dtype says so, and text.
        See `TabularEncoder`.

    class_weight : dict, 'balanced' or None, default=None
        Weights of the classes, as ``{label: weight}`` with 1 for those that are not named, by which the cost of a row
        is multiplied in training; not so scores. 'balanced' weighs each class by the inverse of its frequency in `y`,
        in which rows count as often as they weigh.

    scoring : str, callable or None, default=None
        What the best epoch is chosen by, the more the better; the last one of ties. None: accuracy. 'loss': minus the
        loss that is trained, which tells epochs apart by fewer rows: with it a single member made 2 % fewer errors, and
        log losses were 1 % (of five members) to 4 % (of one) smaller; but not so errors on every table.
        'neg_log_loss': minus the log loss, and the members learn without `label_smoothing`; for probabilities that are
        to be believed. Else the name of a scorer of scikit-learn, or a callable ``scoring(estimator, X, y)``, which is
        given a member and encoded rows.

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
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted.

    members_ : list of MLPClassifier
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
    TabularMLPRegressor : The same for numbers.
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
    >>> from rustbp import TabularMLPClassifier
    >>> table = pd.DataFrame({"size": range(60), "colour": ["red", "blue", None] * 20})
    >>> grade = ["low"] * 30 + ["high"] * 30
    >>> model = TabularMLPClassifier(random_state=0).fit(table, grade)
    >>> model.predict(pd.DataFrame({"colour": ["green", "red"], "size": [3, 55]})).tolist()
    ['low', 'high']
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseTabularMLP._parameter_constraints,
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "class_weight": [None, dict, StrOptions({"balanced"})],
    }

    _kind = MLPClassifier

    classes_: NDArray[Any]
    members_: list[MLPClassifier]

    def __init__(
        self,
        n_ensemble: int = 5,
        hidden_layer_sizes: Sizes = (128, 128),
        *,
        n_epochs: int = 56,
        batch_size: int = 256,
        learning_rate_init: float = 0.09,
        dropout: float = 0.15,
        weight_decay: float = 0.02,
        label_smoothing: float = 0.1,
        n_bins: int | Literal["auto"] = "auto",
        categorical_features: Any = "from_dtype",
        class_weight: ClassWeight = None,
        scoring: Scoring = None,
        n_threads: int | None = None,
        max_time: float | None = None,
        random_state: RandomState = None,
        verbose: bool | int = False,
    ) -> None:
        self.n_ensemble = n_ensemble
        self.hidden_layer_sizes = hidden_layer_sizes
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.label_smoothing = label_smoothing
        self.n_bins: int | Literal["auto"] = n_bins
        self.categorical_features = categorical_features
        self.class_weight = class_weight
        self.scoring = scoring
        self.n_threads = n_threads
        self.max_time = max_time
        self.random_state = random_state
        self.verbose = verbose

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probability of each class: the mean of the members'.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            Rows with the columns of `fit`; those of a frame may come in another order.

        Returns
        -------
        probability : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        probability = np.mean(self._outputs(X), axis=0, dtype=np.float64)
        # Sums of float32 are 1 but for their rounding.
        return probability / probability.sum(axis=1, keepdims=True)

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Natural logarithm of `predict_proba`.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            Rows with the columns of `fit`.

        Returns
        -------
        log_probability : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        return np.log(self.predict_proba(X))

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            Rows with the columns of `fit`; those of a frame may come in another order.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            Labels, in the dtype of `classes_`.
        """
        probability = self.predict_proba(X)
        return self.classes_[probability.argmax(axis=1)]

    def score(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Share of the rows whose class is right.

        Parameters
        ----------
        X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
            Rows to classify.

        y : array-like of shape (n_samples,)
            Class labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row.

        Returns
        -------
        accuracy : float
            From 0 to 1.
        """
        return super().score(X, y, sample_weight)

    def _targets(self, y: Any, n_rows: int, weight: Any) -> Targets:
        y = _labels(y)
        check_consistent_length(np.empty(n_rows), y)
        try:
            check_classification_targets(y)
        except ValueError as error:
            if "ontinuous" not in str(error):
                raise
            raise ValueError(f"{error} For numbers there is TabularMLPRegressor.") from None
        # As text where they are, whatever holds it: model files hold no objects.
        classes = LabelBinarizer().fit(y).classes_
        codes = np.searchsorted(classes, y)
        return Targets(codes, codes, {"classes_": classes})

    def _more_targets(self, y: Any, fitted: dict[str, Any]) -> NDArray[Any]:
        y, classes = _labels(y), fitted["classes_"]
        others = np.setdiff1d(y, classes)
        if len(others):
            raise ValueError(f"y has classes that y of the fit has not: {others}.")
        return np.searchsorted(classes, y)

    def _for_scorers(self, y: NDArray[Any], fitted: dict[str, Any]) -> NDArray[Any]:
        return fitted["classes_"][y]

    def _training_weight(self, targets: Targets, sample_weight: Any) -> Any:
        if self.class_weight is None:
            return sample_weight
        classes = targets.fitted["classes_"]
        if self.class_weight == "balanced":
            # By weight: a row of weight 2 is two rows, and one of weight 0 is none.
            mass = np.bincount(targets.y, weights=sample_weight, minlength=len(classes))
            # What no row of any weight has needs no weight.
            of_each = mass.sum() / (len(classes) * np.where(mass > 0, mass, np.inf))
        else:
            of_each = compute_class_weight(self.class_weight, classes=classes, y=classes)
        if not (of_each >= 0).all() or np.isinf(of_each).any():
            raise ValueError(
                f"Weights of classes must be finite and not negative. Got class_weight={self.class_weight!r}."
            )
        weights = of_unit_size(of_each)[targets.y]
        return weights if sample_weight is None else of_unit_size(weights * sample_weight)

    def _member(self, targets: Targets, seed: int) -> MLPClassifier:
        by_loss = self.scoring in ("loss", LOG_LOSS)
        model = MLPClassifier(
            output_activation="softmax",
            # Smoothing would have the members say less than they know.
            label_smoothing=0.0 if self.scoring == LOG_LOSS else self.label_smoothing,
            scoring="loss" if by_loss else self.scoring,
            random_state=seed,
        )
        model.classes_ = targets.fitted["classes_"]
        model._label_binarizer = LabelBinarizer().fit(model.classes_)
        model.out_activation_ = "softmax"
        model.n_outputs_ = len(model.classes_)
        return model

    def _restore(self, stored: dict[str, Any], members: list[Any]) -> None:
        super()._restore(stored, members)
        self.classes_ = members[0].classes_
        for member in members:
            same = member.classes_.dtype == self.classes_.dtype and np.array_equal(
                member.classes_, self.classes_
            )
            if not same or member.n_outputs_ != len(self.classes_):
                raise ValueError("its members do not know the same classes")


def _labels(y: Any) -> NDArray[Any]:
    """Labels as a vector, of which none is missing."""
    y = column_or_1d(y, warn=True)
    if y.dtype.kind == "f":
        missing = ~np.isfinite(y)
    else:
        labels = y.tolist() if y.dtype.kind == "O" else []
        missing = np.array([columns.is_missing(label) for label in labels], dtype=bool)
    if missing.any():
        raise ValueError(
            f"Input y contains NaN, None or infinity, in row {int(missing.argmax())}: each row needs a label."
        )
    if y.dtype.kind == "O":
        kinds = sorted({type(label).__name__ for label in labels})
        # scikit-learn's metrics take no other objects.
        if not all(isinstance(label, str) for label in labels):
            raise ValueError(
                f"Unknown label type: y is of dtype object, and holds {' and '.join(kinds)}. Labels must be uniformly "
                "strings, integers or booleans: convert them, for example with y.astype(str) or y.astype(int)."
            )
    return y
