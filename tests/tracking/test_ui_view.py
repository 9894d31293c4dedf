import base64
import json
import zlib
from dataclasses import replace

import pytest

from actsearch.records import Direction, Objective, SearchRecord, TrialRecord
from actsearch.tracking.ui_view import prepare_view, view_path, view_state

SEARCH = SearchRecord("ab12", "relu_variants", Objective("val_accuracy", Direction.MAX), "relu", 0.0)


def with_trials(*settings):
    trials = [TrialRecord(str(n), {"activation": "relu", **values}, "relu") for n, values in enumerate(settings)]
    return replace(SEARCH, trials=tuple(trials))


@pytest.fixture
def experiment_id(store):
    return store.create_experiment("viewed")


def written(store, experiment_id, key):
    value = store.get_experiment(experiment_id).tags[f"mlflow.sharedViewState.{key}"]
    method, _, packed = value.partition(";")
    assert method == "deflate"
    return json.loads(zlib.decompress(base64.b64decode(packed)))


def test_the_view_is_a_tag_that_the_ui_reads(store, experiment_id):
    key = prepare_view(store, experiment_id, SEARCH)
    assert written(store, experiment_id, key) == view_state(SEARCH)


def test_preparing_a_view_again_writes_nothing(store, experiment_id, monkeypatch):
    key = prepare_view(store, experiment_id, SEARCH)
    monkeypatch.setattr(store, "set_experiment_tag", lambda *_: pytest.fail("written again"))
    assert prepare_view(store, experiment_id, SEARCH) == key


def test_each_search_has_a_view_of_its_own(store, experiment_id):
    first, second = (prepare_view(store, experiment_id, replace(SEARCH, search_id=name)) for name in ("one", "two"))
    assert "'one'" in written(store, experiment_id, first)["searchFilter"]
    assert "'two'" in written(store, experiment_id, second)["searchFilter"]
    assert view_path(experiment_id, first) != view_path(experiment_id, second)


def test_the_best_trial_comes_first():
    loss = replace(SEARCH, objective=Objective("val_loss", Direction.MIN))
    assert view_state(SEARCH)["orderByAsc"] is False
    assert view_state(loss)["orderByAsc"] is True
    assert view_state(loss)["orderByKey"] == "metrics.`best_val_loss`"


def test_with_a_verdict_the_best_judged_score_comes_first_and_its_name_says_which_it_is():
    loss = replace(SEARCH, objective=Objective("val_loss", Direction.MIN))
    state = view_state(loss, "test loss")
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`judged_test_loss`", True)
    charts = state["compareRunCharts"]
    assert charts[1]["yaxis"]["key"] == charts[2]["metricKey"] == "judged_test_loss"


def test_columns_are_what_a_trial_gained_and_cost():
    assert view_state(SEARCH, "test accuracy")["selectedColumns"] == [
        "params.`activation`",
        "metrics.`judged_test_accuracy`",
        "metrics.`gain`",
        "metrics.`gain_low`",
        "metrics.`gain_high`",
        "tags.`actsearch.verdict`",
        "metrics.`num_executions`",
        "metrics.`train_seconds`",
        "metrics.`training_memory_mib`",
        "metrics.`inference_microseconds`",
        "metrics.`flops_per_sample`",
        "metrics.`num_parameters`",
    ]


def test_charts_show_curves_gains_and_costs():
    charts = view_state(SEARCH)["compareRunCharts"]
    kinds = [chart["type"] for chart in charts]
    assert kinds == ["LINE", "SCATTER", "BAR", "BAR", "BAR", "BAR"]
    assert charts[0]["selectedMetricKeys"] == ["val_accuracy"]
    assert (charts[1]["xaxis"]["key"], charts[1]["yaxis"]["key"]) == ("train_seconds", "best_val_accuracy")
    assert len({chart["uuid"] for chart in charts}) == len(charts)


def test_settings_that_differ_are_columns_and_parallel_coordinates():
    state = view_state(with_trials({"lr": 0.1, "units": 8}, {"lr": 0.2, "units": 8}))
    assert state["selectedColumns"][:2] == ["params.`activation`", "params.`lr`"]
    assert state["compareRunCharts"][-1]["type"] == "PARALLEL"
    assert state["compareRunCharts"][-1]["selectedParams"] == ["activation", "lr"]


def test_before_there_are_trials_settings_come_from_the_space():
    state = view_state(replace(SEARCH, space={"hyperparameters": {"lr": [0.1, 0.2]}}))
    assert state["compareRunCharts"][-1]["selectedParams"] == ["activation", "lr"]


def test_many_settings_with_long_names_fit_into_a_tag(store, experiment_id):
    names = [f"setting_{n}_".ljust(200, "abcdefgh"[n % 8]) for n in range(60)]
    prepare_view(store, experiment_id, with_trials(dict.fromkeys(names, 1), dict.fromkeys(names, 2)))


def test_names_are_those_that_mlflow_keeps():
    state = view_state(replace(SEARCH, objective=Objective("val_top[5]", Direction.MAX)))
    assert state["compareRunCharts"][0]["metricKey"] == "val_top_5_"
    assert state["orderByKey"] == "metrics.`best_val_top_5_`"
