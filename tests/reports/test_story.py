"""What a search says in three sentences."""

import math
from dataclasses import replace

import pytest

from actsearch.analysis.results import CostRatio, Outcome
from actsearch.analysis.statistics import Interval
from actsearch.analysis.verdict import verdict_of
from actsearch.reports.story import story_of
from tests.helpers.factories import LOSS, diagnosed, search, trial

NEAR = [0.90, 0.91, 0.92, 0.91]


def story(scores, **options):
    record = search(scores, **options)
    return story_of(record, verdict_of(record))


def test_a_better_activation_is_to_be_used():
    told = story({"relu": [0.9 + n / 1000 for n in range(12)], "selu": [0.93 + n / 999 for n in range(12)]})
    assert told.advice == "Use selu: better than relu."
    assert told.evidence.startswith("selu: +3.0 points of val accuracy [2.9, 3.1], ")
    assert told.sentences == (told.advice, told.evidence)


def test_of_those_undecided_the_most_promising_is_named_with_what_would_settle_it():
    told = story({"relu": [0.90, 0.91, 0.92, 0.93], "elu": [0.90, 0.93, 0.92, 0.96], "gelu": [0.8, 0.95, 0.9, 0.94]})
    assert told.advice == "Keep relu for now."
    assert told.evidence.startswith("Most promising: elu, +1.2 points of val accuracy [")
    assert "more executions would settle it." in told.evidence


def test_without_a_gain_the_nearest_is_named():
    told = story({"relu": NEAR, "elu": [0.89, 0.92, 0.90, 0.91]})
    assert told.evidence.startswith("The nearest of the undecided: elu, -0.5 points of val accuracy [")


def test_where_data_are_the_limit_it_says_how_many_would_do():
    record = search({"relu": NEAR, "elu": [0.91, 0.90, 0.93, 0.93]})
    verdict = verdict_of(record)
    few = replace(verdict.comparisons[0], more_executions=None, num_samples=114, samples_needed=873)
    told = story_of(record, replace(verdict, comparisons=(few,)))
    assert "114 samples are too few, about 880 would do." in told.evidence


def test_what_is_equivalent_and_what_is_worse():
    record = search({"relu": NEAR, "elu": NEAR, "tanh": NEAR})
    verdict = verdict_of(record)
    known = {"elu": (Outcome.EQUIVALENT, 0.0), "tanh": (Outcome.WORSE, -0.1)}
    decided = [
        replace(c, outcome=known[c.activation][0], difference=known[c.activation][1], interval=Interval(-0.1, 0.1))
        for c in verdict.comparisons
    ]
    told = story_of(record, replace(verdict, comparisons=tuple(decided)))
    assert told.advice == "Keep relu."
    assert told.evidence == "elu is equivalent within 0.5 points of val accuracy; tanh is worse."


def test_a_gain_in_a_loss_is_called_a_gain():
    told = story({"relu": [0.5, 0.51, 0.52], "elu": [0.45, 0.5, 0.53]}, objective=LOSS)
    assert "elu, gain +0.0167 in val loss [" in told.evidence


@pytest.mark.parametrize(
    ("scores", "advice"),
    [
        ({}, "Nothing to compare: no two trials with a score."),
        ({"relu": NEAR}, "Nothing to compare: no two trials with a score."),
        ({"relu": NEAR, "elu": [None] * 4}, "Nothing to compare with relu: all others failed."),
    ],
)
def test_what_cannot_be_compared(scores, advice):
    assert story(scores).sentences == (advice,)


def with_sites(relu, elu):
    made = [diagnosed(trial("0", "relu", NEAR), relu), diagnosed(trial("1", "elu", [0.91, 0.9, 0.93, 0.93]), elu)]
    return story(made).reason


def test_dead_units_are_a_reason_where_they_differ():
    healthy, dead = {"a": (0.0, 1.0), "b": (0.0, 1.0)}, {"a": (0.02, 1.0), "b": (0.17, 1.0)}
    assert with_sites(dead, healthy) == "relu: 17% of units dead in b; elu: none."
    assert with_sites(healthy, dead) == "elu: 17% of units dead in b; relu: none."
    assert with_sites(dead, dead) == ""
    assert with_sites(healthy, healthy) == ""
    assert with_sites({"a": (0.04, 1.0)}, healthy) == ""


def test_vanishing_gradients_are_a_reason_where_they_differ():
    flows, vanishes = {"a": (0.0, 0.5), "b": (0.0, 1.0)}, {"a": (0.0, 1e-5), "b": (0.0, 1.0)}
    told = with_sites(vanishes, flows)
    assert told == "relu: the gradient at the first site is 1e-05× that at the last; elu: 0.5×."
    assert with_sites(vanishes, vanishes) == ""
    assert with_sites({"a": (0.0, None)}, vanishes) == ""


def decided(known, **changes):
    """The story of a verdict with these outcomes and differences."""
    record = search({"relu": NEAR} | dict.fromkeys(known, NEAR))
    verdict = verdict_of(record)
    comparisons = [
        replace(c, outcome=known[c.activation][0], difference=known[c.activation][1], **known[c.activation][2])
        for c in verdict.comparisons
    ]
    return story_of(record, replace(verdict, comparisons=tuple(comparisons), **changes))


def test_the_evidence_is_about_what_is_open_where_the_baseline_is_not_the_best():
    wide = {"interval": Interval(-0.1, 0.1), "reason": ""}
    fast = {**wide, "cost_ratios": {"train_seconds": CostRatio(0.7, Interval(0.6, 0.8))}}
    known = {"selu": (Outcome.EQUIVALENT, 0.002, fast), "gelu": (Outcome.UNDECIDED, 0.01, wide)}
    told = decided(known, baseline_beaten=True)
    assert told.advice == "Do not keep relu: it is not the best."
    assert told.evidence.startswith("Most promising: gelu, ")
    assert decided(known).advice.startswith("Use selu: equivalent to relu")


def test_what_a_race_dropped_is_not_open():
    told = decided(
        {"selu": (Outcome.WORSE, -0.1, {}), "gelu": (Outcome.UNDECIDED, -0.05, {"beaten": True, "reason": "dropped"})}
    )
    assert told.advice == "Keep relu."
    assert told.evidence == "selu is worse; gelu is not the best."


def test_an_interval_without_an_end_is_not_shown():
    told = decided({"elu": (Outcome.UNDECIDED, 0.01, {"interval": Interval(-math.inf, math.inf), "num_pairs": 2})})
    assert "+1.0 points of val accuracy (2 pairs), " in told.evidence


def test_where_nothing_has_a_difference_yet_the_reason_is_said():
    told = decided({"elu": (Outcome.UNDECIDED, None, {"reason": "no seed is complete"})})
    assert told.sentences == ("Keep relu for now.", "No seed is complete.")
