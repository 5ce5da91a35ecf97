"""A minute's proof that an installed rustbp works: it learns, is saved, and is read again."""

import platform
import tempfile
from pathlib import Path

import numpy as np
import sklearn
from sklearn.datasets import load_digits

import rustbp

X, y = load_digits(return_X_y=True)
# It stops after some twelve epochs, without a warning.
model = rustbp.MLPClassifier(30, learning_rate_init=0.01, max_iter=20, tol=1, random_state=0)
model.fit(X / 16, y)
assert model.score(X / 16, y) > 0.9, model.score(X / 16, y)
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "model.safetensors"
    model.save(path)
    np.testing.assert_array_equal(rustbp.load(path).predict_proba(X), model.predict_proba(X))
print(
    f"rustbp {rustbp.__version__} from {Path(rustbp.__file__).parent} works, "
    f"with kernel {rustbp._core.kernel()}, Python {platform.python_version()}, "
    f"NumPy {np.__version__}, scikit-learn {sklearn.__version__}"
)
