"""Runs found, made and written in batches, in a real store."""

import pytest
from mlflow.entities import Metric

from actsearch.tracking.runs import Runs


@pytest.fixture
def runs(store):
    return Runs(store, store.create_experiment("e"), "s1", lambda: None)


def test_a_run_is_found_again(store, runs):
    made = runs.find_or_make(("trial", "0"), "relu", 5.0, {"a": "b", "none": None})
    again = Runs(store, "1", "s1", lambda: None)
    assert again.find_or_make(("trial", "0"), "relu", 5.0, {}) == made
    assert Runs(store, "1", "s2", lambda: None).ids == {}


def test_of_two_runs_the_empty_one_is_deleted(store, runs):
    kept = runs.find_or_make(("trial", "0"), "relu", 5.0, {})
    runs.log(kept, params={"p": 1})
    tags = dict(store.get_run(kept.run_id).data.tags)
    for _ in range(3):
        store.create_run("1", tags=tags)
    fresh = Runs(store, "1", "s1", lambda: None)
    assert fresh["trial", "0"].run_id == kept.run_id
    assert [run.info.run_id for run in store.search_runs(["1"])] == [kept.run_id]


def test_the_run_that_is_in_use_is_kept(store, runs):
    kept = runs.find_or_make(("trial", "0"), "relu", 5.0, {})
    other = store.create_run("1", tags=dict(store.get_run(kept.run_id).data.tags))
    store.log_param(other.info.run_id, "p", 1)
    runs.find()
    assert runs["trial", "0"].run_id == kept.run_id


def test_more_than_a_batch_holds(store, runs):
    run = runs.find_or_make(("search",), "many", 5.0, {})
    points = [Metric("m", float(step), step, step) for step in range(1700)]
    runs.log(run, params={f"p{n}": n for n in range(150)}, metrics=points, tags={f"t{n}": "x" for n in range(150)})
    data = store.get_run(run.run_id).data
    assert len(data.params) == 150
    assert len([tag for tag in data.tags if tag[0] == "t"]) == 150
    assert len(store.get_metric_history(run.run_id, "m")) == 1700


def test_only_what_is_missing_is_written(runs, monkeypatch):
    run = runs.find_or_make(("search",), "one", 5.0, {"a": "b"})
    runs.log(run, params={"p": 1, "none": None})
    runs.end(run, "FINISHED", 6.0)
    monkeypatch.setattr(runs, "_client", None)  # a call to MLflow would fail
    runs.log(run, params={"p": 1}, tags={"a": "b", "c": None})
    runs.end(run, "FINISHED", 6.0)


def test_a_tag_is_taken_away(store, runs):
    run = runs.find_or_make(("search",), "one", 5.0, {"a": "b"})
    runs.log(run, tags={"a": None})
    assert "a" not in store.get_run(run.run_id).data.tags


def test_a_run_is_opened_again(store, runs):
    run = runs.find_or_make(("search",), "one", 5.0, {})
    runs.end(run, "KILLED", 6.0)
    runs.reopen(run)
    assert store.get_run(run.run_id).info.status == "RUNNING"


def test_names_that_mlflow_rejects_are_made_ones_that_it_takes(store, runs):
    run = runs.find_or_make(("search",), "x" * 300, 5.0, {"long": "y" * 9000})
    runs.log(run, params={"top k=5 (%)": "z" * 7000})
    assert store.get_run(run.run_id).data.params == {"top k_5 ___": "z" * 6000}
