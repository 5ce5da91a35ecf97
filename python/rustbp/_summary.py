"""The layers of a fitted network, as a table."""

from typing import Any

import numpy as np


class Summary(str):
    """Text that is shown as it is."""

    def __repr__(self) -> str:
        return str(self)


def count(model: Any) -> int:
    """Weights and biases together."""
    return sum(int(np.size(array)) for array in (*model.coefs_, *model.intercepts_))


def summarize(model: Any) -> Summary:
    """A line for each layer with weights, and one for all."""
    n_layers = len(model.coefs_)
    lines = [f"{type(model).__name__}", "layer   inputs  neurons  activation  parameters"]
    for number, coef in enumerate(model.coefs_, start=1):
        is_output = number == n_layers
        fan_in, fan_out = np.shape(coef)
        activation = model.out_activation_ if is_output else model.activation
        n_parameters = fan_in * fan_out + int(np.size(model.intercepts_[number - 1]))
        lines.append(
            f"{number:<5}  {fan_in:7,}  {fan_out:7,}  {activation:10}  {n_parameters:10,}"
            f"{'  output' if is_output else ''}"
        )
    dtypes = sorted({str(np.asarray(coef).dtype) for coef in model.coefs_})
    lines.append(f"{count(model):,} parameters in {' and '.join(dtypes)}")
    return Summary("\n".join(lines))
