"""Model files: a fitted estimator as a safetensors file, and back. Neither way runs code that a file brings.

The native module checks a file, both before it is written and when it is read (``src/format.rs`` describes it). Here an
estimator is taken apart into a JSON document and arrays, and put together again.
"""

import json
import math
import os
import stat
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import validate_parameter_constraints
from sklearn.utils.validation import check_is_fitted

from rustbp import _arrays, _core
from rustbp._io.files import replacing
from rustbp._training.optimizer import HYPERPARAMETERS, Optimizer

FORMAT = 1
DTYPES = {
    "BOOL": "|b1",
    "U8": "|u1",
    "I8": "|i1",
    "U16": "<u2",
    "I16": "<i2",
    "F16": "<f2",
    "U32": "<u4",
    "I32": "<i4",
    "F32": "<f4",
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
}
"""NumPy's names of safetensors' dtypes."""
_CODES = {dtype: code for code, dtype in DTYPES.items()}
_COUNTS = ("n_iter_", "t_", "_no_improvement_count")
_SCORES = ("loss_", "best_loss_", "best_validation_score_")
_CURVES = ("loss_curve_", "validation_scores_")

Arrays = dict[str, np.ndarray[Any, Any]]


def save(model: Any, path: Any) -> None:
    """Write `model` to the file `path`; see the estimators' method of this name."""
    check_is_fitted(model)
    # As of this moment, should another thread fit it meanwhile.
    model = model._copy()
    try:
        document, arrays = _take_apart(model)
        text = json.dumps(document, allow_nan=False)
        given = [(name, *_as_bytes(array)) for name, array in arrays.items()]
        with replacing(os.fsdecode(path)) as file:
            _core.write_model(file, text, given)
    except ValueError as error:
        raise ValueError(f"The model cannot be saved: {error}") from None


def load(path: Any) -> Any:
    """The model that `save` wrote to a file.

    Nothing in the file is run, and nothing is unpickled: it can be opened without trust in whoever wrote it. It may
    still predict nonsense, and its parameters may ask a later `fit` for much work.

    Parameters
    ----------
    path : str, bytes or os.PathLike
        The file.

    Returns
    -------
    model : MLPClassifier or MLPRegressor
        It predicts bit for bit what the model that was saved did, and `partial_fit` goes on from the same optimizer
        state.

    Raises
    ------
    ValueError
        If the file is not a model file, is damaged, or was written by a newer version in a way that this one cannot
        read.

    OSError, MemoryError
        If the file cannot be read, or memory does not hold what is in it.

    Examples
    --------
    >>> import tempfile, rustbp
    >>> model = rustbp.MLPRegressor(solver="lbfgs", random_state=0).fit([[0.0], [1.0]], [0.0, 1.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(f"{folder}/model.safetensors")
    ...     again = rustbp.load(f"{folder}/model.safetensors")
    >>> bool((again.predict([[0.5]]) == model.predict([[0.5]])).all())
    True
    """
    path = os.fsdecode(path)
    # Opening a pipe would wait for a writer.
    flags = getattr(os, "O_NONBLOCK", 0)
    with open(path, "rb", opener=lambda name, given: os.open(name, given | flags)) as file:
        try:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ValueError("it is not a regular file")
            text, found = _core.read_model(file, status.st_size)
            arrays = {name: _from_bytes(*array) for name, *array in found}
            return _put_together(json.loads(text, parse_int=_integer), arrays)
        except ValueError as error:
            # Cut short, because part of it may be the file's.
            raise ValueError(f"{path!r} is not a valid model file: {error!s:.500}") from None


# ---- an estimator as a document and arrays ----


def _classes() -> dict[str, type[Any]]:
    # Not above, because the estimators import this module for their `save`.
    from rustbp.classifier import MLPClassifier
    from rustbp.regressor import MLPRegressor

    return {kind.__name__: kind for kind in (MLPClassifier, MLPRegressor)}


