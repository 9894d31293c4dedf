"""What a search says in a few sentences."""

import math
from dataclasses import replace

import pytest

from actsearch.analysis.results import CostRatio, Outcome
from actsearch.analysis.statistics import Interval
from actsearch.analysis.verdict import verdict_of
from actsearch.reports.story import story_of
from tests.helpers.factories import ACCURACY, LOSS, diagnosed, search, trial

NEAR = [0.90, 0.91, 0.92, 0.91]


def story(scores, **options):
    record = search(scores, **options)
    return story_of(record, verdict_of(record))


def test_a_better_activation_is_to_be_used():
    told = story({"relu": [0.9 + n / 1000 for n in range(12)], "selu": [0.93 + n / 999 for n in range(12)]})
    assert told.advice == "Use selu: better than relu."
    assert told.evidence.startswith(
        "selu: +3.0 points of val accuracy [2.9, 3.1] (95% confidence, 12 executions each), "
    )
    assert told.sentences == (told.advice, told.evidence)


def test_of_those_undecided_the_most_promising_is_named_with_what_would_settle_it():
    told = story({"relu": [0.90, 0.91, 0.92, 0.93], "elu": [0.90, 0.93, 0.92, 0.96], "gelu": [0.8, 0.95, 0.9, 0.94]})
    assert told.advice == "Keep relu for now."
    assert told.evidence.startswith("Most promising: elu, +1.2 points of val accuracy [")
    assert "more executions would settle it." in told.evidence


def test_without_a_gain_the_nearest_is_named():
    told = story({"relu": NEAR, "elu": [0.89, 0.92, 0.90, 0.91]})
    assert told.evidence.startswith("Closest to relu: elu, -0.5 points of val accuracy [")


def test_where_data_are_the_limit_it_says_how_many_would_do():
    record = search({"relu": NEAR, "elu": [0.91, 0.90, 0.93, 0.93]})
    verdict = verdict_of(record)
    few = replace(verdict.comparisons[0], more_executions=None, num_samples=114, samples_needed=873)
    told = story_of(record, replace(verdict, comparisons=(few,)))
    assert "; about 880 samples would settle it (there are 114); more executions would not." in told.evidence


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
    assert (
        told.evidence
        == "elu is equivalent within 0.5 points of val accuracy; tanh is worse (95% confidence, 4 executions each)."
    )


def test_a_gain_in_a_loss_is_called_a_gain():
    told = story({"relu": [0.5, 0.51, 0.52], "elu": [0.45, 0.5, 0.53]}, objective=LOSS)
    assert "elu, gain +0.0167 in val loss [" in told.evidence


@pytest.mark.parametrize(
    ("scores", "advice"),
    [
        ({}, "Nothing to compare: no two trials with a score."),
        ({"relu": NEAR}, "Nothing to compare: no two trials with a score."),
        ({"relu": NEAR, "elu": [None] * 4}, "Nothing to compare with relu; elu failed: loss is nan (4 of 4)."),
    ],
)
def test_what_cannot_be_compared(scores, advice):
    assert story(scores).sentences == (advice,)


def with_sites(relu, elu, gain=0.01):
    """The reason where elu gains that much in every execution, but for little noise."""
    scores = [score + gain + noise for score, noise in zip(NEAR, (1e-4, 0.0, -1e-4, 2e-4), strict=True)]
    return story([diagnosed(trial("0", "relu", NEAR), relu), diagnosed(trial("1", "elu", scores), elu)]).reason


HEALTHY, DEAD = {"a": (0.0, 1.0), "b": (0.0, 1.0)}, {"a": (0.02, 1.0), "b": (0.17, 1.0)}


def test_dead_units_are_a_reason_where_they_differ():
    assert with_sites(DEAD, HEALTHY) == "relu: 17% of units dead in b; elu: none."
    assert with_sites(HEALTHY, DEAD, -0.01) == "elu: 17% of units dead in b; relu: none."
    assert with_sites(DEAD, DEAD) == ""
    assert with_sites(HEALTHY, HEALTHY) == ""
    assert with_sites({"a": (0.04, 1.0)}, HEALTHY) == ""


@pytest.mark.parametrize("gain", [-0.01, 0.0])
def test_a_diagnosis_that_argues_against_the_finding_is_not_a_reason(gain):
    assert with_sites(DEAD, HEALTHY, gain) == ""
    assert with_sites(HEALTHY, DEAD, -gain) == ""


def test_of_an_undecided_trial_a_reason_is_only_possible():
    undecided = diagnosed(trial("1", "elu", [0.91, 0.9, 0.93, 0.93]), HEALTHY)
    told = story([diagnosed(trial("0", "relu", NEAR), DEAD), undecided])
    assert told.reason == "relu: 17% of units dead in b; elu: none (a possible reason)."


def test_vanishing_gradients_are_a_reason_where_they_differ():
    flows, vanishes = {"a": (0.0, 0.5), "b": (0.0, 1.0)}, {"a": (0.0, 1e-5), "b": (0.0, 1.0)}
    told = with_sites(vanishes, flows)
    assert told == "relu: the gradient at the first site is 1e-05× that at the last; elu: 0.5×."
    assert with_sites(vanishes, vanishes) == ""
    assert with_sites({"a": (0.0, None)}, vanishes) == ""


def test_a_gain_that_may_be_within_the_margin_is_called_that():
    interval = {"interval": Interval(0.002, 0.012)}
    told = decided({"elu": (Outcome.BETTER, 0.007, interval)})
    assert told.evidence.endswith("; the gain is above 0 but may be less than the margin of 0.5 points.")
    assert "margin" not in decided({"elu": (Outcome.BETTER, 0.01, {"interval": Interval(0.005, 0.015)})}).evidence
    assert "margin" not in decided({"elu": (Outcome.BETTER, 0.007, interval)}, margin=0.0).evidence


