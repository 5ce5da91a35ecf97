"""Model files that come from anywhere do no harm, and what is written is there as a whole or not at all.

`tests/torture/format.py` runs the same functions with larger numbers.
"""

import errno
import functools
import gzip
import io
import json
import os
import pickle
import stat
import subprocess
import sys
import threading
from pathlib import Path

import joblib
import numpy as np
import pytest
import safetensors.numpy

import format_damage
import format_models
import format_writers
import rustbp
from rustbp import _core
from rustbp._io import files

X = np.random.default_rng(0).standard_normal((30, 3))
Y = np.resize([0, 1, 2], 30)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")


def classifier():
    return rustbp.MLPClassifier(hidden_layer_sizes=4, max_iter=3, random_state=0).fit(X, Y)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


# ---- reading ----


def test_damaged_files_are_refused_or_models():
    result = format_damage.open_damaged(1000)
    assert result.valid > 10, str(result)
    assert result.refused > 1800, str(result)
    assert result.slowest < 5, str(result)


@pytest.mark.parametrize("dump", [pickle.dump, joblib.dump], ids=["pickle", "joblib"])
def test_pickles_are_refused_and_not_run(dump, path, tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    with path.open("wb") as file:
        dump(Bomb(), file)
    with pytest.raises(ValueError, match="is not a valid model file"):
        rustbp.load(path)
    assert not (tmp_path / "exploded").exists()


def test_loading_runs_nothing(path):
    """Python reports what a process does to its audit hooks."""
    classifier().save(path)
    program = f"""
import sys, rustbp
rustbp.load({str(path)!r})  # Imports what is imported late.
events = set()
sys.addaudithook(lambda event, _: events.add(event))
rustbp.load({str(path)!r})
print(*events)
"""
    command = [sys.executable, "-c", program]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    harmless = {"open", "builtins.id", "object.__getattr__", "object.__setattr__", "sys._getframe"}
    assert set(found) <= harmless


def test_other_files_of_safetensors_are_refused(path):
    safetensors.numpy.save_file({"coefs_.0": np.ones((2, 1))}, path)
    with pytest.raises(ValueError, match="a safetensors file, but not one of rustbp"):
        rustbp.load(path)


def rewritten(path, change):
    """Change the document of a file."""
    header, data = format_damage.split(path.read_bytes())
    document = json.loads(header["__metadata__"]["rustbp"])
    change(document)
    header["__metadata__"]["rustbp"] = json.dumps(document)
    path.write_bytes(format_damage.join(header, data))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format=2), "of format 2, and this version of rustbp reads format 1"),
        (lambda d: d.update({"class": "GridSearchCV"}), "unknown variant `GridSearchCV`"),
        (lambda d: d["params"].update(depth=0.5), "parameters .* does not have: 'depth'"),
        (lambda d: d["params"].update(n_threads=2**64), "an integer of more than 64 bits"),
        (lambda d: d["params"].update(hidden_layer_sizes=["a"]), "must be integers from 1 on"),
        (lambda d: d["params"].update(alpha=-1), "'alpha' parameter of MLPClassifier must be"),
        (lambda d: d["optimizer"].update(schedule="cosine"), "'learning_rate' parameter"),
        (lambda d: d["random_state"].update(pos=625), "position must be at most 624"),
        (
            lambda d: d["params"].update(random_state={"RandomState": None}, __class__=0),
            "__class__",
        ),
    ],
)
def test_documents_of_others_are_refused(change, message, path):
    classifier().save(path)
    rewritten(path, change)
    with pytest.raises(ValueError, match=message) as caught:
        rustbp.load(path)
    assert str(path) in str(caught.value)


def test_a_parameter_that_did_not_exist_yet_has_its_default(path):
    classifier().save(path)
    rewritten(path, lambda document: document["params"].pop("n_threads"))
    assert rustbp.load(path).n_threads is None


def test_a_hyperparameter_that_did_not_exist_yet_is_the_parameter(path):
    classifier().save(path)
    rewritten(path, lambda document: document["optimizer"]["hyperparameters"].pop("beta_1"))
    model = rustbp.load(path)
    assert model._optimizer.hyperparameters["beta_1"] == model.beta_1
    model.partial_fit(X, Y)


