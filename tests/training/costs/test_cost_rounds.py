import time
from dataclasses import replace

import keras
import numpy as np
import pytest

from actsearch.training.array_loop import order_of
from actsearch.training.costs import cost_rounds
from actsearch.training.costs.cost_rounds import Budget, measure_in_turns
from actsearch.training.execution import Executions
from actsearch.training.model_cache import ModelCache
from actsearch.training.model_state import state_variables
from tests.helpers.executions import hyperparameters, request
from tests.helpers.factories import ACCURACY
from tests.helpers.networks import small_network


@pytest.fixture
def models(data):
    cache, tensors = ModelCache(small_network), data.tensors()
    return {name: cache.prepare(hyperparameters(name), 1, tensors, 32) for name in ("relu", "prelu")}


def within(seconds):
    return Budget(seconds, seconds)


def test_each_model_has_a_time_in_each_round(models):
    found = measure_in_turns(models, budget=within(0.1))
    assert found.reason == ""
    assert found.num_rounds >= cost_rounds.MIN_ROUNDS
    for times in (found.train_microseconds, found.cpu_microseconds, found.inference_microseconds):
        assert list(times) == ["relu", "prelu"]
        assert {len(rounds) for rounds in times.values()} == {found.num_rounds}
        assert all(0 < micros < 1e5 for rounds in times.values() for micros in rounds)


def test_models_are_left_as_they_were(models):
    built = models["prelu"]
    variables = state_variables(built.model)
    before = [np.copy(variable.numpy()) for variable in variables]
    measure_in_turns(models, budget=within(0.05))
    after = [variable.numpy() for variable in variables]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
    assert built.epochs.train(order_of(1, 0, 300))["loss"] > 0


def test_trials_that_share_a_trace_have_the_same_times(models):
    found = measure_in_turns(
        {"a": models["relu"], "b": replace(models["relu"], build_seconds=9.0)}, budget=within(0.05)
    )
    assert found.train_microseconds["a"] == found.train_microseconds["b"]


def test_rounds_that_would_take_too_long_are_not_begun(models, monkeypatch):
    monkeypatch.setattr(cost_rounds, "MIN_ROUNDS", 10**6)
    found = measure_in_turns(models, budget=within(0.01))
    assert (found.num_rounds, found.train_microseconds) == (0, {})
    assert "too large a share" in found.reason
    assert found.seconds < 1


def test_turns_are_as_long_as_the_budget_allows_in_enough_rounds(models):
    plans = [cost_rounds._plan(list(models.values()), time.perf_counter() + budget) for budget in (0.1, 5.0)]
    short, long = ((plan.num_steps, plan.num_predictions) for plan in plans)
    assert long[0] >= short[0]
    assert long[1] > short[1]


def test_times_that_vary_take_more_rounds_up_to_a_limit(models, monkeypatch):
    monkeypatch.setattr(cost_rounds, "STANDARD_ERROR", 1e9)
    few = measure_in_turns(models, budget=Budget(0.05, 0.4))
    monkeypatch.setattr(cost_rounds, "STANDARD_ERROR", 0.0)
    many = measure_in_turns(models, budget=Budget(0.05, 0.4))
    assert few.num_rounds < many.num_rounds
    assert few.seconds < many.seconds < 10  # of at most 0.4 on an idle machine


def test_what_goes_wrong_is_a_reason_and_no_error(models, monkeypatch):
    def fail(models, deadline):
        raise ValueError("no such thing")

    monkeypatch.setattr(cost_rounds, "_plan", fail)
    assert "no such thing" in measure_in_turns(models, budget=within(0.1)).reason


def run_all(data, build=small_network, **options):
    executions = Executions(build, data, ACCURACY, **options)
    for trial in ("relu", "selu"):
        executions.run(replace(request(trial, epochs=1), trial_id=trial))
    return executions.measure_costs()


def test_executions_measure_their_trials(data):
    found = run_all(data, health=False)
    assert set(found.train_microseconds) == {"relu", "selu"}
    assert found.reason == ""
    assert Executions(small_network, data, ACCURACY).measure_costs() is None


def test_the_reason_says_which_models_cannot_be_measured(data):
    def with_own_loss(hp):
        model = small_network(hp)
        loss = keras.losses.SparseCategoricalCrossentropy()
        model.compile("adam", lambda y, p: loss(y, p), metrics=["accuracy"])
        return model

    assert run_all(data, compiled=False, health=False).reason == "model.fit trains them"
    assert "traced anew" in run_all(data, build=with_own_loss, health=False).reason
