"""Training, drawn over its epochs."""

from typing import Any, Self

import numpy as np
from sklearn.base import clone

from rustbp.display._base import (
    Display,
    free_place,
    layer_colors,
    require_fitted,
    require_matplotlib,
    whole_numbers,
)
from rustbp.history import TrainingHistory, record_fit, usual_score_of
from rustbp.inspection import require_perceptron


class TrainingCurveDisplay(Display):
    """Loss and score over the epochs of training, for training and validation rows, and the step size.

    Make it with `from_estimator` or `from_history`, or from series at hand.

    Parameters
    ----------
    loss : array-like of shape (n,)
        Training loss.

    score, validation_loss, validation_score : array-like of shape (n,), default=None
        The other curves; those left out are not drawn. Scores have an axis of their own, to the right.

    first_epoch : int, default=1
        Epoch of the first element of each; 0 is before training.

    score_name : str, default="Score"
        Label of the right axis.

    learning_rate : array-like of shape (n,), default=None
        Step size of each epoch, on an axis further to the right; not drawn if it is the same for all.

    Attributes
    ----------
    ax_ : matplotlib Axes
        With the losses.

    score_ax_ : matplotlib Axes or None
        With the scores, if there are any.

    learning_rate_ax_ : matplotlib Axes or None
        With the step sizes, if they are drawn.

    figure_ : matplotlib Figure
        Of both.

    lines_ : dict of str to matplotlib Line2D
        The curves drawn, under the names of the parameters.
    """

    score_ax_: Any
    learning_rate_ax_: Any
    lines_: dict[str, Any]

    def __init__(
        self,
        loss: Any,
        *,
        score: Any = None,
        validation_loss: Any = None,
        validation_score: Any = None,
        first_epoch: int = 1,
        score_name: str = "Score",
        learning_rate: Any = None,
    ) -> None:
        self.loss = loss
        self.score = score
        self.validation_loss = validation_loss
        self.validation_score = validation_score
        self.first_epoch = first_epoch
        self.score_name = score_name
        self.learning_rate = learning_rate

    @classmethod
    def from_estimator(cls, estimator: Any, *, ax: Any = None, line_kw: Any = None) -> Self:
        """Draw what a fitted network kept: ``loss_curve_``, scores and losses of validation rows, and the step sizes.

        Parameters
        ----------
        estimator : MLPClassifier or MLPRegressor
            Fitted, with a solver that has epochs.

        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        line_kw : dict, default=None
            Keywords for the lines, as ``Axes.plot`` takes them.

        Returns
        -------
        display : TrainingCurveDisplay
            Drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If it kept no loss curve.
        """
        require_fitted(estimator)
        if not hasattr(estimator, "loss_curve_"):
            raise ValueError(
                "solver='lbfgs' keeps no loss curve. Draw TrainingCurveDisplay.from_history("
                "rustbp.record_fit(model, X, y)) instead."
            )
        display = cls(
            estimator.loss_curve_,
            validation_score=getattr(estimator, "validation_scores_", None),
            validation_loss=getattr(estimator, "validation_loss_curve_", None),
            score_name=_score_name(estimator),
            learning_rate=getattr(estimator, "learning_rate_curve_", None),
        )
        return display.plot(ax=ax, line_kw=line_kw)

    @classmethod
    def from_history(
        cls,
        history: TrainingHistory,
        *,
        ax: Any = None,
        score_name: str | None = None,
        line_kw: Any = None,
    ) -> Self:
        """Draw losses and scores that `rustbp.record_fit` recorded.

        Parameters
        ----------
        history : TrainingHistory
            Of one fit.

        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        score_name : str, default=None
            Label of the right axis; None takes that of the history, "Accuracy" or "R²".

        line_kw : dict, default=None
            Keywords for the lines, as ``Axes.plot`` takes them.

        Returns
        -------
        display : TrainingCurveDisplay
            Drawn.
        """
        require_history(history)
        display = cls(
            history.loss,
            score=history.score,
            validation_loss=history.validation_loss or None,
            validation_score=history.validation_score or None,
            first_epoch=0,
            score_name=history.score_name if score_name is None else score_name,
        )
        return display.plot(ax=ax, line_kw=line_kw)

    def plot(self, ax: Any = None, *, line_kw: Any = None) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        line_kw : dict, default=None
            Keywords for the lines, as ``Axes.plot`` takes them.

        Returns
        -------
        display : TrainingCurveDisplay
            This one.
        """
        return self._drawn_on(ax, line_kw=line_kw)

    def _draw(self, ax: Any, *, line_kw: Any) -> None:
        self.score_ax_ = None
        self.lines_ = {}
        self._line_kw = line_kw or {}
        self._curve(ax, "loss", "tab:blue", "-")
        self._curve(ax, "validation_loss", "tab:blue", "--")
        ax.set(xlabel="Epoch", ylabel="Loss")
        if self.score is not None or self.validation_score is not None:
            self.score_ax_ = ax.twinx()
            self.score_ax_.set_ylabel(self.score_name)
            self._curve(self.score_ax_, "score", "tab:orange", "-")
            self._curve(self.score_ax_, "validation_score", "tab:orange", "--")
        self.learning_rate_ax_ = None
        if self.learning_rate is not None and np.ptp(self.learning_rate) > 0:
            self.learning_rate_ax_ = ax.twinx()
            self.learning_rate_ax_.set_ylabel("Step size")
            if self.score_ax_ is not None:
                self.learning_rate_ax_.spines.right.set_position(("axes", 1.18))
            self._curve(self.learning_rate_ax_, "learning_rate", "tab:gray", ":")
        others = [other for other in (self.score_ax_, self.learning_rate_ax_) if other is not None]
        if others:
            # Each axis in the colour of its lines.
            for axes in (ax, *others):
                color = axes.lines[-1].get_color()
                axes.yaxis.label.set_color(color)
                axes.tick_params(axis="y", labelcolor=color)
        whole_numbers(ax)
        lines = list(self.lines_.values())
        if self.learning_rate_ax_ is not None:
            # Step sizes run through all of the plane.
            ax.legend(handles=lines, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2)
        else:
            ax.legend(handles=lines, loc=free_place(ax, lines))

    def _curve(self, ax: Any, name: str, color: str, style: str) -> None:
        values = getattr(self, name)
        if values is not None:
            epochs = np.arange(self.first_epoch, self.first_epoch + len(values))
            label = f"training {name}" if name in ("loss", "score") else name.replace("_", " ")
            if name == "learning_rate":
                label = "step size"
            label = label.replace("score", _within_a_sentence(self.score_name))
            options = {"linestyle": style, "color": color, "label": label} | self._line_kw
            [self.lines_[name]] = ax.plot(epochs, values, **options)


class ErrorFlowDisplay(Display):
    """The size of the error δ^l of each layer over the epochs.

    BP2 carries the error back from the output layer: where each layer multiplies it by a small σ', the lines lie far
    below one another and the first layers learn slowly, which is known as vanishing gradients.

    Parameters
    ----------
    mean_delta : array-like of shape (n_epochs + 1, L)
        Mean of abs(δ^l) of the layers 1 to L before training and after each epoch.

    Attributes
    ----------
    ax_ : matplotlib Axes
        With a logarithmic scale.

    figure_ : matplotlib Figure
        Its figure.

    lines_ : list of matplotlib Line2D
        One for each layer, first to last.
    """

    lines_: list[Any]

    def __init__(self, mean_delta: Any) -> None:
        self.mean_delta = mean_delta

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        ax: Any = None,
        line_kw: Any = None,
    ) -> Self:
        """Train a clone of the network and draw how its errors changed.

        Parameters
        ----------
        estimator : MLPClassifier or MLPRegressor
            Fitted or not; it stays as it is, as with scikit-learn's ``LearningCurveDisplay``.

        X, y, sample_weight : array-like
            As for `fit`.

        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        line_kw : dict, default=None
            Keywords for the lines, as ``Axes.plot`` takes them.

        Returns
        -------
        display : ErrorFlowDisplay
            Drawn.
        """
        require_matplotlib(cls)
        require_perceptron(estimator)
        history = record_fit(clone(estimator), X, y, sample_weight)
        return cls.from_history(history, ax=ax, line_kw=line_kw)

    @classmethod
    def from_history(cls, history: TrainingHistory, *, ax: Any = None, line_kw: Any = None) -> Self:
        """Draw the errors that `rustbp.record_fit` recorded.

        Parameters
        ----------
        history : TrainingHistory
            Of one fit.

        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        line_kw : dict, default=None
            Keywords for the lines, as ``Axes.plot`` takes them.

        Returns
        -------
        display : ErrorFlowDisplay
            Drawn.
        """
        require_history(history)
        return cls(history.mean_delta).plot(ax=ax, line_kw=line_kw)

    def plot(self, ax: Any = None, *, line_kw: Any = None) -> Self:
        """Draw the lines.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        line_kw : dict, default=None
            Keywords for the lines, as ``Axes.plot`` takes them.

        Returns
        -------
        display : ErrorFlowDisplay
            This one.
        """
        return self._drawn_on(ax, line_kw=line_kw)

    def _draw(self, ax: Any, *, line_kw: Any) -> None:
        sizes = np.asarray(self.mean_delta)
        self.lines_ = []
        depth = sizes.shape[1]
        for layer, color in enumerate(layer_colors(depth, ax), start=1):
            label = f"layer {layer}" + (" (output)" if layer == depth else "")
            options = {"color": color, "label": label} | (line_kw or {})
            self.lines_ += ax.plot(sizes[:, layer - 1], **options)
        ax.set(xlabel="Epoch", ylabel=r"Mean $|\delta^l|$", yscale="log")
        whole_numbers(ax)
        _whole_decades(ax)
        # Beside the axes: the lines may run anywhere within.
        ax.legend(
            loc="upper left", bbox_to_anchor=(1.01, 1), borderaxespad=0, ncols=-(-depth // 16)
        )


def _whole_decades(ax: Any) -> None:
    """Limits at powers of ten, so that the axis has labels however little of a decade the lines take up.

    All lines count that are drawn on axes of the same scale.
    """
    axes = ax.get_shared_y_axes().get_siblings(ax)
    values = np.concatenate([line.get_ydata() for one in axes for line in one.lines])
    positive = values[np.isfinite(values) & (values > 0)]
    if positive.size:
        low, high = np.floor(np.log10(positive.min())), np.ceil(np.log10(positive.max()))
        ax.set_ylim(10.0**low, 10.0 ** max(high, low + 1))


def require_history(history: object) -> None:
    """Refuse what `rustbp.record_fit` did not return."""
    if not isinstance(history, TrainingHistory):
        raise TypeError(
            "from_history takes the TrainingHistory that rustbp.record_fit returns; "
            f"got {type(history).__name__}. For a model there is from_estimator."
        )


def _score_name(estimator: Any) -> str:
    if estimator.scoring is not None:
        return "Score" if callable(estimator.scoring) else f"Score ({estimator.scoring})"
    return usual_score_of(estimator)


def _within_a_sentence(name: str) -> str:
    """Without the capital, where it is a word."""
    return name[:1].lower() + name[1:] if name[1:2].islower() else name
