"""The pictures of a search, as matplotlib figures: no global state, drawn without a screen."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from actsearch.analysis.canvas import GREY, legend, rows, shown, side_note, wide
from actsearch.analysis.findings import Verdict
from actsearch.analysis.labels import trial_label
from actsearch.analysis.prices import mean_price
from actsearch.analysis.statistics import Array
from actsearch.analysis.styles import style_of
from actsearch.records import Direction, Objective, SearchRecord, TrialRecord

PRICE_UNITS = {
    "train_seconds": ("training time", "s", 1.0),
    "cpu_seconds": ("CPU time", "s", 1.0),
    "peak_rss_bytes": ("peak memory", "MiB", 2.0**20),
    "inference_microseconds": ("inference", "µs a sample", 1.0),
    "num_parameters": ("parameters", "number", 1.0),
}
MAX_BANDS = 12
MAX_NAMED = 12


def plot_differences(verdict: Verdict) -> Figure:
    """Forest plot: each trial's paired difference from the baseline with its interval, and the margin as a band."""
    findings = sorted((f for f in verdict.findings if f.num_pairs), key=lambda f: f.difference or 0.0)
    figure, axes = rows([f.activation for f in findings])
    points, better = verdict.units.in_points, "larger" if verdict.units.sign > 0 else "smaller"
    scale = 100 if points else verdict.units.sign
    middles = [scale * (f.difference or 0.0) for f in findings]
    for row, (finding, middle) in enumerate(zip(findings, middles, strict=True)):
        style = style_of(finding.activation)
        ends = [scale * finding.interval.low, scale * finding.interval.high]
        if all(map(math.isfinite, ends)):
            axes.plot(ends, [row, row], color=style.colour, linewidth=2)
        axes.plot(middle, row, style.marker, color=style.colour)
        side_note(axes, row, f"{finding.outcome}, n={finding.num_pairs}")
    margin = abs(scale) * verdict.margin
    axes.axvspan(-margin, margin, color=GREY, alpha=0.3, linewidth=0)
    axes.axvline(0, color="black", linewidth=1)
    _look_at(axes, [*middles, -margin, margin])
    against = shown(verdict.baseline or verdict.leader or "")
    unit = "points" if points else f"{better} is better"
    axes.set_xlabel(f"{_metric(verdict.units.objective)}, difference from {against} ({unit})")
    return figure


def plot_executions(search: SearchRecord) -> Figure:
    """Every completed execution as a point, and the mean of each trial as a bar; the best trial on top."""
    trials = [t for t in reversed(search.ranked) if t.scores]
    figure, axes = rows([trial_label(search, t) for t in trials])
    for row, trial in enumerate(trials):
        style, scores = style_of(trial.activation), list(trial.scores.values())
        heights = row + np.linspace(-0.25, 0.25, len(scores)) if len(scores) > 1 else [row]
        axes.plot(scores, heights, style.marker, color=style.colour, markersize=4, alpha=0.6, markeredgewidth=0)
        axes.plot([np.mean(scores)] * 2, [row - 0.35, row + 0.35], color=style.colour, linewidth=2.5)
        side_note(axes, row, f"n={len(scores)}")
    axes.set_xlabel(_with_direction(search.objective))
    return figure


def plot_curves(search: SearchRecord, metric: str | None = None) -> Figure:
    """Learning curves: the mean over the executions of each trial, and a band of one standard deviation.

    Bands are left out where there are more than 12 trials.

    Args:
        search: Its records.
        metric: The name in the history; the objective's if left out.
    """
    metric = metric or search.objective.name
    trials = [t for t in search.ranked if any(e.history.get(metric) for e in t.completed)]
    figure, axes = wide()
    for trial in trials:
        (mean, sd), label = _curve(trial, metric), shown(trial_label(search, trial))
        style, epochs = style_of(trial.activation), np.arange(1, mean.size + 1)
        (line,) = axes.plot(epochs, mean, color=style.colour, linestyle=style.line, label=label)
        line.set(marker=style.marker, markevery=max(mean.size // 8, 1), markersize=4)
        if len(trials) <= MAX_BANDS:
            axes.fill_between(epochs, mean - sd, mean + sd, color=style.colour, alpha=0.12, linewidth=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.set_ylabel(metric.replace("_", " "))
    legend(figure, axes)
    return figure


def plot_pareto(search: SearchRecord, verdict: Verdict, price: str = "train_seconds") -> Figure:
    """Objective against a price, a mark for each trial; those on the Pareto front are joined and named.

    Args:
        search: Its records.
        verdict: What `judge` says of it.
        price: One of `PRICE_UNITS`.
    """
    label, unit, scale = PRICE_UNITS[price]
    figure, axes = wide()
    points = {}
    for trial in search.ranked:
        cost, scores = mean_price(trial, price, verdict.executions), _judged(trial, verdict)
        if cost is None or not scores:
            continue
        points[trial.trial_id] = (cost / scale, float(np.mean(scores)), shown(trial_label(search, trial)))
        style = style_of(trial.activation)
        axes.plot(
            *points[trial.trial_id][:2], style.marker, color=style.colour, label=shown(trial_label(search, trial))
        )
    front = [points[t] for t in verdict.fronts.get(price, ()) if t in points]
    axes.plot([x for x, _, _ in front], [y for _, y, _ in front], color=GREY, linewidth=1.5, zorder=1)
    for x, y, name in front[:MAX_NAMED]:
        axes.annotate(name, (x, y), xytext=(5, 5), textcoords="offset points", fontsize=8)
    axes.set_xlabel(f"{label} ({unit}; less is better)")
    axes.set_ylabel(_with_direction(search.objective))
    axes.margins(0.12)
    legend(figure, axes)
    return figure


def _curve(trial: TrialRecord, metric: str) -> tuple[Array, Array]:
    """Mean and standard deviation by epoch, over the executions that got that far."""
    curves = [e.history[metric] for e in trial.completed if e.history.get(metric)]
    grid = np.full((len(curves), max(map(len, curves))), np.nan)
    for row, curve in enumerate(curves):
        grid[row, : len(curve)] = curve
    grid = grid[:, np.isfinite(grid).any(axis=0)]
    return np.nanmean(grid, axis=0), np.nanstd(grid, axis=0)


def _judged(trial: TrialRecord, verdict: Verdict) -> list[float]:
    executions = [e for e in trial.completed if e.execution in verdict.executions]
    scores = [e.test_score if verdict.source == "test" else e.score for e in executions]
    return [s for s in scores if s is not None]


def _look_at(axes: Axes, values: Sequence[float]) -> None:
    """Keeps long intervals from squeezing the rest."""
    low, high = min(values), max(values)
    reach = high - low or abs(high) or 1.0
    start, end = axes.get_xlim()
    axes.set_xlim(max(start, low - reach), min(end, high + reach))


def _metric(objective: Objective) -> str:
    return objective.name.replace("_", " ")


def _with_direction(objective: Objective) -> str:
    return f"{_metric(objective)} ({'larger' if objective.direction is Direction.MAX else 'smaller'} is better)"
