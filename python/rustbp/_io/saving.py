"""Model files: a fitted estimator as a safetensors file, and back. Neither way runs code that a file brings.

The native module checks a file, both before it is written and when it is read (``src/format`` describes it).
`document` takes an estimator apart into a JSON document and arrays, and puts it together again.
"""

import json
import os
import stat
from typing import TYPE_CHECKING, Any, BinaryIO

from sklearn.utils.validation import check_is_fitted

from rustbp import _core
from rustbp._io.arrays import Arrays, as_bytes, from_bytes
from rustbp._io.document import put_together, take_apart
from rustbp._io.files import read, replacing, write
from rustbp._io.values import integer
from rustbp._missing import complete

if TYPE_CHECKING:
    from rustbp.classifier import MLPClassifier
    from rustbp.regressor import MLPRegressor


def save(model: Any, path: Any) -> None:
    """Write `model` to the file `path`; see the estimators' method of this name."""
    check_is_fitted(model)
    # As of this moment, should another thread fit it meanwhile.
    model = complete(model._copy())
    try:
        document, arrays = take_apart(model)
        text = json.dumps(document, allow_nan=False)
        given = [(name, *as_bytes(array)) for name, array in arrays.items()]
        head, order = _core.file_head(text, given)
        with replacing(os.fsdecode(path)) as file:
            write(file, head)
            for place in order:
                write(file, given[place][-1])
    except ValueError as error:
        raise ValueError(f"The model cannot be saved: {error}") from None


def load(
    path: str | bytes | os.PathLike[str] | os.PathLike[bytes],
) -> "MLPClassifier | MLPRegressor":
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
            text, arrays = _read(file, status.st_size)
            return put_together(json.loads(text, parse_int=integer), arrays)
        except ValueError as error:
            # Cut short, because part of it may be the file's.
            raise ValueError(f"{path!r} is not a valid model file: {error!s:.500}") from None


def _read(file: BinaryIO, size: int) -> tuple[str, Arrays]:
    """Document and arrays of a file of ``size`` bytes. Memory is asked for once the sizes in it agree."""
    header = read(file, _core.header_len(file.read(8), size))
    text, expected = _core.read_header(header, size)
    arrays = {}
    for name, dtype, shape, count in expected:
        data = read(file, count)
        _core.check_array((name, dtype, shape, data))
        arrays[name] = from_bytes(dtype, shape, data)
    return text, arrays
