"""The verdict of a search as plain data: a comparison for each trial, costs, Pareto fronts."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from actsearch._text_tables import html_heading, html_list, html_table
from actsearch.analysis.statistics import UNBOUNDED, Interval, mean_interval
from actsearch.analysis.units import COST_UNITS, Units, settling
from actsearch.records import TrialRecord


class Outcome(StrEnum):
    """What the evidence says of a trial against the baseline."""

    BETTER = "better"
    EQUIVALENT = "equivalent"
    WORSE = "worse"
    UNDECIDED = "undecided"


class Action(StrEnum):
    """What an allocation decides about a trial.

    DROPPED: it gets no more executions, because it is not the best. FAILED: it gets no more, because an execution
    of it failed. BEATEN: the baseline is not the best; it stays. CLAIMED: better, equivalent or worse than the
    baseline.
    """

    DROPPED = "dropped"
    FAILED = "failed"
    BEATEN = "beaten"
    CLAIMED = "claimed"


@dataclass(frozen=True)
class Decision:
    """One decision of an allocation, with its figures.

    Args:
        trial_id: The trial that it is about.
        action: What was decided.
        execution: The seed after which it was decided; it was complete.
        reason: Why, in words and figures.
        outcome: What was claimed, where something was.
        difference: The mean difference that it rests on, oriented: positive is better.
        p_value, level: The p value of its test, and the level that it had to reach.
    """

    trial_id: str
    action: Action
    execution: int
    reason: str
    outcome: Outcome | None = None
    difference: float | None = None
    p_value: float | None = None
    level: float | None = None


@dataclass(frozen=True)
class CostRatio:
    """A cost as a multiple of the baseline's, with its own 95 % interval (one cost, one trial)."""

    estimate: float
    interval: Interval

    def __str__(self) -> str:
        return f"{self.estimate:.2f}×"


@dataclass(frozen=True)
class Comparison:
    """What the evidence says of one trial.

    Args:
        trial_id, activation: The trial it is about; of several configurations of an activation, the one chosen.
        outcome: Better, equivalent, worse than the baseline, or undecided.
        difference: Mean difference from the baseline, oriented: positive is better. None without pairs.
        interval: Its interval; outcomes are read from it. Over all candidates, it misses with at most alpha.
        p_value: Adjusted for the number of candidates, and of looks in a race; None where the outcome follows from
            other trials' tests.
        num_pairs: Executions that both have completed.
        more_executions: How many more of each would probably settle it (power 0.8); None where it is settled, or
            is unknown.
        cost_ratios: Costs relative to the baseline, by the names of `COST_UNITS`.
        num_configurations: How many configurations of the activation were compared; the baseline had as many.
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
    cost_ratios: Mapping[str, CostRatio] = field(default_factory=dict)
    num_configurations: int = 1
    num_failed: int = 0
    beaten: bool = False
    reason: str = ""


@dataclass(frozen=True, repr=False)
class Verdict:
    """What a search says of its activations.

    Args:
        baseline: The activation that all others are compared with; None where the search has none, and the comparisons
            compare with `leader` instead.
        leader: The activation with the best mean, where there is no baseline.
        units: How the objective is written, with its name and direction.
        alpha: The chance of any wrong claim, over all trials.
        margin: The difference that does not matter.
        source: `"test"` or `"validation"`: whose scores were judged.
        executions: The numbers of the executions used: those that every trial still in the running has ended.
        comparisons: One for each trial but the baseline's, in the order of the search.
        baseline_beaten: Whether a race showed that some trial is better than the baseline, perhaps not which.
        fronts: For each cost, the trials that no other beats in both objective and cost.
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
    comparisons: tuple[Comparison, ...]
    fronts: Mapping[str, tuple[str, ...]]
    baseline_beaten: bool = False
    recommendation: str = ""
    notes: tuple[str, ...] = ()

    def with_outcome(self, outcome: Outcome) -> list[Comparison]:
        """The comparisons with this outcome, the largest difference first."""
        found = [f for f in self.comparisons if f.outcome is outcome]
        return sorted(found, key=lambda f: -f.difference if f.difference is not None else 0.0)

    def of(self, trial_id: str) -> Comparison | None:
        """The comparison about a trial; None for the baseline."""
        return next((f for f in self.comparisons if f.trial_id == trial_id), None)

    def __str__(self) -> str:
        lines = [self.recommendation, ""]
        lines += [f"  {f.activation}: {describe(f, self.units)}" for f in self.comparisons]
        return "\n".join([*lines, "", *self.notes])

    def __repr__(self) -> str:
        return f"<Verdict: {self.recommendation}>"

    def _repr_html_(self) -> str:
        rows = [(c.activation, describe(c, self.units)) for c in self.comparisons]
        table = html_table(("activation", f"against {self.baseline or self.leader}"), rows) if rows else ""
        return f"{html_heading(f'{self.recommendation}.')}{table}{html_list(self.notes)}"


