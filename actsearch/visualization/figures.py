"""The figures of a report with their captions, by the names of their files."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from actsearch.analysis.hyperparameters.importance import Importance, importance_of, percent
from actsearch.analysis.results import Verdict, describe
from actsearch.analysis.units import COST_UNITS, metric_label, trial_label, value_text
from actsearch.records import SearchRecord
from actsearch.visualization._style import WIDE
from actsearch.visualization.comparisons import plot_differences, plot_executions, plot_pareto
from actsearch.visualization.costs import plot_costs
from actsearch.visualization.curves import MAX_COLOURED, curve_trials, mean_curve, plot_curves, reference_of
from actsearch.visualization.dead_units import HealthMap, health_map, plot_health_map
from actsearch.visualization.hyperparameters import plot_importance, plot_interaction, shown_interaction
from actsearch.visualization.site_map import SiteMap, compare_sites, plot_site_map


def all_figures(search: SearchRecord, verdict: Verdict, *, width: float = WIDE) -> dict[str, Figure]:
    """Draws forest plot, executions, learning curves, score against time, costs, health, sites, importance.

    Empty figures are omitted.

    Args:
        search: Record of the search.
        verdict: Its verdict, from `judge`.
        width: Width of the figures in inches: `WIDE`, or `NARROW` for a phone.

    Returns:
        The figures by name.
    """
    return {name: make() for name, make in figure_makers(search, verdict, width=width).items()}


def figure_makers(search: SearchRecord, verdict: Verdict, *, width: float = WIDE) -> dict[str, Callable[[], Figure]]:
    """Returns functions that draw the figures of `all_figures`, by name."""
    makers = dict[str, Callable[[], Figure]]()
    if any(f.num_pairs for f in verdict.comparisons):
        makers["differences"] = partial(plot_differences, verdict, width=width)
    if any(verdict.scores.values()):
        makers["executions"] = partial(plot_executions, search, verdict, width=width)
    if curve_trials(search, search.objective.name):
        makers["curves"] = partial(plot_curves, search, verdict=verdict, width=width)
    if verdict.fronts.get("train_seconds"):
        makers["pareto"] = partial(plot_pareto, search, verdict, width=width)
    if any(t.mean_resource("train_seconds") is not None for t in search.trials):
        makers["costs"] = partial(plot_costs, search, verdict, width=width)
    health = health_map(search)
    if health is not None:
        makers["health"] = partial(plot_health_map, health, width=width)
    if (sites := compare_sites(search, verdict)) is not None:
        makers["sites"] = partial(plot_site_map, sites, verdict, width=width)
    return makers | _hyperparameters(search, verdict, width)


def _hyperparameters(search: SearchRecord, verdict: Verdict, width: float) -> dict[str, Callable[[], Figure]]:
    """Returns what draws how the judged score depends on several hyperparameters, if the data show it."""
    if verdict.best_trial is None or not (importance := importance_of(search, verdict)).shares:
        return {}
    makers: dict[str, Callable[[], Figure]] = {"importance": partial(plot_importance, importance, width=width)}
    if shown_interaction(importance) is not None:
        makers["interaction"] = partial(plot_interaction, search, importance, width=width)
    return makers


def save_figures(search: SearchRecord, verdict: Verdict, folder: Path) -> list[Path]:
    """Saves the figures in a folder, which is created if it is missing; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, figure in all_figures(search, verdict).items():
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=150)
    return paths


MAX_LISTED = 30


@dataclass(frozen=True)
class Caption:
    """The caption of a figure.

    Args:
        title: Title of the figure.
        reading: How to read it.
        content: What it shows, with numbers, for screen readers.
    """

    title: str
    reading: str
    content: str


def captions_of(search: SearchRecord, verdict: Verdict) -> dict[str, Caption]:
    """Writes a caption for each figure that `all_figures` may return, by name."""
    captions = {
        "differences": _differences(verdict),
        "executions": _executions(search, verdict),
        "curves": _curves(search),
        "pareto": _pareto(search, verdict),
        "costs": _costs(search, verdict),
    }
    health = health_map(search)
    captions |= {} if health is None else {"health": _health(health)}
    captions |= {} if (sites := compare_sites(search, verdict)) is None else {"sites": _sites(sites, verdict)}
    return captions | ({} if verdict.best_trial is None else _dependence(importance_of(search, verdict)))


def _differences(verdict: Verdict) -> Caption:
    against, margin = verdict.baseline or verdict.leader, verdict.shown_margin
    return Caption(
        f"Gain over {against}",
        f"The mean gain over {against} in {verdict.judged_score} over the seeds that both completed, turned so that + "
        f"is better, and its interval, with an arrow where it exceeds the figure. The grey band is ±{margin}, the "
        "difference that does not matter.",
        _listed(f"{f.activation}: {describe(f, verdict.units)}" for f in verdict.comparisons if f.num_pairs),
    )


def _executions(search: SearchRecord, verdict: Verdict) -> Caption:
    shown, listed = verdict.units.score, []
    for trial in verdict.ranked(search):
        mean, scores = verdict.mean_score(trial.trial_id), list(verdict.scores.get(trial.trial_id, {}).values())
        if mean is not None:
            reach = f"from {shown(min(scores))} to {shown(max(scores))}, {len(scores)} executions"
            listed.append(f"{trial_label(search, trial)}: mean {shown(mean)}, {reach}")
    return Caption(
        "All executions",
        f"Each point is the {verdict.judged_score} of one training from scratch with its own seed; the bar is their "
        "mean. An arrow stands for scores that would squeeze all others.",
        _listed(listed),
    )


