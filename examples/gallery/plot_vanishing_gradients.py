"""
Errors that vanish
==================

Going back through a layer of sigmoids multiplies the error by σ', which is at most a quarter. Six layers deep hardly
anything arrives at the first one.
"""

import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

import rustbp
from rustbp.display import ErrorFlowDisplay

# The number of epochs is fixed here.
warnings.simplefilter("ignore", ConvergenceWarning)

X, y = load_digits(return_X_y=True)
X, y = X[:500] / 16, y[:500]

figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
for ax, activation in zip(axes, ("logistic", "relu"), strict=True):
    model = rustbp.MLPClassifier(
        hidden_layer_sizes=(30,) * 6,
        activation=activation,
        max_iter=20,
        tol=0,
        n_iter_no_change=20,
        random_state=0,
    )
    history = rustbp.record_fit(model, X, y)
    ErrorFlowDisplay.from_history(history, ax=ax)
    ax.set_title(activation)
plt.show()
