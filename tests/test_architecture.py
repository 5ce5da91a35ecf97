"""The floor plan of docs/architecture.md holds: what a room may import, no circles, files short enough to read."""

import re
import runpy
import statistics
from pathlib import Path

import pytest

import floor_plan

TREE = Path(__file__).parents[1]

# A room is a folder, or a file outside of all folders. It imports from itself and from those that stand before it.
PYTHON = {
    "_core": "the native module, by its stub",
    "_typing": "the types of public signatures",
    "_attributes": "the types of fitted attributes",
    "_threads": "how many threads the core may use",
    "_versions": "what a report of a fault needs to say",
    "_warn": "warnings that filters for scikit-learn's silence too",
    "_hints": "other names of what parameters take",
    "_doc_link": "from a notebook to the documentation",
    "_hooks": "private methods of scikit-learn's perceptrons, and what to use instead",
    "_missing": "attributes that a model may lack",
    "_mapped": "rows of a file, read a block at a time",
    "_arrays": "from validated input to what the core takes",
    "_inputs": "training data as it comes",
    "_training": "how a fit runs",
    "_summary": "the layers as a table",
    "partitions": "training over parts that are elsewhere",
    "chunks": "rows larger than memory, a chunk at a time",
    "_constraints": "what a parameter may be",
    "_quantiles": "several quantiles of one target",
    "_labels": "which labels a classifier knows, which class an output stands for",
    "_io": "model files",
    "convert": "fitted models from and to scikit-learn",
    "_fitted": "what a fitted model can do beside predicting",
    "_base": "what the estimators share",
    "_predictions": "what the estimators make of the outputs",
    "classifier": "MLPClassifier",
    "regressor": "MLPRegressor",
    "dask": "the estimators on a Dask cluster",
    "tabular": "tables as they come",
    "_sigma": "the derivative of an activation",
    "inspection": "one backward pass, open to look at",
    "gradient_check": "its gradients against central differences",
    "hidden": "hidden activations as features",
    "sensitivity": "how outputs change with inputs",
    "history": "a fit recorded",
    "monitor": "a fit watched",
    "checkpoint": "a fit that can be killed",
    "display": "pictures",
    "learning_rate": "a search for a step size",
    "_onnx": "fitted models as ONNX graphs",
    "_self_test": "whether an installation works",
    ".": "the public names",
    "__main__": "python -m rustbp",
}

RUST = {
    "error": "the one error type",
    "allocate": "memory that may be refused",
    "linalg/memory": "how matrices lie in memory",
    "linalg/kernels": "one register, on each instruction set",
    "linalg/dense": "the three products",
    "linalg/zeros": "the same without the zeros",
    "linalg/team": "threads for the length of a call",
    "linalg": "the rooms above",
    "network": "what a network is",
    "data": "the rows of a call",
    "backprop": "forward and backward, BP1 to BP4",
    "training": "optimizers, one epoch, sharing out a batch",
    "predict": "the forward pass alone, and what it costs",
    "predict_few": "the same of few rows, from weights where they lie",
    "inspect": "every quantity of one backward pass",
    "input_gradients": "how outputs change with inputs",
    "format": "a model as bytes",
    "python": "the binding",
    ".": "the crate",
}

LONGEST, MEDIAN = 450, 180
PLAN = runpy.run_path(str(TREE / "docs/plan.py"))


def lines(path):
    return len(path.read_text().splitlines())


@pytest.fixture(scope="module", params=["python", "rust"])
def house(request):
    """What the files import, the rooms, the files, and what the file of a folder is called."""
    if request.param == "rust":
        folder = TREE / "src"
        return floor_plan.rust_imports(folder), RUST, list(folder.rglob("*.rs")), "mod.rs"
    folder = TREE / "python/rustbp"
    files = [path for path in folder.rglob("*.py*") if path.suffix in (".py", ".pyi")]
    return floor_plan.python_imports(folder), PYTHON, files, "__init__.py"


def test_rooms_import_from_rooms_below(house):
    graph, rooms, _, _ = house
    assert floor_plan.upward(graph, rooms) == []


def test_no_file_is_in_a_circle(house):
    graph, *_ = house
    assert floor_plan.circle(graph) is None


def test_each_room_is_there(house):
    graph, rooms, _, _ = house
    assert {floor_plan.room_of(name, rooms) for name in graph} == set(rooms)


def test_the_picture_of_the_plan_is_of_these_rooms():
    assert PLAN["FILE"].read_text(encoding="utf-8") == PLAN["plan"](), "run docs/plan.py"
    for house, folder, suffix in (("PYTHON", "python/rustbp", "py"), ("RUST", "src", "rs")):
        names = [
            name for row in PLAN[house] for *lines, _ in row for name in "".join(lines).split(", ")
        ]
        assert names
        for name in names:
            path = TREE / folder / name
            assert (
                path.is_dir() if name.endswith("/") else path.with_suffix(f".{suffix}").is_file()
            ), name


def test_each_folder_says_what_it_is(house):
    """What lives in it, what it may import, where a newcomer starts."""
    graph, rooms, files, of_folder = house
    folders = {path.parent: opening_of(path) for path in files if path.name == of_folder}
    assert folders
    for folder, opening in folders.items():
        assert re.search(r"\bimports?\b", opening, re.IGNORECASE), folder
        assert re.search(r"\bstarts?\b", opening, re.IGNORECASE), folder
        assert len(opening.splitlines()) >= 3, folder
    for room in rooms:
        opening = next((text for path, text in folders.items() if path.match(f"*/{room}")), "all")
        if not re.search(r"\ball\b", opening):
            inside = {name for name in graph if floor_plan.room_of(name, rooms) == room}
            used = {floor_plan.room_of(target, rooms) for name in inside for target in graph[name]}
            # Errors come from everywhere.
            for other in used - {room, "error", "allocate"}:
                assert any(re.search(rf"\b{part}\b", opening) for part in other.split("/")), (
                    f"{room} does not say that it imports {other}"
                )


