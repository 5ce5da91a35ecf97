"""What becomes of a column: the inputs that a net gets in its place.

Each feature has ``width`` inputs, and ``names`` for them. Its ``read`` gives a value for each row of a column, and its
``encode`` the inputs for some of these. ``fit_numbers`` and ``fit_levels`` give None for a column that says nothing.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rustbp.tabular.columns import INEXACT, Column, as_text

Floats = NDArray[np.float64]

CLIP = 3.0
"""Where the smooth clip levels off: Holzmüller et al. (2024), section 3."""


MOST_WITHOUT_BINS = 3
"""Different numbers of a column that need no bins: a scale is enough for them."""

LEAST = 1e-300
"""A spread to divide by where it is smaller: no quotient of zeros."""


def smooth_clip(u: Floats) -> Floats:
    """u / sqrt(1 + (u / 3)²), between -3 and 3: nearly u while u is small."""
    # Beyond any precision it makes no difference, and the square stays finite.
    u = np.clip(u, -1e9, 1e9)
    return u / np.sqrt(1.0 + (u / CLIP) ** 2)


class Distribution:
    """Distinct numbers and the weight of each; quantiles are those of rows repeated as often as they weigh."""

    def __init__(self, numbers: Floats, weights: Floats | None) -> None:
        values, inverse, counts = np.unique(numbers, return_inverse=True, return_counts=True)
        self.values: Floats = values
        self.mass: Any = counts if weights is None else np.bincount(inverse, weights=weights)
        self._below = np.cumsum(self.mass)

    def quantiles(self, *levels: float) -> Floats:
        """Where the distribution function passes a level, or the middle of the two values that it stays at it
        between."""
        target = np.array(levels) * self._below[-1]
        last = len(self.values) - 1
        low = np.minimum(np.searchsorted(self._below, target, side="left"), last)
        high = np.minimum(np.searchsorted(self._below, target, side="right"), last)
        return 0.5 * self.values[low] + 0.5 * self.values[high]

    def mean(self) -> float:
        return float(self.values @ (self.mass / self._below[-1]))

    def subset(self, kept: NDArray[np.bool_]) -> "Distribution":
        part = object.__new__(Distribution)
        part.values, part.mass = self.values[kept], self.mass[kept]
        part._below = np.cumsum(part.mass)
        return part


def centre_and_spread(found: Distribution) -> tuple[float, float]:
    """Median and interquartile range; where half of the rows have the same value, the median distance of the others."""
    median, low, high = found.quantiles(0.5, 0.25, 0.75)
    if high > low:
        return median, high - low
    others = found.subset(found.values != median)
    distances = Distribution(np.abs(others.values - median), others.mass)
    return median, distances.quantiles(0.5)[0]


def has_bins(numbers: Floats) -> bool:
    """Whether a column has enough different numbers for bins."""
    return len(np.unique(numbers[~np.isnan(numbers)])) > MOST_WITHOUT_BINS


def bin_edges(found: Distribution, n_bins: int) -> Floats:
    """Edges of at most ``n_bins`` bins with about as many rows in each.

    Values of which there are many, as of zeros, are edges themselves, and the quantiles of the other rows share what is
    left.
    """
    values = found.values
    if n_bins == 0 or len(values) <= MOST_WITHOUT_BINS:
        return np.empty(0)
    levels = np.arange(n_bins + 1) / n_bins
    edges = np.unique(found.quantiles(*levels))
    if len(edges) == n_bins + 1:
        return edges
    if len(values) <= n_bins + 1:
        return values
    heavy = found.mass > found.mass.sum() / n_bins
    left = max(n_bins - int(heavy.sum()), 1)
    others = found.subset(~heavy).quantiles(*(np.arange(left + 1) / left))
    return np.unique(np.concatenate((values[heavy], others)))


@dataclass
class Numbers:
    """A column of numbers: scaled and clipped, its piecewise linear encoding, and whether it is missing.

    Numbers are kept halved, so that no difference of two overflows.

    Attributes
    ----------
    median, spread, mean : float
        Of the training rows; the mean stands where a number is missing.
    edges : ndarray of shape (n_bins + 1,)
        Of the bins; empty if there are none.
    missing : bool
        Whether there is an input that says that the number is missing.
    varies : bool
        Whether the number itself is an input: False if it is always the same.
    """

    median: float
    spread: float
    mean: float
    edges: Floats
    missing: bool
    varies: bool

    @property
    def width(self) -> int:
        return self.varies + max(len(self.edges) - 1, 0) + self.missing

    def names(self, name: str) -> list[str]:
        bins = [f"{name}_bin{j}" for j in range(max(len(self.edges) - 1, 0))]
        return [name] * self.varies + bins + [f"{name}_missing"] * self.missing

    def read(self, column: Column, name: str) -> Floats:
        return 0.5 * numbers_of(column, name)

    def encode(self, halves: Floats, out: NDArray[np.float32]) -> None:
        gone = np.isnan(halves)
        halves = np.where(gone, self.mean, halves)
        if self.missing:
            out[:, -1] = gone
        if not self.varies:
            return
        # What overflows is beyond the ends.
        with np.errstate(over="ignore"):
            out[:, 0] = smooth_clip((halves - self.median) / max(self.spread, LEAST))
            if len(self.edges):
                # Each input rises from -1 to 1 within its bin, and stays there.
                middles = 0.5 * (self.edges[1:] + self.edges[:-1])
                slopes = 2.0 / np.maximum(np.diff(self.edges), LEAST)
                rising = (halves[:, None] - middles) * slopes
                np.clip(rising, -1.0, 1.0, out=out[:, 1 : len(self.edges)], casting="same_kind")


def fit_numbers(column: Column, name: str, weights: Floats | None, n_bins: int) -> Numbers | None:
    """A column as numbers; None if it is constant or missing throughout."""
    halves = 0.5 * numbers_of(column, name)
    there = ~np.isnan(halves)
    if not there.any():
        return None
    missing = not bool(there.all())
    found = Distribution(halves[there], None if weights is None else weights[there])
    varies = len(found.values) > 1
    if not (varies or missing):
        return None
    median, spread = centre_and_spread(found) if varies else (found.values[0], 1.0)
    edges = bin_edges(found, n_bins)
    return Numbers(float(median), float(spread), found.mean(), edges, missing, varies)


@dataclass
class Levels:
    """A column of categories: an input for each level, or one for both of two.

    Attributes
    ----------
    levels : list of str or of float
        Sorted. Integers that are no floats are text.
    """

    levels: list[Any]

    @property
    def width(self) -> int:
        return 1 if len(self.levels) == 2 else len(self.levels)

    def names(self, name: str) -> list[str]:
        texts = [as_text(level) for level in self.levels]
        return [f"{name}_{text}" for text in (texts[1:] if len(texts) == 2 else texts)]

    def encode(self, codes: NDArray[np.intp], out: NDArray[np.float32]) -> None:
        out[:] = 0.0
        rows = np.flatnonzero(codes >= 0)
        if self.width == 1:
            out[rows, 0] = 2.0 * codes[rows] - 1.0
        else:
            out[rows, codes[rows]] = ON

    def read(self, column: Column, name: str) -> NDArray[np.intp]:
        """Which level each row has; -1 for none of those known."""
        if isinstance(self.levels[0], str):
            known = {level: code for code, level in enumerate(self.levels)}
            if column.numbers is not None:
                # As another CSV is read that lacks the levels that are no numbers: "1.0" and "TRUE" are 1 there.
                known = self._codes_of_numbers() | known
            own, found = text_of(column)
            translated = np.array([known.get(level, -1) for level in own] + [-1], dtype=np.intp)
            return translated[found]
        levels, numbers = np.asarray(self.levels), numbers_of(column, strict=False)
        codes = np.minimum(np.searchsorted(levels, numbers), len(levels) - 1)
        return np.where(levels[codes] == numbers, codes, -1)

    def _codes_of_numbers(self) -> dict[str, int]:
        """The code of each level that reads as a number, by that number as text."""
        numbers = numbers_of(
            Column(codes=np.arange(len(self.levels)), levels=self.levels), strict=False
        )
        return {
            as_text(number): code
            for code, number in enumerate(numbers.tolist())
            # Large integers are known by their own text alone: others have the same number.
            if np.isfinite(number)
            and not (abs(number) >= INEXACT and self.levels[code].lstrip("-").isdigit())
        }


def all_names(found: list[tuple[int, Numbers | Levels]], of_columns: Any) -> list[str]:
    """Names of all inputs, which are different: those of numbers stay, and others that are taken get a number."""
    taken = {
        of_columns[at] for at, feature in found if isinstance(feature, Numbers) and feature.varies
    }
    own = set(taken)
    result = []
    for at, feature in found:
        for name in feature.names(of_columns[at]):
            if name == of_columns[at] and name in own:
                # Once: names given by hand may occur twice.
                own.remove(name)
            elif name in taken:
                number = 2
                while f"{name}_{number}" in taken:
                    number += 1
                name = f"{name}_{number}"
            taken.add(name)
            result.append(name)
    return result


ON = 1.5
"""What the input of a level is where it is the row's: about what the scale of numbers makes of two steps."""


