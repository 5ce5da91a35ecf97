"""What the displays share: matplotlib, if it is there, and the axes to draw on."""

from typing import Any

SATURATED = "tab:red"
PLAIN = "tab:blue"


def new_axes(ax: Any, display: str) -> Any:
    """``ax``, or that of a new figure.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(f"{display} needs matplotlib: pip install 'rustbp[plot]'") from error
    return plt.subplots(layout="constrained")[1] if ax is None else ax


def layer_colors(n_layers: int) -> list[Any]:
    """A colour for each layer, from dark (first) to light (output)."""
    from matplotlib import colormaps

    return [colormaps["viridis"](0.9 * i / max(n_layers - 1, 1)) for i in range(n_layers)]
