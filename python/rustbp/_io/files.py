"""Files that are there as a whole or not at all, and their bytes."""

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

AT_ONCE = 1 << 20
"""Bytes that one call moves at most: between two calls Ctrl-C is heard."""


@contextlib.contextmanager
def replacing(path: str) -> Iterator[BinaryIO]:
    """A file that takes the place of ``path``, links followed, when the block has ended well, and else disappears."""
    path = os.path.realpath(path)
    folder = os.path.dirname(path)
    mode = _mode(path)
    temporary = os.path.join(folder, f".rustbp-{secrets.token_hex(8)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(temporary, flags, 0o666)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            if mode is not None and hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync(folder)


def _mode(path: str) -> int | None:
    """The permissions of the file that is to be replaced, if there is one."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "Not a regular file", path)
    return stat.S_IMODE(mode)


def _sync(folder: str) -> None:
    """Make the new name last; some systems and file systems do that by themselves, and refuse to be asked."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write(file: BinaryIO, data: Any) -> None:
    """Write bytes, however many they are, to a file that may take a part of them at a time."""
    view = memoryview(data)
    while view:
        count: int | None = file.write(view[:AT_ONCE])
        view = view[AT_ONCE if count is None else count :]


def read(file: BinaryIO, size: int) -> NDArray[np.uint8]:
    """The next ``size`` bytes, which the file had when it was opened."""
    data = np.empty(size, np.uint8)
    view, done = memoryview(data), 0
    while done < size:
        count = file.readinto(view[done : done + AT_ONCE])  # type: ignore[attr-defined]
        if not count:
            raise ValueError("the file ends early")
        done += count
    return data
