"""Fitted models on their way out and back in: model files, and files that are replaced in one step.

Imports `_core`, `_arrays` and `_training`; looks at an estimator from outside.
Start at `saving.save` and `saving.load`.
"""