def opening_of(path):
    """The docstring that a file begins with."""
    return re.match(r'"""(.*?)"""|((?://!.*\n)+)', path.read_text(), re.DOTALL)[0]


def test_files_are_short(house):
    lengths = {str(path): lines(path) for path in house[2]}
    assert {path: n for path, n in lengths.items() if n > LONGEST} == {}
    assert statistics.median(lengths.values()) < MEDIAN


@pytest.mark.parametrize("folder", ["tests", "examples", "benchmarks"])
def test_other_files_are_short(folder):
    lengths = {str(path): lines(path) for path in (TREE / folder).rglob("*.py")}
    assert {path: n for path, n in lengths.items() if n > LONGEST} == {}


def test_only_the_binding_names_python():
    for path in (TREE / "src").rglob("*.rs"):
        if "python" not in path.parts:
            assert not re.search(r"\b(pyo3|numpy)\b", floor_plan.rust_code(path.read_text())), path


# ---- the reading itself, on planted trees ----


def plant(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    "back",
    [
        "from house.attic import chest",
        "from house import attic",
        "from . import attic",
        "import house.attic.chest",
        "def f():\n    import numpy, house.attic.chest as c",
        "class A:\n    def f(self):\n        if f():\n            from .attic.chest import key",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    from house.attic import chest",
    ],
)
def test_a_circle_of_python_is_found(tmp_path, back):
    files = {"__init__.py": "", "cellar.py": back, "attic/__init__.py": ""}
    files["attic/chest.py"] = "from house.cellar import wine"
    if "attic.chest" not in back and "import chest" not in back:
        files["attic/__init__.py"] = "from house.attic.chest import key"
    graph = floor_plan.python_imports(plant(tmp_path / "house", files))
    circle = floor_plan.circle(graph)
    assert {"cellar", "attic/chest"} <= set(circle)
    assert any(
        "cellar imports attic" in wrong
        for wrong in floor_plan.upward(graph, [".", "cellar", "attic"])
    )


@pytest.mark.parametrize(
    "harmless",
    [
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.attic import chest",
        "import typing\nif typing.TYPE_CHECKING:\n    from house.attic import chest",
        "'from house.attic import chest'",
        "from household.attic import chest",
    ],
)
def test_a_house_of_python_in_order(tmp_path, harmless):
    files = {"__init__.py": "from house.attic import chest", "cellar.py": harmless}
    files |= {"attic/__init__.py": "", "attic/chest.py": "from .. import cellar"}
    graph = floor_plan.python_imports(plant(tmp_path / "house", files))
    assert graph["attic/chest"] == {"cellar"}
    assert floor_plan.circle(graph) is None
    assert floor_plan.upward(graph, ["cellar", "attic", "."]) == []


CHEST = "use crate::cellar::Wine;\npub struct Key;"


@pytest.mark.parametrize(
    "back",
    [
        "use crate::attic::chest::Key;",
        "use crate::{error::E, attic::{self, chest::{Key as K, Lid}}};",
        "use super::attic::Key;",  # which attic passes on
        "use crate::attic::\n    chest;",
        "fn f() -> crate::attic::chest::Key { todo!() }",
        "fn f<'a>(c: char) -> bool { c == '\"' || crate::attic::Key::new() }  // \"",
        "#[cfg(test)]\nmod tests { fn f() { if a { b } } }\nuse crate::attic::Key;",
        "#[cfg(test)]\nuse std::fs;\npub(crate) use crate::attic::Key;",
    ],
)
def test_a_circle_of_rust_is_found(tmp_path, back):
    files = {"lib.rs": "mod attic; mod cellar;", "cellar.rs": back, "attic/chest.rs": CHEST}
    files["attic/mod.rs"] = "//! Rooms.\nmod chest;\npub use chest::{Key, Lid};"
    graph = floor_plan.rust_imports(plant(tmp_path, files))
    assert "cellar" in floor_plan.circle(graph)
    wrong = floor_plan.upward(graph, [".", "cellar", "attic"])
    assert wrong == ["cellar imports attic/chest"] or "cellar imports attic" in wrong


@pytest.mark.parametrize(
    "harmless",
    [
        "// use crate::attic::Key;",
        "/* use crate::attic::Key; */",
        'const S: &str = r#"use crate::attic::Key; " "#;',
        "#[cfg(test)]\nmod tests { mod inner {} use crate::attic::Key; }",
        "#[cfg(all(test, unix))]\n#[allow(unused)]\nuse crate::attic::{Key, chest};",
        "#[cfg(test)]\nmod tests;",
        "use attic::Key;",  # of another crate
        "pub(in crate::attic) struct Wine;",
    ],
)
def test_a_house_of_rust_in_order(tmp_path, harmless):
    files = {"lib.rs": "mod attic; mod cellar;", "cellar.rs": harmless, "attic/chest.rs": CHEST}
    files["attic/mod.rs"] = "mod chest;\npub use chest::Key;"
    files["cellar/tests.rs"] = "use crate::attic::Key;"
    files = {
        name: text for name, text in files.items() if "tests;" in harmless or "/tests" not in name
    }
    graph = floor_plan.rust_imports(plant(tmp_path, files))
    assert graph["attic/chest"] == {"cellar"}
    assert floor_plan.circle(graph) is None
    assert floor_plan.upward(graph, ["cellar", "attic", "."]) == []
