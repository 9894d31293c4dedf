"""Formats values of an objective, as points of accuracy or as plain numbers, and costs with their units."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from actsearch.records import Direction, Objective, SearchRecord, Task, TrialRecord

SHARES = frozenset({"accuracy", "acc", "auc", "f1", "fbeta", "precision", "recall", "iou", "dice"})
POINTS_MARGIN = 0.005
RELATIVE_MARGIN = 0.01


class CostUnit(NamedTuple):
    """The name and unit of a cost, how many recorded units make up one of this unit, and whether it is exact.

    What is counted is the same in every execution; other costs are measured.
    """

    name: str
    unit: str
    scale: float = 1.0
    is_counted: bool = False

    def text(self, value: float) -> str:
        """Formats a value given in the recorded unit.

        Example:

        >>> COST_UNITS["training_memory_bytes"].text(191_628), COST_UNITS["train_seconds"].text(0.187)
        ('0.183', '0.19')
        """
        value /= self.scale
        if value >= 100 or value == 0:
            return f"{value:,.0f}"
        return f"{value:.2g}" if value < 1 and not self.is_counted else f"{value:.3g}"


COST_UNITS = {
    "train_seconds": CostUnit("training time", "s"),
    "training_memory_bytes": CostUnit("training memory", "MiB", 2.0**20, is_counted=True),
    "inference_microseconds": CostUnit("inference", "µs a sample"),
    "flops_per_sample": CostUnit("FLOPs", "millions a sample", 1e6, is_counted=True),
    "num_parameters": CostUnit("parameters", "number", is_counted=True),
    "cpu_seconds": CostUnit("CPU time", "s"),
    "peak_rss_bytes": CostUnit("peak memory of the process", "MiB", 2.0**20),
}


@dataclass(frozen=True)
class Units:
    """The units of an objective.

    Args:
        objective: Name and direction.
        level: Typical value, the baseline's mean: an accuracy that runs from 0 to 100 is not a share.

    Example:

    >>> units = Units(Objective("val_accuracy", Direction.MAX), level=0.97)
    >>> units.difference(0.0123), units.interval(0.007, 0.018), units.default_margin
    ('+1.2 points', '[0.7, 1.8]', 0.005)
    """

    objective: Objective
    level: float

    @property
    def in_points(self) -> bool:
        """Whether the objective is a share between 0 and 1, whose differences are written in points."""
        named = not SHARES.isdisjoint(self.objective.name.lower().split("_"))
        return named and self.objective.direction is Direction.MAX and 0 <= self.level <= 1

    @property
    def default_margin(self) -> float:
        """The difference that does not matter: half a point of a share, else 1 % of the typical value."""
        return POINTS_MARGIN if self.in_points else RELATIVE_MARGIN * abs(self.level)

    @property
    def sign(self) -> int:
        """Factor that orients a value so that larger is better."""
        return 1 if self.objective.direction is Direction.MAX else -1

    @property
    def metric(self) -> str:
        """The objective's name in words."""
        return self.objective.name.replace("_", " ")

    def signed(self, value: float) -> str:
        """Formats a gain where its heading says so: `+1.2 points`, or `+0.1` for a loss that is lower by 0.1."""
        return f"{self._number(value, sign=True)}{' points' if self.in_points else ''}"

    def difference(self, value: float, score: str = "") -> str:
        """Formats a gain in a sentence: + is better, for a loss too, so there it is called a gain.

        Args:
            value: Oriented difference.
            score: The name of the score, if it is not clear from the context.

        Example:

        >>> Units(Objective("val_mae", Direction.MIN), level=0.6).difference(0.031, "test mae")
        'gain +0.031 in test mae'
        >>> Units(Objective("val_accuracy", Direction.MAX), level=0.9).difference(0.012, "test accuracy")
        '+1.2 points of test accuracy'
        """
        text = self.signed(value) if self.in_points else f"gain {self.signed(value)}"
        return text + self._of(score)

    def interval(self, low: float, high: float) -> str:
        """Formats the interval of a gain."""
        return f"[{self._number(low)}, {self._number(high)}]"

    def margin(self, value: float, score: str = "") -> str:
        """Formats a margin, with the name of the score if it is given."""
        text = f"{self._number(value)} points" if self.in_points else f"{self._number(value)}"
        return text + self._of(score)

    def score(self, value: float) -> str:
        """Formats a value of the objective itself, not oriented."""
        return f"{value:.4f}" if self.in_points else f"{value:.4g}"

    def _of(self, score: str) -> str:
        return f" {'of' if self.in_points else 'in'} {score}" if score else ""

    def _number(self, value: float, *, sign: bool = False) -> str:
        plus = "+z" if sign else "z"  # z: no minus before a difference that is rounded to 0
        if math.isnan(value):
            return "unknown"
        if math.isinf(value):
            return "∞" if value > 0 else "-∞"
        if not self.in_points:
            return f"{value:{plus}.3g}"
        points = 100 * value
        return f"{points:{plus}.1f}" if abs(points) >= 0.1 or points == 0 else f"{points:{plus}.2f}"


def trial_label(search: SearchRecord, trial: TrialRecord) -> str:
    """Labels a trial by its activation and, if that has several configurations, the values that distinguish them."""
    varying = search.varying.get(trial.activation, set())
    names = [name for name in trial.hyperparameters if name in varying]
    values = ", ".join(f"{n}={value_text(trial.hyperparameters[n])}" for n in names)
    return f"{trial.activation} ({values})" if values else trial.activation


