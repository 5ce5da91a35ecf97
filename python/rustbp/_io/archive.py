"""The file of a model that has others as members: a zip archive, not compressed, of a document and their model files.

It is no larger than what is in it, so that a file cannot ask for more memory than it has bytes.
"""

import json
import zipfile
from typing import Any, BinaryIO

START = b"PK\x03\x04"
"""The first bytes of a zip archive that is not empty."""

FORMAT = 1
_DOCUMENT = "model.json"
_MOST_MEMBERS = 4096


def write(file: BinaryIO, document: dict[str, Any], members: list[bytes]) -> None:
    """Write a document, which JSON can hold, and the model files of the members."""
    text = json.dumps({"format": FORMAT, **document}, allow_nan=False)
    entries = {_DOCUMENT: text.encode()}
    entries |= {_name(number): data for number, data in enumerate(members)}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in entries.items():
            # Without the time of day: the same model makes the same file.
            archive.writestr(zipfile.ZipInfo(name), data)


def read(file: BinaryIO, size: int) -> tuple[dict[str, Any], list[bytes]]:
    """What `write` wrote to a file of ``size`` bytes.

    Raises
    ------
    ValueError
        If it is damaged, or no such archive.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            expected = [_DOCUMENT, *map(_name, range(len(names) - 1))]
            if names != expected or len(names) > _MOST_MEMBERS:
                raise ValueError(
                    "It looks like a zip archive, but not like one of rustbp's; NumPy's, PyTorch's or skops' perhaps"
                )
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise ValueError("it is compressed, which rustbp's archives are not")
            if sum(entry.file_size for entry in entries) > size:
                raise ValueError("its entries are larger than the file")
            text, *members = (archive.read(entry) for entry in entries)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise ValueError(f"It looks like a zip archive, and cannot be read: {error}") from None
    try:
        document = json.loads(text, parse_constant=_refuse)
    except (UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"its document is malformed: {error}") from None
    if not isinstance(document, dict):
        raise ValueError("its document is malformed")
    if document.get("format") != FORMAT:
        raise ValueError(
            f"it has the format {document.get('format')!r}, and this version reads {FORMAT}"
        )
    return document, members


def _name(number: int) -> str:
    return f"members/{number}.safetensors"


def _refuse(name: str) -> None:
    raise ValueError(f"its document holds {name}")
