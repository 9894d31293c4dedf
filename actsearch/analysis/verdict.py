"""Judges the records of a search: each trial is better, equivalent, worse, undecided or failed, and at what cost.

A trial with fewer than three pairs is undecided. So is a trial with a failed execution, unless it is worse: its pairs
are only those that completed. Activations with several configurations are compared at their own best one: see
`comparison`. For the chance that a claim is wrong, see `adjusted`, and for races `race`.
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from actsearch.analysis.best_trial import best_trial
from actsearch.analysis.comparison import (
    ComparisonFamily,
    JudgedScores,
    PairedSample,
    SampleSource,
    is_joint,
    make_family,
    max_concurrent,
    no_samples,
    num_choosing,
    score_of,
)
from actsearch.analysis.cost_ratios import cost_notes, cost_ratios
from actsearch.analysis.looks import FIRST_SHARE, keep_claim, nominal_levels, spending
from actsearch.analysis.race import RaceTest
from actsearch.analysis.recommendation import recommend, recommended_trial
from actsearch.analysis.results import Action, Comparison, Outcome, Verdict, pareto_front
from actsearch.analysis.schedule import earlier_looks, plans_of
from actsearch.analysis.statistics import MAX_PAIRS, UNBOUNDED, Interval
from actsearch.analysis.undecided import MIN_PAIRS, alike, ending_of, missing, why_failed, why_undecided
from actsearch.analysis.units import COST_UNITS, configuration_label, lacking_data, number_range
from actsearch.errors import UsageError
from actsearch.records import Scope, SearchRecord


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

    Example:

    >>> import actsearch
    >>> result = actsearch.load_result("actsearch-runs/digits")
    >>> for margin in (None, 0.1):  # in the units of the objective: 0.1 of accuracy is 10 points
    ...     verdict = judge(result.record, alpha=0.05, margin=margin)
    ...     print(verdict.of("0001").outcome, verdict.shown_margin)
    better 0.5 points of test accuracy
    better 10.0 points of test accuracy
    """
    if not 0 < alpha < 1:
        raise UsageError(f"alpha must be between 0 and 1, not {alpha}.")
    if margin is not None and margin < 0:
        raise UsageError(f"margin must be 0 or more, not {margin}.")
    family = make_family(search, alpha, margin, samples)
    comparisons = _with_earlier_claims(family, samples)
    verdict = Verdict(
        baseline=search.baseline if family.has_baseline else None,
        leader=None if family.has_baseline or not family.samples else family.samples[0].baseline.activation,
        units=family.units,
        alpha=alpha,
        margin=family.margin,
        source=family.judged.source,
        executions=family.judged.executions,
        comparisons=comparisons,
        baseline_beaten=_baseline_beaten(family),
        fronts={},
        scores=_scores(family.judged),
        reference=_reference(family),
        notes=tuple(_notes(family)),
        scope=scope_of(family),
        best_trial=best_trial(family, comparisons),
    )
    labels = {trial.trial_id: configuration_label(search, trial) for trial in search.trials}
    return replace(
        verdict,
        fronts=_fronts(family.judged, verdict),
        recommended=recommended_trial(verdict),
        recommendation=recommend(verdict, labels),
    )


def _with_earlier_claims(family: ComparisonFamily, samples: SampleSource) -> tuple[Comparison, ...]:
    """Compares each paired sample; what was claimed at an earlier look at the same two trials stays claimed."""
    looks = [make_family(r, family.alpha, family.margin, samples) for r in earlier_looks(family.judged.search)]
    seen: dict[tuple[str, str], tuple[PairedSample, Comparison]] = {}
    for look in (*looks, family):
        before = [seen.get(sample.names) for sample in look.samples]
        used = [sample.as_in(old[0]) if old else sample for sample, old in zip(look.samples, before, strict=True)]
        for sample, old, found in zip(used, before, find(replace(look, samples=used)), strict=True):
            is_new = old is None or sample.differences is not old[0].differences
            seen[sample.names] = sample, keep_claim(found, old[1] if old else None, has_new_pairs=is_new)
    return tuple(seen[sample.names][1] for sample in family.samples)


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


