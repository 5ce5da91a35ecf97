"""Draw results/*.json as plots/*.svg, for README.md.

usage: python benchmarks/plot.py
"""

import json
from pathlib import Path

import matplotlib as mpl

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


def scaling(result):
    """Seconds per epoch, log-log, a panel for each sweep, with the limit of the machine's arithmetic."""
    figure, axes = plt.subplots(2, 3, figsize=(11, 6.5), layout="constrained")
    panels = dict(zip(result["sweeps"], axes.flat, strict=False))
    for what, series in result["sweeps"].items():
        axis = panels[what]
        for (title, points), marker in zip(series.items(), "os", strict=False):
            xs = [point["x"] for point in points]
            limit = [point["limit"] for point in points]
            axis.plot(xs, limit, color=LIMIT, linestyle="--", linewidth=1, label="limit")
            for peer in ("rustbp", "scikit-learn"):
                timed = [point for point in points if peer in point["seconds"]]
                ys = [point["seconds"][peer] for point in timed]
                axis.plot(
                    [point["x"] for point in timed],
                    ys,
                    color=COLOURS[peer],
                    marker=marker,
                    markersize=4,
                    linewidth=1.4,
                    label=peer,
                )
            if len(series) > 1:
                net = title.partition(",")[0]
                # Below the end of the limit, which falls: nothing else is there.
                axis.annotate(
                    net,
                    (xs[-1], limit[-1]),
                    (0, -11),
                    textcoords="offset points",
                    ha="right",
                    color=LIMIT,
                )
        axis.set_xscale("log")
        axis.set_yscale("log")
        if len(series) > 1:
            axis.margins(y=0.12)
            axis.set_xticks(xs, [str(x) for x in xs], minor=False)
            axis.minorticks_off()
        axis.set_title(title if len(series) == 1 else "the nets of W2 and W3, fewer rows")
        axis.set_xlabel(LABELS[what])
        axis.grid(which="major", color="#dddddd", linewidth=0.6)
    for axis in axes[:, 0]:
        axis.set_ylabel("seconds per epoch")
    rest = axes.flat[-1]
    rest.axis("off")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    rest.legend(handles, labels, loc="upper left", frameon=False)
    m = result["machine"]
    rest.text(
        0.02,
        0.1,
        f"float32, relu, Adam, {m['threads']} threads\n{m['cpu']}, kernel {m['kernel']}\n"
        f"limit: {result['peak_per_core']:g} GFLOP/s per core",
        transform=rest.transAxes,
        color=LIMIT,
    )
    save(figure, "scaling")


def training(result):
    """GFLOP/s in float32 on every workload, a bar for each contender, as a share of the limit."""
    figure, axis = plt.subplots(figsize=(9, 3.6), layout="constrained")
    workloads = result["workloads"]
    width = 0.8 / len(COLOURS)
    for place, (peer, colour) in enumerate(COLOURS.items()):
        pairs = [
            (x + (place - 1.5) * width, 100 * workload["contenders"][peer]["share"])
            for x, workload in enumerate(workloads)
            if peer in workload["contenders"]
        ]
        if pairs:
            bars = axis.bar(*zip(*pairs, strict=True), width=width, color=colour, label=peer)
            axis.bar_label(bars, fmt="%.2g", fontsize=7, padding=1)
    labels = [f"{w['name']}\n{w['about'].split()[0]}" for w in workloads]
    axis.set_xticks(range(len(workloads)), labels)
    axis.set_ylabel("% of the arithmetic limit")
    axis.set_title("Training in float32: matrix products per second, of what the machine could do")
    axis.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", frameon=False, ncols=len(COLOURS))
    save(figure, "training")


def main():
    plt.rcParams.update(STYLE)
    for name, draw in (("run", training), ("scaling", scaling)):
        path = HERE / "results" / f"{name}.json"
        if path.exists():
            draw(json.loads(path.read_text()))


if __name__ == "__main__":
    main()