@pytest.mark.parametrize("key", ["labels", "optimizer", "random_state"])
def test_what_may_be_null_may_be_absent(key, path):
    """Absent labels or arrays without their part of the document are refused, not stumbled over."""
    classifier().save(path)
    rewritten(path, lambda document: document.pop(key))
    with pytest.raises(ValueError, match=r"a classifier has labels|arrays, but \d+ belong"):
        rustbp.load(path)
    rustbp.MLPRegressor(solver="lbfgs").fit(X, Y).save(path)
    rewritten(path, lambda document: document.pop(key))
    assert rustbp.load(path).predict(X).shape == (30,)


def test_counts_may_be_null(path):
    classifier().save(path)
    rewritten(path, lambda document: document["fitted"].update(_no_improvement_count=None))
    model = rustbp.load(path)
    model.save(path)
    rustbp.load(path).set_params(warm_start=True).fit(X, Y)


@pytest.mark.parametrize("score", [{}, {"best_validation_score_": None}], ids=["absent", "null"])
def test_scores_without_the_best_one(score, path):
    """Training goes on, and any score is the best so far."""
    options = {"early_stopping": True, "warm_start": True, "max_iter": 3, "random_state": 0}
    rustbp.MLPClassifier(4, **options).fit(X, Y).save(path)

    def change(document):
        del document["fitted"]["best_validation_score_"]
        document["fitted"].update(score)

    rewritten(path, change)
    model = rustbp.load(path).fit(X, Y)
    assert len(model.validation_scores_) == 6
    assert model.best_validation_score_ == max(model.validation_scores_[3:])


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        rustbp.load(tmp_path / "nothing")
    assert caught.value.filename == str(tmp_path / "nothing")
    with pytest.raises(OSError, match=r"directory|denied"):
        rustbp.load(tmp_path)
    (tmp_path / "empty").touch()
    with pytest.raises(ValueError, match="has only 0 bytes"):
        rustbp.load(tmp_path / "empty")
    for wrong in (None, 3, 1.5):
        with pytest.raises(TypeError):
            rustbp.load(wrong)


@posix
def test_pipes_and_devices_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(ValueError, match="it is not a regular file"):
            rustbp.load(path)
    with pytest.raises(OSError, match="Not a regular file"):
        classifier().save(tmp_path / "pipe")


# ---- writing ----


@pytest.mark.parametrize("kind", [str, os.fsencode, Path])
def test_paths_of_any_kind(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / "wörld", Path("relative")):
        classifier().save(kind(path))
        assert rustbp.load(kind(path)).n_iter_ == 3


@posix
def test_permissions_and_links_stay(path, tmp_path):
    model = classifier()
    mask = os.umask(0o027)
    try:
        model.save(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o600)
        link = tmp_path / "link"
        link.symlink_to(path.name)
        model.set_params(alpha=5).save(link)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(mask)
    assert link.is_symlink()
    assert rustbp.load(path).alpha == 5


