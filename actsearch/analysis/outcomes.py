"""What can be said of a trial, and what an allocation can do with it."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What the evidence says of a trial against the baseline."""

    BETTER = "better"
    EQUIVALENT = "equivalent"
    WORSE = "worse"
    UNDECIDED = "undecided"


class Action(StrEnum):
    """What an allocation decides about a trial.

    DROPPED: it gets no more executions, because it is not the best. FAILED: it gets no more, because an execution
    of it failed. BEATEN: the baseline is not the best; it stays. CLAIMED: better, equivalent or worse than the
    baseline.
    """

    DROPPED = "dropped"
    FAILED = "failed"
    BEATEN = "beaten"
    CLAIMED = "claimed"


@dataclass(frozen=True)
class Decision:
    """One decision of an allocation, with its figures.

    Args:
        trial_id: The trial that it is about.
        action: What was decided.
        execution: The seed after which it was decided; it was complete.
        reason: Why, in words and figures.
        outcome: What was claimed, where something was.
        difference: The mean difference that it rests on, oriented: positive is better.
        p_value, level: The p value of its test, and the level that it had to reach.
    """

    trial_id: str
    action: Action
    execution: int
    reason: str
    outcome: Outcome | None = None
    difference: float | None = None
    p_value: float | None = None
    level: float | None = None
