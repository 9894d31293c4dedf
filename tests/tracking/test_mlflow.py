"""The ledger drawn into a real MLflow store."""

import pytest
from support import runs_of

from actsearch.ledger import End, Ledger
from actsearch.records import Direction, ExecutionRecord, Objective, Resources, SearchRecord, Status, TrialRecord
from actsearch.tracking.mlflow import Drawing, open_experiment
from actsearch.tracking.store import StoreAddress, store_address


def written(folder, *, end=True) -> Ledger:
    ledger = Ledger(folder / "search", create=True)
    objective = Objective("val_accuracy", Direction.MAX)
    environment = {"packages": {"keras": "3"}, "git_commit": "abc"}
    ledger.append_search(
        SearchRecord("s1", "space [1]", objective, "relu", 100.0, settings={"seed": 0}, environment=environment)
    )
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


def draw(store, ledger, address) -> Drawing:
    drawing = Drawing(store, open_experiment(store, address))
    drawing.draw(ledger.facts())
    return drawing


@pytest.fixture
def address(tmp_path):
    return StoreAddress(f"sqlite:///{tmp_path / 'mlflow.db'}", "tests of drawing")


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


def test_drawn_twice_is_drawn_once(store, tmp_path, address):
    ledger = written(tmp_path)
    draw(store, ledger, address)
    once = everything(store)
    assert len(once) == 1 + 2 + 4
    draw(store, ledger, address)
    assert everything(store) == once


def test_drawn_in_parts_is_drawn_whole(store, tmp_path, address):
    ledger = written(tmp_path)
    facts = ledger.facts()
    for stop in (2, 5, len(facts)):
        Drawing(store, open_experiment(store, address)).draw(facts[:stop])
    whole = {run[3].get("seed", "") + str(sorted(run[5])) for run in everything(store).values()}
    other = StoreAddress(address.tracking_uri, "at once")
    draw(store, ledger, other)
    assert len(everything(store)) == 14
    assert {run[3].get("seed", "") + str(sorted(run[5])) for run in everything(store).values()} == whole


def test_times_are_those_of_the_ledger(store, tmp_path, address):
    draw(store, written(tmp_path), address)
    first = next(
        r
        for r in runs_of(store, "execution")
        if r.data.tags["mlflow.runName"] == "relu #1" and r.info.status == "FINISHED"
    )
    assert (first.info.start_time, first.info.end_time) == (101_000, 104_000)
    points = store.get_metric_history(first.info.run_id, "val_accuracy")
    assert [(p.step, p.timestamp, p.value) for p in points] == [(1, 102_000, 0.5), (2, 103_500, 0.6)]


def test_a_trial_has_mean_sd_and_number(store, tmp_path, address):
    drawing = draw(store, written(tmp_path), address)
    metrics = store.get_run(drawing.run_ids["trial_run_ids"]["0"]).data.metrics
    assert metrics["best_val_accuracy"] == pytest.approx(0.65)
    assert metrics["best_val_accuracy_sd"] == pytest.approx(0.0707106781)
    assert metrics["num_executions"] == 2
    assert metrics["train_seconds"] == 2.5


def test_a_failed_trial_says_why(store, tmp_path, address):
    drawing = draw(store, written(tmp_path), address)
    failed = store.get_run(drawing.run_ids["trial_run_ids"]["1"])
    assert failed.info.status == "FAILED"
    assert failed.data.tags["actsearch.reason"] == "loss is nan in epoch 1"
    assert failed.data.metrics["num_failed"] == 2


def test_names_that_mlflow_rejects_are_made_ones_that_it_takes(store, tmp_path, address):
    draw(store, written(tmp_path), address)
    assert any("top k_5 ___" in r.data.metrics for r in runs_of(store, "execution"))


def test_the_default_store_is_in_the_working_directory(tmp_path):
    address = store_address()
    assert address.tracking_uri == f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert address.experiment == "actsearch"


def test_a_relative_database_becomes_absolute(tmp_path):
    assert store_address("sqlite:///here.db").database == tmp_path / "here.db"
