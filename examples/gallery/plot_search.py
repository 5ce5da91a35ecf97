"""
Search over a pipeline
======================

Step size and penalty of a network in a pipeline, by scikit-learn's grid search.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rustbp import MLPClassifier

X, y = load_breast_cancer(return_X_y=True)
steps, penalties = np.logspace(-3.5, -1, 6), np.logspace(-3, 2, 6)
search = GridSearchCV(
    make_pipeline(
        StandardScaler(),
        MLPClassifier(hidden_layer_sizes=(32,), early_stopping=True, random_state=0),
    ),
    {"mlpclassifier__alpha": penalties, "mlpclassifier__learning_rate_init": steps},
    scoring="neg_log_loss",
    cv=3,
).fit(X, y)
print(search.best_params_)

# %%
# The log loss over the grid. Rows of ``cv_results_`` are in the order of the grid.

loss = -search.cv_results_["mean_test_score"].reshape(len(penalties), len(steps))
image = plt.imshow(loss, cmap="viridis_r", origin="lower")
plt.colorbar(image, label="log loss of cross-validation")
plt.xticks(range(len(steps)), [f"{step:.2g}" for step in steps])
plt.yticks(range(len(penalties)), [f"{penalty:g}" for penalty in penalties])
plt.xlabel("learning_rate_init")
plt.ylabel("alpha")
plt.show()
