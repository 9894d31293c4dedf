"""From the records of a search to what they say: better, equivalent, worse or undecided, at which price.

A trial with fewer than three pairs is undecided. So is one of which an execution failed, unless it is worse: its pairs
are those that went well. Activations with several settings are compared at their own best one: see `contenders`. How
often claims may be wrong is said in `deciding`, and for races in `elimination`.
"""

from dataclasses import replace

import numpy as np

from actsearch.analysis.case import Case, make_case
from actsearch.analysis.contenders import is_joint
from actsearch.analysis.deciding import find
from actsearch.analysis.evidence import Evidence
from actsearch.analysis.findings import PRICES, Verdict
from actsearch.analysis.labels import number_range
from actsearch.analysis.outcomes import Action
from actsearch.analysis.overlap import most_at_once
from actsearch.analysis.prices import mean_price, pareto_front
from actsearch.analysis.recommendation import recommend
from actsearch.errors import UsageError
from actsearch.records import SearchRecord


def judge(search: SearchRecord, *, alpha: float = 0.05, margin: float | None = None) -> Verdict:
    """What the evidence says of each trial against the baseline.

    Test scores are judged where every completed execution has one, else validation scores; and only complete seeds.
    Without a baseline, all are compared with the best mean, and the level is shared by all pairs of trials, since
    the best was picked by the same scores.

    Args:
        search: Its records, also those of a search that is not over.
        alpha: The chance of any wrong claim, over all trials.
        margin: The difference that does not matter; None for half a point of a share (accuracy, AUC ...) and 1 % of
            the baseline's mean for other objectives; 0 to claim no equivalence.

    Returns:
        The verdict.

    Raises:
        UsageError: alpha or margin make no sense.
    """
    if not 0 < alpha < 1:
        raise UsageError(f"alpha must lie between 0 and 1, not {alpha}.")
    if margin is not None and margin < 0:
        raise UsageError(f"margin must be 0 or more, not {margin}.")
    case = make_case(search, alpha, margin)
    verdict = Verdict(
        baseline=search.baseline if case.has_baseline else None,
        leader=None if case.has_baseline or not case.contenders else case.contenders[0].baseline.activation,
        units=case.units,
        alpha=alpha,
        margin=case.margin,
        source=case.evidence.source,
        executions=case.evidence.executions,
        findings=tuple(find(case)),
        baseline_beaten=case.race is not None and case.has_baseline and case.race.baseline not in case.race.unbeaten,
        fronts=_fronts(case.evidence),
        notes=tuple(_notes(case)),
    )
    return replace(verdict, recommendation=recommend(verdict))


def verdict_of(search: SearchRecord) -> Verdict:
    """The verdict at the level and margin that the search was asked for."""
    return judge(search, alpha=search.settings.get("alpha", 0.05), margin=search.settings.get("margin"))


def _fronts(evidence: Evidence) -> dict[str, tuple[str, ...]]:
    fronts = {}
    for name in PRICES:
        points = {}
        for trial in evidence.search.trials:
            scores, price = evidence.known(trial), mean_price(trial, name, evidence.executions)
            if scores and price is not None and not evidence.failed(trial):
                points[trial.trial_id] = (evidence.sign * float(np.mean(list(scores.values()))), price)
        if points:
            fronts[name] = pareto_front(points)
    return fronts


def _notes(case: Case) -> list[str]:
    evidence = case.evidence
    used = evidence.executions
    if not used:
        return ["No execution has been ended by every trial yet."]
    which = f"execution{'s' if len(used) > 1 else ''} {number_range(used)}"
    notes = [f"Uses {which}, which every trial then in the running has ended; judged by {evidence.source} scores."]
    if any(e.execution > max(used) for t in evidence.search.trials for e in t.executions):
        notes.append(f"Executions after number {max(used)} are left out: not every trial has ended them.")
    if (most := most_at_once(evidence.search)) > 1:
        notes.append(
            f"Up to {most} executions ran at the same time: where they shared a machine, they slowed each other down. "
            "Compare training, CPU and inference times with care."
        )
    if evidence.search.settings.get("matching") == "off":
        notes.append("Bare functions were compared: initializers and dropout were not matched to them.")
    if is_joint(evidence):
        notes.append("Settings were chosen by the first third of these seeds, and judged by the others.")
    if evidence.race is not None:
        left = sum(d.action in (Action.DROPPED, Action.FAILED) for d in evidence.race.decisions)
        notes.append(f"A race: {left} of {len(evidence.search.trials)} trials left it before its end.")
    if case.contenders and not case.has_baseline:
        notes.append(f"No baseline: compared with the best mean, at a level shared by {case.num_tests} pairs.")
    failed = sum(evidence.failed(t) for t in evidence.baselines)
    if case.has_baseline and failed:
        notes.append(f"{failed} executions of the baseline failed; its pairs are those that went well.")
    return notes
