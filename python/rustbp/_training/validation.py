"""Which rows an epoch is scored on."""

from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from rustbp._arrays import Rows


def split(model: Any, rows: Rows) -> tuple[Any, Rows]:
    """Indices of the rows to train on, and the rows held out, with the draws of scikit-learn's split of the arrays.

    Raises
    ------
    ValueError
        If less than two rows are held out, and if the classes cannot be divided.
    """
    stratify = None
    if model._stratifies():
        # As text, because that is what scikit-learn's splitter makes of its column of booleans.
        stratify = np.where(rows.y, "True", "False")
    train_index, held_out = train_test_split(
        np.arange(rows.X.shape[0], dtype=np.int64),
        random_state=model._random_state,
        test_size=model.validation_fraction,
        stratify=stratify,
    )
    if len(held_out) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' "
            "or the size of your dataset."
        )
    return train_index, rows.take(held_out)
