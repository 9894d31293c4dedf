"""From the records of a search to what they say: better, equivalent, worse or undecided, at which price.

A trial with fewer than three pairs is undecided. So is one of which an execution failed, unless it is worse: its pairs
are those that went well. Activations with several settings are compared at their own best one: see `contenders`. How
often claims may be wrong is said in `deciding`, and for races in `elimination`.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from actsearch.analysis.comparison import Case, Contender, Evidence, is_joint, make_case, max_executions, most_at_once
from actsearch.analysis.race import Elimination
from actsearch.analysis.recommendation import recommend
from actsearch.analysis.results import PRICES, Action, Finding, Outcome, Verdict, mean_price, pareto_front, price_ratios
from actsearch.analysis.sequential import nominal_levels
from actsearch.analysis.statistics import (
    UNBOUNDED,
    Interval,
    equivalence_test,
    mean_and_error,
    mean_interval,
    pairs_needed,
    t_test,
)
from actsearch.analysis.units import number_range
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


MIN_PAIRS = 3
Tests = tuple[float, float | None]


def find(case: Case) -> list[Finding]:
    """A finding for each contender."""
    if case.race is not None:
        return [_raced(case, case.race, contender) for contender in case.contenders]
    if case.evidence.race is not None:
        return [_raced_jointly(case, contender) for contender in case.contenders]
    tests = [_tests(case, c) for c in case.contenders]
    return [_tested_once(case, c, i, tests) for i, c in enumerate(case.contenders)]


def adjusted(index: int, p_value: float, tests: Sequence[Tests], num_tests: int) -> float:
    """A p value of one candidate, adjusted for all of them by the step-down of this module.

    A candidate can still be called wrongly until both of its tests have rejected.

    Args:
        index: The candidate.
        p_value: One of its two p values.
        tests: For each candidate p of a difference, and p of equivalence or None where it is not tested.
        num_tests: The number of candidates, or more to be stricter.

    Example: without equivalence tests, these are Holm's values.

    >>> tests = [(0.01, None), (0.04, None), (0.03, None)]
    >>> [round(adjusted(i, p, tests, 3), 3) for i, (p, _) in enumerate(tests)]
    [0.03, 0.06, 0.06]
    """
    others = sorted((max(p for p in pair if p is not None) for i, pair in enumerate(tests) if i != index), reverse=True)
    extra = 1 + num_tests - len(tests)
    return min(1.0, max((s + extra) * min(p_value, other) for s, other in enumerate([1.0, *others])))


def _tests(case: Case, contender: Contender) -> Tests:
    """p of a difference, and p of equivalence where there is a margin: that the interval lies within it."""
    if contender.differences.size < MIN_PAIRS:
        return 1.0, 1.0 if case.margin > 0 else None
    different = t_test(contender.differences, floor=case.floor)
    if case.margin == 0:
        return different, None
    return different, min(1.0, 2 * equivalence_test(contender.differences, case.margin, floor=case.floor))


def _tested_once(case: Case, contender: Contender, index: int, tests: Sequence[Tests]) -> Finding:
    raw, same = tests[index]
    p_value = adjusted(index, raw, tests, case.num_tests)
    p_same = adjusted(index, same, tests, case.num_tests) if same is not None else 1.0
    outcome, level = Outcome.UNDECIDED, case.alpha / case.num_tests
    if same is not None and p_same <= case.alpha:
        outcome, raw, p_value = Outcome.EQUIVALENT, same, p_same
    elif p_value <= case.alpha:
        outcome = Outcome.BETTER if contender.differences.mean() > 0 else Outcome.WORSE
    if outcome is not Outcome.UNDECIDED and raw > 0:
        level = case.alpha * raw / p_value
    interval = mean_interval(contender.differences, level=1 - level, floor=case.floor)
    return _finding(case, contender, outcome, interval, p_value)


def _raced(case: Case, race: Elimination, contender: Contender) -> Finding:
    trial = contender.trial.trial_id
    beaten = trial not in race.unbeaten
    if not case.has_baseline:
        outcome = Outcome.WORSE if beaten else Outcome.UNDECIDED
        found = _finding(case, contender, outcome, UNBOUNDED, None, "shown not to be the best" if beaten else "")
        return replace(found, beaten=beaten)
    outcome, interval = race.claims.get(trial, Outcome.UNDECIDED), race.interval(trial)
    p_value, reason = _sequential_p_value(case, contender, race.level(trial)), ""
    if outcome in (Outcome.BETTER, Outcome.WORSE) and 0.0 in interval:
        p_value, reason = None, "all but one are shown not to be the best"
    elif outcome is Outcome.UNDECIDED and beaten:
        reason = "dropped: shown not to be the best"
    return replace(_finding(case, contender, outcome, interval, p_value, reason), beaten=beaten)


def _raced_jointly(case: Case, contender: Contender) -> Finding:
    """By intervals that hold at every look, for the settings that were chosen."""
    looks = max_executions(case.evidence.search)
    level = 2 * float(nominal_levels((case.alpha / case.num_tests / 2,), looks)[contender.differences.size, 0])
    interval = mean_interval(contender.differences, level=1 - level, floor=case.floor) if level else UNBOUNDED
    if interval.within(case.margin):
        outcome = Outcome.EQUIVALENT
    elif 0.0 in interval:
        outcome = Outcome.UNDECIDED
    else:
        outcome = Outcome.BETTER if interval.low > 0 else Outcome.WORSE
    return _finding(case, contender, outcome, interval, _sequential_p_value(case, contender, level))


def _sequential_p_value(case: Case, contender: Contender, level: float) -> float | None:
    """p of the latest look, scaled so that it is at most alpha where it reaches the level of that look."""
    p_value = t_test(contender.differences, floor=case.floor)
    return min(1.0, p_value * case.alpha / level) if level > 0 else 1.0


def _finding(
    case: Case, contender: Contender, outcome: Outcome, interval: Interval, p_value: float | None, reason: str = ""
) -> Finding:
    pairs, failed = contender.differences.size, contender.num_failed
    if failed and outcome in (Outcome.BETTER, Outcome.EQUIVALENT):
        outcome = Outcome.UNDECIDED
    reason = contender.obstacle or reason
    if outcome is Outcome.UNDECIDED and not reason:
        reason = _why_undecided(case, contender)
    return Finding(
        trial_id=contender.trial.trial_id,
        activation=contender.trial.activation,
        outcome=outcome,
        difference=float(contender.differences.mean()) if pairs else None,
        interval=interval,
        p_value=p_value,
        num_pairs=pairs,
        more_executions=_more(case, contender) if outcome is Outcome.UNDECIDED and not reason else None,
        prices=price_ratios(contender.trial, contender.baseline, contender.executions),
        num_settings=contender.num_settings,
        num_failed=failed,
        reason=reason,
    )


def _why_undecided(case: Case, contender: Contender) -> str:
    scores, pairs = case.evidence.scores[contender.trial.trial_id], contender.differences.size
    if contender.num_failed:
        return f"{contender.num_failed} of {len(scores)} executions failed"
    if not scores:
        return "no execution with all epochs on a complete seed"
    return f"{pairs} of at least {MIN_PAIRS} pairs" if pairs < MIN_PAIRS else ""


def _more(case: Case, contender: Contender) -> int | None:
    """How many more executions show a difference, or else equivalence, if mean and spread stay as they are."""
    mean, error = mean_and_error(contender.differences, floor=case.floor)
    sd = error * contender.differences.size**0.5
    if sd == 0:
        return None
    level = case.alpha / case.num_tests
    needed = [pairs_needed(mean / sd, alpha=level)]
    if abs(mean) < case.margin:
        needed.append(pairs_needed((case.margin - abs(mean)) / sd, alpha=level, chance=0.9))
    known = [n for n in needed if n is not None]
    return max(min(known) - contender.differences.size, 1) if known else None
