"""Which of the executions that wait a free worker gets."""

from collections import defaultdict
from collections.abc import Hashable

from actsearch.records import ExecutionRequest


class Queue:
    """Requests that wait for a worker.

    First executions go before all others: an oracle may wait for them. Of the others a worker gets those of trials
    whose model it has traced, then those that no worker has; and where there are neither, those of other workers:
    tracing a model again is better than waiting. None is more than a seed ahead of the lowest that waits, so that all
    trials have about the same number, whenever the search ends.
    """

    def __init__(self) -> None:
        self._waiting: list[ExecutionRequest] = []
        self._traced: defaultdict[str, set[Hashable]] = defaultdict(set)

    def add(self, request: ExecutionRequest) -> None:
        """A request waits."""
        self._waiting.append(request)

    def add_first(self, request: ExecutionRequest) -> None:
        """A request whose worker was lost goes before those of its kind."""
        self._waiting.insert(0, request)

    def take(self, worker: Hashable) -> ExecutionRequest | None:
        """The request that a free worker gets; None where none waits."""
        if not self._waiting:
            return None
        lowest = min(request.execution for request in self._waiting)
        number = min(range(len(self._waiting)), key=lambda n: self._rank(self._waiting[n], worker, lowest))
        request = self._waiting.pop(number)
        self._traced[request.trial_id].add(worker)
        return request

    def forget(self, worker: Hashable) -> None:
        """A worker is gone, and with it what it traced."""
        for workers in self._traced.values():
            workers.discard(worker)

    def clear(self) -> list[ExecutionRequest]:
        """Takes out all that wait."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def _rank(self, request: ExecutionRequest, worker: Hashable, lowest: int) -> tuple[bool, bool, bool, bool, int]:
        traced, execution = self._traced[request.trial_id], request.execution
        return execution > 1, execution > lowest + 1, worker not in traced, bool(traced), execution
