"""Our tracking on tuners and hypermodels that train in ways of their own."""

import warnings
from pathlib import Path

import keras
import keras_tuner
import pytest

import actsearch
from actsearch.ledger import Ledger
from actsearch.records import Status
from tests.helpers.tracking import runs_of
from tests.helpers.tuners import CLASSIC, Random, build, read, run

pytestmark = pytest.mark.slow

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


def test_run_trial_may_be_called_outside_of_a_search(digits, without_mlflow):
    x, y = digits
    tuner = Random(build, objective="val_accuracy", max_trials=2, directory="kt", project_name="one", seed=3)
    trial = tuner.oracle.create_trial("tuner0")
    for _ in range(2):
        (history,) = tuner.run_trial(trial, x[:200], y[:200], validation_data=(x[200:300], y[200:300]), verbose=0)
    first, second = read(tuner).trials[0].executions
    assert second.score == max(history.history["val_accuracy"])
    assert first.seed != second.seed


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
