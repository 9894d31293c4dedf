"""What a rebuilt model takes over beside its layers: loss, optimizer, metrics, and what its own class has."""

import functools
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as kl
from keras import ops

from actsearch.errors import ModelError
from actsearch.swap.swap import swap_activations
from tests.helpers.networks import uniform
from tests.helpers.versions import since_keras

X, Y = uniform(8, 4), uniform(8, 1)


def mlp(**settings: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), kl.Dense(8, "relu"), kl.Dense(1)])
    model.compile(**{"optimizer": "sgd", "loss": "mse", **settings})
    return model


def trained(model: keras.Model) -> tuple[keras.Model, dict[str, list[float]]]:
    new = swap_activations(model, "elu")
    return new, new.fit(X, Y, verbose=0).history


def contrastive(margin):
    def loss(y, p):
        return ops.mean(y * ops.square(p) + (1 - y) * ops.square(ops.maximum(margin - p, 0)))

    return loss


class Weighted(keras.losses.Loss):
    def __init__(self, weight):
        super().__init__()
        self.weight = weight

    def call(self, y, p):
        return self.weight * ops.mean((y - p) ** 2, axis=-1)


@pytest.mark.parametrize(
    "loss",
    [contrastive(1.0), Weighted(2.0), lambda y, p: ops.abs(y - p), functools.partial(keras.losses.huber, delta=0.3)],
    ids=["inner function", "class without config", "lambda", "partial"],
)
def test_a_loss_of_ones_own_is_used_as_it_is(loss: Any) -> None:
    new, logs = trained(mlp(loss=loss))
    assert new.loss is loss
    assert np.isfinite(logs["loss"])


def test_a_loss_with_variables_is_not_shared() -> None:
    class Running(keras.losses.Loss):
        def __init__(self) -> None:
            super().__init__()
            self.seen = keras.Variable(3.0, trainable=False)

        def call(self, y, p):
            self.seen.assign_add(1.0)
            return ops.mean((y - p) ** 2, axis=-1)

    model = mlp(loss=Running())
    new, _ = trained(model)
    assert (float(model.loss.seen), float(new.loss.seen)) == (3.0, 4.0)


def largest_error(y, p):
    return ops.max(ops.abs(y - p))


class Count(keras.metrics.Metric):
    """Has arguments, a variable and a metric of its own, and no config."""

    def __init__(self, step=1.0, name="count", **kwargs):
        super().__init__(name=name, **kwargs)
        self.step = step
        self.total = self.add_weight(name="total", initializer="zeros")
        self.mean = keras.metrics.Mean()

    def update_state(self, y, p, sample_weight=None):
        self.total.assign_add(self.step * ops.cast(ops.shape(y)[0], "float32"))
        self.mean.update_state(p)

    def result(self):
        return self.total


def test_metrics_of_ones_own_are_new_for_each_model() -> None:
    wrapped = keras.metrics.MeanMetricWrapper(lambda y, p: ops.abs(y - p), name="wrapped")
    model = mlp(metrics=[largest_error, Count(2.0), lambda y, p: p, wrapped, "mae", keras.metrics.R2Score()])
    model.fit(X, Y, verbose=0)
    before = {id(variable): variable.numpy().copy() for m in model.metrics for variable in m.variables}
    new, logs = trained(model)
    assert logs["count"] == [16.0]
    assert {"largest_error", "wrapped", "mae", "r2_score"} <= logs.keys()
    fresh = [variable for m in new.metrics for variable in m.variables]
    assert len(fresh) == len(before)
    assert not {id(variable) for variable in fresh} & before.keys()
    for variable in [variable for m in model.metrics for variable in m.variables]:
        np.testing.assert_array_equal(variable, before[id(variable)])


class Warmup(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, rate):
        self.rate = rate

    def __call__(self, step):
        return self.rate * ops.cast(step + 1, "float32")


class Tempered(keras.optimizers.SGD):
    def __init__(self, factor, lr=0.1):
        super().__init__(lr)
        self.factor = factor


