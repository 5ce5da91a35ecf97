"""Arrays as they come from files, records and slices: their form leaves no trace in a result."""

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_array_equal
from sklearn import neural_network
from sklearn.datasets import load_iris

import rustbp
from rustbp import MLPClassifier, MLPRegressor

X, Y = load_iris(return_X_y=True)
X, Y = X[::3].copy(), Y[::3].copy()
NUMBERS = np.stack([Y, 1.0 - Y], axis=1)
LABELS = np.stack([Y > 0, Y > 1], axis=1) * 1
WEIGHT = np.linspace(0.5, 1.5, len(Y))
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def unaligned(array):
    """As ``np.frombuffer`` with an offset gives it."""
    memory = np.empty(array.nbytes + 1, dtype=np.uint8)
    moved = np.ndarray(array.shape, array.dtype, memory.data, offset=1)
    moved[...] = array
    return moved


def field(array):
    """A field of a packed record: misaligned, with strides that are no multiple of the item size."""
    record = np.empty(array.shape, dtype=[("first", "u1"), ("field", array.dtype), ("last", "u2")])
    record["field"] = array
    return record["field"]


def other_byte_order(array):
    return array.astype(array.dtype.newbyteorder())


def unaligned_in_other_byte_order(array):
    return unaligned(other_byte_order(array))


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def backwards(array):
    """Negative strides in every dimension."""
    turned = (slice(None, None, -1),) * array.ndim
    return array[turned].copy()[turned]


def every_second(array):
    wide = np.full([2 * n for n in array.shape], 77, dtype=array.dtype)
    wide[(slice(None, None, 2),) * array.ndim] = array
    return wide[(slice(None, None, 2),) * array.ndim]


def fortran(array):
    return np.asfortranarray(array)


def mapped(array, folder):
    """In a file, behind a header of odd length."""
    path = folder / f"numbers-{len(list(folder.iterdir()))}"
    path.write_bytes(b"abc" + array.tobytes())
    return np.memmap(path, dtype=array.dtype, mode="r", offset=3, shape=array.shape)


FORMS = [
    unaligned,
    field,
    other_byte_order,
    unaligned_in_other_byte_order,
    read_only,
    backwards,
    every_second,
    fortran,
]
each_form = pytest.mark.parametrize("form", [*FORMS, mapped], ids=lambda form: form.__name__)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["32", "64"])


@pytest.fixture
def changed(form, tmp_path):
    return (lambda array: mapped(array, tmp_path)) if form is mapped else form


def classifier(**options):
    return MLPClassifier((5, 3), max_iter=3, random_state=0, **options)


def regressor(**options):
    return MLPRegressor(hidden_layer_sizes=(5, 3), max_iter=3, random_state=0, **options)


def results(model, rows):
    """What a fitted model holds and predicts."""
    method = "predict_proba" if hasattr(model, "classes_") else "predict"
    return [*model.coefs_, *model.intercepts_, getattr(model, method)(rows), model.loss_]


def assert_same(got, expected):
    for one, other in zip(got, expected, strict=True):
        assert_array_equal(one, other)


@each_form
@each_dtype
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_rows(changed, dtype, solver):
    rows = X.astype(dtype)

    def run(rows):
        model = regressor(solver=solver).fit(rows, NUMBERS)
        found = results(model, rows)
        found.append(model.predict(rows[:1]))
        found += rustbp.backprop(model, rows, NUMBERS).delta
        found.append(rustbp.hidden_activations(model, rows))
        found.append(rustbp.check_gradients(model, rows[:5], NUMBERS[:5]).largest_error)
        found += rustbp.record_fit(
            regressor(solver=solver), rows, NUMBERS, X_val=rows, y_val=NUMBERS
        ).loss
        return found + results(model.partial_fit(rows, NUMBERS), rows)

    given = changed(rows)
    # float32 in another byte order is not float32 to scikit-learn: it trains in float64.
    assert_same(run(given), run(rows if given.dtype.isnative else rows.astype(np.float64)))


@each_form
@pytest.mark.parametrize(
    ("model", "y"),
    [
        (classifier, Y),
        (classifier, Y.astype(np.float64)),
        (classifier, LABELS),
        (regressor, NUMBERS),
        (regressor, NUMBERS[:, 0].copy()),
        (regressor, NUMBERS.astype(np.int32)),
    ],
    ids=["labels", "labels that are floats", "several labels", "numbers", "one number", "integers"],
)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_targets_and_weights(changed, model, y, early_stopping):
    def run(y, weight):
        fitted = model(early_stopping=early_stopping).fit(X, y, sample_weight=weight)
        fitted.set_params(early_stopping=False).partial_fit(X, y, sample_weight=weight)
        shown = rustbp.backprop(fitted, X, y, sample_weight=weight)
        return [*results(fitted, X), *shown.grad_w]

    assert_same(run(changed(y), changed(WEIGHT)), run(y, WEIGHT))


