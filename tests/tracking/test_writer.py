"""The ledger written to a real MLflow store."""

from dataclasses import replace

import pytest

from actsearch.ledger import End, Kind, Ledger, parse
from actsearch.records import (
    CostMeasurement,
    Direction,
    ExecutionRecord,
    Extension,
    Objective,
    Resources,
    SearchRecord,
    Status,
    TrialRecord,
)
from actsearch.tracking.runs import open_experiment
from actsearch.tracking.store import StoreAddress
from actsearch.tracking.writer import MLflowWriter
from actsearch.visualization._style import style_of
from tests.helpers import tracking
from tests.helpers.tracking import runs_of


def written(folder, *, end=True) -> Ledger:
    ledger = Ledger(folder / "search", create=True)
    objective = Objective("val_accuracy", Direction.MAX)
    environment = {"packages": {"keras": "3"}, "git_commit": "abc"}
    ledger.append_search(SearchRecord("s1", "space [1]", objective, "relu", 100.0, environment=environment))
    for trial in ("0", "1"):
        ledger.append_trial(TrialRecord(trial, {"activation": "relu", "leaky_relu.slope": 0.1}, "relu"))
        for number in (1, 2):
            ok = trial == "0"
            ledger.append_execution(
                ExecutionRecord(
                    trial, number, 7, 2, Status.COMPLETED if ok else Status.FAILED, 100.0 + number, 103.0 + number,
                    score=0.5 + number / 10 if ok else None, history={"val_accuracy": (0.5, 0.6), "top k=5 (%)": (1.0, 2.0)},
                    epoch_seconds=(1.0, 1.5), resources=Resources(0, 0, 2.5, 2.5, 3.0, 10, 4) if ok else None,
                    reason=None if ok else "loss is nan in epoch 1",
                )
            )  # fmt: skip
    if end:
        ledger.append_end(End(120.0, "completed"))
    return ledger


def write(store, ledger, address) -> MLflowWriter:
    writer = MLflowWriter(store, open_experiment(store, address), ledger)
    writer.write(ledger.facts())
    return writer


@pytest.fixture
def address(tmp_path):
    return StoreAddress(f"sqlite:///{tmp_path / 'mlflow.db'}", "tests of writer")


def everything(store) -> dict:
    found = {}
    for run in runs_of(store):
        histories = {
            m: [(p.step, p.value, p.timestamp) for p in store.get_metric_history(run.info.run_id, m)]
            for m in run.data.metrics
        }
        found[run.info.run_id] = (
            run.info.status,
            run.info.start_time,
            run.info.end_time,
            run.data.params,
            run.data.tags,
            histories,
        )
    return found


def test_written_twice_is_written_once(store, tmp_path, address):
    ledger = written(tmp_path)
    write(store, ledger, address)
    once = everything(store)
    assert len(once) == 1 + 2 + 4
    write(store, ledger, address)
    assert everything(store) == once


def test_runs_are_found_whatever_their_names_are(store, tmp_path, address):
    ledger = written(tmp_path)
    before = write(store, ledger, address).run_ids
    for run in runs_of(store):
        store.update_run(run.info.run_id, name="another name")
    assert write(store, ledger, address).run_ids == before
    assert len(runs_of(store)) == 1 + 2 + 4


def test_written_in_parts_is_written_whole(store, tmp_path, address):
    ledger = written(tmp_path)
    facts = ledger.facts()
    for stop in (2, 5, len(facts)):
        MLflowWriter(store, open_experiment(store, address), ledger).write(facts[:stop])
    whole = {run[3].get("seed", "") + str(sorted(run[5])) for run in everything(store).values()}
    other = StoreAddress(address.tracking_uri, "at once")
    write(store, ledger, other)
    assert len(everything(store)) == 14
    assert {run[3].get("seed", "") + str(sorted(run[5])) for run in everything(store).values()} == whole


