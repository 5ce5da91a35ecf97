"""scikit-learn's own tests of its perceptrons, as installed, run on ours: only the import is changed."""

import importlib.util
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import sklearn

THEIR_IMPORT = "from sklearn.neural_network import MLPClassifier, MLPRegressor"
OUR_IMPORT = "from rustbp import MLPClassifier, MLPRegressor"

# It calls a private method, `_loss_grad_lbfgs`; test_gradients.py is its equivalent.
PRIVATE = {"test_gradient"}

# How many cases each version has.
CASES = {"1.7": 58, "1.8": 58, "1.9": 59}

# What scikit-learn's own conftest and settings give these tests.
CONFTEST = """
import pytest

@pytest.fixture
def global_random_seed():
    return 42
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """The outcome ("passed", "failed", "error" or "skipped") of each case by its name."""
    spec = importlib.util.find_spec("sklearn.neural_network.tests.test_mlp")
    if spec is None or spec.origin is None:
        pytest.skip("this scikit-learn was installed without its tests")
    source = Path(spec.origin).read_text()
    assert source.count(THEIR_IMPORT) == 1
    folder = tmp_path_factory.mktemp("suite")
    (folder / "test_mlp.py").write_text(source.replace(THEIR_IMPORT, OUR_IMPORT))
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--junit-xml=out.xml",
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    print(done.stdout[-20_000:], done.stderr)
    found = {}
    for case in ET.parse(folder / "out.xml").iter("testcase"):
        marks = {child.tag for child in case} & {"failure", "error", "skipped"}
        found[case.attrib["name"]] = marks.pop() if marks else "passed"
    return found


def test_every_case_passes(outcomes):
    assert {name for name, outcome in outcomes.items() if outcome != "passed"} <= PRIVATE


def test_every_case_is_there(outcomes):
    version = sklearn.__version__.rpartition(".")[0]
    assert len(outcomes) == CASES.get(version, len(outcomes))
    assert len(outcomes) >= min(CASES.values())
