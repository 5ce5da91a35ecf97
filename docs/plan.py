"""Draw the plan of architecture.md, images/plan.svg: python docs/plan.py

Plain SVG, one column of boxes, so that it can be read where the repository is browsed, on the site and on a telephone.
"""

from html import escape
from pathlib import Path

FILE = Path(__file__).parent / "images" / "plan.svg"

# Two houses, from top to bottom; boxes side by side do not import each other. What is in a box, and what that is.
PYTHON = [
    [["__init__", "the public names"]],
    [
        [
            "display/, _onnx/, inspection, gradient_check, hidden, ",
            "sensitivity, history, monitor, checkpoint, learning_rate",
            "looking at models and fits",
        ]
    ],
    [["dask/", "on a cluster"], ["tabular/", "tables as they come"]],
    [["classifier, regressor, _base, _labels, convert", "the estimators"]],
    [["_io/", "model files"]],
    [["partitions/, chunks/", "rows that are elsewhere"]],
    [["_training/", "epochs, L-BFGS, first weights, callbacks"]],
]
RUST = [
    [["python/", "the native module, _core"]],
    [["predict, predict_few, inspect, input_gradients, format/", "what it is used for"]],
    [["training/", "an epoch, the optimizers; sharing/: how threads share a batch"]],
    [["backprop/", "forward; BP1, BP2, BP3, BP4"]],
    [["data/", "X, y, weights; rows of a batch"]],
    [["network/", "shape, parameters, activations, costs"]],
    [["linalg/", "zeros/ → dense/ → kernels/ → memory/; team: threads"]],
]

WIDTH, INSIDE, LINE, GAP = 460, 420, 17, 22
STYLE = """
text { font: 13px system-ui, sans-serif; text-anchor: middle; fill: #1b1f24 }
.name { font-weight: 600 } .house { font-size: 15px; text-anchor: start; font-weight: 600 }
.room { fill: #fff; stroke: #57606a } path { stroke: #57606a; fill: none; marker-end: url(#tip) }
"""


def house(title, rows, color, top):
    """The elements of one house, and where it ends."""
    drawn, y = [], top + 36
    for number, row in enumerate(rows):
        width = (INSIDE - GAP * (len(row) - 1)) / len(row)
        height = LINE * max(map(len, row)) + 12
        if number:
            above = rows[number - 1]
            for center in centers(row if len(row) > len(above) else above):
                drawn.append(arrow(center, y - GAP, y))
        for center, lines in zip(centers(row), row, strict=True):
            drawn.append(
                f'<rect class="room" x="{center - width / 2:g}" y="{y}" width="{width:g}" height="{height}" rx="6"/>'
            )
            for place, line in enumerate(lines, start=1):
                kind = ' class="name"' if place < len(lines) else ""
                drawn.append(
                    f'<text{kind} x="{center:g}" y="{y + LINE * place + 2}">{escape(line.strip())}</text>'
                )
        y += height + GAP
    end = y - GAP + 14
    frame = (
        f'<rect x="4" y="{top}" width="{WIDTH - 8}" height="{end - top}" rx="10" fill="{color}"/>'
    )
    heading = f'<text class="house" x="20" y="{top + 23}">{escape(title)}</text>'
    return [frame, heading, *drawn], end


def centers(row):
    each = (INSIDE + GAP) / len(row)
    start = (WIDTH - INSIDE - GAP) / 2
    return [start + each * (place + 0.5) for place in range(len(row))]


def arrow(x, start, end):
    return f'<path d="M{x:g} {start}V{end - 2}"/>'


def plan():
    above, end = house("python/rustbp/", PYTHON, "#ddf4ff", 4)
    below, last = house("src/", RUST, "#fff1e5", end + 40)
    between = [
        arrow(WIDTH / 2, end - 14, end + 76),
        f'<text class="name" x="{WIDTH / 2 + 50:g}" y="{end + 25}">_core.pyi</text>',
    ]
    size = f'width="{WIDTH}" height="{last + 4}" viewBox="0 0 {WIDTH} {last + 4}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
            f"<style>{STYLE}</style>",
            '<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="6" refY="4" orient="auto">'
            '<path style="marker-end: none; fill: #57606a" d="M0 1L7 4L0 7z"/></marker></defs>',
            '<rect width="100%" height="100%" fill="#fff"/>',
            *above,
            *below,
            *between,
            "</svg>",
            "",
        ]
    )


if __name__ == "__main__":
    FILE.write_text(plan(), encoding="utf-8")
