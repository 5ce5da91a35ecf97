"""What a network of two inputs says of each point of the plane."""

from typing import Any, Self

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils import check_array, check_consistent_length, column_or_1d

from rustbp.display._base import Display, require_fitted


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

    colorbar_ : matplotlib Colorbar
        What the colours mean.
    """

    surface_: Any
    points_: Any
    lines_: list[Any]
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
        resolution: int = 200,
        margin: float = 0.1,
        ax: Any = None,
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

        resolution : int, default=200
            Points of the grid in each direction.

        margin : float, default=0.1
            How far to draw beyond the rows, as a share of their range.

        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.

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
        return display.plot(ax=ax)

    def _draw(self, ax: Any) -> None:
        self.points_, self.lines_ = None, []
        colors = self._colors()
        self.surface_ = ax.pcolormesh(
            self.x0, self.x1, self.response, alpha=0.5, shading="nearest", zorder=-1, **colors
        )
        ax.set(xlabel=self.names[0], ylabel=self.names[1])
        ax.set(xlim=(self.x0[0], self.x0[-1]), ylim=(self.x1[0], self.x1[-1]))
        if self.lines is not None:
            for weights, bias in zip(np.transpose(self.lines[0]), self.lines[1], strict=True):
                if np.any(weights):
                    # The point of the line nearest to the origin, and another one along it.
                    foot = -bias * weights / (weights @ weights)
                    ahead = foot + np.array([-weights[1], weights[0]])
                    line = ax.axline(foot, ahead, color="black", linewidth=0.7, alpha=0.6)
                    self.lines_.append(line)
        if self.rows is not None:
            self.points_ = ax.scatter(
                *np.transpose(self.rows), c=self.targets, edgecolors="black", s=20, **colors
            )
        self.colorbar_ = self.figure_.colorbar(self.surface_, ax=ax)
        if self.classes is not None:
            self.colorbar_.set_ticks(range(len(self.classes)), labels=self.classes)

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
