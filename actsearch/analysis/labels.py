"""What trials are called in tables and pictures."""

from collections.abc import Sequence

from actsearch.analysis.units import PRICE_UNITS
from actsearch.records import Direction, Objective, SearchRecord, TrialRecord


def trial_label(search: SearchRecord, trial: TrialRecord) -> str:
    """The activation; where it has several settings, also the values that tell them apart."""
    same = [t.hyperparameters for t in search.trials if t.activation == trial.activation]
    names = [n for n in trial.hyperparameters if len({repr(values.get(n)) for values in same}) > 1]
    values = ", ".join(f"{n}={_value(trial.hyperparameters[n])}" for n in names)
    return f"{trial.activation} ({values})" if values else trial.activation


def objective_label(objective: Objective) -> str:
    """The objective and its direction, as a label of an axis."""
    better = "larger" if objective.direction is Direction.MAX else "smaller"
    return f"{metric_label(objective.name)} ({better} is better)"


def metric_label(metric: str) -> str:
    """A metric in words."""
    return metric.replace("_", " ")


def price_label(price: str) -> str:
    """A price with its unit, as a label of an axis.

    Example:

    >>> price_label("peak_rss_bytes"), price_label("num_parameters")
    ('peak memory (MiB)', 'parameters (number)')
    """
    return f"{PRICE_UNITS[price].name} ({PRICE_UNITS[price].unit})"


def number_range(numbers: Sequence[int]) -> str:
    """Numbers of executions in words.

    Example:

    >>> number_range([1, 2, 3]), number_range([1, 3, 4, 7])
    ('1-3', '1, 3-4, 7')
    """
    parts = list[list[int]]()
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], number]
        else:
            parts.append([number])
    return ", ".join("-".join(map(str, part)) for part in parts)


def _value(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
