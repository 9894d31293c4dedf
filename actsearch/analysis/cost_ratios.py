"""Costs of trials as multiples of the baseline's: measured in turns where possible, else over the executions.

Times of two executions differ by what else the machine did meanwhile. In rounds at the end of a search, all trials
train and predict the same in turns: the median over the rounds of the ratios in each hardly depends on it.
"""

import math
import statistics
from collections.abc import Collection, Sequence

import numpy as np
from scipy import special

from actsearch.analysis.results import NO_INTERVAL, CostRatio
from actsearch.analysis.statistics import Interval, mean_interval
from actsearch.analysis.units import COST_UNITS, trial_label
from actsearch.records import CostMeasurement, SearchRecord, TrialRecord

MIN_PAIRS = 3
UNSTEADY = 0.2  # interquartile range of the same step over the rounds, as a share of its median
_MICROSECONDS = {
    "train_seconds": "train_microseconds",
    "cpu_seconds": "cpu_microseconds",
    "inference_microseconds": "inference_microseconds",
}


def cost_ratios(
    trial: TrialRecord,
    baseline: TrialRecord,
    executions: Collection[int],
    measurements: Sequence[CostMeasurement] = (),
) -> dict[str, CostRatio]:
    """Computes the ratio of each cost.

    Training, CPU and inference time come from the latest measurement in turns that has both trials: medians over its
    rounds, with intervals from order statistics; where the numbers of epochs differ, their mean ratio is a factor.
    Other ratios are geometric means over the executions that both completed, with t intervals of the log ratios, none
    from fewer than three pairs. What is counted is exact. Intervals are at 95 % for each ratio alone.

    Args:
        trial, baseline: The two trials.
        executions: Numbers of the executions to use.
        measurements: Measurements in turns, the latest last.

    Returns:
        The ratios by the names of `COST_UNITS`; those of costs that were not measured are omitted.
    """
    ratios = {}
    executions = frozenset(executions)
    for name in COST_UNITS:
        ratio = _in_turns(trial, baseline, name, executions, measurements) or _paired(trial, baseline, name, executions)
        if ratio is not None:
            ratios[name] = ratio
    return ratios


def cost_notes(search: SearchRecord) -> list[str]:
    """Says how the times of a search were compared, and whether the machine was steady meanwhile.

    Args:
        search: Record of the search.

    Returns:
        Sentences; none if no measurement was tried.
    """
    if not search.measurements:
        return []
    latest, notes = search.measurements[-1], []
    measured = {trial for each in search.measurements for trial in each.train_microseconds}
    others = [trial_label(search, t) for t in search.trials if t.completed and t.trial_id not in measured]
    if measured:
        notes.append(
            "Training, CPU and inference times were measured at the end of the search: all trials took turns at the "
            f"same batches, {latest.num_rounds} times."
        )
    if others:
        which = f"Times of {', '.join(others)}" if measured else "Times"
        because = f": {latest.reason}" if latest.reason else ""
        notes.append(f"{which} are those of the executions' median epochs, not measured in turns{because}.")
    if (spread := unsteadiness(latest)) > UNSTEADY:
        notes.append(
            "The machine was busy while costs were measured: the time of a training step varied by "
            f"{spread:.0%}, so the intervals of costs are wide."
        )
    return notes


def unsteadiness(measurement: CostMeasurement) -> float:
    """Returns the interquartile range of a training step over the rounds, relative to its median; median of trials."""
    spreads = []
    for times in measurement.train_microseconds.values():
        low, middle, high = np.quantile(times, [0.25, 0.5, 0.75])
        spreads.append(float((high - low) / middle))
    return statistics.median(spreads) if spreads else 0.0


def median_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Computes an interval of the median from order statistics; assumes nothing of the values but independence.

    Example: of six values, all but one time in 32 the median is between the smallest and the largest.

    >>> median_interval([3.0, 1.0, 4.0, 1.5, 9.0, 2.6])
    Interval(low=1.0, high=9.0)
    """
    ordered, count = sorted(values), len(values)
    outside = 0
    while 2 * special.bdtr(outside, count, 0.5) <= 1 - level:
        outside += 1
    if not outside:
        return Interval(-math.inf, math.inf)
    return Interval(ordered[outside - 1], ordered[count - outside])


def _in_turns(
    trial: TrialRecord,
    baseline: TrialRecord,
    name: str,
    executions: Collection[int],
    measurements: Sequence[CostMeasurement],
) -> CostRatio | None:
    """Returns the ratio from a measurement in turns; None if there is none."""
    times: tuple[float, ...] = ()
    for measurement in measurements if name in _MICROSECONDS else ():
        by_trial = getattr(measurement, _MICROSECONDS[name])
        if trial.trial_id in by_trial and baseline.trial_id in by_trial:
            times, others = by_trial[trial.trial_id], by_trial[baseline.trial_id]
    if not times:
        return None
    logs = [math.log(own / other) for own, other in zip(times, others, strict=True)]
    middle, interval = statistics.median(logs), median_interval(logs)
    if name != "inference_microseconds":
        epochs = _log_ratios(_num_epochs(trial, executions), _num_epochs(baseline, executions))
        if np.any(epochs):
            middle, interval = _sum(middle, interval, float(epochs.mean()), _interval(epochs))
    return CostRatio(math.exp(middle), _exp(interval), in_turns=True)


def _paired(trial: TrialRecord, baseline: TrialRecord, name: str, executions: Collection[int]) -> CostRatio | None:
    """Returns the ratio over executions that both completed; None if there are none."""
    logs = _log_ratios(_costs(trial, name, executions), _costs(baseline, name, executions))
    if not logs.size:
        return None
    interval = Interval(logs.min(), logs.max()) if COST_UNITS[name].is_counted else _interval(logs)
    return CostRatio(math.exp(float(logs.mean())), _exp(interval))


def _interval(logs: np.ndarray) -> Interval:
    return mean_interval(logs) if logs.size >= MIN_PAIRS else Interval(-math.inf, math.inf)


def _sum(first: float, of_first: Interval, second: float, of_second: Interval) -> tuple[float, Interval]:
    """Adds two independent estimates; the distances from the ends of their intervals add up in squares."""
    total = first + second
    below = math.hypot(first - of_first.low, second - of_second.low)
    return total, Interval(total - below, total + math.hypot(of_first.high - first, of_second.high - second))


def _exp(interval: Interval) -> Interval:
    """Returns the interval of the ratio from that of its logarithm."""
    if not (math.isfinite(interval.low) and interval.high < 700):
        return NO_INTERVAL
    return Interval(math.exp(interval.low), math.exp(interval.high))


def _log_ratios(own: dict[int, float], other: dict[int, float]) -> np.ndarray:
    return np.log([own[n] / other[n] for n in sorted(own.keys() & other.keys())])


def _num_epochs(trial: TrialRecord, executions: Collection[int]) -> dict[int, float]:
    return {e.execution: e.num_epochs for e in trial.completed if e.execution in executions and e.num_epochs}


def _costs(trial: TrialRecord, name: str, executions: Collection[int]) -> dict[int, float]:
    costs = {}
    for execution in trial.completed:
        value = getattr(execution.resources, name, None)
        if execution.execution in executions and value is not None and math.isfinite(value) and value > 0:
            costs[execution.execution] = float(value)
    return costs
