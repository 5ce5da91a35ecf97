"""Wheels and source distributions as archives: what is in them, and files of them rewritten."""

import base64
import gzip
import hashlib
import io
import os
import re
import tarfile
import zipfile


def contents(path):
    """(name, bytes) of each file."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            yield from ((name, archive.read(name)) for name in archive.namelist())
    else:
        with tarfile.open(path) as archive:
            yield from (
                (member.name, archive.extractfile(member).read())
                for member in archive
                if member.isfile()
            )


def tidy(path, root, links):
    """Take the folder of the build out of the bill of materials, and let relative links of the description lead to the
    repository: ``links`` is the address of its files, or None."""

    def changed(name, content):
        if name.endswith(".cyclonedx.json"):
            return re.sub(rb'path\+file://[^#"]*', b"path+file:///rustbp", content)
        if links and name.endswith((".dist-info/METADATA", "/PKG-INFO")):
            # A picture is the file itself, not the page that shows it.
            raw = links.replace("/blob/", "/raw/")
            content = re.sub(rb"(!\[[^\]]*\])\((?!\w+:|#)", rf"\1({raw}/".encode(), content)
            return re.sub(rb"\]\((?!\w+:|#)", f"]({links}/".encode(), content)
        return content

    (_tidy_wheel if path.suffix == ".whl" else _tidy_sdist)(path, changed)


def _tidy_wheel(path, changed):
    with zipfile.ZipFile(path) as archive:
        files = [(info, changed(info.filename, archive.read(info))) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for info, content in files:
            if info.filename.endswith(".dist-info/RECORD"):
                content = _record(files, info.filename)
            archive.writestr(info, content, info.compress_type)


def _record(files, own_name):
    lines = []
    for info, content in files:
        if info.filename == own_name:
            lines.append(f"{own_name},,")
        else:
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
            lines.append(f"{info.filename},sha256={digest},{len(content)}")
    return "".join(f"{line}\n" for line in lines).encode()


def _tidy_sdist(path, changed):
    made = io.BytesIO()
    with tarfile.open(path) as old, tarfile.open(fileobj=made, mode="w") as new:
        for member in old:
            content = changed(member.name, old.extractfile(member).read())
            member.size = len(content)
            new.addfile(member, io.BytesIO(content))
    with (
        path.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=int(os.environ["SOURCE_DATE_EPOCH"])) as packed,
    ):
        packed.write(made.getvalue())
