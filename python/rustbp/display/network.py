"""A network, drawn: its first weights as images, and what its neurons put out."""

import math
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rustbp._sigma import is_flat
from rustbp._training.network import activations_of
from rustbp.display._base import PLAIN, SATURATED, Display, require_fitted
from rustbp.hidden import hidden_activations, weighted_inputs


class WeightsDisplay(Display):
    """The weights of each neuron of the first layer, as an image in the shape of the inputs.

    All images stand in one, with a gap of one pixel between them. Red weights are positive, blue ones negative, white
    is 0; the scale reaches from minus to plus the largest.

    Parameters
    ----------
    weights : array-like of shape (n_features, n_neurons)
        ``coefs_[0]``, or some of its columns.

    image_shape : tuple of int, (height, width)
        Shape of the inputs as an image; their product is n_features.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where the images are.

    figure_ : matplotlib Figure
        Its figure.

    image_ : matplotlib AxesImage
        All images in one.

    colorbar_ : matplotlib Colorbar
        The scale.
    """

    image_: Any
    colorbar_: Any

    def __init__(self, weights: Any, image_shape: tuple[int, int]) -> None:
        self.weights = weights
        self.image_shape = image_shape

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        image_shape: tuple[int, int] | None = None,
        neurons: Any = None,
        columns: int | None = None,
        ax: Any = None,
    ) -> Self:
        """Draw the weights of a fitted network.

        Parameters
        ----------
        estimator : MLPClassifier or MLPRegressor
            Fitted.

        image_shape : tuple of int, (height, width), default=None
            Shape of a row of X as an image; None takes it to be a square.

        neurons : array-like of int, default=None
            Which neurons of the first layer to draw; None draws all.

        columns : int, default=None
            Images side by side; None makes about as many as one below the other.

        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : WeightsDisplay
            Drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If the inputs do not fill the image, or there is no such neuron.
        """
        require_fitted(estimator)
        weights = np.asarray(estimator.coefs_[0])
        if neurons is not None:
            n_neurons = weights.shape[1]
            neurons = np.atleast_1d(neurons)
            if not (np.all(neurons >= 0) and np.all(neurons < n_neurons)):
                raise ValueError(f"neurons must be from 0 to {n_neurons - 1}, got {neurons}.")
            weights = weights[:, neurons]
        if image_shape is None:
            side = math.isqrt(len(weights))
            image_shape = (side, side)
        if math.prod(image_shape) != len(weights):
            height, width = image_shape
            raise ValueError(
                f"{len(weights)} inputs are not an image of {height} x {width}: pass image_shape=(height, width) "
                "whose product is the number of inputs."
            )
        return cls(weights, image_shape).plot(columns=columns, ax=ax)

    def plot(self, ax: Any = None, *, columns: int | None = None) -> Self:
        """Draw the images.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        columns : int, default=None
            Images side by side; None makes about as many as one below the other.

        Returns
        -------
        display : WeightsDisplay
            This one.
        """
        return self._drawn_on(ax, columns=columns)

    def _draw(self, ax: Any, *, columns: int | None) -> None:
        weights = np.asarray(self.weights)
        columns = columns or math.ceil(math.sqrt(weights.shape[1]))
        tiled = _tile(weights.T.reshape(-1, *self.image_shape), columns)
        largest = float(np.abs(weights).max()) or 1.0
        self.image_ = ax.imshow(
            tiled, cmap="RdBu_r", vmin=-largest, vmax=largest, interpolation="nearest"
        )
        ax.set(xticks=[], yticks=[], facecolor="0.3")
        self.colorbar_ = self.figure_.colorbar(self.image_, ax=ax, label="weight")


def _tile(images: Any, columns: int) -> Any:
    """One image of all, row by row, masked where there is none."""
    n, height, width = images.shape
    rows = math.ceil(n / columns)
    tiled = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for i, image in enumerate(images):
        top, left = i // columns * (height + 1), i % columns * (width + 1)
        tiled[top : top + height, left : left + width] = image
    return np.ma.masked_invalid(tiled)


