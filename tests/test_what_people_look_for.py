"""What people look for: versions, a self-test, the layers of a network, a history as a table, names of the package."""

import os
import pickle
import subprocess
import sys
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import rustbp
from rustbp import MLPClassifier, MLPRegressor, _versions

X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
y = np.arange(40) % 3


@pytest.fixture(scope="module")
def model():
    return MLPClassifier((7, 5), "tanh", solver="lbfgs", max_iter=1000, random_state=0).fit(X, y)


def test_summary(model):
    assert model.n_parameters_ == 4 * 7 + 7 + 7 * 5 + 5 + 5 * 3 + 3
    assert repr(model.summary()).splitlines() == [
        "MLPClassifier",
        "layer   inputs  neurons  activation  parameters",
        "1            4        7  tanh                35",
        "2            7        5  tanh                40",
        "3            5        3  softmax             18  output",
        "93 parameters in float32",
    ]


def test_summary_of_several_activations():
    model = MLPClassifier((7, 5), ["gelu", "tanh"], solver="lbfgs", max_iter=1000).fit(X, y)
    names = [line.split()[3] for line in model.summary().splitlines()[2:-1]]
    assert names == ["gelu", "tanh", "softmax"]


def test_tables_for_notebooks(model):
    history = rustbp.record_fit(
        MLPClassifier((3,), max_iter=40, tol=100, n_iter_no_change=38, random_state=0), X, y
    )
    for shown, n_rows, words in [
        (rustbp.backprop(model, X, y), 3, "mean |δ|"),
        (history, 12, "grad_norm_2"),
    ]:
        table = ElementTree.fromstring(shown._repr_html_())
        assert table.find("caption").text == repr(shown).splitlines()[0]
        header, *rows = table.findall("tr")
        assert words in [cell.text for cell in header]
        assert len(rows) == n_rows
        assert {len(row) for row in rows} == {len(header)}
    first, last = rows[0], rows[-1]
    assert (first[0].text, last[0].text) == ("0", str(history.n_epochs))
    assert float(last[1].text) == pytest.approx(history.loss[-1], rel=1e-3)
    assert "<tr><th>epoch</th></tr></table>" in rustbp.TrainingHistory()._repr_html_()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("foo", "there is no such kernel"),
        ("portable", None),
        ("", None),
        ("Portable", "there is no such kernel"),
    ],
)
def test_an_unknown_kernel(asked, said):
    run = subprocess.run(
        [sys.executable, "-c", "import rustbp"],
        env=os.environ | {"RUSTBP_KERNEL": asked},
        capture_output=True,
        text=True,
        check=True,
    )
    if said is None:
        assert run.stderr == ""
    else:
        assert f"RUSTBP_KERNEL={asked!r}: {said}" in run.stderr
        assert "The kernels are 'portable', 'avx2', 'avx512'." in run.stderr


def test_a_kernel_that_this_processor_does_not_have(monkeypatch):
    monkeypatch.setattr(_versions, "_core", SimpleNamespace(kernel=lambda: "avx2"))
    with pytest.warns(
        UserWarning, match="'avx512': this processor does not have it, and 'avx2' is"
    ):
        _versions.check_kernel("avx512")


def test_summary_of_an_unfitted_model():
    with pytest.raises(NotFittedError):
        MLPRegressor().summary()
    assert not hasattr(MLPRegressor(), "n_parameters_")


def test_history_as_a_table(model):
    history = rustbp.record_fit(
        MLPClassifier((3,), max_iter=9, tol=100, n_iter_no_change=2, random_state=0),
        X,
        y,
        X_val=X,
        y_val=y,
    )
    frame = history.to_frame()
    assert frame.index.tolist() == list(range(history.n_epochs + 1))
    assert frame.columns.tolist() == [
        *("loss", "score", "validation_loss", "validation_score"),
        *("mean_delta_1", "mean_delta_2", "grad_norm_1", "grad_norm_2"),
    ]
    assert frame["grad_norm_2"].tolist() == [norms[1] for norms in history.grad_norm]
    history.validation_loss, history.validation_score = [], []
    assert "validation_loss" not in history.to_dict()
    assert rustbp.TrainingHistory().to_dict() == {"epoch": []}


def test_show_versions(capsys):
    rustbp.show_versions()
    shown = dict(line.strip().split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert shown["rustbp"] == rustbp.__version__
    assert shown["kernel"] in ("avx512", "avx2", "portable")
    assert shown["numpy"] == np.__version__


def test_self_test():
    run = subprocess.run([sys.executable, "-m", "rustbp"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count(": ok, ") == 4


def test_self_test_fails_where_something_is_wrong(monkeypatch, capsys):
    from rustbp import _self_test

    monkeypatch.setattr(_self_test, "load", lambda path: 1 / 0)
    assert not _self_test.run()
    assert "files: FAILED: ZeroDivisionError" in capsys.readouterr().out


def test_modules_are_there_without_an_import_of_their_own():
    code = (
        "import rustbp; rustbp.display.WeightsDisplay, rustbp.inspection.Backprop, rustbp.Backprop"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert {"display", "show_versions"} <= set(dir(rustbp))
    assert "importlib" not in dir(rustbp)


def test_save_is_a_method():
    with pytest.raises(AttributeError, match=r"'save'. To save a model: model.save\(path\)"):
        _ = rustbp.save


def test_a_summary_is_text(model):
    assert pickle.loads(pickle.dumps(model.summary())) == model.summary()
