import pytest

from actsearch.records import (
    Direction,
    ExecutionRecord,
    Objective,
    Resources,
    SearchRecord,
    Status,
    TrialRecord,
)


def trial(trial_id: str, *scores: float | None) -> TrialRecord:
    executions = tuple(
        ExecutionRecord(
            trial_id, number, 0, 1, Status.FAILED if score is None else Status.COMPLETED, 0.0, 1.0, score=score,
            resources=None if score is None else Resources(0, 0, number, 0, 0, 0, 0),
        )
        for number, score in enumerate(scores, start=1)
    )  # fmt: skip
    return TrialRecord(trial_id, {}, f"activation {trial_id}", executions=executions)


def search(direction: Direction, *trials: TrialRecord) -> SearchRecord:
    return SearchRecord("s", "space", Objective("metric", direction), None, 0.0, trials=trials)


def test_mean_and_sd_are_those_of_completed_executions():
    one = trial("a", 0.5, None, 0.7)
    assert one.mean_score == pytest.approx(0.6)
    assert one.sd_score == pytest.approx(0.1414213562)
    assert one.scores == {1: 0.5, 3: 0.7}
    assert one.mean_resource("train_seconds") == 2.0


def test_one_execution_has_no_sd():
    assert trial("a", 0.5).sd_score is None


@pytest.mark.parametrize(("direction", "best"), [(Direction.MAX, "b"), (Direction.MIN, "a")])
def test_the_best_is_by_direction(direction, best):
    record = search(direction, trial("a", 0.1), trial("b", 0.2), trial("c", None))
    assert record.best.trial_id == best
    assert record.ranked[-1].trial_id == "c"


def test_nothing_failed_is_ever_best():
    assert search(Direction.MAX, trial("a", None), trial("b", None, None)).best is None


def test_the_status_of_a_trial():
    assert trial("a").status is Status.RUNNING
    assert trial("a", None).status is Status.FAILED
    assert trial("a", None, 0.1).status is Status.COMPLETED


def test_the_first_of_equals_is_best():
    assert Objective("m", Direction.MAX).best({1: 0.5, 2: 0.9, 3: 0.9}) == 2
