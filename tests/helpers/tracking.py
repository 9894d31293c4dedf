"""A search without training, written step by step, and what MLflow has of it."""

import random
import re
import time
from dataclasses import replace
from pathlib import Path

import psutil

from actsearch.environment import describe_environment
from actsearch.ledger import Ledger
from actsearch.records import ExecutionRecord, Resources, SearchRecord, TrialRecord
from actsearch.tracking.runs import open_store
from actsearch.tracking.store import StoreAddress
from actsearch.tracking.writer import MLflowWriter
from actsearch.tuning.state import SearchState
from tests.helpers import factories

KEYS = {("search", None, None), ("trial", "0", None), ("trial", "1", None)}


def search_record(search_id: str = "s1") -> SearchRecord:
    """A search as its ledger first has it."""
    space = {"activations": ["relu", "elu"]}
    return factories.search([], search_id=search_id, name="synthetic", created_at=1000.0, space=space)


def trial(number: int) -> TrialRecord:
    """One trial of two."""
    name = ("relu", "elu")[number]
    return TrialRecord(str(number), {"activation": name, "units": 8}, name)


def execution(number: int, which: int) -> ExecutionRecord:
    """One execution, the same at each call; at 1000 s plus 10 for each before it."""
    rng = random.Random(100 * number + which)
    at = 1000.0 + 10 * (2 * which + number)
    history = {name: tuple(rng.random() for _ in range(3)) for name in ("loss", "val_accuracy")}
    site = dict.fromkeys(("dead", "saturated", "sparsity", "gradient_norm"), 0.1) | {"site": "one"}
    findings = [{"severity": "warning", "site": "one", "reason": "dead"}]
    return factories.execution(
        which, str(number), epochs=3, started_at=at, ended_at=at + 4, score=max(history["val_accuracy"]), best_epoch=2,
        history=history, epoch_seconds=(1.0, 1.5, 1.25), resources=Resources(0.1, 0.2, 3.75, 2.5, 4.0, 10, 4),
        health=({"epoch": 1, "gradient_ratio": 2.0, "sites": [site], "findings": findings},),
    )  # fmt: skip


class Searching:
    """A search without training: writes its ledger step by step."""

    def __init__(self, address, directory="found", search_id="s1") -> None:
        self.directory, self.messages = Path(directory), []
        self._address = address
        self._search = replace(search_record(search_id), environment=describe_environment())

    def run(self, *steps) -> None:
        self.state = SearchState(self.directory, self._search, store=self._address, message=self.messages.append)
        with self.state.open() as self.ledger:
            for step in steps:
                step()

    def trials(self) -> None:
        for number in (0, 1):
            self.ledger.append_trial(trial(number))

    def seed(self, which):
        def write():
            for number in (0, 1):
                self.ledger.append_execution(execution(number, which))

        return write

    def reported(self) -> None:
        wait_until(lambda: self.messages)


def in_mlflow(client, experiment, count):
    """Waits until that many runs are in MLflow."""

    def there():
        found = client.get_experiment_by_name(experiment)
        return found is not None and len(client.search_runs([found.experiment_id])) >= count

    return lambda: wait_until(there)


def wait_until(condition, seconds=60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def sync_processes() -> list[psutil.Process]:
    """The processes that write to MLflow; one that was just started has no command line for a moment."""
    running = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    until = time.monotonic() + 5.0
    while not all(child.cmdline() for child in running) and time.monotonic() < until:
        time.sleep(0.01)
    return [child for child in running if "actsearch.tracking._sync_main" in child.cmdline()]


def undisturbed(directory, store, tmp_path) -> dict:
    """What a store has where the ledger is written at once, by this process."""
    client, experiment_id = open_store(StoreAddress(f"sqlite:///{tmp_path / 'mlflow.db'}", "undisturbed"))
    ledger = Ledger(directory)
    writer = MLflowWriter(client, experiment_id, ledger)
    writer.write(ledger.facts())
    writer.close()
    return contents(store, "undisturbed")


def contents(client, experiment: str) -> dict:
    """All that MLflow has of an experiment, by what runs stand for; nothing that chance has named."""
    runs = client.search_runs([client.get_experiment_by_name(experiment).experiment_id], max_results=5000)
    keys = {run.info.run_id: key_of(run) for run in runs}
    assert len(set(keys.values())) == len(keys), "a run is there twice"
    found = {}
    for run in runs:
        tags = dict(run.data.tags)
        tags["mlflow.parentRunId"] = keys.get(tags.get("mlflow.parentRunId"))
        if note := tags.get("mlflow.note.content"):
            named = re.sub(r"/experiments/\d+/", "/experiments/", note)
            tags["mlflow.note.content"] = re.sub(r"\b[0-9a-f]{32}\b", lambda m: str(keys.get(m[0], m[0])), named)
        histories = {
            name: sorted((p.step, p.timestamp, p.value) for p in client.get_metric_history(run.info.run_id, name))
            for name in run.data.metrics
        }
        files = sorted(_files(client, run.info.run_id))
        times = (run.info.status, run.info.start_time, run.info.end_time)
        found[keys[run.info.run_id]] = (times, run.data.params, tags, histories, files)
    return found


def statuses(client, experiment: str) -> dict:
    """The status of each run, by what it stands for."""
    return {key: run[0][0] for key, run in contents(client, experiment).items()}


def key_of(run) -> tuple:
    names = ("level", "trial_id", "execution")
    return tuple(run.data.tags.get(f"actsearch.{name}") for name in names)


def _files(client, run_id: str, folder: str | None = None):
    for file in client.list_artifacts(run_id, folder):
        if file.is_dir:
            yield from _files(client, run_id, file.path)
        else:
            yield file.path


def runs_of(store, level=None) -> list:
    """All runs that were written, or those of a level: search, trial, execution."""
    experiments = [e.experiment_id for e in store.search_experiments()]
    runs = store.search_runs(experiments, max_results=5000)
    return [r for r in runs if level is None or r.data.tags["actsearch.level"] == level]
