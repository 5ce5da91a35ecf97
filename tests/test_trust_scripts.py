"""The short forms of tests/torture, each in a process of its own: a crash there is one failure here."""

import subprocess
import sys
from pathlib import Path

import pytest

import sizes
import steps

TORTURE = Path(__file__).parent / "torture"
TRIES = 3
"""Of a script that falls short in time alone, as it may beside other work."""

# Signals, fork and /proc are not everywhere.
SCRIPTS = {
    "native_calls": True,
    "changed_arrays": sys.platform != "win32",
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
    for _ in range(TRIES):
        run = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if run.returncode != sizes.LATE:
            break
    assert run.returncode == 0, run.stdout + run.stderr
    print(run.stdout)


def test_all_steps_are_run_and_summed_up(capfd):
    """What fell short in time alone is told from what failed, and neither hides what comes after it."""

    def step(name, status, **environment):
        program = f"import os, sys; print(os.environ.get('WHO')); sys.exit({status})"
        return name, [sys.executable, "-c", program], environment

    late = step("slow", sizes.LATE)
    assert steps.run([step("wrong", 1, WHO="me"), late, step("right", 0)]) == 1
    shown = capfd.readouterr().out
    assert "me\n" in shown
    summary = shown.partition("--- in sum\n")[2].splitlines()
    assert [line.split("s  ")[1].split(",")[0] for line in summary] == [
        "wrong: FAILED with status 1",
        "slow: LATE: in time alone",
        "right: ok",
    ]
    assert "processors" in summary[1]
    assert steps.run([late]) == 1
    assert steps.run([step("right", 0)]) == 0
