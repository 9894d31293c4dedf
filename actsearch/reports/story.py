"""A search in a few sentences, and in five answers: which, how much, at what cost, how sure, why."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy import special

from actsearch.analysis.recommendation import (
    cheaper_equivalent,
    failures_in_words,
    remark_on_claim,
    still_open,
    training_time,
)
from actsearch.analysis.results import Comparison, Outcome, Verdict
from actsearch.analysis.units import (
    capitalized,
    configuration_label,
    joined,
    lacking_data,
    other_values,
    settling,
)
from actsearch.records import ExecutionRecord, SearchRecord, TrialRecord

_DEAD = 0.05  # share of the units of a site
_VANISHING, _EXPLODING = 0.01, 100.0  # gradient norm at the first site, as a multiple of that at the last
_CHANCE = 0.01  # that so many curves without a trend end at their best
_MAX_NAMES = 4


@dataclass(frozen=True)
class Story:
    """What a search says, in up to four sentences.

    Args:
        advice: What to do, and what failed: `Keep relu for now.` Where other hyperparameters vary, with their values.
        evidence: The activation that it rests on, with gain, interval, confidence, number of executions and training
            time.
        reason: What is wrong inside the network of the worse one; empty if no diagnosis agrees with the gain.
        caution: That the training was too short to be sure of the order; empty if nothing points to it.
    """

    advice: str
    evidence: str = ""
    reason: str = ""
    caution: str = ""

    @property
    def sentences(self) -> tuple[str, ...]:
        """Those that there are, in order."""
        return tuple(filter(None, (self.advice, self.evidence, self.reason, self.caution)))


@dataclass(frozen=True)
class Glance:
    """Five answers about the activation that the evidence is about.

    Args:
        activation: Its label, with the values of other hyperparameters that vary; that of the baseline or the leader if
            there is none.
        gain: Its gain with unit and interval; empty if it has none.
        cost: Its training time beside the baseline's; empty for the baseline.
        other_costs: Its other costs as multiples of the baseline's, as far as they are known.
        certainty: The outcome, its confidence and number of executions, and what would settle it.
        reason: What is wrong inside the network of the worse one, or that no diagnosis explains it.
    """

    activation: str
    gain: str
    cost: str
    other_costs: str
    certainty: str
    reason: str


def glance_of(search: SearchRecord, verdict: Verdict) -> Glance:
    """Answers in a few words which activation, how much it gains, at what cost, how sure that is, and why.

    Args:
        search: Record of the search.
        verdict: Its verdict, from `judge`.
    """
    subject = subject_of(verdict)
    reason = story_of(search, verdict).reason or "no diagnosis explains it"
    if subject is None:
        decided = _all_decided(search, verdict).rstrip(".") or "nothing to compare"
        reference = _label(search, verdict.reference, verdict.baseline or verdict.leader or "")
        return Glance(reference, "", "", "", decided, reason)
    remark = remark_on_claim(verdict, subject) or _needs(subject)
    certainty = f"{subject.outcome} ({_sureness(verdict, [subject])}){f'; {remark}' if remark else ''}"
    return Glance(
        activation=_label(search, subject.trial_id, subject.activation),
        gain=_gain(verdict, subject),
        cost=_time(search, verdict, subject),
        other_costs=_other_costs(subject),
        certainty=certainty,
        reason=reason,
    )


def _other_costs(subject: Comparison) -> str:
    ratios = {name: subject.cost_ratios.get(cost) for name, cost in _OTHER_COSTS.items()}
    known = {name: ratio for name, ratio in ratios.items() if ratio and (ratio.is_settled or not ratio.has_interval)}
    return ", ".join(f"{name} {ratio}" for name, ratio in known.items())


_OTHER_COSTS = {"memory": "training_memory_bytes", "inference": "inference_microseconds"}


def story_of(search: SearchRecord, verdict: Verdict) -> Story:
    """Says in up to four sentences what a search found.

    Args:
        search: Record of the search.
        verdict: Its verdict, from `judge`.

    Returns:
        The sentences.
    """
    if not verdict.comparisons:
        return Story("Nothing to compare: no two trials with a score.")
    advice = "; ".join([_advice(search, verdict), *failures_in_words(verdict)])
    if len(verdict.with_outcome(Outcome.FAILED)) == len(verdict.comparisons):
        return Story(f"{advice}.")
    subject = subject_of(verdict)
    reason = _reason(search, verdict, subject)
    return Story(f"{advice}.", _evidence(search, verdict, subject), reason, _caution(search, verdict))


def _advice(search: SearchRecord, verdict: Verdict) -> str:
    """Says what to do, without a full stop."""
    kept = _label(search, verdict.reference, verdict.baseline or verdict.leader or "")
    if len(verdict.with_outcome(Outcome.FAILED)) == len(verdict.comparisons):
        return f"Nothing to compare with {kept}"
    if verdict.baseline is None:
        return f"{kept} has the best mean {verdict.judged_score}; there is no baseline to keep"
    if better := verdict.with_outcome(Outcome.BETTER):
        return f"Use {_label(search, better[0].trial_id, better[0].activation)}: better than {kept}"
    if verdict.baseline_beaten and still_open(verdict):
        return f"Do not keep {kept}: it is not the best"
    if cheaper := cheaper_equivalent(verdict):
        name = _label(search, cheaper.trial_id, cheaper.activation)
        return f"Use {name}: equivalent to {kept} within {verdict.shown_margin}, and faster"
    return f"Keep {kept} for now" if still_open(verdict) else f"Keep {kept}"


def subject_of(verdict: Verdict) -> Comparison | None:
    """Returns what the evidence is about: the best that is better, else equivalent and faster, else most promising."""
    if better := verdict.with_outcome(Outcome.BETTER):
        return better[0]
    is_kept = verdict.baseline is not None and not (verdict.baseline_beaten and still_open(verdict))
    cheaper = cheaper_equivalent(verdict) if is_kept else None
    return cheaper or next((c for c in still_open(verdict) if c.difference is not None), None)


def _evidence(search: SearchRecord, verdict: Verdict, subject: Comparison | None) -> str:
    if subject is None:
        return _all_decided(search, verdict)
    gain, time = _gain(verdict, subject, verdict.judged_score), _time(search, verdict, subject)
    figures = f"{gain} ({_sureness(verdict, [subject])}), {time}"
    name = _label(search, subject.trial_id, subject.activation)
    if subject.outcome is not Outcome.UNDECIDED:
        others = [c.activation for c in verdict.with_outcome(Outcome.BETTER) if c is not subject]
        too = f"{_are(others)} better too" if others else ""
        return f"{'; '.join(filter(None, (f'{name}: {figures}', remark_on_claim(verdict, subject), too)))}."
    against = verdict.baseline or verdict.leader
    head = "Most promising" if (subject.difference or 0.0) > 0 else f"Closest to {against}"
    return f"{'; '.join(filter(None, (f'{head}: {name}, {figures}', _needs(subject))))}."


def _needs(subject: Comparison) -> str:
    """Says what would settle a comparison, or why nothing would."""
    if subject.samples_needed is not None:
        return lacking_data(subject.num_samples, subject.samples_needed)
    return settling(subject.more_executions) or subject.reason


def _time(search: SearchRecord, verdict: Verdict, subject: Comparison) -> str:
    """Describes the training time, and which other hyperparameters it may be due to."""
    time = training_time(subject)
    trials = {trial.trial_id: trial for trial in search.trials}
    own, other = trials.get(subject.trial_id), trials.get(verdict.reference or "")
    if own is None or other is None or "×" not in time or not (differing := other_values(search, own, other)):
        return time
    changed = joined([f"{name}={new} instead of {old}" for name, (new, old) in differing.items()])
    return f"{time} ({changed}, not the activation alone)"


def _gain(verdict: Verdict, subject: Comparison, score: str = "") -> str:
    """Formats a gain with its interval, if it has one."""
    gain = verdict.units.difference(subject.difference or 0.0, score)
    if not math.isfinite(subject.interval.high - subject.interval.low):
        return gain
    return f"{gain} {verdict.units.interval(subject.interval.low, subject.interval.high)}"


def _sureness(verdict: Verdict, comparisons: Sequence[Comparison]) -> str:
    """Formats the confidence of comparisons and the number of executions that they rest on."""
    counts = [c.num_pairs for c in comparisons]
    low, high = min(counts), max(counts)
    number = f"{low} execution{'' if high == 1 else 's'}" if low == high else f"{low} to {high} executions"
    confidence = f"{100 * (1 - verdict.alpha):g}% confidence"
    has_interval = any(
        math.isfinite(c.interval.high - c.interval.low) or c.outcome is not Outcome.UNDECIDED for c in comparisons
    )
    return f"{confidence}, {number} each" if has_interval else f"{number} each, no interval at {confidence}"


def _all_decided(search: SearchRecord, verdict: Verdict) -> str:
    """Names those that are equivalent and those that are worse."""
    same, worse = verdict.with_outcome(Outcome.EQUIVALENT), verdict.with_outcome(Outcome.WORSE)
    undecided = verdict.with_outcome(Outcome.UNDECIDED)
    beaten = [c for c in undecided if c.beaten]
    reasons = {c.reason for c in undecided if c.reason and not c.beaten}
    parts = [f"{_are(_names(search, verdict, same))} equivalent within {verdict.shown_margin}"] if same else []
    parts += [f"{_are(_names(search, verdict, worse))} worse"] if worse else []
    parts += [f"{_are(_names(search, verdict, beaten))} not the best"] if beaten else []
    if parts:
        return f"{'; '.join(parts)} ({_sureness(verdict, [*same, *worse, *beaten])})."
    return f"{capitalized(reasons.pop())}." if len(reasons) == 1 else ""


def _label(search: SearchRecord, trial_id: str | None, name: str) -> str:
    """Labels a trial by its activation and the values of other hyperparameters that vary."""
    return next((configuration_label(search, t) for t in search.trials if t.trial_id == trial_id), name)


def _names(search: SearchRecord, verdict: Verdict, comparisons: Sequence[Comparison]) -> list[str]:
    """Names trials by their activations; by their labels where several trials of an activation are compared."""
    if verdict.baseline is not None:
        return [c.activation for c in comparisons]
    return [_label(search, c.trial_id, c.activation) for c in comparisons]


def _are(names: Sequence[str]) -> str:
    shown = names if len(names) <= _MAX_NAMES + 1 else [*names[:_MAX_NAMES], f"{len(names) - _MAX_NAMES} others"]
    return f"{joined(shown)} {'is' if len(names) == 1 else 'are'}"


def _reason(search: SearchRecord, verdict: Verdict, subject: Comparison | None) -> str:
    """Says what is wrong inside the network of the worse of two trials, and not in that of the better one.

    The two are the one that all are compared with, and the subject; without a subject, the worst one. A diagnosis of
    the better one, or of one of two equivalent ones, explains nothing.
    """
    worse = verdict.with_outcome(Outcome.WORSE)
    other = subject or (worse[-1] if worse else None)
    trials = {trial.trial_id: trial for trial in search.trials}
    if other is None or verdict.reference not in trials or other.trial_id not in trials:
        return ""
    if other.outcome is Outcome.EQUIVALENT or not other.difference:
        return ""
    pair = trials[verdict.reference], trials[other.trial_id]
    worst, best = pair if other.difference > 0 else pair[::-1]
    told = _dead_units(worst, best) or _gradients(worst, best)
    is_shown = other.outcome is not Outcome.UNDECIDED
    return f"{told}{'' if is_shown else ' (a possible reason)'}." if told else ""


def _dead_units(worst: TrialRecord, best: TrialRecord) -> str:
    """Says where units died, if they did so in the worse trial."""
    sites, others = _last_sites(worst), _last_sites(best)
    if not sites or not others:
        return ""
    most, least = (max(each, key=_dead) for each in (sites, others))
    if _dead(most) < _DEAD or _dead(least) > _dead(most) / 2:
        return ""
    less = f"at most {_dead(least):.0%}" if _dead(least) >= 0.005 else "none"
    return f"{worst.activation}: {_dead(most):.0%} of units dead in {most.get('site')}; {best.activation}: {less}"


def _dead(site: Mapping[str, Any]) -> float:
    return float(site.get("dead") or 0.0)


def _gradients(worst: TrialRecord, best: TrialRecord) -> str:
    """Says how the gradient changes on its way back, if it vanishes or explodes in the worse trial."""
    ratio, other = (_gradient_ratio(_last_sites(trial)) for trial in (worst, best))
    if ratio is None or other is None or _is_intact(ratio) or not _is_intact(other):
        return ""
    return (
        f"{worst.activation}: the gradient at the first site is {ratio:.1g}× that at the last; "
        f"{best.activation}: {other:.1g}×"
    )


def _is_intact(ratio: float) -> bool:
    return _VANISHING <= ratio <= _EXPLODING


def _gradient_ratio(sites: list[Mapping[str, Any]]) -> float | None:
    norms = [site["gradient_norm"] for site in sites if site.get("gradient_norm") is not None]
    return norms[0] / norms[-1] if len(norms) > 1 and norms[-1] else None


def _last_sites(trial: TrialRecord) -> list[Mapping[str, Any]]:
    """Returns the sites of the last diagnosis of the trial's first diagnosed execution, from input to output."""
    diagnosed = (execution.health for execution in trial.executions)
    diagnoses = next(([d for d in each if d.get("sites")] for each in diagnosed if each), [])
    return list(diagnoses[-1]["sites"]) if diagnoses else []


