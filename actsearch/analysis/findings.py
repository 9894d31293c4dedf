"""The verdict of a search as plain data: findings a trial, prices, Pareto fronts."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from actsearch.analysis.outcomes import Outcome
from actsearch.analysis.statistics import UNBOUNDED, Interval
from actsearch.analysis.units import Units

PRICES = ("train_seconds", "cpu_seconds", "peak_rss_bytes", "inference_microseconds", "num_parameters")


@dataclass(frozen=True)
class Ratio:
    """A cost as a multiple of the baseline's, with its own 95 % interval (one price, one trial)."""

    estimate: float
    interval: Interval

    def __str__(self) -> str:
        return f"{self.estimate:.2f}×"


@dataclass(frozen=True)
class Finding:
    """What the evidence says of one trial.

    Args:
        trial_id, activation: Whom it is about; of several settings of an activation, the one that was chosen.
        outcome: Better, equivalent, worse than the baseline, or undecided.
        difference: Mean difference from the baseline, oriented: positive is better. None without pairs.
        interval: Its interval; outcomes are read from it. Over all candidates, it misses with at most alpha.
        p_value: Adjusted for the number of candidates, and of looks in a race; None where the outcome follows from
            other trials' tests.
        num_pairs: Executions that both have completed.
        more_executions: How many more of each would probably settle it (power 0.8); None where it is settled, or
            cannot be told.
        prices: Costs relative to the baseline, by the names in `PRICES`.
        num_settings: How many settings of the activation were compared; the baseline had as many.
        num_failed: Executions that failed.
        beaten: Whether a race showed that it is not the best, and dropped it.
        reason: Why the outcome is what it is, where the interval does not say it.
    """

    trial_id: str
    activation: str
    outcome: Outcome
    difference: float | None = None
    interval: Interval = UNBOUNDED
    p_value: float | None = None
    num_pairs: int = 0
    more_executions: int | None = None
    prices: Mapping[str, Ratio] = field(default_factory=dict)
    num_settings: int = 1
    num_failed: int = 0
    beaten: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Verdict:
    """What a search says of its activations.

    Args:
        baseline: The activation that all others are compared with; None where the search has none, and the findings
            compare with `leader` instead.
        leader: The activation with the best mean, where there is no baseline.
        units: How the objective is written, with its name and direction.
        alpha: The chance of any wrong claim, over all trials.
        margin: The difference that does not matter.
        source: `"test"` or `"validation"`: whose scores were judged.
        executions: The numbers of the executions used: those that every trial still in the running has ended.
        findings: One for each trial but the baseline's, in the order of the search.
        baseline_beaten: Whether a race showed that some trial is better than the baseline, perhaps not which.
        fronts: For each price, the trials that no other beats in both objective and price.
        recommendation: One sentence that follows from all this and nothing else.
        notes: What one should know about how it was judged.
    """

    baseline: str | None
    leader: str | None
    units: Units
    alpha: float
    margin: float
    source: str
    executions: tuple[int, ...]
    findings: tuple[Finding, ...]
    fronts: Mapping[str, tuple[str, ...]]
    baseline_beaten: bool = False
    recommendation: str = ""
    notes: tuple[str, ...] = ()

    def with_outcome(self, outcome: Outcome) -> list[Finding]:
        """The findings with this outcome, the largest difference first."""
        found = [f for f in self.findings if f.outcome is outcome]
        return sorted(found, key=lambda f: -f.difference if f.difference is not None else 0.0)

    def of(self, trial_id: str) -> Finding | None:
        """The finding about a trial; None for the baseline."""
        return next((f for f in self.findings if f.trial_id == trial_id), None)

    def __str__(self) -> str:
        lines = [self.recommendation, ""]
        lines += [f"  {f.activation}: {describe(f, self.units)}" for f in self.findings]
        return "\n".join([*lines, "", *self.notes])

    def _repr_html_(self) -> str:
        from actsearch.analysis.page.notebook import verdict_html

        return verdict_html(self)


def describe(finding: Finding, units: Units) -> str:
    """A finding in words: outcome, difference, interval, and what would settle it.

    Example:

    >>> from actsearch.records import Direction, Objective
    >>> units = Units(Objective("val_accuracy", Direction.MAX), level=0.9)
    >>> describe(Finding("3", "selu", Outcome.BETTER, 0.012, Interval(0.007, 0.018), num_pairs=20), units)
    'better, +1.2 points [0.7, 1.8] over 20 pairs'
    """
    parts = [str(finding.outcome)]
    if finding.difference is not None:
        shown = units.difference(finding.difference)
        if finding.num_pairs > 1:
            shown += f" {units.interval(finding.interval.low, finding.interval.high)}"
        parts.append(f"{shown} over {finding.num_pairs} {'pair' if finding.num_pairs == 1 else 'pairs'}")
    if finding.more_executions is not None:
        parts.append(f"about {finding.more_executions} more executions would settle it")
    if finding.reason:
        parts.append(finding.reason)
    return ", ".join(parts)