def test_times_are_those_of_the_ledger(store, tmp_path, address):
    write(store, written(tmp_path), address)
    first = next(
        r
        for r in runs_of(store, "execution")
        if r.data.tags["mlflow.runName"] == "relu #1" and r.info.status == "FINISHED"
    )
    assert (first.info.start_time, first.info.end_time) == (101_000, 104_000)
    points = store.get_metric_history(first.info.run_id, "val_accuracy")
    assert [(p.step, p.timestamp, p.value) for p in points] == [(1, 102_000, 0.5), (2, 103_500, 0.6)]


def test_a_trial_has_mean_sd_and_number(store, tmp_path, address):
    writer = write(store, written(tmp_path), address)
    metrics = store.get_run(writer.run_ids["trial_run_ids"]["0"]).data.metrics
    assert metrics["best_val_accuracy"] == pytest.approx(0.65)
    assert metrics["best_val_accuracy_sd"] == 0.07071
    assert metrics["num_executions"] == 2
    assert metrics["train_seconds"] == 2.5


def test_costs_that_are_settled_are_multiples_of_the_baselines(store, tmp_path, address):
    ledger = Ledger(tmp_path / "measured", create=True)
    ledger.append_search(tracking.search_record())
    for number in (0, 1):
        ledger.append_trial(tracking.trial(number))
        ledger.append_execution(tracking.execution(number, 1))
    relu, elu = (1.0, 2.0, 1.0, 1.0, 2.0, 1.0), (1.5, 3.0, 1.5, 1.5, 3.0, 1.5)
    times = {"0": relu, "1": elu}
    ledger.append_measurement(CostMeasurement(1100.0, 0.1, times, times, times))
    ledger.append_end(End(1200.0, "completed"))
    writer = write(store, ledger, address)
    metrics = store.get_run(writer.run_ids["trial_run_ids"]["1"]).data.metrics
    assert metrics["train_seconds_ratio"] == metrics["inference_microseconds_ratio"] == pytest.approx(1.5)
    assert "peak_rss_bytes_ratio" not in metrics  # of one pair
    note = store.get_run(writer.run_ids["run_id"]).data.tags["mlflow.note.content"]
    assert "took turns at the same batches, 6 times" in note


def test_a_failed_trial_says_why(store, tmp_path, address):
    writer = write(store, written(tmp_path), address)
    failed = store.get_run(writer.run_ids["trial_run_ids"]["1"])
    assert failed.info.status == "FAILED"
    assert failed.data.tags["actsearch.reason"] == "loss is nan in epoch 1"
    assert failed.data.metrics["num_failed"] == 2


def test_names_that_mlflow_rejects_are_made_ones_that_it_takes(store, tmp_path, address):
    write(store, written(tmp_path), address)
    assert any("top k_5 ___" in r.data.metrics for r in runs_of(store, "execution"))


def resumed(folder) -> Ledger:
    """A ledger with two ends: interrupted after its first half, and completed."""
    ledger = written(folder, end=False)
    facts = ledger.facts()
    whole = Ledger(folder / "resumed", create=True)
    records = {Kind.SEARCH: SearchRecord, Kind.TRIAL: TrialRecord, Kind.EXECUTION: ExecutionRecord}
    for fact in facts:
        if fact.number == 5:
            whole.append_end(End(110.0, "interrupted", "from the keyboard"))
        whole.append(fact.kind, fact.key, parse(fact, records[fact.kind]))
    whole.append_end(End(120.0, "completed"))
    return whole


def test_a_writer_that_is_stopped_goes_on_where_it_was(store, tmp_path, address):
    ledger = written(tmp_path)
    facts, stops = ledger.facts(), iter([False] * 3 + [True])
    writer = MLflowWriter(store, open_experiment(store, address), ledger)
    assert writer.write(facts, stop=lambda: next(stops)) == 3
    assert len(runs_of(store, "execution")) == 1
    assert writer.write(facts[3:]) == len(facts) - 3
    other = StoreAddress(address.tracking_uri, "at once")
    write(store, ledger, other)
    assert tracking.contents(store, address.experiment) == tracking.contents(store, other.experiment)


