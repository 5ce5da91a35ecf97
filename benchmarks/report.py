"""The figures as text: tables for the terminal, and the same ones between markers in README.md."""

import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
# More of the processors than this in other hands, and the figures are not worth keeping.
BUSY = 0.05
TRAINING_ALT = "Share of the arithmetic limit that each contender reaches on each workload"
SCALING_ALT = "Seconds per epoch against rows, width, depth, batch size and threads"


def rounded(value):
    """A result with floats of five digits, as it is kept."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return value


def _table(head, rows):
    """A Markdown table with columns in line; the first is text, the others are flushed right."""
    cells = [head, *[[str(cell) for cell in row] for row in rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]

    def line(row):
        padded = [
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = [("-" * (w - 1) + ":") if column else "-" * w for column, w in enumerate(widths)]
    return "\n".join([line(cells[0]), line(rule), *map(line, cells[1:])])


def epochs_table(result):
    """Seconds per epoch, GFLOP/s, and how many times as fast rustbp is."""
    rows = []
    for workload in result["workloads"]:
        for key, figures in workload["contenders"].items():
            own = key.startswith("rustbp") and not key.endswith("bfloat16")
            rows.append(
                (
                    f"{workload['name']} {key}",
                    f"{figures['seconds']:.4f}",
                    f"{figures['gflops']:.1f}",
                    "" if result["quick"] else f"{figures['share']:.0%}",
                    "" if own else f"{figures['ratio']:.2f}",
                )
            )
    head = ["contender", "seconds per epoch", "GFLOP/s", "of the limit", "time / rustbp's"]
    return _table(head, rows)


def goals_table(result):
    """Every goal, what was measured, and whether it was reached."""
    rows = [
        (
            goal["what"],
            f"{goal['measured']:.3g} {goal['unit']}",
            f"{goal['bound']} {goal['goal']:g} {goal['unit']}",
            "met" if goal["met"] else "missed",
        )
        for goal in result["goals"]
    ]
    return _table(["goal", "measured", "wanted", ""], rows)


def serve_table(result):
    """Latency and memory, rustbp and scikit-learn."""
    rows = [
        (
            row["name"],
            f"{row['rustbp']:.3g} {row['unit']}",
            f"{row['scikit-learn']:.3g} {row['unit']}",
            f"{row['ratio']:.1f}" if row["ratio"] else "",
        )
        for row in result["serve"]
    ]
    return _table(["figure", "rustbp", "scikit-learn", "ratio"], rows)


def machine_lines(result):
    """What the figures were measured on and with."""
    m = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    peak = result["peak_per_core"]
    lines = [
        f"{m['cpu']} ({m['architecture']}), {m['processors']} processors, {m['threads']} threads per contender, "
        f'kernel "{m["kernel"]}", {m["system"]}, Python {m["python"]}.',
        f"{versions}." if versions else "",
        "W1 to W3 on MNIST." if result["mnist"] else "W1 to W3 on random numbers of MNIST's shape.",
    ]
    if not result["quick"]:
        lines.append(
            f"Limit: {peak['float32']:g} GFLOP/s per core in float32, {peak['float64']:g} in float64."
        )
    if result["disturbance"] is not None:
        busy = result["disturbance"]
        lines.append(f"Other processes used {busy:.1%} of the processors meanwhile (median).")
        if busy > BUSY:
            lines.append("**The machine was not quiet: these figures are not to be trusted.**")
    if result["quick"]:
        lines.append("**A quick run: its figures mean nothing.**")
    lines += [f"{key} is left out: {reason}." for key, reason in result["absent"].items()]
    return [line for line in lines if line]


def text(result):
    """All tables, for a terminal."""
    parts = []
    if result["workloads"]:
        parts.append(epochs_table(result))
    if result["serve"]:
        parts.append(serve_table(result))
    if result["goals"]:
        parts.append(goals_table(result))
    return "\n\n".join([*parts, "\n".join(machine_lines(result))])


def _picture(name, alt):
    path = HERE / "plots" / f"{name}.svg"
    return [f"![{alt}](plots/{path.name})"] if path.exists() else []


def readme_section():
    """What stands between the markers, from the JSON files in results/."""
    parts = []
    path = HERE / "results" / "run.json"
    if path.exists():
        result = json.loads(path.read_text())
        lines = "\n".join(f"- {line}" for line in machine_lines(result))
        parts += [f"Measured on {result['date']}:", lines]
        parts += ["### Training", *_picture("training", TRAINING_ALT), epochs_table(result)]
        if result["serve"]:
            parts += ["### Import, latency, memory", serve_table(result)]
        met = sum(goal["met"] for goal in result["goals"])
        parts += [
            "### Goals",
            f"{met} of {len(result['goals'])} are met.",
            goals_table(result),
        ]
    else:
        parts.append("There are no figures yet: `python benchmarks/run.py` makes them.")
    path = HERE / "results" / "scaling.json"
    if path.exists():
        scaling = json.loads(path.read_text())
        m = scaling["machine"]
        parts += [
            "### How cost grows",
            f"Measured on {scaling['date']}: {m['cpu']}, {m['threads']} threads, float32; "
            f"limit {scaling['peak_per_core']:g} GFLOP/s per core.",
            *_picture("scaling", SCALING_ALT),
        ]
    return "\n\n".join(parts)


def update_readme():
    """Replace what stands between the markers."""
    path = HERE / "README.md"
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"README.md must have the lines {BEGIN} and {END}")
    path.write_text(f"{before}{BEGIN}\n\n{readme_section()}\n\n{END}{after}")
    print(f"{path.name} is up to date with results/")
