"""
Rare classes
============

Three rows in a hundred are of the class that matters. Weights for classes move the threshold for all rows, and the
score that a fit stops by decides how well the rare class is learnt.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import make_classification
from sklearn.metrics import PrecisionRecallDisplay, recall_score
from sklearn.model_selection import train_test_split

from rustbp import MLPClassifier

X, y = make_classification(
    6000, n_informative=6, weights=[0.97], flip_y=0.005, class_sep=0.7, random_state=1
)
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)

figure, ax = plt.subplots(layout="constrained")
for class_weight in (None, "balanced"):
    model = MLPClassifier(
        hidden_layer_sizes=(32,),
        class_weight=class_weight,
        early_stopping=True,
        scoring="average_precision",
        random_state=0,
    ).fit(X_train, y_train)
    found = recall_score(y_test, model.predict(X_test))
    name = f"class_weight={class_weight!r}: finds {found:.0%} at 0.5"
    PrecisionRecallDisplay.from_estimator(model, X_test, y_test, ax=ax, name=name)
ax.set(xlabel="recall", ylabel="precision")
ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1))
plt.show()