class ActivationsDisplay(Display):
    """The distribution of the activations of each hidden layer, with what is saturated marked.

    A layer is a histogram that stands upright, as wide on both sides as there are activations of that size. The red
    part is on a flat piece of σ, where σ' is less than a tenth of its largest value: saturated for 'logistic' and
    'tanh', off for 'relu'. There BP2 lets hardly any error through.

    Parameters
    ----------
    activations : list of array-like of shape (n_samples, size[l])
        a^l of each hidden layer.

    saturated : list of array-like of bool of shape (n_samples, size[l])
        Which of them are saturated.

    Attributes
    ----------
    ax_ : matplotlib Axes
        With the layers side by side.

    figure_ : matplotlib Figure
        Its figure.

    bars_ : list of tuple of matplotlib BarContainer
        For each layer, the bars of what is not saturated and those of what is.

    edges_ : ndarray of shape (bins + 1,)
        Edges of the bins.
    """

    bars_: list[tuple[Any, Any]]
    edges_: NDArray[Any]

    def __init__(self, activations: Any, saturated: Any) -> None:
        self.activations = activations
        self.saturated = saturated

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, *, bins: int = 40, ax: Any = None) -> Self:
        """Pass rows through a fitted network and draw what its hidden neurons put out.

        Parameters
        ----------
        estimator : MLPClassifier or MLPRegressor
            Fitted, with a hidden layer at least.

        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Rows.

        bins : int, default=40
            Bins of each histogram.

        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : ActivationsDisplay
            Drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If it has no hidden layer, or X does not fit it.
        """
        require_fitted(estimator)
        n_hidden = len(estimator.coefs_) - 1
        if n_hidden == 0:
            raise ValueError(
                "This network has no hidden layer, so there are no activations to show."
            )
        layers = range(1, n_hidden + 1)
        activations = [hidden_activations(estimator, X, layer) for layer in layers]
        weighted = [weighted_inputs(estimator, X, layer) for layer in layers]
        names = activations_of(estimator)[:-1]
        saturated = [is_flat(name, z) for name, z in zip(names, weighted, strict=True)]
        return cls(activations, saturated).plot(bins=bins, ax=ax)

    def plot(self, ax: Any = None, *, bins: int = 40) -> Self:
        """Draw the histograms.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        bins : int, default=40
            Bins of each.

        Returns
        -------
        display : ActivationsDisplay
            This one.
        """
        return self._drawn_on(ax, bins=bins)

    def _draw(self, ax: Any, *, bins: int) -> None:
        self.bars_ = []
        layers = [np.asarray(a) for a in self.activations]
        low, high = min(a.min() for a in layers), max(a.max() for a in layers)
        self.edges_ = np.histogram_bin_edges([low, high], bins)
        names = []
        for number, (a, flat) in enumerate(zip(layers, self.saturated, strict=True), start=1):
            flat = np.asarray(flat)
            counts = [np.histogram(a[part], self.edges_)[0] for part in (~flat, flat)]
            self.bars_.append(self._stand(number, *counts))
            names.append(f"{number}\n{flat.mean():.0%}")
        ax.set(xticks=range(1, len(names) + 1), xticklabels=names, ylabel="Activation $a^l$")
        ax.set(xlabel="Layer, and how much of it is saturated", xlim=(0.45, len(names) + 0.55))
        plain, flat = self.bars_[0]
        ax.legend(
            [plain[0], flat[0]], ["other", "saturated"], loc="upper left", bbox_to_anchor=(1.01, 1)
        )

    def _stand(self, position: int, plain: Any, flat: Any) -> tuple[Any, Any]:
        """Two kinds of bars, side by side in each bin, in the middle of 0.9 of the room of a layer."""
        scale = 0.9 / max((plain + flat).max(), 1)
        bottom, height = self.edges_[:-1], np.diff(self.edges_)
        left = position - (plain + flat) * scale / 2
        options = {"height": height, "align": "edge"}
        return (
            self.ax_.barh(bottom, plain * scale, left=left, color=PLAIN, **options),
            self.ax_.barh(
                bottom, flat * scale, left=left + plain * scale, color=SATURATED, **options
            ),
        )
