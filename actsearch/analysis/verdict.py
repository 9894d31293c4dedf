"""Judges the records of a search: each trial is better, equivalent, worse, undecided or failed, and at what cost.

A trial with fewer than three pairs is undecided. So is a trial with a failed execution, unless it is worse: its pairs
are only those that completed. Activations with several configurations are compared at their own best one: see
`comparison`. For the chance that a claim is wrong, see `adjusted`, and for races `race`.
"""

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from actsearch.analysis.comparison import (
    ComparisonFamily,
    JudgedScores,
    PairedSample,
    SampleSource,
    is_joint,
    make_family,
    max_concurrent,
    no_samples,
    plans_of,
    score_of,
)
from actsearch.analysis.cost_ratios import cost_notes, cost_ratios, mean_cost
from actsearch.analysis.looks import FIRST_SHARE, nominal_levels, spending
from actsearch.analysis.race import RaceTest
from actsearch.analysis.recommendation import recommend, recommended_trial
from actsearch.analysis.results import Action, Comparison, Outcome, Verdict, pareto_front
from actsearch.analysis.statistics import UNBOUNDED, Interval
from actsearch.analysis.units import COST_UNITS, lacking_data, number_range
from actsearch.errors import UsageError
from actsearch.records import Scope, SearchRecord, TrialRecord


def judge(search: SearchRecord, *, alpha: float, margin: float | None, samples: SampleSource = no_samples) -> Verdict:
    """Judges each trial of a search against the baseline.

    Only complete seeds are used, with test scores if every completed execution has one, else with validation scores.
    Without a baseline, all trials are compared with the one of the best mean, and all pairs of trials share the level,
    since that trial was chosen by the same scores.

    Args:
        search: Record of the search, which may still be running.
        alpha: Chance of any wrong claim, over all trials.
        margin: Difference that does not matter; None for half a point of a share (accuracy, AUC ...) and 1 % of the
            baseline's mean for other objectives; 0 to claim no equivalence.
        samples: Returns the sample scores of an execution, for a verdict on new data.

    Returns:
        The verdict.

    Raises:
        UsageError: alpha or margin is out of range.
    """
    if not 0 < alpha < 1:
        raise UsageError(f"alpha must be between 0 and 1, not {alpha}.")
    if margin is not None and margin < 0:
        raise UsageError(f"margin must be 0 or more, not {margin}.")
    family = make_family(search, alpha, margin, samples)
    verdict = Verdict(
        baseline=search.baseline if family.has_baseline else None,
        leader=None if family.has_baseline or not family.samples else family.samples[0].baseline.activation,
        units=family.units,
        alpha=alpha,
        margin=family.margin,
        source=family.judged.source,
        executions=family.judged.executions,
        comparisons=tuple(find(family)),
        baseline_beaten=_baseline_beaten(family),
        fronts=_fronts(family.judged),
        scores=_scores(family.judged),
        reference=_reference(family),
        notes=tuple(_notes(family)),
        scope=scope_of(family),
    )
    return replace(verdict, recommended=recommended_trial(verdict), recommendation=recommend(verdict))


def verdict_of(search: SearchRecord, samples: SampleSource = no_samples) -> Verdict:
    """Judges a search at its own level and margin."""
    return judge(search, alpha=search.config.alpha, margin=search.config.margin, samples=samples)


def _baseline_beaten(family: ComparisonFamily) -> bool:
    return family.race is not None and family.has_baseline and family.race.baseline not in family.race.unbeaten


def _scores(judged: JudgedScores) -> dict[str, dict[int, float]]:
    trials = judged.search.trials
    if judged.executions:
        return {t.trial_id: judged.known(t) for t in trials}
    so_far = {t.trial_id: {e.execution: score_of(e, judged.source) for e in t.completed} for t in trials}
    return {trial: {n: s for n, s in scores.items() if s is not None} for trial, scores in so_far.items()}


