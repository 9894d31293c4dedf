"""Searches in processes that are killed at some moment, and what they leave."""

import multiprocessing
import os
import shutil
import signal
import time
from pathlib import Path

import keras
from mlflow import MlflowClient
from sklearn.datasets import load_digits

from actsearch.ledger import Kind, Ledger
from actsearch.tracking.store import MLflow
from actsearch.tuning.allocation import Race
from actsearch.tuning.tuner import ActivationTuner
from tests.helpers.networks import small_network

FIVE = {"activations": ["relu", "tanh", "elu", "silu", "prelu"]}
KINDS = {
    "grid": {"executions": 4},
    "race": {"allocation": Race(4)},
    "random": {"oracle": "random", "max_trials": 5, "executions": 4},
    "bayesian": {"oracle": "bayesian", "max_trials": 5, "executions": 4},
}
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["actsearch.tuning.tuner", "keras", "keras_tuner"])


def build(hp):
    """A small network."""
    return small_network(hp, FIVE)


class Count(keras.callbacks.Callback):
    """A line in a file for each execution that is begun."""

    def __init__(self, file):
        super().__init__()
        self.file = file

    def on_train_begin(self, logs=None):
        with Path(self.file).open("a") as file:
            file.write(f"{os.getpid()}\n")


def search(directory, store, kind, *, environment=None, **options):
    """The whole search; what a process does."""
    os.environ.update(environment or {})
    x, y = load_digits(return_X_y=True)
    x, y = (x[:400] / 16).astype("float32"), y[:400].astype("int32")
    options = {"epochs": 3, "verbose": 0, **KINDS[kind], **options}
    tuner = ActivationTuner(build, directory=directory, tracking=MLflow(f"sqlite:///{store}"), **options)
    count = Count(f"{directory}.begun")
    tuner.search(x[:250], y[:250], validation_data=(x[250:], y[250:]), callbacks=lambda: [count])


def started(directory, store, kind, **options):
    """The search in a process of its own."""
    process = _CONTEXT.Process(target=search, args=(str(directory), str(store), kind), kwargs=options)
    process.start()
    return process


def ran(directory, store, kind, *, kill_after=None):
    """Runs the search in a process of its own, killed after so many seconds; the seconds that it took."""
    began = time.monotonic()
    process = started(directory, store, kind)
    process.join(kill_after)
    if process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    elif process.exitcode:
        raise AssertionError(f"the search ended with status {process.exitcode}")
    return time.monotonic() - began


def found(directory):
    """All that a search found, without times and costs."""
    trials = {
        trial.trial_id: (
            dict(trial.hyperparameters),
            [(e.execution, e.seed, str(e.status), e.score, dict(e.history)) for e in trial.executions],
        )
        for trial in Ledger(directory).read().trials
    }
    return trials, sorted(fact.body for fact in Ledger(directory).facts() if fact.kind is Kind.DECISION)


def num_begun(directory):
    """How many executions were begun in all parts of a search."""
    file = Path(f"{directory}.begun")
    return len(file.read_text().splitlines()) if file.exists() else 0


def runs_of_search(directory, store):
    """The runs of a search in MLflow: (level, trial, execution) and status of each."""
    client = MlflowClient(f"sqlite:///{store}")
    search_id = Ledger(directory).read().search_id
    experiments = [e.experiment_id for e in client.search_experiments()]
    runs = client.search_runs(experiments, f"tags.`actsearch.search_id` = '{search_id}'", max_results=1000)
    names = ("level", "trial_id", "execution")
    return sorted((*(str(r.data.tags.get(f"actsearch.{n}", "")) for n in names), r.info.status) for r in runs)


def check(directory, whole, store, kills):
    """Raises AssertionError where a killed and resumed search differs from the undisturbed one."""
    assert found(directory) == found(whole)
    num_executions = sum(len(runs) for _, runs in found(whole)[0].values())
    assert num_begun(directory) <= num_executions + kills
    assert runs_of_search(directory, store) == runs_of_search(whole, store)


def forget(directory):
    """Deletes what a search left."""
    shutil.rmtree(directory, ignore_errors=True)
    Path(f"{directory}.begun").unlink(missing_ok=True)
