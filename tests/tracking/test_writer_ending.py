"""What the runs of a search have when it is over."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from actsearch.ledger import End, Kind, Ledger, parse
from actsearch.records import Direction, ExecutionRecord, Objective, SearchRecord, Status, TrialRecord
from actsearch.tracking.runs import open_experiment
from actsearch.tracking.store import StoreAddress
from actsearch.tracking.writer import MLflowWriter

DATA = {"name": "numbers", "fingerprint": "f", "num_training": 5}
COMMAND = "actsearch search relu_variants --epochs 2"


@pytest.fixture
def ledger(tmp_path):
    """Two trials of three executions, of which the last was stopped after one epoch."""
    made = Ledger(tmp_path / "found", create=True)
    objective = Objective("val_accuracy", Direction.MAX)
    made.append_search(
        SearchRecord("s1", "pairs", objective, "relu", 100.0, environment={"command": COMMAND}, data=DATA)
    )
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


def test_what_is_written_again_after_its_end_keeps_the_columns_of_its_verdict(store, tmp_path, ledger):
    end(store, tmp_path, ledger)
    arranged = dict(store.get_experiment_by_name("ending").tags)
    assert any("sharedViewState" in name for name in arranged)
    write(store, tmp_path, ledger)
    assert dict(store.get_experiment_by_name("ending").tags) == arranged


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
        assert f"(#/experiments/{experiment}/runs/{run}?workflowType=machine_learning)" in note
    assert f"\n    {COMMAND}\n" in note


def test_runs_are_named_by_what_was_found_and_by_what_is_searched_while_it_runs(store, tmp_path, ledger):
    def names():
        runs = [ids["run_id"], *ids["trial_run_ids"].values()]
        return [store.get_run(run).info.run_name for run in runs]

    ids = write(store, tmp_path, ledger)
    assert names() == ["pairs · numbers", "relu", "elu"]
    end(store, tmp_path, ledger, "interrupted")
    assert names()[:2] == ["pairs · numbers · use elu", "relu (baseline)"]
    assert names()[2].startswith("elu ▲ +25")
    ledger.append_execution(
        ExecutionRecord("0", 4, 7, 2, Status.COMPLETED, 121.0, 122.0, score=0.9, epoch_seconds=(1.0, 1.0))
    )
    assert write(store, tmp_path, ledger) == ids
    assert names()[0] == "pairs · numbers"
    assert end(store, tmp_path, ledger, at=130.0) == ids
    assert names()[0] == "pairs · numbers · use elu"


def test_the_search_has_its_report_its_data_and_the_best_score_so_far(store, tmp_path, ledger):
    ids = end(store, tmp_path, ledger)
    report = Path(store.download_artifacts(ids["run_id"], "report.html")).read_text()
    assert "data:image/png;base64," in report
    assert 'class="wide"' not in report  # figures that were drawn as files
    run = store.get_run(ids["run_id"])
    assert [each.dataset.name for each in run.inputs.dataset_inputs] == ["numbers"]
    best = store.get_metric_history(ids["run_id"], "best_so_far_val_accuracy")
    found = {point.step: round(point.value, 6) for point in best}
    assert found == {1: 0.2, 2: 0.3, 3: 0.3, 4: 0.45, 5: 0.55, 6: 0.55}


def test_the_experiment_lists_its_searches_and_keeps_what_a_user_wrote(store, tmp_path, ledger):
    address = StoreAddress(f"sqlite:///{tmp_path / 'mlflow.db'}", "ending")
    experiment = open_experiment(store, address)
    store.set_experiment_tag(experiment, "mlflow.note.content", "My own words.")
    ids = end(store, tmp_path, ledger)
    other = Ledger(tmp_path / "other", create=True)
    other.append_search(SearchRecord("s2", "later", Objective("val_accuracy", Direction.MAX), "relu", 200.0))
    end(store, tmp_path, other, at=201.0)
    note = store.get_experiment(experiment).tags["mlflow.note.content"]
    assert note.startswith("My own words.")
    assert note.index("[later · nothing to compare]") < note.index("[pairs · numbers · use elu]")
    assert f"/runs/{ids['run_id']}?" in note


def test_what_a_store_refuses_is_said_in_a_line_and_the_rest_is_there(store, tmp_path, ledger, monkeypatch, capsys):
    def refused(*_, **__):
        raise MlflowException("no such thing", error_code=INVALID_PARAMETER_VALUE)

    monkeypatch.setattr(store, "log_inputs", refused)
    monkeypatch.setattr(store, "set_experiment_tag", refused)
    ids = end(store, tmp_path, ledger)
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Warning")]
    assert [line.split(",")[0].split("lacks ")[1] for line in said] == [
        "its data", "its table and charts", "its table and charts", "the list of searches",
    ]  # fmt: skip
    assert store.get_run(ids["run_id"]).info.status == "FINISHED"


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
    assert rows[0]["gain_points"] == pytest.approx(25)
    facts = [json.loads(line) for line in exported.splitlines()]
    assert [fact["kind"] for fact in facts] == [fact.kind for fact in ledger.facts()]


def test_executions_have_their_samples_where_mlflow_shows_system_metrics(store, tmp_path, ledger):
    end(store, tmp_path, ledger)
    experiment = store.get_experiment_by_name("ending").experiment_id
    runs = store.search_runs([experiment], "tags.`actsearch.level` = 'execution'")
    seen = {run.data.tags["actsearch.execution"]: run.data.metrics.get("system/rss_mib") for run in runs}
    assert seen == {"1": 300, "2": None, "3": None}  # those of all executions only if they are asked for


def test_all_executions_have_their_curves_if_they_are_asked_for(store, tmp_path, ledger):
    asked = Ledger(tmp_path / "asked", create=True)
    for fact in ledger.facts():
        record = parse(fact, {Kind.SEARCH: SearchRecord, Kind.TRIAL: TrialRecord}.get(fact.kind, ExecutionRecord))
        if fact.kind is Kind.SEARCH:
            record = replace(record, config=replace(record.config, log_curves="all"))
        asked.append(fact.kind, fact.key, record)
    end(store, tmp_path, asked)
    experiment = store.get_experiment_by_name("ending").experiment_id
    runs = store.search_runs([experiment], "tags.`actsearch.level` = 'execution'")
    assert len(runs) == 6
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
    trial = ids["trial_run_ids"]["1"]
    assert store.get_run(ids["run_id"]).info.status == "FINISHED"
    assert "no" in store.get_run(trial).data.tags["actsearch.model_problem"]
    monkeypatch.setattr(runs, "log_model", lambda *_: "m-1")  # allowed by now: the same ledger is written again
    write(store, tmp_path, ledger)
    assert "actsearch.model_problem" not in store.get_run(trial).data.tags
    for _ in range(2):
        assert [model.model_id for model in store.get_run(ids["run_id"]).outputs.model_outputs] == ["m-1"]
        write(store, tmp_path, ledger)
