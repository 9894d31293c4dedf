"""Which trials were to get which executions, after extensions for some of them only."""

import math
from dataclasses import replace

import numpy as np
import pytest

from actsearch.analysis.comparison import judged_scores
from actsearch.analysis.looks import Looks
from actsearch.analysis.schedule import (
    CompleteSeeds,
    earlier_looks,
    last_execution_of,
    num_ended,
    planned_executions,
    plans_of,
    rules_of,
    with_full_epochs,
)
from actsearch.analysis.verdict import judge, verdict_of
from actsearch.config import SearchConfig
from actsearch.records import Extension, SampleScores, SearchRecord
from actsearch.tuning.allocation import Race
from tests.helpers.factories import ACCURACY, search, trial

FIXED = SearchConfig(executions=3, max_executions=None, factor=None, rungs=None)
RNG = np.random.default_rng(0)
NOISE = {name: 0.8 + 0.02 * RNG.standard_normal(24) for name in ("relu", "elu", "selu")}


def record(ended, *, ends=(), extensions=(), scores=NOISE, config=FIXED):
    """A search whose executions ended at these times, by activation."""
    trials = []
    for number, (name, times) in enumerate(ended.items()):
        made = trial(str(number), name, [float(score) for score in scores[name][: len(times)]])
        at = tuple(replace(e, started_at=t - 1, ended_at=t) for e, t in zip(made.executions, times, strict=True))
        trials.append(replace(made, executions=at))
    return replace(search(trials, config=config), ends=ends, extensions=extensions)


def numbers(found: SearchRecord) -> dict[str, float]:
    return {t.activation: last_execution_of(found, t) for t in found.trials}


def pairs(found: SearchRecord, samples=None) -> dict[str, int]:
    verdict = judge(found, alpha=0.05, margin=0.0) if samples is None else verdict_of(found, samples)
    return {c.activation: c.num_pairs for c in verdict.comparisons}


TO_SIX = Extension(3.5, 3, "fixed", 6, only=("elu",))
SIX_OF_ELU = {"relu": [1, 2, 3, 4, 5, 6], "elu": [1, 2, 3, 4, 5, 6], "selu": [1, 2, 3]}


def test_who_is_left_out_keeps_what_it_has_until_it_is_included_again():
    found = record(SIX_OF_ELU, ends=(3.2, 6.2), extensions=(TO_SIX,))
    assert numbers(found) == {"relu": math.inf, "elu": math.inf, "selu": 3}
    again = replace(found, extensions=(TO_SIX, Extension(6.5, 6, "fixed", 9, only=("elu",))))
    assert numbers(again) == {"relu": math.inf, "elu": math.inf, "selu": 3}
    other = replace(found, extensions=(TO_SIX, Extension(6.5, 6, "fixed", 6, only=("selu",))))
    assert numbers(other) == {"relu": math.inf, "elu": 6, "selu": math.inf}
    assert [planned_executions(other, t) for t in other.trials] == [6, 6, 6]
    assert last_execution_of(other, other.trials[2], until=5.0) == 3


def test_a_trial_that_was_never_trained_gets_one_execution_for_the_oracle():
    found = record({"relu": [1.0], "elu": []}, extensions=(Extension(1.5, 0, "fixed", 5, only=("gelu",)),))
    assert numbers(found) == {"relu": math.inf, "elu": 1}
    assert num_ended(found.trials[0]) == 1


def test_pairs_of_one_never_wait_for_what_another_lacks():
    first = record(SIX_OF_ELU, ends=(3.2, 6.2), extensions=(TO_SIX,))
    assert pairs(first) == {"elu": 6, "selu": 3}
    caught_up = Extension(6.5, 6, "fixed", 6, only=("selu",))
    stopped = record({**SIX_OF_ELU, "selu": [1, 2, 3, 7]}, ends=(3.2, 6.2, 7.2), extensions=(TO_SIX, caught_up))
    assert pairs(stopped) == {"elu": 6, "selu": 4}
    assert verdict_of(stopped).executions == (1, 2, 3, 4, 5, 6)


def test_seeds_that_were_complete_at_an_end_stay_complete():
    found = record(SIX_OF_ELU, ends=(3.2, 6.2), extensions=(TO_SIX, Extension(6.5, 6, "fixed", 6)))
    ends = dict(CompleteSeeds(found, with_full_epochs(found)).at_each_end())
    assert {at: len(seeds) for at, seeds in ends.items()} == {3.2: 3, 6.2: 6, math.inf: 6}


@pytest.mark.parametrize("seed", range(20))
def test_a_seed_is_complete_when_all_in_the_running_have_ended_it_at_one_of_the_ends(seed):
    """Compared with a plain look at all executions, on random times, ends and extensions."""
    draw = np.random.default_rng(seed)
    times = {name: np.sort(draw.uniform(0, 12, draw.integers(1, 13))) for name in NOISE}
    extensions = tuple(
        Extension(float(at), 2, "race", max_executions=12, only=tuple(draw.choice(["elu", "selu"], 1)))
        for at in np.sort(draw.uniform(0, 12, draw.integers(0, 3)))
    )
    ends = tuple(np.sort(draw.uniform(0, 13, draw.integers(0, 4))))
    found = record(times, ends=ends, extensions=extensions)
    seeds, used = CompleteSeeds(found, with_full_epochs(found)), with_full_epochs(found)

    def is_complete(n, running):
        for at in (*ends, math.inf):
            ended = {t: {m for m, execution in used[t].items() if execution.ended_at <= at} for t in used}
            last = {t.trial_id: last_execution_of(found, t, at) for t in found.trials}
            if all(n in ended[t] for t in running if n <= last[t]):
                return True
        return False

    for n in range(1, 14):
        for running in (["0", "1", "2"], ["0", "1"], ["2"], []):
            assert seeds.is_complete(n, running) is is_complete(n, running)


