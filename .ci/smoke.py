"""The quick start of README.md in an empty folder, with the `actsearch` that this Python has, and what must hold then.

    PYTHON .ci/smoke.py [--epochs 15] [--executions 5]

All executions and runs are in MLflow, the logged model loads without a warning about its optimizer and predicts what
the exported one does, the search resumes with one more execution, and MLflow has that too. Prints a line of JSON.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("tensorflow", "keras", "keras-tuner", "numpy", "pandas", "mlflow")
PREDICT = """
import json, sys, warnings
import mlflow, numpy as np
store, model = sys.argv[1:]
mlflow.set_tracking_uri(store)
x = np.linspace(0, 1, 128, dtype="float32").reshape(2, 8, 8, 1)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    logged = mlflow.pyfunc.load_model(model).predict(x)
assert not [w for w in caught if "optimizer" in str(w.message)], [str(w.message) for w in caught]
import actsearch.layers, keras
exported = keras.saving.load_model("best.keras", compile=False).predict(x, verbose=0)
np.testing.assert_allclose(logged, exported, atol=1e-6)
"""


def run(*arguments: object) -> str:
    """Runs a command; returns its standard output."""
    done = subprocess.run([str(each) for each in arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{arguments[1:3]} ended with status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return done.stdout


def check_mlflow(found: dict, executions: int) -> str:
    """Checks that MLflow has every run of a search; returns the URI of the best trial's model."""
    from mlflow import MlflowClient

    client = MlflowClient(found["mlflow"]["tracking_uri"])
    runs = client.search_runs([found["mlflow"]["experiment_id"]], max_results=1000)
    levels = [each.data.tags["actsearch.level"] for each in runs]
    num_trials = len(found["trials"])
    expected = {"search": 1, "trial": num_trials, "execution": num_trials * executions}
    assert {level: levels.count(level) for level in expected} == expected, levels
    assert {each.info.status for each in runs} == {"FINISHED"}
    [best] = [trial["mlflow_run_id"] for trial in found["trials"] if trial["trial_id"] == found["best"]]
    return f"models:/{client.get_run(best).data.tags['actsearch.model_id']}"


def main() -> None:
    """Runs the quick start."""
    options = argparse.ArgumentParser()
    options.add_argument("--epochs", type=int, default=15)
    options.add_argument("--executions", type=int, default=5)
    given = options.parse_args()
    for name in ("PYTHONPATH", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        os.environ.pop(name, None)
    program = Path(sys.executable).with_name("actsearch")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        start = time.perf_counter()
        command = ("search", "relu_variants", "--data", "digits", "--epochs", given.epochs, "--json")
        found = json.loads(run(program, *command, "--executions", given.executions))
        seconds = time.perf_counter() - start
        model = check_mlflow(found, given.executions)
        run(program, "export", found["directory"], "best.keras")
        run(sys.executable, "-c", PREDICT, found["mlflow"]["tracking_uri"], model)
        run(program, "resume", found["directory"], "--executions", given.executions + 1)
        check_mlflow(found, given.executions + 1)
        run(program, "report", found["directory"], "--html", "report.html")
        scores = {trial["activation"]: round(trial["score"], 4) for trial in found["trials"]}
        os.chdir("/")
    versions = {name: version(name) for name in PACKAGES}
    python = ".".join(map(str, sys.version_info[:3]))
    print(json.dumps({"python": python, **versions, "seconds": round(seconds, 1), "scores": scores}))


if __name__ == "__main__":
    main()
