"""The numbers of a search: checked once, and written into the ledger."""

from dataclasses import asdict, dataclass
from typing import Any

from actsearch.errors import UnknownNameError, UsageError
from actsearch.records import Objective
from actsearch.tuning.allocation import Allocation, make_allocation

SCREENS = ("off", "report", "skip")


@dataclass(frozen=True)
class Settings:
    """What `ActivationTuner` is asked for beside model, space and data; see there.

    Raises:
        UsageError: A number that cannot be.
    """

    seed: int
    executions: int
    allocation: str
    max_executions: int
    alpha: float
    margin: float | None
    time_budget: float | None
    epochs: int
    batch_size: int
    max_trials: int | None
    screen: str
    health: bool

    def __post_init__(self) -> None:
        for name in ("executions", "max_executions", "epochs", "batch_size", "max_trials"):
            value = getattr(self, name)
            wrong = not isinstance(value, int) or isinstance(value, bool) or value < 1
            if wrong and not (name == "max_trials" and value is None):
                raise UsageError(f"{name} must be a whole number from 1 on, not {value!r}.")
        if not isinstance(self.seed, int) or not 0 <= self.seed < 2**31:
            raise UsageError(f"seed must be a whole number from 0 to 2147483647, not {self.seed!r}.")
        if self.screen not in SCREENS:
            raise UnknownNameError("screen", self.screen, SCREENS)
        if self.time_budget is not None and not self.time_budget > 0:
            raise UsageError(f"time_budget must be above 0 seconds, not {self.time_budget!r}.")

    def make_allocation(self, objective: Objective) -> Allocation:
        """The allocation that these numbers mean."""
        return make_allocation(
            self.allocation,
            objective,
            executions=self.executions,
            max_executions=self.max_executions,
            alpha=self.alpha,
            margin=self.margin,
        )

    def plain(self) -> dict[str, Any]:
        """Plain data for the ledger."""
        return asdict(self)
