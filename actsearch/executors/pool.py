"""A pool of workers, local or on Ray: assigns executions to workers and retries executions whose worker was lost."""

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

from actsearch.errors import SearchFailedError
from actsearch.executors.base import Executor, failed, is_out_of_memory
from actsearch.executors.request_queue import RequestQueue
from actsearch.executors.serialization import Job, Lost, Raised
from actsearch.records import ExecutionRequest

if TYPE_CHECKING:
    from actsearch.training.execution import Trained

POLL_SECONDS = 0.5
START_SECONDS = 600.0
LOOKAHEAD = 4096  # requests from which a worker that becomes free may choose
_MAX_LOST_BEFORE_BEGIN = 3  # consecutive workers, before the search stops hiring


@runtime_checkable
class WorkerBackend(Protocol):
    """Processes that work for a search. Workers and calls are identified by any hashable object."""

    num: int

    def start(self) -> None:
        """Starts the workers; a second call does nothing, so they can be started before the search."""

    def differences(self) -> list[str]:
        """Returns how the workers' machines differ from this one, one line per difference."""

    def send(self, job: Job) -> None:
        """Sends what workers need before they can begin to their machines."""

    def hire(self) -> Any:
        """Returns a worker that `begin` was not called for yet."""

    def begin(self, worker: Any) -> Any:
        """Starts a call that is answered by None once the worker is ready, or by `Raised`."""

    def run(self, worker: Any, request: ExecutionRequest) -> Any:
        """Starts a call that is answered by the result of the execution, or by `Raised`."""

    def answers(self, calls: Sequence[Any], seconds: float) -> list[tuple[Any, Any]]:
        """Waits at most `seconds` for answers; calls whose worker was lost are answered by `Lost`."""

    def fire(self, worker: Any) -> None:
        """Ends a worker, even in the middle of a call; does nothing if it has already ended."""

    def close(self) -> None:
        """Ends all workers; a second call does nothing."""


@dataclass
class _Call:
    worker: Any
    request: ExecutionRequest | None = None  # None until the worker is ready
    started_at: float = field(default_factory=time.time)
    since: float = field(default_factory=time.monotonic)


