"""Does one activation under four names come out as one: equal scores, equivalent, at the same cost?

    nice -n 0 python benchmarks/same_activation.py        # some minutes; needs an idle machine

Each repetition is a search in a process of its own: relu, and three copies of it, registered as activations of a
user. What executions cost by themselves is beside it: their sums, and their median epochs.
"""

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
COPIES = ("copied_relu", "second_relu", "third_relu")
WITHIN = 0.03


def searched(executions: int, epochs: int) -> Any:
    """The result of a search on digits over relu and its copies."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras
    from sklearn.datasets import load_digits

    import actsearch

    for name in COPIES:
        _register(name)
    x, y = load_digits(return_X_y=True)
    x, y = (x / 16).astype("float32"), y.astype("int32")

    def build(hp: Any) -> Any:
        activation = actsearch.choose(hp, {"activations": ["relu", *COPIES]})
        parts = [keras.Input((64,))]
        for _ in range(3):
            parts += [keras.layers.Dense(64, kernel_initializer=activation.initializer()), activation.layer()]
        model = keras.Sequential([*parts, keras.layers.Dense(10, activation="softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    with tempfile.TemporaryDirectory() as folder:
        tuner = actsearch.ActivationTuner(
            build, executions=executions, epochs=epochs, directory=folder, tracking=False, verbose=0
        )
        parts = {"validation_data": (x[1200:1500], y[1200:1500]), "test_data": (x[1500:], y[1500:])}
        return tuner.search(x[:1200], y[:1200], **parts)


def _register(name: str) -> None:
    """A copy of relu as a user would write it, under a name of its own."""
    import keras

    import actsearch

    def copy(x: Any) -> Any:
        return keras.activations.relu(x)

    copy.__name__ = copy.__qualname__ = name
    actsearch.register_activation(name)(copy)


def described(result: Any) -> dict[str, Any]:
    """What a search found of the copies."""
    baseline, *copies = result.trials
    (measurement,) = result.record.measurements
    ratios = {c.activation: c.cost_ratios for c in result.verdict.comparisons}
    return {
        "equal_scores": all(trial.scores == baseline.scores for trial in copies),
        "equal_bytes": len({e.resources.training_memory_bytes for t in result.trials for e in t.executions}) == 1,
        "training_memory_bytes": baseline.completed[0].resources.training_memory_bytes,
        "outcomes": {c.activation: c.outcome.value for c in result.verdict.comparisons},
        "ratios": {
            name: {cost: [r.estimate, r.interval.low, r.interval.high] for cost, r in costs.items()}
            for name, costs in ratios.items()
        },
        "of_executions": {trial.activation: _of_executions(trial, baseline) for trial in copies},
        "num_rounds": measurement.num_rounds,
        "measured_seconds": measurement.seconds,
        "search_seconds": result.record.ended_at - result.record.created_at,
        "notes": list(result.verdict.notes),
        "load": os.getloadavg()[0],
    }


def _of_executions(trial: Any, baseline: Any) -> dict[str, float]:
    """Ratios of the executions' training times: as the clock showed them, and by median epochs."""
    pairs = list(zip(trial.executions, baseline.executions, strict=True))
    ratios = {}
    for name in ("train_wall_seconds", "train_seconds"):
        logs = [math.log(getattr(a.resources, name) / getattr(b.resources, name)) for a, b in pairs]
        ratios[name] = math.exp(statistics.fmean(logs))
    return ratios


def furthest(runs: list[dict[str, Any]]) -> dict[str, float]:
    """How far each ratio was from 1 at most, over all runs and copies."""
    found: dict[str, float] = {}
    for run in runs:
        for costs in run["ratios"].values():
            for cost, (estimate, *_) in costs.items():
                found[cost] = max(found.get(cost, 0.0), abs(estimate - 1))
        for costs in run["of_executions"].values():
            for cost, estimate in costs.items():
                found[f"{cost} of executions"] = max(found.get(f"{cost} of executions", 0.0), abs(estimate - 1))
    return found


def main() -> None:
    """Runs the searches, prints what they found, and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--executions", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--once", action="store_true", help="one search in this process; prints its JSON")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "same_activation.json")
    options = parser.parse_args()
    if options.once:
        print(json.dumps(described(searched(options.executions, options.epochs))))
        return
    numbers = [f"--executions={options.executions}", f"--epochs={options.epochs}"]
    runs = []
    for _ in range(options.repetitions):
        command = [sys.executable, __file__, "--once", *numbers]
        runs.append(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
        print({cost: f"{100 * far:.1f} %" for cost, far in furthest(runs[-1:]).items()}, flush=True)
    found = {
        "question": __doc__.splitlines()[0],
        "executions": options.executions,
        "epochs": options.epochs,
        "furthest_from_1": furthest(runs),
        "runs": runs,
        "versions": {"python": platform.python_version()} | {n: version(n) for n in ("tensorflow", "keras", "numpy")},
        "hardware": {"machine": platform.machine(), "num_cores": os.cpu_count()},
    }
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    for run in runs:
        assert run["equal_scores"], "one activation under two names has other scores"
        assert run["equal_bytes"], "one activation under two names needs other memory"
        assert set(run["outcomes"].values()) == {"equivalent"}, run["outcomes"]
    far = {cost: value for cost, value in found["furthest_from_1"].items() if "execution" not in cost}
    print("within 3 %" if max(far.values()) <= WITHIN else f"NOT within 3 %: {far}")


if __name__ == "__main__":
    main()
