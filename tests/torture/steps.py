"""Commands one after another, each to its end whatever became of those before it, and what became of all."""

import os
import subprocess
import time

import sizes


def run(steps):
    """Run the commands, each a list of words with a name: 0 if all went well.

    A command that ends with `sizes.LATE` fell short in time alone: of it the machine's load is told.
    """
    results = []
    for name, command, environment in steps:
        print(f"--- {name}", flush=True)
        began = time.perf_counter()
        status = subprocess.run(command, env=os.environ | environment).returncode
        verdict = {0: "ok", sizes.LATE: f"LATE: in time alone, {sizes.load()}"}
        verdict = verdict.get(status, f"FAILED with status {status}")
        results.append((status, f"{time.perf_counter() - began:6.0f} s  {name}: {verdict}"))
    print("--- in sum")
    for _, line in results:
        print(line)
    return int(any(status for status, _ in results))
