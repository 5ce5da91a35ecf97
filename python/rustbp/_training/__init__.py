"""How a fit runs: first weights, the loop over epochs, schedules, L-BFGS, the optimizer's state, callbacks, threads.

Imports `_core`, `_warn`, `_missing`, `_mapped` and `_arrays`; knows an estimator only as the object it is given, and
never imports one. Start at `epochs.train`, the loop over epochs; `mini_batches` gives an epoch, `judge` judges it.
"""
