"""Shares against the Sobol indices of formulas that are known."""

import math
from dataclasses import replace

import numpy as np
import pytest

from actsearch.analysis.hyperparameters.importance import importance_of
from actsearch.analysis.verdict import verdict_of
from tests.helpers.factories import LOSS, search, trial
from tests.helpers.joint import ACTIVATIONS, GRID, grid, joint_search, random_values

EFFECTS = dict(zip(ACTIVATIONS, (-0.02, 0.0, 0.01, 0.03), strict=True))


def found(record):
    return importance_of(record, verdict_of(record))


def shares(importance):
    return {each.name: each.share for each in importance.shares}


def rate(values):
    """The learning rate from -1 to 1."""
    return math.log10(values["learning_rate"]) + 3


def additive(values):
    return 0.8 + EFFECTS[values["activation"]] + 0.04 * rate(values) + 0.03 * (values["units"] > 60)


def crossed(values):
    return 0.8 + 0.05 * rate(values) * (1 if values["activation"] in ("relu", "elu") else -1)


def of_variance(score, values, noise=0.0):
    """Variances of the formula: of all, and what depends on each hyperparameter, over pairs of independent draws."""
    rng = np.random.default_rng(5)
    own, other = (rng.integers(len(values), size=20_000) for _ in range(2))
    plain = np.array([score(values[i]) for i in own])
    total = np.var(plain) + noise**2
    indices = {}
    for name in values[0]:
        lent = [score({**values[i], name: values[j][name]}) for i, j in zip(own, other, strict=True)]
        indices[name] = float(np.mean((plain - lent) ** 2)) / 2 / total
    return indices


@pytest.mark.parametrize("values", [grid(), random_values(80)], ids=["grid", "random"])
def test_shares_of_an_additive_formula_are_its_sobol_indices(values):
    importance = found(joint_search(values, additive, noise=0.015))
    truth = of_variance(additive, values, noise=0.015)
    assert shares(importance) == pytest.approx(truth, abs=0.06 if values == grid() else 0.12)
    assert [each.name for each in importance.shares][:2] == sorted(truth, key=truth.get, reverse=True)[:2]
    variance = np.var([additive(each) for each in values])
    assert importance.seeds_share == pytest.approx(0.015**2 / (variance + 0.015**2), abs=0.05)
    assert importance.r2 is None if values == grid() else importance.r2 > 0.7
    assert not importance.reason
    assert not any(each.share > 0.03 for each in importance.clear_interactions)


def test_a_pure_interaction_is_found_in_a_grid_with_its_best_values():
    record = joint_search(grid(), crossed, noise=0.005)
    importance = found(record)
    assert shares(importance)["activation"] > 0.7
    assert shares(importance)["learning_rate"] > 0.7
    assert shares(importance)["units"] < 0.05
    first = importance.interactions[0]
    assert (first.activation, first.other, first.observed) == ("activation", "learning_rate", True)
    variance = np.var([crossed(each) for each in grid()])
    assert first.share == pytest.approx(variance / (variance + 0.005**2), abs=0.04)
    assert str(importance.clear_interactions[0]).endswith(
        "of the variance): selu and tanh are best at 0.0003, relu and elu at 0.003"
    )


def test_a_pure_interaction_is_found_among_random_values():
    importance = found(joint_search(random_values(100), crossed, noise=0.005))
    (first, *_) = importance.clear_interactions
    assert first.other == "learning_rate"
    assert not first.observed
    assert first.share > 0.4
    assert first.best["relu"] > 0.003 > 0.0003 > first.best["selu"]


def test_activations_of_a_loss_are_best_where_it_is_smallest():
    importance = found(joint_search(grid(), crossed, noise=0.005, objective=LOSS))
    assert importance.interactions[0].best == {"relu": 0.0003, "elu": 0.0003, "selu": 0.003, "tanh": 0.003}


@pytest.mark.slow
@pytest.mark.parametrize("values", [grid(), random_values(20)], ids=["grid", "random"])
def test_noise_is_refused(values):
    records = [joint_search(values, lambda _: 0.8, noise=0.02, of_seeds=0.01, seed=seed) for seed in range(25)]
    reasons = [found(record).reason for record in records]
    assert sum(map(bool, reasons)) >= 24


def test_what_all_trials_of_a_seed_share_counts_for_the_seeds():
    values = grid()
    importance = found(joint_search(values, additive, noise=0.005, of_seeds=0.06, executions=12))
    assert importance.seeds_share > 0.4
    plain = found(joint_search(values, additive, noise=0.005, executions=12))
    ratio = (1 - importance.seeds_share) / (1 - plain.seeds_share)
    assert shares(importance) == pytest.approx({n: s * ratio for n, s in shares(plain).items()}, abs=0.03)


