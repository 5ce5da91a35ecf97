"""Warnings that scikit-learn's perceptrons give too."""

import re
import sys
import warnings
from types import FrameType
from typing import Any

_THEIRS = "sklearn.neural_network._multilayer_perceptron"
"""The module that scikit-learn's own come from."""

_BETWEEN = ("rustbp", "sklearn", "joblib")
"""Packages whose frames stand between a script and the warning."""


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Like ``warnings.warn``; but filters that name scikit-learn's module, as many scripts have them, apply as well.

    The first filter that fits either module decides. What is shown is the line of the script that led here, as of
    ``model.fit(X, y)``.
    """
    caller = sys._getframe(1)
    module = caller.f_globals.get("__name__", "")
    shown = _line_of_the_user(caller)
    for _, text, kind, name, line in _filters():
        if issubclass(category, kind) and _fits(text, message) and line in (0, shown.f_lineno):
            if _fits(name, module):
                break
            if _fits(name, _THEIRS):
                module = _THEIRS
                break
    warnings.warn_explicit(
        message,
        category,
        shown.f_code.co_filename,
        shown.f_lineno,
        module,
        shown.f_globals.setdefault("__warningregistry__", {}),
    )


def _line_of_the_user(caller: FrameType) -> FrameType:
    frame: FrameType | None = caller
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] not in _BETWEEN:
            return frame
        frame = frame.f_back
    return caller


def _filters() -> list[Any]:
    # Python 3.14 may have filters of a context besides those of the process.
    return getattr(warnings, "_get_filters", lambda: warnings.filters)()


def _fits(pattern: str | re.Pattern[str] | None, text: str) -> bool:
    if pattern is None or isinstance(pattern, str):
        return pattern in (None, text)
    return pattern.match(text) is not None
