"""What the runs of a search have when it is over."""

import json
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from actsearch.ledger import End, Ledger
from actsearch.records import Direction, ExecutionRecord, Objective, SearchRecord, Status, TrialRecord
from actsearch.tracking.runs import open_experiment
from actsearch.tracking.store import StoreAddress
from actsearch.tracking.writer import MLflowWriter

COMMAND = "actsearch search relu_variants --epochs 2"


@pytest.fixture
def ledger(tmp_path):
    """Two trials of three executions, of which the last was stopped after one epoch."""
    made = Ledger(tmp_path / "found", create=True)
    objective = Objective("val_accuracy", Direction.MAX)
    made.append_search(SearchRecord("s1", "pairs", objective, "relu", 100.0, environment={"command": COMMAND}))
    for trial, name, gain in (("0", "relu", 0.0), ("1", "elu", 0.25)):
        made.append_trial(TrialRecord(trial, {"activation": name, "rate": 0.1}, name))
        for number in (1, 2, 3):
            curve = (0.1 * number + gain, 0.2 * number + gain)[: 1 if number == 3 else 2]
            made.append_execution(
                ExecutionRecord(
                    trial, number, 7, 2, Status.COMPLETED, 101.0, 102.0 + number, score=curve[-1],
                    history={"val_accuracy": curve}, epoch_seconds=(1.0,) * len(curve),
                    samples={"rss_mib": (300.0,) * len(curve)},
                )
            )  # fmt: skip
    return made


def end(store, tmp_path, ledger, how="completed", at=120.0):
    ledger.append_end(End(at, how))
    return write(store, tmp_path, ledger)


def write(store, tmp_path, ledger):
    address = StoreAddress(f"sqlite:///{tmp_path / 'mlflow.db'}", "ending")
    writer = MLflowWriter(store, open_experiment(store, address), ledger)
    writer.write(ledger.facts())
    return writer.run_ids


def curve(store, ids, trial="0"):
    points = store.get_metric_history(ids["trial_run_ids"][trial], "val_accuracy")
    return [(point.step, round(point.value, 6)) for point in points]


def test_a_trial_has_its_mean_curve_once_however_often_it_is_written(store, tmp_path, ledger):
    ids = end(store, tmp_path, ledger)
    assert curve(store, ids) == [(1, 0.2), (2, 0.3)]
    store.update_run(ids["run_id"], "RUNNING")
    write(store, tmp_path, ledger)
    assert store.get_run(ids["run_id"]).info.status == "FINISHED"
    assert curve(store, ids) == [(1, 0.2), (2, 0.3)]


def test_a_search_that_may_go_on_has_no_mean_curves_yet(store, tmp_path, ledger):
    ids = end(store, tmp_path, ledger, "interrupted")
    assert curve(store, ids) == []
    ledger.append_end(End(130.0, "completed"))
    write(store, tmp_path, ledger)
    assert curve(store, ids) == [(1, 0.2), (2, 0.3)]


def test_the_note_leads_to_the_runs_of_trials_and_says_how_to_repeat(store, tmp_path, ledger):
    ids = end(store, tmp_path, ledger)
    note = store.get_run(ids["run_id"]).data.tags["mlflow.note.content"]
    experiment = store.get_experiment_by_name("ending").experiment_id
    for run in ids["trial_run_ids"].values():
        assert f"(#/experiments/{experiment}/runs/{run})" in note
    assert f"\n    {COMMAND}\n" in note


def test_every_trial_has_its_verdict_and_the_baseline_is_called_so(store, tmp_path, ledger):
    ids = end(store, tmp_path, ledger)
    verdicts = [store.get_run(run).data.tags["actsearch.verdict"] for run in ids["trial_run_ids"].values()]
    assert verdicts[0] == "baseline"
    assert verdicts[1] in ("better", "undecided")


def test_the_search_has_a_table_and_its_ledger(store, tmp_path, ledger):
    ids = end(store, tmp_path, ledger)
    table, exported = (
        Path(store.download_artifacts(ids["run_id"], n)).read_text() for n in ("trials.json", "ledger.jsonl")
    )
    table = json.loads(table)
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    assert [(row["activation"], row["rate"], row["num_executions"]) for row in rows] == [
        ("elu", 0.1, 3),
        ("relu", 0.1, 3),
    ]
    assert rows[0]["gain"] == pytest.approx(0.25)
    facts = [json.loads(line) for line in exported.splitlines()]
    assert [fact["kind"] for fact in facts] == [fact.kind for fact in ledger.facts()]


def test_executions_have_their_samples_where_mlflow_shows_system_metrics(store, tmp_path, ledger):
    end(store, tmp_path, ledger)
    experiment = store.get_experiment_by_name("ending").experiment_id
    runs = store.search_runs([experiment], "tags.`actsearch.level` = 'execution'")
    assert all(run.data.metrics["system/rss_mib"] == 300 for run in runs)


def test_a_search_that_is_resumed_after_its_end_keeps_its_first_curves(store, tmp_path, ledger):
    ids = end(store, tmp_path, ledger)
    ledger.append_execution(
        ExecutionRecord(
            "0", 4, 7, 2, Status.COMPLETED, 121.0, 122.0, score=0.9, history={"val_accuracy": (0.8, 0.9)},
            epoch_seconds=(1.0, 1.0),
        )
    )  # fmt: skip
    end(store, tmp_path, ledger, at=130.0)
    assert curve(store, ids) == [(1, 0.2), (2, 0.3)]


def test_a_model_that_mlflow_refuses_leaves_no_run_open(store, tmp_path, ledger, monkeypatch):
    from actsearch.tracking import runs

    def refused(*_):
        raise MlflowException("no", error_code=INVALID_PARAMETER_VALUE)

    monkeypatch.setattr(runs, "log_model", refused)
    (tmp_path / "found" / "models").mkdir()
    (tmp_path / "found" / "models" / "1.keras").touch()
    ids = end(store, tmp_path, ledger)
    assert store.get_run(ids["run_id"]).info.status == "FINISHED"
    assert "no" in store.get_run(ids["trial_run_ids"]["1"]).data.tags["actsearch.model_problem"]
