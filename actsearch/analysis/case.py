"""What of a search is judged: who against whom, in which units, at which level."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from actsearch.analysis.contenders import Contender, contenders, is_joint, pair
from actsearch.analysis.elimination import Elimination
from actsearch.analysis.evidence import Evidence, gather, new_race
from actsearch.analysis.statistics import resolution
from actsearch.analysis.units import Units
from actsearch.records import SearchRecord


@dataclass(frozen=True)
class Case:
    """What is judged.

    Args:
        evidence: The scores on complete seeds.
        contenders: The comparisons: with the baseline, or without one with the trial of the best mean.
        has_baseline: Whether there is a baseline with a score.
        units: How the objective is written.
        alpha, margin: The chance of any wrong claim, and the difference that does not matter.
        floor: The smallest standard deviation of differences that is believed.
        num_tests: How many comparisons share alpha.
        race: The race's tests on the scores that are judged, where it was one of single settings.
    """

    evidence: Evidence
    contenders: Sequence[Contender]
    has_baseline: bool
    units: Units
    alpha: float
    margin: float
    floor: float
    num_tests: int
    race: Elimination | None = None


def make_case(search: SearchRecord, alpha: float, margin: float | None) -> Case:
    """Prepares a search for its verdict."""
    evidence = gather(search)
    has_baseline = any(evidence.known(t) for t in evidence.baselines)
    found = contenders(evidence) if has_baseline else _against_leader(evidence)
    scores = [s for t in search.trials for s in evidence.known(t).values()]
    typical = [s for c in found[:1] for s in evidence.known(c.baseline).values()] or scores
    units = Units(search.objective, float(np.mean(typical)) if typical else 0.0)
    margin = units.default_margin if margin is None else margin
    race = None
    if evidence.race is not None and not is_joint(evidence):
        race = _race_on_judged_scores(evidence, alpha, margin)
        found = [replace(c, differences=np.array(race.differences(c.trial.trial_id))) for c in found]
    num_tests = max(len(found) if has_baseline else len(found) * (len(found) + 1) // 2, 1)
    return Case(evidence, found, has_baseline, units, alpha, margin, resolution(scores), num_tests, race)


def _against_leader(evidence: Evidence) -> list[Contender]:
    known = {t.trial_id: evidence.known(t) for t in evidence.search.trials}
    whole = [t for t in evidence.search.trials if known[t.trial_id] and not evidence.failed(t)]
    if not whole:
        return []
    leader = max(whole, key=lambda t: evidence.sign * float(np.mean(list(known[t.trial_id].values()))))
    others = [t for t in evidence.search.trials if t is not leader]
    return [pair(evidence, t, leader, evidence.executions) for t in others]


def _race_on_judged_scores(evidence: Evidence, alpha: float, margin: float) -> Elimination:
    """The same test as the race's, on the scores that are judged and at the level that is asked for."""
    race = new_race(evidence.search, alpha=alpha, margin=margin)
    for n in evidence.executions:
        race.observe({t: evidence.scores[t][n] for t in race.running if n in evidence.scores[t]})
    return race