def _curves(search: SearchRecord) -> Caption:
    metric = search.objective.name
    trials = curve_trials(search, metric)
    last, reference = {trial_label(search, t): mean_curve(t, metric)[0] for t in trials}, reference_of(search, trials)
    reading = f"The mean {metric_label(metric)} over the executions by epoch."
    if reference is not None:
        mean = last[trial_label(search, reference)]
        reading = (
            f"How far each activation is from {reference.activation} after each epoch, as the mean over the executions "
            f"that both reached, turned so that + is better. {reference.activation} itself has a "
            f"{metric_label(metric)} of {mean[0]:.4g} after epoch 1 and {mean[-1]:.4g} after epoch {mean.size}. The "
            "first epochs may exceed the figure."
        )
    return Caption(
        "Learning curves",
        f"{reading} At most three activations have a band of one standard deviation to each side; beyond the best "
        f"{MAX_COLOURED - 1}, they are grey. Of several configurations of an activation, the one with the best "
        f"{metric_label(metric)} is shown. Executions that have stopped no longer count.",
        _listed(
            f"{name}: {metric_label(metric)} {mean[0]:.4g} after epoch 1, {mean[-1]:.4g} after epoch {mean.size}"
            for name, mean in last.items()
        ),
    )


def _pareto(search: SearchRecord, verdict: Verdict) -> Caption:
    names = {t.trial_id: trial_label(search, t) for t in search.trials}
    front = [names[trial] for trial in verdict.fronts.get("train_seconds", ())]
    above = "above" if verdict.units.sign > 0 else "below"
    return Caption(
        f"{verdict.judged_score.capitalize()} against training time",
        f"Each mark is a trial: its mean {verdict.judged_score} and its training time. Two grey lines cross at "
        f"{verdict.baseline or verdict.leader}: what is {above} and to the left of it is better and faster. Another "
        "grey line joins the trials that no other beats in both. An arrow at the edge stands for a trial that would "
        "squeeze all others.",
        f"No other trial is both better and faster to train than these, fastest first: {', '.join(front)}."
        if front
        else "",
    )


def _costs(search: SearchRecord, verdict: Verdict) -> Caption:
    reference, against = verdict.reference_in(search), verdict.baseline or verdict.leader
    return Caption(
        "Costs",
        f"The bar of {against} is its mean over the executions, marked by the grey line. Each other bar is that mean "
        "times the multiple of the trial, with the interval of the multiple; where no multiple is settled, it is the "
        "trial's own mean. Costs that are the same for all are omitted.",
        _listed(
            f"{trial_label(search, t)}: "
            + ", ".join(
                f"{unit.name} {unit.text(mean)} {unit.unit}"
                for cost, unit in COST_UNITS.items()
                if (mean := verdict.cost_of(t, reference, cost)) is not None
            )
            for t in verdict.ranked(search)
            if t.mean_score is not None
        ),
    )


def _sites(sites: SiteMap, verdict: Verdict) -> Caption:
    shown = [
        f"{name} at {site}: {verdict.units.signed(float(gain))} ({count} trials)"
        for name, gains, counts in zip(sites.activations, sites.gains, sites.counts, strict=True)
        for site, gain, count in zip(sites.sites, gains, counts, strict=True)
        if count
    ]
    return Caption(
        "Activations by site",
        f"The mean {verdict.judged_score} of the trials that have an activation at a site, minus the mean of all "
        "trials, turned so that + is better. What the other sites have is averaged over, so it holds as far as the "
        "sites do not depend on each other.",
        _listed(shown),
    )


def _health(health: HealthMap) -> Caption:
    return Caption(
        "Health",
        "At the last diagnosis of one execution of each trial. Dead units do not learn from any sample. A gradient "
        "that falls far below 1 towards the input vanishes; one that rises far above it explodes.",
        _listed(
            f"{name}: at most {np.nanmax(dead):.0%} dead"
            + (f", gradient at the first site {gradient[0]:.2g} times the last" if math.isfinite(gradient[0]) else "")
            for name, dead, gradient in zip(health.names, health.dead, health.gradient, strict=True)
            if np.isfinite(dead).any()
        ),
    )


def _dependence(importance: Importance) -> dict[str, Caption]:
    rest = [f"{name} {percent(share)}" for name, share in importance.rest]
    captions = {
        "importance": Caption(
            "Importance of hyperparameters",
            f"The share of the variance of {importance.judged_score} between executions that depends on each, alone or "
            "together with others, with its standard error. What several contribute together is counted for each, so "
            f"all may add up to more than 100 %. Grey bars depend on none of them. From {importance.basis}.",
            _listed([*map(str, importance.shares), *rest]),
        )
    }
    if shown := shown_interaction(importance):
        means = "Means of the trials" if shown.observed else "Means predicted by the forest, over all trials"
        clear = str(shown) if shown.is_clear else "The data do not show an interaction"
        reading = f"{means}, for each {shown.activation} and {shown.other}. {clear}."
        best = _listed(f"{name}: best at {value_text(level)}" for name, level in shown.best.items())
        captions["interaction"] = Caption(f"{shown.activation} and {shown.other}", reading, best)
    return captions


def _listed(lines: Iterable[str]) -> str:
    items = list(lines)
    more = [f"and {len(items) - MAX_LISTED} more"] if len(items) > MAX_LISTED else []
    return "; ".join([*items[:MAX_LISTED], *more])
