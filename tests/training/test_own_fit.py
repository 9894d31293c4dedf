"""`HyperModel.fit` in an `ActivationTuner`: with hyperparameters, with its own loop, with whatever it returns."""

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf

import actsearch
from actsearch.errors import ExecutionFailedError, UnknownObjectiveError, UsageError
from actsearch.records import Direction, Objective, Status
from actsearch.training.own_fit import FitRecorder, OwnFit, returned_score
from tests.helpers.networks import small_network
from tests.helpers.searches import CLASSIC, run_search, tuner_for

OBJECTIVE = Objective("val_loss", Direction.MIN)


class Tuned(keras_tuner.HyperModel):
    """Compiles in `fit`, which sets epochs and batch size itself, as KerasTuner's guides do."""

    def build(self, hp):
        activation = actsearch.choose(hp, CLASSIC)
        return keras.Sequential([keras.Input((64,)), keras.layers.Dense(8), activation.layer(), keras.layers.Dense(10)])

    def fit(self, hp, model, x, y, **options):
        print("never shown")
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(hp.Fixed("learning_rate", 0.01)), loss, metrics=["accuracy"])
        hp.Boolean("normalize")
        with hp.conditional_scope("normalize", [True]):
            mean = hp.Choice("mean", [0.4, 0.5])
        x = x if mean is None else x - mean
        return model.fit(x, y, epochs=hp.Int("epochs", 2, 2), batch_size=64, verbose=0, **options)


def tuner_of(model, **options):
    return tuner_for(model, **{"executions": 1, "epochs": None, **options})


def test_hyperparameters_of_fit_are_searched(digits, without_mlflow, capsys):
    result = run_search(tuner_of(Tuned()), digits)
    found = [dict(trial.hyperparameters) for trial in result.trials]
    assert len(found) == 2 * (1 + 2)
    assert len({tuple(sorted(values.items())) for values in found}) == len(found)
    assert all(("mean" in values) == values["normalize"] for values in found)
    assert {e.status for t in result.trials for e in t.executions} == {Status.COMPLETED}
    assert all(t.executions[0].num_epochs == t.hyperparameters["epochs"] for t in result.trials)
    assert all(t.executions[0].test_score is not None for t in result.trials)
    assert capsys.readouterr().out.count("never shown") == len(found)  # once for each execution


def test_what_both_set_is_refused(digits):
    with pytest.raises(UsageError, match="epochs=3 contradicts your HyperModel.fit"):
        run_search(tuner_of(Tuned()), digits, epochs=3)


class Loop(keras_tuner.HyperModel):
    """KerasTuner's guide to custom training: a model that is never compiled, and a number."""

    def build(self, hp):
        return Tuned.build(self, hp)

    def fit(self, hp, model, x, y, validation_data, callbacks=None, **options):
        batches = tf.data.Dataset.from_tensor_slices((x, y)).batch(hp.Int("batch_size", 50, 100, step=50))
        optimizer = keras.optimizers.SGD(hp.Float("learning_rate", 1e-4, 1e-2, sampling="log"))
        loss_fn = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

        @tf.function
        def step(images, labels):
            with tf.GradientTape() as tape:
                loss = loss_fn(labels, model(images, training=True))
            optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)

        for callback in callbacks:
            callback.set_model(model)
        best = float("inf")
        for epoch in range(2):
            for images, labels in batches:
                step(images, labels)
            loss = float(loss_fn(validation_data[1], model(validation_data[0])))
            for callback in callbacks:
                callback.on_epoch_end(epoch, logs={"my_loss": loss})
            best = min(best, loss)
        return best


def test_a_loop_of_ones_own_with_a_range_in_it(digits, without_mlflow):
    result = run_search(tuner_of(Loop(), objective="my_loss:min", max_trials=2), digits, test_data=None)
    for trial in result.trials:
        (execution,) = trial.executions
        assert set(trial.hyperparameters) == {"activation", "batch_size", "learning_rate"}
        assert execution.status is Status.COMPLETED, execution.reason
        assert execution.score == min(execution.history["my_loss"])
        assert execution.num_epochs == 2
    assert result.record.config.oracle == "RandomSearchOracle"
    assert result.best_model().count_params() == 8 * 65 + 10 * 9


def test_a_model_that_is_never_compiled_has_no_test_score(digits, without_mlflow):
    with pytest.raises(actsearch.errors.SearchFailedError, match="never compiled, so it cannot be evaluated"):
        run_search(tuner_of(Loop(), objective="my_loss:min", max_trials=1), digits)


