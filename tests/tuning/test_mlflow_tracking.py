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


def read(tuner):
    """What the ledger of a tuner has."""
    return Ledger(tuner.project_dir).read()


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


FITS = {
    "a number": lambda history: min(history.history["val_loss"]),
    "a dict": lambda history: {"val_loss": min(history.history["val_loss"]), "seconds": 0.5},
    "a list": lambda history: [1.0, 2.0],
    "a History": lambda history: history,
}


class OwnFit(keras_tuner.HyperModel):
    """Compiles in `fit`, where its last hyperparameters first appear."""

    def __init__(self, convert, *, passes_callbacks=True):
        super().__init__()
        self.convert, self.passes_callbacks = convert, passes_callbacks

    def build(self, hp):
        activation = actsearch.choose(hp, CLASSIC)
        return keras.Sequential([keras.Input((64,)), activation.layer(), keras.layers.Dense(10)])

    def fit(self, hp, model, x, y, *, callbacks, **options):
        options |= {"callbacks": callbacks} if self.passes_callbacks else {}
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(hp.Choice("optimizer", ["adam", "sgd"]), loss, metrics=["accuracy"])
        return self.convert(model.fit(x, y, epochs=hp.Int("epochs", 2, 4), **options))


@pytest.mark.parametrize(
    ("returned", "passes_callbacks"),
    [("a number", True), ("a dict", True), ("a list", False), ("a History", True), ("a History", False)],
)
def test_whatever_fit_returns_is_the_score(returned, passes_callbacks, digits, without_mlflow):
    x, y = digits
    model = OwnFit(FITS[returned], passes_callbacks=passes_callbacks)
    tuner = Random(model, objective="val_loss", max_trials=1, directory="kt", project_name="one")
    tuner.search(x[:200], y[:200], validation_data=(x[200:300], y[200:300]), verbose=0)
    (trial,) = read(tuner).trials
    (execution,) = trial.executions
    assert execution.score == pytest.approx(tuner.oracle.get_trial(trial.trial_id).score)
    assert trial.hyperparameters == tuner.oracle.get_trial(trial.trial_id).hyperparameters.values
    assert {"activation", "optimizer", "epochs"} <= set(trial.hyperparameters)
    assert trial.activation == trial.hyperparameters["activation"]
    assert execution.resources.num_parameters == 650
    assert execution.resources.train_seconds > 0
    if passes_callbacks or returned == "a History":
        assert execution.num_epochs == trial.hyperparameters["epochs"]
        assert set(execution.history) >= {"loss", "accuracy", "val_loss", "val_accuracy"}
    else:
        assert execution.num_epochs == 1
        assert execution.history["val_loss"] == (execution.score,)


class OwnLoop(keras_tuner.HyperModel):
    """A model that is never compiled, and a loop that calls one method of its callbacks."""

    def build(self, hp):
        return keras.Sequential([keras.Input((64,)), keras.layers.Dense(hp.Int("units", 4, 8))])

    def fit(self, hp, model, x, callbacks=(), **options):
        for callback in callbacks:
            callback.set_model(model)
        for epoch in range(3):
            loss = float(keras.ops.mean(keras.ops.square(model(x)))) + hp.Float("late", 0, 1) - epoch
            for callback in callbacks:
                callback.on_epoch_end(epoch, logs={"my_loss": loss})
        return loss


def test_a_model_that_is_never_compiled_has_its_curves(digits, without_mlflow):
    tuner = Random(OwnLoop(), objective=keras_tuner.Objective("my_loss", "min"), max_trials=2, directory="kt")
    tuner.search(digits[0], verbose=0)
    for trial in read(tuner).trials:
        (execution,) = trial.executions
        assert execution.score == min(execution.history["my_loss"]) == execution.history["my_loss"][2]
        assert (execution.best_epoch, execution.num_epochs, len(execution.samples["rss_mib"])) == (3, 3, 3)
        assert set(trial.hyperparameters) == {"units", "late"}


RESULTS = {
    "a number": (lambda hp: hp.Float("a", 0, 10), 1),
    "a dict": (lambda hp: {"val_loss": hp.Float("a", 0, 10), "other": 1}, 1),
    "a list": (lambda hp: [hp.Float("a", 0, 10), 1.0, {"val_loss": 2.0}], 3),
}


@pytest.mark.parametrize(("run_trial", "executions"), RESULTS.values(), ids=RESULTS)
def test_an_own_run_trial_needs_no_hypermodel(run_trial, executions, store):
    class Own(Random):
        def run_trial(self, trial, *args, **options):
            return run_trial(trial.hyperparameters)

    tuner = Own(objective="val_loss", max_trials=2, directory="kt", project_name="one")
    tuner.search()
    record = read(tuner)
    assert [len(trial.executions) for trial in record.trials] == [executions] * 2
    for trial in record.trials:
        assert trial.mean_score == pytest.approx(tuner.oracle.get_trial(trial.trial_id).score)
        assert set(trial.hyperparameters) == {"a"}
        assert {execution.seed for execution in trial.executions} == {None}
    assert len(runs_of(store, "execution")) == 2 * executions
    assert {float(r.data.params["a"]) for r in runs_of(store, "trial")} == {
        t.hyperparameters["a"] for t in record.trials
    }


