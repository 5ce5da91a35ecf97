"""Damaged model files: each is refused, or is a model."""

import contextlib
import copy
import json
import os
import struct
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd

import rustbp
from format_models import assert_same, predictions, quiet
from rustbp import backprop

PYTHON_OBJECTS = 256 << 10
"""What Python's own objects may take beyond twice the file, for the small files here."""

HOSTILE = [
    None, True, 0, -1, 1, 2, 624, 625, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1, 10**30, 0.5, -0.0, 1e308,
    "", "a", "F32", "F64", "U8", "I64", "BOOL", "|O", "<U1", "<M8[D]", "<M8[1000000D]", "relu", "sgd", "adam", "nan",
    "MLPClassifier", "MLPRegressor", "binary", "multiclass", "os.system", "../../etc/passwd", "a" * 1000, [], {}, [[]],
    [0], [1, 1], [2**40], [2**32, 2**32], [1] * 2000, {"tuple": [1]}, {"float": "inf"}, {"float": "1"},
    {"RandomState": None}, {"__reduce__": ["os.system", "true"]},
]  # fmt: skip
"""Values to put in the place of others."""


def split(file):
    (length,) = struct.unpack("<Q", file[:8])
    return json.loads(file[8 : 8 + length]), file[8 + length :]


def join(header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def places(node):
    """Every container of a JSON tree with one of its keys."""
    for key in node.keys() if isinstance(node, dict) else range(len(node)):
        yield node, key
        if isinstance(node[key], (dict, list)):
            yield from places(node[key])


def edited(rng, tree):
    """A JSON tree with something replaced, removed, renamed or doubled."""
    tree = json.loads(json.dumps(tree))
    for _ in range(rng.integers(1, 4)):
        found = list(places(tree))
        if not found:
            break
        node, key = found[rng.integers(len(found))]
        match rng.integers(6):
            case 0:
                del node[key]
            case 1 if isinstance(node[key], int):
                node[key] += int(rng.choice([-1, 1, 4, 8, 1000]))
            case 2 if isinstance(node, dict):
                node[str(rng.choice(["", "coefs_.9", "format", "loss_", "classes_", key]))] = (
                    node.pop(key)
                )
            case 3:
                other, other_key = found[rng.integers(len(found))]
                with contextlib.suppress(KeyError, IndexError):
                    node[key], other[other_key] = other[other_key], node[key]
            case _:
                node[key] = HOSTILE[rng.integers(len(HOSTILE))]
        with contextlib.suppress(ValueError, RecursionError):
            json.dumps(tree)
            continue
        return {}
    return tree


def edited_header(rng, file):
    header, data = split(file)
    if rng.random() < 0.5:
        document = json.loads(header["__metadata__"]["rustbp"])
        header["__metadata__"]["rustbp"] = json.dumps(edited(rng, document))
    else:
        header = edited(rng, header)
    changed = join(header, data)
    if rng.random() < 0.1:
        # A text in the place of another that is no tree any more.
        header, data = split(changed)
        text = bytearray(json.dumps(header).encode())
        at = rng.integers(len(text) + 1)
        text[at:at] = rng.choice(
            [b"{", b"[" * 500, b'"', b"\\ud800", b"\xff", b"1e999", b"," * 9, b"0" * 99]
        )
        changed = join(bytes(text), data)
    return changed


def flipped_bits(rng, file):
    changed = np.frombuffer(file, np.uint8).copy()
    for _ in range(rng.integers(1, 9)):
        changed[rng.integers(len(changed))] ^= 1 << rng.integers(8)
    return changed.tobytes()


def random_bytes(rng, file):
    if rng.random() < 0.5:
        return rng.bytes(rng.integers(0, 4096))
    changed = bytearray(file)
    at, length = rng.integers(len(file)), rng.integers(1, 64)
    changed[at : at + length] = rng.bytes(rng.integers(0, 64))
    return bytes(changed)


def damaged(rng, files, count):
    """Damaged files: every truncation of the smallest, then `count` others, each by one of the ways above."""
    small = min(files, key=len)
    yield from (small[:end] for end in range(len(small)))
    ways = (edited_header, edited_header, flipped_bits, random_bytes)
    for i in range(count):
        yield ways[i % len(ways)](rng, files[rng.integers(len(files))])


def originals():
    """Small files of several kinds."""
    X = np.linspace(-1, 1, 24).reshape(12, 2)
    labels = np.resize(["no", "yes", "perhaps"], 12)
    generator = np.random.RandomState(3)
    frame = pd.DataFrame(X, columns=["height", "weight"])
    options = {"max_iter": 2, "random_state": None}
    models = [
        rustbp.MLPRegressor(hidden_layer_sizes=2, **options).fit(X, X[:, 0]),
        rustbp.MLPRegressor(hidden_layer_sizes=(), solver="lbfgs", loss="poisson", **options).fit(
            X, X**2
        ),
        rustbp.MLPClassifier((3, 2), **options).fit(frame, labels),
        rustbp.MLPClassifier(2, solver="sgd", **options | {"random_state": generator}).fit(
            X, labels == "no"
        ),
        rustbp.MLPClassifier(2, early_stopping=True, validation_fraction=0.5, **options).fit(
            X, X > 0
        ),
        rustbp.MLPClassifier(2, momentum=0, solver="sgd", **options).fit(
            X.astype("f4"), np.resize([1.5, 2], 12) * 2
        ),
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model")
        files = []
        for model in models:
            model.save(path)
            files.append(path.read_bytes())
    return files


class Result:
    files = refused = valid = untrained = 0
    slowest = most = 0.0

    def __str__(self):
        return (
            f"{self.files} files: {self.refused} refused with ValueError, {self.valid} valid, of which "
            f"{self.untrained} refused to be trained in some way; the slowest took {1000 * self.slowest:.0f} ms of "
            f"processor time; Python's objects took at most {max(0, self.most) / 1024:.0f} KiB beyond twice the file"
        )


def open_damaged(count, seed=0):
    """Load damaged files: each is refused, or is a model that predicts, can be saved, and trains or refuses to.

    Nothing but ValueError is a refusal.
    """
    result = Result()
    with quiet():
        files = originals()
    rng = np.random.default_rng(seed)
    folder = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=folder) as folder, quiet():
        path = Path(folder, "model")
        path.write_bytes(files[0])
        rustbp.load(path)
        for file in damaged(rng, files, count):
            path.write_bytes(file)
            open_one(path, len(file), result)
    return result


def open_one(path, size, result):
    tracemalloc.start()
    # Of the processor, since the machine may have other things to do.
    start = time.process_time()
    try:
        model, message = rustbp.load(path), ""
    except ValueError as error:
        model, message = None, str(error)
    assert len(message) < 1000, message[:1000]
    result.slowest = max(result.slowest, time.process_time() - start)
    taken = tracemalloc.get_traced_memory()[1] - 2 * size
    tracemalloc.stop()
    assert taken <= PYTHON_OBJECTS, f"{taken} bytes beyond twice a file of {size}"
    result.most = max(result.most, taken)
    result.files += 1
    result.refused += model is None
    if model is None:
        return
    result.valid += 1
    rows = np.arange(3, dtype=model.coefs_[0].dtype)[:, None]
    X = np.tile(rows, (6, model.n_features_in_))
    output = predictions(model, X)
    model.save(path)
    assert_same(output, predictions(rustbp.load(path), X))
    y = output[0]
    if hasattr(model, "classes_") and y.ndim == 1:
        y = np.resize(model.classes_, len(y))  # All of them, which going on from the weights needs.
    accepted = [trains(train, model, X, y) for train in TRAININGS]
    result.untrained += not all(accepted)


def incremental(model, X, y):
    if hasattr(model, "partial_fit"):
        model.partial_fit(X, y).partial_fit(X, y)


def anew(model, X, y):
    # Whatever network the file asks for.
    model.set_params(hidden_layer_sizes=2, warm_start=False).fit(X, y)


def further(model, X, y):
    if np.prod(np.ravel(model.hidden_layer_sizes).astype(float)) < 1e6:
        model.set_params(warm_start=True).fit(X, y)


TRAININGS = (incremental, anew, further, backprop)


def trains(train, model, X, y):
    """Whether a copy of the model takes training; ValueError is the refusal to."""
    model = copy.deepcopy(model)
    try:
        train(model.set_params(max_iter=min(2, model.max_iter)), X, y)
    except ValueError:
        # Such as that weights turned non-finite, or that early stopping does not go with it.
        return False
    return True
