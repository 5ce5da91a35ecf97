"""What is still missing before a version can be published; docs/releasing.md says where each thing belongs."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

URLS = ("Homepage", "Documentation", "Source", "Issues", "Changelog")


def missing(root):
    """A line for each thing."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version = _version(root)
    found = []
    urls = project.get("urls", {})
    if lacking := [name for name in URLS if not urls.get(name, "").startswith("https://")]:
        found.append(f"- pyproject.toml, [project.urls]: no address for {', '.join(lacking)}")
    if not any({"name", "email"} <= set(author) for author in project.get("authors", [])):
        found.append("- pyproject.toml, [project]: no author with a name and an email address")
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    day = re.search(
        rf"^## \[{re.escape(version)}\] - (\d{{4}}-\d\d-\d\d)$", changelog, re.MULTILINE
    )
    if day is None:
        found.append(f"- CHANGELOG.md: no heading '## [{version}] - YYYY-MM-DD'")
    elif f"date-released: {day[1]}\n" not in (root / "CITATION.cff").read_text(encoding="utf-8"):
        found.append(f"- CITATION.cff: no line 'date-released: {day[1]}', the day of CHANGELOG.md")
    if f"v{version}" not in _git(root, "tag", "--points-at", "HEAD").split():
        found.append(f"- git: the last commit does not have the tag v{version}")
    if _git(root, "status", "--porcelain"):
        found.append("- git: there are changes that are not committed")
    return found


def links(root):
    """Where the repository shows the files of this version; None while it has no address."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    source = project.get("urls", {}).get("Source")
    return source and f"{source.rstrip('/')}/blob/v{_version(root)}"


def _version(root):
    return tomllib.loads((root / "Cargo.toml").read_text(encoding="utf-8"))["package"]["version"]


def _git(root, *arguments):
    done = subprocess.run(
        ["git", "-C", root, *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout


if __name__ == "__main__":
    lines = missing(Path(__file__).resolve().parent.parent)
    print("\n".join(lines) or "Ready to be published.")
    sys.exit(bool(lines))
