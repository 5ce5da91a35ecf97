"""Pictures of networks and of their training, in the style of scikit-learn's displays; they need matplotlib.

Each class has ``from_estimator``, which computes what it shows and draws it, and ``plot``, which draws it again. Drawn
displays keep ``ax_`` and ``figure_``. Importing this module does not import pyplot.

It imports what computes the quantities shown (`inspection`, `_sigma`, `hidden`, `history`), and names of
activations from `_training`; only `learning_rate`, which draws too, imports it.
Start with `TrainingCurveDisplay`; a new display takes after the shortest, `ErrorFlowDisplay`.
"""

from rustbp.display.boundary import BoundaryDisplay
from rustbp.display.network import ActivationsDisplay, WeightsDisplay
from rustbp.display.training import ErrorFlowDisplay, TrainingCurveDisplay

__all__ = [
    "ActivationsDisplay",
    "BoundaryDisplay",
    "ErrorFlowDisplay",
    "TrainingCurveDisplay",
    "WeightsDisplay",
]
