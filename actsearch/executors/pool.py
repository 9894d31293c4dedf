"""Executions on workers: who gets which, and what becomes of those whose worker is lost."""

import math
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, Self, runtime_checkable

from actsearch.errors import SearchFailedError
from actsearch.executors.base import Executor, failed, is_out_of_memory
from actsearch.executors.serialization import Lost, Raised
from actsearch.records import ExecutionRequest
from actsearch.training.execution import Executions, Trained


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


POLL_SECONDS = 0.5
START_SECONDS = 600.0
LOOKAHEAD = 4096  # requests from which a worker that gets free may choose
_LOST_BEFORE_BEGIN = 3  # workers, one after the other, until the search is given up


@runtime_checkable
class Crew(Protocol):
    """Processes that work for a search, wherever they are. Workers and calls are whatever names them."""

    num: int

    def differences(self) -> list[str]:
        """What is different on their machines, a line each."""

    def send(self, make: "partial[Executions]") -> None:
        """What workers need to begin goes to where they are."""

    def hire(self) -> Hashable:
        """A new worker; it gets ready by itself."""

    def begin(self, worker: Hashable) -> Hashable:
        """A call whose answer is None when the worker is ready, or `Raised`."""

    def run(self, worker: Hashable, request: ExecutionRequest) -> Hashable:
        """A call whose answer is what the execution leaves, or `Raised`."""

    def answers(self, calls: Sequence[Hashable], seconds: float) -> list[tuple[Hashable, Any]]:
        """Waits for answers, at most some seconds; calls whose worker is gone are answered by `Lost`."""

    def fire(self, worker: Hashable) -> None:
        """Ends a worker, whatever it is doing; one that is gone already is no error."""

    def close(self) -> None:
        """Ends all workers."""


@dataclass
class _Call:
    worker: Hashable
    request: ExecutionRequest | None = None  # None while the worker gets ready
    started_at: float = field(default_factory=time.time)
    since: float = field(default_factory=time.monotonic)


class Remote(Executor):
    """Runs executions on workers; those that cannot begin are left out where others can.

    An execution whose worker is lost (killed, out of memory, its machine gone, or longer than `timeout` at it) is
    trained again on another worker, from the same seed with the same result; lost too often, it is FAILED.

    Args:
        make: The `Executions` to make on each worker, with its arguments.
        crew: The workers; closed with this.
        timeout: Seconds that an execution may take; without one, for ever.
        max_retries: How often an execution is trained again.
        message: Hears what is different on the machines.

    Raises:
        UsageError: On entering: something cannot be sent to the workers, or they cannot take it.
    """

    def __init__(
        self,
        make: "partial[Executions]",
        crew: Crew,
        *,
        timeout: float | None = None,
        max_retries: int = 1,
        message: Callable[[str], None] = print,
    ) -> None:
        self.num_at_once, self.capacity = crew.num, crew.num + LOOKAHEAD
        self._make, self._crew = make, crew
        self._timeout = math.inf if timeout is None else timeout
        self._max_retries, self._message = max_retries, message
        self._queue = Queue()
        self._free: list[Hashable] = []
        self._calls: dict[Hashable, _Call] = {}
        self._done: deque[Trained] = deque()
        self._num_lost: Counter[tuple[str, int]] = Counter()
        self._num_lost_before_begin = 0
        self._has_begun = False
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        try:
            for difference in self._crew.differences():
                self._message(difference)
            self._crew.send(self._make)
            for _ in range(self._crew.num):
                self._hire()
        except BaseException:
            self.close()
            raise
        return self

    def submit(self, request: ExecutionRequest) -> None:
        self._queue.add(request)
        self._hand_out()

    def next(self) -> Trained | None:
        if not self._done and self._error is None:
            self._hand_out()
            for name, answer in self._crew.answers(list(self._calls), POLL_SECONDS):
                self._hear(self._calls.pop(name), answer)
            self._end_late_ones()
        if self._done:
            return self._done.popleft()
        if self._error is not None:
            raise self._error
        return None

    def cancel(self) -> list[ExecutionRequest]:
        return self._queue.clear()

    def close(self) -> None:
        self._crew.close()

    def _hire(self) -> None:
        worker = self._crew.hire()
        self._calls[self._crew.begin(worker)] = _Call(worker)

    def _hand_out(self) -> None:
        while self._free and (request := self._queue.take(self._free[-1])) is not None:
            worker = self._free.pop()
            self._calls[self._crew.run(worker, request)] = _Call(worker, request)

    def _hear(self, call: _Call, answer: Any) -> None:
        if isinstance(answer, Raised):
            if call.request is None and self._has_begun:  # here it is, elsewhere it was not
                self._replace(call, answer.message)
            else:
                self._error = answer.error()
        elif isinstance(answer, Lost):
            self._replace(call, answer.reason)
        elif call.request is None:
            self._has_begun, self._num_lost_before_begin = True, 0
            self._free.append(call.worker)
        elif is_out_of_memory(answer.record):
            self._replace(call, answer.record.reason)
        else:
            self._free.append(call.worker)
            self._done.append(answer)

    def _end_late_ones(self) -> None:
        """Those that have answered by now have been heard; a worker may wait for its turn while others work."""
        now = time.monotonic()
        for name, call in list(self._calls.items()):
            limit = self._timeout if call.request is not None else math.inf if self._is_served else START_SECONDS
            if now - call.since > limit:
                del self._calls[name]
                self._replace(call, f"took longer than {limit:g} s")

    def _replace(self, call: _Call, reason: str) -> None:
        """Another worker comes for one that is lost, and its execution is tried again."""
        self._crew.fire(call.worker)
        self._queue.forget(call.worker)
        if call.request is None:
            self._num_lost_before_begin += 1
            if self._num_lost_before_begin > _LOST_BEFORE_BEGIN:
                if not self._is_served and not self._calls:
                    self._error = SearchFailedError(f"The workers of the search could not begin: {reason}.")
                return
        else:
            self._try_again(call.request, call.started_at, reason)
        self._hire()

    @property
    def _is_served(self) -> bool:
        """Whether a worker is there that has begun."""
        return bool(self._free) or any(call.request is not None for call in self._calls.values())

    def _try_again(self, request: ExecutionRequest, started_at: float, reason: str) -> None:
        key = request.trial_id, request.execution
        self._num_lost[key] += 1
        if self._num_lost[key] <= self._max_retries:
            self._queue.add_first(request)
        else:
            times = f" (the last of {self._num_lost[key]} tries)" if self._num_lost[key] > 1 else ""
            self._done.append(failed(request, started_at, f"{reason}{times}"))
