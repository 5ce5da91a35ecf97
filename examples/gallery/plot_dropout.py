"""
Dropout against overfitting
===========================

A large network learns 300 digits by heart. With half of its neurons left out at random in each batch it has to rely on
more than a few of them.
"""

import warnings

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from rustbp import MLPClassifier

# The number of epochs is fixed here.
warnings.simplefilter("ignore", ConvergenceWarning)

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X / 16, y, train_size=300, stratify=y, random_state=0
)

for dropout in (0.0, 0.5):
    model = MLPClassifier(
        hidden_layer_sizes=(256, 256),
        learning_rate_init=0.003,
        dropout=dropout,
        max_iter=80,
        tol=0,
        n_iter_no_change=80,
        random_state=0,
    ).fit(X_train, y_train, X_val=X_test, y_val=y_test)
    print(f"dropout={dropout}: {model.score(X_test, y_test):.1%}")
    plt.plot(model.validation_loss_curve_, label=f"dropout={dropout}")
plt.xlabel("epoch")
plt.ylabel("loss on unseen digits")
plt.ylim(0.1, 0.8)
plt.legend()
plt.show()
