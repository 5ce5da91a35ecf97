"""Model files: an estimator taken apart into a document and arrays, put together again, written in one step.

Imports `_core`, `_missing`, `_typing`, `_arrays`, `_labels`, `_quantiles` and `_training`; never an estimator: those it
may make are in its `registry`. Start at `saving`, with `save` and `load`.
"""
