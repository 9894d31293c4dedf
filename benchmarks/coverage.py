"""Do the intervals for new data cover the mean over new data? Searches of small networks with unlimited data.

    python benchmarks/coverage.py                                # some 70 minutes on a shared core
    python benchmarks/coverage.py --searches 60 --cells regression-300 --output /tmp/coverage.json

Three populations: the generator of MNIST-1D (10 classes), scikit-learn's `make_classification` with a tenth of the
labels at random, and Friedman's regression with heavy-tailed noise. In each, 200 searches draw a data set of 180, 300,
1,000 or 3,000 samples and compare tanh, elu, gelu and a second relu with relu; the second one is exactly equal to the
baseline but for its draws. Truth is the mean over independent draws of data set, seed and test samples.

For each division into parts and number of executions: how often the 95 % interval covers the truth, how wide it is
relative to that of Nadeau and Bengio (2003), what Student's interval over executions covers, how often a search claims
anything wrong at a level of 5 %, and how often it claims the differences that there are.
`known_spread_to_nadeau_bengio` is the relative width of an interval from the true spread of the mean over searches,
which a single search cannot know: none around the mean that covers as promised is narrower.
`unseen_to_within` is what the variance of the mean has beyond what one search shows, in units of the variance of a mean
over one test part: the part that `differences.TRAINING` stands for. Last, values that are drawn instead of trained: see
`coverage_stress`.
"""

import argparse
import json
import math
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import scipy
import tensorflow as tf
from coverage_networks import ARMS
from coverage_searches import FOLDS, SPLITS, Cell, Searches, load_or_train
from coverage_stress import stressed
from scipy import special

from actsearch.analysis.differences import Differences, pooled
from actsearch.analysis.statistics import Array, resolution
from actsearch.analysis.verdict import Tests, adjusted
from actsearch.records import Scope

ALPHA, LEVEL = 0.05, 0.95
NORMAL = float(special.ndtri(1 - ALPHA / 2))
NUM_TRAINING_PER_TEST = 3
POPULATIONS = "classification", "regression", "mnist1d"
SIZES = {180: (5, 1500), 300: (30, 1500), 1000: (10, 1500), 3000: (5, 1000)}  # samples: executions, draws of the truth
COUNTS = 3, 5, 10, 30
CANDIDATES = range(1, len(ARMS))
RESULTS = Path(__file__).parent / "results" / "coverage.json"
METHODS = "ours", "unpooled", "student", "nadeau_bengio"


def main() -> None:
    """Trains what no file has, prints a line per row, and writes the JSON and the figure."""
    parser = argparse.ArgumentParser(description="coverage of the intervals for new data")
    parser.add_argument("--searches", type=int, default=200)
    parser.add_argument("--cells", nargs="*", help="such as regression-300; all by default")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "actsearch-coverage")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    rows, seconds = [], 0.0
    for cell in cells(options.searches, options.cells):
        found = load_or_train(cell, options.cache)
        seconds += float(found.seconds)
        rows += [show(row) for row in rows_of(cell, found)]
    result = {
        "what": __doc__,
        "settings": {"level": LEVEL, "alpha": ALPHA, "searches": options.searches, "arms": ARMS},
        "environment": {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__}
        | {"tensorflow": tf.__version__, "cpu_threads": 1},
        "seconds_of_training": round(seconds),
        "summary": summary(rows),
        "rows": rows,
        "drawn_values": [show(row) for row in stressed(options.searches)],
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=1) + "\n")
    draw(rows, options.output.with_suffix(".png"))
    print(json.dumps(result["summary"], indent=1))


def cells(searches: int, labels: list[str] | None) -> Iterator[Cell]:
    """Yields the cells, small ones first."""
    for size, (executions, draws) in SIZES.items():
        for name in POPULATIONS:
            cell = Cell(name, size, executions, searches, draws)
            if not labels or cell.label in labels:
                yield cell


def show(row: dict[str, Any]) -> dict[str, Any]:
    """Prints a row on one line."""
    print(json.dumps(row), flush=True)
    return row


