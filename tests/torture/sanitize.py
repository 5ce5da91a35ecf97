"""What only a nightly compiler has: AddressSanitizer, ThreadSanitizer and Miri.

    python tests/torture/sanitize.py [--only address | thread | miri]

- AddressSanitizer watches every read and write: of the core's own tests, and of the scripts beside this one, which
  call the native module from Python.
- ThreadSanitizer watches what threads do to each other, in the tests of those who share a batch.
- Miri interprets the program and knows from which slice each pointer was taken. It knows no assembler and few
  instructions: what it runs are the portable kernels.

The standard library is built anew, with the same checks. For that the toolchain needs its source:
`rustup component add --toolchain nightly rust-src miri`.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import steps

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "target" / "sanitize"
SCRIPTS = ("native_calls", "changed_arrays", "same_result")
"""Those whose outcome does not hang on how fast they are."""
NOT_FOR_ADDRESS = ("guard_pages::", "math::", "masks_are_as_random_as_chance")
"""Tests with guards of their own, and those of numbers alone: minutes of arithmetic that hardly touch memory."""
STACK = 256 << 20
OF_THREADS = ("team::", "sharing::", "epoch::", "predict::", "objective::")
OF_MIRI = (
    "csr::",
    "bits::",
    "entries::",
    "masks::",
    "columns::columns",
    "panels::",
    "team::",
    "sparse::sums",
)
"""Tests that Miri takes no more than minutes for."""
MEMORY = "allocator_may_return_null=1"
"""What cannot be had is refused, as it is without a sanitizer, instead of being a fault."""


def host():
    shown = subprocess.run(
        ["rustc", "+nightly", "-vV"], check=True, capture_output=True, text=True
    ).stdout
    return next(line.split()[1] for line in shown.splitlines() if line.startswith("host:"))


def cargo(command, kind):
    """The words of a cargo command that builds everything for a sanitizer, and its environment."""
    words = ["cargo", "+nightly", command, "-Zbuild-std", "--target", host()]
    words += ["--target-dir", BUILD / kind]
    # Unoptimised: with checks at each access the kernels take a quarter of an hour to be optimised.
    levels = dict.fromkeys(("CARGO_PROFILE_TEST_OPT_LEVEL", "CARGO_PROFILE_DEV_OPT_LEVEL"), "0")
    # Where nothing is optimised a kernel's variables may be more than the 2 MiB of a thread's stack, and with these
    # sanitizers nothing looks for its end: what lies beyond it is written to.
    return words, {"RUSTFLAGS": f"-Zsanitizer={kind}", "RUST_MIN_STACK": str(STACK), **levels}


def address():
    words, environment = cargo("test", "address")
    environment |= {"ASAN_OPTIONS": MEMORY}
    tests = [*words, "--no-default-features", "--lib", "--"]
    tests += [word for name in NOT_FOR_ADDRESS for word in ("--skip", name)]
    yield "AddressSanitizer: the core's tests", tests, environment
    words, environment = cargo("build", "address")
    environment |= {"PYO3_BUILD_EXTENSION_MODULE": "1"}
    yield (
        "AddressSanitizer: the native module",
        [*words, "--features", "python", "--lib"],
        environment,
    )
    here = Path(__file__)
    for script in SCRIPTS:
        command = [sys.executable, here, "--run", here.with_name(f"{script}.py")]
        yield f"AddressSanitizer: {script}", command, {}


def run(script):
    """Run a script with the native module that was built for AddressSanitizer, whose runtime has to be there first."""
    package = BUILD / "package" / "rustbp"
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(ROOT / "python" / "rustbp", package, ignore=shutil.ignore_patterns("_core*.so"))
    [library] = (BUILD / "address").glob("*/debug/librustbp.so")
    shutil.copy(library, package / "_core.abi3.so")
    name = ["cc", "-print-file-name=libasan.so"]
    runtime = subprocess.run(name, check=True, capture_output=True, text=True).stdout.strip()
    environment = {
        "LD_PRELOAD": runtime,
        "RUST_MIN_STACK": str(STACK),
        # What Python keeps to its end is no leak of the core's.
        "ASAN_OPTIONS": f"detect_leaks=0:{MEMORY}",
        "PYTHONPATH": str(package.parent),
    }
    # Of the main thread, and of those that Python starts.
    resource.setrlimit(resource.RLIMIT_STACK, (STACK, resource.getrlimit(resource.RLIMIT_STACK)[1]))
    return subprocess.run(
        [sys.executable, script, "--quick"], env=os.environ | environment
    ).returncode


def thread():
    words, environment = cargo("test", "thread")
    environment |= {"TSAN_OPTIONS": "halt_on_error=1"}
    command = [*words, "--no-default-features", "--lib", "--", *OF_THREADS]
    yield "ThreadSanitizer: those who share a batch", command, environment


def miri():
    command = ["cargo", "+nightly", "miri", "test", "--target-dir", BUILD / "miri"]
    command += ["--no-default-features", "--lib", "--", *OF_MIRI]
    # Python's allocator and clock are not what is looked at.
    environment = {"MIRIFLAGS": "-Zmiri-disable-isolation"}
    yield "Miri: matrices, their zeros, and threads", command, environment


def main():
    kinds = {kind.__name__: kind for kind in (address, thread, miri)}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=kinds)
    parser.add_argument(
        "--run", metavar="SCRIPT", help="only this script, with what `address` has built"
    )
    options = parser.parse_args()
    if options.run:
        return run(options.run)
    chosen = [kinds[options.only]] if options.only else kinds.values()
    return steps.run([step for kind in chosen for step in kind()])


if __name__ == "__main__":
    sys.exit(main())
