"""The figures as text: tables for the terminal, and the same ones between markers in README.md."""

import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULT = HERE / "results" / "run.json"
# The wide nets on other processors: `run.py --only wide --output results/wide-NAME.json`.
OTHERS = "wide-*.json"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
# More of the processors than this in other hands, and the figures are not worth keeping.
BUSY = 0.05
TRAINING_ALT = "Share of the arithmetic limit that each contender reaches on each workload"
WIDE_ALT = (
    "GFLOP/s of each contender, and the limit, against the width of layers and the batch size"
)
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


def of_part(result, part):
    """The entries of a part of the page: "five", "wide" or "growth"."""
    five = part == "five"
    return [
        row
        for row in result["workloads"]
        if (row["part"] not in ("wide", "growth") if five else row["part"] == part)
    ]


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


def epochs_table(rows):
    """Seconds per epoch, GFLOP/s, share of the limit, and how many times as fast rustbp is."""
    cells = [
        (
            f"{row['name']} {key}",
            f"{figures['seconds']:.4f}",
            f"{figures['gflops']:.1f}",
            f"{figures['share']:.0%}",
            "" if key in ("rustbp", "rustbp float64") else f"{figures['ratio']:.2f}",
        )
        for row in rows
        for key, figures in row["contenders"].items()
    ]
    head = ["contender", "seconds per epoch", "GFLOP/s", "of the limit", "time / rustbp's"]
    return _table(head, cells)


def _wide_cell(row, key):
    figures = row["contenders"].get(key)
    if not figures:
        return ""
    ratio = "" if key in ("rustbp", "rustbp float64") else f", {figures['ratio']:.2f}"
    return f"{figures['gflops']:.0f} ({figures['share']:.0%}){ratio}"


def wide_table(rows, dtype):
    """A row for each net of a dtype: the limit, and each contender's GFLOP/s, share of it, and time over rustbp's."""
    rows = [row for row in rows if dtype in row["limit"]]
    wanted = [
        key
        for key in dict.fromkeys(key for row in rows for key in row["contenders"])
        if key.endswith("float64") == (dtype == "float64")
    ]
    cells = [
        (
            f"{row['net']} {row['trained by']}",
            row["batch"],
            f"{row['limit'][dtype]:.0f}",
            *[_wide_cell(row, key) for key in wanted],
        )
        for row in rows
    ]
    return _table([f"net, {dtype}", "batch", "limit", *wanted], cells)


def wide_tables(rows):
    """That of float32 and that of float64, as far as they have been measured."""
    dtypes = sorted({dtype for row in rows for dtype in row["limit"]})
    return "\n\n".join(wide_table(rows, dtype) for dtype in dtypes)


def goals_table(goals):
    """Every goal, what was measured, and whether it was reached."""
    cells = [
        (
            goal["what"],
            f"{goal['measured']:.3g} {goal['unit']}",
            f"{goal['bound']} {goal['goal']:g} {goal['unit']}",
            "met" if goal["met"] else "missed",
        )
        for goal in goals
    ]
    return _table(["goal", "measured", "wanted", ""], cells)


def goals_section(goals):
    """How many are met, the table of those that are not, and that of all."""
    missed = [goal for goal in goals if not goal["met"]]
    parts = [f"{len(goals) - len(missed)} of {len(goals)} are met."]
    if missed:
        parts += ["Missed:", goals_table(missed)]
    details = ["<details>", "<summary>All of them</summary>", goals_table(goals), "</details>"]
    return "\n\n".join(parts + details)


def serve_cells(row):
    """Name, both classes, ratio."""
    ours, theirs = (f"{row[peer]:.3g} {row['unit']}" for peer in ("rustbp", "scikit-learn"))
    return row["name"], ours, theirs, f"{row['ratio']:.1f}" if row["ratio"] else ""


def serve_line(row):
    """A record of serve.py in one line."""
    name, ours, theirs, ratio = serve_cells(row)
    return f"{name}: rustbp {ours}, scikit-learn {theirs}{ratio and f', {ratio} times'}"