@since_keras("3.15", "counts no steps of a scaled optimizer")
@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.optimizers.Adam(Warmup(0.01)),
        lambda: keras.optimizers.Adam(lambda: 0.01),
        lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(Warmup(0.01)), initial_scale=8.0),
        lambda: keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)),
        lambda: Tempered(3.0),
    ],
    ids=["schedule", "function", "loss scaling", "schedule of Keras", "optimizer"],
)
def test_optimizers_are_fresh_whatever_their_learning_rate(make: Any) -> None:
    model = mlp(optimizer=make())
    model.fit(X, Y, verbose=0)
    new, _ = trained(model)
    assert type(new.optimizer) is type(model.optimizer)
    assert not {id(v) for v in new.optimizer.variables} & {id(v) for v in model.optimizer.variables}
    assert int(new.optimizer.iterations) == 1
    np.testing.assert_allclose(swap_activations(model, "elu").optimizer.learning_rate, make().learning_rate)
    assert getattr(new.optimizer, "factor", None) == getattr(model.optimizer, "factor", None)
    assert getattr(new.optimizer, "initial_scale", None) == getattr(model.optimizer, "initial_scale", None)


class Net(keras.Model):
    """A functional model that makes its layers itself, and has attributes and methods of its own."""

    def __init__(self, units, temperature=1.0):
        inputs = keras.Input((4,))
        encoder = keras.Sequential([keras.Input((4,)), kl.Dense(units, "relu")], name="encoder")
        super().__init__(inputs, kl.Dense(1)(encoder(inputs)))
        self.temperature, self.encoder, self.tracker = temperature, encoder, keras.metrics.Mean(name="tracked")
        self.beside = kl.Dense(2)
        self.beside.build((None, 1))
        self.beside.trainable = False
        self.label = self.describe

    def describe(self):
        return f"at {self.temperature}"

    def predict(self, *args, **kwargs):
        return super().predict(*args, **kwargs) / self.temperature

    def train_step(self, data):
        logs = super().train_step(data)
        self.tracker.update_state(self.temperature)
        return {**logs, "tracked": self.tracker.result()}


def test_a_class_that_makes_its_own_layers_is_kept_with_its_attributes(tmp_path: Path) -> None:
    model = Net(8, temperature=2.0)
    model.compile("adam", "mse")
    new, logs = trained(model)
    assert isinstance(new, Net)
    assert logs["tracked"] == [2.0]
    assert new.encoder is new.get_layer("encoder") is not model.encoder
    assert new.tracker is not model.tracker
    assert new.label() == "at 2.0" and new.label.__self__ is new
    np.testing.assert_array_equal(new.beside.kernel, model.beside.kernel)
    same = swap_activations(model, "relu", keep_weights=True)
    np.testing.assert_allclose(same.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-5)
    new.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras", custom_objects={"Net": Net})
    np.testing.assert_array_equal(loaded.predict(X, verbose=0), new.predict(X, verbose=0))


def test_a_class_that_only_makes_its_layers_becomes_one_that_can_be_saved(tmp_path: Path) -> None:
    class Mlp(keras.Model):
        def __init__(self, units: int) -> None:
            inputs = keras.Input((4,))
            super().__init__(inputs, kl.Dense(1)(kl.Dense(units, "relu")(inputs)))
            self.units = units

    new = swap_activations(Mlp(3), "elu")
    new.save(tmp_path / "mlp.keras")
    assert new.units == 3


