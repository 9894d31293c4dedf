"""Oracles, which propose trials: KerasTuner's by name, and our own grid."""

import itertools
import math
import random
from collections.abc import Iterator
from typing import Any

import keras_tuner
from keras_tuner.engine.hyperparameters import Float, HyperParameter, HyperParameters, Int

from actsearch._private import is_duplicate
from actsearch.errors import UnknownNameError, UsageError
from actsearch.records import Objective

MAX_GRID = 100_000
NAMES = ("grid", "random", "bayesian", "hyperband")


class GridOracle(keras_tuner.Oracle):
    """Proposes every combination of a finite space once.

    Values of parameters that are not active in a combination are omitted, so no two trials are the same. The first
    trial has every default: it is the baseline. If `max_trials` is below the size of the grid, the others come in an
    order drawn from the seed, so that no hyperparameter is explored before another.

    Args:
        objective: A `keras_tuner.Objective`.
        max_trials: Maximum number of trials; None for all combinations.
        seed: Seed of that order.
    """

    def __init__(
        self, objective: keras_tuner.Objective, *, max_trials: int | None = None, seed: int = 0, **options: Any
    ) -> None:
        super().__init__(objective=objective, max_trials=max_trials, seed=seed + 1, **options)
        self._known: tuple[int, list[dict[str, Any]]] = (-1, [])
        self._num_passed = 0  # combinations, from the first on, that trials have

    def populate_space(self, trial_id: str) -> dict[str, Any]:  # noqa: ARG002  KerasTuner's signature
        """Returns the next combination that no trial has; STOPPED if all were proposed."""
        for values in self._order()[self._num_passed :]:
            if not is_duplicate(self, values):
                return {"status": "RUNNING", "values": values}
            self._num_passed += 1
        return {"status": "STOPPED"}

    def _order(self) -> list[dict[str, Any]]:
        """Lists all combinations in the order of proposal; recomputed when a build adds hyperparameters."""
        if self._known[0] != len(self.hyperparameters.space):
            self._known, self._num_passed = (len(self.hyperparameters.space), self._combinations()), 0
        return self._known[1]

    def _combinations(self) -> list[dict[str, Any]]:
        size = grid_size(self.hyperparameters)
        if size is None or size > MAX_GRID:
            many = "is continuous" if size is None else f"has over {MAX_GRID:,} combinations"
            raise UsageError(
                f"This search space {many}: a grid cannot try them all. Use --oracle random with --max-trials, "
                "or give the ranges a step or a list of values."
            )
        first, *others = grid(self.hyperparameters)
        if self.max_trials is not None and self.max_trials < size:
            random.Random(self.seed).shuffle(others)
        return [first, *others]


def grid(space: HyperParameters) -> Iterator[dict[str, Any]]:
    """Yields every combination of active values; the default of each hyperparameter comes first."""

    def extend(position: int, hp: HyperParameters) -> Iterator[dict[str, Any]]:
        if position == len(space.space):
            yield dict(hp.values)
            return
        parameter = space.space[position]
        if not hp.is_active(parameter) or parameter.name in hp.values:
            yield from extend(position + 1, hp)
            return
        for value in _values(parameter):
            hp.values[parameter.name] = value
            yield from extend(position + 1, hp)
            del hp.values[parameter.name]

    empty = space.copy()
    empty.values = {}
    return extend(0, empty)


def grid_size(space: HyperParameters) -> int | None:
    """Counts the combinations, up to `MAX_GRID` + 1; None if a range of real numbers has no step."""
    if any(isinstance(hp, Float) and hp.step is None for hp in space.space):
        return None
    return sum(1 for _ in itertools.islice(grid(space), MAX_GRID + 1))


_INDIFFERENT = (GridOracle, keras_tuner.oracles.RandomSearchOracle)


def learns(oracle: keras_tuner.Oracle) -> bool:
    """Returns whether an oracle needs the score of each trial before it proposes the next."""
    return type(oracle) not in _INDIFFERENT


