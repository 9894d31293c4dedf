"""The best trial of searches with a known truth."""

from dataclasses import replace

import numpy as np
import pytest

from actsearch.analysis.best_trial import leader_level
from actsearch.analysis.results import Outcome
from actsearch.analysis.verdict import verdict_of
from actsearch.config import SearchConfig
from tests.helpers.factories import LOSS, search, trial
from tests.helpers.joint import grid, joint_search

SPACE = {"activation": ("relu", "elu"), "learning_rate": (0.001, 0.01), "units": (16, 32)}
LARGE_ELU = {"activation": "elu", "learning_rate": 0.01, "units": 32}


def better(values):
    return 0.9 if values == LARGE_ELU else 0.8


def test_it_is_named_with_all_its_values_and_is_what_is_recommended():
    record = joint_search(grid(SPACE), better, noise=0.004, executions=6)
    verdict = verdict_of(record)
    best = verdict.best_trial
    assert best.named == "activation=elu, learning_rate=0.01, units=32 (trial 007)"
    assert best.certainty == "the 7 others are shown to be worse (95% confidence)"
    assert best.rivals == ()
    assert (best.num_scores, best.num_failed, best.num_others) == (6, 0, 7)
    assert best.score == pytest.approx(0.9, abs=0.005)
    assert best.expected == best.score
    assert verdict.recommended == best.trial_id == record.best.trial_id
    assert not best.remark


def test_those_that_are_not_shown_to_be_worse_could_be_better():
    def score(values):
        return 0.9 if values["units"] == 32 else 0.8

    verdict = verdict_of(joint_search(grid(SPACE), score, noise=0.004, executions=6))
    assert len(verdict.best_trial.rivals) == 3
    assert verdict.best_trial.certainty == "3 of the 7 others could be better (95% confidence)"
    two = verdict_of(joint_search(grid(SPACE), better, noise=0.004, executions=2))
    assert two.best_trial.certainty == "any of the 7 others could be better (95% confidence)"


def test_the_best_of_a_loss_is_the_smallest():
    record = joint_search(grid(SPACE), lambda v: 1 - better(v), noise=0.004, executions=6, objective=LOSS)
    best = verdict_of(record).best_trial
    assert (best.values, best.rivals) == (LARGE_ELU, ())


@pytest.mark.parametrize("executions", [3, 10])
def test_the_best_of_equal_trials_is_excluded_rarely(executions):
    values = grid({"activation": ("relu", "elu"), "learning_rate": (1, 2, 3), "units": (1, 2)})
    excluded = []
    for seed in range(40):
        record = joint_search(values, lambda _: 0.5, noise=0.01, of_seeds=0.02, executions=executions, seed=seed)
        best = verdict_of(record).best_trial
        excluded.append((best.num_others - len(best.rivals)) / len(values))
    assert np.mean(excluded) < 0.05  # the chance of a given trial, each of which is the best


def test_the_level_pays_for_the_choice_of_the_leader():
    rng = np.random.default_rng(0)
    others, df, size = 20, 4, 20_000
    largest = rng.standard_normal((size, others)).max(axis=1)
    from scipy import stats

    p_values = stats.t.sf(largest / np.sqrt(rng.chisquare(df, size) / df), df)
    assert np.mean(p_values <= leader_level(others, df, 0.05)) == pytest.approx(0.05, abs=0.006)
    assert leader_level(1, 7.0, 0.05) == pytest.approx(0.05, abs=1e-3)
    assert leader_level(20, 1e4, 0.05) == pytest.approx(0.05 / 20, rel=0.05)


def test_what_to_expect_comes_from_executions_that_did_not_choose():
    validation = {"a": [0.9, 0.72, 0.7], "b": [0.7, 0.9, 0.71], "c": [0.8, 0.8, 0.6]}
    tests = {"a": [0.5, 0.6, 0.7], "b": [0.1, 0.2, 0.3], "c": [0.4, 0.45, 0.43]}
    made = [
        trial(name, "relu", scores, test_scores=tests[name], hyperparameters={"units": n, "rate": n % 2})
        for n, (name, scores) in enumerate(validation.items())
    ]
    best = verdict_of(search(made)).best_trial
    # b leads in the others without the first execution, a without the second, and a without the third
    assert best.expected == pytest.approx(np.mean([0.1, 0.6, 0.7]))
    assert best.score == pytest.approx(np.mean(tests[best.trial_id]))


def test_a_verdict_that_names_another_activation_is_explained():
    elu = [0.93, 0.93, 0.931, 0.93, 0.929, 0.931, 0.93]
    relu = [0.9, 0.901, 0.9, 0.899, 0.901, 0.9, 0.9]
    low = [0.6, 0.6, 0.601, 0.6, 0.599, 0.601, 0.6]
    scores = [("relu", relu), ("relu", low), ("elu", elu), ("elu", low), ("selu", low), ("selu", [0.95] * 7)]
    made = [
        trial(str(n), name, own, hyperparameters={"activation": name, "units": n % 2, "rate": n % 2})
        for n, (name, own) in enumerate(scores)
    ]
    # an execution of selu's best configuration failed, so that the verdict does not call it better
    broken = [0.95, 0.95, None, 0.95, 0.951, 0.95, 0.95]
    made[-1] = trial("5", "selu", broken, hyperparameters=made[-1].hyperparameters)
    verdict = verdict_of(search(made))
    best = verdict.best_trial
    assert verdict.of("2").outcome is Outcome.BETTER
    assert (best.trial_id, best.num_failed, verdict.recommended) == ("5", 1, "2")
    assert best.remark.startswith("the verdict names elu: it compares what the first third")


def test_where_each_setting_is_an_activation_the_verdict_recommends():
    values = [{"activation.a": a, "activation.b": b} for a in ("relu", "elu", "selu") for b in ("relu", "elu", "selu")]
    made = [
        trial(str(n), f"{v['activation.a']}, {v['activation.b']}", [0.8, 0.81, 0.82 + n / 1000], hyperparameters=v)
        for n, v in enumerate(values)
    ]
    made[0] = replace(made[0], activation="relu")
    verdict = verdict_of(search(made))
    assert verdict.recommended == "0"
    assert verdict.best_trial.trial_id == "8"
    assert "0" in verdict.best_trial.rivals  # as the verdict says
    assert verdict.best_trial.remark == "it is not shown to be better than relu, so the verdict does not recommend it"


def test_a_race_excludes_those_that_it_has_dropped():
    scores = np.random.default_rng(0)
    made = []
    for n, values in enumerate(grid(SPACE)):
        own = (better(values) + 0.004 * scores.standard_normal(12)).tolist()
        made.append(trial(str(n), values["activation"], own, hyperparameters=values))
    record = search(made, config=SearchConfig(allocation="race", max_executions=12, executions=None))
    best = verdict_of(record).best_trial
    assert (best.values, best.expected) == (LARGE_ELU, None)
    assert len(best.rivals) < 7


def test_there_is_none_without_complete_seeds_and_without_several_hyperparameters():
    assert verdict_of(search({"relu": [0.9] * 3, "elu": [0.9] * 3})).best_trial is None
    record = joint_search(grid(SPACE), better, executions=1)
    missing = tuple(replace(t, executions=t.executions[:n]) for n, t in enumerate(record.trials[:2]))
    assert verdict_of(replace(record, trials=missing)).best_trial is None
