"""What a trial costs, as a multiple of the baseline, and which trials no other beats in both score and price."""

import math
from collections.abc import Collection, Mapping

import numpy as np

from actsearch.analysis.findings import PRICES, Ratio
from actsearch.analysis.statistics import mean_interval
from actsearch.records import TrialRecord


def price_ratios(trial: TrialRecord, baseline: TrialRecord, executions: Collection[int]) -> dict[str, Ratio]:
    """The ratio of each price over the executions that both completed.

    Geometric means, and t intervals of the paired log ratios, each at 95 % for itself.

    Args:
        trial, baseline: The two trials.
        executions: The numbers of the executions to use.
    """
    ratios = {}
    for name in PRICES:
        own, other = _costs(trial, name, executions), _costs(baseline, name, executions)
        logs = np.log([own[n] / other[n] for n in sorted(own.keys() & other.keys())])
        if logs.size:
            interval = mean_interval(logs)
            low, high = (math.exp(x) if x < 700 else math.inf for x in (interval.low, interval.high))
            ratios[name] = Ratio(math.exp(float(logs.mean())), type(interval)(low, high))
    return ratios


def pareto_front(points: Mapping[str, tuple[float, float]]) -> tuple[str, ...]:
    """Those that no other beats: of (score, price), larger score and smaller price are better; cheapest first.

    Example:

    >>> pareto_front({"relu": (0.90, 1.0), "elu": (0.92, 1.2), "mish": (0.91, 2.0)})
    ('relu', 'elu')
    """

    def beaten(name: str) -> bool:
        score, price = points[name]
        return any(s >= score and p <= price and (s > score or p < price) for n, (s, p) in points.items() if n != name)

    return tuple(sorted((n for n in points if not beaten(n)), key=lambda n: points[n][1]))


def mean_price(trial: TrialRecord, name: str, executions: Collection[int]) -> float | None:
    """The mean of a price over these executions; None where it was not measured."""
    costs = _costs(trial, name, executions)
    return sum(costs.values()) / len(costs) if costs else None


def _costs(trial: TrialRecord, name: str, executions: Collection[int]) -> dict[int, float]:
    found = {}
    for execution in trial.completed:
        value = getattr(execution.resources, name, None)
        if execution.execution in executions and value is not None and math.isfinite(value) and value > 0:
            found[execution.execution] = float(value)
    return found
