"""Build the wheel and the source distribution into dist/, and check them (make wheels).

They are the same to the last byte wherever they are built, and hold no path of the machine that built them: paths are
replaced in what the compiler writes, and times are that of the last commit (or SOURCE_DATE_EPOCH).
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from pathlib import Path

import archives
import ready

ROOT = Path(__file__).resolve().parent.parent
CARGO_HOME = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
COMPATIBILITY = {"linux-gnu": "manylinux2014", "linux-musl": "musllinux_1_2"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--release", action="store_true", help="refuse while something is missing")
    parser.add_argument("--again", action="store_true", help="build twice, and compare")
    parser.add_argument("--target", help="as rustc names it; default: this machine")
    parser.add_argument("--interpreter", help="a free-threaded Python; default: the stable ABI")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    options = parser.parse_args()
    if options.release and (missing := ready.missing(ROOT)):
        sys.exit("\n".join(["Not ready to be published (see docs/releasing.md):", *missing]))
    target = options.target or host()
    os.environ.setdefault("SOURCE_DATE_EPOCH", time_of_last_commit())

    out = options.out.resolve()
    for old in [*out.glob("rustbp-*.whl"), *out.glob("rustbp-*.tar.gz")]:
        old.unlink()
    maturin("sdist", "--out", out, "--manifest-path", ROOT / "Cargo.toml")
    sdist = only(out.glob("*.tar.gz"))
    wheel = build(ROOT, out, target, options.interpreter)
    links = ready.links(ROOT)
    archives.tidy(sdist, ROOT, links)
    archives.tidy(wheel, ROOT, links)
    check(wheel, sdist, target, stable=options.interpreter is None)
    if options.again:
        compare_with_another(wheel, sdist, target, options.interpreter, links)
    for file in (wheel, sdist):
        print(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}")


def build(root, out, target, interpreter):
    os.environ["CARGO_TARGET_DIR"] = str(root / "target" / "wheels")
    os.environ["CARGO_ENCODED_RUSTFLAGS"] = "\x1f".join(remapped(root))
    arguments = ["--release", "--locked", "--target", target, "--out", out]
    for system, compatibility in COMPATIBILITY.items():
        if target.endswith(system):
            arguments += ["--zig", "--compatibility", compatibility]
    if interpreter:
        arguments += ["--interpreter", interpreter]
    maturin("build", *arguments, "--manifest-path", root / "Cargo.toml")
    return only(out.glob("*.whl"))


def remapped(root):
    """Flags for rustc, which else writes the paths of source files into panic messages."""
    run("cargo", "fetch", "--locked", "--manifest-path", root / "Cargo.toml")
    compiler = dict(line.split(": ") for line in output("rustc", "-vV").splitlines()[1:])
    sources = Path(output("rustc", "--print", "sysroot")) / "lib" / "rustlib" / "src" / "rust"
    crates = sorted((CARGO_HOME / "registry" / "src").iterdir())
    names = [(folder, "crates") for folder in crates]
    names += [(sources, f"/rustc/{compiler['commit-hash']}"), (root, "rustbp")]
    return [f"--remap-path-prefix={path}={name}" for path, name in names]


def check(wheel, sdist, target, *, stable):
    run(*module("twine"), "check", "--strict", wheel, sdist)
    run(*module("check_wheel_contents"), wheel)
    if stable:
        run(*module("abi3audit"), "--strict", "--report", wheel)
    if "linux" in target:
        run(*module("auditwheel"), "show", wheel)
    names = zipfile.ZipFile(wheel).namelist()
    for name in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license-files"]:
        if not any(file.endswith(f".dist-info/licenses/{name}") for file in names):
            sys.exit(f"{wheel.name} lacks {name}")
    places = {str(ROOT), str(CARGO_HOME), f"{Path.home()}/"}
    for file in (wheel, sdist):
        for name, content in archives.contents(file):
            for place in places:
                if place.encode() in content:
                    sys.exit(f"{name} in {file.name} names {place}, a path of this machine")
    print("no path of this machine in them")


def compare_with_another(wheel, sdist, target, interpreter, links):
    """Build from the source distribution, in another folder."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(sdist) as archive:
            archive.extractall(folder, filter="data")
        root = only(Path(folder).iterdir())
        other = build(root, root / "dist", target, interpreter)
        archives.tidy(other, root, links)
        if other.read_bytes() != wheel.read_bytes():
            kept = wheel.with_suffix(".other")
            kept.write_bytes(other.read_bytes())
            sys.exit(f"A second build gave another wheel: {kept}")
    print(
        "the same to the last byte when built again, from the source distribution in another folder"
    )


def time_of_last_commit():
    return output("git", "-C", ROOT, "log", "-1", "--format=%ct")


def host():
    return output("rustc", "-vV").partition("host: ")[2].splitlines()[0]


def maturin(*arguments):
    # Here maturin finds zig.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    subprocess.run(
        [*module("maturin"), *map(str, arguments)], env=os.environ | {"PATH": path}, check=True
    )


def module(name):
    return [sys.executable, "-m", name]


def run(*command):
    print(
        "$",
        *(Path(part).name if Path(part).is_absolute() else part for part in command),
        flush=True,
    )
    subprocess.run(list(map(str, command)), check=True)


def output(*command):
    return subprocess.run(
        list(map(str, command)), check=True, capture_output=True, text=True
    ).stdout.strip()


def only(paths):
    (path,) = paths
    return path


if __name__ == "__main__":
    main()
