"""What screening, allocations and time budgets do in a whole search."""

import keras
import pytest

import actsearch
from actsearch.ledger import Kind, Ledger
from actsearch.tuning.allocation import Race
from tests.helpers.networks import small_network
from tests.helpers.searches import CLASSIC, classic, run_search, tuner_for
from tests.helpers.tracking import runs_of


def deep(hp):
    """Twelve layers, in which a sigmoid with Keras's default initializer has no chance."""
    activation = actsearch.choose(hp, {"activations": ["relu", "sigmoid"], "matching": False})
    model = keras.Sequential([keras.Input((64,))])
    for _ in range(20):
        model.add(keras.layers.Dense(32))
        model.add(activation.layer())
    model.add(keras.layers.Dense(10, activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_what_is_hopeless_is_skipped_where_that_is_asked_for(digits, store):
    result = run_search(tuner_for(deep, screen="skip", executions=1, epochs=1), digits)
    relu, sigmoid = result.trials
    assert sigmoid.skipped
    assert not sigmoid.executions
    assert "gradient" in sigmoid.screening["reason"]
    assert not relu.skipped
    assert "skipped" in result.report()
    drawn = store.get_run(result.mlflow["trial_run_ids"][sigmoid.trial_id]).data
    assert drawn.tags["actsearch.skipped"] == "true"
    assert drawn.metrics["screening_gradient_ratio"] < 1e-9


@pytest.mark.slow
def test_what_is_hopeless_is_trained_where_it_is_only_reported(digits, store):
    result = run_search(tuner_for(deep, screen="report", executions=1, epochs=1), digits)
    assert [len(t.executions) for t in result.trials] == [1, 1]
    assert result.trials[1].screening["hopeless"]
    health = next(r for r in runs_of(store, "trial") if r.data.params["activation"] == "sigmoid").data
    assert {"gradient_ratio", "dead/activation", "saturated/activation"} <= set(health.metrics)
    assert "gradient" in health.tags["actsearch.health"]


def test_a_race_ends_when_all_is_decided(digits, store):
    def build(hp):
        model = small_network(hp, CLASSIC)
        rate = 1e-6 if hp.values["activation"] == "tanh" else 1e-2
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    result = run_search(tuner_for(build, allocation=Race(12), executions=None, epochs=3), digits)
    assert len(result.trials[1].executions) < 12
    assert str(result.verdict.of(result.trials[1].trial_id).outcome) == "worse"
    decisions = [f for f in Ledger("found").facts() if f.kind is Kind.DECISION]
    assert decisions
    dropped = store.get_run(result.mlflow["trial_run_ids"][result.trials[1].trial_id]).data
    assert "actsearch.decision" in dropped.tags
    assert dropped.tags["actsearch.verdict"] == "worse"


@pytest.mark.slow
def test_halving_gives_fewer_epochs_first(digits, without_mlflow):
    space = {"activations": ["relu", "elu", "selu", "tanh", "gelu"]}
    result = run_search(
        tuner_for(lambda hp: small_network(hp, space), allocation="halving", executions=1, epochs=9), digits
    )
    epochs = {e.execution: e.epochs for t in result.trials for e in t.executions}
    assert epochs == {1: 1, 2: 3, 3: 9}
    assert [len(t.executions) for t in result.trials].count(1) in (2, 3)  # the best two go on, and the baseline


def test_a_time_budget_stops_after_a_complete_seed(digits, without_mlflow):
    result = run_search(tuner_for(classic, executions=50, time_budget=0.01), digits)
    assert [len(t.executions) for t in result.trials] in ([1], [1, 1])
