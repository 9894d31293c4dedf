"""Workers as the search sees them, played by a backend that answers, loses workers and hangs as a test wants it."""

import itertools
import time
from collections import deque
from dataclasses import replace

import pytest

from actsearch.errors import SearchFailedError, UsageError
from actsearch.executors import pool
from actsearch.executors.pool import LOOKAHEAD, PoolExecutor, WorkerBackend
from actsearch.executors.serialization import Lost, Raised
from actsearch.records import ExecutionRecord, ExecutionRequest, Status
from actsearch.training.execution import Trained


def request(trial="a", execution=1) -> ExecutionRequest:
    return ExecutionRequest(trial, execution, 7, 2, {})


def trained(asked, reason=None) -> Trained:
    status = Status.FAILED if reason else Status.COMPLETED
    score = None if reason else 0.5
    return Trained(
        ExecutionRecord(asked.trial_id, asked.execution, asked.seed, 2, status, 1.0, 2.0, score, reason=reason)
    )


class Played:
    """A backend whose workers answer in order; `plays` says what becomes of executions, `begins` of workers."""

    def __init__(self, num=2, plays=(), begins=()):
        self.num, self.plays, self.begins = num, deque(plays), deque(begins)
        self.names, self.calls = itertools.count(), {}
        self.fired, self.ran, self.closed, self.starts = [], [], False, 0

    def start(self):
        self.starts += 1

    def differences(self):
        return ["one has other versions"]

    def send(self, job):
        pass

    def hire(self):
        return f"worker {next(self.names)}"

    def begin(self, worker):
        return self.call(self.begins.popleft() if self.begins else None)

    def run(self, worker, asked):
        self.ran.append((worker, asked.trial_id, asked.execution))
        play = self.plays.popleft() if self.plays else trained
        return self.call(play(asked) if callable(play) else play)

    def call(self, answer):
        name = f"call {next(self.names)}"
        self.calls[name] = answer
        return name

    def answers(self, calls, seconds):
        done = [name for name in calls if self.calls[name] != "hangs"]
        return [(name, self.calls.pop(name)) for name in done]

    def fire(self, worker):
        self.fired.append(worker)

    def close(self):
        self.closed = True


def results(backend, *requests, **options):
    with PoolExecutor(None, backend, **options) as executor:
        for each in requests:
            executor.submit(each)
        return [ended(executor).record for _ in requests]


def ended(executor):
    """What the next execution leaves; `next` may come back without one, now and then."""
    while (trained := executor.next()) is None:
        pass
    return trained


def test_what_is_asked_for_comes_back_and_the_backend_is_closed():
    backend = Played()
    records = results(backend, request("a"), request("b"), request("c"))
    assert sorted(r.trial_id for r in records) == ["a", "b", "c"]
    assert backend.starts == 1 and backend.closed and not backend.fired
    assert isinstance(backend, WorkerBackend)
    assert PoolExecutor(None, backend).capacity == 2 + LOOKAHEAD


def test_one_worker_is_asked_for_one_execution_at_a_time():
    """It has nothing to choose from, and the order of executions is that of this process."""
    executor = PoolExecutor(None, Played(1))
    assert (executor.num_at_once, executor.capacity) == (1, 1)


def test_an_execution_whose_worker_is_lost_is_trained_again_on_another():
    backend = Played(1, plays=[Lost("killed")])
    [record] = results(backend, request())
    assert record.status is Status.COMPLETED
    assert len({worker for worker, *_ in backend.ran}) == 2
    assert backend.fired == [backend.ran[0][0]]


@pytest.mark.parametrize("retries", [0, 1, 2])
def test_lost_too_often_it_is_failed_and_the_search_goes_on(retries):
    backend = Played(1, plays=[Lost("killed")] * (retries + 1))
    lost, other = results(backend, request("a"), request("b"), max_retries=retries)
    assert (lost.trial_id, lost.status, lost.seed) == ("a", Status.FAILED, 7)
    assert lost.reason == ("killed" if not retries else f"killed (the last of {retries + 1} tries)")
    assert other.status is Status.COMPLETED


def test_a_worker_without_memory_is_replaced():
    backend = Played(1, plays=[lambda asked: trained(asked, "MemoryError: none left")])
    [record] = results(backend, request())
    assert record.status is Status.COMPLETED
    assert len(backend.fired) == 1


def test_what_a_worker_without_memory_has_recorded_is_kept():
    def short(asked):
        found = trained(asked, "MemoryError: none left")
        return replace(found, record=replace(found.record, history={"loss": (0.5,)}))

    [record] = results(Played(1, plays=[short]), request(), max_retries=0)
    assert (record.reason, record.history) == ("MemoryError: none left", {"loss": (0.5,)})
    [record] = results(Played(1, plays=[short, short]), request(), max_retries=1)
    assert (record.reason, record.history) == ("MemoryError: none left (the last of 2 tries)", {"loss": (0.5,)})


