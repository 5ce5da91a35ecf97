"""Predict from a table with categories and gaps, beside boosted trees and scikit-learn's perceptron.

The table is scikit-learn's diabetes study: 442 patients, ten measurements, and how far the disease went in a year. Its
one category, the sex, stands there as text, as in a file. The study has no gaps: a tenth of the body mass indices and
blood pressures are taken out here, to show what becomes of them.

usage: python examples/table.py
"""

import warnings
from typing import Any

import numpy as np
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.inspection import permutation_importance
from sklearn.model_selection import KFold, cross_val_score
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import rustbp


def table() -> tuple[list[str], Any, Any]:
    """Names of the columns, rows with text and None in them, and targets."""
    study: Any = load_diabetes(scaled=False)
    names = list(study.feature_names)
    rows = study.data.astype(object)
    sex = names.index("sex")
    rows[:, sex] = np.where(study.data[:, sex] == 1, "one", "other")
    rng = np.random.default_rng(0)
    for name in ("bmi", "bp"):
        rows[rng.random(len(rows)) < 0.1, names.index(name)] = None
    return names, rows, study.target


def contenders(names: list[str]) -> dict[str, Any]:
    """What is compared; the other two need the table prepared."""
    sex = [names.index("sex")]
    numbers = [place for place in range(len(names)) if place not in sex]
    as_numbers = make_column_transformer(
        (SimpleImputer(), numbers), (OneHotEncoder(drop="first", sparse_output=False), sex)
    )
    return {
        "TabularMLPRegressor": rustbp.TabularMLPRegressor(random_state=0),
        "boosted trees": make_pipeline(as_numbers, HistGradientBoostingRegressor(random_state=0)),
        "scikit-learn's MLP": make_pipeline(
            as_numbers, StandardScaler(), MLPRegressor(random_state=0)
        ),
    }


def main() -> None:
    # At its defaults scikit-learn's perceptron does not converge here.
    warnings.simplefilter("ignore", ConvergenceWarning)
    names, X, y = table()
    folds = KFold(5, shuffle=True, random_state=0)
    print("R² on rows that were not learnt from, mean of 5 folds:")
    for name, model in contenders(names).items():
        print(f"  {name:20} {cross_val_score(model, X, y, cv=folds).mean():.3f}")

    model = rustbp.TabularMLPRegressor(random_state=0).fit(X[:340], y[:340])
    mean, std = model.predict(X[340:343], return_std=True)
    print("three patients, and how far the members are apart:")
    for predicted, spread, true in zip(mean, std, y[340:343], strict=True):
        print(f"  {predicted:5.0f} ± {spread:2.0f}, and in truth {true:.0f}")
    found: Any = permutation_importance(model, X[340:], y[340:], n_repeats=5, random_state=0)
    order = np.argsort(found.importances_mean)[::-1]
    print("what they were predicted by: " + ", ".join(names[place] for place in order[:3]))


if __name__ == "__main__":
    main()
