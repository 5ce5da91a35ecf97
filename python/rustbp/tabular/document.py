"""What a model file says of an encoder, and the encoder of what a file says.

Whoever wrote the file may have written anything: each value is looked at before it is believed.
"""

import math
from typing import Any

import numpy as np

from rustbp.tabular.encoder import TabularEncoder
from rustbp.tabular.features import Levels, Numbers

_REASONS = ("identifier", "missing", "constant")


def of_encoder(encoder: TabularEncoder) -> dict[str, Any]:
    """A fitted encoder as JSON can hold it; its parameters are the model's."""
    names = getattr(encoder, "feature_names_in_", None)
    positions = range(encoder.n_features_in_) if names is None else names.tolist()
    return {
        "n_features_in_": int(encoder.n_features_in_),
        "feature_names_in_": None if names is None else names.tolist(),
        "is_categorical_": encoder.is_categorical_.tolist(),
        "left_out_": [encoder.left_out_.get(name) for name in positions],
        "features": [[int(at), _of_feature(feature)] for at, feature in encoder._features],
    }


def _of_feature(feature: Numbers | Levels) -> dict[str, Any]:
    if isinstance(feature, Levels):
        return {"levels": list(feature.levels)}
    return {
        "median": feature.median,
        "spread": feature.spread,
        "mean": feature.mean,
        "edges": feature.edges.tolist(),
        "missing": bool(feature.missing),
        "varies": bool(feature.varies),
    }


def to_encoder(document: Any, encoder: TabularEncoder) -> TabularEncoder:
    """Make ``encoder`` the one that `of_encoder` was given.

    Raises
    ------
    ValueError
        If the document is not such a one.
    """
    try:
        n_columns = _check(document["n_features_in_"], int)
        names, left_out = document["feature_names_in_"], document["left_out_"]
        categorical = [_check(value, bool) for value in document["is_categorical_"]]
        features = [(_check(at, int), _to_feature(feature)) for at, feature in document["features"]]
    except (KeyError, TypeError) as error:
        raise ValueError(f"its encoder is malformed: {error!r:.200}") from None
    if names is not None:
        names = [_check(name, str) for name in names]
    keys = range(n_columns) if names is None else names
    places = [at for at, _ in features]
    fits = (
        n_columns == len(keys) == len(set(keys)) == len(left_out) == len(categorical) > 0
        and places == sorted(set(places))
        and all(0 <= at < n_columns for at in places)
        and all(reason is None or reason in _REASONS for reason in left_out)
    )
    if not fits:
        raise ValueError("its encoder is malformed: what it says of its columns does not fit")
    encoder.n_features_in_ = n_columns
    if names is not None:
        encoder.feature_names_in_ = np.array(names, dtype=object)
    encoder.is_categorical_ = np.array(categorical)
    encoder.left_out_ = {
        key: reason for key, reason in zip(keys, left_out, strict=True) if reason is not None
    }
    encoder._features = features
    return encoder


def number(value: Any, what: str) -> float:
    """A finite number of a document."""
    if type(value) is not float or not math.isfinite(value):
        raise ValueError(f"its {what} is {value!r:.50}, and no finite number")
    return float(value)


def _to_feature(document: Any) -> Numbers | Levels:
    if "levels" in document:
        levels = document["levels"]
        kinds = {type(level) for level in levels}
        if len(levels) < 2 or len(kinds) != 1 or not kinds <= {str, float}:
            raise ValueError("its encoder is malformed: levels are text, or numbers")
        if levels != sorted(set(levels)):
            raise ValueError("its encoder is malformed: levels are not sorted")
        return Levels(list(levels))
    edges = np.array([number(edge, "edge of a bin") for edge in document["edges"]])
    if len(edges) == 1 or (np.diff(edges) <= 0).any():
        raise ValueError("its encoder is malformed: edges of bins do not rise")
    return Numbers(
        median=number(document["median"], "median"),
        spread=number(document["spread"], "spread"),
        mean=number(document["mean"], "mean"),
        edges=edges,
        missing=_check(document["missing"], bool),
        varies=_check(document["varies"], bool),
    )


def _check(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise ValueError(f"its encoder is malformed: {value!r:.50} is no {kind.__name__}")
    return value
