"""A table, whatever holds it, as columns of two kinds: numbers with NaN, or text as codes and levels.

pandas, polars and pyarrow are looked for only among the modules that are loaded: whoever hands over a frame of theirs
has imported them.
"""

import datetime
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from sklearn.utils import check_array

_DATES = (
    datetime.date,
    datetime.time,
    datetime.timedelta,
    np.datetime64,
    np.timedelta64,
)

_NUMBERS = (Real, np.bool_, Decimal)

INEXACT = 2.0**53
"""From here on integers share their float64 with others."""


@dataclass
class Column:
    """One column of a table.

    Attributes
    ----------
    numbers : ndarray of shape (n_rows,), float64, or None
        NaN where missing.
    integers : ndarray of shape (n_rows,), int, or None
        Of integers that ``numbers`` does not tell apart: what they are, as categories may be.
    codes : ndarray of shape (n_rows,), int, or None
        Of text: which of ``levels``; -1 where missing.
    levels : list of str
        Of text; some may not occur, and some may occur twice.
    is_category : bool
        Whether the frame says so, or it is text.
    """

    numbers: NDArray[np.float64] | None = None
    integers: NDArray[Any] | None = None
    codes: NDArray[np.intp] | None = None
    levels: Sequence[str] = ()
    is_category: bool = False

    def __len__(self) -> int:
        return len(self.codes if self.numbers is None else self.numbers)

    def is_missing(self) -> bool:
        """Whether all of its rows are."""
        gone = self.codes < 0 if self.numbers is None else np.isnan(self.numbers)
        return bool(gone.all())

    def take(self, rows: NDArray[Any]) -> "Column":
        """Some of its rows."""
        if self.numbers is None:
            return replace(self, codes=self.codes[rows])
        integers = None if self.integers is None else self.integers[rows]
        return replace(self, numbers=self.numbers[rows], integers=integers)


@dataclass
class Table:
    """Columns of the same length, and their names if they have some."""

    names: list[str] | None
    columns: list[Column]

    @property
    def n_rows(self) -> int:
        return len(self.columns[0])


def read(X: Any, owner: str) -> Table:
    """The columns of a pandas or polars frame, an Arrow table, an array, a sparse matrix, or lists of rows.

    Raises
    ------
    TypeError
        For dates, and for what is neither a number nor text; for names that are text in part.

    ValueError
        For infinite and complex numbers, for a table without rows or columns, and for names that occur twice.
    """
    found = _frame(X)
    if found is None:
        table = Table(None, _of_array(_array(X, owner)))
    else:
        names = _names(found[0])
        if not found[0]:
            raise ValueError(
                f"Found a table with 0 feature(s) while a minimum of 1 is required by {owner}."
            )
        columns = [
            _column(of_library, values, str(name))
            for name, of_library, values in zip(*found, strict=True)
        ]
        table = Table(names, columns)
    if table.n_rows == 0:
        raise ValueError(
            f"Found a table with 0 sample(s) (shape=(0, {len(table.columns)})) while a minimum of 1 is required by "
            f"{owner}."
        )
    for position, column in enumerate(table.columns):
        if column.numbers is not None and np.isinf(column.numbers).any():
            raise ValueError(
                f"Input X contains infinity or a value too large for dtype('float64'), in column "
                f"{_called(table, position)}."
            )
    return table


def _called(table: Table, position: int) -> str:
    return repr(table.names[position]) if table.names else str(position)