def _reference(family: ComparisonFamily) -> str | None:
    if family.samples:
        return family.samples[0].baseline.trial_id
    return next((t.trial_id for t in family.judged.baselines if family.judged.known(t)), None)


def _fronts(judged: JudgedScores) -> dict[str, tuple[str, ...]]:
    fronts = {}
    for name in COST_UNITS:
        points = {}
        for trial in judged.search.trials:
            scores, cost = judged.known(trial), mean_cost(trial, name, judged.executions)
            if scores and cost is not None and not judged.failed(trial):
                points[trial.trial_id] = (judged.sign * float(np.mean(list(scores.values()))), cost)
        if points:
            fronts[name] = pareto_front(points)
    return fronts


def _notes(family: ComparisonFamily) -> list[str]:
    judged = family.judged
    used = judged.executions
    if not used:
        return ["No execution has ended for every trial yet.", *judged.search.remarks]
    which = f"execution{'s' if len(used) > 1 else ''} {number_range(used)}"
    notes = [f"Uses {which}, which ended for every trial then in the running; judged by {judged.source} scores."]
    if any(e.execution > max(used) for t in judged.search.trials for e in t.executions):
        notes.append(f"Executions after number {max(used)} are omitted: they have not ended for every trial.")
    notes += [*_on_scope(family), *_on_looks(family)]
    if (most := max_concurrent(judged.search)) > 1:
        notes.append(
            f"Up to {most} executions ran concurrently: if they shared a machine, they slowed each other down. "
            "Compare training, CPU and inference times with care."
        )
    if judged.search.space.get("matching") is False:
        notes.append("Bare functions were compared: initializers and dropout were not matched to them.")
    if is_joint(judged.search):
        notes.append("Configurations were chosen by the first third of these seeds, and judged by the others.")
    if judged.race is not None:
        left = sum(d.action in (Action.DROPPED, Action.FAILED) for d in judged.race.decisions)
        notes.append(f"A race: {left} of {len(judged.search.trials)} trials left before the end.")
    if family.samples and not family.has_baseline:
        notes.append(f"No baseline: compared with the best mean, at a level shared by {family.num_tests} pairs.")
    failed = sum(judged.failed(t) for t in judged.baselines)
    if family.has_baseline and failed:
        notes.append(f"{failed} executions of the baseline failed; only the completed ones form pairs.")
    return [*notes, *cost_notes(judged.search), *judged.search.remarks]


def scope_of(family: ComparisonFamily) -> Scope:
    """Returns what the verdict holds for: new data only if the sample scores are known."""
    known = bool(family.samples) and all(
        s.differences.samples is not None for s in family.samples if s.differences.size
    )
    return Scope.NEW_DATA if known and family.judged.scope is Scope.NEW_DATA else Scope.THESE_DATA


def _on_scope(family: ComparisonFamily) -> list[str]:
    """Says what the intervals hold for, and which part of them is due to what."""
    compared = [sample.differences for sample in family.samples if sample.differences.size >= MIN_PAIRS]
    if not compared:
        return []
    division = _SPLITS.get(family.judged.search.config.splits or "", "folds of the data")
    if scope_of(family) is Scope.THESE_DATA:
        why = "" if family.judged.scope is Scope.THESE_DATA else ": the scores of single samples are not known"
        return [f"The intervals hold for other seeds with {division}, not for new data{why}."]
    share = statistics.median(each.share_of_samples for each in compared)
    tested = max(each.num_tested for each in compared)
    return [
        f"The intervals hold for new data: {division}, {tested:,} different {family.judged.source} samples. "
        f"More executions reduce {1 - share:.0%} of their variance; the other {share:.0%} only more data would reduce."
    ]


_SPLITS = {"": "this division of the data", "one": "one split of the data", "each": "a split for each execution"}


def _on_looks(family: ComparisonFamily) -> list[str]:
    """Says how much of alpha this look may spend, if it is not the first."""
    if family.judged.race is not None or family.level > 0.9 * FIRST_SHARE * family.alpha:
        return []
    return [
        f"This search was looked at before, so each comparison is tested at {family.level:.2g} of alpha = "
        f"{family.alpha:g}: the chance of any wrong claim over all looks stays below alpha."
    ]


