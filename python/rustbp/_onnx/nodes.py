"""Where the nodes of a graph go: what the rest of this folder writes to, whoever keeps the graph."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np


class Nodes(ABC):
    """A graph that grows: each result has a name, by which later nodes take it."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = np.dtype(dtype)
        """float32 or float64: of all that is computed."""

    @abstractmethod
    def constant(self, value: Any) -> str:
        """An array of the graph, of the value's own dtype, or of `dtype` for a number of Python's."""

    @abstractmethod
    def add(self, op: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """A node with one result, whose name is made up if it is not given."""

    def as_array(self, value: Any) -> Any:
        return np.asarray(value, dtype=self.dtype if isinstance(value, int | float) else None)

    def apply(self, op: str, *operands: str | float) -> str:
        """A node of names and numbers."""
        return self.add(op, *(o if isinstance(o, str) else self.constant(o) for o in operands))
