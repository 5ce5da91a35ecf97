"""Parameters and scores as JSON has them, and back."""

import math
from numbers import Integral, Real
from typing import Any

import numpy as np

_MOST_ITEMS = 1024
"""Of a list in a document; `src/format/value.rs` reads no longer one."""


def encode(value: Any, what: str, nested: bool = False) -> Any:
    """A value as JSON has it."""
    if value is None or isinstance(value, (bool, np.bool_)):
        return value if value is None else bool(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Integral):
        return integer(value, f"{what} is")
    if isinstance(value, Real):
        number = float(value)
        return number if math.isfinite(number) else {"float": str(number)}
    if isinstance(value, np.random.RandomState):
        return {"RandomState": None}
    if isinstance(value, (tuple, list, range, np.ndarray)) and not nested:
        # Told at once, before the layers of a network as deep as that are gone through.
        if len(value) > _MOST_ITEMS:
            raise ValueError(
                f"{what} is a list of {len(value)} items, where at most {_MOST_ITEMS} are allowed"
            )
        items = [
            _encode_dict(item, what) if isinstance(item, dict) else encode(item, what, nested=True)
            for item in value
        ]
        return {"tuple": items} if isinstance(value, tuple) else items
    if isinstance(value, dict) and not nested:
        return _encode_dict(value, what)
    raise TypeError(
        f"The model cannot be saved: {what} is of type {type(value).__qualname__}. A model file holds None, "
        "booleans, numbers, strings, lists and tuples of these, and dictionaries."
    )


def _encode_dict(value: dict[Any, Any], what: str) -> Any:
    # As pairs: labels, the keys, may be numbers.
    return {"dict": [[encode(part, what, nested=True) for part in pair] for pair in value.items()]}


def decode(value: Any, generator: np.random.RandomState | None = None) -> Any:
    """What `encode` made ``value`` of; ``generator`` stands for a RandomState."""
    if isinstance(value, list):
        return [decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "tuple" in value:
        return tuple(decode(value["tuple"]))
    if "float" in value:
        return float(value["float"])
    if "dict" in value:
        return dict(decode(pair) for pair in value["dict"])
    if generator is None:
        raise ValueError("it lacks a random state")
    return generator


def integer(value: Any, what: str = "it holds") -> int:
    """An integer that other readers of JSON can hold too."""
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"{what} an integer of more than 64 bits")
    return number
