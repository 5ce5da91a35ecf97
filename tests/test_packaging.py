"""What makes a package of the code: what is declared, what is enclosed, and the scripts in release/."""

import ast
import base64
import csv
import hashlib
import importlib.util
import io
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = SETTINGS["project"]
VERSION = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["package"]["version"]


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "release" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


archives, conda, oldest, ready = map(script, ("archives", "conda", "oldest", "ready"))


def git(folder, *arguments):
    names = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", folder, *names, *arguments], check=True, capture_output=True)


# ---- what is declared ----


def test_every_package_that_is_imported_is_declared():
    imported = set()
    for path in (ROOT / "python").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.partition(".")[0])
    extras = [line for extra in PROJECT["optional-dependencies"].values() for line in extra]
    declared = {re.match(r"[\w-]+", line)[0] for line in PROJECT["dependencies"] + extras}
    packages = {"sklearn": "scikit-learn", "IPython": "ipython"}
    others = imported - set(sys.stdlib_module_names)
    # These are imported only for a table that they made, or a picture of one: whoever has it, has them.
    others -= {"pandas", "polars", "pyarrow"}
    assert {packages.get(name, name) for name in others} <= declared


def test_everything_is_in_the_extra_all():
    (everything,) = PROJECT["optional-dependencies"]["all"]
    extras = set(re.search(r"\[(.*)\]", everything)[1].split(","))
    assert extras == set(PROJECT["optional-dependencies"]) - {"all"}


def test_the_oldest_packages_are_constraints():
    assert {"numpy==1.26", "scikit-learn==1.7", "scipy==1.10"} <= set(oldest.oldest(ROOT))


def test_pythons_that_are_named_are_those_of_the_workflow():
    named = {c.rpartition(" ")[2] for c in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", c)}
    workflow = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    (matrix,) = re.findall(r"^ +python: \[(.*)\]$", workflow, flags=re.MULTILINE)
    assert set(re.findall(r"[\d.]+", matrix)) == named


def test_citation_is_of_this_version():
    assert f"\nversion: {VERSION}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_recipe_for_conda_is_of_this_package():
    """`make check` has it rendered for each platform."""
    yaml = pytest.importorskip("yaml", reason="comes with dask")
    archive = b"the source"
    read = yaml.safe_load(conda.recipe(ROOT, "https://example.org/rustbp", archive))
    context = read["context"]
    assert context["version"] == VERSION
    assert context["source"] == "https://example.org/rustbp"
    assert context["sha256"] == hashlib.sha256(archive).hexdigest()
    assert f">={context['python_min']}" == PROJECT["requires-python"]
    needs = read["requirements"]
    assert {line.replace(" ", "") for line in needs["run"][1:]} == set(PROJECT["dependencies"])
    (maturin,) = SETTINGS["build-system"]["requires"]
    assert maturin in [line.replace(" ", "") for line in needs["host"]]
    assert read["about"]["license_file"] == PROJECT["license-files"]
    assert read["about"]["license"] == PROJECT["license"]


def test_nobody_is_sent_to_a_package_that_is_not_published():
    texts = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *(ROOT / "python").rglob("*.py")]
    texts.remove(ROOT / "docs" / "releasing.md")
    sent = re.compile(r"pip install ['\"]?rustbp")
    assert [path for path in texts if sent.search(path.read_text(encoding="utf-8"))] == []


# ---- what is enclosed ----


@pytest.mark.skipif(shutil.which("cargo") is None, reason="cargo is not there")
def test_notices_are_those_of_the_crates():
    tree = ["cargo", "tree", "--locked", "--target=all", "--edges=normal", "--prefix=none"]
    done = subprocess.run(tree, cwd=ROOT, capture_output=True, text=True, check=True)
    crates = {" v".join(line.split(" v")[:2]).split(" (")[0] for line in done.stdout.splitlines()}
    notices = (ROOT / "THIRD-PARTY-LICENSES").read_text(encoding="utf-8")
    listed = re.findall(r"^- (\S+) (\S+)$", notices, flags=re.MULTILINE)
    # If not: make licenses
    assert {f"{name} v{version}" for name, version in listed} == crates - {f"rustbp v{VERSION}"}


# ---- the scripts ----


