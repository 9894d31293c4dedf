from actsearch.executors.pool import RequestQueue
from actsearch.records import ExecutionRequest


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


def test_no_execution_is_more_than_a_seed_ahead_of_the_lowest_that_waits():
    made = queue(("a", 1), ("b", 1))
    assert [taken(made, "one"), taken(made, "other")] == [("a", 1), ("b", 1)]
    for pair in (("a", 2), ("b", 2), ("a", 3), ("b", 3), ("a", 4), ("b", 4)):
        made.add(request(*pair))
    assert [taken(made, "one") for _ in range(4)] == [("a", 2), ("a", 3), ("b", 2), ("b", 3)]
