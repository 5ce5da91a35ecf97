"""The documentation site has every public name, the gallery runs, and notebooks lead to it. `make docs` builds it."""

import re
import runpy
from email.message import Message
from importlib import metadata
from pathlib import Path

import matplotlib as mpl
import pytest

import rustbp
from rustbp import _doc_link

ROOT = Path(__file__).parent.parent
GALLERY = sorted((ROOT / "examples/gallery").glob("plot_*.py"))


def test_the_reference_has_every_public_name():
    listed = set(
        re.findall(r"^   ([\w.]+)$", (ROOT / "docs/api/index.rst").read_text(), re.MULTILINE)
    )
    pictures = {f"display.{name}" for name in rustbp.display.__all__}
    modules = {"chunks", "display", "inspection", "partitions"}
    names = {name for name in rustbp.__all__ if name[0] != "_"} - modules
    names |= {
        f"{name}.{inside}"
        for name in ("chunks", "partitions")
        for inside in getattr(rustbp, name).__all__
    }
    # A class that a function returns may be listed under its module.
    assert {*names, *pictures} <= {*listed, *(name.rpartition(".")[2] for name in listed)}


def test_every_page_is_on_the_site():
    docs = ROOT / "docs"
    linked = set()
    for index in (docs / "index.md", docs / "guide/index.md"):
        for block in re.findall(r"```\{toctree\}\n(.*?)```", index.read_text(), re.DOTALL):
            entries = [line for line in block.splitlines() if line and line[0] != ":"]
            linked |= {(index.parent / entry).relative_to(docs).as_posix() for entry in entries}
    pages = {page.relative_to(docs).with_suffix("").as_posix() for page in docs.rglob("*.md")}
    assert pages - linked == {"index"}


@pytest.mark.parametrize("program", GALLERY, ids=lambda path: path.stem)
def test_programs_of_the_gallery_run_and_draw(program, monkeypatch, tmp_path):
    mpl.use("agg")
    from matplotlib import pyplot as plt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plt, "show", lambda: None)
    plt.close("all")
    runpy.run_path(str(program))
    assert plt.get_fignums(), "a program of the gallery ends in a picture"
    plt.close("all")


def test_the_gallery_is_large_enough():
    assert len(GALLERY) >= 12


@pytest.mark.parametrize("address", [None, "https://docs.example/rustbp"])
def test_notebooks_lead_to_the_documentation(address, monkeypatch):
    package = Message()
    if address:
        package["Project-URL"] = "Source, https://source.example"
        package["Project-URL"] = f"Documentation, {address}"
    monkeypatch.setattr(metadata, "metadata", lambda name: package)
    _doc_link._template.cache_clear()
    try:
        shown = rustbp.MLPClassifier()._repr_html_()
    finally:
        _doc_link._template.cache_clear()
    link = f"{address}/api/generated/rustbp.MLPClassifier.html"
    assert (link in shown) == (address is not None)
    assert "https://scikit-learn.org" not in shown
