"""Our tracking on KerasTuner's own tuners."""

import keras
import keras_tuner
import pytest

import actsearch
from actsearch.errors import UsageError
from actsearch.ledger import Ledger
from actsearch.records import Status
from tests.helpers.networks import small_network
from tests.helpers.tracking import runs_of

CLASSIC = {"activations": ["relu", "tanh"], "hyperparameters": {}}


def build(hp):
    hp.Float("unused", 0.0, 1.0)
    return small_network(hp, CLASSIC)


class Random(actsearch.MLflowTracking, keras_tuner.RandomSearch):
    pass


class Hyperband(actsearch.MLflowTracking, keras_tuner.Hyperband):
    pass


class Bayesian(actsearch.MLflowTracking, keras_tuner.BayesianOptimization):
    pass


class Grid(actsearch.MLflowTracking, keras_tuner.GridSearch):
    pass


def run(kind, digits, *, make=build, **options):
    x, y = digits
    defaults = {"objective": "val_accuracy", "directory": "kt", "project_name": "one", "seed": 3}
    tuner = kind(make, **{**defaults, **options})
    fit = {"epochs": 2} if kind is not Hyperband else {}
    tuner.search(x[:200], y[:200], validation_data=(x[200:300], y[200:300]), verbose=0, **fit)
    return tuner


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (Random, {"max_trials": 2, "executions_per_trial": 2}),
        pytest.param(Bayesian, {"max_trials": 2, "executions_per_trial": 2}, marks=pytest.mark.slow),
        pytest.param(Grid, {"max_trials": 2, "executions_per_trial": 2}, marks=pytest.mark.slow),
        pytest.param(Hyperband, {"max_epochs": 3}, marks=pytest.mark.slow),
    ],
)
def test_every_execution_has_a_run_of_its_own(kind, options, digits, store):
    tuner = run(kind, digits, **options)
    record = Ledger(tuner.project_dir).read()
    executions = [e for t in record.trials for e in t.executions]
    assert len(record.trials) == len(tuner.oracle.trials)
    assert {e.status for e in executions} == {Status.COMPLETED}
    assert (len(runs_of(store, "trial")), len(runs_of(store, "execution"))) == (len(record.trials), len(executions))
    assert {r.info.status for r in runs_of(store)} == {"FINISHED"}
    assert tuner.mlflow["run_id"] == runs_of(store, "search")[0].info.run_id
    first = record.trials[0]
    assert first.activation in ("relu", "tanh")
    assert first.matching["dropout"] == "Dropout"
    assert first.executions[0].resources.train_seconds > 0
    assert set(first.executions[0].history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    if kind is Hyperband:
        assert {e.epochs for e in executions} == {1, 2, 3}
    else:
        kept = tuner.oracle.get_trial(first.trial_id)
        assert kept.score == pytest.approx(first.mean_score)
        assert len({e.seed for e in first.executions}) == 2


@pytest.mark.slow
def test_a_failed_execution_is_written_down(digits, store):
    def failing(hp):
        model = build(hp)
        if hp.values["activation"] == "tanh":
            model.compile(keras.optimizers.SGD(float("nan")), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    tuner = run(Random, digits, make=failing, max_trials=6)
    status = {t.activation: t.status for t in Ledger(tuner.project_dir).read().trials}
    assert status == {"relu": Status.COMPLETED, "tanh": Status.FAILED}


def test_a_list_of_objectives_is_refused(digits):
    with pytest.raises(UsageError, match="one objective"):
        run(Random, digits, max_trials=1, objective=["val_accuracy", "val_loss"])


@pytest.mark.slow
def test_an_objective_that_is_not_logged_ends_the_search(digits, store):
    goal = keras_tuner.Objective("val_acuracy", "max")
    with pytest.raises(keras_tuner.errors.FatalValueError, match="Did you mean 'val_accuracy'"):
        run(Random, digits, max_trials=3, objective=goal)
    assert len(runs_of(store, "trial")) == 1


@pytest.mark.slow
def test_a_search_that_goes_on_keeps_what_it_has(digits, store):
    run(Random, digits, max_trials=1)
    tuner = run(Random, digits, max_trials=3)
    record = Ledger(tuner.project_dir).read()
    assert len(record.trials) == 3
    assert len(runs_of(store, "search")) == 1
    assert len(runs_of(store, "trial")) == 3