class PoolExecutor(Executor):
    """Runs executions on workers; a worker that cannot begin is dropped as long as others can.

    An execution whose worker is lost (killed, out of memory, its machine down, or over `timeout`) is trained again on
    another worker, from the same seed with the same result; after `max_retries` it is FAILED. A worker keeps TensorFlow
    and its traced models from one execution to the next. What the model's code and callbacks change in memory stays in
    the worker.

    Args:
        job: The search.
        backend: The workers; closed together with this executor.
        timeout: Maximum seconds of an execution; None for no limit.
        max_retries: Number of times that an execution is trained again.
        message: Called with each difference between the machines.

    Raises:
        UsageError: On entering: the workers cannot use what they are sent.
        SearchFailedError: On entering: no worker could begin.
    """

    def __init__(
        self,
        job: Job,
        backend: WorkerBackend,
        *,
        timeout: float | None = None,
        max_retries: int = 1,
        message: Callable[[str], None] = print,
    ) -> None:
        self.num_at_once = backend.num
        self.capacity = backend.num + LOOKAHEAD if backend.num > 1 else 1  # a single worker takes requests in order
        self._job = job
        self._backend = backend
        self._timeout = math.inf if timeout is None else timeout
        self._max_retries = max_retries
        self._message = message
        self._queue = RequestQueue()
        self._free: list[Hashable] = []
        self._calls: dict[Hashable, _Call] = {}
        self._done: deque[Trained] = deque()
        self._num_lost: Counter[tuple[str, int]] = Counter()
        self._num_lost_before_begin = 0
        self._has_begun = False
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        """Waits until one worker is ready; the others may become ready while it works."""
        try:
            self._backend.start()
            for difference in self._backend.differences():
                self._message(difference)
            self._backend.send(self._job)
            for _ in range(self._backend.num):
                self._hire()
            while not self._has_begun:
                self._listen()
                self._raise_error()
        except BaseException:
            self.close()
            raise
        return self

    def submit(self, request: ExecutionRequest) -> None:
        self._queue.add(request)
        self._hand_out()

    def next(self) -> "Trained | None":
        if not self._done and self._error is None:
            self._hand_out()
            self._listen()
        if self._done:
            return self._done.popleft()
        self._raise_error()
        return None

    def cancel(self) -> list[ExecutionRequest]:
        return self._queue.clear()

    def close(self) -> None:
        self._backend.close()

    def _hire(self) -> None:
        worker = self._backend.hire()
        self._calls[self._backend.begin(worker)] = _Call(worker)

    def _hand_out(self) -> None:
        for worker in reversed(self._free.copy()):
            if (request := self._queue.take(worker)) is not None:
                self._free.remove(worker)
                self._calls[self._backend.run(worker, request)] = _Call(worker, request)
            elif not self._queue:
                return

    def _listen(self) -> None:
        for name, answer in self._backend.answers(list(self._calls), POLL_SECONDS):
            self._receive(self._calls.pop(name), answer)
        self._end_late_ones()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _receive(self, call: _Call, answer: Any) -> None:
        if isinstance(answer, Raised):
            if call.request is None and self._has_begun:  # the fault is this worker's: others have begun
                self._replace(call, Lost(answer.message))
            else:
                self._error = answer.error()
        elif isinstance(answer, Lost):
            self._replace(call, answer)
        elif call.request is None:
            self._has_begun = True
            self._num_lost_before_begin = 0
            self._free.append(call.worker)
        elif is_out_of_memory(answer.record):
            self._replace(call, Lost(answer.record.reason), answer)
        else:
            self._free.append(call.worker)
            self._done.append(answer)
            self._queue.learn(call.worker, answer.record)

    def _end_late_ones(self) -> None:
        """Replaces workers that are over their limit, after all answers so far were received.

        A worker that is not ready yet has no limit while others work: it may be waiting for its turn.
        """
        now = time.monotonic()
        for name, call in list(self._calls.items()):
            limit = self._timeout if call.request is not None else math.inf if self._is_served else START_SECONDS
            if now - call.since > limit:
                del self._calls[name]
                self._replace(call, Lost(f"took longer than {limit:g} s"))

    def _replace(self, call: _Call, lost: Lost, answer: "Trained | None" = None) -> None:
        """Replaces a lost worker by another, and retries its execution."""
        self._backend.fire(call.worker)
        self._queue.forget(call.worker)
        if call.request is None:
            self._num_lost_before_begin += 1
            if self._num_lost_before_begin > _MAX_LOST_BEFORE_BEGIN:
                self._give_up(lost.reason)
                return
        elif lost.was_idle:
            self._queue.add_first(call.request)
        else:
            self._try_again(call.request, answer or failed(call.request, call.started_at, lost.reason))
        self._hire()

    def _give_up(self, reason: str) -> None:
        """Stops hiring; ends the search if no worker is left."""
        if not self._is_served and not self._calls:
            self._error = SearchFailedError(f"The workers of the search could not begin: {reason}.")

    @property
    def _is_served(self) -> bool:
        """Whether any worker has begun."""
        return bool(self._free) or any(call.request is not None for call in self._calls.values())

    def _try_again(self, request: ExecutionRequest, failure: "Trained") -> None:
        """Retries a lost execution, or returns its failure after `max_retries`."""
        key = request.trial_id, request.execution
        self._num_lost[key] += 1
        if self._num_lost[key] <= self._max_retries:
            self._queue.add_first(request)
            return
        if self._num_lost[key] > 1:
            reason = f"{failure.record.reason} (the last of {self._num_lost[key]} tries)"
            failure = replace(failure, record=replace(failure.record, reason=reason))
        self._done.append(failure)