def test_a_worker_that_had_ended_before_it_was_asked_costs_no_execution():
    backend = Played(1, plays=[Lost("killed", was_idle=True)] * 3)
    [record] = results(backend, request(), max_retries=0)
    assert record.status is Status.COMPLETED
    assert len(backend.fired) == 3


def test_what_fails_by_itself_is_not_tried_again():
    backend = Played(1, plays=[lambda asked: trained(asked, "ValueError: no such shape")])
    [record] = results(backend, request())
    assert (record.status, len(backend.ran), backend.fired) == (Status.FAILED, 1, [])


def test_one_that_takes_too_long_is_ended():
    backend = Played(1, plays=["hangs", "hangs"])
    hung, other = results(backend, request("a"), request("b"), timeout=0.01)
    assert hung.reason == "took longer than 0.01 s (the last of 2 tries)"
    assert other.status is Status.COMPLETED
    assert len(backend.fired) == 2


def test_what_makes_the_search_meaningless_is_raised():
    backend = Played(plays=[Raised(UsageError, "no such metric")])
    with pytest.raises(UsageError, match="no such metric"):
        results(backend, request())
    assert backend.closed


def test_a_search_whose_workers_never_begin_ends(monkeypatch):
    with pytest.raises(SearchFailedError, match="could not begin: no room"):
        results(Played(1, begins=[Lost("no room")] * 10), request())
    monkeypatch.setattr(pool, "START_SECONDS", 0.01)
    with pytest.raises(SearchFailedError, match=r"took longer than 0\.01 s"):
        results(Played(1, begins=["hangs"] * 10), request())


@pytest.mark.parametrize("begins", [[Raised(UsageError, "no module named mine")], [Lost("no room")] * 10])
def test_what_cannot_begin_is_refused_on_entering(begins):
    backend = Played(1, begins=begins)
    with pytest.raises((UsageError, SearchFailedError)), PoolExecutor(None, backend):
        pytest.fail("it was entered")
    assert backend.closed


def test_a_worker_that_is_lost_on_beginning_is_replaced():
    backend = Played(2, begins=[Lost("no room"), None, Lost("no room")])
    assert len(results(backend, request("a"), request("b"))) == 2


def test_the_first_worker_works_while_others_begin():
    backend = Played(2, begins=[None, "hangs"])
    assert len(results(backend, request("a"), request("b"))) == 2
    assert {worker for worker, *_ in backend.ran} == {"worker 0"}


def test_workers_that_cannot_begin_end_no_search_in_which_others_can(monkeypatch):
    monkeypatch.setattr(pool, "START_SECONDS", 0.01)
    requests = [request(execution=n) for n in range(1, 9)]
    lost = Played(4, begins=[None, *[Lost("broken")] * 20])
    assert len(results(lost, *requests)) == 8
    assert len(lost.fired) <= 3 + 3
    hanging = Played(4, begins=[None, "hangs", "hangs", "hangs"])
    assert len(results(hanging, *requests)) == 8
    unfit = Played(2, begins=[None, Raised(UsageError, "no module named mine")])
    assert len(results(unfit, *requests)) == 8


def test_what_has_ended_in_time_is_taken_before_others_are_ended_as_late():
    backend = Played(2, plays=["hangs", trained, trained])
    with PoolExecutor(None, backend, timeout=0.05, max_retries=0) as executor:
        executor.submit(request("hangs"))
        executor.submit(request("ends"))
        time.sleep(0.1)  # the search was busy
        found = {r.trial_id: r.status for r in (ended(executor).record, ended(executor).record)}
    assert found == {"hangs": Status.FAILED, "ends": Status.COMPLETED}


def test_what_ended_before_is_given_before_an_error_is_raised():
    backend = Played(2, plays=[trained, Raised(UsageError, "no such metric")])
    with pytest.raises(UsageError), PoolExecutor(None, backend) as executor:
        executor.submit(request("a"))
        executor.submit(request("b"))
        assert ended(executor).record.trial_id == "a"
        ended(executor)


def test_what_is_different_on_the_machines_is_reported():
    messages = []
    with PoolExecutor(None, Played(1), message=messages.append):
        assert messages == ["one has other versions"]


def test_cancelling_gives_back_what_was_not_begun():
    backend = Played(1)
    with PoolExecutor(None, backend) as executor:
        for trial in "abc":
            executor.submit(request(trial))
        ended(executor)
        assert [r.trial_id for r in executor.cancel()] == ["b", "c"]
