"""Draw a result as plots/*.svg, for README.md."""

from pathlib import Path

import matplotlib as mpl
from report import of_part

mpl.use("svg")
from matplotlib import pyplot as plt

HERE = Path(__file__).resolve().parent
COLOURS = {
    "rustbp": "#c1440e",
    "scikit-learn": "#3a6ea5",
    "PyTorch": "#7a5195",
    "JAX": "#4f8a3c",
}
LIMIT = "#555555"
LABELS = {
    "rows": "rows",
    "width": "neurons of each of two hidden layers, w",
    "depth": "hidden layers, d",
    "batch": "rows of a mini-batch",
    "threads": "threads",
}
# Small files that are the same for the same figures.
STYLE = {"svg.fonttype": "none", "svg.hashsalt": "rustbp", "font.size": 9, "axes.titlesize": 9}


def save(figure, name):
    """Write plots/<name>.svg."""
    path = HERE / "plots" / f"{name}.svg"
    path.parent.mkdir(exist_ok=True)
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    # matplotlib ends some lines with blanks.
    path.write_text("".join(f"{line.rstrip()}\n" for line in path.read_text().splitlines()))
    plt.close(figure)
    print(f"drew {path.name}")


def grouped(rows, field):
    """Rows by what they have in a field, in the order of the first of each."""
    found = {}
    for row in rows:
        found.setdefault(row[field], []).append(row)
    return found


def _lines(axis, points, peers, figure, marker="o"):
    """A line for each peer that was timed."""
    for peer in peers:
        timed = [point for point in points if peer in point["contenders"]]
        axis.plot(
            [point["x"] for point in timed],
            [point["contenders"][peer][figure] for point in timed],
            color=COLOURS[peer],
            marker=marker,
            markersize=4,
            linewidth=1.4,
            label=peer,
        )


def _logarithmic(axis, xs=None):
    """Both axes; with a tick at each x of a few."""
    axis.set_xscale("log")
    axis.set_yscale("log")
    if xs:
        axis.set_xticks(xs, [str(x) for x in xs], minor=False)
        axis.xaxis.minorticks_off()
    axis.grid(which="major", color="#dddddd", linewidth=0.6)


def scaling(rows):
    """Seconds per epoch, log-log, a panel for each sweep, with the limit of the machine's arithmetic."""
    figure, axes = plt.subplots(2, 3, figsize=(11, 6.5), layout="constrained")
    for (sweep, in_sweep), axis in zip(grouped(rows, "sweep").items(), axes.flat, strict=False):
        by_series = grouped(in_sweep, "series")
        several = len(by_series) > 1
        for (series, points), marker in zip(by_series.items(), "os", strict=False):
            xs = [point["x"] for point in points]
            limit = [point["gflop"] / point["limit"]["float32"] for point in points]
            axis.plot(xs, limit, color=LIMIT, linestyle="--", linewidth=1, label="limit")
            _lines(axis, points, ("rustbp", "scikit-learn"), "seconds", marker)
            if several:
                # Below the end of the limit, which falls: nothing else is there.
                axis.annotate(
                    series.partition(",")[0],
                    (xs[-1], limit[-1]),
                    (0, -11),
                    textcoords="offset points",
                    ha="right",
                    color=LIMIT,
                )
        _logarithmic(axis, xs if several else None)
        if several:
            axis.margins(y=0.12)
            axis.yaxis.minorticks_off()
        axis.set_title("the nets of W2 and W3, fewer rows" if several else series)
        axis.set_xlabel(LABELS[sweep])
    for axis in axes[:, 0]:
        axis.set_ylabel("seconds per epoch")
    rest = axes.flat[-1]
    rest.axis("off")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    rest.legend(handles, labels, loc="upper left", frameon=False)
    rest.text(0.02, 0.6, "float32, relu, Adam", transform=rest.transAxes, color=LIMIT)
    save(figure, "scaling")