def test_targets_and_weights_of_no_stride():
    ones = np.ones(len(X))
    y, weight = np.broadcast_to(2.0, (len(X), 2)), np.broadcast_to(1.0, len(X))
    got = regressor().fit(np.broadcast_to(X[0], X.shape), y, sample_weight=weight)
    expected = regressor().fit(np.tile(X[0], (len(X), 1)), y.copy(), sample_weight=ones)
    assert_same(results(got, X), results(expected, X))


@each_form
@each_dtype
def test_weights_and_biases(changed, dtype, tmp_path):
    def run(form, action):
        model = classifier(solver="sgd").fit(X.astype(dtype), Y)
        model.coefs_ = [form(coef) for coef in model.coefs_]
        model.intercepts_ = [form(intercept) for intercept in model.intercepts_]
        return action(model)

    def saved(model):
        model.save(tmp_path / "model")
        return results(rustbp.load(tmp_path / "model"), X)

    rows = X.astype(dtype)
    actions = [
        lambda model: [model.predict_proba(rows), model.predict_proba(rows[:1]), model.predict(X)],
        lambda model: results(model.partial_fit(rows, Y), rows),
        lambda model: results(model.set_params(warm_start=True).fit(rows, Y), rows),
        lambda model: results(model.set_params(solver="lbfgs", warm_start=True).fit(rows, Y), rows),
        lambda model: list(rustbp.backprop(model, rows, Y).delta),
        lambda model: [rustbp.hidden_activations(model, rows)],
        lambda model: [rustbp.check_gradients(model, rows[:5], Y[:5]).largest_error],
        saved,
        lambda model: [model.to_sklearn().predict_proba(rows)],
        lambda model: results(model.to_sklearn().partial_fit(rows, Y), rows),
    ]
    for action in actions:
        assert_same(run(changed, action), run(np.array, action))


@each_form
def test_first_weights(changed):
    coefs, intercepts = regressor().fit(X, Y).coefs_, regressor().fit(X, Y).intercepts_

    def run(form):
        given = {
            "coefs_init": [form(coef) for coef in coefs],
            "intercepts_init": [form(intercept) for intercept in intercepts],
        }
        return results(regressor().fit(X, Y, **given), X)

    assert_same(run(changed), run(np.array))


@each_form
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_the_state_of_the_optimizer(changed, solver):
    def run(form):
        model = classifier(solver=solver).fit(X, Y)
        for slot, arrays in model._optimizer.state.items():
            if slot != "t":
                model._optimizer.state[slot] = [form(array) for array in arrays]
        return results(model.partial_fit(X, Y), X)

    assert_same(run(changed), run(np.array))


PARTS = ("data", "indices", "indptr")


@pytest.mark.parametrize("form", FORMS[:-1], ids=lambda form: form.__name__)
@pytest.mark.parametrize("parts", [*[(part,) for part in PARTS], PARTS], ids="-".join)
@pytest.mark.parametrize(
    "make", [scipy.sparse.csr_matrix, scipy.sparse.csr_array, scipy.sparse.csc_array]
)
@pytest.mark.parametrize("wide", [False, True])
def test_parts_of_a_sparse_x(form, parts, make, wide):
    def rows(form):
        matrix = make(np.where(X > 2, X, 0))
        if wide:
            matrix.indices, matrix.indptr = matrix.indices.astype("i8"), matrix.indptr.astype("i8")
        for part in parts:
            setattr(matrix, part, form(getattr(matrix, part)))
        return matrix

    def run(form):
        model = regressor().fit(rows(form), NUMBERS).partial_fit(rows(form), NUMBERS)
        shown = rustbp.backprop(model, rows(form), NUMBERS)
        return [*results(model, rows(form)), *shown.grad_w]

    given = rows(form)
    before = [getattr(given, part) for part in PARTS]
    assert_same(run(form), run(np.array))
    regressor().fit(given, NUMBERS)
    assert all(getattr(given, part) is array for part, array in zip(PARTS, before, strict=True))


# ---- biases that NumPy would broadcast ----