def _take_apart(model: Any) -> tuple[dict[str, Any], Arrays]:
    name = type(model).__name__
    if _classes().get(name) is not type(model):
        raise TypeError(
            "A model file can hold an MLPClassifier or an MLPRegressor, but no subclass, whose code it "
            f"cannot hold; got {type(model).__qualname__}."
        )
    _check_parameters(model)
    arrays: Arrays = {}
    _add_layers(arrays, "", model.coefs_, model.intercepts_)
    if hasattr(model, "feature_names_in_"):
        names = [str(name).encode() for name in model.feature_names_in_]
        arrays["feature_names_in_.text"] = np.frombuffer(b"".join(names), dtype=np.uint8)
        arrays["feature_names_in_.ends"] = np.cumsum([len(name) for name in names], dtype=np.uint64)
    document = {
        "format": FORMAT,
        "writer": f"rustbp {_core.__version__}",
        "class": name,
        "params": {
            name: _encode(value, f"parameter {name!r}")
            for name, value in model.get_params(deep=False).items()
        },
        "fitted": _fitted(model, arrays),
        "labels": _labels(model, arrays),
        "optimizer": _optimizer(model, arrays),
        "random_state": _random_state(model, arrays),
    }
    return document, arrays


def _put_together(document: dict[str, Any], arrays: Arrays) -> Any:
    kind = _classes()[document["class"]]
    unknown = set(document["params"]) - set(kind._get_param_names())
    if unknown:
        raise ValueError(
            f"{document['writer']} wrote it with parameters that this version does not have: "
            f"{', '.join(map(repr, sorted(unknown)))}"
        )
    generator = _generator(document.get("random_state"), arrays)
    params = {name: _decode(value, generator) for name, value in document["params"].items()}
    model = kind(**params)
    _check_parameters(model)
    model.coefs_, model.intercepts_ = _take_layers(arrays, "")
    model.n_layers_ = len(model.coefs_) + 1
    model.n_features_in_ = model.coefs_[0].shape[0]
    model.n_outputs_ = model.coefs_[-1].shape[1]
    _restore_fitted(model, document["fitted"], arrays)
    if "feature_names_in_.ends" in arrays:
        model.feature_names_in_ = _feature_names(arrays)
    if document.get("labels"):
        _restore_labels(model, document["labels"], arrays)
    if document.get("optimizer"):
        model._optimizer = _restore_optimizer(model, document["optimizer"], arrays)
    model._random_state = generator or check_random_state(model.random_state)
    return model


def _check_parameters(model: Any) -> None:
    """Those that fit would take, and no others."""
    model._validate_params()
    sizes = model.hidden_layer_sizes
    sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
    if not all(isinstance(size, Integral) and size > 0 for size in sizes):
        raise ValueError(
            f"The 'hidden_layer_sizes' parameter must be integers from 1 on. Got {sizes!r} instead."
        )


def _add_layers(arrays: Arrays, prefix: str, coefs: Any, intercepts: Any) -> None:
    dtype = _arrays.common_dtype(*coefs, *intercepts)
    for name, layers in (("coefs_", coefs), ("intercepts_", intercepts)):
        for layer, array in enumerate(_arrays.parameters(layers, dtype)):
            arrays[f"{prefix}{name}.{layer}"] = array


def _take_layers(arrays: Arrays, prefix: str) -> tuple[list[Any], list[Any]]:
    layers = range(sum(name.startswith("coefs_.") for name in arrays))
    return (
        [arrays[f"{prefix}coefs_.{layer}"] for layer in layers],
        [arrays[f"{prefix}intercepts_.{layer}"] for layer in layers],
    )


