"""A search in three sentences, and in five answers: which, how much, at what cost, how sure, why."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actsearch.analysis.recommendation import cheaper_equivalent, still_open, training_time
from actsearch.analysis.results import Comparison, Outcome, Verdict
from actsearch.analysis.units import capitalized, joined, lacking_data, rounded_up, settling
from actsearch.records import SearchRecord, TrialRecord

_DEAD = 0.05  # share of the units of a site
_VANISHING, _EXPLODING = 0.01, 100.0  # gradient norm at the first site, as a multiple of that at the last
_MAX_NAMES = 4


@dataclass(frozen=True)
class Story:
    """What a search says, in up to three sentences.

    Args:
        advice: What to do: `Keep relu for now.`
        evidence: The activation that it rests on, with gain, interval and training time, and how sure it is.
        reason: What distinguishes it from the baseline inside the network; empty if no diagnosis does.
    """

    advice: str
    evidence: str = ""
    reason: str = ""

    @property
    def sentences(self) -> tuple[str, ...]:
        """Those that there are, in order."""
        return tuple(sentence for sentence in (self.advice, self.evidence, self.reason) if sentence)


@dataclass(frozen=True)
class Glance:
    """Five answers about the activation that the evidence is about.

    Args:
        activation: Its label; that of the baseline or the leader if there is none.
        gain: Its gain with unit and interval; empty if it has none.
        cost: Its training time beside the baseline's; empty for the baseline.
        other_costs: Its other costs as multiples of the baseline's, as far as they are known.
        certainty: The outcome, and what would settle it.
        reason: What distinguishes it from the baseline inside the network, or that no diagnosis does.
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
    subject = _subject(verdict)
    reason = story_of(search, verdict).reason or "no diagnosis distinguishes them"
    if subject is None:
        decided = _all_decided(verdict).rstrip(".") or "nothing to compare"
        return Glance(verdict.baseline or verdict.leader or "", "", "", "", decided, reason)
    needs = settling(subject.more_executions) or subject.reason
    if subject.samples_needed is not None:
        needs = f"{subject.num_samples:,} samples are too few, about {rounded_up(subject.samples_needed):,} would do"
    if subject.outcome in (Outcome.BETTER, Outcome.EQUIVALENT):
        needs = needs or f"at most {100 * verdict.alpha:g} % chance that any verdict is wrong"
    certainty = f"{subject.outcome}{f'; {needs}' if needs else ''}"
    others = _other_costs(subject)
    return Glance(subject.activation, _gain(verdict, subject), training_time(subject), others, certainty, reason)


def _other_costs(subject: Comparison) -> str:
    ratios = {name: subject.cost_ratios.get(cost) for name, cost in _OTHER_COSTS.items()}
    known = {name: ratio for name, ratio in ratios.items() if ratio and (ratio.is_settled or not ratio.has_interval)}
    return ", ".join(f"{name} {ratio}" for name, ratio in known.items())


_OTHER_COSTS = {"memory": "training_memory_bytes", "inference": "inference_microseconds"}


def story_of(search: SearchRecord, verdict: Verdict) -> Story:
    """Says in up to three sentences what a search found.

    Args:
        search: Record of the search.
        verdict: Its verdict, from `judge`.

    Returns:
        The sentences.
    """
    if not verdict.comparisons:
        return Story("Nothing to compare: no two trials with a score.")
    failed = verdict.with_outcome(Outcome.FAILED)
    if len(failed) == len(verdict.comparisons):
        return Story(f"Nothing to compare with {verdict.baseline or verdict.leader}: all others failed.")
    subject = _subject(verdict)
    return Story(_advice(verdict), _evidence(verdict, subject), _reason(search, verdict, subject))


def _advice(verdict: Verdict) -> str:
    if verdict.baseline is None:
        return f"{verdict.leader} has the best mean {verdict.judged_score}; there is no baseline to keep."
    if better := verdict.with_outcome(Outcome.BETTER):
        return f"Use {better[0].activation}: better than {verdict.baseline}."
    if verdict.baseline_beaten and still_open(verdict):
        return f"Do not keep {verdict.baseline}: it is not the best."
    if cheaper := cheaper_equivalent(verdict):
        text = f"Use {cheaper.activation}: equivalent to {verdict.baseline} within {verdict.shown_margin}, and faster"
        return f"{text}."
    return f"Keep {verdict.baseline} for now." if still_open(verdict) else f"Keep {verdict.baseline}."


def _subject(verdict: Verdict) -> Comparison | None:
    """Returns what the evidence is about: the best that is better, else equivalent and faster, else most promising."""
    if better := verdict.with_outcome(Outcome.BETTER):
        return better[0]
    is_kept = verdict.baseline is not None and not (verdict.baseline_beaten and still_open(verdict))
    cheaper = cheaper_equivalent(verdict) if is_kept else None
    return cheaper or next((c for c in still_open(verdict) if c.difference is not None), None)


