"""Records of searches over several hyperparameters, whose scores follow from a formula."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from actsearch.records import SearchRecord
from tests.helpers.factories import search, trial

ACTIVATIONS = ("relu", "elu", "selu", "tanh")
GRID = {"activation": ACTIVATIONS, "learning_rate": (0.0003, 0.001, 0.003), "units": (32, 128), "layers": (2, 4)}
Values = Mapping[str, Any]


def grid(space: Mapping[str, Sequence[Any]] = GRID) -> list[dict[str, Any]]:
    """All combinations of values."""
    return [dict(zip(space, values, strict=True)) for values in product(*space.values())]


def random_values(count: int, *, seed: int = 0) -> list[dict[str, Any]]:
    """Values as a random oracle proposes them: an activation, a logarithmic learning rate, and a number of units."""
    rng = np.random.default_rng(seed)
    return [
        {
            "activation": ACTIVATIONS[rng.integers(len(ACTIVATIONS))],
            "learning_rate": float(10 ** rng.uniform(-4, -2)),
            "units": int(rng.integers(16, 128)),
        }
        for _ in range(count)
    ]


def joint_search(
    values: Sequence[Values],
    score: Callable[[Values], float],
    *,
    noise: float = 0.0,
    of_seeds: float = 0.0,
    executions: int = 3,
    seed: int = 0,
    **options: Any,
) -> SearchRecord:
    """A search with a trial for each set of values.

    Args:
        values: Values of the trials.
        score: Expected score of a trial.
        noise: Standard deviation of an execution's own noise.
        of_seeds: Standard deviation of what executions of the same number share.
        executions: Number of executions of each trial.
        seed: Seed of the noise.
    """
    rng = np.random.default_rng(seed)
    shared = of_seeds * rng.standard_normal(executions)
    trials = []
    for number, each in enumerate(values):
        scores = score(each) + shared + noise * rng.standard_normal(executions)
        label = each.get("activation", "relu")
        trials.append(trial(f"{number:03}", label, scores.tolist(), hyperparameters=dict(each)))
    return search(trials, **options)