def _fronts(judged: JudgedScores, verdict: Verdict) -> dict[str, tuple[str, ...]]:
    fronts, reference = {}, verdict.reference_in(judged.search)
    for name in COST_UNITS:
        points = {}
        for trial in judged.search.trials:
            scores, cost = judged.known(trial), verdict.cost_of(trial, reference, name)
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
    every = "every trial" if judged.race is None else "every trial that the race had not dropped by then"
    notes = [f"Judged by the {judged.source} scores of {which}, which ended for {every}."]
    if any(e.execution > max(used) for t in judged.search.trials for e in t.executions):
        notes.append(f"Executions after number {max(used)} are not used yet: they have not ended for every trial.")
    notes += [*_on_scope(family), *_on_looks(family)]
    notes += [*_on_execution(judged), *_on_reference(family)]
    return [*notes, *cost_notes(judged.search), *judged.search.remarks]


def _on_execution(judged: JudgedScores) -> Iterator[str]:
    """Says what was special about how the trials were made and trained."""
    if (most := max_concurrent(judged.search)) > 1:
        yield (
            f"Up to {most} executions ran concurrently: if they shared a machine, they slowed each other down. "
            "Compare training, CPU and inference times with care."
        )
    if judged.search.space.get("matching") is False:
        yield "Only the functions differ: initializers and dropout were not matched to them."
    if judged.race is not None:
        left = sum(d.action in (Action.DROPPED, Action.FAILED) for d in judged.race.decisions)
        yield f"The race stopped training {left} of {len(judged.search.trials)} trials early."


def _on_reference(family: ComparisonFamily) -> Iterator[str]:
    """Says which trials are compared, and with which."""
    if is_joint(family.judged.search) and family.has_baseline and any(s.differences.size for s in family.samples):
        yield (
            "Each activation is compared by its best configuration, chosen by the first third of these executions and "
            "judged by the others."
        )
    if family.samples and not family.has_baseline:
        yield "Without a baseline, all trials are compared with the one of the best mean." + (
            " Since it was chosen by the same scores, the intervals allow for every pair of trials."
            if family.race is None
            else ""
        )
    failed = sum(family.judged.failed(t) for t in family.judged.baselines)
    if family.has_baseline and failed:
        which = f"{failed} execution{'s' if failed > 1 else ''} of the baseline failed"
        yield f"{which}: trials are compared with it by the executions that both completed."


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
        return [f"The intervals hold for other random seeds with {division}, not for new data{why}."]
    share = statistics.median(each.share_of_samples for each in compared)
    tested = max(each.num_tested for each in compared)
    return [
        f"The intervals hold for new data: {division}, {tested:,} different {family.judged.source} samples. "
        f"Of their variance, {1 - share:.0%} comes from random seeds, which more executions reduce; {share:.0%} from "
        "the choice of samples, which only more data would reduce."
    ]


_SPLITS = {"": "this division of the data", "one": "one split of the data", "each": "a split for each execution"}


def _on_looks(family: ComparisonFamily) -> list[str]:
    """Says how much of alpha this look may spend, if it is not the first."""
    shares = [each.share for each in family.samples if each.share <= 0.9 * FIRST_SHARE]
    if family.judged.race is not None or not shares:
        return []
    which = "each comparison is" if len(shares) == len(family.samples) else "comparisons with new pairs are"
    return [
        f"The results were looked at before, so {which} tested at a level of {min(shares) * family.alpha:.2g}: the "
        f"chance of any wrong claim over all looks stays below alpha = {family.alpha:g}."
    ]


Tests = tuple[float, float | None]


def find(family: ComparisonFamily) -> list[Comparison]:
    """Compares each paired sample."""
    if family.race is not None:
        return [_raced(family, family.race, sample) for sample in family.samples]
    if family.judged.race is not None:
        return [_raced_jointly(family, sample) for sample in family.samples]
    tests = [_tests(family, c) for c in family.samples]
    adjust = adjustment(tests, family.num_tests)
    return [_tested_once(family, c, i, tests[i], adjust) for i, c in enumerate(family.samples)]


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
    return adjustment(tests, num_tests)(index, p_value)


def adjustment(tests: Sequence[Tests], num_tests: int) -> Callable[[int, float], float]:
    """Returns `adjusted` as a function of `index` and `p_value`, which sorts the tests only once."""
    larger = np.array([max(p for p in pair if p is not None) for pair in tests])
    falling = np.sort(larger)[::-1]
    factors = np.arange(len(tests)) + 1.0 + num_tests - len(tests)

    def adjust(index: int, p_value: float) -> float:
        others = np.delete(falling, np.searchsorted(-falling, -larger[index]))
        return min(1.0, float(np.max(factors * np.minimum(p_value, [1.0, *others]))))

    return adjust


