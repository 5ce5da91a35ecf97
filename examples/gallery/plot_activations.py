"""
Activations and their derivatives
=================================

Every σ of hidden layers, and the σ' that BP2 multiplies the error by. Where σ' is near zero, nothing is learnt.
"""

import matplotlib.pyplot as plt
import numpy as np

import rustbp

z = np.linspace(-4, 4, 401)
NAMES = (
    "logistic",
    "tanh",
    "relu",
    "leaky_relu",
    "elu",
    "selu",
    "softplus",
    "gelu",
    "silu",
    "mish",
)

figure, axes = plt.subplots(2, 5, figsize=(10, 4), sharex=True, layout="constrained")
for ax, name in zip(axes.flat, NAMES, strict=True):
    # One neuron whose weighted input is the row itself: its activation is σ, and its slope σ'.
    neuron = rustbp.MLPRegressor(hidden_layer_sizes=(1,), activation=name, max_iter=1)
    neuron.partial_fit(z[:, None], z)
    neuron.coefs_ = [np.ones((1, 1)), np.ones((1, 1))]
    neuron.intercepts_ = [np.zeros(1), np.zeros(1)]
    ax.plot(z, neuron.predict(z[:, None]), label="σ")
    ax.plot(z, rustbp.input_gradients(neuron, z[:, None]).ravel(), "--", label="σ'")
    ax.axhline(0, color="gray", linewidth=0.5)
    ax.set(title=name, ylim=(-1.3, 2))
axes[0, 0].legend()
plt.show()
