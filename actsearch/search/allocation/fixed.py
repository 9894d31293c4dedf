"""The same number of executions for every trial."""

from actsearch.errors import UsageError
from actsearch.search.allocation.base import Allocation


class Fixed(Allocation):
    """Every trial gets the same number of executions, seed by seed; trials may join at any time.

    Args:
        executions: Executions of each trial.

    Example:

    >>> grid = Fixed(2)
    >>> grid.add("relu"); grid.add("selu")
    >>> [grid.ask() for _ in range(4)]
    [('relu', 1), ('selu', 1), ('relu', 2), ('selu', 2)]
    """

    trials_may_join = True

    def __init__(self, executions: int) -> None:
        if executions < 1:
            raise UsageError(f"executions must be at least 1, not {executions}.")
        super().__init__()
        self._executions = executions

    def _limit(self, trial_id: str) -> int:  # noqa: ARG002
        return self._executions