def fit_levels(counts: dict[Any, int], max_levels: int) -> Levels | None:
    """Categories of which there are so many rows; None if there is but one.

    Of more than ``max_levels`` the most frequent ones are kept.
    """
    if len(counts) < 2:
        return None
    kept = sorted(counts, key=lambda level: (-counts[level], level))[:max_levels]
    return Levels(sorted(kept))


def count_levels(column: Column) -> dict[Any, int]:
    """How many rows have each level."""
    if column.integers is not None:
        levels, codes = text_of(column)
        column = Column(codes=codes, levels=levels)
    if column.numbers is not None:
        levels, counts = np.unique(column.numbers, return_counts=True)
        there = ~np.isnan(levels)
        return dict(zip(levels[there].tolist(), counts[there].tolist(), strict=True))
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.levels))
    table: dict[Any, int] = {}
    for level, count in zip(column.levels, counts.tolist(), strict=True):
        if count:
            table[level] = table.get(level, 0) + count
    return table


def text_of(column: Column) -> tuple[list[str], NDArray[np.intp]]:
    """The column as text: levels, and codes, -1 where missing."""
    if column.numbers is None:
        return list(column.levels), column.codes
    there = ~np.isnan(column.numbers)
    exact = column.numbers if column.integers is None else column.integers
    values, found = np.unique(exact[there], return_inverse=True)
    codes = np.full(len(there), -1)
    codes[there] = found
    return [as_text(value) for value in values.tolist()], codes


_TRUTH = {"true": 1.0, "false": 0.0}
"""What readers of CSV files take for booleans."""


def numbers_of(column: Column, name: str = "", strict: bool = True) -> Floats:
    """The column as numbers, for text what it reads as; NaN for what does not if not ``strict``."""
    if column.numbers is not None:
        return column.numbers
    numbers = np.full(len(column.levels) + 1, np.nan)
    for code, level in enumerate(column.levels):
        try:
            numbers[code] = float(level)
        except ValueError:
            if strict:
                raise ValueError(
                    f"Column {name!r} is one of numbers, and could not convert string to float: {level!r}. Name it in "
                    "categorical_features if it is one of categories."
                ) from None
            numbers[code] = _TRUTH.get(level.lower(), np.nan)
    if strict and np.isinf(numbers).any():
        raise ValueError(f"Input X contains infinity in column {name!r}.")
    return numbers[column.codes]
