"""Equal candidates whose values are drawn instead of trained: few samples, heavy tails, skew, rare differences.

Each value is the sum of an effect of its sample, one of its execution, and noise, as in a search whose 180 samples
leave 36 to test on. Test parts are of equal sizes, or between a third and five thirds of it.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from actsearch.analysis.differences import Differences, pooled
from actsearch.analysis.statistics import Array, mean_interval

SAMPLES, TESTED, CANDIDATES, TRAINING = 180, 36, 4, 0.1
Draw = Callable[[np.random.Generator, int], Array]
DRAWS: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "Student, 2.1 degrees of freedom": lambda rng, n: rng.standard_t(2.1, n),
    "exponential to the power 1.5": lambda rng, n: rng.exponential(size=n) ** 1.5 - 1.32934,
    "different in 6 % of samples": lambda rng, n: rng.choice([-1.0, 0.0, 1.0], n, p=[0.03, 0.94, 0.03]),
}
CASES = [("each", 3, False), ("each", 3, True), ("each", 10, False), ("each", 10, True), ("one", 3, False)]
CASES += [("one", 10, False)]


def stressed(searches: int) -> Iterator[dict[str, Any]]:
    """Yields a row for each kind of draws, division and number of executions."""
    for name, draw in DRAWS.items():
        for splits, executions, unequal in CASES:
            rng = np.random.default_rng(36)
            families = [_family(rng, draw, splits, executions, unequal) for _ in range(searches)]
            ours = [0.0 in found.interval(0.95) for family in families for found in pooled(family)]
            unpooled = [0.0 in found.interval(0.95) for family in families for found in family]
            student = [0.0 in mean_interval(found.means) for family in families for found in family]
            coverage = {"ours": ours, "unpooled": unpooled, "student": student}
            yield {
                "values": name,
                "splits": splits,
                "executions": executions,
                "test_parts": "unequal" if unequal else "equal",
                "coverage": {method: round(float(np.mean(covers)), 4) for method, covers in coverage.items()},
            }


def _family(rng: np.random.Generator, draw: Draw, splits: str, executions: int, unequal: bool) -> list[Differences]:
    first = rng.permutation(SAMPLES)[:TESTED]
    shares = rng.uniform(1 / 3, 5 / 3, executions) if unequal else np.ones(executions)
    parts = [first if splits == "one" else rng.permutation(SAMPLES)[: round(TESTED * share)] for share in shares]
    found = []
    for _ in range(CANDIDATES):
        of_samples, of_trainings = draw(rng, SAMPLES), rng.normal(0, TRAINING, executions)
        values = [
            of_samples[part] + effect + draw(rng, len(part)) for part, effect in zip(parts, of_trainings, strict=True)
        ]
        found.append(Differences(np.array([v.mean() for v in values]), tuple(zip(parts, values, strict=True))))
    return found
