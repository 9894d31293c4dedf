"""The verdict of a race is that of its test."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actsearch.analysis.results import Outcome
from actsearch.analysis.verdict import verdict_of
from actsearch.config import SearchConfig
from actsearch.tuning.allocation import Action, Race
from tests.helpers.factories import ACCURACY, search, trial
from tests.helpers.verdicts import SCORES, joint, outcomes


def raced(scores, *, seeds=20, stop_after=None, tests=False, **options):
    """A search as a race leaves it, and the race."""
    race = Race(seeds).start(ACCURACY, **{"alpha": 0.05, **options})
    done = {name: [] for name in scores}
    for name in scores:
        race.add(name, baseline=name == "relu")
    count = 0
    while (asked := race.ask()) is not None and (stop_after is None or count < stop_after):
        name, n = asked
        done[name].append(scores[name][n - 1])
        race.tell(name, n, scores[name][n - 1])
        count += 1
    made = [
        trial(name, name, s, test_scores=[x and x - 0.01 for x in s] if tests else None) for name, s in done.items()
    ]
    return search(made, config=SearchConfig(allocation="race", max_executions=seeds, **options)), race


@pytest.mark.parametrize("tests", [False, True])
def test_the_verdict_of_a_race_is_the_races(tests):
    record, race = raced(SCORES, tests=tests)
    verdict = verdict_of(record)
    claims = {d.trial_id: d.outcome for d in race.decisions if d.action is Action.CLAIMED}
    assert claims
    assert {f.activation: f.outcome for f in verdict.comparisons if f.outcome is not Outcome.UNDECIDED} == claims
    assert {f.activation for f in verdict.comparisons if f.beaten} == {
        d.trial_id for d in race.decisions if d.action is Action.DROPPED
    }
    assert verdict.source == ("test" if tests else "validation")
    assert verdict.baseline_beaten
    assert any(note.startswith("The race stopped training ") for note in verdict.notes)


def test_intervals_of_a_race_are_wider_than_those_of_a_single_test():
    record, _ = raced(SCORES)
    selu = next(f for f in verdict_of(record).comparisons if f.activation == "selu")
    once = verdict_of(search({n: s[: selu.num_pairs] for n, s in SCORES.items()}))
    fixed = next(f for f in once.comparisons if f.activation == "selu")
    assert selu.interval.high - selu.interval.low > fixed.interval.high - fixed.interval.low


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 70))
def test_a_race_stopped_at_any_moment_is_judged_by_complete_seeds(stop_after):
    record, race = raced(SCORES, stop_after=stop_after)
    verdict = verdict_of(record)
    assert len(verdict.executions) >= stop_after // 5 if stop_after < 20 else verdict.executions
    assert {f.activation: f.outcome for f in verdict.comparisons if f.outcome is not Outcome.UNDECIDED} == {
        d.trial_id: d.outcome for d in race.decisions if d.action is Action.CLAIMED
    }


def test_a_failed_trial_and_a_race_without_a_baseline():
    record, _ = raced(SCORES | {"mish": [None] * 20})
    found = {f.activation: f for f in verdict_of(record).comparisons}
    assert found["mish"].outcome is Outcome.FAILED
    without = verdict_of(replace(record, baseline=None))
    assert without.leader == "selu"
    assert outcomes(without)["tanh"] == "worse"
    assert all(each.num_pairs for each in without.comparisons if each.activation != "mish")
    assert not any("every pair of trials" in note for note in without.notes)


def test_what_a_race_leaves_to_the_baseline_is_not_called_the_best():
    verdict = verdict_of(raced({"relu": SCORES["selu"], "elu": SCORES["tanh"]})[0])
    (elu,) = verdict.comparisons
    assert elu.outcome is Outcome.WORSE
    assert "no other is the best" not in elu.reason


def test_a_joint_race_is_judged_by_intervals_that_hold_at_every_look():
    plain = joint({"relu": 3, "gelu": 3}, count=20)
    verdict = verdict_of(replace(plain, config=SearchConfig(allocation="race", max_executions=20)))
    (comparison,) = verdict.comparisons
    (once,) = verdict_of(plain).comparisons
    assert comparison.interval.low <= once.interval.low
    assert comparison.activation == "gelu"
