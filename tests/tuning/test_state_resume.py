"""A search that is ended anywhere goes on, and ends as one that was never ended."""

import os
import signal
from pathlib import Path

import keras
import keras_tuner
import numpy as np
import pytest

import actsearch
from actsearch._locks import is_locked, locked
from actsearch.errors import UsageError
from actsearch.ledger import FILE_NAME, End, Kind, Ledger, parse
from actsearch.tracking.store import saved_models
from actsearch.tuning.allocation import Race
from actsearch.tuning.state import check_same_search
from actsearch.tuning.storage import load_weights
from tests.helpers import factories
from tests.helpers.networks import small_network
from tests.helpers.tracking import runs_of

THREE = {"activations": ["relu", "tanh", "elu"]}


def build(hp):
    return small_network(hp, THREE)


def tuner_for(directory, build=build, **options):
    options = {"epochs": 2, "executions": 2, "verbose": 0, **options}
    return actsearch.ActivationTuner(build, directory=directory, **options)


def search(directory, digits, *, callbacks=(), **options):
    x, y = digits
    held = {"validation_data": (x[300:450], y[300:450]), "test_data": (x[450:], y[450:])}
    return tuner_for(directory, **options).search(x[:300], y[:300], callbacks=callbacks, **held)


class After(keras.callbacks.Callback):
    """Ends the search as Ctrl-C would at once, in the execution after so many."""

    left = 0

    def on_train_end(self, logs=None):
        After.left -= 1
        if After.left < 0:
            raise KeyboardInterrupt


def ended_after(number, directory, digits, **options):
    After.left = number
    with pytest.raises(KeyboardInterrupt):
        search(directory, digits, callbacks=[After()], **options)
    assert sum(len(t.executions) for t in Ledger(directory).read().trials) == number


def facts_of(directory):
    """All that a search found, without times and what they cost."""
    facts = [fact for fact in Ledger(directory).facts() if fact.kind in (Kind.TRIAL, Kind.EXECUTION, Kind.DECISION)]
    found = {}
    for trial in Ledger(directory).read().trials:
        runs = [(e.execution, e.seed, e.status, e.score, e.test_metrics, e.history) for e in trial.executions]
        found[trial.trial_id] = (trial.hyperparameters, trial.activation, runs)
    return found, sorted(fact.body for fact in facts if fact.kind is Kind.DECISION), len(facts)


@pytest.mark.parametrize("number", [1, *(pytest.param(number, marks=pytest.mark.slow) for number in (0, 4))])
def test_the_resumed_search_ends_as_the_undisturbed_one(digits, without_mlflow, number):
    whole = search("whole", digits)
    ended_after(number, "parts", digits)
    result = search("parts", digits)
    assert facts_of("parts") == facts_of("whole")
    assert [t.trial_id for t in result.record.ranked] == [t.trial_id for t in whole.record.ranked]
    for trial in whole.trials:
        for one, other in zip(
            load_weights(result.directory, trial.trial_id), load_weights(whole.directory, trial.trial_id), strict=True
        ):
            np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_mlflow_has_each_run_once_and_none_is_running(digits, store):
    ended_after(3, "found", digits)
    search("found", digits)
    assert [len(runs_of(store, level)) for level in ("search", "trial", "execution")] == [1, 3, 6]
    assert {run.info.status for run in runs_of(store)} == {"FINISHED"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {"oracle": "random", "max_trials": 3},
        {"oracle": "bayesian", "max_trials": 3},
        {"oracle": "hyperband", "epochs": 3, "executions": 1},
        {"allocation": Race(5), "executions": None},
        {"allocation": "halving", "executions": 1, "epochs": 9},
    ],
    ids=["random", "bayesian", "hyperband", "race", "halving"],
)
def test_oracle_and_allocation_come_to_the_state_they_were_in(digits, without_mlflow, options):
    def build(hp):
        hp.Float("unused", 0.0, 1.0) if "oracle" in options else None
        return small_network(hp, THREE)

    search("whole", digits, build=build, **options)
    ended_after(2, "parts", digits, build=build, **options)
    search("parts", digits, build=build, **options)
    assert facts_of("parts") == facts_of("whole")


