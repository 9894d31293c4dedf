import pytest

from actsearch.analysis.recommendation import recommend, recommended_trial
from actsearch.analysis.results import Comparison, CostRatio, Outcome, Verdict
from actsearch.analysis.statistics import Interval
from actsearch.analysis.units import Units
from tests.helpers.factories import ACCURACY

B, E, W, U, F = Outcome.BETTER, Outcome.EQUIVALENT, Outcome.WORSE, Outcome.UNDECIDED, Outcome.FAILED


def ratio(value, spread=0.02):
    return {"train_seconds": CostRatio(value, Interval(value - spread, value + spread))}


def comparison(name, outcome, difference=0.0, time=1.0, **options):
    known = {"interval": Interval(difference - 0.005, difference + 0.006), "cost_ratios": ratio(time)} | options
    return Comparison(name, name, outcome, difference, **known)


def verdict(*comparisons, **options):
    known = {"baseline": "relu", "leader": None, "reference": "relu"} | options
    return Verdict(
        units=Units(ACCURACY, 0.9),
        alpha=0.05,
        margin=0.005,
        source="test",
        executions=(1,),
        comparisons=comparisons,
        fronts={},
        **known,
    )


def sentence(*comparisons, **options):
    return recommend(verdict(*comparisons, **options))


@pytest.mark.parametrize(
    ("comparisons", "options", "trial"),
    [
        ([comparison("gelu", B, 0.008), comparison("selu", B, 0.012)], {}, "selu"),
        ([comparison("elu", E, time=0.7), comparison("selu", E, time=0.8)], {}, "elu"),
        ([comparison("elu", E, time=0.95)], {}, "relu"),
        ([comparison("elu", W)], {}, "relu"),
        ([comparison("elu", U, 0.02, more_executions=9)], {}, "relu"),
        ([comparison("elu", U, 0.01), comparison("selu", U, 0.02)], {"baseline_beaten": True}, "selu"),
        ([comparison("elu", E, time=0.7)], {"baseline": None, "leader": "gelu", "reference": "gelu"}, "gelu"),
        ([comparison("elu", F)], {}, "relu"),
        ([], {"reference": None}, None),
    ],
)
def test_the_recommended_trial_is_the_one_that_the_sentence_names(comparisons, options, trial):
    judged = verdict(*comparisons, **options)
    assert recommended_trial(judged) == trial
    if judged.with_outcome(B) or trial == "elu":
        assert recommend(judged).startswith(f"{trial}: ")


def test_the_three_examples():
    same = sentence(comparison("elu", E), comparison("prelu", E, time=1.3))
    assert (
        same
        == "keep relu: elu and prelu are equivalent within 0.5 points of test accuracy and prelu takes 1.3× the time"
    )
    assert sentence(comparison("selu", B, 0.012)) == "selu: +1.2 points of test accuracy [0.7, 1.8], same time"
    undecided = sentence(comparison("gelu", U, more_executions=40), comparison("mish", U, more_executions=40))
    assert undecided == "undecided between relu, gelu and mish: about 40 more executions would settle each"


def test_the_best_first_then_others_and_what_is_open():
    said = sentence(
        comparison("gelu", B, 0.008),
        comparison("selu", B, 0.012, time=1.5),
        comparison("elu", W),
        comparison("mish", U, more_executions=7),
    )
    assert said == (
        "selu: +1.2 points of test accuracy [0.7, 1.8], 1.5× the time; gelu is better too; mish is undecided: about 7 more executions would settle it"
    )


def test_as_good_and_clearly_cheaper_is_recommended():
    assert (
        sentence(comparison("elu", E, time=0.7))
        == "elu: equivalent to relu within 0.5 points of test accuracy, 0.7× the time"
    )
    assert sentence(comparison("elu", E, time=0.95)).startswith("keep relu")


def test_all_worse_keeps_the_baseline():
    assert sentence(comparison("elu", W), comparison("selu", W)) == "keep relu: elu and selu are worse"
    assert (
        sentence(comparison("elu", W), comparison("selu", U, beaten=True))
        == "keep relu: elu is worse, selu is not the best"
    )


def test_a_race_that_beat_the_baseline_but_does_not_know_by_whom():
    said = sentence(
        comparison("elu", U, more_executions=9), comparison("selu", U, more_executions=9), baseline_beaten=True
    )
    assert said == (
        "relu is not the best; which is better is undecided between elu and selu: about 9 more executions would settle each"
    )


def test_reasons_stand_where_executions_would_not_help():
    said = sentence(comparison("elu", U, more_executions=123), comparison("mish", U, reason="2 of 5 executions failed"))
    assert said == (
        "undecided between relu and elu: about 130 more executions would settle it; mish is undecided (2 of 5 executions failed)"
    )
    assert sentence(comparison("elu", U, reason="2 executions to compare, at least 3 are needed")).endswith(
        "elu (2 executions to compare, at least 3 are needed)"
    )


def test_what_failed_is_not_undecided():
    failed = [comparison(name, F, reason="loss is nan in epoch 1 (4 of 4)") for name in ("sqrt", "inverse")]
    told = "sqrt and inverse failed: loss is nan in epoch 1 (4 of 4)"
    assert sentence(comparison("elu", U, more_executions=9), *failed) == (
        f"undecided between relu and elu: about 9 more executions would settle it; {told}"
    )
    assert sentence(comparison("elu", B, 0.02), *failed).endswith(f"; {told}")
    assert sentence(*failed) == f"nothing to compare with relu; {told}"
    assert sentence(comparison("elu", U), *failed, baseline=None, leader="relu").endswith(told)


@pytest.mark.parametrize(
    ("cost_ratios", "words"),
    [
        ({}, "time not measured"),
        (ratio(1.2, spread=0.4), "time not settled"),
        (ratio(9.0, spread=6.9), "9.0× the time"),
        (ratio(20.0, spread=18.5), "time not settled"),
        ({"train_seconds": CostRatio(1.5)}, "time not settled"),
        (ratio(1.02, spread=0.01), "same time"),
        (ratio(1.07, spread=0.01), "1.07× the time"),
    ],
)
def test_cost_in_words(cost_ratios, words):
    assert sentence(comparison("selu", B, 0.012, cost_ratios=cost_ratios)).endswith(words)


def test_a_cost_that_is_not_settled_recommends_nothing():
    wide = {"train_seconds": CostRatio(0.3, Interval(0.05, 0.9))}
    assert sentence(comparison("elu", E, cost_ratios=wide)).startswith("keep relu: elu is equivalent")


def test_many_names_are_cut():
    said = sentence(*(comparison(f"a{i}", W) for i in range(9)))
    assert said == "keep relu: a0, a1, a2, a3 and 5 others are worse"


def test_without_a_baseline():
    said = sentence(comparison("elu", W), comparison("mish", U, more_executions=5), baseline=None, leader="selu")
    assert said == (
        "no baseline to compare with: selu has the best mean test accuracy; elu is shown to be worse; "
        "undecided between selu and mish: about 5 more executions would settle it"
    )
    assert sentence() == "nothing to compare: no two trials with a score"
