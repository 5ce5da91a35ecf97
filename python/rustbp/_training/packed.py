"""Weights and optimizer state as the core trains them, kept with the model between calls.

A fit leaves them to its model as `Packed`, from which ``coefs_``, ``intercepts_`` and the optimizer's arrays are copied
out when somebody asks for them. Until then nobody can have written into them, and the next call goes on from what is
packed. From then on the arrays are what counts: whoever has them may write into them at any time.

What a model has is never trained again, since other threads may predict with it and a fit may fail: a call trains a
copy.
"""

from typing import Any

import numpy as np

from rustbp import _arrays, _core
from rustbp._mapped import Mapped
from rustbp._training import threads
from rustbp._training.network import dropout_of, functions_of, network_of

WEIGHTS = ("coefs_", "intercepts_")


class Packed:
    """A trainer that has done its work.

    Parameters
    ----------
    trainer : _core.Trainer
        In training as long as nobody else has this object, then only read.
    settings : dict
        What `trainer` was made with, beside arrays and threads.
    spares : list
        A trainer that nobody has any more, whose memory the next call uses; shared by all that go on from one another.
    """

    def __init__(self, trainer: _core.Trainer, settings: dict[str, Any], spares: list[Any]) -> None:
        self.trainer = trainer
        self.settings = settings
        self._spares = spares
        self._arrays: dict[str, Any] = {}

    def __del__(self) -> None:
        # Nobody predicts with it any more.
        self._spares[:] = [self.trainer]

    @property
    def layer_sizes(self) -> list[int]:
        return self.trainer.layer_sizes

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.trainer.dtype)

    @property
    def n_slots(self) -> int:
        """Numbers that the optimizer keeps for each parameter."""
        momentum = self.settings["hyperparameters"].get("momentum", 1) > 0
        return {"adam": 2, "sgd": int(momentum)}.get(self.settings["optimizer"], 0)

    @property
    def weights_are_out(self) -> bool:
        """Whether somebody has the arrays of the weights."""
        return "weights" in self._arrays

    @property
    def state_is_out(self) -> bool:
        """Whether somebody has the arrays of the optimizer."""
        return "state" in self._arrays

    def weights(self) -> tuple[list[Any], list[Any]]:
        """``coefs_`` and ``intercepts_``, the same lists each time."""
        if not self.weights_are_out:
            # One step: of two threads, both get what the first one has put there.
            self._arrays.setdefault("weights", (self.trainer.coefs(), self.trainer.intercepts()))
        return self._arrays["weights"]

    def state(self) -> dict[str, Any]:
        """The optimizer's state, the same arrays each time."""
        if not self.state_is_out:
            self._arrays.setdefault("state", self.trainer.state())
        return self._arrays["state"]

    def forward(self, X: Any, n_threads: int | None) -> Any:
        """The network's output."""
        return self.trainer.forward(X, n_threads=n_threads)

    def successor(
        self, weights: tuple[list[Any], list[Any]] | None, with_state: bool, n_threads: int | None
    ) -> "Packed":
        """A copy to train, with other weights if there are some, and with the optimizer's state or with none."""
        try:
            trainer = self._spares.pop()
        except IndexError:
            trainer = self.trainer.of_same_kind()
        coefs, intercepts = weights or (None, None)
        trainer.go_on_from(
            self.trainer,
            coefs=coefs,
            intercepts=intercepts,
            with_state=with_state,
            n_threads=n_threads,
        )
        return Packed(trainer, self.settings, self._spares)


def weights_of(state: dict[str, Any]) -> Packed | None:
    """What holds the weights of a model with these attributes, if they are packed and nobody has their arrays."""
    packed = state.get("_packed")
    if packed is None or packed.weights_are_out or any(name in state for name in WEIGHTS):
        return None
    return packed


def layer_sizes_of(model: Any) -> list[int]:
    """Neurons of each layer of a fitted model, the inputs first."""
    packed = weights_of(vars(model))
    if packed is not None:
        return packed.layer_sizes
    return [np.shape(model.coefs_[0])[0], *(np.shape(coef)[1] for coef in model.coefs_)]


def dtype_of(model: Any) -> np.dtype[Any]:
    """That of the weights of a fitted model."""
    packed = weights_of(vars(model))
    if packed is not None:
        return packed.dtype
    return _arrays.common_dtype(*model.coefs_, *model.intercepts_)


def to_dtype_for(model: Any, X: Any) -> np.dtype[Any]:
    """Have the weights in the dtype that products with X are in, which is returned; packed ones stay so if they are."""
    stored = dtype_of(model)
    dtype = _arrays.common_dtype(X, np.empty(0, stored))
    if weights_of(vars(model)) is None or dtype != stored:
        model.coefs_, model.intercepts_ = _arrays.layers(model.coefs_, model.intercepts_, dtype)
    return dtype


def forward(model: Any, X: Any) -> Any:
    """The network's output for rows in the dtype of the weights."""
    if isinstance(X, Mapped):
        return np.concatenate([forward(model, X[part]) for part in X.slices()])
    n_threads = threads.allowed(model.n_threads)
    functions = functions_of(model)
    packed = weights_of(vars(model))
    if packed is not None and functions.items() <= packed.settings.items():
        return packed.forward(X, n_threads)
    return _core.forward(X, model.coefs_, model.intercepts_, n_threads=n_threads, **functions)


def unpack(state: dict[str, Any]) -> dict[str, Any]:
    """The same attributes with arrays in the place of what is packed."""
    packed = state.pop("_packed", None)
    if packed is not None:
        for name, arrays in zip(WEIGHTS, packed.weights(), strict=True):
            state.setdefault(name, arrays)
    return state


def settings_of(model: Any) -> dict[str, Any]:
    """What a trainer of ``model``, with its optimizer, is made with, beside arrays and threads."""
    return {
        **network_of(model),
        "dropout": dropout_of(model, len(layer_sizes_of(model)) - 2),
        "alpha": float(model.alpha),
        "compute": model.compute,
        "weight_decay": float(model.weight_decay),
        "max_grad_norm": model.max_grad_norm,
        "optimizer": model._optimizer.name,
        "hyperparameters": model._optimizer.hyperparameters,
    }


def begin(model: Any) -> Packed:
    """The weights of ``model`` and the state of its optimizer, to be trained."""
    optimizer = model._optimizer
    settings = settings_of(model)
    n_threads = threads.allowed(model.n_threads)
    last: Packed | None = vars(model).get("_packed")
    if last is not None and last.settings == settings and optimizer.goes_on_from(last):
        with_state = optimizer.state_is_packed
        if weights_of(vars(model)) is last:
            return last.successor(None, with_state, n_threads)
        coefs, intercepts = model.coefs_, model.intercepts_
        sizes = [len(coefs[0]), *(coef.shape[1] for coef in coefs)]
        if sizes == last.layer_sizes and coefs[0].dtype == last.dtype:
            return last.successor((coefs, intercepts), with_state, n_threads)
    trainer = _core.Trainer(
        model.coefs_,
        model.intercepts_,
        learning_rate=optimizer.step,
        state=optimizer.state_for(model.coefs_, model.intercepts_),
        n_threads=n_threads,
        **settings,
    )
    return Packed(trainer, settings, [])
