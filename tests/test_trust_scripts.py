"""The short forms of tests/torture, each in a process of its own: a crash there is one failure here."""

import subprocess
import sys
from pathlib import Path

import pytest

TORTURE = Path(__file__).parent / "torture"
# Signals, fork and /proc are not everywhere.
SCRIPTS = {
    "native_calls": True,
    "same_result": True,
    "leaks": sys.platform == "linux",
    "interrupts": sys.platform != "win32",
    "processes": sys.platform == "linux",
}


def test_every_script_is_run():
    assert {path.stem for path in TORTURE.glob("*.py")} >= SCRIPTS.keys()


@pytest.mark.parametrize("name", SCRIPTS)
def test_script(name):
    if not SCRIPTS[name]:
        pytest.skip("needs what this system does not have")
    command = [sys.executable, TORTURE / f"{name}.py", "--quick"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    print(run.stdout)
