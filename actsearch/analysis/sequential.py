"""Student's t test repeated after every seed: the level of each look.

Looking after every seed multiplies the chances of a false finding. An error-spending function (Lan & DeMets 1983)
distributes the level over the looks; here α (n / N)² has been spent after n of at most N differences, which is between
Pocock's and O'Brien & Fleming's (power family, Kim & DeMets 1987).

The boundary is exact for normal differences of unknown variance, from the third difference on. With
Rₙ = Σd / √Σd², under a mean of zero the direction of (d₁ … dₙ) is independent of its length, so Rₙ is a Markov chain:
Rₙ₊₁ = Rₙ cos θ + sin θ with √n tan θ ~ tₙ, independent of the past. Its crossing probabilities follow by
recursion over a grid (Armitage, McPherson & Rowe 1969, for the z test). A mean below zero crosses less often.
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]
FIRST_LOOK = 3
SPENDING_POWER = 2.0
_EDGES = np.arange(-3.5, 7.01, 0.05)  # in standard normal scores; below them, crossing later is negligible


@lru_cache(maxsize=64)
def nominal_levels(levels: tuple[float, ...], max_looks: int, spending: float = SPENDING_POWER) -> Array:
    """Computes the one-sided level of each look, such that the chance of a false finding over all looks is `levels`.

    Reject at look n, after n differences, if the p value of the one-sided t test with n - 1 degrees of freedom is at
    most the entry. Entries before the third look are 0, so nothing is rejected there.

    Args:
        levels: Overall one-sided levels, in any order.
        max_looks: Maximum number of differences, N.
        spending: Exponent of the spending function; 3 is close to O'Brien & Fleming's, 1 to Pocock's.

    Returns:
        Array of shape (max_looks + 1, number of levels), indexed by n.

    Example:

    >>> table = nominal_levels((0.025,), 20)
    >>> table[[2, 5, 10, 20], 0].round(4).tolist()
    [0.0, 0.0007, 0.0026, 0.0117]
    """
    alpha = np.array(levels, dtype=float)
    table = np.zeros((max_looks + 1, alpha.size))
    alive = np.tile(special.ndtr(-_EDGES), (alpha.size, 1))
    spent = 0.0
    for n in range(FIRST_LOOK, max_looks + 1):
        share = (n / max_looks) ** spending
        step, spent = alpha * (share - spent), share
        boundary = np.array([_crossing(a, s) for a, s in zip(alive, step, strict=True)])
        table[n] = special.ndtr(-boundary)
        if n < max_looks:
            alive = np.maximum(alive - step[:, None], 0.0)
            alive = (alive[:, :-1] - alive[:, 1:]) @ _transition(n)
    table.setflags(write=False)
    return table


def _crossing(above: Array, probability: float) -> float:
    """Returns the normal score that paths not yet stopped exceed with this probability."""
    return float(np.interp(-math.log(probability), -np.log(np.maximum(above, 1e-300)), _EDGES))


@lru_cache(maxsize=256)
def _transition(n: int) -> Array:
    """Computes P(score after n + 1 differences > edge | score after n at the centre of a cell), (cells, edges)."""
    r = _ratio((_EDGES[1:] + _EDGES[:-1]) / 2, n)[:, None]
    s = _ratio(_EDGES, n + 1)[None, :]
    centre = np.arctan2(1.0, r)
    reach = np.arccos(np.clip(s / np.sqrt(1 + r**2), -1, 1))
    upper = np.minimum(centre + reach, np.pi / 2)
    lower = np.clip(centre - reach, -np.pi / 2, np.pi / 2)
    return special.stdtr(n, math.sqrt(n) * np.tan(upper)) - special.stdtr(n, math.sqrt(n) * np.tan(lower))


def _ratio(score: Array, n: int) -> Array:
    """Returns Σd / √Σd² of n differences whose t statistic has the same p value as this normal score."""
    t = special.stdtrit(n - 1, special.ndtr(score))
    return t * math.sqrt(n) / np.sqrt(n - 1 + t**2)
