"""Models whose class makes its layers in `__init__` are saved with the graph that a swap gives them."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers as kl

from actsearch.layers.rebuilt import Rebuilt
from actsearch.swap.swap import swap_activations
from tests.helpers.networks import uniform

X, Y = uniform(8, 4), uniform(8, 1)


@keras.saving.register_keras_serializable("test_rebuilt")
class Scaled(kl.Layer):
    """A layer without `build`, with a weight of its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.scale = self.add_weight(shape=(1, 4), initializer="random_normal", name="scale")
        self.norm = kl.LayerNormalization(name="norm")

    def call(self, x):
        return x * self.norm(self.scale * 1.0)


@keras.saving.register_keras_serializable("test_rebuilt")
class Net(keras.Model):
    def __init__(self, units, temperature=1.0):
        inputs = keras.Input((4,), name="features")
        encoder = keras.Sequential([keras.Input((4,)), kl.Dense(units, "relu")], name="encoder")
        super().__init__({"features": inputs}, {"out": kl.Dense(1, name="out")(encoder(Scaled()(inputs)))})
        self.temperature, self.encoder = temperature, encoder
        self.beside = kl.Dense(2)
        self.beside.build((None, 1))
        self.beside.trainable = False
        self.parts = {"a": [self.beside, encoder.layers[0]], 3: (1, "two", {4})}
        self.ema = keras.Variable(np.full(2, 7.0), trainable=False, name="ema")
        self.start = keras.initializers.Constant(3.0)
        self.label = self.describe

    def describe(self):
        return f"at {self.temperature}"

    def train_step(self, data):
        self.ema.assign_add([1.0, 0.0])
        return super().train_step(data)


@keras.saving.register_keras_serializable("test_rebuilt")
class Stack(keras.Sequential):
    def __init__(self, units):
        super().__init__([keras.Input((4,)), kl.Dense(units, "relu"), kl.Dense(1)])
        self.units = units

    def describe(self):
        return self.units


def saved_and_loaded(model: Any, folder: Path) -> Any:
    model.save(folder / "model.keras")
    return keras.models.load_model(folder / "model.keras")


def test_a_functional_model_keeps_its_class_graph_and_attributes(tmp_path: Path) -> None:
    model = Net(8, temperature=2.0)
    model.compile("sgd", "mse")
    new = swap_activations(model, "prelu")
    new.fit({"features": X}, {"out": Y}, verbose=0)
    loaded = saved_and_loaded(new, tmp_path)
    assert isinstance(loaded, Net) and isinstance(loaded, Rebuilt)
    np.testing.assert_array_equal(loaded({"features": X})["out"], new({"features": X})["out"])
    assert [weight.name for weight in loaded.weights] == [weight.name for weight in new.weights]
    assert loaded.describe() == "at 2.0" and loaded.label.__self__ is loaded
    assert loaded.encoder is loaded.get_layer("encoder")
    assert loaded.parts["a"] == [loaded.beside, loaded.encoder.layers[0]]
    assert loaded.parts[3] == (1, "two", {4})
    np.testing.assert_array_equal(loaded.ema, [8.0, 7.0])
    assert loaded.start.value == 3.0
    loaded.fit({"features": X}, {"out": Y}, verbose=0)


def test_a_sequential_one_too_and_inside_another_model(tmp_path: Path) -> None:
    stack = swap_activations(Stack(5), "elu")
    outer = keras.Sequential([keras.Input((4,)), stack, kl.Dense(2)])
    loaded = saved_and_loaded(outer, tmp_path)
    assert isinstance(loaded.layers[0], Stack) and loaded.layers[0].describe() == 5
    np.testing.assert_array_equal(loaded(X), outer(X))


def test_a_loaded_one_can_be_swapped_and_saved_again(tmp_path: Path) -> None:
    loaded = saved_and_loaded(swap_activations(Net(8), "elu"), tmp_path)
    again = swap_activations(loaded, "relu", keep_weights=True)
    last = saved_and_loaded(again, tmp_path)
    assert isinstance(last, Net) and last.label() == "at 1.0"
    np.testing.assert_array_equal(last({"features": X})["out"], again({"features": X})["out"])


