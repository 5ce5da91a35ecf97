"""
Step sizes that change
======================

Large steps at the beginning find the valley, small ones at the end its bottom. ``learning_rate_curve_`` keeps the step
size that each epoch began with.
"""

import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

from rustbp import MLPClassifier
from rustbp.display import TrainingCurveDisplay

# The number of epochs is fixed here.
warnings.simplefilter("ignore", ConvergenceWarning)

X, y = load_digits(return_X_y=True)
X = X / 16
figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(6, 5.5), layout="constrained")
for schedule in (None, "cosine", "one_cycle", "exponential"):
    model = MLPClassifier(
        hidden_layer_sizes=(64,),
        batch_size=32,
        learning_rate_init=0.01,
        schedule=schedule,
        max_iter=20,
        n_iter_no_change=20,
        random_state=0,
    ).fit(X, y)
    epochs = range(1, 21)
    above.plot(epochs, model.learning_rate_curve_, label=f"schedule={schedule!r}")
    below.plot(epochs, model.loss_curve_)
above.set_ylabel("step size")
above.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
below.set(xlabel="epoch", ylabel="training loss", yscale="log", xticks=range(0, 21, 5))

# %%
# For a single model ``TrainingCurveDisplay`` draws the step sizes beside the losses, and those of validation rows.

model = MLPClassifier(
    hidden_layer_sizes=(64,),
    batch_size=32,
    learning_rate_init=0.01,
    schedule="one_cycle",
    max_iter=20,
    n_iter_no_change=20,
    random_state=0,
).fit(X[:1200], y[:1200], X_val=X[1200:], y_val=y[1200:])
TrainingCurveDisplay.from_estimator(model)
plt.show()
