"""Activations that the code of layers and subclassed models applies: found, exchanged, trained, saved."""

from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as kl
from keras import ops
from keras.activations import gelu

import actsearch
from actsearch import find_sites, swap_activations
from actsearch.swap.opaque.inside import has_own_code, traced_inside
from actsearch.swap.opaque.paths import layer_paths
from tests.helpers.networks import assert_same_outputs, uniform
from tests.helpers.versions import since_keras


@keras.saving.register_keras_serializable("tests.inside")
class Mixed(kl.Layer):
    """Applies activations in all ways: arguments, layers, attributes, and calls of both libraries."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = kl.Dense(6, activation="gelu")
        self.learned = kl.PReLU()
        self.stack = keras.Sequential([kl.Dense(6, activation="relu"), kl.BatchNormalization(), kl.ReLU()])
        self.parts = [kl.Dense(6, activation="elu"), {"last": kl.Dense(6, activation="tanh")}]
        self.function = keras.activations.silu
        self.share = kl.Dense(6, activation="sigmoid")

    def call(self, x):
        y = self.stack(self.learned(self.dense(x)))
        z = self.parts[1]["last"](self.parts[0](y)) * self.share(x)
        both = ops.concatenate([ops.relu(z), ops.relu(-z)], -1)
        return self.function(both) + tf.nn.leaky_relu(both, alpha=0.3) + gelu(both)


@keras.saving.register_keras_serializable("tests.inside")
class Inner(kl.Layer):
    """Hands its argument on to a layer, and applies it."""

    def __init__(self, activation="gelu", **kwargs):
        super().__init__(**kwargs)
        self.activation = keras.activations.get(activation)
        self.first, self.second = kl.Dense(8, activation=self.activation), kl.Dense(4)

    def build(self, input_shape):
        self.first.build(input_shape)
        self.second.build((*input_shape[:-1], 8))

    def call(self, x):
        return x + self.second(self.activation(self.first(x)))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "activation": keras.activations.serialize(self.activation)}


@keras.saving.register_keras_serializable("tests.inside")
class Net(keras.Model):
    """A subclassed model."""

    def __init__(self, units=8, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.hidden, self.head = kl.Dense(units, activation="relu"), kl.Dense(3, activation="softmax")

    def call(self, x):
        return self.head(ops.silu(self.hidden(x)))


def around(layer, shape=(4,)):
    inputs = keras.Input(shape)
    return keras.Model(inputs, kl.Dense(2)(layer(inputs)))


def same(model):
    """The model with each hidden activation exchanged for itself."""
    bound = {
        site.name: actsearch.activations.bind(site.activation, **site.parameters)
        for site in find_sites(model)
        if site.kind == "hidden"
    }
    return swap_activations(model, bound, match=False, keep_weights=True)


def test_all_ways_to_apply_an_activation_are_found_with_their_part():
    found = {site.name: (site.activation, str(site.kind)) for site in find_sites(around(Mixed(name="own")))}
    assert found == {
        "own/dense": ("gelu", "hidden"),
        "own/learned": ("prelu", "hidden"),
        "own/stack/0": ("relu", "hidden"),
        "own/stack/2": ("relu", "hidden"),
        "own/parts/0": ("elu", "hidden"),
        "own/parts/1/last": ("tanh", "hidden"),
        "own/share": ("sigmoid", "gate"),
        "own/relu": ("relu", "hidden"),
        "own/relu_1": ("relu", "hidden"),
        "own/function": ("silu", "hidden"),
        "own/leaky_relu": ("leaky_relu", "hidden"),
        "own/gelu": ("gelu", "hidden"),
    }


def test_layers_that_feed_them_are_found():
    feeders = {site.name: site.feeder and site.feeder.name for site in find_sites(around(Mixed(name="own")))}
    assert feeders["own/learned"] == "own/dense"
    assert feeders["own/stack/2"] == "own/stack/0"
    assert feeders["own/relu"] is None


def test_an_exchange_for_itself_changes_nothing():
    model = around(Mixed(name="own"))
    assert_same_outputs(model, same(model), uniform(5, 4))


@since_keras("3.15", "does not save layers of a dict in a list")
@pytest.mark.filterwarnings("ignore:`build:UserWarning")  # Keras's, of layers without a build method
def test_learned_activations_inside_are_trained_and_saved(tmp_path):
    model = swap_activations(around(Mixed(name="own")), "prelu")
    slopes = [weight for weight in model.trainable_weights if "slope" in weight.path]
    before = [slope.numpy() for slope in slopes]
    model.compile(keras.optimizers.Adam(0.1), "mse")
    model.fit(uniform(32, 4), np.ones((32, 2)), verbose=0)
    assert len(slopes) == 11
    assert all(np.any(slope.numpy() != old) for slope, old in zip(slopes, before, strict=True))
    model.save(tmp_path / "model.keras")
    assert_same_outputs(model, keras.models.load_model(tmp_path / "model.keras"), uniform(5, 4))


def test_the_swapped_layer_keeps_its_class_and_the_model_its_original():
    model = around(Mixed(name="own"))
    expected = model(uniform(5, 4))
    new = swap_activations(model, "elu")
    assert isinstance(new.layers[1], Mixed)
    assert type(new.layers[1]).__name__ == "Mixed"
    assert keras.ops.relu(-1.0) == 0
    np.testing.assert_array_equal(expected, model(uniform(5, 4)))


def test_a_swapped_model_has_the_new_activations():
    new = swap_activations(around(Mixed(name="own")), "elu")
    assert {site.activation for site in find_sites(new) if site.kind == "hidden"} == {"elu"}
    assert len(find_sites(new)) == 12
    diagnosis = actsearch.diagnose(new, uniform(40, 4))
    assert len(diagnosis.sites) == 11


def test_an_argument_that_is_handed_on_is_one_site():
    model = around(Inner(name="block"))
    (site,) = find_sites(model)
    assert (site.name, site.num_uses) == ("block", 2)
    assert [swap.reason for swap in actsearch.plan_swap(model, "prelu").sites] == [""]
    assert [site.activation for site in find_sites(swap_activations(model, "elu"))] == ["elu"]
    slopes = [w for w in swap_activations(model, "prelu").trainable_weights if "slope" in w.path]
    assert [tuple(slope.shape) for slope in slopes] == [(8,), (8,)]


def test_what_a_last_layer_applies_inside_is_hidden_and_what_it_returns_is_an_output():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, Inner(name="second")(Inner(name="first")(inputs)))
    assert [str(site.kind) for site in find_sites(model)] == ["hidden", "hidden"]

    class Head(kl.Layer):
        def call(self, x):
            return ops.reshape(ops.softmax(x) * 2.0, (-1, 2, 2))

    assert [str(site.kind) for site in find_sites(keras.Model(inputs, Head()(inputs)))] == ["output"]


def test_a_subclassed_model_is_swapped_trained_and_saved(tmp_path):
    model = Net()
    model.compile("adam", "sparse_categorical_crossentropy")
    model(uniform(2, 4))
    kinds = {site.name: str(site.kind) for site in find_sites(model)}
    assert kinds == {"hidden": "hidden", "silu": "hidden", "head": "output"}
    assert_same_outputs(model, same(model), uniform(5, 4))
    new = swap_activations(model, "prelu")
    new.fit(uniform(32, 4), np.zeros(32), verbose=0)
    assert isinstance(new, Net)
    new.save(tmp_path / "model.keras")
    assert_same_outputs(new, keras.models.load_model(tmp_path / "model.keras"), uniform(5, 4))


def test_the_weights_that_feed_them_are_drawn_from_the_matched_initializer():
    model = around(Mixed(name="own"), shape=(512,))
    keras.utils.set_random_seed(0)
    new = swap_activations(model, "relu")
    kernel = new.layers[1].dense.kernel.numpy()
    assert kernel.std() == pytest.approx(np.sqrt(2 / 512), rel=0.05)


def test_own_code_inside_a_wrapper_and_a_recurrent_cell_is_reached():
    model = around(kl.TimeDistributed(Inner(name="block"), name="each"), shape=(3, 4))
    (site,) = find_sites(model)
    assert site.name == "each/block"
    assert_same_outputs(model, same(model), uniform(2, 3, 4))

    class Cell(kl.SimpleRNNCell):
        def call(self, inputs, states, training=False):
            return super().call(inputs, states, training=training)

    recurrent = around(kl.RNN(Cell(4), name="rnn"), shape=(3, 4))
    assert [str(site.kind) for site in find_sites(recurrent)] == ["recurrent"]


def test_a_call_that_cannot_be_traced_gives_nothing():
    class Failing(kl.Layer):
        def call(self, x):
            raise RuntimeError("no")

    layer = Failing()
    assert has_own_code(layer)
    assert traced_inside(layer, [keras.KerasTensor((None, 4))], {}) is None


def test_layers_are_named_by_the_attributes_that_lead_to_them():
    layer = Mixed()
    layer(uniform(2, 4))
    assert layer_paths(layer, [layer, layer.parts[1]["last"], layer.stack.layers[2]]) == ["", "parts/1/last", "stack/2"]


class Pair(keras.Model):
    """A model without `call`, as a GAN is: its train_step calls its parts, and its compile has arguments of its own."""

    def __init__(self, first, second):
        super().__init__()
        self.first, self.second = first, second

    def compile(self, own_optimizer):
        super().compile()
        self.own_optimizer, self.mean = own_optimizer, keras.metrics.Mean(name="loss")

    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(self.second(self.first(data)) ** 2)
        weights = self.first.trainable_weights
        self.own_optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        self.mean.update_state(loss)
        return {"loss": self.mean.result()}


@since_keras("3.15", "copies no layer whose config has a layer object")
def test_a_model_that_is_never_called_has_the_sites_of_its_parts():
    parts = [
        keras.Sequential([keras.Input((4,)), kl.Dense(4, activation="relu"), kl.Dense(4, activation=last)])
        for last in ("tanh", "sigmoid")
    ]
    pair = Pair(*parts)
    pair.compile(keras.optimizers.SGD(0.1))
    kinds = {site.name: str(site.kind) for site in find_sites(pair)}
    assert kinds == {"first/0": "hidden", "first/1": "output", "second/0": "hidden", "second/1": "output"}
    new = swap_activations(pair, "prelu")
    assert new.own_optimizer is not pair.own_optimizer
    history = new.fit(uniform(8, 4), epochs=2, verbose=0).history["loss"]
    assert history[1] < history[0]


@since_keras("3.15", "says otherwise what __init__ lacks")
def test_a_subclassed_model_that_cannot_be_copied_is_asked_for_its_function():
    class Own(keras.Model):
        def __init__(self, size):
            super().__init__()
            self.dense = kl.Dense(size, activation="relu")

        def call(self, x):
            return ops.sum(self.dense(x), -1)

    model = Own(3)
    model(uniform(2, 4))
    with pytest.raises(actsearch.errors.ModelError, match=r"argument size .*actsearch\.search\(make_model, x, y\)"):
        swap_activations(model, "elu")


def test_a_layer_that_returns_its_input_is_passed_on_the_way_to_the_feeder():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense, self.dropout, self.last = kl.Dense(8, name="dense"), kl.Dropout(0.2), kl.Dense(1)

        def call(self, x, training=None):
            x = ops.relu(self.dropout(self.dense(x), training=training))
            return self.last(ops.tanh(self.dropout(x, training=training)))

    model = Net()
    model(uniform(2, 4))
    assert {site.activation: [feeder.name for feeder in site.feeders] for site in find_sites(model)} == {
        "relu": ["dense"],
        "tanh": [],
    }


def test_models_may_be_looked_at_from_several_threads():
    model = keras.Sequential([keras.Input((4,)), Mixed(), kl.Dense(1)])
    before = [
        (vars(layer).get("call"), getattr(layer, "activation", None)) for layer in model.layers[0]._flatten_layers()
    ]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: len(find_sites(model)), range(3)))
    assert len(set(found)) == 1
    after = [
        (vars(layer).get("call"), getattr(layer, "activation", None)) for layer in model.layers[0]._flatten_layers()
    ]
    assert after == before


@keras.saving.register_keras_serializable("tests.inside")
class ByReference(keras.Model):
    """Calls activation functions that no name of Keras leads to: from a dict, a list, a helper, and by `get`."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first, self.last = kl.Dense(8, name="first"), kl.Dense(1)
        self.functions = {"first": keras.activations.gelu, "others": [tf.nn.elu]}

    def call(self, x):
        x = self.functions["first"](self.first(x))
        for function in self.functions["others"]:
            x = function(x)
        return self.last(helper(keras.activations.get("swish")(x)))