def _caution(search: SearchRecord, verdict: Verdict) -> str:
    """Says that the training was short, if most executions had their best epoch at the end of it.

    That has to be unlikely for scores without a trend, of which any epoch is the best with the same chance. Executions
    that got fewer epochs than others, as some in a halving do, are ignored, and so are trials that are shown to be
    worse or not the best.
    """
    lost = {c.trial_id for c in verdict.comparisons if c.outcome is Outcome.WORSE or c.beaten}
    left = [trial for trial in search.trials if trial.trial_id not in lost]
    completed = [e for trial in left for e in trial.completed if e.history.get(search.objective.name)]
    longest = max((e.epochs for e in completed), default=0)
    full = [e for e in completed if e.epochs == longest]
    num_rising = sum(_is_rising(search, e) for e in full)
    if longest < 2 or 2 * num_rising <= len(full):
        return ""
    if special.bdtrc(num_rising - 1, len(full), 1 / longest) > _CHANCE:
        return ""
    return (
        f"Scores still improved in the last epoch in {num_rising} of {len(full)} executions: "
        "more epochs may change the order."
    )


def _is_rising(search: SearchRecord, execution: ExecutionRecord) -> bool:
    """Returns whether an execution trained for all its epochs, and the last one was the best."""
    values = dict(enumerate(execution.history[search.objective.name]))
    return len(values) == execution.epochs and search.objective.best(values) == len(values) - 1
