"""Perceptrons that train on a Dask cluster, where the data is. Needs the extra ``rustbp[dask]``: dask and distributed.

Imports `partitions`, the estimators `classifier` and `regressor`, `_quantiles`, `_training`, `_typing` and `_warn`.
Start with `estimators`; `collections` makes partitions of what Dask has, and `engine` runs tasks on them.

`DaskMLPClassifier` and `DaskMLPRegressor` have the parameters of the local classes, and four more.
"""

from importlib.util import find_spec

if not (find_spec("dask") and find_spec("distributed")):
    raise ImportError("rustbp.dask needs dask and distributed: pip install dask distributed")

from rustbp.dask.classifier import DaskMLPClassifier
from rustbp.dask.regressor import DaskMLPRegressor

__all__ = ["DaskMLPClassifier", "DaskMLPRegressor"]