def wide(rows):
    """GFLOP/s in float32, log-log, against width and batch size, with the limit of the machine's arithmetic."""
    panels = {
        series: points
        for series, points in grouped(rows, "series").items()
        if all(point["x"] for point in points)
    }
    figure, axes = plt.subplots(
        1, len(panels), figsize=(11, 4), layout="constrained", sharey=True, squeeze=False
    )
    for (series, points), axis in zip(panels.items(), axes.flat, strict=True):
        xs = [point["x"] for point in points]
        limit = [point["limit"]["float32"] for point in points]
        axis.plot(xs, limit, color=LIMIT, linestyle="--", linewidth=1, label="limit")
        _lines(axis, points, COLOURS, "gflops")
        half = [point for point in points if "rustbp bfloat16" in point["contenders"]]
        if half:
            axis.plot(
                [point["x"] for point in half],
                [point["contenders"]["rustbp bfloat16"]["gflops"] for point in half],
                color=COLOURS["rustbp"],
                marker="o",
                markersize=4,
                linestyle=":",
                label="rustbp bfloat16",
            )
        _logarithmic(axis, xs)
        axis.set_title(series)
        axis.set_xlabel(LABELS[points[0]["sweep"].removeprefix("wide: ")])
    low, high = axes.flat[0].get_ylim()
    ticks = [a * 10**b for b in range(5) for a in (1, 2, 3, 5, 7) if low <= a * 10**b <= high]
    axes.flat[0].set_yticks(ticks, [f"{tick:,}" for tick in ticks])
    axes.flat[0].yaxis.minorticks_off()
    axes.flat[0].set_ylabel("GFLOP/s")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", frameon=False, ncols=len(labels))
    save(figure, "wide")


def training(rows):
    """GFLOP/s in float32 on every workload, a bar for each contender, as a share of the limit."""
    figure, axis = plt.subplots(figsize=(9, 3.6), layout="constrained")
    width = 0.8 / len(COLOURS)
    for place, (peer, colour) in enumerate(COLOURS.items()):
        pairs = [
            (x + (place - 1.5) * width, 100 * row["contenders"][peer]["share"])
            for x, row in enumerate(rows)
            if peer in row["contenders"]
        ]
        if pairs:
            bars = axis.bar(*zip(*pairs, strict=True), width=width, color=colour, label=peer)
            labels = [f"{share:.0f}" if share >= 10 else f"{share:.1f}" for _, share in pairs]
            axis.bar_label(bars, labels, fontsize=7, padding=1)
    axis.set_xticks(range(len(rows)), [f"{row['name']}\n{row['net']}" for row in rows])
    axis.set_ylabel("% of the arithmetic limit")
    axis.set_title("Training in float32: matrix products per second, of what the machine could do")
    axis.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", frameon=False, ncols=len(COLOURS))
    save(figure, "training")


def speedup(rows):
    """How many times as fast as scikit-learn each contender trains, in float32: the picture of the README."""
    rows = [row for row in rows if "scikit-learn" in row["contenders"]]
    figure, axis = plt.subplots(figsize=(7.5, 3), layout="constrained")
    peers = [peer for peer in COLOURS if any(peer in row["contenders"] for row in rows)]
    width = 0.8 / len(peers)
    for place, peer in enumerate(peers):
        pairs = [
            (
                x + (place - (len(peers) - 1) / 2) * width,
                row["contenders"]["scikit-learn"]["seconds"] / row["contenders"][peer]["seconds"],
            )
            for x, row in enumerate(rows)
            if peer in row["contenders"]
        ]
        bars = axis.bar(*zip(*pairs, strict=True), width=width, color=COLOURS[peer], label=peer)
        axis.bar_label(bars, [f"{times:.2g}" for _, times in pairs], fontsize=7, padding=1)
    axis.axhline(1, color=LIMIT, linewidth=0.8, linestyle="--")
    axis.set_xticks(range(len(rows)), [row["net"] for row in rows])
    axis.set_ylabel("times as fast as scikit-learn")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(loc="upper right", frameon=False, ncols=2)
    save(figure, "speedup")


def draw(result):
    """All pictures that a result has the figures for."""
    plt.rcParams.update(STYLE)
    for part, picture in (
        ("five", training),
        ("five", speedup),
        ("wide", wide),
        ("growth", scaling),
    ):
        if rows := of_part(result, part):
            picture(rows)
