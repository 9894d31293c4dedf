from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actsearch.analysis.differences import Differences
from actsearch.analysis.results import Outcome
from actsearch.analysis.verdict import adjusted, judge, verdict_of
from actsearch.config import SearchConfig
from actsearch.errors import UsageError
from tests.helpers.factories import LOSS, scored, search, trial
from tests.helpers.verdicts import SCORES, SEEDS, around, joint, outcomes


def test_each_outcome_from_its_interval():
    verdict = verdict_of(search(SCORES))
    assert outcomes(verdict) == {"selu": "better", "elu": "equivalent", "tanh": "worse", "gelu": "undecided"}
    by_name = {f.activation: f for f in verdict.comparisons}
    assert by_name["selu"].interval.low > 0 > by_name["tanh"].interval.high
    assert by_name["elu"].interval.within(verdict.margin)
    assert by_name["selu"].p_value < 0.05 < by_name["gelu"].p_value
    assert by_name["gelu"].more_executions > 1
    assert by_name["selu"].more_executions is None
    assert by_name["selu"].difference == pytest.approx(0.012, abs=0.002)
    assert {f.num_pairs for f in verdict.comparisons} == {20}
    assert verdict.margin == 0.005
    assert verdict.notes[0].startswith("Judged by the validation scores of executions 1-20")


@pytest.mark.parametrize("margin", [0.0, 1e-7])
def test_what_nothing_would_settle_has_a_reason(margin):
    steps = 0.004 * np.tile([-1.0, 1.0], 6)
    found = verdict_of(search({"relu": [0.9] * 12, "elu": (0.9 + steps).tolist()}, config=SearchConfig(margin=margin)))
    (elu,) = found.comparisons
    assert (elu.outcome, elu.more_executions, elu.samples_needed) == (Outcome.UNDECIDED, None, None)
    assert elu.reason == "only more than 10,000 executions would settle it"
    assert found.recommendation == f"undecided between relu and elu ({elu.reason})"


def test_scores_that_are_all_the_same_prove_nothing():
    (elu,) = verdict_of(search({"relu": [0.0] * 5, "elu": [0.0] * 5})).comparisons
    assert (elu.outcome, elu.reason) == (
        Outcome.UNDECIDED,
        "every score is 0.0000: the data cannot tell the trials apart",
    )
    (elu,) = verdict_of(search({"relu": SEEDS.tolist(), "elu": SEEDS.tolist()})).comparisons
    assert elu.outcome is Outcome.EQUIVALENT


def test_a_loss_is_better_where_it_is_smaller_and_its_margin_is_relative():
    losses = {name: [1.2 - s for s in scores] for name, scores in SCORES.items()}
    verdict = verdict_of(search(losses, objective=LOSS))
    assert outcomes(verdict)["selu"] == "better"
    assert outcomes(verdict)["tanh"] == "worse"
    assert verdict.margin == pytest.approx(0.01 * np.mean(losses["relu"]))


@given(st.integers(1, 2))
@settings(max_examples=2, deadline=None)
def test_too_few_pairs_are_undecided_never_better(count):
    verdict = verdict_of(search({name: scores[:count] for name, scores in SCORES.items()}))
    assert set(outcomes(verdict).values()) == {"undecided"}
    assert all("executions to compare" in f.reason.replace("execution ", "executions ") for f in verdict.comparisons)


def test_an_empty_search_and_one_trial_have_nothing_to_compare():
    assert verdict_of(search({})).comparisons == ()
    assert verdict_of(search({"relu": [0.9, 0.8]})).comparisons == ()
    assert "nothing to compare" in verdict_of(search({"relu": []})).recommendation


@pytest.mark.parametrize("margin", [0.0, None])
def test_nonsense_is_refused_and_the_margin_may_be_zero(margin):
    verdict = judge(search(SCORES), alpha=0.05, margin=margin)
    assert ("equivalent" in outcomes(verdict).values()) == (margin is None)
    for options in ({"alpha": 0.0}, {"alpha": 1.5}, {"margin": -1.0}):
        with pytest.raises(UsageError):
            judge(search(SCORES), **({"alpha": 0.05, "margin": None} | options))


@pytest.mark.parametrize(
    ("p_values", "holms"),
    [
        ([0.03], [0.03]),
        ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),
        ([0.2, 0.0, 1.0, 0.02, 0.02], [0.4, 0.0, 1.0, 0.08, 0.08]),
    ],
)
def test_without_equivalence_the_step_down_is_holms(p_values, holms):
    tests = [(p, None) for p in p_values]
    found = [adjusted(i, p, tests, len(tests)) for i, p in enumerate(p_values)]
    assert found == pytest.approx(holms)


def test_with_equivalence_a_candidate_counts_until_both_its_tests_reject():
    tests = [(0.001, 0.9), (0.02, 0.8)]
    assert adjusted(1, 0.02, tests, 2) == pytest.approx(0.04)
    assert adjusted(1, 0.02, [(0.001, 0.001), (0.02, 0.8)], 2) == pytest.approx(0.02)