@pytest.mark.parametrize(
    "form",
    [
        lambda b: b[None, :],
        lambda b: 0.25,
        lambda b: np.float32(0.25),
        lambda b: [b.tolist()],
        lambda b: b[:1],
    ],
    ids=["row", "number", "numpy number", "nested list", "of one"],
)
def test_biases_are_broadcast_as_in_sklearn(form, tmp_path):
    theirs = neural_network.MLPClassifier((5, 3), max_iter=3, random_state=0).fit(X, Y)
    theirs.intercepts_ = [np.array(form(b)) for b in theirs.intercepts_]
    ours = classifier().fit(X, Y)
    ours.intercepts_ = [form(b) for b in ours.intercepts_]
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-9)
    np.testing.assert_allclose(
        ours.to_sklearn().predict_proba(X), theirs.predict_proba(X), rtol=1e-9
    )
    other = rustbp.from_sklearn(theirs)
    np.testing.assert_allclose(other.predict_proba(X), theirs.predict_proba(X), rtol=1e-9)
    ours.save(tmp_path / "model")
    assert_array_equal(rustbp.load(tmp_path / "model").predict_proba(X), ours.predict_proba(X))
    # Trained on as whole vectors.
    whole = classifier().fit(X, Y)
    whole.intercepts_ = [
        np.broadcast_to(np.asarray(form(b), dtype=float), (1, len(b)))[0] for b in whole.intercepts_
    ]
    assert_same(results(ours.partial_fit(X, Y), X), results(whole.partial_fit(X, Y), X))
    assert [b.shape for b in ours.intercepts_] == [(5,), (3,), (3,)]


def test_other_biases_are_refused_by_name():
    model = classifier().fit(X, Y)
    model.intercepts_[1] = np.zeros((3, 1))
    for call in (
        model.predict,
        lambda X: model.partial_fit(X, Y),
        lambda X: rustbp.backprop(model, X, Y),
    ):
        with pytest.raises(
            ValueError, match=r"intercepts\w*\[1\] must have shape \(3,\); got \(3, 1\)"
        ):
            call(X)


def test_pruned_weights_may_be_sparse():
    """scikit-learn predicts with them."""
    theirs = neural_network.MLPClassifier((5, 3), max_iter=3, random_state=0).fit(X, Y)
    ours = rustbp.from_sklearn(theirs)
    for model in (theirs, ours):
        model.coefs_ = [scipy.sparse.csr_matrix(np.where(abs(w) > 0.3, w, 0)) for w in model.coefs_]
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-9)
    assert isinstance(ours.partial_fit(X, Y).coefs_[0], np.ndarray)


# ---- sparse targets of a regressor ----


@pytest.mark.parametrize("form", ["csr_array", "csc_array", "coo_array", "lil_array", "dok_array"])
@pytest.mark.parametrize(
    "options", [{}, {"solver": "lbfgs"}, {"early_stopping": True}, {"loss": "poisson"}]
)
def test_a_sparse_array_of_targets_is_made_dense(form, options):
    positive = abs(NUMBERS)
    sparse = getattr(scipy.sparse, form)(positive)
    got, expected = regressor(**options).fit(X, sparse), regressor(**options).fit(X, positive)
    assert_same(results(got, X), results(expected, X))
    if not options.get("early_stopping"):
        got, expected = got.partial_fit(X, sparse), expected.partial_fit(X, positive)
        assert_same(results(got, X), results(expected, X))
    assert_same(rustbp.backprop(got, X, sparse).delta, rustbp.backprop(got, X, positive).delta)


def test_as_in_sklearn_where_it_trains():
    options = {"hidden_layer_sizes": (5, 3), "max_iter": 3, "random_state": 0}
    theirs = neural_network.MLPRegressor(**options).fit(X, scipy.sparse.csr_array(NUMBERS))
    ours = MLPRegressor(**options).fit(X, scipy.sparse.csr_array(NUMBERS))
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-7)


@pytest.mark.parametrize("form", ["csr_matrix", "csc_matrix", "coo_matrix"])
@pytest.mark.parametrize("columns", [1, 2])
def test_a_sparse_matrix_of_targets_is_refused(form, columns):
    y = getattr(scipy.sparse, form)(NUMBERS[:, :columns])
    words = r"Sparse data was passed for y, but dense data is required\. Use '\.toarray\(\)'"
    for call in (regressor().fit, regressor().partial_fit):
        with pytest.raises(TypeError, match=words):
            call(X, y)
