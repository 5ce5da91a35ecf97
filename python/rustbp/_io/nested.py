"""Estimators that hold others, copied as a whole with some of what they hold exchanged."""

import copy
import functools
from collections.abc import Callable, Iterator
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np


def copy_with(holder: Any, exchange: Callable[[Any], Any]) -> tuple[Any, int]:
    """A deep copy of ``holder`` in which ``exchange`` has taken its part, and in how many places it has.

    ``exchange`` gets every object inside and returns what is to stand in its place, or None. What was one object stays
    one.
    """
    seen: dict[int, Any] = {}
    exchanged: dict[int, Any] = {}
    bound: list[MethodType] = []
    masked: list[Any] = []
    stack = [holder]
    while stack:
        item = stack.pop()
        if id(item) in seen:
            continue
        seen[id(item)] = item
        other = exchange(item)
        if other is not None:
            exchanged[id(item)] = other
            continue
        if isinstance(item, MethodType):
            bound.append(item)
        if isinstance(item, np.ma.MaskedArray):
            masked.append(item)
        stack.extend(_parts(item))
    for method in bound:
        if id(method.__self__) in exchanged:
            # By name: what it is bound to now has another class.
            exchanged[id(method)] = getattr(exchanged[id(method.__self__)], method.__name__)
    # What deepcopy finds here, it takes for a copy that it has made before.
    memo = dict(exchanged)
    for array in masked:
        memo[id(array)] = _copy_masked(array, memo)
    return copy.deepcopy(holder, memo), len(exchanged)


def _copy_masked(array: Any, memo: dict[int, Any]) -> Any:
    """Masked arrays copy their objects without a memo."""
    copied = array.copy()
    if array.dtype == object:
        for index, item in np.ndenumerate(array.data):
            copied.data[index] = copy.deepcopy(item, memo)
    return copied


def _parts(item: Any) -> Iterator[Any]:
    if isinstance(item, dict):
        yield from item.values()
    elif isinstance(item, (list, tuple, set, frozenset)):
        yield from item
    elif isinstance(item, np.ndarray):
        if item.dtype == object:
            yield from np.asarray(item).flat
    elif isinstance(item, MethodType):
        yield item.__self__
    elif isinstance(item, functools.partial):
        yield from (item.func, *item.args, *item.keywords.values())
    if hasattr(item, "__dict__") and not isinstance(item, (type, ModuleType, FunctionType)):
        yield from vars(item).values()
