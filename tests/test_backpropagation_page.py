"""docs/backpropagation.md quotes the code as it is, and examples/pictures.py makes the pictures that are there."""

import re
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "backpropagation.md"
TEXT = PAGE.read_text(encoding="utf-8")
IMAGES = sorted((ROOT / "docs" / "images").glob("*.png"))


def one_line(text):
    """Without line breaks and indentation, which rustfmt may change."""
    return " ".join(text.split())


def quotes():
    """Each block of Rust, with the file that is named last before it."""
    for block in re.finditer(r"^```rust\n(.*?)^```$", TEXT, re.M | re.S):
        files = re.findall(r"\]\(\.\./(src/[\w/]+\.rs)\)", TEXT[: block.start()])
        yield files[-1], block[1]


def test_there_are_quotes_of_every_equation():
    assert {file for file, _ in quotes()} == {
        "src/backprop/forward.rs",
        "src/backprop/bp1_output_delta.rs",
        "src/backprop/bp2_hidden_delta.rs",
        "src/backprop/bp3_bias_gradient.rs",
        "src/backprop/bp4_weight_gradient.rs",
        "src/network/activation.rs",
        "src/network/formulas.rs",
        "src/training/optimizer.rs",
    }
    assert len(list(quotes())) >= 9


@pytest.mark.parametrize(("file", "quote"), list(quotes()))
def test_quotes_are_in_the_code(file, quote):
    assert one_line(quote) in one_line((ROOT / file).read_text(encoding="utf-8"))


def test_functions_that_are_named_exist():
    named = re.findall(r"`(\w+)::(\w+)`", TEXT)
    assert {"output_delta", "hidden_delta", "bias_gradient", "weight_gradient"} <= {
        f for _, f in named
    }
    sources = {path: path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.rs")}
    for owner, function in named:
        # A module is a file, or the mod.rs of a folder; a type stands in the same file as its function.
        found = [
            path
            for path, source in sources.items()
            if re.search(rf"\bfn {function}\b", source)
            and (
                owner in {path.stem, path.parent.name}
                or re.search(rf"\b(struct|enum) {owner}\b", source)
            )
        ]
        assert found, f"{owner}::{function}"


def test_every_picture_is_shown_and_small():
    shown = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md"))
    assert len(IMAGES) == 6
    for image in IMAGES:
        assert f'src="images/{image.name}" alt="' in shown
        assert image.stat().st_size < 150_000
        assert np.ptp(matplotlib.image.imread(image)[..., :3]) > 0.5


def test_the_script_draws(tmp_path):
    """One of them, in its size; the pixels depend on the version of matplotlib."""
    command = [sys.executable, "-W", "error", ROOT / "examples" / "pictures.py", "--to", tmp_path]
    subprocess.run([*command, "--only", "boundary"], check=True, timeout=120)
    [path] = tmp_path.iterdir()
    drawn, kept = (matplotlib.image.imread(p) for p in (path, ROOT / "docs" / "images" / path.name))
    assert drawn.shape == kept.shape
    assert abs(drawn.mean() - kept.mean()) < 0.05


def test_the_script_draws_all_that_are_kept():
    script = (ROOT / "examples" / "pictures.py").read_text(encoding="utf-8")
    assert {image.stem for image in IMAGES} == set(re.findall(r"^def (\w+)\(axes: ", script, re.M))
