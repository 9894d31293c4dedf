"""The verdict of a search as plain data: a comparison for each trial, costs, Pareto fronts."""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from actsearch._text_tables import html_heading, html_list, html_table, interval_bar, interval_view
from actsearch.analysis.statistics import UNBOUNDED, Interval
from actsearch.analysis.units import COST_UNITS, Units, settling, value_text
from actsearch.records import Scope, SearchRecord, TrialRecord


class Outcome(StrEnum):
    """Outcome of comparing a trial with the baseline: better, equivalent, worse, undecided or failed."""

    BETTER = "better"
    EQUIVALENT = "equivalent"
    WORSE = "worse"
    UNDECIDED = "undecided"
    FAILED = "failed"


class Action(StrEnum):
    """Kind of decision of an allocation about a trial.

    DROPPED: it gets no more executions, because it is not the best. FAILED: it gets no more executions, because one of
    them failed. BEATEN: it is the baseline and not the best, but it stays. CLAIMED: it is better, equivalent or worse
    than the baseline. LIMITED: it gets no more executions, because they would hardly settle it: more data would.
    """

    DROPPED = "dropped"
    FAILED = "failed"
    BEATEN = "beaten"
    CLAIMED = "claimed"
    LIMITED = "limited"


@dataclass(frozen=True)
class Decision:
    """One decision of an allocation, with its figures.

    Args:
        trial_id: Id of the trial.
        action: What was decided.
        execution: Number of the complete seed after which it was decided.
        reason: Why, in words and figures.
        outcome: The claim; None unless the action is CLAIMED.
        difference: Mean difference that the decision rests on, oriented: positive is better.
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


NO_INTERVAL = Interval(0.0, math.inf)
MAX_SPAN = 10.0


@dataclass(frozen=True)
class CostRatio:
    """A cost of one trial as a multiple of the baseline's, with a 95 % interval for this ratio alone.

    `in_turns` says whether both trials were measured in turns; otherwise the ratio comes from their executions.

    Example:

    >>> print(CostRatio(1.06, Interval(0.9, 1.2)))
    1.06×
    """

    estimate: float
    interval: Interval = NO_INTERVAL
    in_turns: bool = False

    @property
    def has_interval(self) -> bool:
        """Whether there were enough pairs for an interval."""
        return self.interval != NO_INTERVAL

    @property
    def is_settled(self) -> bool:
        """Whether there is an interval, and its ends differ at most by a factor of 10."""
        return self.has_interval and self.interval.high <= MAX_SPAN * self.interval.low

    def __str__(self) -> str:
        return f"{self.estimate:.2f}×"


@dataclass(frozen=True)
class Comparison:
    """The comparison of one trial with the baseline.

    Args:
        trial_id, activation: The trial; of several configurations of an activation, the chosen one.
        outcome: Better, equivalent, worse than the baseline, undecided, or failed if no execution completed.
        difference: Mean difference from the baseline, oriented: positive is better. None without pairs.
        interval: Interval of the difference, from which the outcome follows. The chance that any candidate's interval
            misses the true difference is at most alpha.
        p_value: Adjusted for the number of candidates, and in a race for the looks; None if the outcome follows from
            other trials' tests.
        num_pairs: Number of executions that both completed.
        more_executions: How many more executions of each would probably settle it (power 0.8); None if it is settled,
            or if that is unknown.
        num_samples: Number of samples that the test parts are drawn from; 0 if they are not known.
        samples_needed: How many of them would probably settle it, if no number of executions does; None if it is
            settled, if executions do, or if that is unknown.
        cost_ratios: Costs relative to the baseline, by the names of `COST_UNITS`.
        num_configurations: Number of configurations of the activation to choose from, the same as for the baseline.
        num_failed: Number of executions that failed.
        beaten: Whether a race showed that the trial is not the best, and dropped it.
        reason: Why, if the outcome does not follow from the interval.
    """

    trial_id: str
    activation: str
    outcome: Outcome
    difference: float | None = None
    interval: Interval = UNBOUNDED
    p_value: float | None = None
    num_pairs: int = 0
    more_executions: int | None = None
    num_samples: int = 0
    samples_needed: int | None = None
    cost_ratios: Mapping[str, CostRatio] = field(default_factory=dict)
    num_configurations: int = 1
    num_failed: int = 0
    beaten: bool = False
    reason: str = ""


@dataclass(frozen=True)
class BestTrial:
    """The best trial of a search over several hyperparameters.

    Args:
        trial_id: Id of the trial: the one with the best mean objective, which is a validation score.
        values: Its values of the hyperparameters that vary.
        score: Its mean judged score, a little too good where many trials had their chance.
        expected: What such a choice is worth: the mean judged score in each execution of the trial that the others
            would have chosen. None with a single execution, and in a race.
        num_scores, num_failed: Number of its executions with a judged score, and of those that failed.
        num_others: Number of other trials with a judged score.
        rivals: Those of them that may be better: not shown to be worse, by tests that share `alpha`.
        alpha: Chance that the best trial is neither this one nor among the rivals.
        remark: Why `best_model` or the verdict name another trial or activation; empty if they do not.

    Example:

    >>> import actsearch
    >>> actsearch.load_result("actsearch-runs/joint").verdict.best_trial.certainty
    'any of the 11 others could be better (95% confidence)'
    """

    trial_id: str
    values: Mapping[str, Any]
    score: float
    expected: float | None
    num_scores: int
    num_failed: int
    num_others: int
    rivals: tuple[str, ...]
    alpha: float
    remark: str = ""

    @property
    def named(self) -> str:
        """The trial with all its values, in words."""
        values = ", ".join(f"{name}={value_text(value)}" for name, value in self.values.items())
        return f"{values} (trial {self.trial_id})"

    @property
    def certainty(self) -> str:
        """How sure it is that no other trial is better, in words."""
        chance, others = f"({100 * (1 - self.alpha):g}% confidence)", f"the {self.num_others} others"
        if self.num_others == 1:
            return f"the other one {'could be better' if self.rivals else 'is shown to be worse'} {chance}"
        if not self.rivals:
            return f"{others} are shown to be worse {chance}"
        if len(self.rivals) == self.num_others:
            return f"any of {others} could be better {chance}"
        return f"{len(self.rivals)} of {others} could be better {chance}"


@dataclass(frozen=True, repr=False)
class Verdict:
    """The verdict on the activations of a search.

    Args:
        baseline: Activation that all others are compared with; None if the search has no baseline, and all are compared
            with `leader` instead.
        leader: Activation with the best mean, if there is no baseline.
        units: Units of the objective, with its name and direction.
        alpha: Chance of any wrong claim, over all trials.
        margin: Difference that does not matter.
        scope: What the intervals hold for: new data, or other seeds on these data.
        source: `"test"` or `"validation"`: which scores were judged.
        executions: Numbers of the executions used: those that ended for every trial still in the running.
        comparisons: One for each trial but the baseline's, in the order of the search.
        baseline_beaten: Whether a race showed that some trial, not necessarily which, is better than the baseline.
        fronts: For each cost, the trials that no other beats in both judged score and cost.
        scores: Judged scores by trial and execution, of the executions used; before any seed is complete, those so far.
        reference: Id of the trial that the others are compared with, that of the baseline or the leader.
        recommended: Id of the trial that the recommendation names: the best of those shown better, else the baseline or
            an equivalent that trains faster; if that activation has several configurations, the one that was compared.
            None if nothing could be compared.
        recommendation: One sentence that follows from the comparisons alone.
        notes: Remarks on how the search was judged.
        best_trial: The best trial, if several hyperparameters vary.

    Example:

    >>> import actsearch
    >>> verdict = actsearch.load_result("actsearch-runs/digits").verdict
    >>> [(each.activation, each.outcome.value, each.num_pairs) for each in verdict.comparisons]
    [('elu', 'better', 5), ('sigmoid', 'worse', 5)]
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
    scores: Mapping[str, Mapping[int, float]] = field(default_factory=dict, repr=False)
    reference: str | None = None
    recommended: str | None = None
    recommendation: str = ""
    notes: tuple[str, ...] = ()
    scope: Scope = Scope.THESE_DATA
    best_trial: BestTrial | None = None

    @property
    def judged_score(self) -> str:
        """The name of the scores that were compared, in words: `test accuracy` or `val accuracy`."""
        metric = self.units.metric
        return f"test {metric.removeprefix('val ')}" if self.source == "test" else metric

    @property
    def gain_label(self) -> str:
        """Heading of gains: over which activation, and in which score."""
        against = self.baseline or self.leader
        over = f" over {against}" if against else ""
        return f"gain{over} in {self.judged_score} ({'points' if self.units.in_points else '+ is better'})"

    @property
    def shown_margin(self) -> str:
        """The margin in words: `0.5 points of test accuracy`."""
        return self.units.margin(self.margin, self.judged_score)

    def mean_score(self, trial_id: str) -> float | None:
        """Returns the mean judged score of a trial; None if it has none."""
        scores = self.scores.get(trial_id)
        return statistics.fmean(scores.values()) if scores else None

    def cost_of(self, trial: TrialRecord, reference: TrialRecord | None, name: str) -> float | None:
        """Returns a cost of a trial that agrees with its multiple: the reference's mean times the multiple.

        A mean over executions and a multiple that was measured in turns may disagree, even in direction. Without a
        settled multiple, it is the mean over the trial's executions, and None if it was not measured. Where some trials
        are not compared, all costs are such means, so that they can be compared with each other.
        """
        comparison = self.of(trial.trial_id)
        ratio = comparison.cost_ratios.get(name) if comparison else None
        is_settled = ratio is not None and (ratio.is_settled or not ratio.has_interval)
        if ratio is None or reference is None or not self._compares_all or not is_settled:
            return trial.mean_resource(name)
        base = None if COST_UNITS[name].is_counted else reference.mean_resource(name)
        return trial.mean_resource(name) if base is None else base * ratio.estimate

    def reference_in(self, search: SearchRecord) -> TrialRecord | None:
        """Returns the trial that the others are compared with; None if there is none."""
        return next((trial for trial in search.trials if trial.trial_id == self.reference), None)

    def ranked(self, search: SearchRecord) -> list[TrialRecord]:
        """Lists the trials of the search, the largest gain first; those without a judged score by their objective.

        Where some configurations are not compared, the best mean judged score comes first. Means of trials that were
        trained on different seeds, as in a race, say less than their gains.
        """
        scored = [t for t in search.trials if self.mean_score(t.trial_id) is not None]
        gains = {f.trial_id: f.difference for f in self.comparisons} | {self.reference: 0.0}
        if any(gains.get(t.trial_id) is None for t in scored):
            gains = {t.trial_id: self.units.sign * (self.mean_score(t.trial_id) or 0.0) for t in scored}
        scored.sort(key=lambda t: -(gains[t.trial_id] or 0.0))
        known = {t.trial_id for t in scored}
        return scored + [t for t in search.ranked if t.trial_id not in known]

    def with_outcome(self, outcome: Outcome) -> list[Comparison]:
        """Returns the comparisons with this outcome, the largest difference first."""
        matching = [f for f in self.comparisons if f.outcome is outcome]
        return sorted(matching, key=lambda f: -f.difference if f.difference is not None else 0.0)

    def of(self, trial_id: str) -> Comparison | None:
        """Returns the comparison of a trial; None for the baseline."""
        return self._by_trial.get(trial_id)

    @cached_property
    def _compares_all(self) -> bool:
        return self.scores.keys() <= {*self._by_trial, self.reference}

    @cached_property
    def _by_trial(self) -> dict[str, Comparison]:
        return {comparison.trial_id: comparison for comparison in self.comparisons}

    def __str__(self) -> str:
        lines = [self.recommendation, "", *([f"{self.gain_label.capitalize()}:"] if self.comparisons else [])]
        lines += [f"  {f.activation}: {describe(f, self.units)}" for f in self.comparisons]
        return "\n".join([*lines, "", *self.notes])

    def __repr__(self) -> str:
        return f"<Verdict: {self.recommendation}>"

    def _repr_html_(self) -> str:
        known = [(i.low, i.high) for c in self.comparisons if math.isfinite((i := c.interval).high - i.low)]
        view, rows = interval_view(known), []
        for each in sorted(self.comparisons, key=lambda c: -math.inf if c.difference is None else c.difference)[::-1]:
            told, interval = describe(each, self.units), each.interval
            ends = (interval.low, interval.high) if math.isfinite(interval.high - interval.low) else None
            bar = interval_bar(each.difference, ends, view, margin=self.margin, title=f"{each.activation}: {told}")
            rows.append((each.activation, "" if each.difference is None else bar, told))
        table = html_table(("activation", "around 0", self.gain_label), rows) if rows else ""
        return f"{html_heading(f'{self.recommendation}.')}{table}{html_list(self.notes)}"


