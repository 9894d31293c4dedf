"""Extending a search that has ended: more executions, for some activations only, or as a race."""

from dataclasses import replace

import keras
import numpy as np
import pytest

import actsearch
from actsearch.analysis.verdict import verdict_of
from actsearch.config import SearchConfig
from actsearch.errors import UnknownNameError, UsageError
from actsearch.ledger import Kind, Ledger
from actsearch.records import Extension
from actsearch.reports.leaderboard import leaderboard_rows
from actsearch.tuning.allocation import Fixed, Race
from actsearch.tuning.state import SearchState, extension_of
from tests.helpers.factories import search

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3)).astype("float32")
Y = (X[:, :1] * X[:, 1:2] + 0.1 * RNG.normal(size=(80, 1))).astype("float32")
SPACE = ["relu", "elu", "tanh"]


def regressor():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(6, "relu"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mse")
    return model


def searched(directory, **options):
    how = {"space": SPACE, "epochs": 2, "tracking": False, "verbose": 0, "directory": directory, **options}
    return actsearch.search(regressor(), X, Y, **how)


def counts(result):
    return {trial.activation: len(trial.executions) for trial in result.trials}


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """A search of 3 executions, extended to 5 for some, and then as a race."""
    directory = tmp_path_factory.mktemp("extended") / "found"
    first = searched(directory, executions=3)
    second = searched(directory, allocation=Fixed(5, only=["elu"]))
    third = searched(directory, allocation=Race(8))
    return first, second, third


def test_only_what_was_asked_for_and_the_baseline_get_more(extended):
    first, second, third = extended
    assert counts(first) == {"relu": 3, "elu": 3, "tanh": 3}
    assert counts(second) == {"relu": 5, "elu": 5, "tanh": 3}
    assert {c.activation: c.num_pairs for c in second.verdict.comparisons} == {"elu": 5, "tanh": 3}
    assert max(counts(third).values()) <= 8
    assert counts(third)["tanh"] > 3


def test_earlier_executions_stay_as_they_were(extended):
    first, _, third = extended
    for before, after in zip(first.trials, third.trials, strict=True):
        assert after.executions[:3] == before.executions


def test_the_record_says_what_was_added(extended):
    added = extended[2].record.extensions
    assert [(each.allocation, each.executions, each.max_executions, each.only) for each in added] == [
        ("fixed", 5, None, ("elu",)),
        ("race", None, 8, ()),
    ]
    assert [each.after for each in added] == [3, 5]
    assert extended[2].record.allocation == "race"


def test_a_look_after_an_extension_is_stricter_and_says_so(extended):
    first, second, _ = extended
    assert not any("looked at before" in note for note in first.verdict.notes)
    assert any("looked at before" in note for note in second.verdict.notes)


def test_the_same_again_trains_nothing(extended):
    directory = extended[2].directory
    again = searched(directory, allocation=Race(8))
    assert again.trials == extended[2].trials
    assert len(again.record.extensions) == 2


def pairs(result):
    return {c.activation: c.num_pairs for c in result.verdict.comparisons}


STEPS = [
    ({"executions": 3}, {"relu": 3, "elu": 3, "tanh": 3}),
    ({"allocation": Fixed(5, only=["elu"])}, {"relu": 5, "elu": 5, "tanh": 3}),
    ({"allocation": Fixed(6, only=["elu"])}, {"relu": 6, "elu": 6, "tanh": 3}),
    ({"allocation": Fixed(6, only=["tanh"])}, {"relu": 6, "elu": 6, "tanh": 6}),
    ({"allocation": Race(8, only=["elu"])}, {"relu": 8, "elu": 8, "tanh": 6}),
    ({"allocation": Race(9, only=["tanh"])}, {"relu": 9, "elu": 8, "tanh": 9}),
    ({"allocation": Race(10)}, {"relu": 10, "elu": 10, "tanh": 10}),
]


@pytest.fixture(scope="module")
def extended_by_turns(tmp_path_factory):
    """A search that is extended for one activation, for the other, and for all, with nothing to decide it."""
    directory = tmp_path_factory.mktemp("turns") / "found"
    return [searched(directory, margin=0.0, alpha=1e-9, **options) for options, _ in STEPS]


@pytest.mark.slow
def test_in_any_order_each_gets_what_was_asked_for_and_all_of_it_is_judged(extended_by_turns):
    for result, (options, wanted) in zip(extended_by_turns, STEPS, strict=True):
        assert counts(result) == wanted, options
        assert pairs(result) == {name: wanted[name] for name in ("elu", "tanh")}, options


@pytest.mark.slow
def test_what_everyone_named_has_already_is_refused_by_name(extended_by_turns):
    directory = extended_by_turns[-1].directory
    for wrong, says in (
        (Race(10, only=["tanh"]), "has at most 10 executions of tanh .race., but at most 10 executions"),
        (Race(12, only=["relu"]), "only names just the baseline, relu"),
    ):
        with pytest.raises(UsageError, match=says):
            searched(directory, margin=0.0, alpha=1e-9, allocation=wrong)


def test_only_in_a_new_directory_is_refused(tmp_path):
    with pytest.raises(UsageError, match="only=.'elu'. would be ignored: it extends a search, but .* holds none"):
        searched(tmp_path / "new", allocation=Fixed(3, only=["elu"]))


def test_the_number_of_executions_that_are_left_is_that_of_those_who_get_them(tmp_path):
    added = (Extension(2.0, 3, "fixed", 5, only=("elu",)),)
    before = search({"relu": [0.9] * 3, "elu": [0.8] * 3, "tanh": [0.8] * 3})
    ledger = Ledger(tmp_path, create=True)
    ledger.append_search(replace(before, trials=()))
    for each in before.trials:
        ledger.append_trial(replace(each, executions=()))
        for done in each.executions:
            ledger.append_execution(done)
    ledger.append(Kind.EXTENSION, "1", added[0])
    assert SearchState(tmp_path, before).num_left(3, executions=5) == 4
    assert SearchState(tmp_path, before).num_left(5, executions=5) == 14


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"executions": 2}, "at most 8 executions of each trial .race., but 2 executions"),
        ({"allocation": Race(8, only=["gelu"])}, "Unknown activation 'gelu'"),
        ({"allocation": Race(7)}, "at most 7 executions"),
        ({"allocation": Race(12), "epochs": 3}, "epochs: 2 there, 3 now"),
    ],
)
def test_what_is_no_extension_is_refused(extended, options, says):
    with pytest.raises(UsageError, match=says):
        searched(extended[2].directory, **options)


