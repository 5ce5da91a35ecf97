"""
Backpropagation made visible
============================

One digit goes forward through a network, and its error comes back: activations a, and errors δ, of every layer, as the
four equations name them.
"""

import matplotlib.pyplot as plt
from matplotlib.ticker import MaxNLocator
from sklearn.datasets import load_digits

import rustbp

X, y = load_digits(return_X_y=True)
X /= 16
model = rustbp.MLPClassifier(
    hidden_layer_sizes=(30, 20), activation="tanh", max_iter=3, random_state=0
)
for _ in range(3):
    model.partial_fit(X, y, classes=range(10))

seen = rustbp.backprop(model, X[:1], y[:1])
print(seen)

# %%
# Forward, from top to bottom, on the left; the error comes back from the bottom up, on the right.

figure, axes = plt.subplots(3, 2, figsize=(7, 3.6), layout="constrained")
for layer, (left, right) in enumerate(axes):
    a, delta = seen.a[layer], seen.delta[layer]
    left.imshow(a, aspect="auto", cmap="RdBu_r", vmin=-1, vmax=1)
    right.imshow(delta, aspect="auto", cmap="RdBu_r", vmin=-abs(delta).max(), vmax=abs(delta).max())
    for ax in (left, right):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set(title=f"a of layer {layer + 1}", yticks=[])
    right.set(title=f"δ of layer {layer + 1}, up to {abs(delta).max():.2g}", yticks=[])
plt.show()
