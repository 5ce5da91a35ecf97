"""
Text, as sparse rows
====================

Words become columns, nearly all of which are zero in each row. The core multiplies none of these zeros.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from rustbp import MLPClassifier

rng = np.random.default_rng(0)
good = ["warm", "funny", "fine", "clever", "moving", "bright", "honest", "lively"]
bad = ["dull", "loud", "long", "clumsy", "cold", "empty", "noisy", "stale"]
plain = [
    "film",
    "story",
    "actor",
    "scene",
    "music",
    "end",
    "minute",
    "city",
    "night",
    "train",
    "letter",
    "house",
]


def review(liked):
    """Ten words, three of which tell."""
    telling = rng.choice(good if liked else bad, 3)
    turned = rng.random() < 0.3  # "not warm" is no praise
    words = [f"not {word}" if turned else word for word in telling]
    return " ".join(rng.permutation([*words, *rng.choice(plain, 7)])), liked != turned


reviews, liked = zip(*(review(i % 2 == 0) for i in range(3000)), strict=True)
model = make_pipeline(
    TfidfVectorizer(ngram_range=(1, 2), dtype=np.float32),
    MLPClassifier(hidden_layer_sizes=(16,), early_stopping=True, random_state=0),
)
model.fit(reviews[:2000], liked[:2000])
print(f"{model.score(reviews[2000:], liked[2000:]):.1%} of unseen reviews are right")

# %%
# What single words, and words after "not", do to the answer:

words = good[:4] + bad[:4]
positions = np.arange(len(words))
plt.figure(layout="constrained")
plt.barh(positions + 0.2, model.predict_proba(words)[:, 1], 0.4, label="the word")
plt.barh(
    positions - 0.2,
    model.predict_proba([f"not {w}" for w in words])[:, 1],
    0.4,
    label='after "not"',
)
plt.yticks(positions, words)
plt.axvline(0.5, color="gray", linewidth=1)
plt.xlabel("probability that the review is a good one")
plt.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
plt.show()
