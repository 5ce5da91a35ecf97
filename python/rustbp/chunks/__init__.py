"""Rows larger than memory on one machine: files read a chunk at a time while the core trains on another.

Imports `partitions`, `_training`, `_inputs`, `_arrays`, `_core`, `_typing` and `_warn`. Start with `sources`, what
chunks are; `fitting` has the fit, and `shuffle` mixes rows that are sorted.

Chunks are any object with ``len()`` and ``chunks[i] -> (X, y)`` or ``(X, y, sample_weight)``; ``fit(chunks)`` takes it.
"""

from rustbp.chunks.shuffle import shuffled
from rustbp.chunks.sources import Chunks, arrow, npy, of, parquet

__all__ = ["Chunks", "arrow", "npy", "of", "parquet", "shuffled"]
