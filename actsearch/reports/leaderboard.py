"""The rows of a leaderboard: the figures of each trial, and how they are formatted.

The terminal, markdown, HTML pages, notebooks, MLflow's table, JSON and data frames are all made from these rows.
This module loads neither SciPy nor matplotlib.
"""

import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from actsearch.analysis.units import (
    COST_UNITS,
    Units,
    configuration_label,
    lacking_data,
    number_range,
    settling,
    trial_label,
)
from actsearch.records import SearchRecord, TrialRecord

if TYPE_CHECKING:
    from actsearch.analysis.results import Comparison, CostRatio, Verdict
    from actsearch.analysis.statistics import Interval

NOTHING = "–"
MAX_REASON = 80  # characters
_ORDER = ("better", "baseline", "equivalent", "undecided", "", "worse", "failed")


@dataclass(frozen=True)
class Cell:
    """A cell: its text, a note, and its sort key (None comes last)."""

    text: str
    order: float | str | None
    note: str = ""

    def __str__(self) -> str:
        return f"{self.text} ({self.note})" if self.note else self.text


@dataclass(frozen=True)
class LeaderboardRow:
    """The figures of one trial.

    Args:
        trial_id: Id of the trial.
        activation: Activation of the trial, which determines its symbol and colour in plots.
        label: The activation and, if it has several configurations, the values that distinguish them.
        hyperparameters: All hyperparameter values of the trial.
        outcome: `better`, `equivalent`, `worse` or `undecided` if it was compared; `baseline`; `failed`, `skipped` or
            `not run` if it has no score; empty for a configuration that was not chosen for the comparison.
        reason: Reason for the outcome, in one line, if it does not follow from the figures.
        units: Units of the objective.
        score_name: Name of the judged score, which the verdict compares: `test accuracy`, `val loss`.
        score, score_sd: Its mean and standard deviation over the executions that the verdict uses.
        num_scores, num_executions, num_failed: Number of executions with a judged score, of all executions, and of
            failed ones.
        objective_mean: Mean of the objective over the completed executions, on validation data: what chooses the best
            trial and its model.
        gain: Mean difference of the judged score from the baseline's, turned so that + is better.
        interval: Interval of the gain; None without pairs.
        p_value: Its p value, adjusted for all comparisons.
        num_pairs: Number of executions that both completed.
        more_executions: About how many more executions would settle it.
        num_samples, samples_needed: Number of samples that the gain rests on, and about how many would settle
            it, if no number of executions does.
        shown_costs: Names of the costs that were measured for some trial of the search.
        costs: By the names of `COST_UNITS`, in the recorded units: the baseline's means over its completed executions,
            and those times the trial's multiples, which were measured better; its own means where it has no multiple.
        cost_ratios: Costs as multiples of the baseline's, with intervals.

    Example:

    >>> import actsearch
    >>> result = actsearch.load_result("actsearch-runs/digits")
    >>> best = leaderboard_rows(result.record, result.verdict)[0]
    >>> best.label, best.outcome, best.score_name, round(best.score, 4)
    ('elu', 'better', 'test accuracy', 0.91)
    >>> [cell.text for cell in best.cells[:4]]
    ['elu', 'better', '0.9100 ± 0.0202', '+8.6 points [4.3, 13.0]']
    """

    trial_id: str
    activation: str
    label: str
    hyperparameters: Mapping[str, Any]
    outcome: str
    reason: str
    units: Units = field(repr=False)
    score_name: str = ""
    score: float | None = None
    score_sd: float | None = None
    num_scores: int = 0
    num_executions: int = 0
    num_failed: int = 0
    objective_mean: float | None = None
    gain: float | None = None
    interval: "Interval | None" = None
    p_value: float | None = None
    num_pairs: int = 0
    more_executions: int | None = None
    num_samples: int = 0
    samples_needed: int | None = None
    shown_costs: tuple[str, ...] = ()
    costs: Mapping[str, float] = field(default_factory=dict)
    cost_ratios: Mapping[str, "CostRatio"] = field(default_factory=dict)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells of the row, in the order of `headers_of`."""
        costs = (self._cost_cell(name) for name in self.shown_costs)
        return (Cell(self.label, self.label), self._outcome_cell(), self._score_cell(), self._gain_cell(), *costs)

    def plain(self) -> dict[str, Any]:
        """Returns the row as flat plain data, without the hyperparameters; unknown and infinite values are None."""
        values: dict[str, Any] = {
            "trial_id": self.trial_id,
            "activation": self.activation,
            "verdict": self.outcome or None,
            "reason": self.reason or None,
            "score_name": self.score_name,
            "score": self.score,
            "score_sd": self.score_sd,
            "num_scores": self.num_scores,
            "num_executions": self.num_executions,
            "num_failed": self.num_failed,
            "objective_mean": self.objective_mean,
            "gain": self.gain,
            "gain_low": self.interval.low if self.interval else None,
            "gain_high": self.interval.high if self.interval else None,
            "p_value": self.p_value,
            "num_pairs": self.num_pairs,
            "more_executions": self.more_executions,
            "samples_needed": self.samples_needed,
        }
        values |= {name: self.costs.get(name) for name in COST_UNITS}
        for name, unit in COST_UNITS.items():
            ratio = self.cost_ratios.get(name)
            values[f"{name}_ratio"] = ratio.estimate if ratio else None
            if not unit.is_counted:
                values[f"{name}_ratio_low"] = ratio.interval.low if ratio and ratio.is_settled else None
                values[f"{name}_ratio_high"] = ratio.interval.high if ratio and ratio.is_settled else None
        return {name: value if _is_known(value) else None for name, value in values.items()}

    def _outcome_cell(self) -> Cell:
        order = _ORDER.index(self.outcome) if self.outcome in _ORDER else len(_ORDER)
        missing = settling(self.more_executions)
        if self.samples_needed is not None:
            missing = lacking_data(self.num_samples, self.samples_needed)
        return Cell(self.outcome or NOTHING, order, self.reason or missing)

    def _score_cell(self) -> Cell:
        if self.score is None:
            return Cell(NOTHING, None)
        spread = "" if self.score_sd is None else f" ± {self.units.score(self.score_sd)}"
        note = f"n={self.num_scores}" + (f", {self.num_failed} failed" if self.num_failed else "")
        return Cell(f"{self.units.score(self.score)}{spread}", self.score, note)

    def _gain_cell(self) -> Cell:
        if self.gain is None or self.interval is None:
            return Cell(NOTHING, None)
        text = self.units.signed(self.gain)
        note = f"{self.num_pairs} pair{'s' if self.num_pairs != 1 else ''}"
        if math.isfinite(self.interval.low) and math.isfinite(self.interval.high):
            text += f" {self.units.interval(self.interval.low, self.interval.high)}"
            note += "" if self.p_value is None else f", p {self.p_value:.2g}"
        return Cell(text, self.gain, note)

    def _cost_cell(self, name: str) -> Cell:
        if name not in self.costs:
            return Cell(NOTHING, None)
        ratio = self.cost_ratios.get(name)
        return Cell(COST_UNITS[name].text(self.costs[name]), self.costs[name], ratio_text(ratio) if ratio else "")


def leaderboard_rows(search: SearchRecord, verdict: "Verdict") -> list[LeaderboardRow]:
    """Makes a row for each trial: the largest gain first, trials without a judged score last.

    Args:
        search: Record of the search, which may still be running or have failed.
        verdict: Its verdict, from `judge`.

    Returns:
        The rows.

    Example:

    >>> import actsearch
    >>> result = actsearch.load_result("actsearch-runs/digits")
    >>> [(row.label, row.outcome) for row in leaderboard_rows(result.record, result.verdict)]
    [('elu', 'better'), ('relu', 'baseline'), ('sigmoid', 'worse')]
    """
    shown_costs, reference = costs_of(search), verdict.reference_in(search)
    return [_row(search, verdict, trial, reference, shown_costs) for trial in verdict.ranked(search)]


def costs_of(search: SearchRecord) -> tuple[str, ...]:
    """Returns the names of the costs that were measured for some trial, and of training time."""
    measured = {name for name in COST_UNITS for t in search.trials if t.mean_resource(name) is not None}
    return tuple(name for name in COST_UNITS if name in measured or name == "train_seconds")


def headers_of(search: SearchRecord, verdict: "Verdict") -> tuple[str, ...]:
    """Returns the headers of the columns."""
    units = (COST_UNITS[name] for name in costs_of(search))
    costs = (f"{unit.name} ({unit.unit})" if unit.unit != "number" else unit.name for unit in units)
    return ("activation", "verdict", verdict.judged_score, verdict.gain_label, *costs)


def _row(
    search: SearchRecord,
    verdict: "Verdict",
    trial: TrialRecord,
    reference: TrialRecord | None,
    shown_costs: tuple[str, ...],
) -> LeaderboardRow:
    comparison = verdict.of(trial.trial_id)
    outcome, reason = _outcome(verdict, trial, comparison)
    costs = {name: verdict.cost_of(trial, reference, name) for name in COST_UNITS}
    scores = list(verdict.scores.get(trial.trial_id, {}).values())
    row: dict[str, Any] = {
        "trial_id": trial.trial_id,
        "activation": trial.activation,
        "label": trial_label(search, trial),
        "hyperparameters": trial.hyperparameters,
        "outcome": outcome,
        "reason": reason,
        "units": verdict.units,
        "score_name": verdict.judged_score,
        "score": verdict.mean_score(trial.trial_id),
        "score_sd": statistics.stdev(scores) if len(scores) > 1 else None,
        "num_scores": len(scores),
        "objective_mean": trial.mean_score,
        "num_executions": len(trial.executions),
        "num_failed": len(trial.executions) - len(trial.completed),
        "shown_costs": shown_costs,
        "costs": {name: cost for name, cost in costs.items() if cost is not None},
    }
    return LeaderboardRow(**row, **(_compared(comparison) if comparison else {}))


def _compared(comparison: "Comparison") -> dict[str, Any]:
    return {
        "gain": comparison.difference,
        "interval": comparison.interval if comparison.num_pairs else None,
        "p_value": comparison.p_value,
        "num_pairs": comparison.num_pairs,
        "more_executions": comparison.more_executions,
        "num_samples": comparison.num_samples,
        "samples_needed": comparison.samples_needed,
        "cost_ratios": comparison.cost_ratios,
    }


def _outcome(verdict: "Verdict", trial: TrialRecord, comparison: "Comparison | None") -> tuple[str, str]:
    """Returns the outcome of a trial and its reason."""
    if trial.mean_score is None:
        return _without_score(trial)
    if comparison is not None:
        return str(comparison.outcome), comparison.reason
    is_reference = trial.activation == verdict.baseline and verdict.reference in (None, trial.trial_id)
    return ("baseline" if is_reference else ""), ""


def _without_score(trial: TrialRecord) -> tuple[str, str]:
    if trial.executions:
        return "failed", shortened(next((e.reason for e in trial.executions if e.reason), None))
    return ("skipped", shortened(trial.screening.get("reason"))) if trial.skipped else ("not run", "")


def ratio_text(ratio: "CostRatio") -> str:
    """Formats a ratio, with its interval if there is one and it is not a single value."""
    if ratio.has_interval and not ratio.is_settled:
        return "cost not settled"
    low, high = f"{ratio.interval.low:.2f}", f"{ratio.interval.high:.2f}"
    return f"{ratio} [{low}, {high}]" if ratio.has_interval and low != high else str(ratio)


def _is_known(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


@dataclass(frozen=True)
class Failure:
    """Executions of one trial that failed for the same reason.

    Args:
        label: Label of the trial.
        executions: Numbers of the executions: `execution 2`, `executions 1-3`.
        reason: The reason, in one line.
    """

    label: str
    executions: str
    reason: str

    def __str__(self) -> str:
        return f"{self.label}, {self.executions} failed: {self.reason}"


def failures_of(search: SearchRecord) -> Iterator[Failure]:
    """Yields the failures of a search, in the order of its trials."""
    for trial in search.trials:
        by_reason: dict[str, list[int]] = {}
        for execution in trial.executions:
            if execution.reason:
                by_reason.setdefault(execution.reason, []).append(execution.execution)
        for reason, numbers in by_reason.items():
            which = f"execution{'s' if len(numbers) > 1 else ''} {number_range(numbers)}"
            yield Failure(trial_label(search, trial), which, " ".join(reason.split()))


def shortened(reason: str | None) -> str:
    """Shortens a reason to one line of at most 80 characters."""
    line = " ".join((reason or "no reason recorded").split())
    return line if len(line) <= MAX_REASON else f"{line[: MAX_REASON - 1]}…"


def model_text(search: SearchRecord, verdict: "Verdict", trial: TrialRecord) -> str:
    """Says which execution trained the kept model of a trial, with what scores, and what to expect of it.

    Returns:
        A sentence such as `elu (trial 1), execution 3 (on its own split of the data): val accuracy 0.9750, test
        accuracy 0.9600; the trial's mean test accuracy is 0.9533 (n=3)`. If it is the best by its validation scores,
        but not the one that the verdict advises, that is added.
    """
    kept = search.best_execution(trial)
    where = f"{trial_label(search, trial)} (trial {trial.trial_id})"
    if kept is None:
        return f"{where}: no execution completed, so there is no model"
    split = "" if search.config.splits in (None, "one") else " (on its own split of the data)"
    scores = {verdict.units.metric: kept.score}
    scores |= {verdict.judged_score: kept.test_score} if verdict.source == "test" else {}
    known = ", ".join(f"{name} {verdict.units.score(score)}" for name, score in scores.items() if score is not None)
    text = f"{where}, execution {kept.execution}{split}: {known}"
    mean, num_scores = verdict.mean_score(trial.trial_id), len(verdict.scores.get(trial.trial_id, {}))
    shown = "" if mean is None else f"{verdict.units.score(mean)} (n={num_scores})"
    text += "" if mean is None else f"; the trial's mean {verdict.judged_score} is {shown}"
    return text + _not_advised(search, verdict, trial)


def _not_advised(search: SearchRecord, verdict: "Verdict", trial: TrialRecord) -> str:
    """Says that the trial of the best mean objective is another than the verdict advises; empty if it is not."""
    advised = next((t for t in search.trials if t.trial_id == verdict.recommended), None)
    if trial is not search.best or advised is None or advised is trial:
        return ""
    name = f"{configuration_label(search, advised)} (trial {advised.trial_id})"
    return f". It has the best mean {verdict.units.metric} of all trials, but the verdict advises {name}"
