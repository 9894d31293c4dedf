import pytest

from actsearch.analysis.comparison import max_concurrent
from actsearch.analysis.verdict import verdict_of
from actsearch.records import Direction, ExecutionRecord, Objective, SearchRecord, Status, TrialRecord

ACCURACY = Objective("val_accuracy", Direction.MAX)


def search(*times) -> SearchRecord:
    """Two trials, their executions at these times in turns."""
    made = [
        ExecutionRecord(str(n % 2), n // 2 + 1, 1, 1, Status.COMPLETED, *pair, score=0.5 + n / 100)
        for n, pair in enumerate(times)
    ]
    trials = [
        TrialRecord(t, {"activation": name}, name, executions=tuple(e for e in made if e.trial_id == t))
        for t, name in (("0", "relu"), ("1", "elu"))
    ]
    return SearchRecord("s", "s", ACCURACY, "relu", 0.0, trials=tuple(trials))


@pytest.mark.parametrize(
    ("times", "most"),
    [
        ([], 0),
        ([(0, 1), (1, 2), (2, 3)], 1),
        ([(0, 2), (1, 3)], 2),
        ([(0, 9), (1, 3), (3, 4), (2, 5)], 3),
    ],
)
def test_the_most_at_one_moment(times, most):
    assert max_concurrent(search(*times)) == most


def test_the_verdict_warns_of_times_that_were_measured_side_by_side():
    alone, beside = ([(0, 1), (1, 2), (2, 3), (3, 4)], [(0, 2), (1, 3), (2, 4), (3, 5)])
    assert not any("concurrently" in note for note in verdict_of(search(*alone)).notes)
    assert any("Up to 2 executions ran concurrently" in note for note in verdict_of(search(*beside)).notes)
