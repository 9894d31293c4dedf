import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actsearch.errors import UsageError
from actsearch.records import Direction, Objective
from actsearch.tuning.allocation import Action, Fixed, Halving, Race, get

ACCURACY = Objective("val_accuracy", Direction.MAX)
LOSS = Objective("val_loss", Direction.MIN)
MAKE = {
    "fixed": lambda: Fixed(3),
    "race": lambda: started(Race(max_executions=6)),
    "halving": lambda: started(Halving(executions=2)),
}


def started(allocation, objective=ACCURACY, alpha=0.05, margin=None):
    return allocation.start(objective, alpha=alpha, margin=margin)


def run(allocation, score, limit=1000):
    """Answers one at a time until nothing is asked; the order of what was asked."""
    asked = []
    while (found := allocation.ask()) is not None:
        asked.append(found)
        allocation.tell(*found, score(*found))
        assert len(asked) < limit
    return asked


def flat(_trial, _execution):
    return 0.9


def rising(_trial, execution):
    return 0.9 + execution / 1000


@pytest.fixture(params=MAKE)
def allocation(request):
    made = MAKE[request.param]()
    for name in ("relu", "elu", "selu"):
        made.add(name, baseline=name == "relu")
    return made


def test_seed_by_seed_and_each_execution_once(allocation):
    asked = run(allocation, rising)
    assert asked[:6] == [(t, n) for n in (1, 2) for t in ("relu", "elu", "selu")]
    assert len(set(asked)) == len(asked)
    assert [n for _, n in asked] == sorted(n for _, n in asked)
    assert allocation.finished


def test_none_while_answers_are_awaited(allocation):
    asked = []
    while (found := allocation.ask()) is not None:
        asked.append(found)
    assert not allocation.finished
    for trial, n in asked:
        allocation.tell(trial, n, 0.9)
    assert allocation.ask() is not None or allocation.finished


def test_told_what_was_not_asked_goes_on_from_there(allocation):
    for trial in allocation.trials:
        allocation.tell(trial, 1, 0.9)
    allocation.tell("elu", 2, 0.9)
    assert [allocation.ask(), allocation.ask()] == [("relu", 2), ("selu", 2)]


def test_stopped_it_ends_the_seed_that_is_under_way(allocation):
    for _ in range(4):
        allocation.tell(*allocation.ask(), 0.9)
    allocation.stop()
    assert run(allocation, flat) == [("elu", 2), ("selu", 2)]
    assert allocation.finished


def test_a_trial_added_before_the_first_seed_is_complete_joins(allocation):
    assert allocation.ask() == ("relu", 1)
    allocation.tell("relu", 1, 0.9)
    allocation.add("gelu")
    assert run(allocation, rising)[:4] == [("elu", 1), ("selu", 1), ("gelu", 1), ("relu", 2)]


def test_trials_may_be_run_as_they_are_added():
    race = started(Race(max_executions=4))
    for name in ("relu", "elu"):
        race.add(name, baseline=name == "relu")
        assert race.ask() == (name, 1)
        race.tell(name, 1, 0.9)
    assert race.ask() == ("relu", 2)


@pytest.mark.parametrize("name", ["race", "halving"])
def test_a_trial_that_comes_after_a_comparison_is_refused(name):
    allocation = MAKE[name]()
    allocation.add("relu", baseline=True)
    allocation.add("elu")
    for n in (1, 1, 2):
        trial, execution = allocation.ask()
        allocation.tell(trial, execution, n / 10)
    with pytest.raises(UsageError, match="comes too late"):
        allocation.add("selu")


def test_a_fixed_number_lets_trials_join_at_any_time():
    grid = Fixed(2)
    grid.add("relu")
    run(grid, flat)
    grid.add("elu")
    assert run(grid, flat) == [("elu", 1), ("elu", 2)]
    assert grid.decisions == ()
    assert grid.epochs("elu", 1) == 1.0


def test_wrong_use_is_refused(allocation):
    with pytest.raises(UsageError, match="already added"):
        allocation.add("relu")
    with pytest.raises(UsageError, match="unknown"):
        allocation.tell("mish", 1, 0.9)
    allocation.tell("relu", 1, 0.9)
    with pytest.raises(UsageError, match="already reported"):
        allocation.tell("relu", 1, 0.9)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Fixed(0),
        lambda: started(Race(), alpha=0.0),
        lambda: started(Race(), margin=-1.0),
        lambda: started(Race(max_executions=0)),
        lambda: started(Halving(factor=1)),
        lambda: started(Halving(rungs=0)),
    ],
)
def test_settings_that_make_no_sense_are_refused(make):
    with pytest.raises(UsageError):
        make()


def test_a_race_without_trials_or_with_one_ends():
    assert started(Race()).ask() is None
    alone = started(Race())
    alone.add("relu", baseline=True)
    assert run(alone, flat) == [("relu", 1)]
    assert alone.finished


def noisy(trial, n):
    """Scores with a fixed noise: relu and elu equal, selu better, tanh far worse."""
    wobble = ((7 * n + 3 * len(trial)) % 11 - 5) / 2000
    return {"relu": 0.9, "elu": 0.9, "selu": 0.93, "tanh": 0.6}[trial] + wobble


