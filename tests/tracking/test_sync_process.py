"""A search written from its ledger alone, to its store and to others."""

import pytest

from actsearch._locks import locked
from actsearch.cli.sync import sync as run
from actsearch.errors import LedgerError, UsageError
from actsearch.ledger import End, Ledger
from actsearch.records import Direction, ExecutionRecord, Objective, SearchRecord, Status, TrialRecord
from actsearch.tracking.store import StoreAddress
from actsearch.tracking.sync_process import sync


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