def test_a_finished_search_is_read_and_not_trained_again(digits, without_mlflow):
    first = search("found", digits)
    before = Ledger("found").facts()
    again = search("found", digits, callbacks=[After()])
    assert again.record == first.record
    assert Ledger("found").facts() == before, "an end of nothing makes MLflow look up all runs"
    for model in saved_models(Path("found")):
        model.unlink()
    search("found", digits)
    assert len(Ledger("found").facts()) == len(before) + 1, "MLflow gets the model that was missing"


def test_another_search_is_refused_with_what_differs(digits, without_mlflow):
    search("found", digits, executions=1)
    for options, named in (
        ({"epochs": 3}, "epochs: 2 there, 3 now"),
        ({"seed": 1}, "seed"),
        ({"objective": "val_loss"}, "objective"),
        ({"build": lambda hp: small_network(hp, {"activations": ["relu", "tanh"]})}, "space"),
    ):
        with pytest.raises(UsageError, match="--overwrite") as refused:
            search("found", digits, **{"executions": 1, **options})
        assert named in str(refused.value)


def test_what_a_later_version_tells_of_the_data_is_no_difference():
    then = factories.search({}, data={"name": "arrays"})
    now = factories.search({}, data={"name": "arrays", "num_training": 100})
    check_same_search(then, now, "there")
    with pytest.raises(UsageError, match="data.num_training"):
        check_same_search(now, then, "there")


def test_other_data_and_another_model_are_refused(digits, without_mlflow):
    def wider(hp):
        activation = actsearch.choose(hp, THREE)
        layers = [keras.layers.Dense(17), activation.layer(), keras.layers.Dense(10, activation="softmax")]
        model = keras.Sequential([keras.Input((64,)), *layers])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    search("found", digits, executions=1)
    with pytest.raises(UsageError, match=r"model"):
        search("found", digits, executions=1, build=wider)
    x, y = digits
    with pytest.raises(UsageError, match=r"data\.fingerprint"):
        search("found", (x * 0.5, y), executions=1)


def test_an_oracle_without_a_seed_is_found_out(digits, without_mlflow):
    def oracle(seed):
        goal = keras_tuner.Objective("val_accuracy", "max")
        return keras_tuner.oracles.RandomSearchOracle(goal, max_trials=3, seed=seed)

    ended_after(2, "found", digits, oracle=oracle(1))
    with pytest.raises(UsageError, match="The oracle proposes"):
        search("found", digits, oracle=oracle(2))


def test_two_processes_cannot_search_in_one_directory(digits, without_mlflow, tmp_path):
    tuner = tuner_for("found")
    with locked(tmp_path / "found"):
        assert is_locked(tmp_path / "found")
        with pytest.raises(UsageError, match=f"process {os.getpid()}"):
            tuner.search(*digits, validation_data=digits)
    assert not is_locked(tmp_path / "found")
    assert not (tmp_path / "found" / FILE_NAME).exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_lets_the_execution_end(digits, without_mlflow, number):
    class Signal(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 0:
                os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt):
        search("found", digits, callbacks=[Signal()])
    assert signal.getsignal(number) is before
    trials = Ledger("found").read().trials
    assert [len(t.executions) for t in trials] == [1]
    ends = [parse(fact, End) for fact in Ledger("found").facts() if fact.kind is Kind.END]
    assert [end.how for end in ends] == ["interrupted"]


def test_the_second_signal_ends_it_at_once(digits, without_mlflow):
    class Twice(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        search("found", digits, callbacks=[Twice()])
    assert [len(t.executions) for t in Ledger("found").read().trials] == [0]
