"""The interface of executors, and the executor that runs executions in this process."""

import time
from abc import ABC, abstractmethod
from collections import deque
from types import TracebackType
from typing import TYPE_CHECKING, Self

from actsearch.records import CostMeasurement, ExecutionRecord, ExecutionRequest, Status

if TYPE_CHECKING:
    from actsearch.training.execution import Executions, Trained

_OUT_OF_MEMORY = ("MemoryError", "ResourceExhaustedError")


class Executor(ABC):
    """Takes requests for executions and returns their results as they end. Used as a context manager, it closes itself.

    Trials, ledger and MLflow belong to the caller: an executor receives plain requests and returns plain records.

    Attributes:
        num_at_once: Number of executions that run concurrently.
        capacity: Number of requests that it accepts at a time; those that are not running yet wait.

    Example:

    >>> class Waiting(Executor):
    ...     def __init__(self):
    ...         self.requests = []
    ...     def submit(self, request):
    ...         self.requests.append(request)
    ...     def next(self):
    ...         return None
    ...     def cancel(self):
    ...         return self.requests
    >>> with Waiting() as executor:
    ...     executor.submit(ExecutionRequest("0000", 1, seed=7, epochs=30, hyperparameters={"activation": "relu"}))
    ...     [request.trial_id for request in executor.cancel()]
    ['0000']
    """

    num_at_once = capacity = 1

    @abstractmethod
    def submit(self, request: ExecutionRequest) -> None:
        """Requests one execution."""

    @abstractmethod
    def next(self) -> "Trained | None":
        """Waits for one of the requested executions to end.

        Returns:
            Its result, whose record identifies it; None if no execution ended yet and the caller should ask again.

        Raises:
            UsageError: The whole search is invalid; an execution that goes wrong returns a FAILED record instead.
        """

    @abstractmethod
    def cancel(self) -> list[ExecutionRequest]:
        """Withdraws the requests that are not running yet, and returns them: `next` will not return them."""

    def measure_costs(self) -> CostMeasurement | None:
        """Measures the costs of all trials in turns, after the last execution; None if there is nothing to compare."""
        return CostMeasurement(time.time(), reason="executions ran in other processes than this one")

    def close(self) -> None:  # noqa: B027  not every executor has something to close
        """Ends the processes that it started; running executions are abandoned."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class InProcess(Executor):
    """Runs each execution in this process, when the caller waits for it.

    Args:
        executions: Runs the executions of the search.
    """

    def __init__(self, executions: "Executions") -> None:
        self._executions = executions
        self._waiting: deque[ExecutionRequest] = deque()

    def submit(self, request: ExecutionRequest) -> None:
        self._waiting.append(request)

    def next(self) -> "Trained":
        return self._executions.run(self._waiting.popleft())

    def measure_costs(self) -> CostMeasurement | None:
        return self._executions.measure_costs()

    def cancel(self) -> list[ExecutionRequest]:
        withdrawn = list(self._waiting)
        self._waiting.clear()
        return withdrawn


def failed(request: ExecutionRequest, started_at: float, reason: str) -> "Trained":
    """Makes the result of an execution whose process was lost."""
    from actsearch.training.execution import Trained  # imports Keras

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
    """Returns whether an execution failed for lack of memory: its process may not have enough left for another."""
    return (record.reason or "").startswith(_OUT_OF_MEMORY)