def _names(names: list[Any]) -> list[str] | None:
    """Names that can be kept, in scikit-learn's sense: all of them text."""
    kinds = {isinstance(name, str) for name in names}
    if len(kinds) > 1:
        raise TypeError(
            "Feature names are only supported if all input features have string names, but your input has names of "
            "several types. Convert them, for example with X.columns = X.columns.astype(str)."
        )
    doubles = (
        {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else ()
    )
    if doubles:
        raise ValueError(
            f"Each column must have a name of its own; these occur more than once: {sorted(map(str, doubles))}."
        )
    return names if kinds == {True} else None


# ---- what holds a table: names, and for each column what reads it ----


def _frame(X: Any) -> tuple[list[Any], list[Any], list[Any]] | None:
    """Names, readers and values of the columns of a frame; None for all else."""
    pandas, polars, arrow = (sys.modules.get(name) for name in ("pandas", "polars", "pyarrow"))
    if pandas is not None and isinstance(X, pandas.DataFrame):
        return list(X.columns), [_of_pandas] * X.shape[1], [X.iloc[:, j] for j in range(X.shape[1])]
    if polars is not None and isinstance(X, polars.LazyFrame):
        raise TypeError("X is a LazyFrame of polars, which holds no rows yet. Pass X.collect().")
    if polars is not None and isinstance(X, polars.DataFrame):
        return X.columns, [_of_polars] * X.width, X.get_columns()
    if arrow is not None and isinstance(X, (arrow.Table, arrow.RecordBatch)):
        return X.schema.names, [_of_arrow] * X.num_columns, list(X.columns)
    if hasattr(X, "__arrow_c_stream__") and not hasattr(X, "__array__"):
        import pyarrow

        return _frame(pyarrow.table(X))
    return None


def _column(read: Any, values: Any, name: str) -> Column:
    try:
        return read(values)
    except (TypeError, ValueError) as error:
        raise type(error)(f"Column {name!r}: {error}") from None


def _of_pandas(series: Any) -> Column:
    kind = getattr(series.dtype, "kind", "O")
    if hasattr(series, "cat"):
        column = _of_levels(series.cat.codes.to_numpy(dtype=np.intp), list(series.cat.categories))
        column.is_category = True
        return column
    if kind in "biuf":
        numbers = series.to_numpy(dtype=np.float64, na_value=np.nan)
        if kind in "iu" and _is_inexact(numbers):
            return Column(numbers=numbers, integers=series.to_numpy(dtype=f"{kind}8", na_value=0))
        return Column(numbers=numbers)
    _refuse(kind, series.dtype)
    return _of_objects(series.tolist())


def _of_polars(series: Any) -> Column:
    import polars

    kind = series.dtype
    if kind.is_numeric() or kind in (polars.Boolean, polars.Null):
        numbers = series.cast(polars.Float64).to_numpy().astype(np.float64)
        if kind.is_integer() and _is_inexact(numbers):
            whole = series.fill_null(0)
            # NumPy has none of 128 bits.
            objects = str(kind).endswith("128")
            integers = np.array(whole.to_list(), dtype=object) if objects else whole.to_numpy()
            return Column(numbers=numbers, integers=integers)
        return Column(numbers=numbers)
    if kind.is_temporal():
        _refuse("M", kind)
    if kind in (polars.Categorical, polars.Enum):
        series = series.cast(polars.String)
    return _of_objects(series.to_list(), is_category=kind in (polars.Categorical, polars.Enum))


def _of_arrow(values: Any) -> Column:
    import pyarrow
    from pyarrow import types

    kind = values.type
    is_category = types.is_dictionary(kind)
    if is_category:
        kind = kind.value_type
        values = values.cast(kind)
    if types.is_temporal(kind):
        _refuse("M", kind)
    numeric = (
        types.is_integer,
        types.is_floating,
        types.is_decimal,
        types.is_boolean,
        types.is_null,
    )
    if any(is_kind(kind) for is_kind in numeric):
        # Through a chunked array, which has one way to become NumPy's.
        numbers = pyarrow.chunked_array([values]) if isinstance(values, pyarrow.Array) else values
        whole = numbers
        # Integers beyond 2^53 lose digits, as everywhere else.
        numbers = numbers.cast(pyarrow.float64(), safe=False).to_numpy().astype(np.float64)
        inexact = types.is_integer(kind) and _is_inexact(numbers)
        integers = whole.fill_null(0).to_numpy() if inexact else None
        return Column(numbers=numbers, integers=integers, is_category=is_category)
    return _of_objects(values.to_pylist(), is_category=is_category)


def _array(X: Any, owner: str) -> NDArray[Any]:
    if isinstance(X, (list, tuple)):
        # NumPy would make text of the numbers beside text.
        given = np.asarray(X) if _same_kind(X) else np.asarray(X, dtype=object)
        X = given
    if scipy.sparse.issparse(X):
        # What is not stored is zero, a number like others: after centring it is one no more.
        X = X.toarray()
    return check_array(X, dtype=None, ensure_all_finite=False, estimator=owner, input_name="X")


def _same_kind(rows: Any) -> bool:
    try:
        return np.asarray(rows).dtype.kind != "U"
    except ValueError:
        # Rows of different lengths: scikit-learn has the words.
        return False


def _of_array(X: NDArray[Any]) -> list[Column]:
    kind = X.dtype.kind
    if kind in "biuf":
        numbers = np.ascontiguousarray(X.T, dtype=np.float64)
        return [
            Column(column, X[:, j] if kind in "iu" and _is_inexact(column) else None)
            for j, column in enumerate(numbers)
        ]
    _refuse(kind, X.dtype)
    return [_column(_of_objects, X[:, j].tolist(), str(j)) for j in range(X.shape[1])]


# ---- from Python objects ----


def _of_objects(values: Iterable[Any], is_category: bool = False) -> Column:
    """Numbers if all that is not missing is numbers; else text."""
    table: dict[Any, int] = {}
    try:
        codes = np.array([table.setdefault(value, len(table)) for value in values], dtype=np.intp)
    except TypeError as error:
        wrong = [type(value).__name__ for value in values if type(value).__hash__ is None]
        if not wrong:
            raise TypeError(str(error)) from None
        raise TypeError(f"argument must be a string or a number, not {wrong[0]!r}") from None
    column = _of_levels(codes, list(table))
    column.is_category |= is_category
    return column


def _of_levels(codes: NDArray[np.intp], levels: list[Any]) -> Column:
    """A column from the objects that its codes stand for; -1 is missing."""
    # One more for the code -1.
    missing = np.array([*map(is_missing, levels), True])
    present = [level for level, gone in zip(levels, missing[:-1], strict=True) if not gone]
    for level in present:
        if isinstance(level, _DATES) or type(level).__name__ == "Period":
            _refuse("M", type(level).__name__)
        if not isinstance(level, _NUMBERS) and not _is_text(level):
            kind = type(level).__name__
            raise TypeError(f"argument must be a string or a number, not {kind!r}")
    if not any(map(_is_text, present)):
        numbers = np.full(len(missing), np.nan)
        try:
            numbers[~missing] = [float(level) for level in present]
        except OverflowError:
            raise ValueError("a value is too large for dtype('float64')") from None
        if _is_inexact(numbers) and all(isinstance(level, Integral) for level in present):
            # As objects, which no integer is too large for.
            integers = np.zeros(len(missing), dtype=object)
            integers[~missing] = [int(level) for level in present]
            return Column(numbers=numbers[codes], integers=integers[codes])
        return Column(numbers=numbers[codes])
    kept = np.where(missing, -1, np.cumsum(~missing) - 1)
    return Column(codes=kept[codes], levels=[as_text(level) for level in present], is_category=True)


def _is_inexact(numbers: NDArray[np.float64]) -> bool:
    """Whether some of these were integers that others have become too."""
    return bool((np.abs(numbers) >= INEXACT).any())


def is_missing(value: Any) -> bool:
    """Whether an object stands for a missing value: None, NaN, or pandas' NA or NaT."""
    if value is None or type(value).__name__ == "NAType":
        return True
    return bool(value != value)


def _is_text(level: Any) -> bool:
    """Whether a level has no number: text, and what pandas.cut gives."""
    return isinstance(level, str) or type(level).__name__ == "Interval"


def as_text(value: Any) -> str:
    """A level as text: integers without a point, whatever their type."""
    if _is_text(value) or isinstance(value, (bool, np.bool_)):
        return str(value)
    whole = isinstance(value, Integral) or float(value).is_integer()
    return str(int(value)) if whole else str(value)


def _refuse(kind: str, dtype: Any) -> None:
    """Refuse dates and complex numbers, by NumPy's letter for them."""
    if kind in "mM":
        raise TypeError(
            f"dates and times ({dtype}) are not encoded, since what matters in them depends on the question. Put "
            "numbers in their place: the days since a fixed date, the month, the day of the week, the hour."
        )
    if kind == "c":
        raise ValueError("Complex data not supported")
