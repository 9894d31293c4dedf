"""The requests that wait for a worker, and which of them a free worker gets."""

from collections import Counter, defaultdict, deque
from collections.abc import Hashable

from actsearch.records import ExecutionRecord, ExecutionRequest

AHEAD = 3  # seeds


class RequestQueue:
    """Requests that wait for a worker.

    First executions take precedence: an oracle may wait for them. Of the others, a worker gets those of trials whose
    model it has traced, then those of trials that no worker has traced. Where none is left, it traces another model if
    it is done with that sooner than the workers that have it, as far as the executions so far tell; otherwise it gets
    none. While others wait, no trial is more than three seeds ahead of the lowest that waits, so that all trials have
    about the same number of executions whenever the search ends.
    """

    def __init__(self) -> None:
        self._firsts: deque[ExecutionRequest] = deque()
        self._others: dict[str, deque[ExecutionRequest]] = {}  # by trial
        self._numbers: Counter[int] = Counter()  # how many of the others wait for each seed
        self._traced: defaultdict[Hashable, set[str]] = defaultdict(set)  # by worker
        self._homes: defaultdict[str, set[Hashable]] = defaultdict(set)  # by trial, the workers that have traced it
        self._busy: dict[Hashable, str] = {}  # by worker, the trial that it runs
        self._seconds: dict[str, tuple[float, float]] = {}  # by trial, of tracing and of the rest
        self._is_vain = False  # whether a worker that has traced nothing that waits would get nothing

    def __len__(self) -> int:
        return len(self._firsts) + self._numbers.total()

    def add(self, request: ExecutionRequest) -> None:
        """Adds a request."""
        self._is_vain = False
        if request.execution == 1:
            self._firsts.append(request)
        else:
            self._others.setdefault(request.trial_id, deque()).append(request)
            self._numbers[request.execution] += 1

    def add_first(self, request: ExecutionRequest) -> None:
        """Adds a request whose worker was lost before all others."""
        self._firsts.appendleft(request)

    def take(self, worker: Hashable) -> ExecutionRequest | None:
        """Removes and returns the request for a free worker; None if no request waits that it should get."""
        if self._firsts:
            request = self._firsts.popleft()
        elif (trial := self._choice(worker)) is not None:
            request = self._taken(trial)
        else:
            return None
        self._is_vain = False
        self._busy[worker] = request.trial_id
        self._traced[worker].add(request.trial_id)
        self._homes[request.trial_id].add(worker)
        return request

    def learn(self, worker: Hashable, record: ExecutionRecord) -> None:
        """Takes in how long tracing and the rest took in an execution that a worker has ended."""
        del self._busy[worker]
        self._is_vain = False
        trace, _ = self._seconds.get(record.trial_id, (0.0, 0.0))
        seconds = record.ended_at - record.started_at
        if record.resources is not None and record.resources.trace_seconds:
            trace = record.resources.trace_seconds
            seconds -= trace
        self._seconds[record.trial_id] = trace, seconds

    def forget(self, worker: Hashable) -> None:
        """Forgets what a lost worker had traced."""
        self._busy.pop(worker, None)
        self._is_vain = False
        for trial in self._traced.pop(worker, set()):
            self._homes[trial].discard(worker)

    def clear(self) -> list[ExecutionRequest]:
        """Removes and returns all requests."""
        waiting = [*self._firsts, *(request for requests in self._others.values() for request in requests)]
        for kept in (self._firsts, self._others, self._numbers):
            kept.clear()
        return waiting

    def _choice(self, worker: Hashable) -> str | None:
        """Chooses the trial whose next request the worker gets."""
        if not self._others:
            return None
        own = min(self._traced[worker] & self._others.keys(), key=lambda t: (self._number(t), t), default=None)
        if own is not None and self._number(own) <= min(self._numbers) + AHEAD:
            return own
        if own is None and self._is_vain:
            return None
        untraced = (trial for trial in self._others if not self._homes[trial])
        chosen = next(untraced, None) or self._worth_tracing(worker) or own
        self._is_vain = chosen is None
        return chosen

    def _worth_tracing(self, worker: Hashable) -> str | None:
        """Returns the trial that would wait longest for its workers, if this one would be done with it before."""
        loads = defaultdict[Hashable, float](float)
        for trial, waiting in self._others.items():
            for home in self._homes[trial]:
                loads[home] += len(waiting) * self._seconds_of(trial)[1] / len(self._homes[trial])
        for home in loads.keys() & self._busy.keys():
            loads[home] += self._seconds_of(self._busy[home])[1] / 2  # on average, half of it is over
        waits = {trial: min(loads[home] for home in self._homes[trial]) for trial in self._others}
        longest = max(waits, key=lambda trial: (waits[trial], -self._number(trial)))
        return longest if loads[worker] + sum(self._seconds_of(longest)) <= waits[longest] else None

    def _seconds_of(self, trial: str) -> tuple[float, float]:
        return self._seconds.get(trial, (0.0, 0.0))

    def _number(self, trial: str) -> int:
        return self._others[trial][0].execution

    def _taken(self, trial: str) -> ExecutionRequest:
        request = self._others[trial].popleft()
        if not self._others[trial]:
            del self._others[trial]
        self._numbers -= Counter([request.execution])  # also drops seeds without waiting requests
        return request
