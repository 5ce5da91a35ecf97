"""Model files: a fitted estimator as a safetensors file, and back. Neither way runs code that a file brings.

The native module checks a file, both before it is written and when it is read (``src/format`` describes it).
`document` takes an estimator apart into a JSON document and arrays, and puts it together again.
"""

import contextlib
import io
import json
import os
import stat
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, TypeVar, overload

import numpy as np
from sklearn.utils.validation import check_is_fitted

from rustbp import _core
from rustbp._io import archive
from rustbp._io.arrays import Arrays, as_bytes, from_bytes
from rustbp._io.document import put_together, take_apart
from rustbp._io.files import read, replacing, write
from rustbp._io.registry import ESTIMATORS, whole
from rustbp._io.values import decode, encode, integer
from rustbp._missing import complete
from rustbp._typing import File

if TYPE_CHECKING:
    from rustbp.classifier import MLPClassifier
    from rustbp.regressor import MLPRegressor
    from rustbp.tabular.classifier import TabularMLPClassifier
    from rustbp.tabular.regressor import TabularMLPRegressor

    Model: TypeAlias = MLPClassifier | MLPRegressor | TabularMLPClassifier | TabularMLPRegressor
    Kind = TypeVar("Kind", MLPClassifier, MLPRegressor, TabularMLPClassifier, TabularMLPRegressor)

_NOT_OURS = {
    b"\x80": "It looks like a pickle: joblib.load or pickle.load opens one, and runs what code is in it, so only if "
    "you trust whoever wrote it.",
    b"PK": "It looks like a zip archive, of NumPy, PyTorch or skops perhaps.",
    b"\x1f\x8b": "It looks compressed: if there is a model file in it, rustbp.load(gzip.open(path)) opens it.",
    b"{": "It looks like JSON.",
}
"""What is said of files that begin so. A model file begins with the length of its header, then "{"."""


def save(model: Any, path: Any, *, optimizer: bool = True) -> None:
    """Write `model` to the file `path`; see the estimators' method of this name."""
    check_is_fitted(model)
    # As of this moment, should another thread fit it meanwhile.
    model = complete(model._copy())
    if not optimizer:
        for name in ("_optimizer", "_unfinished"):
            model.__dict__.pop(name, None)
    try:
        document, arrays = take_apart(model)
        text = json.dumps(document, allow_nan=False)
        given = [(name, *as_bytes(array)) for name, array in arrays.items()]
        head, order = _core.file_head(text, given)
        with _open(path) as file:
            write(file, head)
            for place in order:
                write(file, given[place][-1])
    except ValueError as error:
        raise ValueError(f"The model cannot be saved: {error}") from None


def save_whole(model: Any, path: Any) -> None:
    """Write `model`, which has others as ``members_``, to the file `path`; see its method of this name."""
    check_is_fitted(model)
    name = type(model).__name__
    if ESTIMATORS.get(name) is not type(model):
        raise TypeError(
            f"A model file can hold no subclass, whose code it cannot hold; got {type(model).__qualname__}."
        )
    try:
        model._validate_params()
        params = {
            name: encode(value, f"parameter {name!r}")
            for name, value in model.get_params(deep=False).items()
            # It has moved on since the fit.
            if not isinstance(value, np.random.RandomState)
        }
        members = []
        for member in model.members_:
            buffer = io.BytesIO()
            save(member, buffer)
            members.append(buffer.getvalue())
        document = {
            "writer": f"rustbp {_core.__version__}",
            "class": name,
            "params": params,
            **model._document(),
        }
        with _open(path) as file:
            archive.write(file, document, members)
    except ValueError as error:
        raise ValueError(f"The model cannot be saved: {error}") from None


def _open(path: Any) -> Any:
    """A file that is open already, or the one that is to be at a path."""
    is_open = hasattr(path, "write") and not isinstance(path, os.PathLike)
    return contextlib.nullcontext(path) if is_open else replacing(os.fsdecode(path))


def _load_whole(file: BinaryIO, size: int) -> Any:
    """The model that `save_whole` wrote."""
    document, files = archive.read(file, size)
    kind = whole(document.get("class"))
    params = document.get("params")
    if not isinstance(params, dict):
        raise ValueError("its document is malformed")
    unknown = set(params) - set(kind._get_param_names())
    if unknown:
        raise ValueError(
            f"{document.get('writer')!s:.100} wrote it with parameters that this version does not have: "
            f"{', '.join(map(repr, sorted(unknown)))}"
        )
    model = kind(**{name: decode(value) for name, value in params.items()})
    model._validate_params()
    members = [
        _load(io.BytesIO(data), len(data), f"Member {number}") for number, data in enumerate(files)
    ]
    model._restore(document, members)
    return model


