import pytest

from actsearch.executors.request_queue import RequestQueue
from actsearch.records import ExecutionRequest, Resources
from tests.helpers.factories import execution


def request(trial, execution) -> ExecutionRequest:
    return ExecutionRequest(trial, execution, 0, 1, {})


def queue(*pairs) -> RequestQueue:
    made = RequestQueue()
    for pair in pairs:
        made.add(request(*pair))
    return made


def taken(made, worker) -> tuple[str, int] | None:
    found = made.take(worker)
    return found and (found.trial_id, found.execution)


def test_first_executions_go_before_all_others():
    made = queue(("a", 2), ("b", 1), ("c", 1))
    assert [taken(made, "w") for _ in range(4)] == [("b", 1), ("c", 1), ("a", 2), None]


def test_a_worker_gets_what_it_has_traced_and_no_worker_waits():
    made = queue(("a", 1), ("b", 1))
    assert (taken(made, "one"), taken(made, "other")) == (("a", 1), ("b", 1))
    for pair in (("a", 2), ("b", 2), ("c", 2), ("a", 3)):
        made.add(request(*pair))
    assert taken(made, "other") == ("b", 2)
    assert taken(made, "other") == ("c", 2)  # nobody's
    assert taken(made, "other") == ("a", 2)  # better traced twice than a worker without work
    assert taken(made, "one") == ("a", 3)


def test_what_a_lost_worker_had_traced_is_nobodys():
    made = queue(("a", 1), ("b", 1))
    assert [taken(made, "one"), taken(made, "other")] == [("a", 1), ("b", 1)]
    made.forget("one")
    made.add(request("a", 2))
    made.add(request("b", 2))
    assert taken(made, "new") == ("a", 2)


def test_what_is_tried_again_goes_first_and_what_is_cleared_is_given_back():
    made = queue(("a", 2), ("b", 2))
    made.add_first(request("c", 2))
    assert taken(made, "w") == ("c", 2)
    assert [r.trial_id for r in made.clear()] == ["a", "b"]
    assert taken(made, "w") is None


def test_no_trial_is_more_than_three_seeds_ahead_of_the_lowest_that_waits():
    made = queue(("a", 1), ("b", 1))
    assert [taken(made, "one"), taken(made, "other")] == [("a", 1), ("b", 1)]
    for number in range(2, 8):
        made.add(request("a", number))
        made.add(request("b", number))
    assert [taken(made, "one") for _ in range(6)] == [("a", n) for n in (2, 3, 4, 5)] + [("b", 2), ("b", 3)]


def ended(trial, *, trace, rest):
    resources = Resources(0.0, trace, rest, rest, rest, None, 1)
    return execution(1, trial, started_at=10.0, ended_at=10.0 + trace + rest, resources=resources)


@pytest.mark.parametrize(("trace", "expected"), [(1.0, ("a", 2)), (3.5, ("a", 2)), (5.0, None)])
def test_a_worker_traces_the_model_of_another_only_if_it_is_done_with_it_before(trace, expected):
    made = queue(("a", 1), ("b", 1))
    assert [taken(made, "one"), taken(made, "other")] == [("a", 1), ("b", 1)]
    made.learn("one", ended("a", trace=trace, rest=2.0))
    made.learn("other", ended("b", trace=1.0, rest=2.0))
    for number in (2, 3, 4):
        made.add(request("a", number))
    assert taken(made, "other") == expected  # worker one needs 6 seconds for what waits


def test_half_of_what_the_other_worker_runs_counts():
    made = queue(("a", 1), ("b", 1), ("a", 2), ("a", 3))
    assert [taken(made, "one"), taken(made, "other")] == [("a", 1), ("b", 1)]
    made.learn("one", ended("a", trace=0.9, rest=2.0))
    made.learn("other", ended("b", trace=1.0, rest=2.0))
    assert taken(made, "one") == ("a", 2)
    assert taken(made, "other") == ("a", 3)
    assert len(made) == 0
