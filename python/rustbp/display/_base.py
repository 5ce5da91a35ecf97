"""What the displays share: how a drawing begins and ends, the axes, the colours."""

import importlib
from abc import ABC, abstractmethod
from typing import Any, Self

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


def layer_colors(n_layers: int) -> list[Any]:
    """A colour for each layer, from dark (first) to light (output)."""
    from matplotlib import colormaps

    return [colormaps["viridis"](0.9 * i / max(n_layers - 1, 1)) for i in range(n_layers)]
