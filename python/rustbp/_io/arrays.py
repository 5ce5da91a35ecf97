"""The arrays of a model file: under which name a layer stands, and their bytes."""

from typing import Any

import numpy as np

from rustbp._arrays import common_dtype, layers

Arrays = dict[str, np.ndarray[Any, Any]]

DTYPES = {
    "BOOL": "|b1",
    "U8": "|u1",
    "I8": "|i1",
    "U16": "<u2",
    "I16": "<i2",
    "F16": "<f2",
    "U32": "<u4",
    "I32": "<i4",
    "F32": "<f4",
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
}
"""NumPy's names of safetensors' dtypes."""
CODES = {dtype: code for code, dtype in DTYPES.items()}


def add_layers(arrays: Arrays, prefix: str, coefs: Any, intercepts: Any) -> None:
    """Put weights and biases, or what an optimizer keeps of them, among the arrays."""
    dtype = common_dtype(*coefs, *intercepts)
    for name, found in zip(
        ("coefs_", "intercepts_"), layers(coefs, intercepts, dtype), strict=True
    ):
        for layer, array in enumerate(found):
            arrays[f"{prefix}{name}.{layer}"] = array


def layers_of(arrays: Arrays, prefix: str) -> tuple[list[Any], list[Any]]:
    """What `add_layers` put there."""
    numbers = range(sum(name.startswith("coefs_.") for name in arrays))
    return (
        [arrays[f"{prefix}coefs_.{layer}"] for layer in numbers],
        [arrays[f"{prefix}intercepts_.{layer}"] for layer in numbers],
    )


def as_bytes(array: Any) -> tuple[str, tuple[int, ...], Any]:
    """Dtype, shape and bytes, as the native module takes them."""
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return CODES[little.dtype.str], array.shape, little.reshape(-1).view(np.uint8)


def from_bytes(code: str, shape: tuple[int, ...], data: Any) -> Any:
    """The array that `as_bytes` made them of, over the same memory if it can stay there."""
    array = data.view(DTYPES[code]).reshape(shape)
    # In this machine's byte order, and where its numbers may stand; as a rule that is where they are.
    return np.require(array, dtype=array.dtype.newbyteorder("="), requirements=["C", "A", "W"])
