"""Which of the executions that wait a free worker gets."""

from collections import Counter, defaultdict, deque
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
        self._firsts: deque[ExecutionRequest] = deque()
        self._others: dict[str, deque[ExecutionRequest]] = {}  # by trial
        self._numbers: Counter[int] = Counter()  # how many of the others wait for each seed
        self._traced: defaultdict[Hashable, set[str]] = defaultdict(set)  # by worker
        self._num_homes: Counter[str] = Counter()  # how many workers have traced a trial

    def add(self, request: ExecutionRequest) -> None:
        """A request waits."""
        if request.execution == 1:
            self._firsts.append(request)
        else:
            self._others.setdefault(request.trial_id, deque()).append(request)
            self._numbers[request.execution] += 1

    def add_first(self, request: ExecutionRequest) -> None:
        """A request whose worker was lost goes before all others."""
        self._firsts.appendleft(request)

    def take(self, worker: Hashable) -> ExecutionRequest | None:
        """The request that a free worker gets; None where none waits."""
        if self._firsts:
            request = self._firsts.popleft()
        elif self._others:
            request = self._taken(self._choice(worker))
        else:
            return None
        if request.trial_id not in self._traced[worker]:
            self._traced[worker].add(request.trial_id)
            self._num_homes[request.trial_id] += 1
        return request

    def forget(self, worker: Hashable) -> None:
        """A worker is gone, and with it what it traced."""
        self._num_homes.subtract(self._traced.pop(worker, set()))

    def clear(self) -> list[ExecutionRequest]:
        """Takes out all that wait."""
        waiting = [*self._firsts, *(request for requests in self._others.values() for request in requests)]
        for kept in (self._firsts, self._others, self._numbers):
            kept.clear()
        return waiting

    def _choice(self, worker: Hashable) -> str:
        """The trial whose next request the worker gets."""
        last = min(self._numbers) + 1
        own = sorted(self._traced[worker] & self._others.keys(), key=lambda trial: (self._number(trial), trial))
        nobodys = (trial for trial in self._others if not self._num_homes[trial])
        for trials in (own, nobodys, self._others):
            for trial in trials:
                if self._number(trial) <= last:
                    return trial
        return min(self._others, key=self._number)

    def _number(self, trial: str) -> int:
        return self._others[trial][0].execution

    def _taken(self, trial: str) -> ExecutionRequest:
        request = self._others[trial].popleft()
        if not self._others[trial]:
            del self._others[trial]
        self._numbers -= Counter([request.execution])  # which leaves out what nobody waits for
        return request
