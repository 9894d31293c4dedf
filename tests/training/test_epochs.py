"""The whole-epoch trainer against `model.fit`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from actsearch.training.array_loop import order_of
from actsearch.training.data import TrainingData
from actsearch.training.epochs import CompiledEpochs, Tensors, to_tensors
from actsearch.training.model_state import state_variables

RNG = np.random.default_rng(0)
X = RNG.normal(size=(107, 8)).astype("float32")
Y = RNG.integers(0, 3, 107)


def compiled_model(optimizer, *, body=None, loss="sparse_categorical_crossentropy"):
    keras.utils.set_random_seed(3)
    hidden = body or [
        keras.layers.Dense(12, use_bias=False),  # before normalisation its gradient is noise, which Adam would scale up
        keras.layers.BatchNormalization(),
        keras.layers.PReLU(),
        keras.layers.Dropout(0.3),
    ]
    model = keras.Sequential([keras.Input((8,)), *hidden, keras.layers.Dense(3, activation="softmax")])
    model.compile(optimizer, loss, metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(2, name="top2")])
    return model


def histories(make, *, epochs=3, batch_size=20, x=X, y=Y, **options):
    """The same training by `model.fit` and by `CompiledEpochs`; `shuffle` is off, so both see the same order."""
    half = tf.nest.map_structure(lambda a: a[:40], (x, y))
    fitted = make()
    history = fitted.fit(
        x, y, validation_data=half, epochs=epochs, batch_size=batch_size, shuffle=False, verbose=0, **options
    ).history
    model = make()
    tensors = TrainingData(x, y, half, None, **options).tensors()
    ours = CompiledEpochs(model, tensors, batch_size)
    state = [np.array(v.numpy()) for v in state_variables(model)]
    ours.trace()
    for variable, value in zip(state_variables(model), state, strict=True):
        variable.assign(value)
    logs = [ours.train(np.arange(ours.num_samples)) for _ in range(epochs)]
    return history, {name: [log[name] for log in logs] for name in logs[0]}, fitted, model


def assert_same(history, ours):
    assert sorted(history) == sorted(ours)
    for name, values in history.items():
        np.testing.assert_allclose(ours[name], values, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.AdamW(0.01, weight_decay=0.05),
        lambda: keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
        lambda: keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.02, 4, 0.8)),
    ],
    ids=["adamw", "sgd-momentum", "schedule"],
)
def test_the_history_is_that_of_fit(optimizer):
    history, ours, fitted, model = histories(lambda: compiled_model(optimizer()))
    assert_same(history, ours)
    for theirs, own in zip(fitted.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(own, theirs, atol=1e-5)


@pytest.mark.parametrize("batch_size", [107, 200, 1, 53])
def test_any_batch_size_trains_every_sample_once(batch_size):
    history, ours, _, _ = histories(lambda: compiled_model("sgd"), epochs=1, batch_size=batch_size)
    assert_same(history, ours)


def test_class_weights():
    history, ours, _, _ = histories(lambda: compiled_model("adam"), class_weight={0: 1.0, 1: 5.0, 2: 0.5})
    assert_same(history, ours)


def test_sample_weights():
    weight = RNG.uniform(0, 2, len(X)).astype("float32")
    history, ours, _, _ = histories(lambda: compiled_model("adam"), sample_weight=weight)
    assert_same(history, ours)


def test_several_inputs_and_outputs():
    def make():
        keras.utils.set_random_seed(1)
        a, b = keras.Input((5,), name="a"), keras.Input((3,), name="b")
        hidden = keras.layers.Dense(6, "relu")(keras.layers.concatenate([a, b]))
        outputs = {
            "kind": keras.layers.Dense(3, "softmax", name="kind")(hidden),
            "size": keras.layers.Dense(1, name="size")(hidden),
        }
        model = keras.Model({"a": a, "b": b}, outputs)
        model.compile(
            "adam",
            {"kind": "sparse_categorical_crossentropy", "size": "mse"},
            metrics={"kind": ["accuracy"], "size": ["mae"]},
        )
        return model

    x = {"a": X[:, :5], "b": X[:, 5:]}
    y = {"kind": Y, "size": X[:, :1]}
    history, ours, _, _ = histories(make, x=x, y=y)
    assert_same(history, ours)


def recurrent_model(**options):
    keras.utils.set_random_seed(3)
    inputs = keras.Input(batch_shape=(20, 4, 2))
    hidden = keras.layers.GRU(5, **options)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(hidden))
    model.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize("options", [{"dropout": 0.5, "recurrent_dropout": 0.5}, {"stateful": True}], ids=str)
def test_a_recurrent_layer_starts_with_the_state_that_it_has_in_fit(options):
    """It draws the masks of its dropout in a forward pass without training, too, and a stateful one remembers it."""
    history, ours, _, _ = histories(lambda: recurrent_model(**options), x=X[:100].reshape(100, 4, 2), y=Y[:100])
    assert_same(history, ours)


class OwnStep(keras.Model):
    """A train_step of the user's own, that returns a log which is no metric."""

    def __init__(self):
        super().__init__()
        self.inner = keras.layers.Dense(3, activation="softmax")

    def call(self, x):
        return self.inner(x)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(y=y, y_pred=self(x, training=True))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss, "more": {"gradient_norm": tf.linalg.global_norm(gradients)}}


@pytest.mark.parametrize("batch_size", [20, 107])
def test_a_train_step_of_the_users_own(batch_size):
    def make():
        keras.utils.set_random_seed(1)
        model = OwnStep()
        model.compile("sgd", "sparse_categorical_crossentropy")
        model(X[:1])
        return model

    history, ours, _, _ = histories(make, batch_size=batch_size)
    assert_same(history, ours)


def test_test_metrics_are_those_of_evaluate():
    model = compiled_model("adam")
    epochs = CompiledEpochs(model, Tensors(to_tensors((X, Y)), None, to_tensors((X[:31], Y[:31]))), 16)
    epochs.trace()
    expected = model.evaluate(X[:31], Y[:31], batch_size=16, verbose=0, return_dict=True)
    assert epochs.test() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_one_graph_validates_and_tests_unless_their_samples_differ_in_kind(weighted):
    model = compiled_model("adam")
    calls = []
    step, model.test_step = model.test_step, lambda batch: calls.append(0) or step(batch)
    test = (X[:31], Y[:31], np.linspace(0, 2, 31, dtype="float32")) if weighted else (X[:31], Y[:31])
    epochs = CompiledEpochs(model, Tensors(*(to_tensors(part) for part in ((X, Y), (X[:40], Y[:40]), test))), 16)
    calls.clear()
    epochs.trace()
    assert len(calls) == (2 if weighted else 1)
    assert epochs.test() == pytest.approx(evaluated(model, *test), abs=1e-6)
    validated = {name: value for name, value in epochs.train(np.arange(107)).items() if name.startswith("val_")}
    expected = {f"val_{name}": value for name, value in evaluated(model, X[:40], Y[:40]).items()}
    assert validated == pytest.approx(expected, abs=1e-6)


def evaluated(model, x, y, sample_weight=None):
    return model.evaluate(x, y, sample_weight=sample_weight, batch_size=16, verbose=0, return_dict=True)


def test_the_order_depends_on_seed_and_epoch_alone():
    np.testing.assert_array_equal(order_of(1, 2, 50), order_of(1, 2, 50))
    assert (order_of(1, 2, 50) != order_of(1, 3, 50)).any()
    assert (order_of(1, 2, 50) != order_of(2, 2, 50)).any()
    assert sorted(order_of(1, 2, 50)) == list(range(50))
