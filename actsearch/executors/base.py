"""Where executions run: what every executor does, and the one that runs them in this process."""

import time
from abc import ABC, abstractmethod
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Self

from actsearch.records import ExecutionRecord, ExecutionRequest, Status

if TYPE_CHECKING:
    from actsearch.training.execution import Executions, Trained

_OUT_OF_MEMORY = ("MemoryError", "ResourceExhaustedError")


class Executor(ABC):
    """Takes requests for executions and gives what they leave, as they end. A context manager, which closes it.

    Trials, ledger and MLflow are its user's: an executor receives plain requests and gives plain records.

    Attributes:
        num_at_once: How many executions it runs at a time.
        capacity: How many requests it takes at a time; those that are not run yet wait.
    """

    num_at_once = capacity = 1

    @abstractmethod
    def submit(self, request: ExecutionRequest) -> None:
        """Asks for one execution."""

    @abstractmethod
    def next(self) -> "Trained | None":
        """Waits for one of the executions asked for to end; which one is in its record. None, now and then.

        Raises:
            UsageError: What makes the search meaningless; an execution that goes wrong is a FAILED record.
        """

    @abstractmethod
    def cancel(self) -> list[ExecutionRequest]:
        """Gives up, and returns, the requests that are not run yet: `next` will not give them."""

    def close(self) -> None:  # noqa: B027  not every executor has something to end
        """Ends what it has started; executions under way are abandoned."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class InProcess(Executor):
    """Runs each execution in this process, when it is waited for.

    Args:
        executions: Runs one.
    """

    def __init__(self, executions: "Executions") -> None:
        self._executions = executions
        self._waiting: deque[ExecutionRequest] = deque()

    def submit(self, request: ExecutionRequest) -> None:
        self._waiting.append(request)

    def next(self) -> "Trained":
        return self._executions.run(self._waiting.popleft())

    def cancel(self) -> list[ExecutionRequest]:
        given_up = list(self._waiting)
        self._waiting.clear()
        return given_up


def failed(request: ExecutionRequest, started_at: float, reason: str) -> "Trained":
    """What an execution leaves whose process was lost."""
    from actsearch.training.execution import Trained  # which imports Keras

    return Trained(
        ExecutionRecord(
            trial_id=request.trial_id,
            execution=request.execution,
            seed=request.seed,
            epochs=request.epochs,
            status=Status.FAILED,
            started_at=started_at,
            ended_at=time.time(),
            reason=reason,
        )
    )


def is_out_of_memory(record: ExecutionRecord) -> bool:
    """Whether an execution failed for want of memory: its process may have too little left for another."""
    return (record.reason or "").startswith(_OUT_OF_MEMORY)