def _evidence(verdict: Verdict, subject: Comparison | None) -> str:
    if subject is None:
        return _all_decided(verdict)
    figures = f"{_gain(verdict, subject, verdict.judged_score)}, {training_time(subject)}"
    if subject.outcome is not Outcome.UNDECIDED:
        others = [c.activation for c in verdict.with_outcome(Outcome.BETTER) if c is not subject]
        return f"{subject.activation}: {figures}{f'; {_are(others)} better too' if others else ''}."
    head = "Most promising" if (subject.difference or 0.0) > 0 else "The nearest of the undecided"
    needs = settling(subject.more_executions)
    if subject.samples_needed is not None:
        needs = lacking_data(subject.num_samples, subject.samples_needed)
    needs = needs or subject.reason
    return f"{head}: {subject.activation}, {figures}{f'; {needs}' if needs else ''}."


def _gain(verdict: Verdict, subject: Comparison, score: str = "") -> str:
    """Formats a gain with its interval, or with the number of pairs if it has none."""
    gain = verdict.units.difference(subject.difference or 0.0, score)
    if math.isfinite(subject.interval.high - subject.interval.low):
        return f"{gain} {verdict.units.interval(subject.interval.low, subject.interval.high)}"
    return f"{gain} ({subject.num_pairs} pair{'s' if subject.num_pairs > 1 else ''})"


def _all_decided(verdict: Verdict) -> str:
    """Names those that are equivalent and those that are worse."""
    same = [c.activation for c in verdict.with_outcome(Outcome.EQUIVALENT)]
    worse = [c.activation for c in verdict.with_outcome(Outcome.WORSE)]
    undecided = verdict.with_outcome(Outcome.UNDECIDED)
    beaten = [c.activation for c in undecided if c.beaten]
    reasons = {c.reason for c in undecided if c.reason and not c.beaten}
    parts = [f"{_are(same)} equivalent within {verdict.shown_margin}"] if same else []
    parts += [f"{_are(worse)} worse"] if worse else []
    parts += [f"{_are(beaten)} not the best"] if beaten else []
    parts += ([capitalized(reasons.pop())] if not parts else []) if len(reasons) == 1 else []
    return f"{'; '.join(parts)}." if parts else ""


def _are(names: list[str]) -> str:
    shown = names if len(names) <= _MAX_NAMES + 1 else [*names[:_MAX_NAMES], f"{len(names) - _MAX_NAMES} others"]
    return f"{joined(shown)} {'is' if len(names) == 1 else 'are'}"


def _reason(search: SearchRecord, verdict: Verdict, subject: Comparison | None) -> str:
    """Compares the last diagnoses of the baseline and of the subject, or of the worst trial, where they differ."""
    worse = verdict.with_outcome(Outcome.WORSE)
    other = subject or (worse[-1] if worse else None)
    trials = {trial.trial_id: trial for trial in search.trials}
    if other is None or verdict.reference not in trials or other.trial_id not in trials:
        return ""
    pair = trials[verdict.reference], trials[other.trial_id]
    return _dead_units(*pair) or _gradients(*pair)


def _dead_units(*pair: TrialRecord) -> str:
    """Says where units died, if they did so in one of two trials."""
    worst = [max(_last_sites(trial), key=lambda site: site.get("dead") or 0.0, default=None) for trial in pair]
    shares = [(site or {}).get("dead") or 0.0 for site in worst]
    if None in worst or max(shares) < _DEAD or min(shares) > max(shares) / 2:
        return ""
    most = shares.index(max(shares))
    first, second = pair[most], pair[1 - most]
    less = f"at most {shares[1 - most]:.0%}" if shares[1 - most] >= 0.005 else "none"
    site = (worst[most] or {}).get("site")
    return f"{first.activation}: {shares[most]:.0%} of units dead in {site}; {second.activation}: {less}."


def _gradients(*pair: TrialRecord) -> str:
    """Says how the gradient changes on its way back, if it vanishes or explodes in one of two trials."""
    ratios = [_gradient_ratio(_last_sites(trial)) for trial in pair]
    if None in ratios:
        return ""
    is_lost = [ratio is not None and not _VANISHING <= ratio <= _EXPLODING for ratio in ratios]
    if is_lost[0] == is_lost[1]:
        return ""
    first, second = (0, 1) if is_lost[0] else (1, 0)
    return (
        f"{pair[first].activation}: the gradient at the first site is {ratios[first]:.1g}× that at the last; "
        f"{pair[second].activation}: {ratios[second]:.1g}×."
    )


def _gradient_ratio(sites: list[Mapping[str, Any]]) -> float | None:
    norms = [site["gradient_norm"] for site in sites if site.get("gradient_norm") is not None]
    return norms[0] / norms[-1] if len(norms) > 1 and norms[-1] else None


def _last_sites(trial: TrialRecord) -> list[Mapping[str, Any]]:
    """Returns the sites of the last diagnosis of the trial's first diagnosed execution, from input to output."""
    diagnosed = (execution.health for execution in trial.executions)
    diagnoses = next(([d for d in each if d.get("sites")] for each in diagnosed if each), [])
    return list(diagnoses[-1]["sites"]) if diagnoses else []
