"""A search written from its ledger alone, to its store and to others; the process that does it, and is kept."""

import subprocess
import sys

import pytest

from actsearch._locks import locked
from actsearch.cli.sync import sync as run
from actsearch.errors import LedgerError, UsageError
from actsearch.ledger import End, Ledger
from actsearch.records import Direction, ExecutionRecord, Objective, SearchRecord, Status, TrialRecord
from actsearch.tracking import sync_process
from actsearch.tracking.store import StoreAddress
from actsearch.tracking.sync_process import SyncProcess, end_kept, started_early, sync


@pytest.fixture
def found(tmp_path):
    """A search that was written nowhere yet, meant for `mlflow.db`."""
    address = StoreAddress(f"sqlite:///{tmp_path / 'mlflow.db'}", "mine")
    objective = Objective("val_accuracy", Direction.MAX)
    ledger = Ledger("found", create=True)
    ledger.append_search(SearchRecord("s1", "one", objective, "relu", 100.0, environment=address.recorded))
    ledger.append_trial(TrialRecord("0", {"activation": "relu"}, "relu"))
    ledger.append_execution(ExecutionRecord("0", 1, 7, 1, Status.COMPLETED, 101.0, 102.0, score=0.5))
    ledger.append_end(End(103.0, "completed"))
    return tmp_path / "found"


@pytest.mark.slow
def test_a_search_is_written_to_its_store_and_to_another(found, store, capsys):
    run(found, None, None)
    said = capsys.readouterr().out
    assert "one: 1 trials and 1 executions are in MLflow" in said
    [search] = store.search_runs(
        [store.get_experiment_by_name("mine").experiment_id], "tags.`actsearch.level` = 'search'"
    )
    assert search.info.run_id in said
    assert (search.info.start_time, search.info.end_time) == (100_000, 103_000)
    run(found, None, "another")
    assert len(store.search_runs([store.get_experiment_by_name("another").experiment_id])) == 3
    assert len(store.search_runs([store.get_experiment_by_name("mine").experiment_id])) == 3


@pytest.mark.slow
def test_of_a_search_that_runs_the_runs_stay_open(store, tmp_path):
    """Only the lock of its process tells it from one that was killed."""
    address = StoreAddress(f"sqlite:///{tmp_path / 'mlflow.db'}", "mine")
    ledger = Ledger("running", create=True)
    objective = Objective("val_accuracy", Direction.MAX)
    ledger.append_search(SearchRecord("s2", "two", objective, "relu", 100.0, environment=address.recorded))
    ledger.append_trial(TrialRecord("0", {"activation": "relu"}, "relu"))
    ledger.append_execution(ExecutionRecord("0", 1, 7, 1, Status.COMPLETED, 101.0, 102.0, score=0.5))

    def statuses():
        runs = store.search_runs([store.get_experiment_by_name("mine").experiment_id])
        return {run.data.tags["actsearch.level"]: run.info.status for run in runs}

    with locked(tmp_path / "running"):
        run(tmp_path / "running", None, None)
    assert statuses() == {"search": "RUNNING", "trial": "RUNNING", "execution": "FINISHED"}
    run(tmp_path / "running", None, None)
    assert statuses() == {"search": "KILLED", "trial": "KILLED", "execution": "FINISHED"}


def test_a_directory_without_a_search(tmp_path):
    with pytest.raises(LedgerError, match="no search here"):
        sync(tmp_path)


def test_a_store_that_cannot_be_meant(found):
    with pytest.raises(UsageError, match="file store"):
        run(found, "runs", None)


WRITES_NOTHING = """
import json, sys
while sys.stdin.readline():
    sys.stdin.readline()
    print(json.dumps({"event": "whole", "run_id": "0", "trial_run_ids": {}}), flush=True)
"""


@pytest.fixture
def started(monkeypatch):
    """The processes that were started; they write nothing, and so start fast."""
    processes = []

    def start():
        command = [sys.executable, "-I", "-S", "-c", WRITES_NOTHING]
        processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return processes[-1]

    monkeypatch.setattr(sync_process, "_start", start)
    return processes


def searched(tmp_path, name="mlflow.db"):
    """Does what a search does with its process."""
    (tmp_path / name).touch()
    address = StoreAddress(f"sqlite:///{tmp_path / name}", "mine")
    with started_early(address):
        assert SyncProcess(tmp_path, address).finish() == {"run_id": "0", "trial_run_ids": {}}


def test_the_next_search_to_the_same_store_has_the_same_process(started, tmp_path):
    for _ in range(3):
        searched(tmp_path)
    [process] = started
    assert process.poll() is None
    end_kept()
    assert process.poll() is not None


@pytest.mark.parametrize("change", ["store", "database", "environment", "folder", "time", "killed"])
def test_a_process_is_not_used_where_something_has_changed(started, tmp_path, monkeypatch, change):
    searched(tmp_path)
    if change == "database":
        (tmp_path / "mlflow.db").rename("old.db")  # so that the new file has another number
    elif change == "environment":
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "another")
    elif change == "folder":
        (tmp_path / "folder").mkdir()
        monkeypatch.chdir(tmp_path / "folder")
    elif change == "time":
        monkeypatch.setattr(sync_process, "KEPT_SECONDS", 1e-9)
    elif change == "killed":
        started[0].kill()
        started[0].wait()
    searched(tmp_path, "other.db" if change == "store" else "mlflow.db")
    first, second = started
    assert first.poll() is not None
    assert second.poll() is None


def test_where_no_process_may_be_kept_it_ends_with_its_search(started, tmp_path, monkeypatch):
    monkeypatch.setattr(sync_process, "KEPT_SECONDS", 0.0)
    searched(tmp_path)
    assert started[0].poll() is not None


IS_SLOW = """
import json, sys, time
sys.stdin.readline(), sys.stdin.readline()
begun = time.process_time()
while time.process_time() - begun < 1.0:
    pass
print(json.dumps({"event": "whole", "run_id": "0", "trial_run_ids": {}}), flush=True)
"""
HANGS = """
import json, sys, time
sys.stdin.readline()
print(json.dumps({"event": "written"}), flush=True) if sys.argv[1:] else None
sys.stdin.readline()
time.sleep(60)
"""


def ended_by(monkeypatch, tmp_path, *arguments):
    """What a search gets of a process that runs a script, and what its user reads; it is silent for 0.2 s at most."""

    def start():
        command = [sys.executable, "-I", "-S", "-c", *arguments]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    monkeypatch.setattr(sync_process, "_start", start)
    monkeypatch.setattr(sync_process, "SILENT_SECONDS", 0.2)
    told = []
    return SyncProcess(tmp_path, StoreAddress("sqlite:///mlflow.db", "mine"), message=told.append).finish(), told


def test_a_process_that_works_is_waited_for(monkeypatch, tmp_path):
    written, told = ended_by(monkeypatch, tmp_path, IS_SLOW)
    assert written == {"run_id": "0", "trial_run_ids": {}}
    [text] = told
    assert text.startswith("Waiting for MLflow")


@pytest.mark.parametrize(("arguments", "what"), [([], "everything"), (["first"], "some records")])
def test_a_process_that_hangs_is_ended_and_what_is_missing_is_said(monkeypatch, tmp_path, arguments, what):
    written, _ = ended_by(monkeypatch, tmp_path, HANGS, *arguments)  # on a busy machine its start may count as work
    assert written == {"problem": f"{what} of this run (no answer and no work within 0.2 s)"}
