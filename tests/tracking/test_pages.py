"""The names of runs and the notes of MLflow's pages."""

from dataclasses import replace

import pytest

from actsearch.analysis.verdict import verdict_of
from actsearch.reports.leaderboard import leaderboard_rows
from actsearch.reports.story import story_of
from actsearch.tracking.pages import (
    LONGEST_NOTE,
    SEARCHES,
    Places,
    experiment_note,
    search_name,
    search_note,
    trial_name,
    trial_note,
)
from tests.helpers.factories import LOSS, diagnosed, search, trial
from tests.helpers.verdicts import SCORES, joint


def places_for(record):
    return Places("7", "run", {t.trial_id: f"run-{t.trial_id}" for t in record.trials})


@pytest.fixture(scope="module")
def known():
    """A search of which the verdict is known, with one trial that failed."""
    record = search(
        SCORES | {"silu": [None] * 20}, name="five", data={"name": "digits", "summary": "digits: 9 samples"}
    )
    shape = {"": {"name": "selu", "parameters": {}}}
    trials = [
        diagnosed(replace(t, activations=shape), {"one": (0.17, 1.0)}) if t.activation == "selu" else t
        for t in record.trials
    ]
    record = replace(record, trials=tuple(trials))
    return record, verdict_of(record)


def test_the_run_of_a_search_is_named_by_space_data_and_what_to_do(known):
    record, verdict = known
    assert search_name(record) == "five · digits"
    assert search_name(record, verdict) == "five · digits · use selu"
    assert search_name(replace(record, data={"name": "arrays"})) == "five"


def test_what_to_do_is_said_in_few_words_whatever_it_is():
    for scores, baseline, words in (
        ({"relu": [0.9] * 3, "elu": [0.9, 0.91, 0.89]}, "relu", "keep relu for now"),
        ({"relu": [0.9] * 3}, "relu", "nothing to compare"),
        ({"Relu": [0.9] * 3, "elu": [0.8] * 3}, None, "Relu has the best mean val accuracy"),
        ({"relu": [0.9] * 3, "elu": [0.9, 0.91, 0.89], "mish": [None] * 3}, "relu", "keep relu for now"),
        ({"a(b=1, c=2)": [0.9] * 3, "elu": [0.9, 0.91, 0.89]}, "a(b=1, c=2)", "keep a(b=1, c=2) for now"),
    ):
        record = search(scores, baseline=baseline)
        assert search_name(record, verdict_of(record)) == f"demo · {words}"


def test_the_run_of_a_trial_is_named_by_activation_mark_and_gain(known):
    names = {row.activation: trial_name(row) for row in leaderboard_rows(*known)}
    assert names["relu"] == "relu (baseline)"
    assert names["selu"] == "selu ▲ +1.2"
    assert names["tanh"] == "tanh ▼ -2.0"
    assert names["elu"].startswith("elu = ")
    assert names["gelu"].startswith("gelu ? +0.")
    assert names["silu"] == "silu ✗"


def test_configurations_of_an_activation_have_their_values_last():
    record = joint({"relu": 2, "selu": 2})
    names = [trial_name(row) for row in leaderboard_rows(record, verdict_of(record))]
    assert any(name.startswith("selu ") and name.endswith("(learning_rate=0.002)") and "+" in name for name in names)
    assert "relu (baseline) (learning_rate=0.002)" in names


def test_a_gain_in_a_loss_has_no_points():
    record = search({"relu": [0.5, 0.51, 0.52], "elu": [0.4, 0.41, 0.42]}, objective=LOSS)
    assert "elu ▲ +0.1" in map(trial_name, leaderboard_rows(record, verdict_of(record)))


def test_the_note_of_a_search_has_its_story_links_picture_and_one_table(known):
    record, verdict = known
    note = search_note(record, verdict, places_for(record))
    story = story_of(record, verdict)
    assert note.startswith(f"**{story.advice}**")
    for part in (
        "![Gain over relu](get-artifact?path=report%2Fdifferences.png&run_uuid=run)",
        "[▲ selu](#/experiments/7/runs/run-1?workflowType=machine_learning)",
        "(#/experiments/7/runs/run/artifacts/report.html?workflowType=machine_learning)",
        "viewStateShareKey=actsearch-s&compareRunsMode=CHART",
        "digits: 9 samples",
        "silu, executions 1-20 failed: loss is nan",
    ):
        assert part in note
    assert sum(line.startswith("| ---") for line in note.splitlines()) == 1
    assert "│" not in note


def test_a_long_note_of_a_search_has_fewer_rows(known):
    many = search(
        {f"activation_{n}_{'x' * 60}": [0.5] for n in range(200)}, environment={"command": "actsearch search"}
    )
    note = search_note(many, verdict_of(many), places_for(many))
    assert len(note) <= LONGEST_NOTE
    assert " more." in note
    assert note.endswith("    actsearch search\n")


def test_the_note_of_a_trial_has_verdict_gain_cost_picture_and_diagnosis(known):
    record, verdict = known
    rows = {row.trial_id: row for row in leaderboard_rows(record, verdict)}
    selu, silu = (trial_note(record, verdict, record.trials[n], rows[str(n)], places_for(record)) for n in (1, 5))
    assert selu.startswith("**▲ selu: better** than relu: +1.2 points")
    assert "| training time | &emsp;1 s |" in selu
    assert "![selu](get-artifact?path=activation.png&run_uuid=run-1)" in selu
    assert "at most 17% of the units of a site are dead" in selu
    assert "(#/experiments/7/runs/run?workflowType=machine_learning)" in selu
    assert silu.startswith("**✗ silu: failed**: loss is nan")


def test_a_trial_with_issues_shows_them():
    sick = diagnosed(trial("1", "elu", [0.8] * 3), {"one": (0.9, 1.0)})
    health = {**sick.executions[0].health[0], "findings": [{"severity": "error", "site": "one", "reason": "90 % dead"}]}
    sick = replace(sick, executions=(replace(sick.executions[0], health=(health,)), *sick.executions[1:]))
    record = search([trial("0", "relu", [0.9] * 3), sick])
    verdict = verdict_of(record)
    row = next(row for row in leaderboard_rows(record, verdict) if row.trial_id == "1")
    note = trial_note(record, verdict, sick, row, places_for(record))
    assert "- error, one: 90 % dead" in note
    assert "get-artifact?path=health.png&run_uuid=run-1" in note


def test_the_note_of_an_experiment_lists_searches_below_what_the_user_wrote():
    first = experiment_note("My own words.", [("12:00", "one", "Keep relu.", "#/one")])
    assert first.startswith("My own words.\n\n" + SEARCHES)
    second = experiment_note(first, [("13:00", "two", "Use selu.", "#/two"), ("12:00", "one", "Keep relu.", "#/one")])
    assert second.startswith("My own words.\n\n" + SEARCHES)
    assert second.index("[two](#/two)") < second.index("[one](#/one)")
    assert second.count("Keep relu.") == 1
    assert experiment_note(second, [("13:00", "two", "Use selu.", "#/two")]).count(SEARCHES) == 1


def test_the_note_of_an_experiment_fits():
    note = experiment_note("", [("12:00", "name " * 60, "advice " * 60, "#/one")] * 30)
    assert len(note) <= 5000
    assert "more." in note