def test_what_is_missing_is_named_and_then_is_not(tmp_path):
    for name in ("pyproject.toml", "Cargo.toml", "CHANGELOG.md", "CITATION.cff"):
        shutil.copy(ROOT / name, tmp_path)
    git(tmp_path, "init")
    missing = "\n".join(ready.missing(tmp_path))
    for what in ("[project.urls]: no address for Homepage", "[project]: no author", "CHANGELOG.md"):
        assert what in missing
    assert "the tag" in missing
    assert "not committed" in missing
    assert ready.links(tmp_path) is None

    urls = "".join(f'{name} = "https://example.org/rustbp"\n' for name in ready.URLS)
    author = 'authors = [{ name = "A", email = "a@example.org" }]'
    text = (tmp_path / "pyproject.toml").read_text(encoding="utf-8")
    text = text.replace("[project]", f"[project.urls]\n{urls}\n[project]\n{author}")
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    with (tmp_path / "CHANGELOG.md").open("a") as changelog:
        changelog.write(f"\n## [{VERSION}] - 2026-12-01\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "1")
    git(tmp_path, "tag", f"v{VERSION}")
    assert ready.missing(tmp_path) == [
        "- CITATION.cff: no line 'date-released: 2026-12-01', the day of CHANGELOG.md"
    ]
    with (tmp_path / "CITATION.cff").open("a") as citation:
        citation.write("date-released: 2026-12-01\n")
    git(tmp_path, "commit", "-am", "2")
    git(tmp_path, "tag", "-f", f"v{VERSION}")
    assert ready.missing(tmp_path) == []
    assert ready.links(tmp_path) == f"https://example.org/rustbp/blob/v{VERSION}"


FILES = {
    "rustbp/__init__.py": b"1",
    "rustbp-1.dist-info/METADATA": b"[a](docs/a.md) [b](https://b.org) [c](#c) ![d](d.svg)",
    "rustbp-1.dist-info/sboms/rustbp.cyclonedx.json": b'"ref": "path+file:///home/a/b#rustbp@1 x"',
    "rustbp-1.dist-info/RECORD": b"old",
}
LINKS = "https://h.org/blob/v1"
METADATA = b"[a](https://h.org/blob/v1/docs/a.md) [b](https://b.org) [c](#c) ![d](https://h.org/raw/v1/d.svg)"


def test_a_wheel_is_tidied(tmp_path):
    path = tmp_path / "rustbp-1.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in FILES.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 2, 3, 4, 6)), content)
    archives.tidy(path, tmp_path, None)
    found = dict(archives.contents(path))
    assert found["rustbp-1.dist-info/METADATA"] == FILES["rustbp-1.dist-info/METADATA"]
    archives.tidy(path, tmp_path, LINKS)
    found = dict(archives.contents(path))
    assert list(found) == list(FILES)
    assert found["rustbp-1.dist-info/METADATA"] == METADATA
    assert (
        found["rustbp-1.dist-info/sboms/rustbp.cyclonedx.json"]
        == b'"ref": "path+file:///rustbp#rustbp@1 x"'
    )
    record = list(csv.reader(io.StringIO(found.pop("rustbp-1.dist-info/RECORD").decode())))
    assert record.pop() == ["rustbp-1.dist-info/RECORD", "", ""]
    for (name, digest, size), (expected, content) in zip(record, found.items(), strict=True):
        digest = digest.removeprefix("sha256=").encode() + b"="
        assert (name, int(size)) == (expected, len(content))
        assert base64.urlsafe_b64decode(digest) == hashlib.sha256(content).digest()
    with zipfile.ZipFile(path) as archive:
        assert {info.date_time for info in archive.infolist()} == {(2026, 1, 2, 3, 4, 6)}


def test_a_source_distribution_is_tidied(tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    path = tmp_path / "rustbp-1.tar.gz"
    (tmp_path / "PKG-INFO").write_bytes(FILES["rustbp-1.dist-info/METADATA"])
    with tarfile.open(path, "w:gz") as archive:
        archive.add(tmp_path / "PKG-INFO", "rustbp-1/PKG-INFO")
    archives.tidy(path, tmp_path, LINKS)
    assert dict(archives.contents(path)) == {"rustbp-1/PKG-INFO": METADATA}
    assert int.from_bytes(path.read_bytes()[4:8], "little") == 1700000000
