"""Allocations decide which trial gets the next execution: a fixed number each, successive halving, or a race.

An allocation does not depend on Keras: it is asked for a trial and the number of an execution, and receives the score.
"""

from actsearch.analysis.results import Action, Decision
from actsearch.errors import UnknownNameError, UsageError
from actsearch.tuning.allocation.base import Allocation
from actsearch.tuning.allocation.strategies import Fixed, Halving, Race

__all__ = ["Action", "Allocation", "Decision", "Fixed", "Halving", "Race", "get"]

_BY_NAME: dict[str, type[Fixed] | type[Halving] | type[Race]] = {"fixed": Fixed, "halving": Halving, "race": Race}


def get(allocation: str | Allocation, *, executions: int | None = None) -> Allocation:
    """Looks up an allocation by name, like `keras.optimizers.get`.

    Args:
        allocation: `fixed`, `halving`, `race`, or an `Allocation`, which is returned unchanged.
        executions: Trainings of each trial, for `fixed` and `halving` by name; None for their default.

    Returns:
        The allocation.

    Raises:
        UnknownNameError: No allocation has that name.
        UsageError: `executions` would be ignored, or is not a whole number of at least 1.

    Example:

    >>> get("fixed", executions=5).numbers
    {'executions': 5}
    """
    if isinstance(allocation, Allocation):
        if executions is not None:
            name = type(allocation).__name__
            raise UsageError(
                f"executions={executions} would be ignored: the {name} object has its own number. Omit it."
            )
        return allocation
    if allocation not in _BY_NAME:
        raise UnknownNameError("allocation", allocation, _BY_NAME)
    if executions is None:
        return _BY_NAME[allocation]()
    if allocation == "race":
        raise UsageError(
            f"executions={executions} would be ignored: a race decides itself how many times each trial is trained. "
            f"Omit it, or limit the race: Race(max_executions={executions}), on the command line --max-executions."
        )
    return _BY_NAME[allocation](executions)