def describe(comparison: Comparison, units: Units) -> str:
    """Describes a comparison: outcome, difference, interval, and what would settle it.

    Example:

    >>> from actsearch.records import Direction, Objective
    >>> units = Units(Objective("val_accuracy", Direction.MAX), level=0.9)
    >>> describe(Comparison("3", "selu", Outcome.BETTER, 0.012, Interval(0.007, 0.018), num_pairs=20), units)
    'better, +1.2 points [0.7, 1.8] over 20 pairs'
    """
    parts = [str(comparison.outcome)]
    if comparison.difference is not None:
        shown = units.difference(comparison.difference)  # whoever shows it names the score
        if comparison.num_pairs > 1:
            shown += f" {units.interval(comparison.interval.low, comparison.interval.high)}"
        parts.append(f"{shown} over {comparison.num_pairs} {'pair' if comparison.num_pairs == 1 else 'pairs'}")
    if comparison.more_executions is not None:
        parts.append(settling(comparison.more_executions))
    if comparison.reason:
        parts.append(comparison.reason)
    return ", ".join(parts)


def pareto_front(points: Mapping[str, tuple[float, float]]) -> tuple[str, ...]:
    """Lists the points (score, cost) that no other beats with a larger score and a smaller cost; cheapest first.

    Example:

    >>> pareto_front({"relu": (0.90, 1.0), "elu": (0.92, 1.2), "mish": (0.91, 2.0)})
    ('relu', 'elu')
    """
    front: list[str] = []
    for name in sorted(points, key=lambda n: (points[n][1], -points[n][0])):
        if not front or points[name][0] > points[front[-1]][0] or points[name] == points[front[-1]]:
            front.append(name)
    return tuple(front)
