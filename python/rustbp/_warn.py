"""Warnings that scikit-learn's perceptrons give too."""

import re
import sys
import warnings
from typing import Any

_THEIRS = "sklearn.neural_network._multilayer_perceptron"
"""The module that scikit-learn's own come from."""


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Like ``warnings.warn``; but filters that name scikit-learn's module, as many scripts have them, apply as well.

    The first filter that fits either module decides, and what is shown names the caller, as always.
    """
    caller = sys._getframe(1)
    module = caller.f_globals.get("__name__", "")
    for _, text, kind, name, line in _filters():
        if issubclass(category, kind) and _fits(text, message) and line in (0, caller.f_lineno):
            if _fits(name, module):
                break
            if _fits(name, _THEIRS):
                module = _THEIRS
                break
    warnings.warn_explicit(
        message,
        category,
        caller.f_code.co_filename,
        caller.f_lineno,
        module,
        caller.f_globals.setdefault("__warningregistry__", {}),
    )


def _filters() -> list[Any]:
    # Python 3.14 may have filters of a context besides those of the process.
    return getattr(warnings, "_get_filters", lambda: warnings.filters)()


def _fits(pattern: str | re.Pattern[str] | None, text: str) -> bool:
    if pattern is None or isinstance(pattern, str):
        return pattern in (None, text)
    return pattern.match(text) is not None
