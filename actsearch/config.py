"""The configuration of a search: every number with its default, its check and its help text, in one place."""

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from actsearch.errors import UnknownNameError, UsageError

EXECUTIONS = 3
MAX_EXECUTIONS = 30
FACTOR = 3
RUNGS = 3
SCOPES = ("new data", "these data")
SCREENS = ("off", "report", "skip")
MAX_SEED = 2**31 - 1


def _number(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class SearchConfig:
    """The numbers that a search was started with; model, space and data are recorded separately.

    The tuner's signature, the command line and the ledger all take their numbers from here: a default is
    `SearchConfig.alpha`, a help text `help_of("alpha")`.

    Args:
        seed: Whole number from 0; data division, weights, dropout and the order of the data follow from it.
        executions: Trainings of each trial (at each rung, in `halving`); None in a race.
        allocation: `fixed`, `halving`, `race`, or the class name of a user-defined allocation.
        max_executions: Maximum number of trainings of a trial in a race; None elsewhere.
        factor, rungs: Reduction factor and number of rungs of `halving`; None elsewhere.
        alpha: Probability of any wrong claim, between 0 and 1.
        margin: Difference that does not matter, in the objective's unit; None for its default.
        splits: How the search divides its data: `each`, `one` or `k-fold`; None if the data was divided before.
        scope: What the verdict is to hold for: `new data`, or `these data`, for other seeds on the same samples.
        time_budget: Seconds after which no further seed is started; None for no limit.
        epochs: Epochs of an execution.
        batch_size: Samples in a batch, where the hyperparameters have no `batch_size`.
        max_trials: Maximum number of trials; None for no limit.
        oracle: Class of the oracle that proposes trials.
        screen: `off`, `report` or `skip`.
        register: Name under which MLflow registers the best model; None to register none.
        log_curves: Which executions have learning curves in MLflow: the `first` of each trial, or `all`.

    Raises:
        UsageError: A value is out of range; the message says which and why.

    Example:

    >>> SearchConfig(executions=5).executions, SearchConfig.epochs
    (5, 30)
    """

    seed: int = _number(0, "Random seed: the same seed gives the same numbers on a CPU.")
    executions: int | None = _number(EXECUTIONS, "Trainings of each trial, each with its own seed.")
    allocation: str = _number("fixed", "How executions are allocated to trials: fixed, halving or race.")
    max_executions: int | None = _number(MAX_EXECUTIONS, "Maximum number of trainings of a trial, in a race.")
    factor: int | None = _number(FACTOR, "Factor by which halving reduces the number of trials at each rung.")
    rungs: int | None = _number(RUNGS, "Number of rungs of halving.")
    alpha: float = _number(0.05, "Probability of any wrong claim in the verdict.")
    margin: float | None = _number(
        None, "Difference in the objective that does not matter: 0.01 is a point of accuracy."
    )
    splits: str | None = _number(None, "Divide the data for each execution (each), once (one), or in folds (5-fold).")
    scope: str = _number("new data", "What the verdict is to hold for: new data, or these data.")
    time_budget: float | None = _number(None, "Stop starting new seeds after this long.")
    epochs: int = _number(30, "Number of epochs of each execution.")
    batch_size: int = _number(32, "Number of samples in a batch.")
    max_trials: int | None = _number(None, "Maximum number of trials that the oracle may propose.")
    oracle: str | None = _number(None, "Oracle that proposes trials: grid, random, bayesian or hyperband.")
    screen: str = _number(
        "off", "Screening before training: off, report (name hopeless trials) or skip (do not train them)."
    )
    register: str | None = _number(None, "Register the best model in MLflow under this name.")
    log_curves: str = _number("first", "Executions with learning curves in MLflow: the first of each trial, or all.")

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            check_count(name, getattr(self, name))
        for name in ("executions", "max_executions", "max_trials", "factor", "rungs"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))
        check_count("seed", self.seed, least=0)
        if self.seed > MAX_SEED:
            raise UsageError(f"seed must be at most {MAX_SEED}, not {self.seed}.")
        if self.screen not in SCREENS:
            raise UnknownNameError("screen", self.screen, SCREENS)
        if self.scope not in SCOPES:
            raise UnknownNameError("scope", self.scope, SCOPES)
        if self.time_budget is not None and not self.time_budget > 0:
            raise UsageError(f"time_budget must be a number of seconds above 0, not {self.time_budget!r}.")
        check_alpha(self.alpha)
        check_margin(self.margin)

    def plain(self) -> dict[str, Any]:
        """Returns the numbers as plain data, without those that do not apply to this search."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def help_of(name: str) -> str:
    """Returns the help text of a field of `SearchConfig`.

    Example:

    >>> help_of("batch_size")
    'Number of samples in a batch.'
    """
    return next(str(each.metadata["help"]) for each in fields(SearchConfig) if each.name == name)


def check_alpha(alpha: Any) -> None:
    """Raises a UsageError unless `alpha` is a probability between 0 and 1."""
    if not isinstance(alpha, int | float) or not 0 < alpha < 1:
        raise UsageError(f"alpha must be a probability between 0 and 1, not {alpha!r}.")


def check_margin(margin: Any) -> None:
    """Raises a UsageError for a margin below 0; None means the default of the objective."""
    if margin is not None and not (isinstance(margin, int | float) and 0 <= margin < math.inf):
        raise UsageError(f"margin must be 0 or a positive number, not {margin!r}.")


def check_count(name: str, value: Any, *, least: int = 1) -> None:
    """Raises a UsageError unless `value` is a whole number of at least `least`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UsageError(f"{name} must be a whole number of at least {least}, not {value!r}.")