def configuration_label(search: SearchRecord, trial: TrialRecord) -> str:
    """Labels a trial by its activation and all other hyperparameters that vary in the search."""
    values = ", ".join(f"{n}={value_text(trial.hyperparameters[n])}" for n in _configured(search, trial))
    return f"{trial.activation} ({values})" if values else trial.activation


def other_values(search: SearchRecord, trial: TrialRecord, other: TrialRecord) -> dict[str, tuple[str, str]]:
    """Returns the hyperparameters besides the activation in which two trials differ, with the values of both."""
    names = dict.fromkeys([*_configured(search, trial), *_configured(search, other)])
    both = {n: tuple(value_text(t.hyperparameters.get(n, "none")) for t in (trial, other)) for n in names}
    return {name: (own, others) for name, (own, others) in both.items() if own != others}


def _configured(search: SearchRecord, trial: TrialRecord) -> list[str]:
    """Names the hyperparameters of a trial that vary and that its activation does not show."""
    own, found = search.varying.get(trial.activation, set()), []
    for name, value in trial.hyperparameters.items():
        is_shown = name.split(".")[0] in ("activation", *re.findall(r"\w+", trial.activation))
        values = [t.hyperparameters[name] for t in search.trials if name in t.hyperparameters]
        if name in own or (not is_shown and "/" not in name and any(each != value for each in values)):
            found.append(name)
    return found


def objective_label(objective: Objective, name: str = "") -> str:
    """Labels an axis with the objective, or another name of its values, and its direction."""
    better = "larger" if objective.direction is Direction.MAX else "smaller"
    return f"{name or metric_label(objective.name)} ({better} is better)"


def metric_label(metric: str) -> str:
    """Formats the name of a metric in words."""
    return metric.replace("_", " ")


def error_unit(search: SearchRecord) -> str:
    """States in which unit the errors of a regression are; empty where that is not known, or there are none.

    Example: the target of a file is standardised.

    >>> data = {"task": "regression", "target_sd": 77.13}
    >>> record = SearchRecord("s", "ages", Objective("val_mae", Direction.MIN), "relu", 0.0, data=data)
    >>> print(error_unit(record))
    The target is standardised: an error of 1 is one standard deviation of it, 77.13 in its own unit; squared errors
    are in squares of that.
    """
    sd = search.data.get("target_sd")
    if sd is None or search.data.get("task") != Task.REGRESSION:
        return ""
    if sd == 1.0:
        return "The target is as given: errors are in its own unit, squared errors are in squares of that."
    one = f"one standard deviation of it, {sd:.4g} in its own unit"
    return f"The target is standardised: an error of 1 is {one}; squared errors are in squares of that."


def cost_label(cost: str) -> str:
    """Labels an axis with a cost and its unit.

    Example:

    >>> cost_label("peak_rss_bytes"), cost_label("num_parameters")
    ('peak memory of the process (MiB)', 'parameters (number)')
    """
    return f"{COST_UNITS[cost].name} ({COST_UNITS[cost].unit})"


def settling(*more_executions: int | None) -> str:
    """States how many more executions would settle a comparison, or each of several; empty if that is unknown.

    Example:

    >>> settling(12), settling(1), settling(None)
    ('about 12 more executions would settle it', 'about 1 more execution would settle it', '')
    >>> settling(12, 123, None)
    'about 12 to 130 more executions would settle each'
    """
    known = [more for more in more_executions if more is not None]
    if not known:
        return ""
    ending = "execution" if max(known) == 1 else "executions"
    return f"about {_counts(known)} more {ending} would settle {'it' if len(known) == 1 else 'each'}"


def lacking_data(num_samples: int, *samples_needed: int) -> str:
    """States how many samples would settle a comparison, or each of several, that more executions would not.

    Example:

    >>> lacking_data(114, 873)
    'about 880 samples would settle it (there are 114); more executions would not'
    >>> lacking_data(114, 873, 2100)
    'about 880 to 2,100 samples would settle each (there are 114); more executions would not'
    """
    what = "it" if len(samples_needed) == 1 else "each"
    there = f"(there are {num_samples:,}); more executions would not"
    return f"about {_counts(samples_needed)} samples would settle {what} {there}"


def _counts(counts: Sequence[int]) -> str:
    low, high = rounded_up(min(counts)), rounded_up(max(counts))
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def rounded_up(count: int) -> int:
    """Rounds an estimate up to two digits.

    Example:

    >>> rounded_up(37), rounded_up(873)
    (37, 880)
    """
    step = 10 ** max(len(str(count)) - 2, 0)
    return -(-count // step) * step


def number_range(numbers: Sequence[int]) -> str:
    """Formats numbers of executions as ranges.

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


def value_text(value: object) -> str:
    """Formats the value of a hyperparameter."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def capitalized(text: str) -> str:
    """Returns a text with a capital first letter."""
    return text[:1].upper() + text[1:]


def joined(names: Sequence[str]) -> str:
    """Joins names as in a sentence.

    Example:

    >>> joined(["relu", "elu", "selu"])
    'relu, elu and selu'
    """
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
