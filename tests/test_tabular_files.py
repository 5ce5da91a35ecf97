"""Files of tabular models: whatever is in them, they give a model that predicts, or ValueError."""

import io
import json
import zipfile

import numpy as np
import pytest

import rustbp
from rustbp import TabularMLPClassifier, TabularMLPRegressor

X = np.array([[float(i), i % 3] for i in range(60)])


@pytest.fixture(scope="module")
def model():
    quick = TabularMLPRegressor(n_ensemble=2, n_epochs=2, hidden_layer_sizes=(4,), random_state=0)
    return quick.fit(X, X[:, 0])


@pytest.fixture(scope="module")
def data(model):
    file = io.BytesIO()
    model.save(file)
    return file.getvalue()


def load(data):
    return rustbp.load(io.BytesIO(data))


def changed(data, change, compression=zipfile.ZIP_STORED):
    """The archive with its document changed by a function, and the members by none."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    document = json.loads(entries["model.json"])
    document = change(document) or document
    entries["model.json"] = (
        document if isinstance(document, bytes) else json.dumps(document).encode()
    )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


def test_a_member_is_a_model_file_by_itself(model, data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        member = load(archive.read("members/1.safetensors"))
    rows = model.encoder_.transform(X)
    np.testing.assert_array_equal(member.predict(rows), model.members_[1].predict(rows))


def test_damaged_files_are_refused_or_predict(data):
    rng = np.random.default_rng(0)
    expected = load(data).predict(X)
    for _ in range(300):
        broken = bytearray(data)
        if rng.random() < 0.3:
            del broken[rng.integers(1, len(broken)) :]
        else:
            for at in rng.integers(0, len(broken), rng.integers(1, 4)):
                broken[at] ^= 1 << rng.integers(8)
        try:
            found = load(bytes(broken))
        except ValueError:
            continue
        # What no checksum covers: times, comments.
        np.testing.assert_array_equal(found.predict(X), expected)


def put(*path, to):
    def change(document):
        *first, last = path
        for key in first:
            document = document[key]
        document[last] = to

    return change


WRONG = {
    "class": (put("class", to="os.system"), "does not have"),
    "member class": (put("class", to="TabularMLPClassifier"), "are not all nets|does not have"),
    "format": (put("format", to=2), "format 2"),
    "parameter": (put("params", "n_epochs", to=-1), "n_epochs"),
    "new parameter": (put("params", "nonsense", to=1), "nonsense"),
    "no parameters": (put("params", to=[]), "malformed"),
    "columns": (put("encoder", "n_features_in_", to=3), "does not fit"),
    "place": (put("encoder", "features", 0, 0, to=7), "does not fit"),
    "median": (put("encoder", "features", 0, 1, "median", to="0"), "no finite number"),
    "huge": (put("encoder", "features", 0, 1, "mean", to=10**400), "malformed|no finite number"),
    "edges": (put("encoder", "features", 0, 1, "edges", to=[2.0, 1.0]), "do not rise"),
    "width": (put("encoder", "features", 0, 1, "edges", to=[]), "are not all nets of"),
    "levels": (put("encoder", "features", 0, 1, to={"levels": ["b", "a"]}), "not sorted"),
    "nothing": (put("encoder", to=None), "malformed"),
    "scale": (put("target", "scale", to=None), "no finite number"),
    "list": (lambda document: b"[]", "malformed"),
    "deep": (lambda document: b"[" * 100_000, "malformed"),
    "NaN": (lambda document: b'{"format": NaN}', "NaN"),
    "text": (lambda document: b"\xff", "malformed"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_document_that_does_not_fit_is_refused(data, name):
    change, message = WRONG[name]
    with pytest.raises(ValueError, match=f"is not a valid model file: .*({message})"):
        load(changed(data, change))


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_compressed_and_foreign_archives_are_refused(data):
    with pytest.raises(ValueError, match="compressed"):
        load(changed(data, lambda document: None, zipfile.ZIP_DEFLATED))
    file = io.BytesIO()
    np.savez(file, x=np.ones(3))
    with pytest.raises(ValueError, match="zip archive, but not like one of rustbp's"):
        load(file.getvalue())
    with zipfile.ZipFile(io.BytesIO(data), "a") as archive:
        twice = archive.fp
        archive.writestr("members/0.safetensors", b"")
    with pytest.raises(ValueError, match="not like one of rustbp's"):
        load(twice.getvalue())


def test_what_a_file_cannot_hold_is_said(model, tmp_path):
    class Own(TabularMLPRegressor):
        pass

    with pytest.raises(TypeError, match="no subclass"):
        Own(n_ensemble=1, n_epochs=1).fit(X, X[:, 0]).save(tmp_path / "model")
    other = TabularMLPClassifier(
        n_ensemble=1, n_epochs=1, scoring=lambda model, X, y: 0.0, random_state=0
    )
    with pytest.raises(TypeError, match="'scoring' is of type function"):
        other.fit(X, X[:, 1]).save(tmp_path / "model")
    assert not list(tmp_path.iterdir())
    # A generator has moved on: what it would be is not what it was.
    model = TabularMLPRegressor(n_ensemble=1, n_epochs=1, random_state=np.random.RandomState(0))
    model.fit(X, X[:, 0]).save(tmp_path / "model")
    assert rustbp.load(tmp_path / "model").random_state is None
