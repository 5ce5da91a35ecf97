"""The layers of a fitted network as a table, and tables for notebooks."""

import html
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from rustbp._training.network import activations_of


class Summary(str):
    """Text that is shown as it is."""

    def __repr__(self) -> str:
        return str(self)


def html_table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table as a notebook shows it; the texts are escaped."""
    lines = [[f"<th>{html.escape(name)}</th>" for name in header]]
    lines += [[f"<td>{html.escape(text)}</td>" for text in row] for row in rows]
    body = "".join(f"<tr>{''.join(cells)}</tr>" for cells in lines)
    return f"<table><caption>{html.escape(caption)}</caption>{body}</table>"


def count(model: Any) -> int:
    """Weights and biases together."""
    return sum(int(np.size(array)) for array in (*model.coefs_, *model.intercepts_))


def summarize(model: Any) -> Summary:
    """A line for each layer with weights, and one for all."""
    n_layers = len(model.coefs_)
    lines = [f"{type(model).__name__}", "layer   inputs  neurons  activation  parameters"]
    names = activations_of(model)
    for number, (coef, activation) in enumerate(zip(model.coefs_, names, strict=True), start=1):
        is_output = number == n_layers
        fan_in, fan_out = np.shape(coef)
        n_parameters = fan_in * fan_out + int(np.size(model.intercepts_[number - 1]))
        lines.append(
            f"{number:<5}  {fan_in:7,}  {fan_out:7,}  {activation:10}  {n_parameters:10,}"
            f"{'  output' if is_output else ''}"
        )
    dtypes = sorted({str(np.asarray(coef).dtype) for coef in model.coefs_})
    lines.append(f"{count(model):,} parameters in {' and '.join(dtypes)}")
    return Summary("\n".join(lines))