@overload
def load(path: File) -> "Model": ...
@overload
def load(path: File, kind: "type[Kind]") -> "Kind": ...
def load(path: File, kind: type[Any] | None = None) -> Any:
    """The model that `save` wrote to a file.

    Nothing in the file is run, and nothing is unpickled: it can be opened without trust in whoever wrote it. It may
    still predict nonsense, and its parameters may ask a later `fit` for much work.

    Parameters
    ----------
    path : str, bytes, os.PathLike or binary file
        The file. One that is open already is read from where it stands to its end.

    kind : class, default=None
        What must be in the file, such as ``rustbp.MLPClassifier``; a file with another model is refused. An editor
        and a type checker then know what comes back: without it, one of four classes, told apart by `isinstance`.

    Returns
    -------
    model : MLPClassifier, MLPRegressor, TabularMLPClassifier or TabularMLPRegressor
        It predicts bit for bit what the model that was saved did, and `partial_fit` goes on from the same optimizer
        state.

    Raises
    ------
    ValueError
        If the file is not a model file, is damaged, or was written by a newer version in a way that this one cannot
        read.

    TypeError
        For a model that is not a `kind`, for a file that is not open in binary mode, and for the bytes of a file: those
        go in as ``io.BytesIO(data)``.

    OSError, MemoryError
        If the file cannot be read, or memory does not hold what is in it.

    Examples
    --------
    >>> import tempfile, rustbp
    >>> model = rustbp.MLPRegressor(solver="lbfgs", random_state=0).fit([[0.0], [1.0]], [0.0, 1.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(f"{folder}/model.safetensors")
    ...     again = rustbp.load(f"{folder}/model.safetensors", rustbp.MLPRegressor)
    >>> bool((again.predict([[0.5]]) == model.predict([[0.5]])).all())
    True
    """
    model = _load_from(path)
    if kind is not None and not isinstance(model, kind):
        raise TypeError(f"The file holds {type(model).__name__}, and not {kind.__name__}.")
    return model


def _load_from(path: Any) -> Any:
    if hasattr(path, "read") and not isinstance(path, os.PathLike):
        data: Any = path.read()
        if not isinstance(data, bytes):
            raise TypeError(
                f"The file must be open in binary mode; reading it gave {type(data).__name__}."
            )
        return _load(io.BytesIO(data), len(data), "The file")
    if isinstance(path, bytes) and b"\0" in path:
        raise TypeError(
            "load takes a path or a binary file, and these bytes are no path. For the bytes of a model file: "
            "rustbp.load(io.BytesIO(data))."
        )
    path = os.fsdecode(path)
    # Opening a pipe would wait for a writer.
    flags = getattr(os, "O_NONBLOCK", 0)
    with open(path, "rb", opener=lambda name, given: os.open(name, given | flags)) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{path!r} is not a valid model file: it is not a regular file")
        return _load(file, status.st_size, repr(path))


def _load(file: BinaryIO, size: int, name: str) -> Any:
    """The model in a file of ``size`` bytes, which messages call ``name``."""
    try:
        if file.read(4) == archive.START:
            return _load_whole(file, size)
        file.seek(0)
        text, arrays = _read(file, size)
        return put_together(json.loads(text, parse_int=integer), arrays)
    except ValueError as error:
        # Cut short, because part of it may be the file's.
        raise ValueError(f"{name} is not a valid model file: {error!s:.500}") from None


def _read(file: BinaryIO, size: int) -> tuple[str, Arrays]:
    """Document and arrays of a file of ``size`` bytes. Memory is asked for once the sizes in it agree."""
    start = file.read(8)
    try:
        length = _core.header_len(start, size)
    except ValueError as error:
        raise ValueError(f"{error}. {_looks_like(start, file.read(1))}".rstrip(". ")) from None
    header = read(file, length)
    text, expected = _core.read_header(header, size)
    arrays = {}
    for name, dtype, shape, count in expected:
        data = read(file, count)
        _core.check_array((name, dtype, shape, data))
        arrays[name] = from_bytes(dtype, shape, data)
    return text, arrays


def _looks_like(start: bytes, after: bytes) -> str:
    """What a file seems to be that cannot be one of ours, by its first eight bytes and the next one."""
    if after == b"{" and start[4:] == bytes(4):
        return "It seems to be cut off."
    return next((said for first, said in _NOT_OURS.items() if start.startswith(first)), "")
