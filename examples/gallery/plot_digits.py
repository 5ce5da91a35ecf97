"""
Learn handwritten digits
========================

The first program: learn from three quarters of scikit-learn's digits, and look at the mistakes on the rest.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from rustbp import MLPClassifier

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, random_state=0)

model = MLPClassifier(learning_rate_init=0.01, early_stopping=True, random_state=0)
model.fit(X_train, y_train)
print(f"{model.score(X_test, y_test):.1%} right after {model.n_iter_} epochs")

# %%
# The digits it is the least sure of, with what it says and what they are:

probability = model.predict_proba(X_test)
doubtful = probability.max(axis=1).argsort()[:10]
figure, axes = plt.subplots(2, 5, figsize=(7, 3.4), layout="constrained")
for ax, i in zip(axes.flat, doubtful, strict=True):
    ax.imshow(X_test[i].reshape(8, 8), cmap="gray_r")
    ax.set(title=f"says {probability[i].argmax()}, is {y_test[i]}", xticks=[], yticks=[])
plt.show()
