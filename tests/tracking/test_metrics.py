"""Points that MLflow gets of a search."""

from actsearch.records import Status
from actsearch.tracking.metrics import BestSoFar, TrialFigures
from tests.helpers.factories import ACCURACY, LOSS, execution, scored


def test_the_best_so_far_is_chosen_by_the_objective_and_shows_the_judged_score():
    best = BestSoFar(ACCURACY)
    done = (("0", 0.9, 0.5), ("1", 0.8, 0.7), ("0", 0.5, 0.3))
    points = [best.add(scored(trial, n, score, test_score=test)) for n, (trial, score, test) in enumerate(done, 1)]
    assert [(p.key, p.step, p.value) for [p] in points] == [
        ("best_so_far_test_accuracy", 1, 0.5),
        ("best_so_far_test_accuracy", 2, 0.5),
        ("best_so_far_test_accuracy", 3, 0.7),
    ]


def test_the_best_loss_so_far_is_the_smallest_and_failures_count_as_executions():
    best = BestSoFar(LOSS)
    assert best.add(execution(1, status=Status.FAILED)) == []
    [point] = best.add(scored("0", 2, 0.5))
    assert (point.key, point.step, point.value) == ("best_so_far_val_loss", 2, 0.5)
    [point] = best.add(scored("1", 1, 0.4))
    assert (point.step, point.value) == (3, 0.4)


def test_many_executions_have_few_points():
    best = BestSoFar(ACCURACY)
    assert sum(len(best.add(scored("0", n, 0.5))) for n in range(1, 1001)) == 99 + 90 + 1


def test_figures_of_a_trial_are_rounded():
    figures = TrialFigures(ACCURACY)
    points = {p.key: p.value for p in figures.add(scored("0", 1, 0.123456789, seconds=0.123456789))}
    assert (points["train_seconds"], points["best_val_accuracy"]) == (0.1235, 0.1235)
