"""Why a comparison is not decided, and what it lacks."""

from collections import Counter

from actsearch.analysis.comparison import ComparisonFamily, PairedSample, score_of
from actsearch.records import Status, TrialRecord

MIN_PAIRS = 3


def alike(family: ComparisonFamily) -> str:
    """Says that all scores of a search are the same number, such as an AUC with one class; empty if they are not."""
    scores = {score for trial in family.judged.search.trials for score in family.judged.known(trial).values()}
    if len(scores) != 1:
        return ""
    return f"every score is {family.units.score(scores.pop())}: the data cannot tell the trials apart"


def why_undecided(family: ComparisonFamily, sample: PairedSample) -> str:
    """Says what a comparison that more executions of the same kind may settle lacks; empty if it lacks nothing."""
    scores, pairs = family.judged.scores[sample.trial.trial_id], sample.differences.size
    if sample.num_failed:
        return f"{sample.num_failed} of {len(scores)} executions failed"
    if not scores:
        return "none of its executions with all epochs has ended for every trial"
    if pairs >= MIN_PAIRS:
        return ""
    return f"{pairs} execution{'' if pairs == 1 else 's'} to compare, at least {MIN_PAIRS} are needed"


def ending_of(family: ComparisonFamily, sample: PairedSample) -> str:
    """Says why a race gives a trial no more executions, however long it is continued; empty if it may."""
    race = family.judged.race
    last = race.ending(sample.trial.trial_id) if race is not None else None
    if last is None:
        return ""
    how = f"found {last.outcome}" if last.outcome else f"stopped ({last.reason})"
    found = f"by validation scores, it was {how} after execution {last.execution}"
    return f"more executions of this race would not settle it: {found}"


def why_failed(family: ComparisonFamily, trial: TrialRecord) -> str:
    """Returns why all executions of a trial failed or have no finite score, with how many; empty if one has."""
    ended = [e for e in trial.executions if e.status is not Status.RUNNING]
    source, metric = family.judged.source, family.units.metric.removeprefix("val ")
    if not ended or any(score_of(e, source) is not None for e in ended):
        return ""
    not_finite = f"{'test' if source == 'test' else 'val'} {metric} is not finite"
    reasons = Counter(not_finite if e.status is Status.COMPLETED else e.reason or "unknown" for e in ended)
    (reason, count), *_ = reasons.most_common(1)
    return f"{reason} ({count} of {len(ended)})"


def missing(family: ComparisonFamily, sample: PairedSample) -> tuple[int | None, int | None]:
    """Estimates how many more executions would settle it if mean and spread do not change, or else how many samples."""
    differences = sample.differences
    level = sample.next_share * family.alpha / family.num_tests
    if (needed := differences.executions_needed(margin=family.margin, alpha=level)) is not None:
        return max(needed - differences.size, 1), None
    return None, differences.samples_needed(margin=family.margin, alpha=level)
