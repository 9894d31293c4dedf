"""What trials of a search cost: one activation under several names costs the same."""

from functools import partial

import keras
import pytest

import actsearch
from actsearch.ledger import Ledger
from tests.helpers.networks import small_network
from tests.helpers.searches import CLASSIC, run_search, tuner_for

COPIES = ["one_relu", "other_relu", "third_relu"]


def copied_relu(x):
    return keras.activations.relu(x)


def copy_of_relu(name):
    """A function of its own for each name, since Keras finds a function by its name."""

    def copy(x):
        return copied_relu(x)

    copy.__name__ = name
    return copy


@pytest.mark.slow
def test_copies_of_an_activation_score_and_cost_the_same(digits, without_mlflow, own_register):
    for name in COPIES:
        actsearch.register_activation(name)(copy_of_relu(name))
    build = partial(small_network, space={"activations": ["relu", *COPIES]})
    result = run_search(tuner_for(build, executions=3), digits)
    scores = [(trial.scores, [e.test_score for e in trial.executions]) for trial in result.trials]
    assert scores == [scores[0]] * 4
    resources = [e.resources for trial in result.trials for e in trial.executions]
    assert len({r.training_memory_bytes for r in resources}) == len({r.flops_per_sample for r in resources}) == 1
    assert None not in (resources[0].training_memory_bytes, resources[0].flops_per_sample)
    (measurement,) = result.record.measurements
    assert set(measurement.train_microseconds) == {trial.trial_id for trial in result.trials}
    assert (measurement.reason, measurement.num_rounds >= 6) == ("", True)
    for comparison in result.verdict.comparisons:
        ratios = comparison.cost_ratios
        assert ratios["train_seconds"].in_turns
        assert ratios["inference_microseconds"].in_turns
        assert ratios["training_memory_bytes"].estimate == ratios["flops_per_sample"].estimate == 1.0


def test_a_search_measures_once_and_when_it_is_resumed_only_what_is_new(digits, without_mlflow):
    build = partial(small_network, space=CLASSIC)
    first = run_search(tuner_for(build, executions=1), digits)
    assert len(first.record.measurements) == 1
    assert any("measured at the end of the search" in note for note in first.verdict.notes)
    assert actsearch.load_result("found").verdict.notes == first.verdict.notes
    again = run_search(tuner_for(build, executions=1), digits)
    assert again.record.measurements == Ledger("found").read().measurements == first.record.measurements


@pytest.mark.slow
def test_trials_of_other_processes_are_not_measured_in_turns(digits, without_mlflow):
    result = run_search(tuner_for(partial(small_network, space=CLASSIC), executor="isolated"), digits)
    (measurement,) = result.record.measurements
    assert (measurement.num_rounds, measurement.reason) == (0, "executions ran in other processes than this one")
    assert any("median epochs" in note for note in result.verdict.notes)
    assert all(e.resources.peak_rss_bytes > 0 for trial in result.trials for e in trial.executions)