def _tests(family: ComparisonFamily, sample: PairedSample) -> Tests:
    """p of a difference, and p of equivalence where there is a margin, scaled so that each is tested at alpha."""
    if sample.differences.size < MIN_PAIRS:
        return 1.0, 1.0 if family.margin > 0 else None
    different = min(1.0, sample.differences.p_value() / sample.share)
    if family.margin == 0:
        return different, None
    return different, min(1.0, 2 * sample.differences.equivalence_p_value(family.margin) / sample.share)


def _tested_once(
    family: ComparisonFamily, sample: PairedSample, index: int, tests: Tests, adjust: Callable[[int, float], float]
) -> Comparison:
    raw, same = tests
    p_value, p_same = adjust(index, raw), 1.0 if same is None else adjust(index, same)
    outcome, level = Outcome.UNDECIDED, sample.share * family.alpha / family.num_tests
    if same is not None and p_same <= family.alpha:
        outcome, raw, p_value = Outcome.EQUIVALENT, same, p_same
    elif p_value <= family.alpha:
        outcome = Outcome.BETTER if sample.differences.mean > 0 else Outcome.WORSE
    if outcome is not Outcome.UNDECIDED and raw > 0:
        level = sample.share * family.alpha * raw / p_value
    return _comparison(family, sample, outcome, sample.differences.interval(1 - level), p_value)


_NOT_THE_BEST = "the race showed that it is not the best"
_THE_BEST = "the race showed that no other is the best"


def _raced(family: ComparisonFamily, race: RaceTest, sample: PairedSample) -> Comparison:
    trial = sample.trial.trial_id
    beaten = trial not in race.unbeaten
    if not family.has_baseline:
        outcome = Outcome.WORSE if beaten else Outcome.UNDECIDED
        found = _comparison(family, sample, outcome, UNBOUNDED, None, _NOT_THE_BEST if beaten else "")
        return replace(found, beaten=beaten)
    outcome, interval = race.claims.get(trial, Outcome.UNDECIDED), race.interval(trial)
    p_value: float | None = race.p_value(trial)
    reason = ""
    if outcome in (Outcome.BETTER, Outcome.WORSE) and 0.0 in interval:
        p_value, reason = None, _NOT_THE_BEST if outcome is Outcome.WORSE else _THE_BEST
    elif outcome is Outcome.UNDECIDED and beaten:
        reason = "the race dropped it: it is not the best"
    return replace(_comparison(family, sample, outcome, interval, p_value, reason), beaten=beaten)


def _raced_jointly(family: ComparisonFamily, sample: PairedSample) -> Comparison:
    """Judges the chosen configurations by intervals that hold at every look."""
    plans = [replace(plan, last=plan.last - num_choosing(plan.last)) for plan in plans_of(family.judged.search)]
    spent = spending(plans)
    level = 2 * float(nominal_levels((family.alpha / family.num_tests / 2,), spent)[sample.differences.size, 0])
    interval = sample.differences.interval(1 - level) if level else UNBOUNDED
    if interval.within(family.margin):
        outcome = Outcome.EQUIVALENT
    elif 0.0 in interval:
        outcome = Outcome.UNDECIDED
    else:
        outcome = Outcome.BETTER if interval.low > 0 else Outcome.WORSE
    p_value = min(1.0, sample.differences.p_value() * family.alpha / level) if level else 1.0
    return _comparison(family, sample, outcome, interval, p_value)


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
    if outcome is Outcome.EQUIVALENT and (same := alike(family)):
        outcome, reason = Outcome.UNDECIDED, same
    if reasons := why_failed(family, sample.trial):
        outcome, reason = Outcome.FAILED, reasons
    more, samples_needed = None, None
    if outcome is Outcome.UNDECIDED and not reason:
        reason = why_undecided(family, sample)
        more, samples_needed = (None, None) if reason else missing(family, sample)
        if samples_needed is not None:
            reason = lacking_data(sample.differences.num_drawn, samples_needed)
        elif more is None:
            reason = reason or f"only more than {MAX_PAIRS:,} executions would settle it"
        elif ending := ending_of(family, sample):
            more, reason = None, ending
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
