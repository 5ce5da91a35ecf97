"""Every σ as ONNX nodes.

To add one: write a function from (graph, name of z) to the name of a, and enter it in `FORMS` under the core's name.
A test compares them with the core for each name that the core has.

onnxruntime has Elu, Gelu, Softplus and the like for float32 alone, so they are made of operators that it has for
float64 too.
"""

from collections.abc import Callable

import numpy as np
from numpy.polynomial import chebyshev
from scipy.special import erfcx

from rustbp._onnx.nodes import Nodes

Form = Callable[[Nodes, str], str]


def _operator(op: str, **attributes: int) -> Form:
    return lambda g, z: g.add(op, z, **attributes)


def _elu(g: Nodes, z: str, alpha: float = 1.0) -> str:
    below = g.apply("Sub", g.add("Exp", g.apply("Min", z, 0.0)), 1.0)
    return g.add("Add", g.apply("Max", z, 0.0), g.apply("Mul", below, alpha))


def _selu(g: Nodes, z: str) -> str:
    """The constants of Klambauer et al. (2017), "Self-normalizing neural networks", appendix A1."""
    return g.apply("Mul", _elu(g, z, 1.6732632423543772), 1.0507009873554805)


def _leaky_relu(g: Nodes, z: str) -> str:
    return g.add("Max", z, g.apply("Mul", z, 0.01))


def _softplus(g: Nodes, z: str) -> str:
    """max(0, z) + ln(1 + e^-|z|), which overflows for no z."""
    small = g.add("Exp", g.add("Neg", g.add("Abs", z)))
    return g.add("Add", g.apply("Max", z, 0.0), g.add("Log", g.apply("Add", small, 1.0)))


def _silu(g: Nodes, z: str) -> str:
    return g.add("Mul", z, g.add("Sigmoid", z))


def _mish(g: Nodes, z: str) -> str:
    return g.add("Mul", z, g.add("Tanh", _softplus(g, z)))


def _gelu(g: Nodes, z: str) -> str:
    erf = _erf(g, g.apply("Mul", z, 0.5**0.5))
    return g.add("Mul", g.apply("Mul", z, 0.5), g.apply("Add", erf, 1.0))


def _erf(g: Nodes, x: str) -> str:
    if g.dtype == np.float32:
        return g.add("Erf", x)
    # erf |x| = 1 - t exp(-x² + P(u)) with t = 2 / (2 + |x|), u = 2t - 1.
    # Press et al., "Numerical recipes", 3rd edition, section 6.2.2.
    t = g.apply("Div", 2.0, g.apply("Add", g.add("Abs", x), 2.0))
    u = g.apply("Sub", g.apply("Mul", t, 2.0), 1.0)
    first, *others = reversed(_ERFC)
    sum_ = g.constant(first)
    for coefficient in others:
        sum_ = g.apply("Add", g.add("Mul", sum_, u), coefficient)
    erfc = g.add("Mul", t, g.add("Exp", g.add("Sub", sum_, g.add("Mul", x, x))))
    return g.add("Mul", g.add("Sign", x), g.apply("Sub", 1.0, erfc))


def _log_of_scaled_erfc(u: np.ndarray) -> np.ndarray:
    t = (u + 1) / 2
    return np.log(erfcx(2 / t - 2) / t)


_ERFC = [float(c) for c in chebyshev.cheb2poly(chebyshev.chebinterpolate(_log_of_scaled_erfc, 22))]
"""Coefficients of P; with 22 of them erf is exact to 4e-15."""

FORMS: dict[str, Form] = {
    "identity": lambda g, z: z,
    "logistic": _operator("Sigmoid"),
    "tanh": _operator("Tanh"),
    "relu": _operator("Relu"),
    "exp": _operator("Exp"),
    "softmax": _operator("Softmax", axis=1),
    "elu": _elu,
    "selu": _selu,
    "leaky_relu": _leaky_relu,
    "softplus": _softplus,
    "gelu": _gelu,
    "silu": _silu,
    "mish": _mish,
}
