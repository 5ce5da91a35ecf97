"""
Intervals instead of a line
===========================

``loss="quantile"`` with several quantiles gives one output for each: between the lowest and the highest lie eight rows
of ten.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from rustbp import MLPRegressor

# The number of epochs is fixed here.
warnings.simplefilter("ignore", ConvergenceWarning)

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(0, 1, 1000))
y = np.sin(6 * x) + rng.normal(0, 0.05 + 0.5 * x)  # noise that grows

model = MLPRegressor(
    loss="quantile",
    quantile=[0.1, 0.5, 0.9],
    hidden_layer_sizes=(32, 32),
    activation="tanh",
    learning_rate_init=0.01,
    schedule="cosine",
    max_iter=150,
    tol=0,
    n_iter_no_change=150,
    random_state=0,
).fit(x[:, None], y)
low, middle, high = model.predict(x[:, None]).T
print(f"{np.mean((y > low) & (y < high)):.0%} of the points lie between the lines")

plt.plot(x, y, ".", color="gray", markersize=3)
plt.fill_between(x, low, high, alpha=0.3, label="from 10 % to 90 %")
plt.plot(x, middle, label="median")
plt.xlabel("x")
plt.ylabel("y")
plt.legend()
plt.show()