def _encode(value: Any, what: str, nested: bool = False) -> Any:
    """A value as JSON has it."""
    if value is None or isinstance(value, (bool, np.bool_)):
        return value if value is None else bool(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Integral):
        return _integer(value, f"{what} is")
    if isinstance(value, Real):
        number = float(value)
        return number if math.isfinite(number) else {"float": str(number)}
    if isinstance(value, np.random.RandomState):
        return {"RandomState": None}
    if isinstance(value, (tuple, list, range, np.ndarray)) and not nested:
        items = [_encode(item, what, nested=True) for item in value]
        return {"tuple": items} if isinstance(value, tuple) else items
    raise TypeError(
        f"The model cannot be saved: {what} is of type {type(value).__qualname__}. A model file holds None, "
        "booleans, numbers, strings, and lists and tuples of these."
    )


def _integer(value: Any, what: str = "it holds") -> int:
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise ValueError(f"{what} an integer of more than 64 bits")
    return number


def _decode(value: Any, generator: np.random.RandomState | None = None) -> Any:
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "tuple" in value:
        return tuple(_decode(value["tuple"]))
    if "float" in value:
        return float(value["float"])
    if generator is None:
        raise ValueError("it lacks a random state")
    return generator


def _fitted(model: Any, arrays: Arrays) -> dict[str, Any]:
    state = vars(model)
    for name in _CURVES:
        if state.get(name) is not None:
            arrays[name] = np.array(state[name], dtype=np.float64)
    fitted = {"out_activation_": str(model.out_activation_)}
    for name in _COUNTS:
        if name in state:
            fitted[name] = int(state[name])
    for name in _SCORES:
        if name in state:
            score = state[name]
            fitted[name] = None if score is None else _encode(float(score), name)
    if "validation_scores_" in state and "validation_scores_" not in arrays:
        fitted["validation_scores_"] = None
    return fitted


def _restore_fitted(model: Any, fitted: dict[str, Any], arrays: Arrays) -> None:
    for name, value in fitted.items():
        if value is None and name in _COUNTS:
            continue  # Like one that is not there.
        value = _decode(value)
        # NumPy floats, as fit sets them.
        is_loss = name in ("loss_", "best_loss_") and value is not None
        setattr(model, name, np.float64(value) if is_loss else value)
    if "loss_curve_" in arrays:
        model.loss_curve_ = list(arrays["loss_curve_"])
    if "validation_scores_" in arrays:
        model.validation_scores_ = arrays["validation_scores_"].tolist()


def _feature_names(arrays: Arrays) -> Any:
    text = arrays["feature_names_in_.text"].tobytes()
    ends = arrays["feature_names_in_.ends"].tolist()
    if ends[-1] != len(text):
        raise ValueError(f"the names of its features end at {ends[-1]} of {len(text)} bytes")
    names = np.empty(len(ends), dtype=object)
    start = 0
    for i, end in enumerate(ends):
        names[i] = text[start:end].decode()
        start = end
    return names


def _labels(model: Any, arrays: Arrays) -> dict[str, Any] | None:
    if not hasattr(model, "_label_binarizer"):
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


def _restore_labels(model: Any, labels: dict[str, Any], arrays: Arrays) -> None:
    model.classes_ = arrays["classes_"].view(labels["dtype"]).ravel()
    binarizer = model._label_binarizer = LabelBinarizer()
    binarizer.y_type_ = labels["kind"]
    binarizer.sparse_input_ = labels["sparse_input"]
    binarizer.classes_ = model.classes_
    if labels.get("binarizer_dtype"):
        stored = arrays["label_binarizer.classes_"]
        binarizer.classes_ = stored.view(labels["binarizer_dtype"]).ravel()


def _label_array(what: str, labels: Any) -> tuple[str, Any]:
    """NumPy's name of the dtype of labels, and the array of numbers that they are stored as."""
    labels = np.asarray(labels)
    dtype = labels.dtype.newbyteorder("<")
    labels = np.ascontiguousarray(labels, dtype=dtype)
    if dtype.kind == "U":
        labels = labels.view("<u4").reshape(len(labels), -1)
    elif dtype.kind in "mM":
        labels = labels.view("<i8")
    elif dtype.str not in _CODES:
        raise TypeError(
            f"The model cannot be saved: {what} is of dtype {dtype}. A model file holds labels that are "
            "booleans, integers, floats of up to 64 bits, str, datetime64 or timedelta64."
        )
    return dtype.str, labels