MIN_PAIRS = 3
Tests = tuple[float, float | None]


def find(family: ComparisonFamily) -> list[Comparison]:
    """Compares each paired sample."""
    if family.race is not None:
        return [_raced(family, family.race, sample) for sample in family.samples]
    if family.judged.race is not None:
        return [_raced_jointly(family, sample) for sample in family.samples]
    tests = [_tests(family, c) for c in family.samples]
    return [_tested_once(family, c, i, tests) for i, c in enumerate(family.samples)]


def adjusted(index: int, p_value: float, tests: Sequence[Tests], num_tests: int) -> float:
    """Adjusts a p value of one candidate for the tests of all candidates, by a step-down procedure.

    A wrong claim about a candidate remains possible until both of its tests have rejected.

    Args:
        index: Index of the candidate.
        p_value: One of its two p values.
        tests: For each candidate, p of the difference, and p of equivalence or None if it is not tested.
        num_tests: Number of candidates; a larger number is stricter.

    Returns:
        The adjusted p value.

    Example: without equivalence tests, these are Holm's values.

    >>> tests = [(0.01, None), (0.04, None), (0.03, None)]
    >>> [round(adjusted(i, p, tests, 3), 3) for i, (p, _) in enumerate(tests)]
    [0.03, 0.06, 0.06]
    """
    others = sorted((max(p for p in pair if p is not None) for i, pair in enumerate(tests) if i != index), reverse=True)
    extra = 1 + num_tests - len(tests)
    return min(1.0, max((s + extra) * min(p_value, other) for s, other in enumerate([1.0, *others])))


def _tests(family: ComparisonFamily, sample: PairedSample) -> Tests:
    """p of a difference, and p of equivalence where there is a margin: that the interval lies within it."""
    if sample.differences.size < MIN_PAIRS:
        return 1.0, 1.0 if family.margin > 0 else None
    different = sample.differences.p_value()
    if family.margin == 0:
        return different, None
    return different, min(1.0, 2 * sample.differences.equivalence_p_value(family.margin))


def _tested_once(family: ComparisonFamily, sample: PairedSample, index: int, tests: Sequence[Tests]) -> Comparison:
    raw, same = tests[index]
    p_value = adjusted(index, raw, tests, family.num_tests)
    p_same = adjusted(index, same, tests, family.num_tests) if same is not None else 1.0
    outcome, level = Outcome.UNDECIDED, family.level / family.num_tests
    if same is not None and p_same <= family.level:
        outcome, raw, p_value = Outcome.EQUIVALENT, same, p_same
    elif p_value <= family.level:
        outcome = Outcome.BETTER if sample.differences.mean > 0 else Outcome.WORSE
    if outcome is not Outcome.UNDECIDED and raw > 0:
        level = family.level * raw / p_value
    interval = sample.differences.interval(1 - level)
    return _comparison(family, sample, outcome, interval, min(1.0, p_value * family.alpha / family.level))


def _raced(family: ComparisonFamily, race: RaceTest, sample: PairedSample) -> Comparison:
    trial = sample.trial.trial_id
    beaten = trial not in race.unbeaten
    if not family.has_baseline:
        outcome = Outcome.WORSE if beaten else Outcome.UNDECIDED
        found = _comparison(family, sample, outcome, UNBOUNDED, None, "shown not to be the best" if beaten else "")
        return replace(found, beaten=beaten)
    outcome, interval = race.claims.get(trial, Outcome.UNDECIDED), race.interval(trial)
    p_value, reason = _sequential_p_value(family, sample, race.level(trial)), ""
    if outcome in (Outcome.BETTER, Outcome.WORSE) and 0.0 in interval:
        p_value, reason = None, "all but one are shown not to be the best"
    elif outcome is Outcome.UNDECIDED and beaten:
        reason = "dropped: shown not to be the best"
    return replace(_comparison(family, sample, outcome, interval, p_value, reason), beaten=beaten)


