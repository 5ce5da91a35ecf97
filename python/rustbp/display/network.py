"""A network, drawn: its first weights as images, and what its neurons put out."""

import math
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rustbp._sigma import is_flat
from rustbp._training.network import activations_of
from rustbp.display._base import PLAIN, SATURATED, Display, require_fitted
from rustbp.hidden import hidden_activations, weighted_inputs

_MOST_NUMBERED = 100
"""Neurons that still have room for a number each."""

_FLAT_IS = {"logistic": "saturated", "tanh": "saturated", "relu": "off", "identity": None}
"""What neurons are called whose σ is flat; 'identity' never is."""


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

    neurons : array-like of int, default=None
        The numbers of the neurons; None counts from 0.

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

    texts_ : list of matplotlib Text
        The number of each neuron, at the left upper corner of its image; none if there are more than 100.
    """

    image_: Any
    colorbar_: Any
    texts_: list[Any]

    def __init__(self, weights: Any, image_shape: tuple[int, int], *, neurons: Any = None) -> None:
        self.weights = weights
        self.image_shape = image_shape
        self.neurons = neurons

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        *,
        image_shape: tuple[int, int] | None = None,
        neurons: Any = None,
        columns: int | None = None,
        ax: Any = None,
        cmap: Any = "RdBu_r",
        im_kw: Any = None,
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

        cmap : str or matplotlib Colormap, default="RdBu_r"
            Colours of the weights, from the most negative to the most positive.

        im_kw : dict, default=None
            Keywords for the images, as ``Axes.imshow`` takes them.

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
        display = cls(weights, image_shape, neurons=neurons)
        return display.plot(columns=columns, ax=ax, cmap=cmap, im_kw=im_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        columns: int | None = None,
        cmap: Any = "RdBu_r",
        im_kw: Any = None,
    ) -> Self:
        """Draw the images.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        columns : int, default=None
            Images side by side; None makes about as many as one below the other.

        cmap : str or matplotlib Colormap, default="RdBu_r"
            Colours of the weights, from the most negative to the most positive.

        im_kw : dict, default=None
            Keywords for the images, as ``Axes.imshow`` takes them.

        Returns
        -------
        display : WeightsDisplay
            This one.
        """
        return self._drawn_on(ax, columns=columns, cmap=cmap, im_kw=im_kw)

    def _draw(self, ax: Any, *, columns: int | None, cmap: Any, im_kw: Any) -> None:
        weights = np.asarray(self.weights)
        columns = columns or math.ceil(math.sqrt(weights.shape[1]))
        tiled = _tile(weights.T.reshape(-1, *self.image_shape), columns)
        largest = float(np.abs(weights).max()) or 1.0
        options = {"cmap": cmap, "vmin": -largest, "vmax": largest, "interpolation": "nearest"}
        self.image_ = ax.imshow(tiled, **options | (im_kw or {}))
        ax.set(xticks=[], yticks=[], facecolor="0.3")
        self.colorbar_ = self.figure_.colorbar(self.image_, ax=ax, label="weight")
        numbers = range(weights.shape[1]) if self.neurons is None else self.neurons
        self.texts_ = []
        if len(numbers) <= _MOST_NUMBERED:
            height, width = self.image_shape
            for i, number in enumerate(numbers):
                corner = i % columns * (width + 1) - 0.5, i // columns * (height + 1) - 0.5
                self.texts_.append(ax.text(*corner, f" {number}", va="top", fontsize="x-small"))


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
    part, in the middle, is on a flat piece of σ, where σ' is less than a tenth of its largest value: saturated for
    'logistic' and 'tanh', off for 'relu'. There BP2 lets hardly any error through.

    Parameters
    ----------
    activations : list of array-like of shape (n_samples, size[l])
        a^l of each hidden layer.

    saturated : list of array-like of bool of shape (n_samples, size[l])
        Which of them are on a flat piece of σ.

    flat : str or None, default="saturated"
        What that is called for these activations; None marks nothing.

    Attributes
    ----------
    ax_ : matplotlib Axes
        With the layers side by side.

    figure_ : matplotlib Figure
        Its figure.

    bars_ : list of tuple of matplotlib BarContainer
        For each layer, the bars of all activations and, before them, those of what is saturated.

    edges_ : ndarray of shape (bins + 1,)
        Edges of the bins.
    """

    bars_: list[tuple[Any, Any]]
    edges_: NDArray[Any]

    def __init__(self, activations: Any, saturated: Any, *, flat: str | None = "saturated") -> None:
        self.activations = activations
        self.saturated = saturated
        self.flat = flat

    @classmethod
    def from_estimator(
        cls, estimator: Any, X: Any, *, bins: int = 40, ax: Any = None, bar_kw: Any = None
    ) -> Self:
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

        bar_kw : dict, default=None
            Keywords for all bars, as ``Axes.barh`` takes them.

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
        words = {_FLAT_IS.get(name, "flat") for name in names} - {None}
        flat = words.pop() if len(words) == 1 else "flat" if words else None
        return cls(activations, saturated, flat=flat).plot(bins=bins, ax=ax, bar_kw=bar_kw)

    def plot(self, ax: Any = None, *, bins: int = 40, bar_kw: Any = None) -> Self:
        """Draw the histograms.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        bins : int, default=40
            Bins of each.

        bar_kw : dict, default=None
            Keywords for all bars, as ``Axes.barh`` takes them.

        Returns
        -------
        display : ActivationsDisplay
            This one.
        """
        return self._drawn_on(ax, bins=bins, bar_kw=bar_kw)

    def _draw(self, ax: Any, *, bins: int, bar_kw: Any) -> None:
        self.bars_ = []
        layers = [np.asarray(a) for a in self.activations]
        low, high = min(a.min() for a in layers), max(a.max() for a in layers)
        self.edges_ = np.histogram_bin_edges([low, high], bins)
        names = []
        for number, (a, flat) in enumerate(zip(layers, self.saturated, strict=True), start=1):
            flat = np.asarray(flat)
            counts = [np.histogram(part, self.edges_)[0] for part in (a, a[flat])]
            self.bars_.append(self._stand(number, *counts, bar_kw or {}))
            names.append(f"{number}" if self.flat is None else f"{number}\n{flat.mean():.0%}")
        ax.set(xticks=range(1, len(names) + 1), xticklabels=names, ylabel="Activation $a^l$")
        ax.set(xlabel="Layer", xlim=(0.45, len(names) + 0.55))
        if self.flat is not None:
            ax.set(xlabel=f"Layer, and how much of it is {self.flat}")
            # The first bars of the first layer stand for all.
            handles = [bars[0] for bars in self.bars_[0]]
            ax.legend(handles, ["other", self.flat], loc="upper left", bbox_to_anchor=(1.01, 1))

    def _stand(self, position: int, every: Any, flat: Any, options: Any) -> tuple[Any, Any]:
        """Two kinds of bars, one before the other, in the middle of 0.9 of the room of a layer."""
        scale = 0.9 / max(every.max(), 1)
        bottom, height = self.edges_[:-1], np.diff(self.edges_)
        options = {"height": height, "align": "edge"} | options
        every_bar, flat_bar = (
            self.ax_.barh(
                bottom, n * scale, left=position - n * scale / 2, **{"color": color} | options
            )
            for n, color in ((every, PLAIN), (flat, SATURATED))
        )
        return every_bar, flat_bar