def test_folders_that_cannot_be_written(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        classifier().save(tmp_path / "no" / "model")
    assert caught.value.filename == str(tmp_path / "no" / "model")
    with pytest.raises(OSError, match="directory"):
        classifier().save(tmp_path)


@posix
def test_a_killed_writer_leaves_the_old_file():
    format_writers.kill_writers(5)


@posix
def test_a_file_that_grows_too_large_leaves_the_old_one(tmp_path):
    """The limit for a process stands for a disk that is full."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        found = format_writers.fill_disk(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert found == errno.EFBIG


@posix
def test_a_full_file_system_leaves_the_old_file():
    found = format_writers.fill_tmpfs()
    if found is None:
        pytest.skip("cannot mount a small file system")
    assert found == errno.ENOSPC


def test_a_model_saved_while_it_is_fitted_is_a_whole_one(path):
    """Two fits of different widths take turns; a mixture of them would not load."""
    model = classifier()
    stop = threading.Event()

    def fit():
        while not stop.is_set():
            model.set_params(hidden_layer_sizes=9 if model.coefs_[0].shape[1] == 4 else 4).fit(X, Y)

    thread = threading.Thread(target=fit)
    thread.start()
    try:
        for _ in range(30):
            model.save(path)
            assert rustbp.load(path).coefs_[0].shape[1] in (4, 9)
    finally:
        stop.set()
        thread.join()


DAEMON = """
import sys, threading, time
import rustbp

path, copy, what, seconds = sys.argv[1:]
model = rustbp.load(path)
busy = threading.Event()

def work():
    while True:
        model.save(copy) if what == "save" else rustbp.load(path)
        busy.set()

threading.Thread(target=work, daemon=True).start()
busy.wait()
time.sleep(float(seconds))
"""


@posix
@pytest.mark.parametrize("what", ["save", "load"])
def test_a_daemon_thread_may_be_at_it_while_the_interpreter_exits(what, path, tmp_path):
    """CPython ends such threads inside of what they call."""
    big = rustbp.MLPClassifier(hidden_layer_sizes=2000, max_iter=1, random_state=0)
    big.fit(np.random.default_rng(0).standard_normal((30, 300)), Y).save(path)
    arguments = [sys.executable, "-c", DAEMON, path, tmp_path / "copy", what]
    for seconds in ("0", "0.01", "0.03"):
        run = subprocess.run([*arguments, seconds], capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, run.stderr
    assert rustbp.load(path).coefs_[0].shape == (300, 2000)


def test_a_file_that_becomes_shorter_while_it_is_read(path, monkeypatch):
    classifier().save(path)
    size = path.stat().st_size
    read_header = _core.read_header

    def shorten(*arguments):
        os.truncate(path, size - 1)
        return read_header(*arguments)

    monkeypatch.setattr(_core, "read_header", shorten)
    # What the first reads brought along is in the buffer of the file.
    monkeypatch.setattr(files, "AT_ONCE", 16)
    monkeypatch.setattr("builtins.open", functools.partial(open, buffering=16))
    with pytest.raises(ValueError, match="the file ends early"):
        rustbp.load(path)


@pytest.mark.timeout(60)
def test_networks_deeper_than_a_file_holds_are_refused_at_once(path):
    model = rustbp.MLPRegressor(hidden_layer_sizes=1, max_iter=1).fit(X, Y)
    model.set_params(hidden_layer_sizes=(1,) * 100_000)
    model.coefs_ += [np.ones((1, 1))] * 100_000
    model.intercepts_ += [np.ones(1)] * 100_000
    model.n_layers_ = len(model.coefs_) + 1
    model._optimizer = None
    with pytest.raises(ValueError, match="'hidden_layer_sizes' is a list of 100000 items"):
        model.save(path)


# ---- files that are open, and those that are not ours ----


def test_a_file_that_is_open():
    model, file = classifier(), io.BytesIO()
    file.write(b"before")
    model.save(file)
    file.seek(len(b"before"))
    format_models.assert_same_model(rustbp.load(file), model)
    file.seek(0)
    with pytest.raises(ValueError, match="The file is not a valid model file"):
        rustbp.load(file)


def test_what_is_compressed_is_read_through_gzip(path):
    model = classifier()
    with gzip.open(path, "wb") as file:
        model.save(file)
    with pytest.raises(ValueError, match=r"rustbp\.load\(gzip\.open\(path\)\)"):
        rustbp.load(path)
    with gzip.open(path) as file:
        format_models.assert_same_model(rustbp.load(file), model)


def test_a_file_that_takes_a_part_at_a_time():
    class Slow(io.BytesIO):
        def write(self, data):
            return super().write(data[:7])

    model, slow, plain = classifier(), Slow(), io.BytesIO()
    model.save(slow)
    model.save(plain)
    assert slow.getvalue() == plain.getvalue()


def test_without_the_optimizer(path):
    model = classifier()
    model.save(path)
    whole = path.stat().st_size
    model.save(path, optimizer=False)
    assert path.stat().st_size < whole
    loaded = rustbp.load(path)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert len(loaded.partial_fit(X, Y).loss_curve_) == len(model.loss_curve_) + 1
    assert hasattr(model, "_optimizer")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (pickle.dumps({"a": 1}), "It looks like a pickle"),
        (b"PK\x03\x04" + bytes(20), "It looks like a zip archive"),
        (b'{"a": [1, 2, 3, 4]}', r"It looks like JSON$"),
        (b"just some text", "but the file has 14 bytes$"),
        ((1000).to_bytes(8, "little") + b'{"__meta', "It seems to be cut off$"),
    ],
)
def test_files_that_are_not_ours(content, said, path):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said):
        rustbp.load(path)


def test_bytes_and_text_are_no_files():
    file = io.BytesIO()
    classifier().save(file)
    with pytest.raises(TypeError, match=r"rustbp\.load\(io\.BytesIO\(data\)\)"):
        rustbp.load(file.getvalue())
    with pytest.raises(TypeError, match="open in binary mode; reading it gave str"):
        rustbp.load(io.StringIO("text"))