def test_a_race_spends_less_than_the_grid_and_says_why():
    race = started(Race(max_executions=20))
    for name in ("relu", "elu", "selu", "tanh"):
        race.add(name, baseline=name == "relu")
    asked = run(race, noisy)
    assert len(asked) < 4 * 20 / 2
    told = {(d.trial_id, d.action, d.outcome) for d in race.decisions}
    assert ("selu", Action.CLAIMED, "better") in told
    assert ("tanh", Action.DROPPED, None) in told
    assert all(d.reason for d in race.decisions)
    assert max(n for t, n in asked if t == "tanh") == next(d.execution for d in race.decisions if d.trial_id == "tanh")


@settings(max_examples=40, deadline=None)
@given(
    order=st.data(), failing=st.sampled_from([None, ("elu", 2), ("relu", 3), ("selu", 1)]), workers=st.integers(1, 6)
)
@pytest.mark.parametrize("kind", ["race", "halving"])
def test_answers_in_any_order_give_the_same_decisions(kind, order, failing, workers):
    def play(pick, outstanding):
        allocation = started(Race(max_executions=12)) if kind == "race" else started(Halving(executions=2))
        for name in ("relu", "elu", "selu", "tanh"):
            allocation.add(name, baseline=name == "relu")
        under_way, ran = [], set()
        while not allocation.finished or under_way:
            while len(under_way) < outstanding and (found := allocation.ask()) is not None:
                under_way.append(found)
            trial, n = under_way.pop(pick(len(under_way)))
            ran.add((trial, n))
            allocation.tell(trial, n, None if (trial, n) == failing else noisy(trial, n))
        return allocation.decisions, ran

    expected = play(lambda _: 0, 1)
    assert play(lambda count: order.draw(st.integers(0, count - 1)), workers) == expected


def test_nan_is_a_failure():
    race = started(Race(max_executions=5))
    for name in ("relu", "elu"):
        race.add(name, baseline=name == "relu")
    run(race, lambda trial, _: float("nan") if trial == "elu" else 0.9)
    assert [(d.trial_id, d.action) for d in race.decisions] == [("elu", Action.FAILED)]


@pytest.mark.parametrize("objective", [ACCURACY, LOSS])
def test_halving_keeps_the_better_third_and_the_baseline(objective):
    halving = started(Halving(executions=2, factor=3, rungs=3), objective)
    names = ["relu", "a", "b", "c", "d"]
    for name in names:
        halving.add(name, baseline=name == "relu")
    sign = 1 if objective is ACCURACY else -1
    asked = run(halving, lambda trial, _: 5.0 + sign * names.index(trial))
    assert [t for t, n in asked if n == 3] == ["relu", "c", "d"]
    assert [t for t, n in asked if n == 5] == ["relu", "d"]
    assert {round(halving.epochs("relu", n), 3) for n in (1, 2)} == {0.111}
    assert halving.epochs("relu", 3) == pytest.approx(1 / 3)
    assert halving.epochs("relu", 6) == 1.0
    assert [(d.trial_id, d.execution) for d in halving.decisions] == [("b", 2), ("a", 2), ("c", 4)]


def test_halving_drops_what_failed_first():
    halving = started(Halving(executions=2))
    for name in ("relu", "elu", "selu"):
        halving.add(name, baseline=name == "relu")
    run(halving, lambda trial, n: None if (trial, n) == ("selu", 2) else 0.9)
    first = [d for d in halving.decisions if d.execution == 2]
    assert ("selu", Action.FAILED) in [(d.trial_id, d.action) for d in first]


def test_an_allocation_by_name_or_as_an_object():
    assert get("fixed").numbers == {"executions": 3}
    assert get("halving", executions=2).numbers == {"executions": 2, "factor": 3, "rungs": 3}
    race = Race(7)
    assert get(race) is race


@pytest.mark.parametrize(
    ("allocation", "says"),
    [("race", "a race decides itself"), (Fixed(2), "would be ignored"), ("rase", "Did you mean 'race'")],
)
def test_a_number_that_would_be_ignored_is_refused(allocation, says):
    with pytest.raises(UsageError, match=says):
        get(allocation, executions=5)


def test_one_object_serves_several_searches():
    race = Race(4)
    for _ in range(2):
        search = started(race)
        search.add("relu", baseline=True)
        search.add("elu")
        assert run(search, flat)
    with pytest.raises(UsageError, match="start"):
        race.add("relu")
        race.add("elu")
        run(race, flat)


@pytest.mark.parametrize("kind", [Fixed, Race])
def test_the_next_execution_is_found_without_looking_at_all_trials(kind, monkeypatch):
    """A search of ten times as many trials takes ten times as long, not a hundred times."""

    def looks(num_trials):
        counted = []
        monkeypatch.setattr(kind, "_limit", lambda self, trial: counted.append(trial) or 4)
        monkeypatch.setattr(Race, "_running", lambda self: counted.extend(self._results) or list(self._results))
        monkeypatch.setattr(Race, "_close", lambda self, scores: None)
        made = started(kind(4))
        for number in range(num_trials):
            made.add(str(number), baseline=number == 0)
        for _ in range(4 * num_trials):
            made.tell(*made.ask(), 0.5)
        return len(counted)

    assert looks(200) <= 10.5 * looks(20)


def test_what_is_taken_back_is_assigned_again_first():
    grid = Fixed(3)
    for name in ("a", "b"):
        grid.add(name)
    asked = [grid.ask() for _ in range(5)]
    grid.take_back("b", 1)
    assert [grid.ask() for _ in range(3)] == [("b", 1), ("b", 3), None]
    assert asked == [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3)]


def test_samples_are_kept_only_by_those_that_decide_by_them():
    assert (Fixed.needs_samples, Halving.needs_samples, Race.needs_samples) == (False, False, True)
