"""A small table with all kinds of columns, and quick models of it, for the tests of tabular models."""

import numpy as np
import pandas as pd

from rustbp import TabularMLPClassifier, TabularMLPRegressor

QUICK = {"n_ensemble": 2, "n_epochs": 8, "hidden_layer_sizes": (16,), "random_state": 0}


def frame(n=200, seed=0):
    """Numbers with gaps, booleans, categories and text."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "age": rng.integers(18, 90, n).astype(float),
            "income": rng.lognormal(10, 1, n),
            "town": pd.Categorical(rng.choice(["Rome", "Oslo", "Lima"], n)),
            "word": rng.choice(["red", "blue"], n).astype(object),
            "member": rng.random(n) < 0.3,
        }
    )
    table.loc[rng.random(n) < 0.1, "income"] = np.nan
    table.loc[rng.random(n) < 0.1, "word"] = None
    return table


TABLE = frame()
LABELS = np.where(TABLE["age"].between(30, 60) | (TABLE["town"] == "Oslo"), "yes", "no")
NUMBERS = TABLE["age"].to_numpy() / 10 + 3.0 * TABLE["member"].to_numpy()


def fitted(y=LABELS, **options):
    kind = TabularMLPClassifier if y.dtype.kind in "UO" else TabularMLPRegressor
    return kind(**{**QUICK, **options}).fit(TABLE, y)


def outputs(model, X):
    return model.predict_proba(X) if hasattr(model, "classes_") else model.predict(X)
