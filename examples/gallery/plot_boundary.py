"""
A boundary grows
================

What a network says about each point of the plane, after more and more epochs.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import make_moons

from rustbp import MLPClassifier
from rustbp.display import BoundaryDisplay

X, y = make_moons(300, noise=0.2, random_state=0)
model = MLPClassifier(hidden_layer_sizes=(16, 16), learning_rate_init=0.01, random_state=0)

figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
epochs = 0
for ax, until in zip(axes, (2, 15, 150), strict=True):
    while epochs < until:
        model.partial_fit(X, y, classes=[0, 1])
        epochs += 1
    BoundaryDisplay.from_estimator(model, X, y, ax=ax)
    ax.set_title(f"after {epochs} epochs: {model.score(X, y):.0%}")
plt.show()
