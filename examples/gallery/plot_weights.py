"""
What the first layer looks for
==============================

The weights of each neuron of the first layer, as an image: red where ink speaks for it, blue where it speaks against.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

import rustbp
from rustbp.display import WeightsDisplay

X, y = load_digits(return_X_y=True)
model = rustbp.MLPClassifier(
    hidden_layer_sizes=(20,), alpha=3.0, learning_rate_init=0.01, max_iter=500, random_state=0
)
model.fit(X / 16, y)
WeightsDisplay.from_estimator(model)
plt.show()