def test_an_own_run_trial_decides_the_score_of_what_it_trains(digits, without_mlflow):
    class Penalised(Random):
        def run_trial(self, trial, *args, **options):
            histories = super().run_trial(trial, *args, **options)
            return [max(history.history["val_accuracy"]) - 1 for history in histories]

    tuner = run(Penalised, digits, max_trials=1, executions_per_trial=2, objective=keras_tuner.Objective("good", "max"))
    (trial,) = read(tuner).trials
    assert [max(e.history["val_accuracy"]) - 1 for e in trial.executions] == list(trial.scores.values())
    assert trial.mean_score == pytest.approx(tuner.oracle.trials["0"].score)
    assert None not in {e.seed for e in trial.executions}


def test_one_result_for_several_trainings_is_one_execution(digits, without_mlflow):
    class Worst(Random):
        def run_trial(self, trial, *args, **options):
            return min(max(history.history["val_accuracy"]) for history in super().run_trial(trial, *args, **options))

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tuner = run(Worst, digits, max_trials=1, executions_per_trial=2)
    (execution,) = read(tuner).trials[0].executions
    assert execution.score == tuner.oracle.trials["0"].score
    assert [w for w in caught if "trained 2 times and returned 1 score," in str(w.message)]


def test_an_own_run_trial_may_fail_after_training(digits, without_mlflow):
    class Failing(Random):
        def run_trial(self, trial, *args, **options):
            super().run_trial(trial, *args, **options)
            raise OSError("no space for the checkpoint")

    tuner = run(Failing, digits, max_trials=1)
    statuses = [(e.status, e.reason and e.reason[:7]) for e in read(tuner).trials[0].executions]
    assert statuses == [(Status.COMPLETED, None), (Status.FAILED, "OSError")]


def test_what_run_trial_reports_to_the_oracle_is_the_score(without_mlflow):
    class Reporting(Random):
        def run_trial(self, trial, *args, **options):
            self.oracle.update_trial(trial.trial_id, {"val_loss": trial.hyperparameters.Float("a", 0, 1)})

    tuner = Reporting(objective="val_loss", max_trials=1, directory="kt", project_name="one")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # KerasTuner's advice to return the metrics
        tuner.search()
    assert read(tuner).trials[0].mean_score == tuner.oracle.trials["0"].score


def test_run_trial_may_be_called_outside_of_a_search(digits, without_mlflow):
    x, y = digits
    tuner = Random(build, objective="val_accuracy", max_trials=2, directory="kt", project_name="one", seed=3)
    trial = tuner.oracle.create_trial("tuner0")
    for _ in range(2):
        (history,) = tuner.run_trial(trial, x[:200], y[:200], validation_data=(x[200:300], y[200:300]), verbose=0)
    first, second = read(tuner).trials[0].executions
    assert second.score == max(history.history["val_accuracy"])
    assert first.seed != second.seed


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


class Client:
    """An oracle as the workers of a distributed search see it: other attributes are not sent."""

    def __init__(self, oracle):
        self._oracle = oracle

    def __getattr__(self, name):
        methods = ("get_space", "update_space", "create_trial", "update_trial", "end_trial", "get_trial")
        if name not in ("objective", "max_trials", "allow_new_entries", "tune_new_entries", *methods):
            raise AttributeError(name)
        return getattr(self._oracle, name)


def as_process(monkeypatch, name):
    for variable, value in {"ORACLE_IP": "127.0.0.1", "ORACLE_PORT": "1", "TUNER_ID": name}.items():
        monkeypatch.setenv(f"KERASTUNER_{variable}", value)


def test_a_worker_has_a_ledger_of_its_own_and_the_chief_none(digits, without_mlflow, monkeypatch):
    x, y = digits
    tuner = Random(build, objective="val_accuracy", max_trials=2, directory="kt", project_name="one", seed=3)
    tuner.tuner_id, tuner.oracle = "worker1", Client(tuner.oracle)
    as_process(monkeypatch, "worker1")
    tuner.search(x[:200], y[:200], validation_data=(x[200:300], y[200:300]), verbose=0)
    record = Ledger("kt/one/actsearch-worker1").read()
    assert [trial.status for trial in record.trials] == [Status.COMPLETED] * 2
    as_process(monkeypatch, "chief")
    with tuner._observer.searching({}):
        pass
    assert [path.parent.name for path in Path("kt").rglob("ledger.sqlite")] == ["actsearch-worker1"]
