"""Pictures: what was drawn, as data of the artists and as pixels."""

import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_moons
from sklearn.exceptions import NotFittedError

mpl.use("Agg")

import matplotlib.pyplot as plt

from rustbp import MLPClassifier, MLPRegressor, backprop, record_fit
from rustbp.display import (
    ActivationsDisplay,
    BoundaryDisplay,
    ErrorFlowDisplay,
    TrainingCurveDisplay,
    WeightsDisplay,
)

X, Y = make_moons(120, noise=0.2, random_state=0)
RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.random((60, 12)), np.arange(60) % 3
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def network():
    return MLPClassifier((5, 4), "logistic", max_iter=8, random_state=0).fit(IMAGES, LABELS)


@pytest.fixture(scope="module")
def moons():
    model = MLPClassifier(6, solver="lbfgs", max_iter=200, random_state=0)
    return model.fit(X, np.array(["left", "right"])[Y])


def pixels(figure):
    """The figure as (height, width, 3) integers, row 0 at the top."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)


def color_at(display, x, y):
    """Colour drawn at a point in data coordinates of the axes."""
    image = pixels(display.figure_)
    column, row = display.ax_.transData.transform((x, y))
    return image[image.shape[0] - 1 - int(row), int(column)]


# ---- training curves ----


def test_training_curve_of_a_fitted_network():
    model = MLPClassifier(5, early_stopping=True, max_iter=6, random_state=0).fit(IMAGES, LABELS)
    display = TrainingCurveDisplay.from_estimator(model)
    assert_array_equal(display.lines_["loss"].get_xdata(), np.arange(1, 7))
    assert_array_equal(display.lines_["loss"].get_ydata(), model.loss_curve_)
    assert_array_equal(display.lines_["validation_score"].get_ydata(), model.validation_scores_)
    validation_loss = display.lines_["validation_loss"]
    assert_array_equal(validation_loss.get_ydata(), model.validation_loss_curve_)
    assert display.lines_.keys() == {"loss", "validation_loss", "validation_score"}
    assert display.lines_["loss"].axes is display.ax_
    assert display.lines_["validation_score"].axes is display.score_ax_
    assert display.score_ax_.get_ylabel() == "Accuracy"
    assert display.ax_.get_xlabel() == "Epoch"


def test_training_curve_without_scores():
    model = MLPRegressor(hidden_layer_sizes=5, max_iter=3).fit(IMAGES, LABELS)
    display = TrainingCurveDisplay.from_estimator(model)
    assert display.score_ax_ is None
    assert display.figure_.axes == [display.ax_]


def test_training_curve_with_step_sizes():
    """On an axis of their own, if they are not all the same."""
    display = TrainingCurveDisplay([3.0, 2.0], score=[0.5, 0.6], learning_rate=[0.1, 0.05]).plot()
    assert_array_equal(display.lines_["learning_rate"].get_ydata(), [0.1, 0.05])
    assert display.lines_["learning_rate"].axes is display.learning_rate_ax_
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["training loss", "training score", "step size"]
    # Each axis has the colour of its lines.
    for name, axes in (("loss", display.ax_), ("learning_rate", display.learning_rate_ax_)):
        assert axes.yaxis.label.get_color() == display.lines_[name].get_color()
    display = TrainingCurveDisplay([3.0, 2.0], learning_rate=[0.1, 0.1]).plot()
    assert display.learning_rate_ax_ is None


def test_training_curve_of_a_history():
    model = MLPClassifier(5, max_iter=6, random_state=0)
    history = record_fit(model, IMAGES, LABELS, X_val=IMAGES[:20], y_val=LABELS[:20])
    display = TrainingCurveDisplay.from_history(history)
    assert display.score_ax_.get_ylabel() == "Accuracy"
    for name in ("loss", "score", "validation_loss", "validation_score"):
        assert_array_equal(display.lines_[name].get_xdata(), np.arange(7))
        assert_array_equal(display.lines_[name].get_ydata(), getattr(history, name))
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["training loss", "validation loss", "training accuracy", "validation accuracy"]
    display = TrainingCurveDisplay.from_history(history, score_name="Share")
    assert display.score_ax_.get_ylabel() == "Share"


def test_training_curve_of_a_schedule_and_rows_to_validate_on():
    model = MLPRegressor(hidden_layer_sizes=5, schedule="cosine", max_iter=6, random_state=0)
    model.fit(IMAGES, LABELS, X_val=IMAGES[:20], y_val=LABELS[:20])
    display = TrainingCurveDisplay.from_estimator(model)
    for name, values in [
        ("loss", model.loss_curve_),
        ("validation_loss", model.validation_loss_curve_),
        ("validation_score", model.validation_scores_),
        ("learning_rate", model.learning_rate_curve_),
    ]:
        assert_array_equal(display.lines_[name].get_ydata(), values)
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["training loss", "validation loss", "validation R²", "step size"]


def test_training_curve_is_on_the_canvas():
    """A flat curve is a row of pixels of its colour, at its height."""
    display = TrainingCurveDisplay([2.0, 2.0, 2.0]).plot()
    display.ax_.get_legend().remove()
    display.ax_.set_ylim(0, 4)
    blue = (np.array(mpl.colors.to_rgb("tab:blue")) * 255).round()
    for x in (1.2, 2.0, 2.8):
        assert_allclose(color_at(display, x, 2.0), blue, atol=2)
    assert_array_equal(color_at(display, 1.5, 3.0), [255, 255, 255])


# ---- error flow ----


def test_error_flow_of_a_history():
    model = MLPClassifier((5, 4, 3), "logistic", max_iter=4, random_state=0)
    history = record_fit(model, IMAGES, LABELS)
    display = ErrorFlowDisplay.from_history(history)
    assert len(display.lines_) == 4
    for layer, line in enumerate(display.lines_):
        assert_array_equal(line.get_xdata(), np.arange(5))
        assert_array_equal(line.get_ydata(), [sizes[layer] for sizes in history.mean_delta])
    after = backprop(model, IMAGES, LABELS)
    last = [line.get_ydata()[-1] for line in display.lines_]
    assert_allclose(last, [np.abs(delta).mean() for delta in after.delta])
    # The sigmoid's derivative is at most a quarter: the errors of the first layers vanish.
    assert np.all(np.diff(last) > 0)
    assert display.ax_.get_yscale() == "log"
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts == ["layer 1", "layer 2", "layer 3", "layer 4 (output)"]


def test_error_flow_of_an_estimator_trains_a_clone(network):
    before = [coef.copy() for coef in network.coefs_]
    display = ErrorFlowDisplay.from_estimator(network, IMAGES, LABELS)
    expected = record_fit(
        MLPClassifier((5, 4), "logistic", max_iter=8, random_state=0), IMAGES, LABELS
    ).mean_delta
    assert_allclose([line.get_ydata() for line in display.lines_], np.transpose(expected))
    for coef, kept in zip(network.coefs_, before, strict=True):
        assert_array_equal(coef, kept)


# ---- weights ----


def test_weights_are_tiled(network):
    display = WeightsDisplay.from_estimator(network, image_shape=(3, 4))
    data = display.image_.get_array()
    # Five images of 3 x 4 in three columns, with gaps of one pixel.
    assert data.shape == (3 + 1 + 3, 4 + 1 + 4 + 1 + 4)
    for neuron, (top, left) in enumerate([(0, 0), (0, 5), (0, 10), (4, 0), (4, 5)]):
        image = data[top : top + 3, left : left + 4]
        assert_array_equal(image, network.coefs_[0][:, neuron].reshape(3, 4))
    assert np.all(data.mask[3])
    assert np.all(data.mask[:, 4])
    assert np.all(data.mask[4:, 10:])
    assert np.sum(~data.mask) == 60
    largest = np.abs(network.coefs_[0]).max()
    assert display.image_.get_clim() == (-largest, largest)


def test_colours_of_weights():
    """Plus is red, minus is blue, nought is white."""
    display = WeightsDisplay(np.array([[1.0], [-1.0], [0.0], [0.0]]), (2, 2)).plot()
    red, blue, white = (color_at(display, x, y) for x, y in [(0, 0), (1, 0), (0, 1)])
    assert red[0] > 90
    assert red[1:].max() < 50
    assert blue[2] > 90
    assert blue[:2].max() < 50
    assert white.min() > 240


def test_chosen_neurons_of_square_inputs():
    model = MLPRegressor(hidden_layer_sizes=6, max_iter=2).fit(IMAGES[:, :9], LABELS)
    display = WeightsDisplay.from_estimator(model, neurons=[4, 1], columns=1)
    data = display.image_.get_array()
    assert data.shape == (7, 3)
    assert_array_equal(data[:3], model.coefs_[0][:, 4].reshape(3, 3))
    assert_array_equal(data[4:], model.coefs_[0][:, 1].reshape(3, 3))
    numbers = [(text.get_text(), text.get_position()) for text in display.texts_]
    assert numbers == [(" 4", (-0.5, -0.5)), (" 1", (-0.5, 3.5))]


# ---- activations ----


@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu"])
def test_activations_are_counted(activation):
    model = MLPClassifier((7, 5), activation, init="normal", max_iter=3, random_state=0)
    model.fit(10 * IMAGES, LABELS)
    display = ActivationsDisplay.from_estimator(model, 10 * IMAGES, bins=20)
    shown = backprop(model, 10 * IMAGES, LABELS)
    flat_where = {
        "logistic": lambda a: a * (1 - a) < 0.025,
        "tanh": lambda a: 1 - a**2 < 0.1,
        "relu": lambda a: a == 0,
    }[activation]
    assert len(display.bars_) == 2
    everything = np.concatenate([a.ravel() for a in shown.a[:2]])
    assert_allclose(display.edges_, np.linspace(everything.min(), everything.max(), 21))
    labels = [text.get_text() for text in display.ax_.get_xticklabels()]
    for number, (bars, a) in enumerate(zip(display.bars_, shown.a, strict=False), start=1):
        flat = flat_where(a)
        for drawn, part in zip(bars, (a, a[flat]), strict=True):
            widths = np.array([bar.get_width() for bar in drawn])
            counts = np.histogram(part, display.edges_)[0]
            most = np.histogram(a, display.edges_)[0].max()
            assert_allclose(widths, 0.9 * counts / most)
            assert_allclose([bar.get_y() for bar in drawn], display.edges_[:-1])
            # Each bar is centred on the layer.
            assert_allclose([bar.get_x() + bar.get_width() / 2 for bar in drawn], number)
        assert labels[number - 1] == f"{number}\n{flat.mean():.0%}"


@pytest.mark.parametrize(
    ("activation", "word"),
    [
        ("logistic", "saturated"),
        ("relu", "off"),
        ("gelu", "flat"),
        (["tanh", "identity"], "saturated"),
        (["tanh", "relu"], "flat"),
        ("identity", None),
    ],
)
def test_what_the_red_part_is_called(activation, word):
    model = MLPClassifier((3, 3), activation, max_iter=2, random_state=0).fit(IMAGES, LABELS)
    ax = ActivationsDisplay.from_estimator(model, IMAGES).ax_
    if word is None:
        assert ax.get_xlabel() == "Layer"
        assert ax.get_legend() is None
        assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "2"]
    else:
        assert ax.get_xlabel() == f"Layer, and how much of it is {word}"
        assert [text.get_text() for text in ax.get_legend().get_texts()] == ["other", word]


def test_saturated_activations_are_red():
    display = ActivationsDisplay([np.array([0.0, 0.0, 1.0, 1.0])], [np.array([1, 1, 0, 0], bool)])
    display.plot(bins=4)
    red, blue = (np.array(mpl.colors.to_rgb(c)) * 255 for c in ("tab:red", "tab:blue"))
    assert_allclose(color_at(display, 1.0, 0.125), red, atol=2)
    assert_allclose(color_at(display, 1.0, 0.875), blue, atol=2)
    assert_array_equal(color_at(display, 1.0, 0.5), [255, 255, 255])


# ---- boundary ----


def test_boundary_is_what_is_predicted(moons):
    display = BoundaryDisplay.from_estimator(moons, X, resolution=30)
    low, high = X.min(axis=0), X.max(axis=0)
    assert_allclose(
        display.ax_.get_xlim(), [1.1 * low[0] - 0.1 * high[0], 1.1 * high[0] - 0.1 * low[0]]
    )
    drawn = np.asarray(display.surface_.get_array()).reshape(30, 30)
    for i, j in [(0, 0), (29, 29), (3, 17), (20, 5), (12, 12)]:
        label = moons.predict([[display.x0[j], display.x1[i]]])[0]
        assert moons.classes_[drawn[i, j]] == label
    assert {0, 1} == set(drawn.ravel())
    assert [text.get_text() for text in display.legend_.get_texts()] == ["left", "right"]
    assert display.points_ is None
    assert display.colorbar_ is None


def test_boundary_on_the_canvas(moons):
    """Either side has the colour of its class, at half strength."""
    display = BoundaryDisplay.from_estimator(moons, X)
    palette = np.array(mpl.colormaps["tab10"].colors[:2]) * 255
    for point in ([0.0, 1.2], [1.0, -0.8], [-1.0, 0.0], [2.0, 0.6]):
        number = np.searchsorted(moons.classes_, moons.predict([point])[0])
        assert_allclose(color_at(display, *point), (palette[number] + 255) / 2, atol=2)


def test_rows_have_the_colours_of_their_classes(moons):
    display = BoundaryDisplay.from_estimator(moons, X, moons.classes_[Y])
    assert_array_equal(display.points_.get_offsets(), X)
    assert_array_equal(display.points_.get_array(), Y)
    colors = display.points_.to_rgba(display.points_.get_array())[:, :3]
    assert_allclose(colors, np.array(mpl.colormaps["tab10"].colors)[Y])


def test_lines_of_the_first_layer(moons):
    display = BoundaryDisplay.from_estimator(moons, X, neurons=True)
    assert len(display.lines_) == 6
    for neuron, line in enumerate(display.lines_):
        w, b = moons.coefs_[0][:, neuron], moons.intercepts_[0][neuron]
        for point in (line.get_xy1(), line.get_xy2()):
            assert abs(np.dot(point, w) + b) < 1e-9
    texts = [text.get_text() for text in display.legend_.get_texts()]
    assert texts == ["left", "right", "z = 0 of a neuron"]


def test_lines_stand_out_from_a_dark_background(moons):
    with plt.style.context("dark_background"):
        display = BoundaryDisplay.from_estimator(moons, X, moons.classes_[Y], neurons=True)
        assert display.lines_[0].get_color() == "white"
        assert_array_equal(display.points_.get_edgecolors(), [[1, 1, 1, 1]])


def test_boundary_of_a_regressor_and_a_frame():
    frame = pd.DataFrame(X, columns=["width", "height"])
    model = MLPRegressor(hidden_layer_sizes=4, solver="lbfgs", max_iter=50, random_state=0)
    model.fit(frame, X[:, 0] + X[:, 1])
    display = BoundaryDisplay.from_estimator(model, frame, X[:, 0] + X[:, 1], resolution=20)
    assert display.ax_.get_xlabel() == "width"
    assert display.ax_.get_ylabel() == "height"
    point = pd.DataFrame([[display.x0[5], display.x1[9]]], columns=["width", "height"])
    drawn = np.asarray(display.surface_.get_array()).reshape(20, 20)
    assert_allclose(drawn[9, 5], model.predict(point)[0])
    assert display.points_.norm is display.surface_.norm
    assert display.colorbar_.ax.get_ylabel() == "prediction"


def test_boundary_of_many_classes():
    X = RNG.random((60, 2))
    model = MLPClassifier(4, max_iter=2).fit(X, np.arange(60) % 12)
    display = BoundaryDisplay.from_estimator(model, X, np.arange(60) % 12, resolution=20)
    colors = display.points_.to_rgba(display.points_.get_array())
    assert len(np.unique(colors, axis=0)) == 12
    ticks = [text.get_text() for text in display.colorbar_.ax.get_yticklabels()]
    assert ticks == [str(label) for label in range(12)]


# ---- what all share ----

MAKERS = {
    "training curve": lambda model, **options: TrainingCurveDisplay.from_estimator(model, **options),
    "error flow": lambda model, **options: ErrorFlowDisplay.from_estimator(model, IMAGES, LABELS, **options),
    "weights": lambda model, **options: WeightsDisplay.from_estimator(model, image_shape=(3, 4), **options),
    "activations": lambda model, **options: ActivationsDisplay.from_estimator(model, IMAGES, **options),
}  # fmt: skip


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_axes_are_the_users(network, make):
    figure, (ax, other) = plt.subplots(1, 2)
    display = make(network, ax=ax)
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert not other.has_data()
    assert plt.get_fignums() == [figure.number]
    # Again, somewhere else.
    assert display.plot(ax=other) is display
    assert display.ax_ is other
    assert other.has_data()
    assert display.plot().figure_ is not figure


def test_boundary_takes_axes(moons):
    ax = plt.figure().subplots()
    assert BoundaryDisplay.from_estimator(moons, X, ax=ax).ax_ is ax


def test_artists_take_keywords(network, moons):
    thick, faint = {"line_kw": {"linewidth": 5}}, {"alpha": 0.1}
    curves = TrainingCurveDisplay.from_estimator(network, **thick).lines_["loss"]
    [*errors, _] = ErrorFlowDisplay.from_estimator(network, IMAGES, LABELS, **thick).lines_
    plane = BoundaryDisplay.from_estimator(
        moons, X, moons.classes_[Y], neurons=True, surface_kw=faint, scatter_kw={"s": 3}, **thick
    )
    assert {line.get_linewidth() for line in (curves, *errors, *plane.lines_)} == {5}
    assert (plane.surface_.get_alpha(), plane.points_.get_sizes().tolist()) == (0.1, [3])
    options = {"image_shape": (3, 4), "cmap": "PuOr", "im_kw": faint}
    image = WeightsDisplay.from_estimator(network, **options).image_
    assert (image.get_cmap().name, image.get_alpha()) == ("PuOr", 0.1)
    display = ActivationsDisplay.from_estimator(network, IMAGES, bar_kw=faint)
    assert {bar.get_alpha() for bars in display.bars_[0] for bar in bars} == {0.1}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_matplotlib_missing(network, make, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"Display needs matplotlib: pip install matplotlib"):
        make(network)


def test_nothing_of_matplotlib_is_imported_early():
    """The modules are imported without it; in a process of its own, because here it is imported already."""
    import subprocess

    code = "import sys; sys.modules['matplotlib'] = None; import rustbp.display"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("make", [m for n, m in MAKERS.items() if n != "error flow"])
def test_unfitted_is_refused(make):
    with pytest.raises(NotFittedError):
        make(MLPClassifier())


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_other_models_are_refused(make):
    with pytest.raises(TypeError, match="not a perceptron of this package"):
        make(object())


def test_what_cannot_be_drawn_is_refused(network, moons):
    lbfgs = MLPClassifier(3, solver="lbfgs", max_iter=2).fit(IMAGES, LABELS)
    with pytest.raises(ValueError, match=r"rustbp\.record_fit"):
        TrainingCurveDisplay.from_estimator(lbfgs)
    with pytest.raises(ValueError, match="12 inputs are not an image of 3 x 3: pass image_shape"):
        WeightsDisplay.from_estimator(network)
    with pytest.raises(ValueError, match="neurons must be from 0 to 4"):
        WeightsDisplay.from_estimator(network, image_shape=(3, 4), neurons=[5])
    flat = MLPClassifier((), max_iter=2).fit(IMAGES, LABELS)
    with pytest.raises(ValueError, match="no hidden layer"):
        ActivationsDisplay.from_estimator(flat, IMAGES)
    with pytest.raises(ValueError, match="X has 5 features"):
        ActivationsDisplay.from_estimator(network, IMAGES[:, :5])
    with pytest.raises(ValueError, match="over 2 features, and X has 12"):
        BoundaryDisplay.from_estimator(network, IMAGES)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        BoundaryDisplay.from_estimator(moons, X, Y[:5])
    two = MLPRegressor(hidden_layer_sizes=3, max_iter=2).fit(X, X)
    with pytest.raises(ValueError, match="several labels or targets"):
        BoundaryDisplay.from_estimator(two, X)
    with pytest.raises(NotFittedError):
        BoundaryDisplay.from_estimator(MLPClassifier(), X)