RECORD = search({"relu": [0.9] * 4, "elu": [0.8] * 4})
BEFORE = replace(RECORD, config=replace(RECORD.config, allocation="fixed", executions=4, max_executions=None))


BEFORE_RACE = replace(BEFORE, config=replace(BEFORE.config, allocation="race", executions=None, max_executions=4))


def numbers(**values):
    return SearchConfig(**{"executions": None, "max_executions": None, "factor": None, "rungs": None, **values})


def test_the_rules_of_extensions():
    assert extension_of(BEFORE, numbers(executions=4), ()) is None
    assert extension_of(BEFORE, numbers(executions=6), ()).after == 4
    assert extension_of(BEFORE, numbers(allocation="race", max_executions=5), ("elu",)).only == ("elu",)
    for wrong in (numbers(executions=3), numbers(allocation="race", max_executions=4), numbers(allocation="halving")):
        with pytest.raises(UsageError, match="can be extended to more executions"):
            extension_of(BEFORE, wrong, ())
    with pytest.raises(UnknownNameError):
        extension_of(BEFORE, numbers(executions=6), ("mish",))


def test_an_interrupted_search_may_go_on_for_some_only_but_not_with_fewer():
    planned = replace(BEFORE, config=replace(BEFORE.config, executions=10))
    assert extension_of(planned, numbers(executions=10), ("elu",)).only == ("elu",)
    with pytest.raises(UsageError, match="has 10 executions of each trial .fixed., but 6 executions"):
        extension_of(planned, numbers(executions=6), ())


def test_an_extension_counts_seeds_by_the_sample_scores_as_the_race_does():
    """Without them, Student's intervals would decide otherwise, and after other seeds."""
    asked = []
    extension_of(
        BEFORE_RACE, numbers(allocation="race", max_executions=9), ("elu",), lambda *which: asked.append(which)
    )
    assert ("1", 4, "validation") in asked


def test_a_list_of_activations_is_not_a_text():
    with pytest.raises(UsageError, match=r"Write \['elu'\]"):
        Fixed(5, only="elu")


def test_each_look_at_an_extended_search_has_less_to_spend():
    shown = []
    record = search({"relu": [0.9, 0.91, 0.92, 0.9], "elu": [0.93, 0.95, 0.94, 0.94]})
    for ends in ((), (1.0,), (0.5, 1.0)):
        looked = replace(record, ends=ends)
        shown.append(verdict_of(looked).comparisons[0].p_value)
    assert shown[0] == shown[1] == shown[2]  # all executions end at 1.0, so these are one look
    early = [replace(e, ended_at=0.1 * e.execution) for t in record.trials for e in t.executions]
    trials = tuple(replace(t, executions=tuple(e for e in early if e.trial_id == t.trial_id)) for t in record.trials)
    twice = replace(record, trials=trials, ends=(0.35, 0.45), extensions=(Extension(0.36, 3, "fixed", 4),))
    assert verdict_of(twice).comparisons[0].p_value > 1.9 * shown[0]


def test_a_single_look_is_not_called_a_later_one():
    for count in (3, 4, 5, 10, 30):
        scores = {"relu": [0.9 + n % 3 / 100 for n in range(count)], "elu": [0.9 + n % 2 / 100 for n in range(count)]}
        assert not any("looked at before" in note for note in verdict_of(search(scores)).notes)


def test_rows_are_sorted_by_the_gain_where_trials_have_different_seeds():
    """The later seeds are worse for all: the mean of a trial that lacks them is better, not the trial."""
    record = search(
        {"relu": [0.9, 0.9, 0.9, 0.5, 0.5], "elu": [0.91, 0.91, 0.92], "tanh": [0.95, 0.96, 0.95, 0.55, 0.56]}
    )
    added = Extension(1.0, 3, "fixed", 5, only=("tanh",))
    verdict = verdict_of(replace(record, extensions=(added,)))
    rows = leaderboard_rows(replace(record, extensions=(added,)), verdict)
    assert [row.activation for row in rows] == ["tanh", "elu", "relu"]
    assert rows[0].score < rows[1].score
