"""Fitted models as ONNX graphs, by themselves or in a pipeline.

Imports `_core`, `_arrays`, `_missing`, `_labels`, `_quantiles`, `_io`, `_training`, `classifier` and `regressor`;
nothing of ONNX until a model is exported.
Start at `model.to_onnx`; `forms.FORMS` is where an activation is added.
"""