class Late(keras_tuner.HyperModel):
    def build(self, hp):
        return small_network(hp, CLASSIC)

    def fit(self, hp, model, x, *args, **options):
        model(x[:1])
        hp.Choice("too_late", [1, 2])
        return model.fit(x, *args, **options)


def test_a_hyperparameter_that_comes_after_training_is_refused(digits, without_mlflow):
    with pytest.raises(actsearch.errors.SearchFailedError, match="'too_late' only after it had trained"):
        run_search(tuner_of(Late(), epochs=1), digits)


class TwoPhases(Late):
    def fit(self, hp, model, x, *args, epochs, **options):
        model.fit(x, *args, epochs=hp.Choice("first", [1, 2]), **options)
        history = model.fit(x, *args, epochs=hp.Choice("second", [1, 2]), **options)
        return {"val_accuracy": max(history.history["val_accuracy"]), "phases": 2}


def test_a_fit_in_two_phases_that_returns_a_dict(digits, without_mlflow):
    result = run_search(tuner_of(TwoPhases(), epochs=1, max_trials=3), digits)
    for trial in result.trials:
        (execution,) = trial.executions
        assert execution.num_epochs == trial.hyperparameters["first"] + trial.hyperparameters["second"]
        assert execution.score == max(execution.history["val_accuracy"][trial.hyperparameters["first"] :])
        assert execution.history["phases"][-1] == 2


def small():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


@pytest.fixture(scope="module")
def model():
    return small()


def test_a_question_trains_nothing(model):
    hp, x = keras_tuner.HyperParameters(), np.ones((4, 3), "float32")

    def fit(hp, model, x, y, **options):
        hp.Choice("first", [1, 2])
        keras.Model(model.inputs, model(model.inputs[0]))
        history = model.fit(x, y, epochs=hp.Int("epochs", 1, 5), **options)
        hp.Choice("after", ["a", "b"])
        assert min(history.history["anything"]) == 0
        model.predict(x)
        raise AssertionError("it went on")

    before = model.get_weights()
    assert OwnFit(fit).ask(hp, model, x, {"y": np.ones((4, 1))}) is None
    assert [each.name for each in hp.space] == ["first", "epochs", "after"]
    assert type(model) is keras.Sequential
    assert "fit" not in vars(keras.Model)
    assert all(map(np.array_equal, before, model.get_weights()))
    assert model.predict(x, verbose=0).shape == (4, 1)


def test_a_fit_without_hyperparameters_and_options_is_not_asked(model):
    def indifferent(hp, model, x, **options):
        raise AssertionError("it was asked")

    def frugal(hp, model, x, y):
        raise AssertionError("it was asked")

    def longer(hp, model, x, epochs=None, **options):
        return model.fit(x, epochs=7, **options)

    def quiet(hp, model, x, **options):
        return model.fit(x, verbose=0, **options)

    def inner(hp, model, x, **options):
        return [hp.Int(name, 1, 2) for name in "ab"]

    def adapted(fit):
        hp, options = keras_tuner.HyperParameters(), {"epochs": 1, "batch_size": 2, "verbose": 0}
        return OwnFit(fit).adapted(hp, lambda: model, np.ones((2, 3)), options, {}).omitted

    assert adapted(indifferent) == adapted(longer) == set()
    assert adapted(frugal) == {"epochs", "batch_size", "verbose", "shuffle"}
    assert adapted(quiet) == {"verbose"}
    assert OwnFit(inner).reads_hyperparameters
    assert OwnFit(Tuned().fit).reads_hyperparameters


@pytest.mark.parametrize(
    ("result", "says"),
    [(None, "fit returned None; expected a number"), ("0.5", "fit returned '0.5'"), ([], "fit returned")],
)
def test_what_kerastuner_does_not_take_is_refused(result, says):
    with pytest.raises(ExecutionFailedError, match=says):
        returned_score(result, "val_loss")


def test_a_dict_without_the_objective_is_refused():
    with pytest.raises(UnknownObjectiveError, match="Did you mean 'val_los'"):
        returned_score({"val_los": 1.0}, "val_loss")


def test_a_history_that_no_callback_saw_counts_at_its_end(model):
    history, recorder = keras.callbacks.History(), FitRecorder(OBJECTIVE)
    history.history = {"loss": [3.0, 2.0], "val_loss": [1.0, 2.0]}
    recorder.take(history, model)
    assert (recorder.score, recorder.best_epoch, recorder.scores) == (2.0, 2, [1.0, 2.0])
    assert len(recorder.best_weights) == 2


def test_a_returned_nan_fails_the_execution(model):
    with pytest.raises(ExecutionFailedError, match="val_loss is nan"):
        FitRecorder(OBJECTIVE).take(float("nan"), model)
