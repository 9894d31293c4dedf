import base64
import json
import zlib
from dataclasses import replace

import pytest

from actsearch.analysis.verdict import verdict_of
from actsearch.records import Direction, Objective, SearchRecord, TrialRecord
from actsearch.tracking.ui_view import chart_colours, prepare_view, shown_curves, view_path, view_state
from actsearch.visualization._style import GREY, style_of
from tests.helpers.factories import search
from tests.helpers.verdicts import SCORES

SEARCH = SearchRecord("ab12", "relu_variants", Objective("val_accuracy", Direction.MAX), "relu", 0.0)

RATIOS = ["train_seconds_ratio", "training_memory_bytes_ratio", "inference_microseconds_ratio"]


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


def test_with_a_verdict_the_largest_gain_comes_first():
    record = search(SCORES)
    state = view_state(record, verdict_of(record))
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`gain_points`", False)
    charts = state["compareRunCharts"]
    assert charts[0]["metricKey"] == "gain_points"
    assert (charts[1]["xaxis"]["key"], charts[1]["yaxis"]["key"]) == ("train_seconds_ratio", "gain_points")
    assert [chart["metricKey"] for chart in charts[4:]] == RATIOS


def test_the_gain_of_a_loss_is_in_its_own_unit():
    record = search(SCORES, objective=Objective("val_loss", Direction.MIN))
    assert view_state(record, verdict_of(record))["orderByKey"] == "metrics.`gain`"


def test_costs_and_their_multiples_never_stand_side_by_side():
    record = search(SCORES)
    for state in (view_state(record), view_state(record, verdict_of(record))):
        columns = {column.split("`")[1] for column in state["selectedColumns"]}
        assert len(columns & {"train_seconds", "train_seconds_ratio"}) == 1


def test_columns_are_what_a_trial_gained_and_cost_in_this_order():
    record = search(SCORES)
    state = view_state(record, verdict_of(record))
    assert state["selectedColumns"] == [
        "metrics.`gain_points`",
        "metrics.`gain_points_low`",
        "metrics.`gain_points_high`",
        "tags.`actsearch.verdict`",
        "metrics.`train_seconds_ratio`",
        "metrics.`mean_val_accuracy`",
        "params.`activation`",
        "metrics.`num_executions`",
        "metrics.`training_memory_bytes_ratio`",
        "metrics.`inference_microseconds_ratio`",
        "metrics.`dead_units_percent`",
        "metrics.`flops_per_sample`",
        "metrics.`num_parameters`",
    ]
    assert state["columnOrder"] == [
        "attributes.`Run Name`", "runDateAndNestInfo", *state["selectedColumns"], "duration"
    ]  # fmt: skip
    assert state["columnWidths"].keys() == set(state["columnOrder"])


def test_until_there_are_gains_charts_show_scores_curves_dead_units_and_costs():
    charts = view_state(SEARCH)["compareRunCharts"]
    kinds = [chart["type"] for chart in charts]
    assert kinds == ["BAR", "SCATTER", "LINE", "BAR", "BAR", "BAR", "BAR"]
    assert charts[0]["metricKey"] == "best_val_accuracy"
    assert (charts[1]["xaxis"]["key"], charts[1]["yaxis"]["key"]) == ("train_seconds", "best_val_accuracy")
    assert charts[2]["selectedMetricKeys"] == ["val_accuracy"]
    assert charts[3]["metricKey"] == "dead_units_percent"
    assert len({chart["uuid"] for chart in charts}) == len(charts)


def test_of_many_trials_the_curves_of_the_best_five_and_the_baseline_are_shown_in_distinct_colours():
    names = ["relu", "elu", "selu", "gelu", "celu", "tanh", "mish", "silu", "pelu", "mpelu", "softplus"]
    record = search({name: [0.9 - n / 100, 0.9 - n / 101] for n, name in enumerate(reversed(names))})
    verdict = verdict_of(record)
    state = view_state(record, verdict)
    assert state["compareRunCharts"][2]["metricKey"] == "best_trials_val_accuracy"
    best = [trial.trial_id for trial in verdict.ranked(record)]
    assert shown_curves(record, verdict) == {*best[:5], verdict.reference}
    colours = chart_colours(record, verdict)
    coloured = [colour for colour in colours.values() if colour != GREY]
    assert len(coloured) == len(set(coloured)) == 8
    assert colours[verdict.reference] == style_of("relu").colour
    assert {colours[trial] for trial in best[7:10]} == {GREY}


def test_few_trials_have_all_curves_and_their_own_colours():
    record = search(SCORES)
    verdict = verdict_of(record)
    assert shown_curves(record, verdict) == set()
    assert chart_colours(record, verdict) == {t.trial_id: style_of(t.activation).colour for t in record.trials}


def test_settings_that_differ_are_columns_and_parallel_coordinates():
    state = view_state(with_trials({"lr": 0.1, "units": 8}, {"lr": 0.2, "units": 8}))
    assert state["selectedColumns"][3:5] == ["params.`activation`", "params.`lr`"]
    assert state["compareRunCharts"][2]["type"] == "PARALLEL"
    assert state["compareRunCharts"][2]["selectedParams"] == ["activation", "lr"]


def test_before_there_are_trials_settings_come_from_the_space():
    state = view_state(replace(SEARCH, space={"hyperparameters": {"lr": [0.1, 0.2]}}))
    assert state["compareRunCharts"][2]["selectedParams"] == ["activation", "lr"]


def test_many_settings_with_long_names_fit_into_a_tag(store, experiment_id):
    names = [f"setting_{n}_".ljust(200, "abcdefgh"[n % 8]) for n in range(60)]
    prepare_view(store, experiment_id, with_trials(dict.fromkeys(names, 1), dict.fromkeys(names, 2)))


def test_names_are_those_that_mlflow_keeps():
    state = view_state(replace(SEARCH, objective=Objective("val_top[5]", Direction.MAX)))
    assert state["compareRunCharts"][2]["metricKey"] == "val_top_5_"
    assert state["orderByKey"] == "metrics.`best_val_top_5_`"
