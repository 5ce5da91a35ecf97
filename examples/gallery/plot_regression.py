"""
A curve through points
======================

A regressor learns a function from noisy points. Inputs and target are scaled, by the pipeline that users of
scikit-learn know.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rustbp import MLPRegressor

rng = np.random.default_rng(0)
x = np.sort(rng.uniform(0, 10, 200))
y = 30 * np.sin(x) + 5 * x + rng.normal(0, 6, x.size)

grid = np.linspace(0, 10, 400)
plt.plot(x, y, ".", color="gray", label="points")
for activation in ("relu", "tanh"):
    network = MLPRegressor(
        hidden_layer_sizes=(32, 32),
        activation=activation,
        solver="lbfgs",
        alpha=0.01,
        max_iter=2000,
        random_state=0,
    )
    model = make_pipeline(
        StandardScaler(), TransformedTargetRegressor(network, transformer=StandardScaler())
    )
    model.fit(x[:, None], y)
    plt.plot(grid, model.predict(grid[:, None]), label=f"activation={activation!r}")
plt.xlabel("x")
plt.ylabel("y")
plt.legend()
plt.show()
