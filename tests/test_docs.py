"""What the documentation promises works: its Python runs, its links lead somewhere, its make targets exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])
each_page = pytest.mark.parametrize(
    "page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix()
)


def code_blocks(page, language):
    """Return (line number, text) of each block of that language."""
    text = page.read_text(encoding="utf-8")
    blocks = re.finditer(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, block.start(1)), block[1]) for block in blocks]


def test_readme_has_python():
    assert code_blocks(ROOT / "README.md", "python")


@each_page
def test_python_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a block may write files
    namespace = {"__name__": page.stem}  # later blocks of a page may use names of earlier ones
    for line, source in code_blocks(page, "python"):
        # The blank lines make a traceback name the line of the page.
        exec(compile("\n" * line + source, page, "exec"), namespace)


@pytest.mark.parametrize("page", ["README.md", "docs/index.md", "docs/quickstart.md"])
def test_outputs_are_those_printed(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(
        r"^```python\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", text, flags=re.MULTILINE | re.DOTALL
    )
    namespace = {}
    for source, shown in blocks:
        exec(source, namespace)
        printed = capsys.readouterr().out
        assert not shown or printed == shown
    assert any(shown for _, shown in blocks)


@each_page
def test_links_lead_to_files(page):
    text = re.sub(
        r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    links = re.findall(r"\]\(([^)\s#]+)", text) + re.findall(r'<img src="([^"]+)"', text)
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


@each_page
def test_make_targets_exist(page):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z-]+)\b", "\n".join(commands(page)))) <= targets


def commands(page):
    """Return the shell blocks and inline code of a page."""
    text = page.read_text(encoding="utf-8")
    return [block for _, block in code_blocks(page, "sh")] + re.findall(r"`([^`\n]+)`", text)