def _optimizer(model: Any, arrays: Arrays) -> dict[str, Any] | None:
    optimizer = getattr(model, "_optimizer", None)
    if optimizer is None:
        return None
    slots = None
    if optimizer.state is not None:
        slots = [name for name in optimizer.state if name != "t"]
        for slot in slots:
            layers = optimizer.state[slot]
            half = len(layers) // 2
            _add_layers(arrays, f"optimizer.{slot}.", layers[:half], layers[half:])
    return {
        "name": optimizer.name,
        "hyperparameters": {
            name: float(value) for name, value in optimizer.hyperparameters.items()
        },
        "learning_rate_init": _encode(optimizer.learning_rate_init, "learning_rate_init"),
        "learning_rate": _encode(float(optimizer.learning_rate), "learning_rate"),
        "schedule": optimizer.schedule,
        "power_t": _encode(optimizer.power_t, "power_t"),
        "t": int(optimizer.t),
        "slots": slots,
    }


def _restore_optimizer(model: Any, document: dict[str, Any], arrays: Arrays) -> Optimizer:
    validate_parameter_constraints(
        {"learning_rate": model._parameter_constraints["learning_rate"]},
        {"learning_rate": document["schedule"]},
        caller_name=type(model).__name__,
    )
    name = document["name"]
    # What the file does not have, the parameters have.
    given = {core: getattr(model, own) for core, own in HYPERPARAMETERS.get(name, {}).items()}
    given |= document["hyperparameters"]
    optimizer = Optimizer(
        name,
        {hyperparameter: float(value) for hyperparameter, value in given.items()},
        _decode(document["learning_rate_init"]),
        document["schedule"],
        _decode(document["power_t"]),
    )
    optimizer.learning_rate = float(_decode(document["learning_rate"]))
    optimizer.t = document["t"]
    if document.get("slots") is not None:
        optimizer.state = {"t": optimizer.t}
        for slot in document["slots"]:
            coefs, intercepts = _take_layers(arrays, f"optimizer.{slot}.")
            optimizer.state[slot] = coefs + intercepts
    return optimizer


def _random_state(model: Any, arrays: Arrays) -> dict[str, Any] | None:
    generator = model.random_state
    if generator is not None and not isinstance(generator, np.random.RandomState):
        generator = getattr(model, "_random_state", None)
    if generator is None:
        # NumPy's global generator goes on by itself.
        return None
    state = generator.get_state(legacy=False)
    if state["bit_generator"] != "MT19937":
        raise ValueError(
            f"random_state is a RandomState of {state['bit_generator']}; a model file holds one of MT19937"
        )
    arrays["random_state"] = np.asarray(state["state"]["key"], dtype=np.uint32)
    return {
        "pos": int(state["state"]["pos"]),
        "has_gauss": bool(state["has_gauss"]),
        "gauss": _encode(float(state["gauss"]), "gauss"),
    }


def _generator(document: dict[str, Any] | None, arrays: Arrays) -> np.random.RandomState | None:
    if not document:
        return None
    generator = np.random.RandomState(0)
    key, gauss = arrays["random_state"], _decode(document["gauss"])
    generator.set_state(("MT19937", key, document["pos"], int(document["has_gauss"]), gauss))
    return generator


# ---- arrays as bytes ----


def _as_bytes(array: Any) -> tuple[str, tuple[int, ...], Any]:
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return _CODES[little.dtype.str], array.shape, little.reshape(-1).view(np.uint8)


def _from_bytes(code: str, shape: tuple[int, ...], data: Any) -> Any:
    array = data.view(DTYPES[code]).reshape(shape)
    # In this machine's byte order, and where its numbers may stand; as a rule that is where they are.
    return np.require(array, dtype=array.dtype.newbyteorder("="), requirements=["C", "A", "W"])
