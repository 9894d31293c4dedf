"""The trials of a search as rows of cells that can be sorted."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from actsearch.analysis.results import Comparison, CostRatio, Outcome, Verdict
from actsearch.analysis.units import COST_UNITS, trial_label
from actsearch.records import SearchRecord, TrialRecord
from actsearch.reports.markdown import why_no_score
from actsearch.visualization._style import INK, Style, styles_of
from actsearch.visualization.costs import costs_of

_NONE = "–"
_ORDER = ("better", "baseline", "equivalent", "undecided", _NONE, "worse")


@dataclass(frozen=True)
class Cell:
    """A cell: what it says, a note in smaller letters, and what it is sorted by (nothing comes last)."""

    text: str
    order: float | str | None
    note: str = ""


@dataclass(frozen=True)
class Row:
    """A trial: its sign in the pictures, its verdict as a word for the style sheet, and its cells."""

    symbol: str
    colour: str
    outcome: str
    cells: tuple[Cell, ...]


def headers_of(verdict: Verdict) -> tuple[str, ...]:
    """What the columns are called."""
    against = verdict.baseline or verdict.leader
    costs = (f"{unit.name} ({unit.unit})" if unit.unit != "number" else unit.name for unit in COST_UNITS.values())
    difference = f"difference from {against}" if against else "difference"
    return ("activation", "verdict", verdict.units.metric, f"{difference} ({verdict.source})", *costs)


def rows_of(search: SearchRecord, verdict: Verdict) -> list[Row]:
    """A row for each trial, the best mean first."""
    styles = styles_of(t.activation for t in search.trials)
    return [_row(search, verdict, trial, styles) for trial in search.ranked]


def _row(search: SearchRecord, verdict: Verdict, trial: TrialRecord, styles: Mapping[str, Style]) -> Row:
    style, comparison, label = styles[trial.activation], verdict.of(trial.trial_id), trial_label(search, trial)
    outcome = _outcome(verdict, trial, comparison)
    colour = "currentColor" if style.colour == INK else style.colour
    costs = (_cost(trial, comparison, name) for name in COST_UNITS)
    cells = (Cell(label, label), outcome, _score(verdict, trial), _difference(verdict, comparison), *costs)
    return Row(style.symbol, colour, outcome.text if outcome.text in set(Outcome) else "", cells)


def _outcome(verdict: Verdict, trial: TrialRecord, comparison: Comparison | None) -> Cell:
    if trial.mean_score is None:
        text, _, reason = why_no_score(trial).partition(": ")
        return Cell(text, len(_ORDER), reason)
    if comparison is None:
        text = "baseline" if trial.activation == verdict.baseline else _NONE
        return Cell(text, _ORDER.index(text))
    more = comparison.more_executions
    settle = "" if more is None else f"about {more} more execution{'s' if more > 1 else ''} would settle it"
    return Cell(str(comparison.outcome), _ORDER.index(comparison.outcome), comparison.reason or settle)


def _score(verdict: Verdict, trial: TrialRecord) -> Cell:
    if trial.mean_score is None:
        return Cell(_NONE, None)
    spread = "" if trial.sd_score is None else f" ± {verdict.units.score(trial.sd_score)}"
    failed = len(trial.executions) - len(trial.completed)
    note = f"n={len(trial.scores)}" + (f", {failed} failed" if failed else "")
    return Cell(f"{verdict.units.score(trial.mean_score)}{spread}", trial.mean_score, note)


def _difference(verdict: Verdict, comparison: Comparison | None) -> Cell:
    if comparison is None or comparison.difference is None:
        return Cell(_NONE, None)
    notes = [f"{comparison.num_pairs} pair{'s' if comparison.num_pairs != 1 else ''}"]
    if math.isfinite(comparison.interval.low) and math.isfinite(comparison.interval.high):
        notes.insert(0, verdict.units.interval(comparison.interval.low, comparison.interval.high))
        notes += [] if comparison.p_value is None else [f"p {comparison.p_value:.2g}"]
    return Cell(verdict.units.difference(comparison.difference), comparison.difference, ", ".join(notes))


def _cost(trial: TrialRecord, comparison: Comparison | None, cost: str) -> Cell:
    costs = costs_of(trial, cost)
    if not costs:
        return Cell(_NONE, None)
    mean, ratio = sum(costs) / len(costs), comparison.cost_ratios.get(cost) if comparison else None
    return Cell(COST_UNITS[cost].text(mean), mean, "" if ratio is None else _ratio(ratio))


def _ratio(ratio: CostRatio) -> str:
    """A ratio with its interval, where that tells more."""
    low, high = f"{ratio.interval.low:.2f}", f"{ratio.interval.high:.2f}"
    return f"{ratio} [{low}, {high}]" if low != high and math.isfinite(ratio.interval.high) else str(ratio)
