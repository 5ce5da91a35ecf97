"""Print the oldest version of each package that pyproject.toml allows, as constraints for pip."""

import re
import tomllib
from pathlib import Path

# Those old packages make warnings with newer ones, which the tests take for errors.
OF_THEIR_TIME = {"pyparsing<3.3", "pytest<9"}


def oldest(root):
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    project = settings["project"]
    extras = project["optional-dependencies"].values()
    requirements = [*project["dependencies"], *(line for extra in extras for line in extra)]
    # Newer ones take NumPy 2 only, and do not say so to pip.
    requirements += [line for line in settings["dependency-groups"]["test"] if "pyarrow" in line]
    bounds = [re.fullmatch(r"([\w-]+)>=([\d.]+)", line) for line in requirements]
    return sorted(OF_THEIR_TIME | {f"{bound[1]}=={bound[2]}" for bound in bounds if bound})


if __name__ == "__main__":
    print(*oldest(Path(__file__).resolve().parent.parent), sep="\n")
