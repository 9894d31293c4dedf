"""Summarizes a verdict in one sentence, from its comparisons alone."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace

from actsearch.analysis.results import Comparison, CostRatio, Outcome, Verdict
from actsearch.analysis.units import lacking_data, settling

SAME_COST = 0.1
MAX_NAMES = 4
MAX_REASON = 80  # characters


def recommend(verdict: Verdict, labels: Mapping[str, str] | None = None) -> str:
    """Recommends what to do, in one sentence.

    Args:
        verdict: The verdict.
        labels: Labels of the trials where other hyperparameters vary too; else they are named by their activations.
    """
    labels = labels or {}
    if not verdict.comparisons:
        return "nothing to compare: no two trials with a score"
    if verdict.baseline is None:
        named = [replace(c, activation=labels.get(c.trial_id, c.activation)) for c in verdict.comparisons]
        leader = labels.get(verdict.reference or "", verdict.leader or "")
        return _without_baseline(replace(verdict, comparisons=tuple(named), leader=leader))
    failures = failures_in_words(verdict)
    if len(failed := verdict.with_outcome(Outcome.FAILED)) == len(verdict.comparisons):
        return "; ".join([f"nothing to compare with {verdict.baseline}", *failures])
    better = verdict.with_outcome(Outcome.BETTER)
    undecided = still_open(verdict)
    if better:
        text = "; ".join([_better(verdict, better, labels), *_leftover(undecided)])
    elif verdict.baseline_beaten and undecided:
        text = f"{verdict.baseline} is not the best; {_between(undecided, 'which is better is undecided between ')}"
    elif len(undecided) + len(failed) == len(verdict.comparisons):
        text = _between(undecided, "undecided between ", verdict.baseline)
    else:
        text = "; ".join([_keep(verdict, labels), *_leftover(undecided)])
    return "; ".join([text, *failures])


def recommended_trial(verdict: Verdict) -> str | None:
    """Returns the id of the trial that the sentence recommends; where it recommends none, what is safest to use.

    That is the baseline, or, if a race showed that it is not the best, the one of the best mean among those left.
    """
    if better := verdict.with_outcome(Outcome.BETTER):
        return better[0].trial_id
    if verdict.baseline_beaten and (left := still_open(verdict)):
        return left[0].trial_id
    cheaper = cheaper_equivalent(verdict) if verdict.baseline else None
    return cheaper.trial_id if cheaper else verdict.reference


def _better(verdict: Verdict, better: Sequence[Comparison], labels: Mapping[str, str]) -> str:
    best, units = better[0], verdict.units
    gain = units.difference(best.difference or 0.0, verdict.judged_score)
    shown = f"{gain} {units.interval(best.interval.low, best.interval.high)}"
    parts = [
        f"{labels.get(best.trial_id, best.activation)}: {shown}, {training_time(best)}",
        remark_on_claim(verdict, best),
    ]
    parts += [f"{_are(better[1:])} better too"] if better[1:] else []
    return "; ".join(filter(None, parts))


def _keep(verdict: Verdict, labels: Mapping[str, str]) -> str:
    """Recommends the baseline, or an equivalent activation that trains faster."""
    same, worse = verdict.with_outcome(Outcome.EQUIVALENT), verdict.with_outcome(Outcome.WORSE)
    margin, kept = verdict.shown_margin, labels.get(verdict.reference or "", verdict.baseline or "")
    if best := cheaper_equivalent(verdict):
        name = labels.get(best.trial_id, best.activation)
        return f"{name}: equivalent to {kept} within {margin}, {training_time(best)}"
    dearer = [f for f in same if (time := _settled(f)) and time.interval.low > 1 and time.estimate >= 1 + SAME_COST / 2]
    beaten = [f for f in verdict.comparisons if f.beaten and f.outcome is Outcome.UNDECIDED]
    parts = []
    if same:
        takes = "".join(f" and {f.activation} takes {training_time(f)}" for f in dearer[:MAX_NAMES])
        parts.append(f"{_are(same)} equivalent within {margin}{takes}")
    parts += [f"{_are(worse)} worse"] if worse else []
    parts += [f"{_are(beaten)} not the best"] if beaten else []
    return f"keep {kept}: {', '.join(parts)}"


def cheaper_equivalent(verdict: Verdict) -> Comparison | None:
    """Returns the equivalent activation that trains fastest, if clearly faster than the baseline."""
    same = verdict.with_outcome(Outcome.EQUIVALENT)
    cheaper = [f for f in same if (time := _settled(f)) and time.interval.high < 1 and time.estimate <= 1 - SAME_COST]
    return min(cheaper, key=lambda f: f.cost_ratios["train_seconds"].estimate, default=None)


def _without_baseline(verdict: Verdict) -> str:
    parts = [f"no baseline to compare with: {verdict.leader} has the best mean {verdict.judged_score}"]
    worse, same = verdict.with_outcome(Outcome.WORSE), verdict.with_outcome(Outcome.EQUIVALENT)
    parts += [f"{_are(worse)} shown to be worse"] if worse else []
    parts += [f"{_are(same)} equivalent within {verdict.shown_margin}"] if same else []
    undecided = still_open(verdict)
    parts += [_between(undecided, "undecided between ", verdict.leader)] if undecided else []
    return "; ".join([*parts, *failures_in_words(verdict)])


def failures_in_words(verdict: Verdict) -> list[str]:
    """Names those of which no execution completed, by reason, in short."""
    groups: dict[str, list[Comparison]] = {}
    for comparison in verdict.with_outcome(Outcome.FAILED):
        groups.setdefault(comparison.reason, []).append(comparison)
    shown = {reason: textwrap.shorten(reason, MAX_REASON, placeholder=" …").rstrip(".") for reason in groups}
    return [f"{_join(_names(group))} failed: {shown[reason]}" for reason, group in groups.items()]


def remark_on_claim(verdict: Verdict, comparison: Comparison) -> str:
    """Says of a better trial that its gain may not matter, or why it is better if its interval does not show it."""
    if comparison.outcome is Outcome.BETTER and comparison.interval.low < 0:
        return comparison.reason
    if comparison.outcome is not Outcome.BETTER or comparison.interval.low >= verdict.margin:
        return ""
    return f"the gain is above 0 but may be less than the margin of {verdict.units.margin(verdict.margin)}"


def still_open(verdict: Verdict) -> list[Comparison]:
    return [f for f in verdict.with_outcome(Outcome.UNDECIDED) if not f.beaten]


def _between(comparisons: Sequence[Comparison], text: str, other: str | None = None) -> str:
    """Names those that more executions would settle, then the others."""
    settled = [f for f in comparisons if f.more_executions is not None] or comparisons
    names = [*([other] if other else []), *_names(settled)]
    rest = [f for f in comparisons if f.more_executions is None] if settled is not comparisons else []
    return "; ".join([f"{text}{_join(names)}{_more(settled)}", *_leftover(rest)])


def _leftover(comparisons: Sequence[Comparison]) -> list[str]:
    """Names undecided ones in separate clauses: first those that more executions would settle, then by reason."""
    groups: dict[str, list[Comparison]] = {}
    for comparison in sorted(comparisons, key=lambda f: f.more_executions is None):
        key = "" if comparison.more_executions is not None else comparison.reason
        groups.setdefault("data" if comparison.samples_needed else key, []).append(comparison)
    return [f"{_are(group)} undecided{_more(group)}" for group in groups.values()]


def _more(comparisons: Sequence[Comparison]) -> str:
    """States how many more executions or samples would settle them, or why that is unknown."""
    if more := settling(*(f.more_executions for f in comparisons)):
        return f": {more}"
    if all(f.samples_needed for f in comparisons):
        most = max(f.num_samples for f in comparisons)
        return f": {lacking_data(most, *[f.samples_needed or 0 for f in comparisons])}"
    reasons = {f.reason for f in comparisons if f.reason}
    return f" ({reasons.pop()})" if len(reasons) == 1 else ""


def training_time(comparison: Comparison) -> str:
    """Describes the training time of a trial beside the baseline's: `same time`, `1.3× the time`."""
    time = _time(comparison)
    if time is None:
        return "time not measured"
    unsure = time.interval.low < 1 - SAME_COST or time.interval.high > 1 + SAME_COST
    if not time.is_settled or (1.0 in time.interval and unsure):
        return "time not settled"
    if 1.0 in time.interval or abs(time.estimate - 1) < SAME_COST / 2:
        return "same time"
    return f"{time.estimate:.{1 if abs(time.estimate - 1) >= SAME_COST else 2}f}× the time"


def _time(comparison: Comparison) -> CostRatio | None:
    return comparison.cost_ratios.get("train_seconds")


def _settled(comparison: Comparison) -> CostRatio | None:
    time = _time(comparison)
    return time if time is not None and time.is_settled else None


def _names(comparisons: Sequence[Comparison]) -> list[str]:
    return [f.activation for f in comparisons]


def _are(comparisons: Sequence[Comparison]) -> str:
    return f"{_join(_names(comparisons))} {'is' if len(comparisons) == 1 else 'are'}"


def _join(names: Sequence[str]) -> str:
    if len(names) > MAX_NAMES + 1:
        names = [*names[:MAX_NAMES], f"{len(names) - MAX_NAMES} others"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
