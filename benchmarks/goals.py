"""What the project wants to reach, and whether a measurement does."""

# Times as fast as each peer, in float32 with two threads.
EPOCH_GOALS = {
    "W1": {"JAX": 3, "scikit-learn": 13, "PyTorch": 25},
    "W2": {"JAX": 1.7, "scikit-learn": 3.2, "PyTorch": 3},
    "W3": {"JAX": 1.2, "scikit-learn": 2.3, "PyTorch": 1.4},
    "W4": {"JAX": 3, "scikit-learn": 9, "PyTorch": 11},
    "W5": {"JAX": 2.5, "scikit-learn": 5, "PyTorch": 8},
}
FLOAT64_GOAL = 1.8
BFLOAT16_GOAL = 1.7

# name of the figure -> (key of its record, what it must be at least or at most, the number, unit)
SERVE_GOALS = {
    "import": ("difference", "at most", 0.050, "s more"),
    "digits fit": ("ratio", "at least", 10, "x"),
    "one-row predict_proba": ("rustbp", "at most", 12, "us"),
    "100,000-row predict_proba": ("ratio", "at least", 1.7, "x"),
    "sparse fit, 1 epoch": ("ratio", "at least", 5, "x"),
    # A fit needs no copy of X, which here would be 38 MiB.
    "fit memory beyond X": ("rustbp", "at most", 10, "MiB"),
    "predict memory beyond output": ("rustbp", "at most", 10, "MiB"),
}


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


def judge(result):
    """One record per goal that the measurement has a figure for."""
    judged = []
    for workload in result["workloads"]:
        name, contenders = workload["name"], workload["contenders"]
        for peer, number in EPOCH_GOALS.get(name, {}).items():
            if peer in contenders:
                ratio = contenders[peer]["ratio"]
                judged.append(_goal(f"{name} than {peer}", ratio, "at least", number, "x"))
        if "scikit-learn float64" in contenders:
            ratio = contenders["scikit-learn float64"]["ratio"]
            what = f"{name} than scikit-learn, float64"
            judged.append(_goal(what, ratio, "at least", FLOAT64_GOAL, "x"))
        if "rustbp bfloat16" in contenders:
            # The ratio of a contender is its time over rustbp's: here ours to ours, and less than one.
            ratio = 1 / contenders["rustbp bfloat16"]["ratio"]
            what = f"{name} in bfloat16 than in float32"
            judged.append(_goal(what, ratio, "at least", BFLOAT16_GOAL, "x"))
    for row in result["serve"]:
        if row["name"] in SERVE_GOALS:
            key, *rest = SERVE_GOALS[row["name"]]
            judged.append(_goal(row["name"], row[key], *rest))
    return judged
