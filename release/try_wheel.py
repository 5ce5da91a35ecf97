"""Install the wheel of dist/ into fresh environments, and run the tests there (make test-wheel).

One environment for each Python from 3.11 on that this machine has, and one, ``oldest``, of the lowest of them with the
oldest packages that pyproject.toml allows. PYTHONS="3.12 oldest" names some of them; ARGS are pytest's.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from oldest import oldest

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "target" / "test-wheel"
LOWEST, HIGHEST = 11, 14


def main():
    wheels = sorted((ROOT / "dist").glob("rustbp-*.whl"))
    if len(wheels) != 1:
        sys.exit("There must be one wheel in dist/: run `make wheels` first.")
    found = pythons()
    if not found:
        sys.exit(f"There is no Python from 3.{LOWEST} on here.")
    wanted = os.environ.get("PYTHONS", "").split()
    wanted = wanted or [*(f"3.{n}" for n in range(LOWEST, max([HIGHEST, *found]) + 1)), "oldest"]
    failed = []
    for name in wanted:
        python = found[min(found)] if name == "oldest" else found.get(int(name.partition(".")[2]))
        if python is None:
            print(f"== {name}: not on this machine, skipped", flush=True)
        elif not tests_pass(name, python, wheels[0]):
            failed.append(name)
    if failed:
        sys.exit(f"Failed: {', '.join(failed)}")


def pythons():
    """Minor version: interpreter, for the Pythons on the path and of pyenv."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [*root.glob("versions/3.*/bin/python"), sys.executable]
    candidates += filter(None, (shutil.which(f"python3.{n}") for n in range(LOWEST, 30)))
    found = {}
    for python in candidates:
        asked = subprocess.run([python, "-VV"], capture_output=True, text=True, check=False).stdout
        version = re.match(r"Python 3\.(\d+)\.\d+ ", asked)  # no release candidate
        if version and int(version[1]) >= LOWEST and "free-threading" not in asked:
            found.setdefault(int(version[1]), python)
    return found


def tests_pass(name, python, wheel):
    print(f"== {name}: {python}", flush=True)
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    run(python, "-m", "venv", folder)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    run(*pip, "--upgrade", "pip>=25.1")
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(oldest(ROOT)) if name == "oldest" else "")
    run(*pip, "--constraint", constraints, wheel, "--group", "test")
    run(python, "-I", ROOT / "release" / "smoke.py")
    arguments = shlex.split(os.environ.get("ARGS", ""))
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-m", "pytest", "-q", *arguments], cwd=ROOT, env=environment, check=False
    )
    return done.returncode == 0


def run(*command):
    subprocess.run(list(map(str, command)), cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