def test_of_a_race_that_dropped_all_others_the_reason_is_said():
    known = {"interval": Interval(-0.002, 0.012), "reason": "the race showed of all others that they are not the best"}
    assert decided({"elu": (Outcome.BETTER, 0.007, known)}).evidence.endswith(f"; {known['reason']}.")


def test_what_failed_is_part_of_the_advice():
    told = story({"relu": NEAR, "elu": [0.91, 0.9, 0.93, 0.93], "gelu": [None] * 4, "selu": [None] * 4})
    assert told.advice == "Keep relu for now; gelu and selu failed: loss is nan (4 of 4)."


def test_other_hyperparameters_are_named_with_what_they_cost():
    """relu is better with 4 layers, elu with 2; a layer takes 0.1 s with either."""
    made = []
    for name, best in (("relu", 4), ("elu", 2)):
        for layers in (2, 4):
            level = (0.93 if name == "elu" else 0.9) - (0.0 if layers == best else 0.05)
            scores = [level + n / 1000 + 1e-4 * (n % 2 if name == "elu" else 0) for n in range(12)]
            values = {"activation": name, "layers": layers}
            made.append(trial(str(len(made)), name, scores, hyperparameters=values, seconds=layers / 10))
    told = story(made)
    assert told.advice == "Use elu (layers=2): better than relu (layers=4)."
    assert told.evidence.startswith("elu (layers=2): +3.0 points of val accuracy [")
    assert told.evidence.endswith("0.5× the time (layers=2 instead of 4, not the activation alone).")


def test_without_a_baseline_trials_of_one_activation_are_told_apart():
    level = {("gelu", 32): 0.95, ("gelu", 64): 0.90, ("elu", 32): 0.85}
    made = [
        trial(str(n), name, [mean + k / 1000 for k in range(12)], hyperparameters={"activation": name, "units": units})
        for n, ((name, units), mean) in enumerate(level.items())
    ]
    record = search(made, baseline=None)
    told, verdict = story(made, baseline=None), verdict_of(record)
    assert told.advice.startswith("gelu (units=32) has the best mean")
    assert told.evidence.startswith("gelu (units=64) and elu (units=32) are worse")
    assert "gelu (units=64) and elu (units=32) are shown to be worse" in verdict.recommendation
    assert not any(note.startswith("Each activation is compared by its best") for note in verdict.notes)


def with_curves(*curves, epochs=4, objective=ACCURACY):
    """The caution where executions of relu, and as many of elu, had these curves."""
    made = []
    for number, name in enumerate(("relu", "elu")):
        bare = trial(str(number), name, [0.9 + n / 100 + number / 1000 for n in range(len(curves))])
        kept = [
            replace(e, epochs=epochs, history={objective.name: curve})
            for e, curve in zip(bare.executions, curves, strict=True)
        ]
        made.append(replace(bare, executions=tuple(kept)))
    return story(made, objective=objective).caution


def test_curves_of_what_is_worse_say_nothing():
    """It could rise for long without changing what is best."""
    made = []
    for number, (name, level, curve) in enumerate(
        (("relu", 0.9, FLAT), ("elu", 0.5, RISING), ("selu", 0.4, RISING), ("tanh", 0.3, RISING))
    ):
        bare = trial(str(number), name, [level + n / 1000 for n in range(8)])
        kept = [replace(e, epochs=4, history={ACCURACY.name: curve}) for e in bare.executions]
        made.append(replace(bare, executions=tuple(kept)))
    assert story(made).caution == ""


RISING, FLAT, STOPPED = (0.1, 0.2, 0.3, 0.4), (0.1, 0.4, 0.4, 0.4), (0.1, 0.3, 0.4)


def test_a_training_that_was_too_short_is_called_that():
    said = "Scores still improved in the last epoch in {} of {} executions: more epochs may change the order."
    assert with_curves(*[RISING] * 3) == said.format(6, 6)
    assert with_curves(*[RISING] * 4, FLAT) == said.format(8, 10)
    assert with_curves(*[RISING[::-1]] * 3, objective=LOSS) == said.format(6, 6)


def test_a_training_that_was_long_enough_or_stopped_early_is_not():
    assert with_curves(*[RISING] * 2, *[FLAT] * 2) == ""
    assert with_curves(*[STOPPED] * 4) == ""
    assert with_curves(*[RISING] * 3, objective=LOSS) == ""


def test_a_few_short_curves_show_no_trend():
    assert with_curves((0.1, 0.2), (0.1, 0.2), epochs=2) == ""
    assert with_curves(*[(0.1, 0.2)] * 4, epochs=2) != ""
    assert with_curves(*[(0.1,)] * 4, epochs=1) == ""


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
    assert told.evidence == "selu is worse; gelu is not the best (95% confidence, 4 executions each)."


def test_an_interval_without_an_end_is_not_shown():
    told = decided({"elu": (Outcome.UNDECIDED, 0.01, {"interval": Interval(-math.inf, math.inf), "num_pairs": 2})})
    assert "+1.0 points of val accuracy (2 executions each, no interval at 95% confidence), " in told.evidence


def test_where_nothing_has_a_difference_yet_the_reason_is_said():
    told = decided({"elu": (Outcome.UNDECIDED, None, {"reason": "no seed is complete"})})
    assert told.sentences == ("Keep relu for now.", "No seed is complete.")
