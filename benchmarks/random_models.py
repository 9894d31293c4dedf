"""Do random small models train in a search as they do in `model.fit`?

    python benchmarks/random_models.py [--models 200] [--only 7 12] [--output benchmarks/results/random_models.json]

Each model goes through `actsearch.search`, with one or two trials. A trial's history must be that of `model.fit` on the
model that the search built, which sees the samples in the same order from the same weights; for a trial that keeps
weights and activations, and draws no random numbers, it must be that of `fit` on the user's own model. What `fit`
trains must not fail, and none may hang: a hang ends the process with the stacks of its threads, and another process
checks the models after it.
"""

import argparse
import faulthandler
import json
import os
import pickle
import platform
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parents[1]))

import hypothesis
import keras
import keras_tuner
import numpy as np
import tensorflow as tf

import actsearch
from actsearch.records import Status
from actsearch.training.model_cache import build_model
from actsearch.tuning.progress import Silent
from benchmarks.drawn_models import RandomModel, drawn_models

SEED, EPOCHS, LIMIT_SECONDS, PER_PROCESS = 5, 2, 120, 20
# Halved precision: a sum in another order changes a step; a metric that counts may then count a sample differently.
TOLERANCE = {"float64": 1e-5, "float32": 2e-3, "mixed_bfloat16": 0.15, "mixed_float16": 0.1}


class Messages(Silent):
    """Keeps the messages of a search."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def message(self, text: str) -> None:
        self.texts.append(text)


History = dict[str, list[Any]]


def check(model: RandomModel) -> str:
    """Searches a model, and compares each trial with `fit`.

    Returns:
        What happened: `equal`, or `not trained by fit` with the error.

    Raises:
        AssertionError: The search or an execution failed, or a history is another one.
    """
    faulthandler.dump_traceback_later(LIMIT_SECONDS, exit=True)
    try:
        with tempfile.TemporaryDirectory() as directory:
            return _check(model, directory)
    finally:
        faulthandler.cancel_dump_traceback_later()


def _check(model: RandomModel, directory: str) -> str:
    keras.utils.set_random_seed(SEED)
    given = model.build if model.passed_as == "function" else model.build()
    before = given.get_weights() if isinstance(given, keras.Model) else []
    messages = Messages()
    x, y, options, held = model.data()
    try:
        result = actsearch.search(
            *(given, x, y),
            space=list(model.space),
            weights=model.start,
            validation_data=held,
            epochs=EPOCHS,
            executions=1,
            batch_size=model.batch_size,
            max_trials=model.num_trials,
            seed=SEED,
            tracking=False,
            directory=directory,
            verbose=messages,
            shuffle=False,
            **options,
        )
    except Exception as error:  # what fit refuses may fail in a search, too
        if refused := _refused_by_fit(model):
            return f"not trained by fit: {refused}"
        raise AssertionError(f"search: {type(error).__name__}: {error}") from error
    unsaved = [text for text in messages.texts if "cannot be saved" in text]
    assert not unsaved, unsaved[0]
    if isinstance(given, keras.Model):
        assert not given.optimizer.iterations.numpy(), "the search trained the user's model"
        for old, now in zip(before, given.get_weights(), strict=True):
            np.testing.assert_array_equal(now, old, err_msg="the search changed the user's model")
    assert len(result.trials) == model.num_trials
    # The user's own model is trained last, because the others start from its weights.
    for trial in sorted(result.trials, key=lambda trial: trial.activation == model.activation):
        if compared := _compared(model, result, trial):
            return compared
    return "equal"


def _compared(model: RandomModel, result: Any, trial: Any) -> str:
    """Compares a trial with `fit`, on the user's own model where that is possible; empty if they are equal."""
    (execution,) = trial.executions
    assert execution.status is Status.COMPLETED, f"{trial.activation}: {execution.reason}"
    assert execution.trainer == "compiled"
    if model.can_be_compared and trial.activation == model.activation:
        fitted = result.build.model
    else:
        hp = keras_tuner.HyperParameters()
        hp.values = dict(trial.hyperparameters)
        fitted = build_model(result.build, hp, execution.seed)
    history = _fit(model, fitted)
    if not all(np.isfinite(history["loss"] + history["val_loss"])):
        return "not trained by fit: not finite"
    tolerance = TOLERANCE[model.policy]
    numbers = {name: values for name, values in history.items() if np.size(values[0]) == 1}
    assert sorted(execution.history) == sorted(numbers)
    for name, values in numbers.items():
        expected = np.array([np.asarray(value).item() for value in values])
        message = f"{trial.activation}: {name}"
        np.testing.assert_allclose(execution.history[name], expected, rtol=tolerance, atol=tolerance, err_msg=message)
    return ""


