"""What a network of two inputs says of each point of the plane."""

from typing import Any, Self

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from rustbp.display._base import Display, ink, require_fitted

_MOST_IN_A_LEGEND = 10
"""Classes; more have a colour bar."""


class BoundaryDisplay(Display):
    """The class, or the number, that is predicted at each point of the plane of two features.

    Beside scikit-learn's ``DecisionBoundaryDisplay``, which draws these estimators too, it draws the rows in the
    colours of their classes, and the lines of the first layer, which only a network has.

    Parameters
    ----------
    x0, x1 : ndarray of shape (resolution,)
        The grid.

    response : ndarray of shape (resolution, resolution)
        What is predicted: row i, column j at (``x0[j]``, ``x1[i]``); for a classifier the index of the class.

    classes : ndarray of shape (n_classes,), default=None
        Labels; None for a regressor.

    rows : ndarray of shape (n_samples, 2), default=None
        Points to draw.

    targets : ndarray of shape (n_samples,), default=None
        Their labels or targets, in the terms of `response`.

    lines : tuple of ndarray of shape (2, n_neurons) and (n_neurons,), default=None
        w and b of the first layer: the lines w · x + b = 0.

    names : sequence of two str, default=("feature 0", "feature 1")
        Labels of the axes.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The plane.

    figure_ : matplotlib Figure
        Its figure.

    surface_ : matplotlib QuadMesh
        The predictions.

    points_ : matplotlib PathCollection or None
        The rows.

    lines_ : list of matplotlib AxLine
        Where z^1 of a neuron of the first layer is 0.

    legend_ : matplotlib Legend or None
        What the colours mean, for up to ten classes; and the lines, if there are some.

    colorbar_ : matplotlib Colorbar or None
        What the colours mean, for numbers and for more classes.
    """

    surface_: Any
    points_: Any
    lines_: list[Any]
    legend_: Any
    colorbar_: Any

    def __init__(
        self,
        x0: Any,
        x1: Any,
        response: Any,
        *,
        classes: Any = None,
        rows: Any = None,
        targets: Any = None,
        lines: Any = None,
        names: Any = ("feature 0", "feature 1"),
    ) -> None:
        self.x0: Any = x0
        self.x1: Any = x1
        self.response: Any = response
        self.classes = classes
        self.rows: Any = rows
        self.targets: Any = targets
        self.lines = lines
        self.names = names

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        y: Any = None,
        *,
        neurons: bool = False,
        resolution: int = 400,
        margin: float = 0.1,
        ax: Any = None,
        surface_kw: Any = None,
        scatter_kw: Any = None,
        line_kw: Any = None,
    ) -> Self:
        """Draw what a fitted network predicts.

        Parameters
        ----------
        estimator : MLPClassifier or MLPRegressor
            Fitted on two features, with one label or target for each row.

        X : array-like of shape (n_samples, 2)
            Rows; their range, and some more, is what is drawn.

        y : array-like of shape (n_samples,), default=None
            Labels or targets: with them the rows are drawn too.

        neurons : bool, default=False
            Whether to draw the lines along which z^1 of a neuron of the first layer is 0: there its σ switches, and
            the boundary is made of what it does on both sides.

        resolution : int, default=400
            Points of the grid in each direction.

        margin : float, default=0.1
            How far to draw beyond the rows, as a share of their range.

        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        surface_kw, scatter_kw, line_kw : dict, default=None
            Keywords for the predictions, the rows and the lines, as ``Axes.pcolormesh``, ``Axes.scatter`` and
            ``Axes.axline`` take them.

        Returns
        -------
        display : BoundaryDisplay
            Drawn.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If X has not two columns, y has not as many rows, or the network has several labels or targets for a row.
        """
        require_fitted(estimator)
        names = getattr(X, "columns", ("feature 0", "feature 1"))
        frame = type(X) if hasattr(X, "columns") else None
        rows = check_array(X)
        if rows.shape[1] != 2:
            raise ValueError(
                f"A boundary is drawn over 2 features, and X has {rows.shape[1]}. Fit the network on two of them, "
                "or on two components of a PCA."
            )
        low, high = rows.min(axis=0), rows.max(axis=0)
        room = np.where(high > low, high - low, 1.0) * margin
        x0, x1 = np.linspace(low - room, high + room, resolution, axis=1)
        grid = np.stack(np.meshgrid(x0, x1), axis=-1).reshape(-1, 2).astype(rows.dtype)
        response = estimator.predict(grid if frame is None else frame(grid, columns=names))
        if response.ndim == 2:
            raise ValueError(
                "This network predicts several labels or targets for each row; fit it on one of them."
            )
        classes = estimator.classes_ if is_classifier(estimator) else None
        if classes is not None:
            response = np.searchsorted(classes, response)
        targets = None
        if y is not None:
            check_consistent_length(rows, y)
            targets = column_or_1d(y)
            targets = targets if classes is None else np.searchsorted(classes, targets)
        display = cls(
            x0,
            x1,
            response.reshape(resolution, resolution),
            classes=classes,
            rows=None if y is None else rows,
            targets=targets,
            lines=(estimator.coefs_[0], estimator.intercepts_[0]) if neurons else None,
            names=names,
        )
        return display.plot(ax=ax, surface_kw=surface_kw, scatter_kw=scatter_kw, line_kw=line_kw)

    def plot(
        self,
        ax: Any = None,
        *,
        surface_kw: Any = None,
        scatter_kw: Any = None,
        line_kw: Any = None,
    ) -> Self:
        """Draw the plane.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

        surface_kw, scatter_kw, line_kw : dict, default=None
            Keywords for the predictions, the rows and the lines, as ``Axes.pcolormesh``, ``Axes.scatter`` and
            ``Axes.axline`` take them.

        Returns
        -------
        display : BoundaryDisplay
            This one.
        """
        return self._drawn_on(
            ax, surface_kw=surface_kw or {}, scatter_kw=scatter_kw or {}, line_kw=line_kw or {}
        )

    def _draw(self, ax: Any, *, surface_kw: Any, scatter_kw: Any, line_kw: Any) -> None:
        self.points_, self.lines_ = None, []
        colors = self._colors()
        options = {"alpha": 0.5, "shading": "nearest", "zorder": -1} | colors | surface_kw
        self.surface_ = ax.pcolormesh(self.x0, self.x1, self.response, **options)
        ax.set(xlabel=self.names[0], ylabel=self.names[1])
        ax.set(xlim=(self.x0[0], self.x0[-1]), ylim=(self.x1[0], self.x1[-1]))
        if self.lines is not None:
            options = {"color": ink(), "linewidth": 0.7, "alpha": 0.6, "label": "z = 0 of a neuron"}
            options |= line_kw
            for weights, bias in zip(np.transpose(self.lines[0]), self.lines[1], strict=True):
                if np.any(weights):
                    # The point of the line nearest to the origin, and another one along it.
                    foot = -bias * weights / (weights @ weights)
                    ahead = foot + np.array([-weights[1], weights[0]])
                    self.lines_.append(ax.axline(foot, ahead, **options))
        if self.rows is not None:
            options = {"c": self.targets, "edgecolors": ink(), "s": 20} | colors | scatter_kw
            self.points_ = ax.scatter(*np.transpose(self.rows), **options)
        self._explain(ax)

    def _explain(self, ax: Any) -> None:
        """Say what colours and lines mean, beside the plane."""
        from matplotlib.patches import Patch

        self.legend_ = self.colorbar_ = None
        handles = self.lines_[:1]
        n_classes = 0 if self.classes is None else len(self.classes)
        if 0 < n_classes <= _MOST_IN_A_LEGEND:
            to_color = self.surface_.to_rgba
            patches = [
                Patch(color=to_color(number), label=str(name))
                for number, name in enumerate(self.classes)
            ]
            handles = patches + handles
        else:
            label = "prediction" if self.classes is None else "class"
            self.colorbar_ = self.figure_.colorbar(self.surface_, ax=ax, label=label)
            if self.classes is not None:
                self.colorbar_.set_ticks(range(n_classes), labels=self.classes)
        if handles:
            corner = (1.01, 1) if self.colorbar_ is None else (1.25, 1)
            self.legend_ = ax.legend(handles=handles, loc="upper left", bbox_to_anchor=corner)

    def _colors(self) -> dict[str, Any]:
        """Colour map and norm, the same for predictions and rows."""
        from matplotlib import colormaps, colors

        if self.classes is None:
            shown = [self.response] if self.targets is None else [self.response, self.targets]
            limits = min(map(np.min, shown)), max(map(np.max, shown))
            return {"cmap": colormaps["viridis"], "norm": colors.Normalize(*limits)}
        n = len(self.classes)
        palette = colormaps["tab10"].colors if n <= 10 else colormaps["turbo"](np.linspace(0, 1, n))
        edges = np.arange(-0.5, n)
        return {
            "cmap": colors.ListedColormap(list(palette[:n])),
            "norm": colors.BoundaryNorm(edges, max(n, 1)),
        }