def rows_of(cell: Cell, found: Searches) -> Iterator[dict[str, Any]]:
    """Yields a row for each kind of values, division and number of executions."""
    regression = cell.name == "regression"
    kinds = {"absolute error" if regression else "accuracy": found.scores}
    kinds["squared error" if regression else "cross-entropy"] = found.losses
    for kind, (name, values) in enumerate(kinds.items()):
        sign = 1 if name == "accuracy" else -1
        draws = sign * (found.truth[:, 1:, kind] - found.truth[:, :1, kind])
        margin = 0.005 if name == "accuracy" else 0.01 * float(found.truth[:, 0, kind].mean())
        widths = {}
        for s, split in enumerate(SPLITS):
            for executions in COUNTS:
                if executions > cell.executions or (split == "5-fold" and executions % FOLDS):
                    continue
                parts = found.tested[s, :, :executions], sign * values[s, :, :executions].astype(float)
                row = judged(*parts, draws.mean(0), margin, stepped=name == "accuracy")
                widths[split, executions] = row["half_width"]["nadeau_bengio"]
                yield {
                    "population": cell.name,
                    "samples": cell.num_samples,
                    "values": name,
                    "splits": split,
                    "executions": executions,
                    "truth": np.round(draws.mean(0), 5).tolist(),
                    "truth_error": np.round(draws.std(0, ddof=1) / math.sqrt(len(draws)), 5).tolist(),
                    **row,
                    "width_to_nadeau_bengio_each": ratio(row["half_width"]["ours"], widths["each", executions]),
                }


def judged(tested: Array, values: Array, truth: Array, margin: float, *, stepped: bool) -> dict[str, Any]:
    """Judges all searches of a row; values of shape (searches, J, arms, m), truth of each candidate."""
    misses = {m: np.zeros(len(truth)) for m in METHODS}
    widths = {m: np.zeros(len(truth)) for m in METHODS}
    claims = {m: np.zeros(3) for m in METHODS}
    unseen, within, errors = (np.zeros(len(truth)) for _ in range(3))
    for where, value in zip(tested, values, strict=True):
        floor = resolution(value.mean(-1)) if stepped else 0.0
        by_method = families(where, value, floor)
        for c, (candidate, _) in enumerate(by_method["unpooled"]):
            moments = candidate.moments
            seen = candidate.means.var(ddof=1) / candidate.size + moments.shared
            errors[c] += (candidate.mean - truth[c]) ** 2
            unseen[c] += (candidate.mean - truth[c]) ** 2 - seen
            within[c] += moments.variance / moments.num_test
        for method, family in by_method.items():
            for c, (candidate, correction) in enumerate(family):
                reach = correction * (candidate.interval(LEVEL).high - candidate.mean)
                misses[method][c] += abs(candidate.mean - truth[c]) > reach
                widths[method][c] += reach
            claims[method] += claimed(family, truth, margin)
    num = len(tested)
    return {
        "coverage": {m: ratio(1 - misses[m].mean(), num, of_misses=True) for m in METHODS},
        "lowest_candidate": {m: round(1 - float(misses[m].max()) / num, 4) for m in METHODS},
        "half_width": {m: (widths[m] / num).round(6).tolist() for m in METHODS},
        "width_to_nadeau_bengio": ratio((widths["ours"] / num).tolist(), (widths["nadeau_bengio"] / num).tolist()),
        "known_spread_to_nadeau_bengio": ratio(
            (NORMAL * np.sqrt(errors / num)).tolist(), (widths["nadeau_bengio"] / num).tolist()
        ),
        "family_wise_wrong": {m: round(claims[m][0] / num, 4) for m in METHODS},
        "differences_found": {m: round(claims[m][1] / num / (len(truth) - 1), 4) for m in METHODS},
        "equivalences_found": {m: round(claims[m][2] / num / len(truth), 4) for m in METHODS},
        "unseen_to_within": np.round(unseen / within, 3).tolist(),
    }


def families(tested: Array, value: Array, floor: float) -> dict[str, list[tuple[Differences, float]]]:
    """The candidates of one search by method, each with the factor of its half-width; value (J, arms, m)."""
    values = [value[:, c] - value[:, 0] for c in CANDIDATES]
    means = [v.mean(1) for v in values]
    num_training = NUM_TRAINING_PER_TEST * value.shape[-1]
    ours = [
        Differences(mean, tuple(zip(tested, v, strict=True)), floor, num_training=num_training)
        for mean, v in zip(means, values, strict=True)
    ]
    over_executions = [Differences(mean, floor=floor, scope=Scope.THESE_DATA) for mean in means]
    correction = math.sqrt(1 + len(value) / NUM_TRAINING_PER_TEST)  # (1/J + test/training) instead of 1/J
    return {
        "ours": [(d, 1.0) for d in pooled(ours)],
        "unpooled": [(d, 1.0) for d in ours],
        "student": [(d, 1.0) for d in over_executions],
        "nadeau_bengio": [(d, correction) for d in over_executions],
    }


