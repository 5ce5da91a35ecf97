"""
A stream that changes
=====================

``partial_fit`` learns from one piece after another, and forgets what is true no longer: after half of the stream the
boundary turns by a right angle.
"""

import matplotlib.pyplot as plt
import numpy as np

from rustbp import MLPClassifier

rng = np.random.default_rng(0)
model = MLPClassifier(hidden_layer_sizes=(16,), learning_rate_init=0.01, random_state=0)
scores = []
for piece in range(60):
    X = rng.standard_normal((200, 2))
    y = X[:, 0] > 0 if piece < 30 else X[:, 1] > 0
    if piece > 0:
        scores.append(model.score(X, y))  # of rows that it has not seen yet
    model.partial_fit(X, y, classes=[False, True])

plt.plot(range(1, 60), scores, marker=".")
plt.axvline(30, color="gray", linestyle="--", label="the boundary turns")
plt.xlabel("piece of the stream")
plt.ylabel("accuracy before learning from it")
plt.legend()
plt.show()
