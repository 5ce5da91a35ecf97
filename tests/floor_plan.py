"""Which file imports which, read from the source: Python's and Rust's.

Files are named by their path below the root of the tree, without suffix: ``_io/saving``, ``linalg/dense/product``. The
file of a folder, ``__init__.py`` or ``mod.rs``, has the name of the folder; the root's is ``.``.
"""

import ast
import graphlib
import re
from pathlib import Path

ROOT = "."
Graph = dict[str, set[str]]


def python_imports(root: Path) -> Graph:
    """What each file of the package in the folder ``root`` imports of it: also in functions, not if TYPE_CHECKING."""
    files = {
        _name(path.relative_to(root), "__init__"): path
        for path in root.rglob("*.py*")
        if path.suffix in (".py", ".pyi")
    }
    graph: Graph = {}
    for name, path in files.items():
        package = name if path.stem == "__init__" else _parent(name)
        found = set()
        for node in _nodes(ast.parse(path.read_text())):
            for target in _targets(node, root.name, package):
                # The module that is named, or the one that has what is named.
                found.add(target if target in files else _parent(target))
        graph[name] = {target for target in found - {name} if target in files}
    return graph


def _nodes(tree):
    """All nodes but those that only a type checker sees."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            yield from (inner for other in node.orelse for inner in ast.walk(other))
        else:
            yield node
            yield from _nodes(node)


def _targets(node, top, package):
    """What an import names, as if each were a file of the package."""
    if isinstance(node, ast.Import):
        modules = [alias.name.split(".") for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.level:
        inside = [] if package == ROOT else package.split("/")
        start = inside[: len(inside) + 1 - node.level]
        modules = [
            [top, *start, *(node.module or "").split("."), alias.name] for alias in node.names
        ]
    elif isinstance(node, ast.ImportFrom):
        modules = [[*node.module.split("."), alias.name] for alias in node.names]
    else:
        modules = []
    for first, *rest in modules:
        if first == top:
            yield "/".join(filter(None, rest)) or ROOT


def rust_imports(root: Path) -> Graph:
    """What each file of the crate in the folder ``root`` takes from others of it, tests aside.

    By every path that starts with ``crate``, ``super``, ``self`` or a file of its own folder, in a ``use`` or not.
    Something that a file only passes on (``pub use``) comes from where it is.
    """
    code = {}
    for path in root.rglob("*.rs"):
        name = _name(path.relative_to(root), "mod")
        code[ROOT if name == "lib" else name] = rust_code(path.read_text())
    tests = {
        _below(name, module)
        for name, text in code.items()
        for module in re.findall(rf"{TEST}\s*mod (\w+);", text)
    }
    crate = _Crate()
    for name, text in code.items():
        if not any(name == test or name.startswith(f"{test}/") for test in tests):
            crate[name] = without_tests(text)
    crate.passes_on = {name: dict(crate.passed_on(name)) for name in crate}
    return {
        name: {crate.origin(path) for path, _ in crate.paths(name)} - {name, None} for name in crate
    }


NOISE = re.compile(
    r"""//[^\n]* | /\*.*?\*/ | b?r(\#*)".*?"\1 | b?"(?:\\.|[^"\\])*" | b?'(?:\\(?:u\{\w+\}|x..|.)|[^\\'])'""",
    re.DOTALL | re.VERBOSE,
)
TEST = r"#\[cfg\((?:all\()?test\b[^\]]*\]"
USE = re.compile(r"(pub(?:\([^)]*\))?\s+)?\buse\s([^;]+);")
VISIBLE = re.compile(r"\bpub\(in [^)]*\)")
PATH = re.compile(r"(?<![\w:])\w+(?:\s*::\s*\w+)+")


def rust_code(text):
    """Rust without comments, and without what is in strings."""
    return NOISE.sub(lambda noise: " " if noise[0].startswith("/") else '""', text)


def without_tests(text):
    """Without items under ``#[cfg(test)]``: up to a semicolon, or over their braces."""
    while found := re.search(TEST, text):
        end = re.compile(r"[;{]").search(text, found.end()).start()
        depth = text[end] == "{"
        while depth:
            end += 1
            depth += {"{": 1, "}": -1}.get(text[end], 0)
        text = text[: found.start()] + text[end + 1 :]
    return text


class _Crate(dict):
    """The code of each file, and under which names a file passes things on."""

    def passed_on(self, name):
        for use in USE.finditer(self[name]):
            if use[1]:
                yield from ((known_as, path) for path, known_as in self.spread([], use[2], name))

    def paths(self, name):
        """Every path into the crate: its segments, and the name that a ``use`` gives it."""
        for use in USE.finditer(self[name]):
            yield from self.spread([], use[2], name)
        for path in PATH.finditer(VISIBLE.sub("", USE.sub("", self[name]))):
            yield from self.spread([], path[0], name)

    def spread(self, prefix, tree, name):
        """The paths of a ``use``, its braces resolved."""
        head, brace, rest = tree.strip().partition("{")
        head, _, alias = head.partition(" as ")
        segments = [*prefix, *filter(None, map(str.strip, head.split("::")))]
        if brace:
            for part in _split(rest[: rest.rindex("}")]):
                yield from self.spread(segments, part, name)
        elif path := self.from_root(segments, name):
            yield path, alias.strip() or path[-1]

    def from_root(self, segments, name):
        """Segments that say where from the file ``name`` they lead, from the root; None if they lead out."""
        at = [] if name == ROOT else name.split("/")
        if segments[0] == "crate":
            at = []
        elif segments[0] not in ("super", "self") and _below(name, segments[0]) not in self:
            return None
        for segment in segments:
            if segment == "super":
                at = at[:-1]
            elif segment not in ("crate", "self"):
                at = [*at, segment]
        return tuple(at) or (ROOT,)

    def origin(self, path):
        """The file that has what a path names."""
        names = ["/".join(path[:length]) or ROOT for length in range(len(path), -1, -1)]
        name = next((name for name in names if name in self), None)
        rest = path[len(path) - names.index(name) :] if name else ()
        further = self.passes_on[name].get(rest[0], path) if rest else path
        # A macro is passed on under its own name.
        return name if further == path[: len(further)] else self.origin((*further, *rest[1:]))


def _split(parts):
    """At the commas outside of braces."""
    depth, part = 0, ""
    for char in f"{parts},":
        depth += {"{": 1, "}": -1}.get(char, 0)
        if char == "," and not depth:
            if part.strip():
                yield part
            part = ""
        else:
            part += char


def _name(path, of_folder):
    parts = path.with_suffix("").parts
    return "/".join(parts[:-1] if parts[-1] == of_folder else parts) or ROOT


def _parent(name):
    return "/".join(name.split("/")[:-1]) or ROOT


def _below(name, child):
    return child if name == ROOT else f"{name}/{child}"


# ---- what is wrong with a graph ----


def circle(graph: Graph) -> list[str] | None:
    """Files of which each imports the next and the last the first, if there are some."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1][::-1]
    return None


def room_of(name: str, rooms) -> str | None:
    """The innermost room that a file is in."""
    while name != ROOT and name not in rooms:
        name = _parent(name)
    return name if name in rooms else None


def upward(graph: Graph, rooms) -> list[str]:
    """Imports that do not go to the same room or to one that stands before it in ``rooms``."""
    order = list(rooms)
    wrong = []
    for name, targets in graph.items():
        room = room_of(name, rooms)
        for target in targets:
            other = room_of(target, rooms)
            if room is None or other is None or order.index(other) > order.index(room):
                wrong.append(f"{name} imports {target}")
    return sorted(wrong)