@pytest.mark.parametrize("truth", [0.0, 0.005])
def test_wrong_claims_are_seldom(truth):
    """Equal candidates called different, or candidates at the margin called equivalent: at most 5 % of searches."""
    rng, margin, wrong = np.random.default_rng(5), 0.005, 0
    for _ in range(1500):
        noise = 0.004 * rng.standard_normal((12, 5))
        differences = [Differences(row + truth) for row in (noise[:, 1:] - noise[:, :1]).T]
        tests = [(d.p_value(), min(1.0, 2 * d.equivalence_p_value(margin))) for d in differences]
        wrong += any(adjusted(i, pair[0 if truth == 0 else 1], tests, 4) <= 0.05 for i, pair in enumerate(tests))
    assert wrong / 1500 <= 0.05 + 3 * 0.0056


@pytest.mark.parametrize("last", [1, 2, 3, 4])
def test_a_search_stopped_at_any_moment_uses_complete_seeds_alone(last):
    """In the sixth seed, only the first few trials were run."""
    trials = [trial(str(i), n, s[: 6 if i < last else 5]) for i, (n, s) in enumerate(SCORES.items())]
    verdict = verdict_of(search(trials))
    assert verdict.executions == (1, 2, 3, 4, 5)
    assert {f.num_pairs for f in verdict.comparisons} == {5}
    assert "Executions after number 5 are not used yet" in verdict.notes[1]


def test_test_scores_are_judged_where_every_execution_has_one():
    def with_tests(flip):
        made = [
            trial(str(i), n, s, test_scores=[0.8 - x + SEEDS[0] for x in s]) for i, (n, s) in enumerate(SCORES.items())
        ]
        if flip:
            first = made[0].executions[0]
            made[0] = replace(made[0], executions=(replace(first, test_score=None), *made[0].executions[1:]))
        return verdict_of(search(made))

    assert with_tests(flip=False).source == "test"
    assert outcomes(with_tests(flip=False))["selu"] == "worse"
    assert with_tests(flip=True).source == "validation"
    assert outcomes(with_tests(flip=True))["selu"] == "better"


def test_a_trial_that_failed_once_is_not_called_better_but_may_be_worse():
    scores = dict(SCORES)
    scores["selu"] = [*scores["selu"][:7], None, *scores["selu"][8:]]
    scores["tanh"] = [None, *scores["tanh"][1:]]
    scores["mish"] = [None] * 20
    verdict = verdict_of(search(scores))
    found = {f.activation: f for f in verdict.comparisons}
    assert found["selu"].outcome is Outcome.UNDECIDED
    assert found["selu"].reason == "1 of 20 executions failed"
    assert found["selu"].num_pairs == 19
    assert found["tanh"].outcome is Outcome.WORSE
    assert found["mish"].outcome is Outcome.FAILED
    assert found["mish"].difference is None
    assert found["mish"].reason.endswith("(20 of 20)")
    assert "mish failed: " in verdict.recommendation


def failed_in_a_first_rung():
    full = [replace(trial(str(i), n, SCORES[n][:3]), executions=()) for i, n in enumerate(("relu", "elu"))]
    made = [
        replace(t, executions=tuple(scored(t.trial_id, n, SCORES[t.activation][n], epochs=6) for n in (1, 2, 3)))
        for t in full
    ]
    failed = replace(trial("2", "mish", []), executions=tuple(scored("2", n, None, epochs=2) for n in (1, 2)))
    return [*made, failed]


def failed_on_a_seed_that_is_not_complete():
    return [
        trial("0", "relu", SCORES["relu"][:3]),
        trial("1", "elu", SCORES["elu"][:4]),
        trial("2", "mish", [None] * 4),
    ]


def without_finite_test_scores():
    return [
        trial(str(i), n, s, test_scores=[float("nan")] * 3 if n == "mish" else s)
        for i, (n, s) in enumerate({"relu": SCORES["relu"][:3], "mish": SCORES["elu"][:3]}.items())
    ]


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (failed_in_a_first_rung, "loss is nan (2 of 2)"),
        (failed_on_a_seed_that_is_not_complete, "loss is nan (4 of 4)"),
        (without_finite_test_scores, "test accuracy is not finite (3 of 3)"),
    ],
)
def test_what_never_had_a_score_has_failed_wherever_it_was_trained(made, reason):
    found = verdict_of(search(made())).comparisons[-1]
    assert (found.activation, found.outcome, found.reason) == ("mish", Outcome.FAILED, reason)


def test_what_a_race_trains_no_further_says_so_instead_of_asking_for_more():
    """Validation scores show it equivalent and end it; the test scores leave it open."""
    relu = SEEDS[:8].tolist()
    made = [trial("0", "relu", relu, test_scores=relu), trial("1", "elu", around(0.0, spread=1e-4)[:8])]
    tests = [s + 0.02 * (-1) ** n for n, s in enumerate(relu)]
    made[1] = trial("1", "elu", around(0.0, spread=1e-4)[:8], test_scores=tests)
    config = SearchConfig(allocation="race", max_executions=30)
    record = search(made, config=config)
    (elu,) = verdict_of(record).comparisons
    assert (elu.outcome, elu.more_executions) == (Outcome.UNDECIDED, None)
    assert elu.reason.startswith("more executions of this race would not settle it: ")