def describe(comparison: Comparison, units: Units) -> str:
    """A comparison in words: outcome, difference, interval, and what would settle it.

    Example:

    >>> from actsearch.records import Direction, Objective
    >>> units = Units(Objective("val_accuracy", Direction.MAX), level=0.9)
    >>> describe(Comparison("3", "selu", Outcome.BETTER, 0.012, Interval(0.007, 0.018), num_pairs=20), units)
    'better, +1.2 points [0.7, 1.8] over 20 pairs'
    """
    parts = [str(comparison.outcome)]
    if comparison.difference is not None:
        shown = units.difference(comparison.difference)
        if comparison.num_pairs > 1:
            shown += f" {units.interval(comparison.interval.low, comparison.interval.high)}"
        parts.append(f"{shown} over {comparison.num_pairs} {'pair' if comparison.num_pairs == 1 else 'pairs'}")
    if comparison.more_executions is not None:
        parts.append(settling(comparison.more_executions))
    if comparison.reason:
        parts.append(comparison.reason)
    return ", ".join(parts)


def cost_ratios(trial: TrialRecord, baseline: TrialRecord, executions: Collection[int]) -> dict[str, CostRatio]:
    """The ratio of each cost over the executions that both completed.

    Geometric means, and t intervals of the paired log ratios, each at 95 % for itself.

    Args:
        trial, baseline: The two trials.
        executions: The numbers of the executions to use.
    """
    ratios = {}
    for name in COST_UNITS:
        own, other = _costs(trial, name, executions), _costs(baseline, name, executions)
        logs = np.log([own[n] / other[n] for n in sorted(own.keys() & other.keys())])
        if logs.size:
            interval = mean_interval(logs)
            low, high = (math.exp(x) if x < 700 else math.inf for x in (interval.low, interval.high))
            ratios[name] = CostRatio(math.exp(float(logs.mean())), type(interval)(low, high))
    return ratios


def pareto_front(points: Mapping[str, tuple[float, float]]) -> tuple[str, ...]:
    """Those that no other beats: of (score, cost), larger score and smaller cost are better; cheapest first.

    Example:

    >>> pareto_front({"relu": (0.90, 1.0), "elu": (0.92, 1.2), "mish": (0.91, 2.0)})
    ('relu', 'elu')
    """

    def beaten(name: str) -> bool:
        score, cost = points[name]
        return any(s >= score and c <= cost and (s > score or c < cost) for n, (s, c) in points.items() if n != name)

    return tuple(sorted((n for n in points if not beaten(n)), key=lambda n: points[n][1]))


def mean_cost(trial: TrialRecord, name: str, executions: Collection[int]) -> float | None:
    """The mean of a cost over these executions; None where it was not measured."""
    costs = _costs(trial, name, executions)
    return sum(costs.values()) / len(costs) if costs else None


def _costs(trial: TrialRecord, name: str, executions: Collection[int]) -> dict[int, float]:
    found = {}
    for execution in trial.completed:
        value = getattr(execution.resources, name, None)
        if execution.execution in executions and value is not None and math.isfinite(value) and value > 0:
            found[execution.execution] = float(value)
    return found
