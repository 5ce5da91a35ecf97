"""What the displays share: how a drawing begins and ends, the axes, the colours."""

import importlib
from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from rustbp.inspection import require_perceptron

SATURATED = "tab:red"
PLAIN = "tab:blue"


class Display(ABC):
    """Something computed once that can be drawn again and again.

    A display says in ``from_estimator`` what it computes and in `_draw` how that is drawn.
    """

    ax_: Any
    figure_: Any

    def plot(self, ax: Any = None) -> Self:
        """Draw what this display holds.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        Returns
        -------
        display : object
            This one, drawn.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        return self._drawn_on(ax)

    def _drawn_on(self, ax: Any, **options: Any) -> Self:
        require_matplotlib(type(self))
        import matplotlib.pyplot as plt

        self.ax_ = plt.subplots(layout="constrained")[1] if ax is None else ax
        self.figure_ = self.ax_.figure
        self._draw(self.ax_, **options)
        return self

    @abstractmethod
    def _draw(self, ax: Any, **options: Any) -> None:
        """Draw on ``ax``; ``options`` are what `plot` of this display takes beside it."""


def require_matplotlib(display: type) -> None:
    """Say that matplotlib is missing, before anything is computed."""
    try:
        importlib.import_module("matplotlib.pyplot")
    except ImportError as error:
        raise ImportError(f"{display.__name__} needs matplotlib: pip install matplotlib") from error


def require_fitted(estimator: Any) -> None:
    """Refuse what is no network of this package, or has no weights yet."""
    require_perceptron(estimator)
    check_is_fitted(estimator)


def ink() -> str:
    """The colour that lines have against the background of the present style."""
    from matplotlib import rcParams

    return rcParams["axes.edgecolor"]


def layer_colors(n_layers: int, ax: Any) -> list[Any]:
    """A colour for each layer, from dark (first) to light (output), none of them too near the background."""
    from matplotlib import colormaps
    from matplotlib.colors import rgb_to_hsv, to_rgb

    dark = rgb_to_hsv(to_rgb(ax.get_facecolor()))[2] < 0.5
    first, last = (0.4, 1.0) if dark else (0.0, 0.9)
    return [
        colormaps["viridis"](first + (last - first) * i / max(n_layers - 1, 1))
        for i in range(n_layers)
    ]


def whole_numbers(ax: Any) -> None:
    """Ticks of the x axis at whole numbers: half an epoch, or half a layer, is none."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))


_PLACES = {
    "center right": (1, 0.5),
    "upper right": (1, 1),
    "lower right": (1, 0),
    "upper center": (0.5, 1),
    "lower center": (0.5, 0),
    "center": (0.5, 0.5),
    "upper left": (0, 1),
    "lower left": (0, 0),
    "center left": (0, 0.5),
}


def free_place(ax: Any, lines: list[Any]) -> str:
    """Where a legend of these lines covers the least of them; they may be of several axes in the same frame.

    matplotlib's "best" looks at the lines of one of the axes only.
    """
    for line in lines:
        line.axes.autoscale_view()
    box, frame = ax.legend(handles=lines).get_window_extent(), ax.get_window_extent()
    size = np.array([box.width / frame.width, box.height / frame.height]) + 0.05
    inside = ax.transAxes.inverted()
    points = np.concatenate(
        [
            inside.transform(
                line.get_transform().transform(line.get_path().interpolated(8).vertices)
            )
            for line in lines
        ]
    )

    def covered(name: str) -> int:
        corner = np.array(_PLACES[name]) * (1 - size)
        return int(np.sum(np.all((points >= corner) & (points <= corner + size), axis=1)))

    return min(_PLACES, key=covered)