def test_arguments_beside_the_graph_and_subclasses_of_sequential() -> None:
    class Tempered(keras.Model):
        def __init__(self, *args: Any, temperature: float = 1.0, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.temperature = temperature

    class Chain(keras.Sequential):
        def __init__(self, units: int) -> None:
            super().__init__([keras.Input((4,)), kl.Dense(units, "relu"), kl.Dense(1)])
            self.notes = {"units": units}

        def predict(self, *args: Any, **kwargs: Any) -> Any:
            return 0 * super().predict(*args, **kwargs)

    inputs = keras.Input((4,))
    tempered = Tempered(inputs, kl.Dense(1)(kl.Dense(8, "relu")(inputs)), temperature=2.0)
    assert swap_activations(tempered, "elu").temperature == 2.0
    chain = swap_activations(Chain(3), "elu")
    assert isinstance(chain, Chain) and chain.notes == {"units": 3}
    assert not chain.predict(X, verbose=0).any()


def test_a_compile_of_ones_own_with_optimizers_of_its_own() -> None:
    class Gan(keras.Model):
        def compile(self, generator_optimizer, loss_function, **kwargs):
            super().compile(**kwargs)
            self.generator_optimizer, self.loss_function = generator_optimizer, loss_function
            self.mean = keras.metrics.Mean(name="mean")

        def train_step(self, data):
            x, y = data
            with tf.GradientTape() as tape:
                loss = self.loss_function(y, self(x, training=True))
            gradients = tape.gradient(loss, self.trainable_variables)
            self.generator_optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
            self.mean.update_state(loss)
            return {"mean": self.mean.result()}

    inputs = keras.Input((4,))
    model = Gan(inputs, kl.Dense(1)(kl.Dense(8, "relu")(inputs)))
    model.compile(generator_optimizer=keras.optimizers.Adam(0.02), loss_function=lambda y, p: ops.mean((y - p) ** 2))
    model.fit(X, Y, verbose=0, epochs=2)
    new, logs = trained(model)
    assert logs.keys() == {"mean"}
    assert (int(new.generator_optimizer.iterations), int(model.generator_optimizer.iterations)) == (1, 2)
    assert float(new.generator_optimizer.learning_rate) == pytest.approx(0.02)


def test_an_attribute_that_would_use_the_original_model_is_refused() -> None:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, kl.Dense(1)(kl.Dense(8, "relu")(inputs)))
    model.scaled = lambda x: model(x) / 2
    with pytest.raises(ModelError, match=r"The attribute scaled .* uses this very model.*Make it a method"):
        swap_activations(model, "elu")


class Stepper:
    """Trains a model that it was given."""

    def __init__(self, model):
        self.model, self.stages = model, [model.first, {"last": model.last}]

    def step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = ops.mean((self.stages[1]["last"](self.stages[0](x)) - y) ** 2)
        weights = self.model.trainable_variables
        self.model.optimizer.apply(tape.gradient(loss, weights), weights)
        return {"loss": loss}


class Delegating(keras.Model):
    def __init__(self):
        inputs = keras.Input((4,))
        first, last = kl.Dense(3, "relu"), kl.Dense(1)
        super().__init__(inputs, last(first(inputs)))
        self.first, self.last = first, last
        self.stepper = Stepper(self)
        self.ways = [self.doubled, functools.partial(self.doubled, scale=3.0), {first}]

    def doubled(self, x, scale=2.0):
        return scale * self.last(self.first(x))

    def train_step(self, data):
        return self.stepper.step(data)


def test_objects_and_methods_that_hold_the_model_hold_the_new_one() -> None:
    model = Delegating()
    model.compile("sgd")
    before = model.get_weights()
    new = swap_activations(model, "relu", keep_weights=True)
    assert new.stepper.model is new and new.stepper.stages[0] is new.first is not model.first
    assert [new.ways[0].__self__, new.ways[1].func.__self__] == [new, new]
    (first,) = new.ways[2]
    assert first is new.first
    new.fit(X, Y, verbose=0)
    assert not np.array_equal(new.get_weights()[0], before[0])
    for old, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(now, old)


def test_a_loss_that_uses_the_model_is_refused() -> None:
    model = mlp()
    encoder = model.layers[0]
    model.compile("sgd", lambda y, p: ops.mean((p - y) ** 2) + ops.sum(encoder.kernel**2))
    with pytest.raises(ModelError, match=r"is a function that uses the model itself.*Make it a method"):
        swap_activations(model, "elu")