def _fit(model: RandomModel, fitted: keras.Model) -> History:
    x, y, options, held = model.data()
    given = {"epochs": EPOCHS, "batch_size": model.batch_size, "shuffle": False, "verbose": 0, **options}
    return fitted.fit(x, y, validation_data=held, **given).history


def _refused_by_fit(model: RandomModel) -> str:
    """Returns why `fit` does not train the user's own model; empty if it does."""
    try:
        history = _fit(model, model.build())
    except Exception as error:  # noqa: BLE001  whatever it is, it is not ours
        return type(error).__name__
    return "" if all(np.isfinite(history["loss"] + history["val_loss"])) else "not finite"


Row = dict[str, Any]
MEASURES: dict[str, Callable[..., float]] = {"in all": sum, "of the slowest": max}


def checked(model: RandomModel, check: Callable[[RandomModel], str] = check) -> Row:
    """Returns what happened to a model, and how long it took; with the model if that was not `equal`."""
    begin = time.perf_counter()
    what: Row = {}
    try:
        outcome = check(model)
    except Exception as error:  # noqa: BLE001  to count it, and to try the others
        outcome = "WRONG"
        what["problem"] = f"{type(error).__name__}: {' '.join(str(error).split())[:800]}"
    if outcome != "equal":
        what["model"] = repr(model)
    return {"outcome": outcome, "seconds": round(time.perf_counter() - begin, 2), **what}


def in_processes(models: list[RandomModel], done: Callable[[list[Row]], None]) -> None:
    """Checks models, some in each process, so that a hang or a crash ends none of the others.

    Args:
        models: The models.
        done: Called with all rows so far after each process.
    """
    rows: list[Row] = []
    while len(rows) < len(models):
        begin = len(rows)
        rows += _in_process(models[begin : begin + PER_PROCESS])
        for number, row in enumerate(rows[begin:], start=begin):
            if row["outcome"] != "equal":
                print(number, json.dumps(row), flush=True)
        print(f"{len(rows)} of {len(models)}: {dict(Counter(row['outcome'] for row in rows))}", flush=True)
        done(rows)


def _in_process(models: list[RandomModel]) -> list[Row]:
    """Checks models in another process, up to one that hangs or crashes."""
    process = subprocess.run(
        [sys.executable, __file__, "--from-stdin"], input=pickle.dumps(models), capture_output=True, check=False
    )
    lines = process.stdout.decode().splitlines()
    rows = [json.loads(line) for line in lines if line.startswith('{"outcome"')]
    if process.returncode:
        end = process.stderr.decode()[-3000:]
        rows.append(
            {
                "outcome": "HANGS OR CRASHES",
                "seconds": LIMIT_SECONDS,
                "problem": f"exit code {process.returncode}: {end}",
                "model": repr(models[len(rows)]) if len(rows) < len(models) else "at the end",
            }
        )
    return rows


def main() -> None:
    """Checks all models, or only a part of them in this process; prints what is not equal and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=200)
    parser.add_argument("--only", type=int, nargs="+", help="numbers of those to check; nothing is written")
    parser.add_argument("--from-stdin", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "random_models.json")
    arguments = parser.parse_args()
    if arguments.from_stdin:
        for model in pickle.load(sys.stdin.buffer):
            print(json.dumps(checked(model)), flush=True)
        return
    models = drawn_models(arguments.models)
    if arguments.only:
        in_processes([models[number] for number in arguments.only], done=lambda _: None)
        return
    in_processes(models, done=partial(write, arguments.output))


def write(output: Path, rows: list[Row]) -> None:
    """Writes the JSON."""
    versions = {"python": platform.python_version(), "keras": keras.__version__, "tensorflow": tf.__version__}
    versions |= {"hypothesis": hypothesis.__version__, "actsearch": actsearch.__version__}
    result = {
        "question": __doc__.splitlines()[0],
        "versions": versions,
        "machine": platform.machine(),
        "date": time.strftime("%Y-%m-%d"),
        "models": len(rows),
        "outcomes": dict(Counter(row["outcome"] for row in rows)),
        "seconds": {name: round(value(row["seconds"] for row in rows), 1) for name, value in MEASURES.items()},
        "unlike": [row for row in rows if row["outcome"] != "equal"],
    }
    output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