def _raced_jointly(family: ComparisonFamily, sample: PairedSample) -> Comparison:
    """Judges the chosen configurations by intervals that hold at every look."""
    spent = spending(plans_of(family.judged.search))
    level = 2 * float(nominal_levels((family.alpha / family.num_tests / 2,), spent)[sample.differences.size, 0])
    interval = sample.differences.interval(1 - level) if level else UNBOUNDED
    if interval.within(family.margin):
        outcome = Outcome.EQUIVALENT
    elif 0.0 in interval:
        outcome = Outcome.UNDECIDED
    else:
        outcome = Outcome.BETTER if interval.low > 0 else Outcome.WORSE
    return _comparison(family, sample, outcome, interval, _sequential_p_value(family, sample, level))


def _sequential_p_value(family: ComparisonFamily, sample: PairedSample, level: float) -> float | None:
    """Scales the p value of the latest look so that it is at most alpha if it reaches the level of that look."""
    p_value = sample.differences.p_value()
    return min(1.0, p_value * family.alpha / level) if level > 0 else 1.0


def _comparison(
    family: ComparisonFamily,
    sample: PairedSample,
    outcome: Outcome,
    interval: Interval,
    p_value: float | None,
    reason: str = "",
) -> Comparison:
    pairs, failed = sample.differences.size, sample.num_failed
    if failed and outcome in (Outcome.BETTER, Outcome.EQUIVALENT):
        outcome = Outcome.UNDECIDED
    reason = sample.obstacle or reason
    if failed and failed == len(sample.trial.executions):
        outcome, reason = Outcome.FAILED, _why_failed(sample.trial)
    more, samples_needed = None, None
    if outcome is Outcome.UNDECIDED and not reason:
        reason = _why_undecided(family, sample)
        more = None if reason else _more(family, sample)
        samples_needed = None if reason or more is not None else _samples_needed(family, sample)
        reason = reason if samples_needed is None else lacking_data(sample.differences.num_drawn, samples_needed)
    return Comparison(
        trial_id=sample.trial.trial_id,
        activation=sample.trial.activation,
        outcome=outcome,
        difference=sample.differences.mean if pairs else None,
        interval=interval,
        p_value=p_value,
        num_pairs=pairs,
        more_executions=more,
        samples_needed=samples_needed,
        num_samples=sample.differences.num_drawn,
        cost_ratios=cost_ratios(sample.trial, sample.baseline, sample.executions, family.judged.search.measurements),
        num_configurations=sample.num_configurations,
        num_failed=failed,
        reason=reason,
    )


def _why_undecided(family: ComparisonFamily, sample: PairedSample) -> str:
    scores, pairs = family.judged.scores[sample.trial.trial_id], sample.differences.size
    if sample.num_failed:
        return f"{sample.num_failed} of {len(scores)} executions failed"
    if not scores:
        return "no execution with all epochs on a complete seed"
    return f"{pairs} of at least {MIN_PAIRS} pairs" if pairs < MIN_PAIRS else ""


def _why_failed(trial: TrialRecord) -> str:
    """Returns the most frequent reason, with how many executions have it."""
    reasons = Counter(execution.reason or "unknown" for execution in trial.executions)
    (reason, count), *_ = reasons.most_common(1)
    return f"{reason} ({count} of {len(trial.executions)})"


def _more(family: ComparisonFamily, sample: PairedSample) -> int | None:
    """Estimates how many more executions would settle it if mean and spread do not change; None if none would."""
    level = (family.level if family.judged.race is not None else family.next_level) / family.num_tests
    needed = sample.differences.executions_needed(margin=family.margin, alpha=level)
    return None if needed is None else max(needed - sample.differences.size, 1)


def _samples_needed(family: ComparisonFamily, sample: PairedSample) -> int | None:
    """Estimates how many samples would settle what no number of executions does."""
    return sample.differences.samples_needed(margin=family.margin, alpha=family.level / family.num_tests)