def test_a_search_with_two_ends_is_written_as_its_last_one(store, tmp_path, address):
    ledger = resumed(tmp_path)
    live = MLflowWriter(store, open_experiment(store, address), ledger)
    seen = []
    for fact in ledger.facts():
        live.write([fact])
        seen.append(store.get_run(live.run_ids["run_id"]).info.status)
    assert seen == ["RUNNING"] * 4 + ["KILLED"] + ["RUNNING"] * 3 + ["FINISHED"]
    other = StoreAddress(address.tracking_uri, "at once")
    at_once = write(store, ledger, other)
    one, two = (store.get_run(d.run_ids["run_id"]) for d in (live, at_once))
    assert "actsearch.reason" not in one.data.tags
    assert (one.info.end_time, one.data.metrics) == (two.info.end_time, two.data.metrics)
    for name in one.data.metrics:
        points = [[vars(p) for p in store.get_metric_history(r.info.run_id, name)] for r in (one, two)]
        assert [{**p, "_run_id": None} for p in points[0]] == [{**p, "_run_id": None} for p in points[1]]


def test_a_search_without_an_end_is_closed_once(store, tmp_path, address):
    ledger = written(tmp_path, end=False)
    writer = write(store, ledger, address)
    writer.close()
    once = everything(store)
    status = store.get_run(writer.run_ids["run_id"]).info
    assert (status.status, status.end_time) == ("KILLED", 105_000)
    write(store, ledger, address).close()
    assert everything(store) == once


def test_an_execution_of_a_deleted_trial_is_written_under_a_new_one(store, tmp_path, address):
    ledger = written(tmp_path)
    first = write(store, ledger, address)
    store.delete_run(first.run_ids["trial_run_ids"]["0"])
    second = write(store, ledger, address)
    trial = second.run_ids["trial_run_ids"]["0"]
    assert trial != first.run_ids["trial_run_ids"]["0"]
    children = [r for r in runs_of(store, "execution") if r.data.tags["mlflow.parentRunId"] == trial]
    assert len(children) == 2
    assert store.get_run(trial).data.metrics["num_executions"] == 2
    assert {r.info.status for r in runs_of(store)} == {"FINISHED", "FAILED"}


def test_a_trial_says_what_it_gained_in_its_activations_colour(store, tmp_path, address):
    writer = write(store, written(tmp_path), address)
    trial = store.get_run(writer.run_ids["trial_run_ids"]["0"]).data
    assert trial.tags["mlflow.runColor"] == style_of("relu").colour
    tags = store.get_experiment_by_name(address.experiment).tags
    assert any(name.startswith("mlflow.sharedViewState.") for name in tags)


def test_the_gain_is_written_once_at_each_end(store, tmp_path, address):
    ledger = Ledger(tmp_path / "pairs", create=True)
    objective = Objective("val_accuracy", Direction.MAX)
    ledger.append_search(SearchRecord("s1", "pairs", objective, "relu", 100.0))
    for trial, name, gain in (("0", "relu", 0.0), ("1", "elu", 0.25)):
        ledger.append_trial(TrialRecord(trial, {"activation": name}, name))
        for number in (1, 2, 3):
            score = 0.5 + number / 100 + gain
            ledger.append_execution(
                ExecutionRecord(trial, number, 7, 2, Status.COMPLETED, 101.0, 102.0, score=score, epoch_seconds=(1.0,))
            )
    ledger.append_end(End(120.0, "completed"))
    for _ in range(2):
        relu, elu = write(store, ledger, address).run_ids["trial_run_ids"].values()
    baseline = store.get_run(relu).data.metrics
    assert (baseline["gain_points"], baseline["train_seconds_ratio"], "gain_points_low" in baseline) == (0, 1, False)
    [point] = store.get_metric_history(elu, "gain_points")
    assert (point.step, point.timestamp, point.value) == (0, 120_000, 25.0)
    found = store.get_run(elu).data
    assert found.metrics["gain_points_low"] <= 25 <= found.metrics["gain_points_high"]
    assert (found.metrics["mean_val_accuracy"], found.tags["actsearch.score_name"]) == (
        pytest.approx(0.77),
        "val accuracy",
    )


