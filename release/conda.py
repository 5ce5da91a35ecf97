"""Print the recipe for conda-forge, filled in: python release/conda.py ARCHIVE > recipe.yaml

ARCHIVE is a copy of what the repository's host gives as the source of the version, the address under `source` in
recipe.yaml. `--check` renders the recipe for every platform instead, with an address that is made up.
"""

import hashlib
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLATFORMS = ["linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64"]


def recipe(root, source, archive):
    """The recipe of the version in ``root``, whose source has the bytes ``archive``."""
    version = tomllib.loads((root / "Cargo.toml").read_text(encoding="utf-8"))["package"]["version"]
    text = (root / "release" / "recipe.yaml").read_text(encoding="utf-8")
    sha256 = hashlib.sha256(archive).hexdigest()
    for name, value in {"version": version, "source": source, "sha256": sha256}.items():
        text = text.replace(f'  {name}: ""\n', f'  {name}: "{value}"\n', 1)
    return text


def render(text, platform):
    """What rattler-build makes of it, in the words of its file, for one platform."""
    import rattler_build as rb

    c_compiler = {"linux": "gcc", "osx": "clang", "win": "vs2022"}[platform.partition("-")[0]]
    variants = {
        "python": ["3.11.* *_cpython"],
        "c_stdlib": ["c_stdlib"],
        "c_compiler": [c_compiler],
    }
    there = rb.PlatformConfig(
        target_platform=platform, host_platform=platform, build_platform="linux-64"
    )
    parsed = rb.Stage0Recipe.from_yaml(text)
    (found,) = parsed.render(rb.VariantConfig(variants), rb.RenderConfig(there))
    return found.recipe.to_dict()


def main():
    if sys.argv[1:] == ["--check"]:
        text = recipe(ROOT, "https://example.org/rustbp", b"")
        for platform in PLATFORMS:
            render(text, platform)
        print(f"The recipe for conda-forge is one for {', '.join(PLATFORMS)}.")
        return
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    source = settings["project"].get("urls", {}).get("Source")
    if not source:
        sys.exit("pyproject.toml, [project.urls]: no address for Source")
    print(recipe(ROOT, source.rstrip("/"), Path(sys.argv[1]).read_bytes()), end="")


if __name__ == "__main__":
    main()