def serve_table(rows):
    """Latency and memory, rustbp and scikit-learn."""
    return _table(["figure", "rustbp", "scikit-learn", "ratio"], map(serve_cells, rows))


def _limits(result):
    """The limits of the entries with the usual number of threads, from the lowest to the highest, by dtype."""
    found = {}
    for row in result["workloads"]:
        if row["threads"] == result["machine"]["threads"]:
            for dtype, gflops in row["limit"].items():
                found.setdefault(dtype, []).append(gflops)
    return [f"{min(all_):.0f} to {max(all_):.0f} in {dtype}" for dtype, all_ in found.items()]


def machine_lines(result):
    """What the figures were measured on and with."""
    m = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
    limits = ", ".join(_limits(result))
    lines = [
        f"{m['cpu']} ({m['architecture']}), {m['processors']} processors, {m['threads']} threads per contender, "
        f'kernel "{m["kernel"]}", {m["system"]}, Python {m["python"]}.',
        f"{versions}." if versions else "",
        f"NumPy's BLAS: {result['blas']}." if result["blas"] else "",
        "W1 to W3 on MNIST." if result["mnist"] else "W1 to W3 on random numbers of MNIST's shape.",
        f"Limit, GFLOP/s: {limits}." if limits else "",
    ]
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
    tables = {"five": epochs_table, "wide": wide_tables, "growth": epochs_table}
    parts = [make(rows) for part, make in tables.items() if (rows := of_part(result, part))]
    if result["serve"]:
        parts.append(serve_table(result["serve"]))
    if result["goals"]:
        parts.append(goals_table(result["goals"]))
    return "\n\n".join([*parts, "\n".join(machine_lines(result))])


def _picture(name, alt):
    path = HERE / "plots" / f"{name}.svg"
    return [f"![{alt}](plots/{path.name})"] if path.exists() else []


def other_processors(results):
    """The wide nets elsewhere, each with its machine."""
    parts = ["### Wide layers on other processors"]
    for result in results:
        lines = [line for line in machine_lines(result) if "W1 to W3" not in line]
        parts += [
            f"Measured on {result['date']}:",
            "\n".join(f"- {line}" for line in lines),
            wide_tables(of_part(result, "wide")),
        ]
    return parts


def section(result, others=()):
    """What stands between the markers."""
    lines = "\n".join(f"- {line}" for line in machine_lines(result))
    parts = [f"Measured on {result['date']}:", lines]
    if rows := of_part(result, "five"):
        parts += ["### Training", *_picture("training", TRAINING_ALT), epochs_table(rows)]
    if rows := of_part(result, "wide"):
        about = (
            "In each cell GFLOP/s, the share of the limit, and the contender's time divided by "
            "that of rustbp in the same dtype without `compute`."
        )
        parts += ["### Wide layers", *_picture("wide", WIDE_ALT), about, wide_tables(rows)]
    if others:
        parts += other_processors(others)
    if result["serve"]:
        parts += ["### Import, latency, memory", serve_table(result["serve"])]
    if result["goals"]:
        parts += ["### Goals", goals_section(result["goals"])]
    if of_part(result, "growth"):
        parts += ["### How cost grows", *_picture("scaling", SCALING_ALT)]
    return "\n\n".join(parts)


def make_page():
    """Draw the pictures, and replace what stands between the markers of README.md."""
    import plot

    result = json.loads(RESULT.read_text())
    others = [json.loads(path.read_text()) for path in sorted(RESULT.parent.glob(OTHERS))]
    plot.draw(result)
    path = HERE / "README.md"
    before, begin, rest = path.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"README.md must have the lines {BEGIN} and {END}")
    path.write_text(f"{before}{BEGIN}\n\n{section(result, others)}\n\n{END}{after}")
    print(f"{path.name} is up to date with {RESULT.name}")
