import math
from dataclasses import replace

import numpy as np
import pytest

from actsearch.analysis.cost_ratios import UNSTEADY, cost_notes, cost_ratios, median_interval, unsteadiness
from actsearch.analysis.results import CostRatio
from actsearch.analysis.statistics import Interval
from actsearch.analysis.verdict import verdict_of
from actsearch.records import CostMeasurement
from tests.helpers.factories import search, trial

RELU, ELU = trial("0", "relu", [0.9] * 4), trial("1", "elu", [0.9] * 4, seconds=2.0)
FOUR = (1, 2, 3, 4)


def measured(factor=1.1, *, noise=0.02, rounds=20, at=1.0, trials=("0", "1"), reason=""):
    """Rounds in which every trial is slowed down alike by up to three times."""
    rng = np.random.default_rng(0)
    slow = rng.uniform(1, 3, rounds)
    times = {
        name: tuple((slow * (factor if name == "1" else 1.0) * np.exp(noise * rng.standard_normal(rounds))).tolist())
        for name in trials
    }
    return CostMeasurement(at, 0.1, times, times, times, reason=reason)


def of_epochs(made, *numbers):
    executions = [replace(e, epoch_seconds=(1.0,) * n) for e, n in zip(made.executions, numbers, strict=True)]
    return replace(made, executions=tuple(executions))


def test_times_measured_in_turns_come_before_those_of_executions():
    ratios = cost_ratios(ELU, RELU, FOUR, [measured()])
    for name in ("train_seconds", "cpu_seconds", "inference_microseconds"):
        assert ratios[name].in_turns
        assert ratios[name].estimate == pytest.approx(1.1, rel=0.02)
        assert 1.05 < ratios[name].interval.low < ratios[name].interval.high < 1.15
    assert not ratios["training_memory_bytes"].in_turns


def test_the_latest_measurement_that_has_both_trials_counts():
    other = measured(9.0, at=3.0, trials=("0", "2"))
    ratios = cost_ratios(ELU, RELU, FOUR, [measured(3.0), measured(1.5, at=2.0), other])
    assert ratios["train_seconds"].estimate == pytest.approx(1.5, rel=0.02)
    alone = cost_ratios(ELU, RELU, FOUR, [other])["train_seconds"]
    assert (alone.estimate, alone.in_turns) == (pytest.approx(2.0), False)


def test_more_epochs_take_longer_but_inference_does_not():
    relu, elu = of_epochs(RELU, 10, 10, 10, 10), of_epochs(ELU, 20, 20, 20, 20)
    ratios = cost_ratios(elu, relu, FOUR, [measured()])
    assert ratios["train_seconds"].estimate == pytest.approx(2.2, rel=0.02)
    assert ratios["train_seconds"].is_settled
    assert ratios["inference_microseconds"].estimate == pytest.approx(1.1, rel=0.02)
    varied = cost_ratios(of_epochs(ELU, 20, 10, 30, 20), relu, FOUR, [measured()])["train_seconds"].interval
    assert varied.high / varied.low > ratios["train_seconds"].interval.high / ratios["train_seconds"].interval.low
    assert not cost_ratios(of_epochs(ELU, 20, 10, 30, 20), relu, (1, 2), [measured()])["train_seconds"].has_interval


@pytest.mark.parametrize("count", [1, 2, 3])
def test_fewer_than_three_pairs_have_no_interval(count):
    ratio = cost_ratios(ELU, RELU, FOUR[:count])["train_seconds"]
    assert ratio.estimate == pytest.approx(2.0)
    assert ratio.has_interval == ratio.is_settled == (count == 3)


def test_what_is_counted_is_exact_with_one_pair():
    assert cost_ratios(ELU, RELU, (1,))["num_parameters"] == CostRatio(1.0, Interval(1.0, 1.0))


def test_an_interval_that_spans_decades_settles_nothing():
    elu = replace(
        ELU,
        executions=tuple(
            replace(e, resources=replace(e.resources, train_seconds=seconds))
            for e, seconds in zip(ELU.executions, (1.0, 5.0, 2.0, 20.0), strict=True)
        ),
    )
    record = search([RELU, elu])
    (comparison,) = verdict_of(record).comparisons
    ratio = comparison.cost_ratios["train_seconds"]
    assert ratio.interval.high > 10 * ratio.interval.low
    assert ratio.has_interval
    assert not ratio.is_settled


@pytest.mark.parametrize(("count", "ends"), [(5, None), (6, (0, 5)), (9, (1, 7)), (30, (9, 20))])
def test_intervals_of_a_median_are_order_statistics(count, ends):
    """The tables of the sign test: the second of 9, the tenth of 30."""
    found = median_interval(list(range(count)))
    assert (found.low, found.high) == (ends or (-math.inf, math.inf))


def test_intervals_of_a_median_cover_it():
    rng = np.random.default_rng(1)
    covered = [0.0 in median_interval(rng.standard_t(1, 11).tolist()) for _ in range(2000)]
    assert np.mean(covered) > 0.975


def test_notes_say_how_times_were_compared():
    assert cost_notes(search([RELU, ELU])) == []
    (note,) = cost_notes(search([RELU, ELU], measurements=(measured(noise=0.001, rounds=7),)))[:1]
    assert "same batches, 7 times." in note
    missing = measured(trials=("0",), reason="model.fit trains them")
    notes = cost_notes(search([RELU, ELU], measurements=(missing,)))
    assert "Times of elu are those of the executions' median epochs" in notes[1]
    assert notes[1].endswith(": model.fit trains them.")
    (alone,) = cost_notes(search([RELU, ELU], measurements=(CostMeasurement(1.0, reason="of other processes"),)))
    assert alone.startswith("Times are those of the executions' median epochs")


def test_an_unsteady_machine_is_told():
    steady = CostMeasurement(1.0, 0.1, {"0": (1.0,) * 8}, {"0": (1.0,) * 8}, {"0": (1.0,) * 8})
    assert unsteadiness(steady) == unsteadiness(CostMeasurement(1.0)) == 0
    assert unsteadiness(measured()) > UNSTEADY
    assert any("was busy" in note for note in cost_notes(search([RELU, ELU], measurements=(measured(),))))
    assert not any("was busy" in note for note in cost_notes(search([RELU, ELU], measurements=(steady,))))