def helper(x):
    return gelu(x, approximate=True) - 0.1


def test_functions_that_no_name_leads_to_are_exchanged_too(tmp_path):
    model = ByReference()
    x = uniform(3, 4)
    model(x)
    found = {site.name: site.activation for site in find_sites(model)}
    assert found == {
        "functions/first": "gelu",
        "functions/others/0": "elu",
        "silu": "silu",
        "gelu": "gelu(approximate)",
    }
    same = {name: name_of for name, name_of in found.items() if "(" not in name_of}
    assert_same_outputs(model, swap_activations(model, same, match=False, keep_weights=True), x)
    assert model.functions["first"] is keras.activations.gelu, "the original is as it was"
    new = swap_activations(model, "prelu")
    assert sum("slope" in weight.path for weight in new.trainable_weights) == 4
    new.compile("sgd", "mse")
    new.fit(x, uniform(3, 1), verbose=0)
    new.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(x), new(x))
    assert [site.activation for site in find_sites(swap_activations(new, "elu"))] == ["elu"] * 4


def test_a_subclassed_model_that_was_trained_is_searched_as_well():
    model = ByReference()
    model.compile("sgd", "mse")
    model.fit(uniform(3, 4), uniform(3, 1), verbose=0)
    model.predict(uniform(3, 4), verbose=0)
    assert len(find_sites(model)) == 4


class Attending(kl.Layer):
    """Calls attention layers of Keras in its code."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dot, self.sums, self.dense = kl.Attention(), [kl.AdditiveAttention()], kl.Dense(4, activation="relu")

    def call(self, x):
        return self.dense(self.dot([x, x]) + self.sums[0]([x, x]))


def test_the_softmax_of_attention_in_own_code_is_a_gate_that_stays():
    model = around(Attending(name="own"), shape=(3, 4))
    gates = {"own/dot/softmax": "gate", "own/sums/0/softmax": "gate"}
    assert {site.name: str(site.kind) for site in find_sites(model)} == {"own/dense": "hidden", **gates}
    swapped = find_sites(swap_activations(model, "elu"))
    assert {site.activation for site in swapped if site.name in gates} == {"softmax"}
    assert_same_outputs(model, same(model), uniform(2, 3, 4))
