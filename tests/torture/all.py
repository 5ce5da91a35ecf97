"""All long tests: every script here in its full form, and what of the core's own tests takes minutes.

    python tests/torture/all.py

All are run, also after one that fell short. At the end stands what became of each.
"""

import sys
from pathlib import Path

import steps

SCRIPTS = (
    "changed_arrays",
    "dask_kills",
    "interrupts",
    "leaks",
    "native_calls",
    "processes",
    "same_result",
)


def main():
    here = Path(__file__).parent
    cargo = ["cargo", "test", "--release", "--no-default-features"]
    return steps.run(
        [
            ("format", [sys.executable, here / "format.py"], {}),
            *((name, [sys.executable, here / f"{name}.py", "--full"], {}) for name in SCRIPTS),
            ("every number of float32", [*cargo, "--lib", "--", "--ignored"], {}),
            ("memory of files", [*cargo, "--test", "format_memory"], {"FORMAT_FILES": "200000"}),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
