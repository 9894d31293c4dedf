"""How the chance of a wrong claim is spent over the looks at a search that goes on.

Who looks at a verdict and then adds executions has several chances of a wrong claim. So the first look at a search
spends four fifths of alpha, and each look after an extension four fifths of what is left: searches that are looked at
once lose little, and any number of extensions stays below alpha. A race spends its share over its seeds, in proportion
to (n / N)².

The level of a look follows from the shares and from how much two looks have in common (Lan & DeMets 1983); it is
computed for Student's t over independent differences. Differences on one data set have more in common, so there the
chance of a wrong claim is smaller (`benchmarks/looks.py`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from actsearch.analysis.results import Comparison, Outcome
from actsearch.analysis.statistics import Interval

Array = NDArray[np.float64]
FIRST_LOOK = 3
FIRST_SHARE = 0.8
SPENDING_POWER = 2.0
MANY = 50  # differences; from there on, t is taken for normal, which is a hundred times faster
_SHOWN = "already shown over the first"
_EDGES = np.arange(-3.5, 7.01, 0.05)  # in standard normal scores; below them, crossing later is negligible


@dataclass(frozen=True)
class Looks:
    """Looks at a search: one after `last` seeds, or with `every` one after each seed since the plan before."""

    last: int
    every: bool = False


def spending(plans: Sequence[Looks]) -> tuple[float, ...]:
    """Returns the share of alpha that is spent after n seeds, for n from 0 to the last look.

    Args:
        plans: The looks, in their order.

    Example:

    >>> [round(share, 3) for share in spending([Looks(3), Looks(6)])]
    [0.0, 0.0, 0.0, 0.8, 0.8, 0.8, 0.96]
    """
    spent = [0.0]
    for plan in plans:
        before, num_before = spent[-1], len(spent) - 1
        share = FIRST_SHARE * (1 - before)
        for n in range(num_before + 1, plan.last + 1):
            part = ((n - num_before) / (plan.last - num_before)) ** SPENDING_POWER if plan.every else n == plan.last
            spent.append(before + share * part if n >= FIRST_LOOK else 0.0)
    return tuple(spent)


@lru_cache(maxsize=64)
def nominal_levels(levels: tuple[float, ...], spent: tuple[float, ...]) -> Array:
    """Computes the one-sided level of each look, such that the chance of a false finding over all looks is `levels`.

    Reject at look n, after n differences, if the p value of the one-sided t test with n - 1 degrees of freedom is at
    most the entry. Entries where nothing is spent, and before the third difference, are 0: nothing is rejected there.

    Args:
        levels: Overall one-sided levels, in any order.
        spent: Share of the level that is spent after n differences, from n = 0.

    Returns:
        Array of shape (number of entries of `spent`, number of levels), indexed by n.

    Example:

    >>> race = tuple((n / 20) ** 2 if n >= FIRST_LOOK else 0.0 for n in range(21))
    >>> nominal_levels((0.025,), race)[[2, 5, 10, 20], 0].round(4).tolist()
    [0.0, 0.0007, 0.0026, 0.0117]
    """
    alpha = np.array(levels, dtype=float)
    table = np.zeros((len(spent), alpha.size))
    alive = np.tile(special.ndtr(-_EDGES), (alpha.size, 1))
    before, at = 0.0, FIRST_LOOK
    for n in range(FIRST_LOOK, len(spent)):
        step, before = alpha * (spent[n] - before), spent[n]
        if n > MANY and not step.any():
            continue
        if n > at:
            move = _transition(at) if n <= MANY else _normal_transition(at / n)
            alive, at = (alive[:, :-1] - alive[:, 1:]) @ move, n
        if step.any():
            boundary = np.array([_crossing(a, s) for a, s in zip(alive, step, strict=True)])
            table[n] = special.ndtr(-boundary)
            alive = np.maximum(alive - step[:, None], 0.0)
    table.setflags(write=False)
    return table


def _crossing(above: Array, probability: float) -> float:
    """Returns the normal score that paths not yet stopped exceed with this probability."""
    return float(np.interp(-math.log(probability), -np.log(np.maximum(above, 1e-300)), _EDGES))


@lru_cache(maxsize=64)
def _transition(n: int) -> Array:
    """Computes P(score after n + 1 differences > edge | score after n at the centre of a cell), (cells, edges)."""
    r = _ratio((_EDGES[1:] + _EDGES[:-1]) / 2, n)[:, None]
    s = _ratio(_EDGES, n + 1)[None, :]
    centre = np.arctan2(1.0, r)
    reach = np.arccos(np.clip(s / np.sqrt(1 + r**2), -1, 1))
    upper = np.minimum(centre + reach, np.pi / 2)
    lower = np.clip(centre - reach, -np.pi / 2, np.pi / 2)
    return special.stdtr(n, math.sqrt(n) * np.tan(upper)) - special.stdtr(n, math.sqrt(n) * np.tan(lower))


def _normal_transition(share: float) -> Array:
    """Computes P(later score > edge | score at the centre of a cell) of means of many differences, (cells, edges).

    Args:
        share: Number of differences before, as a share of those later.
    """
    centres = (_EDGES[1:] + _EDGES[:-1])[:, None] / 2
    return np.asarray(special.ndtr((math.sqrt(share) * centres - _EDGES) / math.sqrt(1 - share)))


def _ratio(score: Array, n: int) -> Array:
    """Returns Σd / √Σd² of n differences whose t statistic has the same p value as this normal score."""
    t = special.stdtrit(n - 1, special.ndtr(score))
    return t * math.sqrt(n) / np.sqrt(n - 1 + t**2)


def keep_claim(now: Comparison, before: Comparison | None, *, has_new_pairs: bool = True) -> Comparison:
    """Returns a comparison with what was claimed at an earlier look, unless its interval or mean contradicts that now.

    The interval is what both have in common, and as far as the mean. Without new pairs, they stay as they were.

    Example:

    >>> before = Comparison("3", "selu", Outcome.BETTER, 0.2, Interval(0.1, 0.4), num_pairs=3)
    >>> now = Comparison("3", "selu", Outcome.UNDECIDED, 0.15, Interval(-0.1, 0.3), num_pairs=6)
    >>> kept = keep_claim(now, before)
    >>> kept.outcome.value, kept.interval, kept.reason
    ('better', Interval(low=0.1, high=0.3), 'already shown over the first 3 executions')
    """
    claims = (Outcome.BETTER, Outcome.EQUIVALENT, Outcome.WORSE)
    if before is not None and not has_new_pairs and now.outcome is before.outcome:
        return replace(now, interval=before.interval, p_value=before.p_value)
    if before is None or before.outcome not in claims or now.outcome in (before.outcome, Outcome.FAILED):
        return now
    low, high = max(now.interval.low, before.interval.low), min(now.interval.high, before.interval.high)
    newer = now.outcome in claims and before.outcome is not Outcome.EQUIVALENT
    unsound = now.num_failed > 0 and before.outcome is not Outcome.WORSE
    mean = now.difference if now.difference is not None else math.nan
    agrees = {
        Outcome.BETTER: mean > 0,
        Outcome.WORSE: mean < 0,
        Outcome.EQUIVALENT: mean in before.interval,
    }
    if newer or unsound or low > high or not agrees[before.outcome]:
        return now
    is_told = before.reason.startswith(_SHOWN) or not has_new_pairs
    shown = before.reason if is_told else f"{_SHOWN} {before.num_pairs} executions"
    interval = Interval(min(low, mean), max(high, mean))
    kept = replace(now, outcome=before.outcome, interval=interval, p_value=before.p_value, reason=shown)
    return replace(kept, more_executions=None, samples_needed=None)