def test_flags_and_policies_are_saved(tmp_path: Path) -> None:
    model = Stack(5)
    model.trainable = False
    new = swap_activations(model, "elu", include_frozen=True)
    loaded = saved_and_loaded(new, tmp_path)
    assert not loaded.trainable and not loaded.trainable_weights
    assert loaded.dtype_policy.name == new.dtype_policy.name


def test_an_attribute_that_cannot_be_saved_is_named(tmp_path: Path) -> None:
    class Tokens:
        pass

    model = Stack(5)
    model.tokens = Tokens()
    new = swap_activations(model, "elu")
    with pytest.raises(NotImplementedError, match=r"attribute tokens of the model 'stack.*Give Tokens a get_config"):
        new.save(tmp_path / "model.keras")


def test_a_class_that_is_not_registered_has_to_be_named(tmp_path: Path) -> None:
    class Own(Stack):
        pass

    new = swap_activations(Own(5), "elu")
    new.save(tmp_path / "model.keras")
    with pytest.raises(TypeError, match="Could not locate class 'Own'"):
        keras.models.load_model(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", custom_objects={"Own": Own})
    assert isinstance(loaded, Own)
    np.testing.assert_array_equal(loaded(X), new(X))


def test_to_ask_for_a_config_changes_nothing() -> None:
    model = Stack(5)
    model.layers[0].activity_regularizer = keras.regularizers.L2(0.1)
    new = swap_activations(model, "elu")
    new(X)
    nodes = [len(layer._inbound_nodes) for layer in new.layers]
    assert new.to_json() == new.to_json()
    assert [len(layer._inbound_nodes) for layer in new.layers] == nodes
    assert len(new.losses) == 1


@keras.saving.register_keras_serializable("test_rebuilt")
class Named(keras.Model):
    """Its attributes are what it was compiled with, and one another."""

    def __init__(self, units):
        inputs = keras.Input((4,))
        super().__init__(inputs, kl.Dense(1)(kl.Dense(units, "relu")(inputs)))
        self.supports_masking = True
        self.scale = keras.Variable(np.ones(1), trainable=False, name="scale")
        self.alias = {"scale": self.scale, "count": 3}
        self.tracker = self.again = keras.metrics.Mean(name="tracker")
        self.opt, self.parts = None, None

    def train_step(self, data):
        logs = super().train_step(data)
        self.scale.assign_add([float(self.opt is self.optimizer)])
        return logs


def test_attributes_that_are_one_object_stay_one(tmp_path: Path) -> None:
    model = Named(5)
    error = keras.metrics.MeanAbsoluteError()
    model.compile(keras.optimizers.Adam(), "mse", metrics=[error])
    model.opt, model.parts = model.optimizer, [error, {"beside": kl.Dense(1)}]
    new = swap_activations(model, "elu")
    new.fit(X, Y, verbose=0)
    loaded = saved_and_loaded(new, tmp_path)
    again = saved_and_loaded(loaded, tmp_path)
    for made in (new, loaded, again):
        assert made.opt is made.optimizer and int(made.opt.iterations) == 1
        assert made.alias["scale"] is made.scale and made.alias["count"] == 3
        assert made.tracker is made.again and isinstance(made.tracker, keras.metrics.Mean)
        assert isinstance(made.parts[1]["beside"], kl.Dense)
        assert made.supports_masking
        np.testing.assert_array_equal(made.scale, [2.0])
    loaded.fit(X, Y, verbose=0)
    assert int(loaded.opt.iterations) == 2 and float(loaded.parts[0].count) > 0
    bare = keras.models.load_model(tmp_path / "model.keras", compile=False)
    assert bare.opt is None and not bare.compiled
    assert bare.to_json()
