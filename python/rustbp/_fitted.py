"""What a fitted estimator can do beside predicting: say what it is, be written to a file, travel light."""

from itertools import pairwise
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from rustbp import _missing, _summary, convert
from rustbp._training import packed
from rustbp._training.optimizer import Optimizer
from rustbp._typing import File


class Fitted:
    """Base of both estimators; not to be used itself."""

    def to_sklearn(self) -> Any:
        """The scikit-learn estimator with these parameters and this fit.

        Returns
        -------
        estimator : sklearn.neural_network.MLPClassifier or MLPRegressor
            It shares no array with this one, and predicts the same but for the last bits.

        Raises
        ------
        ValueError
            If scikit-learn has no such network: another cost, output or hidden activation, or optimizer.
        """
        return convert.to_sklearn(self)

    def without_optimizer(self) -> Self:
        """A copy that predicts the same and leaves the optimizer's state behind: for pickles, and to be sent elsewhere.

        Adam's state is twice as large as the weights. `save(path, optimizer=False)` does the same for files.

        Returns
        -------
        model : object
            The copy. `partial_fit` goes on from them with a new optimizer.

        Raises
        ------
        NotFittedError
            If the model has not been fitted.
        """
        check_is_fitted(self)
        model: Any = self
        model = model._copy()
        state = vars(model)
        if packed.weights_of(state) is None:
            packed.unpack(state)
        else:
            # Copies, so that this model may stay packed.
            trainer = state.pop("_packed").trainer
            model.coefs_, model.intercepts_ = trainer.coefs(), trainer.intercepts()
        state.pop("_unfinished", None)
        optimizer = state.get("_optimizer")
        if isinstance(optimizer, Optimizer):
            # Its step size is where a schedule has brought it.
            model._optimizer = optimizer.without_state()
        return model

    @property
    def n_parameters_(self) -> int:
        """Weights and biases of the fitted network, counted."""
        return _summary.count(self)

    def summary(self) -> str:
        """The layers of the fitted network: inputs, neurons, activation, weights and biases of each.

        Returns
        -------
        table : str
            Lines of text, which a notebook or an interpreter shows as they are.

        Raises
        ------
        NotFittedError
            If the model has not been fitted.
        """
        check_is_fitted(self)
        model: Any = self
        return _summary.summarize(_missing.complete(model._copy()))

    def save(self, path: File, *, optimizer: bool = True) -> None:
        """Write the fitted model to a file, from which `rustbp.load` reads it without running any code.

        The file is in the safetensors format: the weights, and the optimizer's state, so that `partial_fit` goes on bit
        for bit; parameters, classes and what else fit has set are in its metadata. Callbacks, metadata routing, and
        attributes that are not `rustbp`'s own are left out.

        Parameters
        ----------
        path : str, bytes, os.PathLike or binary file
            The file. One that exists is replaced in one step when the new one is safely on the disk; until then, and
            if anything goes wrong, it stays as it is. To one that is open already the model is just written.

        optimizer : bool, default=True
            Whether to write the optimizer's state too, of up to twice the size of the weights. Without it
            `partial_fit` goes on with a new one.

        Raises
        ------
        NotFittedError
            If the model has not been fitted.
        TypeError
            For a subclass, and for parameters and classes of a type that the file cannot hold; the message names them.
        ValueError
            If a parameter is out of its range, or says something else of the outputs than in the fit (`loss`,
            `quantile`, `output_activation`), if the weights are not finite, or if the attributes do not fit together.
        OSError
            If the file cannot be written.
        """
        from rustbp._io import saving  # not needed to fit and predict

        saving.save(self, path, optimizer=optimizer)

    def __sizeof__(self) -> int:
        """Bytes of the weights and of the optimizer's state, which schedulers of clusters go by."""
        state = vars(self)
        fitted = state.get("_packed")
        if packed.weights_of(state) is not None:
            sizes = fitted.layer_sizes
            numbers = sum((before + 1) * size for before, size in pairwise(sizes))
            return object.__sizeof__(self) + numbers * fitted.dtype.itemsize * (1 + fitted.n_slots)
        state = packed.unpack(state.copy())
        optimizer = state.get("_optimizer")
        slots = (getattr(optimizer, "state", None) or {}).values()
        arrays = [*(state.get("coefs_") or []), *(state.get("intercepts_") or [])]
        arrays += [array for slot in slots if isinstance(slot, list) for array in slot]
        return object.__sizeof__(self) + sum(int(getattr(array, "nbytes", 0)) for array in arrays)

    def __dask_tokenize__(self) -> Any:
        """Dask's name for this model: the same for equal parameters and fits, wherever they have been."""
        from dask.base import normalize_token

        state = packed.unpack(vars(self).copy())
        optimizer = state.get("_optimizer")
        if isinstance(optimizer, Optimizer):
            state["_optimizer"] = optimizer.__getstate__()
        for name in ("_label_binarizer", "_unfinished"):
            if name in state:
                state[name] = vars(state[name])
        for name, value in state.items():
            if isinstance(value, np.random.RandomState):
                state[name] = value.get_state(legacy=False)
        return normalize_token((type(self).__qualname__, sorted(state.items())))
