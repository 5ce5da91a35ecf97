"""What the project wants to reach, and whether a measurement does. All with two threads."""

# Times as fast as each peer, in float32.
FIVE = {
    "W1": {"JAX": 3, "scikit-learn": 13, "PyTorch": 25},
    "W2": {"JAX": 1.7, "scikit-learn": 3.2, "PyTorch": 3},
    "W3": {"JAX": 1.2, "scikit-learn": 2.3, "PyTorch": 1.4},
    "W4": {"JAX": 3, "scikit-learn": 9, "PyTorch": 11},
    "W5": {"JAX": 2.5, "scikit-learn": 5, "PyTorch": 8},
}
FIVE_FLOAT64 = 1.8

# Of a wide net by its width: times as fast as JAX, and shares of the limit. Adam's state at 4096 is more traffic to and
# from memory than arithmetic.
WIDTHS = {
    256: (1.7, {"sgd": 0.80, "adam": 0.80}),
    512: (1.15, {"sgd": 0.90, "adam": 0.88}),
    1024: (1.15, {"sgd": 0.90, "adam": 0.88}),
    2048: (1.08, {"sgd": 0.90, "adam": 0.82}),
    4096: (1.15, {"sgd": 0.88, "adam": 0.65}),
}
WIDTHS_OTHER_PEERS = 1.5
WIDTHS_FLOAT64_SHARE, WIDTHS_FLOAT64 = 0.85, 1.3
# Than rustbp itself in float32, from 1024 neurons.
WIDTHS_BFLOAT16 = 1.6
# By rows of a batch: times as fast as JAX.
BATCHES = {32: 1.3, 64: 1.3, 128: 1.3, 512: 1.1, 1024: 1.1, 4096: 1.1}
# Any other wide net, and any other peer: ahead.
AHEAD = 1

# name of the figure -> (key of its record, what it must be at least or at most, the number, unit)
SERVE = {
    "import": ("difference", "at most", 0.050, "s more"),
    "digits fit": ("ratio", "at least", 5, "x"),
    "digits fit, lbfgs": ("ratio", "at least", 5, "x"),
    "one-row predict_proba": ("rustbp", "at most", 12, "us"),
    "100,000-row predict_proba": ("ratio", "at least", 1.7, "x"),
    "20,000-row predict_proba, 128-2048-2048-10": ("ratio", "at least", 1.3, "x"),
    "sparse fit, 1 epoch": ("ratio", "at least", 5, "x"),
    # A fit needs no copy of X, which here would be 38 MiB.
    "fit memory beyond X": ("rustbp", "at most", 10, "MiB"),
    "predict memory beyond output": ("rustbp", "at most", 10, "MiB"),
}
PEERS = ("JAX", "scikit-learn", "PyTorch")


def _goal(what, measured, bound, number, unit):
    met = measured >= number if bound == "at least" else measured <= number
    return {
        "what": what,
        "measured": measured,
        "goal": number,
        "bound": bound,
        "unit": unit,
        "met": met,
    }


def _ratios(numbers):
    return [(peer, "times as fast", number) for peer, number in numbers.items()]


def wanted(record):
    """What is wanted of an entry: (contender, which figure of it, the number)."""
    ahead = dict.fromkeys(PEERS, AHEAD)
    if record["part"] in FIVE:
        return _ratios(FIVE[record["part"]] | {"scikit-learn float64": FIVE_FLOAT64})
    if record["sweep"] == "wide: batch":
        return _ratios(ahead | {"JAX": BATCHES[record["x"]]})
    if record["sweep"] == "wide: width" and record["x"] in WIDTHS:
        jax, shares = WIDTHS[record["x"]]
        ratios = dict.fromkeys(PEERS, WIDTHS_OTHER_PEERS) | {"JAX": jax}
        return [
            ("rustbp", "share", shares[record["trained by"].split()[1]]),
            *_ratios(ratios),
            ("rustbp float64", "share", WIDTHS_FLOAT64_SHARE),
            *_ratios({"scikit-learn float64": WIDTHS_FLOAT64}),
            ("rustbp bfloat16", "times as fast as rustbp", WIDTHS_BFLOAT16),
        ]
    return _ratios(ahead) if record["part"] == "wide" else []


def _judged(record, contender, which, number):
    name, figures = record["name"], record["contenders"][contender]
    match which:
        case "times as fast":
            return _goal(f"{name} than {contender}", figures["ratio"], "at least", number, "x")
        case "times as fast as rustbp":
            # The ratio of a contender is its time over rustbp's: here ours to ours, and less than one.
            what = f"{name} in bfloat16 than in float32"
            return _goal(what, 1 / figures["ratio"], "at least", number, "x")
        case "share":
            what = f"{name} in {figures['dtype']}"
            percent = 100 * figures["share"]
            return _goal(what, percent, "at least", round(100 * number), "% of the limit")


def judge(result):
    """One record per goal that the measurement has a figure for."""
    judged = [
        _judged(record, *goal)
        for record in result["workloads"]
        for goal in wanted(record)
        if goal[0] in record["contenders"]
    ]
    for row in result["serve"]:
        if row["name"] in SERVE:
            key, *rest = SERVE[row["name"]]
            judged.append(_goal(row["name"], row[key], *rest))
    return judged