def test_the_earlier_looks_are_the_records_at_the_ends_before_more_was_trained():
    found = record(SIX_OF_ELU, ends=(3.2, 3.3, 6.2), extensions=(TO_SIX,))
    looks = list(earlier_looks(found))
    assert [sum(len(t.executions) for t in look.trials) for look in looks] == [9]
    assert looks[0].extensions == ()
    assert looks[0].ends == (3.2,)
    assert list(earlier_looks(replace(found, extensions=(), ends=(6.2,)))) == []


def raced_for_one_then_for_the_other():
    """Three each, a race to 6 for elu, and a race to 12 in which selu gets what it lacked."""
    ended = {"relu": [*range(1, 7), *range(51, 57)], "elu": range(1, 7), "selu": [1, 2, 3, *range(41, 50)]}
    extensions = (
        Extension(3.5, 3, "race", max_executions=6, only=("elu",)),
        Extension(40.0, 6, "race", max_executions=12, only=("selu",)),
    )
    return record(ended, ends=(3.2, 6.2, 60.0), extensions=extensions)


def test_a_replayed_race_uses_all_seeds_of_who_was_included_again():
    found = raced_for_one_then_for_the_other()
    assert pairs(found) == {"elu": 6, "selu": 12}
    assert plans_of(found) == [Looks(3), Looks(6, every=True), Looks(12, every=True)]
    then_all = replace(found, extensions=(TO_SIX, Extension(40.0, 6, "race", max_executions=12)), ends=(3.2, 6.2, 60.0))
    assert pairs(then_all)["selu"] == 12


def test_a_race_that_others_would_have_ended_earlier_still_uses_what_was_trained():
    """Included again, a trial may decide the race at an earlier seed than it was once continued to."""
    scores = NOISE | {"elu": NOISE["relu"] + 0.1 + 0.001 * RNG.standard_normal(24)}
    ended = {"relu": range(1, 11), "elu": range(1, 11), "selu": [1, 2, 3]}
    before = record(
        ended,
        scores=scores,
        ends=(3.2, 10.2),
        extensions=(Extension(3.5, 3, "race", max_executions=10, only=("elu",)),),
    )
    assert rules_of(before)["existing"] == {"0": 3, "1": 3, "2": 3}
    assert len(judged_scores(before).executions) < 10
    after = replace(before, extensions=(*before.extensions, Extension(11.0, 10, "race", max_executions=12)))
    assert rules_of(after)["existing"] == {"0": 10, "1": 10, "2": 3}
    assert pairs(after) == {"elu": 10, "selu": 3}


def sampled(share_changed, *, seeds, size=400, seed=0):
    """Correct or not for each sample: a candidate that differs from the baseline in some, as long as it is trained."""
    rng = np.random.default_rng(seed)
    always = {"relu": (rng.random(size) < 0.8).astype("float32")}
    for name, share in share_changed.items():
        changed = rng.random(size) < share
        always[name] = np.where(changed, rng.random(size) < 0.62, always["relu"]).astype("float32")
    known = {}
    for n in range(1, seeds + 1):
        for number, values in enumerate(always.values()):
            now = values.copy()
            flipped = rng.random(size) < 0.02
            now[flipped] = 1 - now[flipped]
            known[str(number), n] = SampleScores(np.arange(size), now)
    scores = {name: [known[str(i), n].values.mean() for n in range(1, seeds + 1)] for i, name in enumerate(always)}
    return scores, lambda trial_id, n, part: known.get((trial_id, n))


@pytest.mark.parametrize("num_training", [50_000, 300])
def test_the_race_that_is_replayed_is_the_race_that_was_run(num_training):
    """The number of training samples is part of what the race decides by."""
    stopped = set()
    for seed in range(3, 9):
        scores, samples = sampled({"elu": 0.06}, seeds=12, seed=seed)
        config = replace(FIXED, allocation="race", executions=None, max_executions=12)
        planned = replace(record({"relu": [], "elu": []}, config=config), data={"num_training": num_training})
        race = Race(12).start(ACCURACY, **rules_of(planned))
        for number, name in enumerate(("relu", "elu")):
            race.add(str(number), baseline=name == "relu")
        count = {"relu": 0, "elu": 0}
        while (asked := race.ask()) is not None:
            name = ("relu", "elu")[int(asked[0])]
            count[name] += 1
            race.tell(*asked, float(scores[name][asked[1] - 1]), samples(*asked, "validation"))
        ended = {name: range(1, number + 1) for name, number in count.items()}
        found = replace(record(ended, scores=scores, config=config), data={"num_training": num_training})
        assert judged_scores(found, samples).race.decisions == list(race.decisions)
        stopped.add(count["elu"])
    assert len(stopped) > 1


def test_a_fixed_search_that_becomes_a_race_loses_no_pair_and_no_claim():
    lost = []
    for seed in range(12):
        scores, samples = sampled({"elu": 0.03, "selu": 0.3}, seeds=12, size=114, seed=seed)
        ended = {name: range(1, 13) for name in ("relu", "elu", "selu")}
        config = replace(FIXED, executions=12, splits="one")
        before = record(ended, ends=(13.0,), scores=scores, config=config)
        after = replace(before, ends=(13.0, 15.0), extensions=(Extension(14.0, 12, "race", max_executions=30),))
        assert pairs(after, samples) == pairs(before, samples) == {"elu": 12, "selu": 12}
        old, new = ([c.outcome.value for c in verdict_of(r, samples).comparisons] for r in (before, after))
        lost += [(a, b) for a, b in zip(old, new, strict=True) if a not in ("undecided", b)]
    assert lost == []
