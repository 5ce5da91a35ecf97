"""Tables as they come: an encoder of their columns, and estimators that need no settings.

Imports `_core`, `_arrays`, `_constraints`, `_doc_link`, `_io`, `_quantiles`, `_training`, `_typing`, `_warn`, and
`classifier` and `regressor`, of which the members of an ensemble are.
Start at `ensemble`, where a fit goes from a table to members (`member`, `rounds`, by the `recipe`); or at `encoder`,
before which `columns` reads a table, and `features` says what becomes of a column.
"""
