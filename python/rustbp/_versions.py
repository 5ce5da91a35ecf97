"""What a report of a fault needs to say: versions, processor, threads."""

import importlib.metadata
import platform
import warnings

from rustbp import _core

_DEPENDENCIES = ("numpy", "scipy", "scikit-learn", "joblib", "threadpoolctl")
_OPTIONAL = (
    "matplotlib",
    "rich",
    "ipython",
    "onnx",
    "skl2onnx",
    "onnxruntime",
    "pandas",
    "polars",
)


_KERNELS = ("portable", "avx2", "avx512")


def check_kernel(asked: str) -> None:
    """Warn where the core runs on another kernel than the environment variable ``RUSTBP_KERNEL`` asks for."""
    kernel = _core.kernel()
    if asked != kernel:
        wrong = (
            "this processor does not have it" if asked in _KERNELS else "there is no such kernel"
        )
        warnings.warn(
            f"RUSTBP_KERNEL={asked!r}: {wrong}, and {kernel!r} is used. "
            f"The kernels are {', '.join(map(repr, _KERNELS))}.",
            stacklevel=2,
        )


def versions() -> dict[str, str]:
    """What `show_versions` prints."""
    shown = {
        "rustbp": _core.__version__,
        "kernel": _core.kernel(),
        "threads": str(_core.get_num_threads()),
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "machine": platform.platform(),
    }
    for name in (*_DEPENDENCIES, *_OPTIONAL):
        try:
            shown[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            shown[name] = "not installed"
    return shown


def show_versions() -> None:
    """Print what a report of a fault needs to say: versions of rustbp and of what it works with, kernel, threads.

    The kernel is the instruction set that the core has chosen for this processor: "avx512", "avx2" or "portable".
    ``python -m rustbp`` prints the same, and tries the installation out.
    """
    for name, version in versions().items():
        print(f"{name:>14}: {version}")
