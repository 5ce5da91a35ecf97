"""What a fit that was cut short goes on from, beside what a fitted model has."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Unfinished:
    """The state of a fit between two epochs.

    Attributes
    ----------
    order : ndarray of int64 or None
        The rows that are trained on, in the order of the last epoch; None: all, in turn.
    held_out : ndarray of int64 or None
        Those that are held out for early stopping.
    best : tuple of list, or None
        Weights and biases that scored best, if there are any but the present ones.
    single : bool
        Whether the model is of float32, and trains on rows of float64 in their dtype: it has its own again at the end.
    parts : tuple of int, or None
        Of a fit on chunks or partitions, whose numbers ``order`` has then: the seed of what is drawn for them, how many
        are trained on side by side, and how many there are.
    """

    order: NDArray[np.int64] | None
    held_out: NDArray[np.int64] | None
    best: tuple[list[Any], list[Any]] | None
    single: bool = False
    parts: tuple[int, int, int] | None = None

    def check(self, n_rows: int) -> None:
        """Refuse other rows than those of that fit, as far as can be seen."""
        if self.parts is not None:
            raise ValueError(
                "This model is a checkpoint, and warm_start=True goes on with the fit that it was written in, of "
                f"{self.parts[2]} chunks or partitions. Pass the same; got {n_rows} rows in one piece."
            )
        parts = [part for part in (self.order, self.held_out) if part is not None]
        if parts and not np.array_equal(np.sort(np.concatenate(parts)), np.arange(n_rows)):
            raise ValueError(
                "This model is a checkpoint, and warm_start=True goes on with the fit that it was written in, of "
                f"{sum(map(len, parts))} rows. Pass the same rows; got {n_rows}."
            )

    def check_parts(self, replicas: int, n_parts: int) -> None:
        """Refuse other chunks or partitions than those of that fit, as far as can be seen."""
        if self.parts is None:
            raise ValueError(
                "This model is a checkpoint, and warm_start=True goes on with the fit that it was written in, of rows "
                f"in one piece. Pass the same rows; got {n_parts} chunks or partitions."
            )
        if self.parts[1:] != (replicas, n_parts):
            raise ValueError(
                "This model is a checkpoint, and warm_start=True goes on with the fit that it was written in, of "
                f"{self.parts[2]} chunks or partitions, {self.parts[1]} side by side (replicas). Pass the same; got "
                f"{n_parts}, {replicas} side by side."
            )
