"""Do searches that differ in their seed alone agree, and do their intervals cover what they find on average?

    python benchmarks/seeds.py                       # some ten minutes

Eight searches each of breast_cancer, wine and diabetes, as `actsearch search` runs them: relu and six others, 15
epochs, a split for each execution. The mean gain over the eight stands for the truth. Two searches contradict each
other if one claims better where the other claims worse.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from actsearch.analysis.results import Outcome
from actsearch.cli.inputs import problem_of
from actsearch.tuning.progress import Silent

SPACE = "relu,elu,gelu,selu,tanh,sigmoid,leaky_relu"
DATA = "breast_cancer", "wine", "diabetes"
SEEDS = range(8)
RESULTS = Path(__file__).parent / "results" / "seeds.json"


def main() -> None:
    """Searches, prints a line for each data set, and writes the JSON."""
    parser = argparse.ArgumentParser(description="searches that differ in their seed")
    parser.add_argument("--executions", type=int, default=10)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows = []
    for data in DATA:
        verdicts = [searched(data, seed, options.executions) for seed in SEEDS]
        rows += [row(data, label, [each[label] for each in verdicts]) for label in verdicts[0]]
        shown = [r for r in rows if r["data"] == data]
        print(data, sum(r["covered"] for r in shown), "of", sum(r["searches"] for r in shown), "covered", flush=True)
    covered = sum(r["covered"] for r in rows) / sum(r["searches"] for r in rows)
    summary = {"covered": round(covered, 4), "contradictions": sum(r["contradicted"] for r in rows)}
    print(json.dumps(summary))
    result = {"what": __doc__, "executions": options.executions, "summary": summary, "rows": rows}
    options.output.write_text(json.dumps(result, indent=1) + "\n")


def searched(data: str, seed: int, executions: int) -> dict[str, Any]:
    """Returns the comparisons of one search by label."""
    from actsearch.training.data import TrainingData
    from actsearch.tuning.tuner import ActivationTuner

    dataset, build, objective = problem_of(data, None, {"seed": seed}, "mlp", SPACE, {}, {}, Silent())
    with tempfile.TemporaryDirectory() as folder:
        tuner = ActivationTuner(
            build, objective, executions=executions, epochs=15, seed=seed, tracking=False, directory=folder, verbose=0
        )
        result = tuner.search_data(TrainingData.of(dataset))
        return {each.activation: each for each in result.verdict.comparisons}


def row(data: str, label: str, comparisons: list[Any]) -> dict[str, Any]:
    """Compares the searches for one activation."""
    truth = statistics.fmean(each.difference for each in comparisons)
    outcomes = {each.outcome for each in comparisons}
    return {
        "data": data,
        "activation": label,
        "searches": len(comparisons),
        "mean_gain": round(truth, 5),
        "sd_of_gain": round(statistics.stdev(each.difference for each in comparisons), 5),
        "mean_half_width": round(statistics.fmean((c.interval.high - c.interval.low) / 2 for c in comparisons), 5),
        "covered": sum(truth in each.interval for each in comparisons),
        "outcomes": sorted(str(each.outcome) for each in comparisons),
        "contradicted": {Outcome.BETTER, Outcome.WORSE} <= outcomes,
    }


if __name__ == "__main__":
    main()
