"""Our tracking on KerasTuner's own tuners."""

import warnings
from pathlib import Path

import keras
import keras_tuner
import pytest
from sklearn.linear_model import LogisticRegression

import actsearch
from actsearch.errors import LedgerError, UsageError
from actsearch.ledger import Ledger
from actsearch.records import Status
from tests.helpers.networks import small_network
from tests.helpers.tracking import runs_of
from tests.helpers.tuners import CLASSIC, Random, read, run


class Hyperband(actsearch.MLflowTracking, keras_tuner.Hyperband):
    pass


class Bayesian(actsearch.MLflowTracking, keras_tuner.BayesianOptimization):
    pass


class Grid(actsearch.MLflowTracking, keras_tuner.GridSearch):
    pass


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
    record = read(tuner)
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


def test_a_failed_execution_is_written_down(digits, without_mlflow):
    def failing(hp):
        model = small_network(hp, CLASSIC)
        if hp.values["activation"] == "tanh":
            raise ValueError("no tanh today")
        return model

    tuner = run(Grid, digits, make=failing, objective="val_loss")
    trials = {t.activation: t for t in read(tuner).trials}
    assert trials["relu"].status is Status.COMPLETED
    assert trials["tanh"].executions[0].reason.startswith("ValueError: no tanh today")


def test_a_diverged_execution_fails_as_in_kerastuner(digits, without_mlflow):
    def diverging(hp):
        model = small_network(hp, CLASSIC)
        model.compile(keras.optimizers.SGD(float("nan")), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    tuner = run(Random, digits, make=diverging, objective="val_loss", max_trials=1)
    assert tuner.oracle.trials["0"].status == "FAILED"
    assert read(tuner).trials[0].executions[0].reason == "val_loss is nan"


def test_an_objective_that_is_not_logged_fails_as_in_kerastuner(digits, without_mlflow):
    goal = keras_tuner.Objective("val_acuracy", "max")
    with pytest.raises(RuntimeError, match="consecutive failures"):
        run(Random, digits, max_trials=3, objective=goal)
    (first, *_) = Ledger("kt/one").read().trials
    assert "Did you mean 'val_accuracy'" in first.executions[0].reason


def test_the_sum_of_a_list_of_objectives_is_the_score(digits, without_mlflow):
    goals = ["val_loss", keras_tuner.Objective("val_accuracy", "max")]
    tuner = run(Random, digits, max_trials=1, objective=goals)
    record = read(tuner)
    (execution,) = record.trials[0].executions
    assert record.objective.name == "multi_objective"
    assert execution.score == pytest.approx(tuner.oracle.trials["0"].score)
    best = execution.best_epoch - 1
    history = execution.history
    assert execution.score == pytest.approx(history["val_loss"][best] - history["val_accuracy"][best])


@pytest.mark.slow
def test_a_search_that_goes_on_keeps_what_it_has(digits, store):
    run(Random, digits, max_trials=1)
    tuner = run(Random, digits, max_trials=3)
    record = read(tuner)
    assert len(record.trials) == 3
    assert len(runs_of(store, "search")) == 1
    assert len(runs_of(store, "trial")) == 3


def test_what_run_trial_reports_to_the_oracle_is_the_score(without_mlflow):
    class Reporting(Random):
        def run_trial(self, trial, *args, **options):
            self.oracle.update_trial(trial.trial_id, {"val_loss": trial.hyperparameters.Float("a", 0, 1)})

    tuner = Reporting(objective="val_loss", max_trials=1, directory="kt", project_name="one")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # KerasTuner's advice to return the metrics
        tuner.search()
    assert read(tuner).trials[0].mean_score == tuner.oracle.trials["0"].score


def test_hyperparameters_that_depend_on_others_are_found_late(without_mlflow):
    class Own(Grid):
        def run_trial(self, trial, *args, **options):
            hp = trial.hyperparameters
            return hp.Choice("one", [0, 1]) if hp.Boolean("which") else hp.Choice("other", [3, 4, 5])

    tuner = Own(directory="kt", project_name="one")
    tuner.search(verbose=0)
    trials = read(tuner).trials
    assert len(trials) == len(tuner.oracle.trials)
    assert {trial.trial_id: dict(trial.hyperparameters) for trial in trials} == {
        trial_id: trial.hyperparameters.values for trial_id, trial in tuner.oracle.trials.items()
    }


def test_other_models_than_those_of_keras(digits, without_mlflow):
    class Sklearn(actsearch.MLflowTracking, keras_tuner.SklearnTuner):
        pass

    def logistic(hp):
        return LogisticRegression(C=hp.Float("c", 0.1, 10), max_iter=20)

    oracle = keras_tuner.oracles.RandomSearchOracle(keras_tuner.Objective("score", "max"), max_trials=2)
    tuner = Sklearn(oracle, logistic, directory="kt", project_name="one")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few iterations
        tuner.search(digits[0][:100], digits[1][:100])
    assert [t.mean_score for t in read(tuner).trials] == [t.score for t in tuner.oracle.trials.values()]


def test_a_ledger_that_cannot_be_written_fails_no_trial(digits, without_mlflow, monkeypatch):
    def full(self, record):
        raise LedgerError("the disk is full")

    monkeypatch.setattr(Ledger, "append_execution", full)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tuner = run(Random, digits, max_trials=2)
    (text,) = [str(each.message) for each in caught if "missing data" in str(each.message)]
    assert "missing data: executions (LedgerError: the disk is full)" in text
    assert {trial.status for trial in tuner.oracle.trials.values()} == {"COMPLETED"}


def test_warnings_that_are_errors_are_raised_after_the_search(without_mlflow, monkeypatch):
    def broken(self):
        raise LedgerError("the disk is full")

    class Own(Random):
        def run_trial(self, trial, *args, **options):
            return trial.hyperparameters.Float("a", 0, 1)

    monkeypatch.setattr("actsearch.tuning.state.SearchState.open", broken)
    tuner = Own(objective="val_loss", max_trials=2, directory="kt")
    with pytest.raises(RuntimeWarning, match="the search .*the disk is full"):
        tuner.search()
    assert {trial.status for trial in tuner.oracle.trials.values()} == {"COMPLETED"}


def test_a_tuner_that_starts_anew_has_a_ledger_of_its_own(without_mlflow):
    class Own(Random):
        def run_trial(self, trial, *args, **options):
            return trial.hyperparameters.Float("a", 0, 1)

    for _ in range(2):
        tuner = Own(objective="val_loss", max_trials=2, directory="kt", project_name="one")
        tuner.search()
        (Path(tuner.project_dir) / "tuner0.json").unlink()  # as if the process had ended before it was written
    folders = [Path("kt/one"), Path("kt/one/actsearch-2")]
    assert [len(Ledger(folder).read().trials) for folder in folders] == [2, 2]


def test_the_mixin_must_come_first():
    with pytest.raises(UsageError, match="must stand before the tuner"):

        class Wrong(keras_tuner.RandomSearch, actsearch.MLflowTracking):
            pass


def test_a_tuner_without_hypermodel_is_refused_as_in_kerastuner():
    with pytest.raises(ValueError, match="Received `hypermodel=None`"):
        Random(objective="val_loss", max_trials=1)
