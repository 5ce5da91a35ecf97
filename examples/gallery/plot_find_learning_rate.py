"""
Find a step size
================

A sweep over step sizes, each mini-batch a little larger than the one before: where the loss falls the fastest is a good
place to begin.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

import rustbp

X, y = load_digits(return_X_y=True)
found = rustbp.find_learning_rate(rustbp.MLPClassifier(batch_size=32, random_state=0), X / 16, y)
print(f"suggestion: {found.suggestion:.2g}")
found.plot()
plt.show()