def test_a_long_note_has_fewer_rows(store, tmp_path, address):
    ledger = Ledger(tmp_path / "long", create=True)
    ledger.append_search(SearchRecord("s1", "long", Objective("val_accuracy", Direction.MAX), "relu", 100.0))
    for trial in range(120):
        ledger.append_trial(TrialRecord(str(trial), {"activation": "relu"}, f"name_{trial} {'x' * 60}"))
    ledger.append_end(End(120.0, "failed", "nothing ran"))
    note = store.get_run(write(store, ledger, address).run_ids["run_id"]).data.tags["mlflow.note.content"]
    assert len(note) <= 8000
    rows = [line for line in note.splitlines() if line.startswith("|")]
    assert len(rows) > 10
    assert all(row.endswith("|") for row in rows)
    assert "more" in note


def test_ids_are_in_the_order_of_the_trials_whatever_order_the_store_finds_their_runs_in(store, tmp_path, address):
    ledger = Ledger(tmp_path / "many", create=True)
    ledger.append_search(SearchRecord("s1", "many", Objective("val_accuracy", Direction.MAX), "relu", 100.0))
    for trial in range(8):
        ledger.append_trial(TrialRecord(str(trial), {"activation": "relu"}, "relu"))
    ledger.append_end(End(120.0, "completed"))
    for _ in range(2):
        assert list(write(store, ledger, address).run_ids["trial_run_ids"]) == [str(trial) for trial in range(8)]


def test_what_is_wrong_with_the_health_is_said_and_drawn(store, tmp_path, address):
    site = {"site": "relu", "dead": 0.9, "saturated": 0.0, "sparsity": 0.9, "gradient_norm": 1.0}
    found = {"severity": "error", "site": "relu", "reason": "90 % dead"}
    ledger = Ledger(tmp_path / "sick", create=True)
    ledger.append_search(SearchRecord("s1", "sick", Objective("val_accuracy", Direction.MAX), "relu", 100.0))
    for trial, findings in (("0", []), ("1", [found])):
        health = ({"epoch": 1, "gradient_ratio": 2.0, "sites": [site], "findings": findings},)
        activations = {"": {"name": "relu", "parameters": {}}}
        ledger.append_trial(TrialRecord(trial, {"activation": "relu"}, "relu", activations=activations))
        ledger.append_execution(
            ExecutionRecord(trial, 1, 7, 2, Status.COMPLETED, 101.0, 102.0, score=0.5, health=health)
        )
    well, sick = write(store, ledger, address).run_ids["trial_run_ids"].values()
    assert store.get_run(well).data.metrics["dead/relu"] == 0.9
    assert store.get_run(well).data.metrics["dead_units_percent"] == 90
    assert [file.path for file in store.list_artifacts(well)] == ["activation.png"]
    assert [file.path for file in store.list_artifacts(sick)] == ["activation.png", "health.png"]
    assert store.get_run(sick).data.tags["actsearch.health"] == "error, relu: 90 % dead"


def test_the_writer_knows_the_search_as_the_ledger_has_it(store, tmp_path, address):
    """Else MLflow would judge another search: later looks at the level of the first, a race as fixed."""
    ledger = written(tmp_path)
    ledger.append(Kind.EXTENSION, "1", Extension(121.0, 2, "fixed", 3, only=("relu",)))
    ledger.append_execution(replace(ledger.read().trials[0].executions[-1], execution=3, ended_at=125.0))
    ledger.append_end(End(126.0, "completed"))
    writer = write(store, ledger, address)
    assert writer._known(126.0) == ledger.read()
