"""Accuracy and CPU seconds on real tables, in one protocol: 3,000 rows to fit (70 % of a small table), 3,000 to test.

Of each table and split, every model is given the same rows as they come; all on one thread. Errors are the share of
wrong classes, and root mean squared errors divided by the standard deviation of the targets. A figure of one table
moves by 4 % and more by chance: what counts are means over tables of the logarithm of a ratio of errors (with 0.01
added to a share).

A folder of tables has `manifest.json`, a list of `{"name", "task", "numeric", "categorical"}`, of which the task is
"regression" or another one, and for each a file `name.csv.gz` with the columns named there and the target `__y`. If it
has `peers.json`, the report reads from it what others scored: `{table: {model: {split: {"err", "ll", "cpu"}}}}`.

usage: python benchmarks/tables.py FOLDER [--models tabular5,lgbm] [--tables a,b] [--splits 0,1,2] [--out FILE]
       python benchmarks/tables.py FOLDER --report FILE [--model tabular5]
"""

import argparse
import json
import math
import os
import statistics
import time
from pathlib import Path
from typing import Any, NamedTuple

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from sklearn.compose import TransformedTargetRegressor, make_column_transformer  # noqa: E402
from sklearn.ensemble import (  # noqa: E402
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.impute import SimpleImputer  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import OneHotEncoder, StandardScaler  # noqa: E402

import rustbp  # noqa: E402


class Table(NamedTuple):
    """Rows to fit and to test, and whether the target is classes."""

    X: pd.DataFrame
    y: np.ndarray
    X_test: pd.DataFrame
    y_test: np.ndarray
    has_classes: bool


def load(folder: Path, about: dict[str, Any], split: int, rows: int) -> Table:
    """One split; categories have the levels of the rows to fit."""
    numbers, categories = about["numeric"], about["categorical"]
    has_classes = about["task"] != "regression"
    text = dict.fromkeys([*categories, *(["__y"] if has_classes else [])], str)
    frame = pd.read_csv(folder / f"{about['name']}.csv.gz", dtype=text)
    y = frame["__y"].to_numpy()
    y = pd.factorize(y, sort=True)[0] if has_classes else y.astype(float)
    fit = min(rows, int(0.7 * len(y)))
    train, test = train_test_split(
        np.arange(len(y)),
        train_size=fit,
        test_size=min(3000, len(y) - fit),
        random_state=1000 + split,
        stratify=y if has_classes else None,
    )
    X = frame[numbers].astype(float)
    for name in categories:
        levels = sorted(frame[name].iloc[train].dropna().unique())
        X[name] = pd.Categorical(frame[name], categories=levels)
    return Table(X.iloc[train], y[train], X.iloc[test], y[test], has_classes)


def estimator(model: str, has_classes: bool, about: dict[str, Any], seed: int) -> Any:
    """A model by its short name, on one thread."""
    if model.startswith("tabular"):
        kind = rustbp.TabularMLPClassifier if has_classes else rustbp.TabularMLPRegressor
        return kind(n_ensemble=int(model[len("tabular") :]), random_state=seed, n_threads=1)
    if model == "hgb":
        kind = HistGradientBoostingClassifier if has_classes else HistGradientBoostingRegressor
        return kind(categorical_features="from_dtype", random_state=seed)
    if model == "lgbm":
        import lightgbm

        kind = lightgbm.LGBMClassifier if has_classes else lightgbm.LGBMRegressor
        return kind(n_jobs=1, verbose=-1, random_state=seed)
    if model == "mlp":
        net: Any = rustbp.MLPClassifier(random_state=seed, n_threads=1)
        if not has_classes:
            net = rustbp.MLPRegressor(random_state=seed, n_threads=1)
            net = TransformedTargetRegressor(net, transformer=StandardScaler())
        numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
        categories = OneHotEncoder(handle_unknown="ignore")
        prepared = make_column_transformer(
            (numbers, about["numeric"]), (categories, about["categorical"]), sparse_threshold=0
        )
        return make_pipeline(prepared, net)
    raise SystemExit(f"no such model: {model}; there are tabular1, tabular5 ..., hgb, lgbm, mlp")


def run(model: str, folder: Path, about: dict[str, Any], split: int, rows: int) -> dict[str, Any]:
    """Fit and test one model on one split."""
    table = load(folder, about, split, rows)
    fitted = estimator(model, table.has_classes, about, split)
    start = time.process_time()
    fitted.fit(table.X, table.y)
    result = {
        "model": model,
        "name": about["name"],
        "split": split,
        "rows": len(table.y),
        "cpu": time.process_time() - start,
    }
    if not table.has_classes:
        error = np.sqrt(np.mean((fitted.predict(table.X_test) - table.y_test) ** 2))
        return result | {"err": float(error / table.y_test.std())}
    probability = np.clip(fitted.predict_proba(table.X_test).astype(float), 1e-7, 1)
    probability /= probability.sum(axis=1, keepdims=True)
    right = probability[np.arange(len(probability)), table.y_test]
    wrong = np.mean(probability.argmax(axis=1) != table.y_test)
    return result | {"err": float(wrong), "ll": float(-np.log(right).mean())}


def change(pairs: list[tuple[Any, Any]], key: str, more: float = 0.0) -> float:
    """The logarithm of the ratio of two sums over splits, of ours and of theirs."""
    ours, theirs = (sum(pair[side][key] + more for pair in pairs) for side in (0, 1))
    return math.log(ours / theirs)


def report(results: list[dict[str, Any]], tables: dict[str, Any], peers: Any, model: str) -> None:
    """Mean changes of a model against each other one, over the splits that both have."""
    found: dict[str, Any] = {name: {m: dict(s) for m, s in p.items()} for name, p in peers.items()}
    for r in results:
        found.setdefault(r["name"], {}).setdefault(r["model"], {})[str(r["split"])] = r
    others = sorted({other for of_table in found.values() for other in of_table} - {model})
    for other in others:
        for has_classes in (True, False):
            changes, losses, ratios = [], [], []
            for name, of_table in found.items():
                ours, theirs = of_table.get(model, {}), of_table.get(other, {})
                both = ours.keys() & theirs.keys()
                if not both or (tables[name]["task"] != "regression") != has_classes:
                    continue

                pairs = [(ours[split], theirs[split]) for split in both]
                changes.append(change(pairs, "err", 0.01 * has_classes))
                ratios.append(math.exp(-change(pairs, "cpu")))
                if has_classes:
                    losses.append(change(pairs, "ll"))
            if changes:
                spread = statistics.stdev(changes) / len(changes) ** 0.5 if len(changes) > 1 else 0
                line = (
                    f"{model} against {other:5} {'classes' if has_classes else 'numbers'}: error "
                    f"{math.expm1(statistics.mean(changes)):+.1%} ± {spread:.1%}, {len(changes)} tables, "
                    f"{sum(c <= 0 for c in changes)} won; its CPU time is {statistics.median(ratios):.1f} times ours"
                )
                if losses:
                    line += f"; log loss {math.expm1(statistics.mean(losses)):+.1%}"
                print(line)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", default="tabular1,tabular5")
    parser.add_argument("--tables", default="")
    parser.add_argument("--splits", default="0,1,2")
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--model", default="tabular5")
    options = parser.parse_args()
    about = {t["name"]: t for t in json.loads((options.folder / "manifest.json").read_text())}
    if options.report:
        peers = options.folder / "peers.json"
        results = [json.loads(line) for line in options.report.read_text().splitlines()]
        report(
            results, about, json.loads(peers.read_text()) if peers.exists() else {}, options.model
        )
        return
    for split in map(int, options.splits.split(",")):
        for name in options.tables.split(",") if options.tables else about:
            for model in options.models.split(","):
                line = json.dumps(run(model, options.folder, about[name], split, options.rows))
                print(line, flush=True)
                if options.out:
                    with options.out.open("a") as file:
                        file.write(f"{line}\n")


if __name__ == "__main__":
    main()
