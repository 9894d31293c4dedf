import statistics

import keras
import numpy as np
import pytest
import tensorflow as tf

import actsearch
from actsearch.errors import UnknownNameError, UsageError
from actsearch.records import Direction, Objective, Status
from actsearch.training.data import TrainingData
from tests.helpers.executions import hyperparameters, request, run_executions
from tests.helpers.networks import small_network


def test_an_execution_is_measured(data):
    [trained] = run_executions(data, request())
    record = trained.record
    assert record.status is Status.COMPLETED
    assert record.trainer == "compiled"
    assert sorted(record.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert [len(values) for values in record.history.values()] == [3] * 4
    assert record.score == max(record.history["val_accuracy"])
    assert record.best_epoch == record.history["val_accuracy"].index(record.score) + 1
    assert record.test_score == record.test_metrics["accuracy"]
    cost = record.resources
    assert cost.num_parameters == 64 * 16 + 16 + 16 * 10 + 10
    assert 0 < cost.train_seconds < cost.build_seconds + cost.trace_seconds + 60
    assert cost.train_seconds == pytest.approx(3 * statistics.median(record.epoch_seconds))
    assert cost.train_wall_seconds == pytest.approx(sum(record.epoch_seconds))
    assert cost.best_epoch_seconds <= cost.train_seconds
    assert cost.cpu_seconds > 0
    assert cost.peak_rss_bytes is None
    assert cost.training_memory_bytes > 3 * 4 * cost.num_parameters + 32 * 4 * (64 + 16 + 10)
    assert cost.flops_per_sample > 2 * (64 * 16 + 16 * 10)
    assert 0 < cost.inference_microseconds < 1e5
    assert record.started_at < record.ended_at


def test_the_weights_are_those_of_the_best_epoch(data):
    [trained] = run_executions(data, request(epochs=6))
    model = small_network(hyperparameters("relu"))
    model.set_weights(trained.weights)
    x, y = data.validation
    assert model.evaluate(x, y, verbose=0, return_dict=True)["accuracy"] == pytest.approx(
        trained.record.score, abs=1e-6
    )


def test_the_same_seed_gives_the_same_numbers_and_another_gives_others(data):
    one, same, other = run_executions(data, request(seed=1), request(seed=1), request(seed=2))
    assert one.record.history == same.record.history
    assert one.record.history != other.record.history


def test_trials_are_paired_in_their_first_weights(data):
    """The same draw up to scale, whatever layers stand between."""
    kernels = {}

    def build(hp):
        model = small_network(hp, "everything")
        kernels[hp.values["activation"]] = [np.array(w) for w in model.get_weights() if w.ndim == 2]
        return model

    run_executions(data, *(request(name, seed=3, epochs=1) for name in ("relu", "selu", "rrelu", "prelu")), build=build)
    for name in ("selu", "rrelu", "prelu"):
        for one, other in zip(kernels["relu"], kernels[name], strict=True):
            ratio = other / one
            np.testing.assert_allclose(ratio, ratio.flat[0], rtol=1e-4)


def exploding(hp):
    model = small_network(hp)
    model.compile(keras.optimizers.SGD(1e30), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_an_execution_that_gives_nan_is_failed_with_its_reason(data):
    [trained] = run_executions(data, request(), build=exploding)
    assert trained.record.status is Status.FAILED
    assert trained.weights is None
    assert trained.record.score is None
    assert "loss is" in trained.record.reason
    assert "epoch" in trained.record.reason


def test_an_execution_that_raises_is_failed_with_the_line(data):
    def build(hp):
        raise RuntimeError("no such thing")

    [trained] = run_executions(data, request(), build=build)
    assert trained.record.status is Status.FAILED
    assert "RuntimeError: no such thing" in trained.record.reason
    assert "test_execution.py" in trained.record.reason


def test_ctrl_c_is_no_failed_execution(data):
    def build(hp):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_executions(data, request(), build=build)


def test_an_objective_that_is_not_logged_ends_the_search(data):
    with pytest.raises(UnknownNameError, match="Did you mean 'val_accuracy'"):
        run_executions(data, request(), objective=Objective("val_acuracy", Direction.MAX))


def test_callbacks_of_epochs_work_compiled(data):
    stop = keras.callbacks.EarlyStopping("val_loss", patience=0, min_delta=100)
    reduce = keras.callbacks.ReduceLROnPlateau("val_loss", patience=1, min_delta=100, factor=0.1)
    stopped, same = run_executions(data, request(epochs=9), request(epochs=9), callbacks=[stop])
    assert stopped.record.num_epochs == same.record.num_epochs == 2
    assert stopped.record.trainer == "compiled"
    [reduced] = run_executions(data, request(epochs=4), callbacks=[reduce])
    rates = reduced.record.history["learning_rate"]
    assert rates[-1] < rates[0]


class CountBatches(keras.callbacks.Callback):
    seen = 0

    def on_train_batch_end(self, batch, logs=None):
        type(self).seen += 1


def test_callbacks_of_batches_are_trained_by_fit(data):
    CountBatches.seen = 0
    [trained] = run_executions(data, request(epochs=2), callbacks=[CountBatches()], batch_size=100)
    assert trained.record.trainer == "fit"
    assert trained.record.status is Status.COMPLETED, trained.record.reason
    assert CountBatches.seen == 6


class Locked(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        import threading

        self.lock = threading.Lock()


def test_a_callback_that_cannot_be_copied_says_what_to_do(data):
    with pytest.raises(UsageError, match="callbacks=lambda"):
        run_executions(data, request(), callbacks=[Locked()])
    [trained] = run_executions(data, request(), callbacks=lambda: [Locked()])
    assert trained.record.status is Status.COMPLETED


def test_a_dataset_is_trained_compiled(digits):
    x, y = digits
    train = tf.data.Dataset.from_tensor_slices((x[:300], y[:300])).batch(50)
    held = tf.data.Dataset.from_tensor_slices((x[300:], y[300:])).batch(50)
    [trained] = run_executions(TrainingData(train, None, held, held), request())
    assert trained.record.trainer == "compiled"
    assert trained.record.status is Status.COMPLETED, trained.record.reason
    assert trained.record.test_score > 0
    assert trained.record.resources.inference_microseconds > 0


def test_the_batch_size_may_be_a_hyperparameter(data):
    small, large = run_executions(data, request(batch_size=10), request(batch_size=300))
    assert small.record.history["loss"][-1] < large.record.history["loss"][-1]


def test_learned_slopes_escape_weight_decay(data):
    """Without a gradient nothing but the decay moves a weight."""

    def build(hp):
        activation = actsearch.choose(hp, {"activations": ["prelu"]})
        model = keras.Sequential(
            [
                keras.Input((64,)),
                keras.layers.Dense(8),
                activation.layer(),
                keras.layers.Dense(10, activation="softmax"),
            ]
        )
        model.compile(
            keras.optimizers.AdamW(1e-3, weight_decay=50.0),
            lambda y, p: 0.0 * keras.ops.sum(p, axis=-1),
            metrics=["accuracy"],
        )
        return model

    [trained] = run_executions(data, request("prelu", epochs=1), build=build)
    assert trained.record.status is Status.COMPLETED, trained.record.reason
    slopes = [w for w in trained.weights if w.ndim == 1 and np.allclose(w, 0.25)]
    assert len(slopes) == 1
    assert np.abs(trained.weights[0]).max() < 0.8 * np.sqrt(6 / 72)  # Glorot's bound, shrunk by the decay


def test_a_hypermodels_own_fit_is_called(data):
    calls = []

    def fit(hp, model, *args, **options):
        calls.append(options["epochs"])
        return model.fit(*args, **options)

    [trained] = run_executions(data, request(epochs=2), fit=fit)
    assert calls == [2]
    assert trained.record.trainer == "fit"
    assert trained.record.status is Status.COMPLETED, trained.record.reason


def test_layers_are_called_the_same_in_every_trial(data):
    names = []

    def build(hp):
        model = small_network(hp)
        names.append([layer.name for layer in model.layers])
        return model

    run_executions(data, request("relu", epochs=1), request("relu", epochs=1, execution=2), build=build)
    assert names[0] == names[1]


def test_the_first_execution_is_diagnosed_at_its_first_and_last_epoch(data):
    first, second = run_executions(data, request(epochs=3), request(epochs=3, execution=2))
    assert [diagnosis["epoch"] for diagnosis in first.record.health] == [1, 3]
    assert first.record.health[0]["sites"][0]["activation"] == "relu"
    assert second.record.health == ()
    [off] = run_executions(data, request(epochs=3), health=False)
    assert off.record.health == ()
    assert off.record.history == first.record.history


class WithoutSites(keras.Model):
    def __init__(self):
        super().__init__()
        self.out = keras.layers.Dense(10, activation="softmax")

    def call(self, x):
        return self.out(x)


def test_a_model_that_cannot_be_diagnosed_is_trained_all_the_same(data):
    def build(hp):
        model = WithoutSites()
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    [trained] = run_executions(data, request(), build=build)
    assert trained.record.status is Status.COMPLETED, trained.record.reason
    assert trained.record.health[0]["problem"]


class NowAndThen(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch % 2:
            logs["extra"] = float(epoch)
        logs["val_mine"] = 0.1 * epoch


def test_an_objective_that_a_callback_adds(data):
    [trained] = run_executions(
        data, request(epochs=4), objective=Objective("val_mine", Direction.MAX), callbacks=[NowAndThen()]
    )
    assert trained.record.status is Status.COMPLETED, trained.record.reason
    assert trained.record.best_epoch == 4
    assert np.isnan(trained.record.history["extra"][0])
    assert trained.record.history["extra"][1::2] == (1.0, 3.0)


def test_a_metric_with_one_value_for_each_class_is_left_out(data):
    def build(hp):
        model = small_network(hp)
        model.compile("adam", "categorical_crossentropy", metrics=["accuracy", keras.metrics.F1Score(name="f1")])
        return model

    x, y = data.x, keras.utils.to_categorical(data.y, 10)
    held = (data.validation[0], keras.utils.to_categorical(data.validation[1], 10))
    [trained] = run_executions(TrainingData(x, y, held), request(), build=build)
    assert trained.record.status is Status.COMPLETED, trained.record.reason
    assert "f1" not in trained.record.history
