"""Tables as they come: an encoder of their columns, and estimators that need no settings.

Imports `_core`, `_arrays`, `_training`, `_io`, `_typing`, `_warn`, and the estimators, of which each member of an
ensemble is one.
Start at `encoder`, with `TabularEncoder`; `columns` reads a table, `features` says what becomes of a column.
"""