def claimed(family: list[tuple[Differences, float]], truth: Array, margin: float) -> Array:
    """Returns whether a search claims anything wrong, and how many differences and equivalences it claims rightly."""
    tests = [p_values(d, correction, margin) for d, correction in family]
    wrong = differences = equivalences = 0
    for i, (different, same) in enumerate(tests):
        equal_by_design = i == len(tests) - 1
        if same is not None and adjusted(i, same, tests, len(tests)) <= ALPHA:
            right = equal_by_design or abs(truth[i]) < margin
            equivalences += right
        elif adjusted(i, different, tests, len(tests)) <= ALPHA:
            right = not equal_by_design and family[i][0].mean * truth[i] > 0
            differences += right
        else:
            continue
        wrong += not right
    return np.array([wrong > 0, differences, equivalences], dtype=float)


def p_values(found: Differences, correction: float, margin: float) -> Tests:
    """p of a difference, and p of equivalence as the verdict takes it, with the standard error times a factor."""
    if correction == 1:
        return found.p_value(), min(1.0, 2 * found.equivalence_p_value(margin))
    error = max(found.standard_error * correction, 1e-300)
    different = 2 * special.stdtr(found.df, -abs(found.mean) / error)
    return float(different), min(1.0, 2 * float(special.stdtr(found.df, -(margin - abs(found.mean)) / error)))


def ratio(first: Any, second: Any, *, of_misses: bool = False) -> float:
    """Mean ratio over candidates; or a share of searches from a mean number of misses."""
    if of_misses:
        return round(1 - (1 - float(first)) / second, 4)
    return round(float(np.mean(np.divide(first, second))), 3)


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means and the worst rows, by division and number of executions."""
    found = {}
    for split in SPLITS:
        for executions in COUNTS:
            group = [r for r in rows if r["splits"] == split and r["executions"] == executions]
            if not group:
                continue
            found[f"{split}, {executions} executions"] = {
                "rows": len(group),
                **{f"coverage_{m}": _range([r["coverage"][m] for r in group], min) for m in METHODS},
                "width_to_nadeau_bengio": _range([r["width_to_nadeau_bengio"] for r in group], max),
                "known_spread_to_nadeau_bengio": _range([r["known_spread_to_nadeau_bengio"] for r in group], max),
                "width_to_nadeau_bengio_each": _range([r["width_to_nadeau_bengio_each"] for r in group], max),
                "unseen_to_within": _range([float(np.mean(r["unseen_to_within"])) for r in group], max),
                **{f"wrong_{m}": _range([r["family_wise_wrong"][m] for r in group], max) for m in METHODS},
                **{f"found_{m}": _range([r["differences_found"][m] for r in group], min) for m in METHODS},
            }
    return found


def _range(values: list[float], worst: Any) -> dict[str, float]:
    return {"mean": round(float(np.mean(values)), 4), "worst": round(float(worst(values)), 4)}


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draws coverage and width of every row with five executions."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = [row for row in rows if row["executions"] == 5]
    if not rows:
        return
    figure, axes = plt.subplots(1, len(SPLITS), figsize=(12, 0.2 * len(rows) / len(SPLITS) + 1.6), sharey=True)
    labels = [f"{r['population']}, {r['samples']:,}, {r['values']}" for r in rows if r["splits"] == SPLITS[0]]
    styles = {"student": ("x", "tab:red", "Student"), "nadeau_bengio": ("|", "tab:gray", "Nadeau & Bengio")}
    styles["ours"] = ("o", "tab:blue", "for new data")
    for axis, split in zip(axes, SPLITS, strict=True):
        group = [r for r in rows if r["splits"] == split]
        for method, (marker, color, label) in styles.items():
            axis.plot([100 * r["coverage"][method] for r in group], range(len(group)), marker, color=color, label=label)
        for y, row in enumerate(group):
            axis.annotate(
                f"{row['width_to_nadeau_bengio']:.2f}", (100.5, y), fontsize=7, va="center", annotation_clip=False
            )
        axis.axvline(95, color="black", linewidth=0.6)
        axis.axvline(93, color="black", linewidth=0.6, linestyle=":")
        axis.set(
            title=f"splits {split}, 5 executions", xlabel="95 % intervals that cover the truth, %", xlim=(85, 100.3)
        )
    axes[0].set_yticks(range(len(labels)), labels, fontsize=8)
    axes[0].invert_yaxis()
    axes[0].legend(loc="lower left", fontsize=8)
    figure.suptitle("At the right: half-width relative to Nadeau & Bengio's", fontsize=8, x=0.99, ha="right")
    figure.tight_layout()
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    main()
