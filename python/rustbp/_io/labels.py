"""The labels of a classifier as a part of the document and arrays, and back."""

from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.preprocessing import LabelBinarizer

from rustbp._io.arrays import CODES, Arrays
from rustbp._labels import learnt_of


def labels_of(model: Any, arrays: Arrays) -> dict[str, Any] | None:
    """What the document says of the labels, which go to the arrays; None for a regressor."""
    if not is_classifier(model):
        return None
    binarizer = model._label_binarizer
    if (binarizer.neg_label, binarizer.pos_label, binarizer.sparse_output) != (0, 1, False):
        raise ValueError("its label binarizer has other parameters than fit gives it")
    dtype, arrays["classes_"] = _label_array("classes_", model.classes_)
    binarizer_dtype = None
    if binarizer.classes_ is not model.classes_:
        what = "label_binarizer.classes_"
        binarizer_dtype, arrays[what] = _label_array(what, binarizer.classes_)
    return {
        "kind": binarizer.y_type_,
        "sparse_input": bool(binarizer.sparse_input_),
        "dtype": dtype,
        "binarizer_dtype": binarizer_dtype,
    }


def restore_labels(model: Any, labels: dict[str, Any], arrays: Arrays) -> None:
    """Give ``model`` the labels that `labels_of` stored."""
    model.classes_ = arrays["classes_"].view(labels["dtype"]).ravel()
    binarizer = model._label_binarizer = LabelBinarizer()
    binarizer.y_type_ = labels["kind"]
    binarizer.sparse_input_ = labels["sparse_input"]
    binarizer.classes_ = model.classes_
    if labels.get("binarizer_dtype"):
        stored = arrays["label_binarizer.classes_"]
        binarizer.classes_ = stored.view(labels["binarizer_dtype"]).ravel()
    model._learnt_output = learnt_of(model, labels["kind"])


def _label_array(what: str, labels: Any) -> tuple[str, Any]:
    """NumPy's name of the dtype of labels, and the array of numbers that they are stored as."""
    labels = np.asarray(labels)
    dtype = labels.dtype.newbyteorder("<")
    labels = np.ascontiguousarray(labels, dtype=dtype)
    if dtype.kind == "U":
        labels = labels.view("<u4").reshape(len(labels), -1)
    elif dtype.kind in "mM":
        labels = labels.view("<i8")
    elif dtype.str not in CODES:
        raise TypeError(
            f"The model cannot be saved: {what} is of dtype {dtype}. A model file holds labels that are "
            "booleans, integers, floats of up to 64 bits, str, datetime64 or timedelta64."
        )
    return dtype.str, labels
