"""The allocation that a name and a few numbers mean."""

from actsearch.errors import UnknownNameError, UsageError
from actsearch.records import Objective
from actsearch.search.allocation.base import Allocation
from actsearch.search.allocation.fixed import Fixed
from actsearch.search.allocation.halving import Halving
from actsearch.search.allocation.race import Race

NAMES = ("fixed", "halving", "race")


def make_allocation(
    name: str,
    objective: Objective,
    *,
    executions: int = 3,
    max_executions: int = 30,
    alpha: float = 0.05,
    margin: float | None = None,
) -> Allocation:
    """The allocation of a search.

    Args:
        name: `fixed` (the same number for every trial), `halving` (more and more epochs for fewer and fewer trials), or
            `race` (until every trial is decided).
        objective: Name and direction of the scores.
        executions: Of each trial, in `fixed`; at each rung, in `halving`.
        max_executions: Of each trial, in `race`.
        alpha: The chance of wrong decisions, in `race`.
        margin: The difference that does not matter, in `race`.

    Raises:
        UnknownNameError: No allocation has that name.
        UsageError: A number that cannot be.

    Example:

    >>> from actsearch.records import Direction
    >>> type(make_allocation("race", Objective("val_accuracy", Direction.MAX))).__name__
    'Race'
    """
    if not 0 < alpha < 1:
        raise UsageError(f"alpha must lie between 0 and 1, not {alpha}.")
    if margin is not None and margin < 0:
        raise UsageError(f"margin must be 0 or more, not {margin}.")
    if name == "fixed":
        return Fixed(executions)
    if name == "halving":
        return Halving(objective, executions=executions)
    if name == "race":
        return Race(objective, alpha=alpha, margin=margin, max_executions=max_executions)
    raise UnknownNameError("allocation", name, NAMES)
