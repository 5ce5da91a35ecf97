"""The native module: the passes, the four equations and the updates, in Rust.

Dimensions, stated once: ``n`` rows (samples), layers ``0 .. L`` of ``size[l]`` neurons; layer 0 is the input,
layer L the output. ``T`` is float32 or float64, the same for every array of a call. ``coefs[l-1]`` has shape
``(size[l-1], size[l])`` and ``intercepts[l-1]`` shape ``(size[l],)``; together they are w^l and b^l.

``X`` is an ndarray of shape ``(n, size[0])`` with any strides, or a SciPy CSR matrix or array (int32 or int64
indices). ``y`` is either an array of ``T``, shape ``(n, size[L])``, or int64 class indices, shape ``(n,)``:
one-hot rows where the output layer has several neurons, and the 0 or 1 itself where it has one.

``activation`` is the name of all hidden layers' activation, or one for each. ``cost_parameter`` is the number that some
costs depend on, for all outputs or one for each: ``huber`` where it turns linear, ``quantile`` which quantile.
``label_smoothing`` s makes of a target y the target (1 - s) y + s / K, for K outputs of a softmax, and K = 2 else.
``dropout`` has a rate for each hidden layer; the masks are those of ``dropout_seed`` and the number of the update.

Errors: ``ValueError`` for shapes, names and numbers, ``TypeError`` for types, ``ZeroDivisionError`` where the
weights of a batch sum to zero, ``MemoryError`` where memory is refused, ``OverflowError`` for integers below 0 or
beyond 64 bits, ``KeyError`` for an optimizer state that lacks an entry, ``RuntimeError`` for a trainer that another
thread is using. A call that raises one of them before its first update changes nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "ACTIVATIONS",
    "COSTS",
    "OPTIMIZERS",
    "OUTPUT_ACTIVATIONS",
    "PAIRS",
    "Stop",
    "Trainer",
    "__version__",
    "backprop",
    "check_array",
    "file_head",
    "forward",
    "get_num_threads",
    "header_len",
    "input_gradients",
    "kernel",
    "loss_gradient",
    "read_header",
    "set_num_threads",
]

__version__: str
ACTIVATIONS: tuple[str, ...]
"""Names for hidden layers."""
OUTPUT_ACTIVATIONS: tuple[str, ...]
"""Names for the output layer."""
COSTS: tuple[str, ...]
"""Names of costs; the cost is the sum over outputs, averaged over the (weighted) rows of a batch."""
PAIRS: tuple[tuple[str, str], ...]
"""Costs and the output activations they go with."""
OPTIMIZERS: tuple[str, ...]

@final
class Stop:
    """Ends epochs that other threads are in."""

    def __new__(cls) -> Stop: ...
    def set(self) -> None: ...
    def is_set(self) -> bool: ...

@final
class Trainer:
    """Parameters and optimizer state, packed for training.

    ``hyperparameters`` names what the optimizer takes: sgd ``momentum``, ``nesterov`` (0 or 1);
    adam ``beta_1``, ``beta_2``, ``epsilon``. ``state`` is what ``state()`` of an earlier trainer
    gave; without it the state starts at zero.
    """

    def __new__(
        cls,
        coefs: Sequence[NDArray[Any]],
        intercepts: Sequence[NDArray[Any]],
        *,
        activation: str | Sequence[str],
        output_activation: str,
        cost: str,
        cost_parameter: float | Sequence[float] | None = None,
        label_smoothing: float = 0.0,
        dropout: Sequence[float] | None = None,
        dropout_seed: int = 0,
        alpha: float = 0.0,
        optimizer: str = "sgd",
        learning_rate: float = 0.001,
        hyperparameters: Mapping[str, float] | None = None,
        state: Mapping[str, Any] | None = None,
        n_threads: int | None = None,
        compute: str | None = None,
        weight_decay: float = 0.0,
        max_grad_norm: float | None = None,
        layer_rates: Sequence[tuple[float, float]] | None = None,
    ) -> Trainer:
        """Parameters as the arrays say, in their dtype, float32 or float64.

        ``weight_decay``: before each step, weights are multiplied by 1 - step size * weight_decay, biases are not.
        ``max_grad_norm``: what the Euclidean norm of the gradient of cost + penalty, over all weights and biases, is
        scaled down to where it is larger. ``layer_rates``: for each layer, factors on the step size of its weights and
        of its biases; None: all are 1.

        ``compute``: None, or ``"bfloat16"``, which rounds what the matrix products multiply to bfloat16, and
        is a ``ValueError`` for float64 and on a processor without AVX512-BF16.
        """
    @property
    def layer_sizes(self) -> list[int]:
        """Neurons of each layer, the inputs first."""
    @property
    def dtype(self) -> str:
        """``"float32"`` or ``"float64"``."""
    @property
    def updates(self) -> int:
        """Updates made, those before included."""
    learning_rate: float
    """The step size before Adam's bias correction; set it between epochs to follow a schedule. With ``learning_rates``
    it is that of the last mini-batch."""
    dropout_seed: int
    """Where the masks of dropout come from, together with the number of the update."""
    def epoch(
        self,
        X: Any,
        y: NDArray[Any],
        order: NDArray[np.int64] | None,
        batch_size: int,
        sample_weight: NDArray[Any] | None = None,
        *,
        learning_rates: NDArray[np.float64] | None = None,
        weight_decays: NDArray[np.float64] | None = None,
        seconds: float | None = None,
        stop: Stop | None = None,
    ) -> tuple[float, float]:
        """Train on the rows ``order`` names (None: all, in turn), in mini-batches.

        ``learning_rates`` and ``weight_decays``, shape ``(n_batches,)``, have a number for each mini-batch in the
        place of that of the trainer. The epoch ends after the mini-batch in which ``seconds`` have passed
        or ``stop`` is set; ``updates`` says how far it came.

        The last batch may be smaller than ``batch_size``. Returns the mean cost and the mean L2
        penalty (alpha / 2 times the sum of squared weights / weight of the batch) over the batches,
        each batch counting by its number of rows, and both before that batch's update.

        The GIL is released. A signal whose handler raises (Ctrl-C) ends the epoch early with that
        exception; the parameters are then those after the last whole batch.
        """
    def predict(self, X: Any) -> NDArray[Any]:
        """a^L of every row with the present parameters, shape ``(n, size[L])``."""
    def evaluate(
        self, X: Any, y: NDArray[Any], sample_weight: NDArray[Any] | None = None
    ) -> tuple[NDArray[Any], float]:
        """The same, and the mean cost of the rows, in one forward pass."""
    def forward(self, X: Any, *, n_threads: int | None = None) -> NDArray[Any]:
        """The same, on threads of its own."""
    def of_same_kind(self) -> Trainer:
        """A trainer with the same settings, to `go_on_from` this one."""
    def go_on_from(
        self,
        other: Trainer,
        *,
        coefs: Sequence[NDArray[Any]] | None = None,
        intercepts: Sequence[NDArray[Any]] | None = None,
        with_state: bool = True,
        n_threads: int | None = None,
    ) -> None:
        """Have the parameters and the state of another trainer of the same kind, in the room that there is.

        ``coefs`` and ``intercepts`` take the place of its parameters; without ``with_state`` the state starts at
        zero. ``n_threads`` is for calls from now on.
        """
    def rest(self) -> None:
        """Let go of all memory that only training needs."""
    def coefs(self) -> list[NDArray[Any]]: ...
    def intercepts(self) -> list[NDArray[Any]]: ...
    def is_finite(self) -> bool:
        """Whether every parameter is finite."""
    def state(self) -> dict[str, Any]:
        """Optimizer state: ``t``, the updates made, and each slot as a list of arrays.

        Slots are ``velocity`` (sgd with momentum), ``m`` and ``v`` (adam); in each list the arrays
        of the coefs come first, then those of the intercepts.
        """

def forward(
    X: Any,
    coefs: Sequence[NDArray[Any]],
    intercepts: Sequence[NDArray[Any]],
    *,
    activation: str | Sequence[str],
    output_activation: str,
    n_threads: int | None = None,
) -> NDArray[Any]:
    """a of the last layer given, shape ``(n, size[-1])``.

    For a hidden layer pass the first layers only and name its activation as ``output_activation``.
    """

def input_gradients(
    X: Any,
    coefs: Sequence[NDArray[Any]],
    intercepts: Sequence[NDArray[Any]],
    *,
    activation: str | Sequence[str],
    output_activation: str,
) -> NDArray[Any]:
    """The derivative of each output with respect to each input, shape ``(n, size[L] * size[0])``.

    The derivatives of the first output come first.
    """

def loss_gradient(
    packed: NDArray[Any],
    gradient: NDArray[Any],
    X: Any,
    y: NDArray[Any],
    *,
    layer_sizes: Sequence[int],
    activation: str | Sequence[str],
    output_activation: str,
    cost: str,
    cost_parameter: float | Sequence[float] | None = None,
    label_smoothing: float = 0.0,
    alpha: float = 0.0,
    sample_weight: NDArray[Any] | None = None,
    n_threads: int | None = None,
) -> tuple[float, float]:
    """Cost and L2 penalty over all rows as one batch; the gradient of their sum goes to ``gradient``.

    ``packed`` and ``gradient`` hold all coefs in C order, then all intercepts, as one vector of
    ``T``.
    """

def backprop(
    X: Any,
    y: NDArray[Any],
    coefs: Sequence[NDArray[Any]],
    intercepts: Sequence[NDArray[Any]],
    *,
    activation: str | Sequence[str],
    output_activation: str,
    cost: str,
    cost_parameter: float | Sequence[float] | None = None,
    label_smoothing: float = 0.0,
    dropout: Sequence[float] | None = None,
    dropout_seed: int = 0,
    alpha: float = 0.0,
    sample_weight: NDArray[Any] | None = None,
) -> dict[str, Any]:
    """Every quantity of one backward pass over all rows as one batch, by the code that trains.

    Keys: ``cost``, ``penalty`` (floats); ``z``, ``a``, ``delta``: lists of L arrays of shape
    ``(n, size[l])``, l = 1 .. L (delta of a row carries the row's sample weight, and is not divided
    by the weight of the batch); ``grad_w``, ``grad_b``: lists of L arrays shaped like coefs and
    intercepts, of cost + penalty. The masks of ``dropout`` are those of the first update.
    """

def file_head(
    document: str, arrays: Sequence[tuple[str, str, Sequence[int], NDArray[np.uint8]]], /
) -> tuple[bytes, list[int]]:
    """A model file as far as the first array, and in which order the arrays follow: ``src/format`` describes it.

    ``document`` is the JSON text of what is no array. An array is given by its name, safetensors'
    name of its dtype, its shape, and its numbers in C order, little-endian, as bytes.
    ``ValueError`` for what could not be read again.
    """

def header_len(start: bytes, size: int, /) -> int:
    """How long the header is in a file of ``size`` bytes, of which ``start`` is the first eight."""

def read_header(
    header: NDArray[np.uint8], size: int, /
) -> tuple[str, list[tuple[str, str, tuple[int, ...], int]]]:
    """The document, and the arrays that follow the header in a file of ``size`` bytes: name, dtype,
    shape, and how many bytes.

    ``ValueError`` unless all sizes in the file agree with each other and with ``size``.
    """

def check_array(given: tuple[str, str, Sequence[int], NDArray[np.uint8]], /) -> None:
    """``ValueError`` if an array, in the form of ``file_head``, cannot be what its name says."""

def get_num_threads() -> int: ...
def set_num_threads(n: int | None) -> None: ...
def kernel(compute: str | None = None) -> str:
    """The instruction set chosen at run time: "avx512", "avx2" or "portable"; or, for ``compute="bfloat16"``, what
    multiplies in it where this processor has it, "bfloat16" or "bfloat16 tiles"."""