def num_planned(oracle: keras_tuner.Oracle) -> int | None:
    """Returns the number of trials that an oracle will propose; None if it is not known in advance."""
    size = grid_size(oracle.hyperparameters)
    known = [n for n in (oracle.max_trials, size) if n is not None]
    bounded = oracle.max_trials or isinstance(oracle, GridOracle)
    return min(known) if known and bounded else None


def _values(parameter: HyperParameter) -> list[Any]:
    if isinstance(parameter, Int) and parameter.step is None:
        values = list(range(parameter.min_value, parameter.max_value + 1))
    else:
        values = list(parameter.values)
    return [parameter.default, *(v for v in values if v != parameter.default)]


def check_max_trials(oracle: str | keras_tuner.Oracle | None, max_trials: int | None) -> None:
    """Raises a UsageError if the oracle would ignore `max_trials`."""
    if max_trials is None:
        return
    if isinstance(oracle, keras_tuner.Oracle):
        raise UsageError(
            f"max_trials={max_trials} would be ignored: the oracle has its own. Give it to {type(oracle).__name__}."
        )
    if oracle == "hyperband":
        raise UsageError(
            f"max_trials={max_trials} would be ignored: hyperband derives its number of trials from the number of "
            "epochs. Omit it, or use another oracle."
        )


def make_oracle(
    oracle: str | keras_tuner.Oracle | None,
    objective: Objective,
    *,
    space: HyperParameters,
    max_trials: int | None = None,
    epochs: int = 1,
    seed: int = 0,
) -> keras_tuner.Oracle:
    """Makes the oracle of a search.

    Args:
        oracle: One of `grid`, `random`, `bayesian`, `hyperband`; a KerasTuner oracle, which is returned unchanged; or
            None: `grid` if the space is finite, else `random`.
        objective: Objective of the search.
        space: Hyperparameters, as far as they are known.
        max_trials: Maximum number of trials; None for 20 in `random` and `bayesian`, and for no limit in `grid`.
        epochs: Epochs of an execution; the maximum that `hyperband` assigns.
        seed: Seed of the oracle's random draws.

    Returns:
        The oracle.

    Raises:
        UnknownNameError: No oracle has that name.
        UsageError: The oracle cannot search this space.
    """
    if isinstance(oracle, keras_tuner.Oracle):
        own = oracle.objective
        if (own.name, own.direction) != (objective.name, objective.direction.value):
            raise UsageError(
                f"The oracle optimizes {own.name} ({own.direction}), but the tuner {objective.name} "
                f"({objective.direction}). Give both the same: objective=keras_tuner.Objective({own.name!r}, ...)."
            )
        return oracle
    size = grid_size(space)
    if oracle is None:
        oracle = "grid" if size is not None and size <= MAX_GRID else "random"
    if oracle not in NAMES:
        raise UnknownNameError("oracle", oracle, NAMES)
    goal = keras_tuner.Objective(objective.name, objective.direction.value)
    common = {"objective": goal, "seed": seed + 1, "hyperparameters": space}  # KerasTuner discards a seed of 0
    if oracle == "grid":
        return GridOracle(goal, max_trials=max_trials, seed=seed, hyperparameters=space)
    if oracle == "random":
        return keras_tuner.oracles.RandomSearchOracle(max_trials=max_trials or 20, **common)
    if oracle == "bayesian":
        return keras_tuner.oracles.BayesianOptimizationOracle(max_trials=max_trials or 20, **common)
    _check_hyperband(size, epochs)
    return keras_tuner.oracles.HyperbandOracle(max_epochs=epochs, **common)


def _check_hyperband(size: int | None, epochs: int) -> None:
    """Raises a UsageError if hyperband would never halve: its first bracket needs enough different candidates."""
    if epochs < 3:
        raise UsageError(f"hyperband needs at least 3 epochs to halve over, not {epochs}. Use --oracle grid.")
    brackets = math.floor(math.log(epochs, 3) + 1e-9)
    first = math.ceil(math.ceil(1 + math.log(epochs, 3)) / (brackets + 1) * 3**brackets)
    if size is not None and size < first:
        raise UsageError(
            f"hyperband starts with {first} different candidates for {epochs} epochs, but this space has {size}: it "
            "would never halve. Use --oracle grid, which tries each of them, or a space with ranges, such as joint."
        )