def test_a_baseline_that_failed_sometimes_is_told():
    verdict = verdict_of(search(SCORES | {"relu": [None, *SCORES["relu"][1:]]}))
    assert any("baseline failed" in note for note in verdict.notes)
    assert {f.num_pairs for f in verdict.comparisons} == {19}


@pytest.mark.parametrize("baseline", [None, "swish", "dead"])
def test_without_a_baseline_all_are_compared_with_the_best_mean_more_strictly(baseline):
    scores = SCORES | {"dead": [None] * 20}
    verdict = verdict_of(search(scores, baseline=baseline))
    assert verdict.baseline is None
    assert verdict.leader == "selu"
    assert "better" not in outcomes(verdict).values()
    assert outcomes(verdict)["relu"] == "worse"
    with_baseline = verdict_of(search(SCORES)).of("1")
    assert {f.activation: f for f in verdict.comparisons}["relu"].p_value > with_baseline.p_value
    assert verdict.notes[-1].startswith("Without a baseline")
    assert verdict.recommendation.startswith("no baseline to compare with: selu has the best mean")


def test_activations_are_compared_at_their_own_best_configuration():
    verdict = verdict_of(joint({"relu": 4, "selu": 4, "gelu": 4}))
    assert outcomes(verdict) == {"selu": "equivalent", "gelu": "better"}
    assert {f.trial_id for f in verdict.comparisons} == {"5", "9"}
    assert {f.num_configurations for f in verdict.comparisons} == {4}
    assert {f.num_pairs for f in verdict.comparisons} == {10}
    assert any("first third" in note for note in verdict.notes)


def test_only_as_many_configurations_as_both_have_are_compared():
    verdict = verdict_of(joint({"relu": 5, "selu": 3}))
    assert [f.num_configurations for f in verdict.comparisons] == [3]


def test_tuned_against_untuned_is_not_compared():
    verdict = verdict_of(joint({"relu": 4, "gelu": 1}))
    (comparison,) = verdict.comparisons
    assert comparison.outcome is Outcome.UNDECIDED
    assert comparison.reason == "not compared: 1 configuration against 4 of relu"


def test_the_configuration_is_not_chosen_by_the_scores_that_judge_it():
    """Of 12 equal configurations each, the luckiest is picked: judged by other seeds it is not better than it is."""
    rng = np.random.default_rng(8)
    differences = []
    for _ in range(60):
        made = [
            trial(str(i), "relu" if i < 12 else "selu", (0.9 + 0.01 * rng.standard_normal(6)).tolist())
            for i in range(24)
        ]
        differences.append(verdict_of(search(made)).comparisons[0].difference)
    assert abs(np.mean(differences)) < 3 * 0.01 * np.sqrt(2 / 4 / 60)


def test_halving_is_judged_by_its_last_rung():
    made = []
    for i, name in enumerate(("relu", "selu", "tanh")):
        short = [scored(str(i), n, 0.5 + i / 10, epochs=2) for n in (1, 2)]
        full = [scored(str(i), n, SCORES[name][n], epochs=6) for n in range(3, 8)] if name != "tanh" else []
        made.append(replace(trial(str(i), name, []), executions=(*short, *full)))
    verdict = verdict_of(search(made))
    assert verdict.executions == (3, 4, 5, 6, 7)
    assert outcomes(verdict)["selu"] == "better"
    assert verdict.of("2").reason == "none of its executions with all epochs has ended for every trial"


def test_costs_are_ratios_with_intervals_and_fronts():
    verdict = verdict_of(search(SCORES, seconds={"elu": 1.3, "selu": 1.0, "tanh": 0.5}))
    found = {f.activation: f for f in verdict.comparisons}
    time = found["elu"].cost_ratios["train_seconds"]
    assert time.estimate == pytest.approx(1.3)
    assert time.interval.low == pytest.approx(1.3)
    assert found["elu"].cost_ratios["num_parameters"].estimate == 1.0
    assert verdict.fronts["train_seconds"] == ("3", "1")
    assert verdict.fronts["num_parameters"] == ("1",)


def test_executions_without_resources_have_no_cost():
    made = [trial(str(i), n, s) for i, (n, s) in enumerate(SCORES.items())]
    bare = [replace(t, executions=tuple(replace(e, resources=None) for e in t.executions)) for t in made]
    verdict = verdict_of(search(bare))
    assert not any(f.cost_ratios for f in verdict.comparisons)
    assert verdict.fronts == {}
    assert "time not measured" in verdict.recommendation


def test_a_verdict_is_one_line_in_repr_and_a_table_in_notebooks():
    verdict = verdict_of(search(SCORES))
    assert repr(verdict) == f"<Verdict: {verdict.recommendation}>"
    assert verdict._repr_html_().count("<tr>") == len(SCORES)
    assert "<b>" in verdict._repr_html_()
    assert verdict._repr_html_().count("<circle") == len(SCORES) - 1
