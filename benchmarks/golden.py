"""Eight searches, and everything of them that must not change: scores, decisions, verdicts, MLflow's runs.

    python benchmarks/golden.py record FILE      # on the tree before a change
    python benchmarks/golden.py compare FILE     # on the tree after it: prints each difference, exit status 1 if any

Numbers are compared to the last bit, so both runs belong on the same machine with the same packages. What is measured
(times, memory) and what is different in each run (ids, paths, versions) is left out.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

SMALL = ["--data", "digits", "--layers", "2", "--units", "16", "--epochs", "3"]
COMMANDS = {
    "grid": ["relu_variants", *SMALL, "--executions", "3"],
    "race": ["classic", *SMALL, "--allocation", "race", "--max-executions", "6"],
    "halving": ["relu_variants", *SMALL, "--allocation", "halving", "--executions", "1", "--epochs", "9"],
    "joint": ["joint", *SMALL, "--executions", "2", "--max-trials", "5"],
    "per_layer": ["per_layer", *SMALL, "--executions", "2", "--max-trials", "6"],
    "regression": ["elu_family", *SMALL[2:], "--data", "diabetes", "--executions", "2"],
}
OWN = """
import keras, actsearch
from sklearn.datasets import load_digits
keras.utils.set_random_seed(1)
x, y = load_digits(return_X_y=True)
x, y = (x[:600] / 16).astype("float32").reshape(-1, 8, 8, 1), y[:600]
inputs = keras.Input((8, 8, 1))
hidden = keras.layers.Conv2D(4, 3, activation="relu")(inputs)
hidden = keras.layers.ReLU()(keras.layers.BatchNormalization()(hidden))
hidden = keras.layers.Dense(12, activation="relu")(keras.layers.Flatten()(hidden))
model = keras.Model(inputs, keras.layers.Dense(10, activation="softmax")(hidden))
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
actsearch.search(model, x, y, space="prelu_family", epochs=2, executions=2, batch_size=32, directory="own")
"""
FAILING = """
import keras, actsearch
from sklearn.datasets import load_digits
x, y = load_digits(return_X_y=True)
x, y = (x[:400] / 16).astype("float32"), y[:400]
def build(hp):
    activation = actsearch.choose(hp, "relu_variants")
    if activation.name == "elu":
        raise ValueError("no elu today")
    rate = 1e30 if activation.name == "selu" else 1e-3
    layers = [keras.Input((64,)), keras.layers.Dense(12, kernel_initializer=activation.initializer()),
              activation.layer(), activation.dropout(0.1), keras.layers.Dense(10)]
    model = keras.Sequential(layers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(rate), loss, metrics=["accuracy"])
    return model
actsearch.search(build, x, y, epochs=2, executions=2, directory="failing")
"""
SCRIPTS = {"own": OWN, "failing": FAILING}
RENAMED = {"findings": "comparisons", "prices": "cost_ratios", "num_settings": "num_configurations"}
MEASURED = re.compile(
    r"second|^at$|_at$|rss|cpu|gpu|microsecond|samples|memory|system/|created|ended|search_id|environment|directory|version"
    r"|git|command|platform|mlflow\.(user|source|note|log|runName\.)|run_id|duration|host|artifact|traced|model_id|parentRunId"
)


def main() -> int:
    how, file = sys.argv[1], Path(sys.argv[2])
    found = {name: search(name) for name in [*COMMANDS, *SCRIPTS]}
    if how == "record":
        file.write_text(json.dumps(found, indent=1, sort_keys=True))
        return 0
    before = json.loads(file.read_text())
    for search_before in before.values():
        search_before["verdict"] = renamed(search_before["verdict"])
    differences = list(compared(before, json.loads(json.dumps(found)), ""))
    print("\n".join(differences) or "equal")
    return 1 if differences else 0


def renamed(value):
    """What was recorded of a verdict, under the names that it has today."""
    if isinstance(value, dict):
        return {RENAMED.get(name, name): renamed(part) for name, part in value.items()}
    return [renamed(part) for part in value] if isinstance(value, list) else value


def search(name: str) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        if name in COMMANDS:
            program = [sys.executable, "-c", "from actsearch.cli import main; main()"]
            command = [*program, "search", *COMMANDS[name], "--directory", name, "--quiet"]
        else:
            command = [sys.executable, "-c", SCRIPTS[name]]
        here = str(Path(__file__).resolve().parents[1])
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{name}: {done.stderr}")
        return facts(Path(folder), name)


def facts(folder: Path, name: str) -> dict:
    from mlflow import MlflowClient

    from actsearch.ledger import Ledger

    ledger = Ledger(folder / name)
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("actsearch")
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    return {
        "facts": [{"kind": str(f.kind), "body": without_measured(json.loads(f.body))} for f in ledger.facts()],
        "verdict": without_measured(plain(verdict_of(ledger.read()))),
        "runs": sorted((run_of(run) for run in runs), key=lambda run: json.dumps(run, sort_keys=True)),
    }


def verdict_of(record):
    try:
        from actsearch.analysis.verdict import verdict_of as judge
    except ImportError:
        from actsearch.analysis.verdict import judge
    return judge(record)


def run_of(run) -> dict:
    return {
        "name": run.info.run_name,
        "status": run.info.status,
        "metrics": without_measured(run.data.metrics),
        "params": without_measured(run.data.params),
        "tags": without_measured(run.data.tags),
    }


def plain(value):
    if isinstance(value, str | int | float | bool | None):
        return str(value) if isinstance(value, str) else value
    if hasattr(type(value), "__dataclass_fields__"):
        value = {name: getattr(value, name) for name in type(value).__dataclass_fields__}
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(part) for part in value]
    return str(value)


def without_measured(value):
    if isinstance(value, dict):
        return {k: without_measured(v) for k, v in value.items() if not MEASURED.search(k)}
    if isinstance(value, list):
        return [without_measured(v) for v in value]
    return value


def compared(old, new, where: str):
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            if key not in old or key not in new:
                yield f"{where}/{key}: only {'before' if key in old else 'after'}"
            else:
                yield from compared(old[key], new[key], f"{where}/{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, pair in enumerate(zip(old, new, strict=True)):
            yield from compared(*pair, f"{where}/{number}")
    elif repr(old) != repr(new):  # nan is nan
        yield f"{where}: {str(old)[:150]} -> {str(new)[:150]}"


if __name__ == "__main__":
    sys.exit(main())
