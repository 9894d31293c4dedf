"""Does a race decide on real training what a fixed grid decides, with fewer executions?

Trains every candidate of `everything` on digits (an MLP of 3 x 64) with a fixed number of executions, and in races from
two seeds of the search. Prints and writes executions, seconds, what each decides, and where two of them contradict
each other (one says better, the other worse).

    python benchmarks/race_on_digits.py --output benchmarks/results/race_on_digits.json
"""

import argparse
import itertools
import json
import platform
import tempfile
import time
from importlib import metadata
from pathlib import Path

from actsearch._startup import load_tensorflow

load_tensorflow()

from actsearch.data import load_data  # noqa: E402
from actsearch.spaces import load_space  # noqa: E402
from actsearch.swap import network_builder, output_for  # noqa: E402
from actsearch.tracking.store import MLflow  # noqa: E402
from actsearch.tuning.allocation import Fixed, Race  # noqa: E402
from actsearch.tuning.tuner import ActivationTuner  # noqa: E402


def run(allocation: str, seed: int, arguments: argparse.Namespace) -> dict:
    """One search; what it used and what it decided."""
    data = load_data("digits")
    output = output_for(data.task, data.num_classes)
    build = network_builder("mlp", load_space("everything"), data.input_shape, output)
    with tempfile.TemporaryDirectory() as folder:
        tuner = ActivationTuner(
            build,
            allocation=Race(arguments.executions) if allocation == "race" else Fixed(arguments.executions),
            epochs=arguments.epochs,
            seed=seed,
            directory=f"{folder}/search",
            tracking=MLflow(f"sqlite:///{folder}/mlflow.db"),
            verbose=0,
        )
        begin = time.perf_counter()
        result = tuner.search(
            data.x_train, data.y_train, validation_data=(data.x_val, data.y_val), test_data=(data.x_test, data.y_test)
        )
        seconds = time.perf_counter() - begin
    verdict = result.verdict
    return {
        "allocation": allocation,
        "seed": seed,
        "executions": sum(len(trial.executions) for trial in result.trials),
        "seconds": round(seconds, 1),
        "not_the_best": sorted(comparison.activation for comparison in verdict.comparisons if comparison.beaten),
        "outcomes": {comparison.activation: str(comparison.outcome) for comparison in verdict.comparisons},
        "recommendation": verdict.recommendation,
    }


def compared(one: dict, other: dict) -> dict:
    """Where both decide: how often they agree; and whether they contradict each other."""
    pairs = {name: (one["outcomes"][name], other["outcomes"][name]) for name in one["outcomes"]}
    both = {name: pair for name, pair in pairs.items() if "undecided" not in pair}
    return {
        "searches": [f"{s['allocation']} {s['seed']}" for s in (one, other)],
        "both_decide": len(both),
        "agree": sum(a == b for a, b in both.values()),
        "differ": {name: pair for name, pair in both.items() if pair[0] != pair[1]},
        "contradictions": [name for name, pair in both.items() if set(pair) == {"better", "worse"}],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executions", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    searches = [run(name, seed, arguments) for name, seed in (("fixed", 0), ("race", 0), ("race", 1))]
    for search in searches:
        print(
            f"{search['allocation']:>6} seed {search['seed']}: {search['executions']} executions, {search['seconds']} s"
        )
        print(f"        {search['recommendation']}")
    comparisons = [compared(one, other) for one, other in itertools.combinations(searches, 2)]
    for comparison in comparisons:
        print(comparison)
    result = {
        "versions": {name: metadata.version(name) for name in ("actsearch", "tensorflow", "keras", "numpy")},
        "python": platform.python_version(),
        "executions": arguments.executions,
        "epochs": arguments.epochs,
        "searches": searches,
        "comparisons": comparisons,
    }
    if arguments.output:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