def test_a_parameter_of_one_activation_is_judged_among_those_that_have_it():
    rng = np.random.default_rng(0)
    values = [
        {"activation": "leaky_relu", "leaky_relu.slope": float(slope), "units": int(rng.integers(8, 64))}
        for slope in rng.uniform(0, 1, 40)
    ]
    values += [{"activation": "relu", "units": int(rng.integers(8, 64))} for _ in range(40)]

    def score(each):
        return 0.8 + 0.1 * each.get("leaky_relu.slope", 0.5)

    found_shares = shares(found(joint_search(values, score, noise=0.002)))
    # of the variance, all is within leaky_relu; lending an activation with its slope changes as much again
    assert found_shares["leaky_relu.slope"] == pytest.approx(1.0, abs=0.15)
    assert found_shares["activation"] == pytest.approx(1.0, abs=0.25)
    assert abs(found_shares["units"]) < 0.05


def test_too_few_trials_and_too_few_that_have_a_parameter():
    two = found(joint_search(grid()[:2], additive, noise=0.01))
    assert two.reason == "fewer than two hyperparameters vary between trials with a score"
    few = found(joint_search(grid()[:7], additive, noise=0.01))
    assert few.reason == "7 trials with a score are too few, at least 8 are needed"
    assert str(few).startswith("Importance of hyperparameters: 7 trials")
    rare = [*grid()[:-2], *({**each, "activation": "celu", "celu.alpha": 0.1 * i} for i, each in enumerate(grid()[:2]))]
    effects = {**EFFECTS, "celu": 0.0}
    importance = found(joint_search(rare, lambda v: effects[v["activation"]] + 0.1 * rate(v), noise=0.005))
    assert importance.omitted == ("celu.alpha",)
    assert "too few trials have celu.alpha" in importance.basis


def test_failed_executions_are_omitted_and_counted():
    record = joint_search(grid(), additive, noise=0.01)
    broken = [trial(t.trial_id, t.activation, [None] * 3, hyperparameters=t.hyperparameters) for t in record.trials[:2]]
    importance = found(replace(record, trials=(*broken, *record.trials[2:])))
    assert (importance.num_trials, importance.num_executions, importance.num_failed) == (46, 138, 6)
    assert "6 failed executions are omitted" in str(importance)
    assert all(math.isfinite(each.share) for each in importance.shares)


def test_a_logarithm_changes_nothing_and_the_same_search_gives_the_same_numbers():
    values = random_values(30)
    logarithms = [{**each, "learning_rate": math.log(each["learning_rate"])} for each in values]
    scores = {each["units"] + each["learning_rate"]: additive(each) for each in values}
    plain = found(joint_search(values, additive, noise=0.01))
    by_position = iter(scores.values())
    changed = found(joint_search(logarithms, lambda _: next(by_position), noise=0.01))
    assert shares(plain) == shares(changed)
    assert found(joint_search(values, additive, noise=0.01)) == plain


def test_one_execution_of_each_trial_has_no_share_of_seeds():
    importance = found(joint_search(grid(), additive, noise=0.01, executions=1))
    assert importance.seeds_share is None
    ((name, rest),) = importance.rest
    assert (name, rest) == ("seeds and splits, and what the forest does not explain", pytest.approx(1 - importance.r2))
    assert f"{name} make up {rest:.0%}" in importance.summary()


def test_equal_scores_and_a_search_of_activations_only_say_why_there_are_no_shares():
    equal = found(joint_search(grid(), lambda _: 0.5))
    assert equal.reason == "trials do not differ in val accuracy by more than their executions do"
    noise = found(joint_search(random_values(12), lambda _: 0.5, noise=0.1, executions=1))
    assert noise.reason.startswith("they do not predict the val accuracy of trials held out better than its mean does")
    assert f"(R² {noise.r2:.2f})" in noise.reason
    alone = found(search({name: [0.9, 0.91, 0.92] for name in ACTIVATIONS}))
    assert alone.reason.startswith("fewer than two hyperparameters vary")
    assert "<b>Importance of hyperparameters: fewer" in alone._repr_html_()


def test_what_is_shown_says_the_same():
    importance = found(joint_search(grid(), additive, noise=0.01))
    assert repr(importance).startswith("<Importance: Val accuracy depends on ")
    assert "% of its variance)" in importance.summary(2)
    assert "2 others (at most " in importance.summary(2)
    page = importance._repr_html_()
    assert all(f"<td>{name}</td>" in page for name in [*GRID, "seeds and splits"])
