"""
Which pixels speak for an answer
================================

The derivative of an output with respect to each input: one step of backpropagation beyond the first layer.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

import rustbp

X, y = load_digits(return_X_y=True)
X /= 16
model = rustbp.MLPClassifier(alpha=1.0, learning_rate_init=0.01, random_state=0).fit(X, y)

rows = [int((y == digit).argmax()) for digit in range(5)]
slopes = rustbp.input_gradients(model, X[rows])

figure, axes = plt.subplots(2, 5, figsize=(8, 3.4), layout="constrained")
for column, (row, digit) in enumerate(zip(rows, range(5), strict=True)):
    picture = slopes[column, digit].reshape(8, 8)
    axes[0, column].imshow(X[row].reshape(8, 8), cmap="gray_r")
    axes[1, column].imshow(
        picture, cmap="RdBu_r", vmin=-abs(picture).max(), vmax=abs(picture).max()
    )
    axes[1, column].set_title(f"more red, more {digit}")
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
plt.show()
