"""Fitted models as ONNX graphs, by themselves or in a pipeline.

Imports `_arrays`, `_io` and the estimators; nothing of ONNX until a model is exported.
Start at `model.to_onnx`; `forms.FORMS` is where an activation is added.
"""
