"""
Stopped, and resumed
====================

A fit is ended half-way, and goes on from its last checkpoint. It ends where it would have ended without the break: both
curves are one, to the last bit.
"""

import tempfile
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

import rustbp

# The number of epochs is fixed here.
warnings.simplefilter("ignore", ConvergenceWarning)

X, y = load_digits(return_X_y=True)
X /= 16
settings = {"max_iter": 30, "tol": 0, "n_iter_no_change": 30, "random_state": 0}
whole = rustbp.MLPClassifier(**settings).fit(X, y)

# %%
# The file is what the second process would find, had the first been killed after its 15th epoch.

with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "digits.safetensors"
    with rustbp.Checkpoint(file, every=15):
        stopped = rustbp.MLPClassifier(**settings | {"max_iter": 15, "n_iter_no_change": 15})
        stopped.fit(X, y)
    resumed = rustbp.load(file).set_params(max_iter=30, n_iter_no_change=30, warm_start=True)

resumed.fit(X, y)
print("The same to the last bit:", resumed.loss_curve_ == whole.loss_curve_)

plt.figure(layout="constrained")
plt.plot(whole.loss_curve_, linewidth=6, alpha=0.3, label="in one go")
plt.plot(resumed.loss_curve_, label="stopped and resumed")
plt.axvline(14.5, color="gray", linestyle="--", label="the break")
plt.xlabel("epoch")
plt.ylabel("training loss")
plt.yscale("log")
plt.legend()
plt.show()
