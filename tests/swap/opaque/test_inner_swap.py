"""Activations exchanged in the code of layers: the rest of the layer means what it meant before."""

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as kl
from keras import ops

import actsearch
from actsearch import find_sites, plan_swap, swap_activations
from tests.helpers.networks import assert_same_outputs, uniform

pytestmark = pytest.mark.filterwarnings("ignore:`build:UserWarning")  # Keras's, of layers without a build method


def registered(kind):
    return keras.saving.register_keras_serializable("tests.inner_swap")(kind)


def around(layer, shape=(4,), **options):
    inputs = keras.Input(shape, **options)
    return keras.Model(inputs, kl.Dense(2)(layer(inputs)))


def kinds_of(model):
    return {site.name.partition("/")[2]: str(site.kind) for site in find_sites(model)}


def reloaded(model, folder):
    model.save(folder / "model.keras")
    return keras.models.load_model(folder / "model.keras")


@registered
class Steps(kl.Layer):
    """Calls two functions, and applies one inside a layer."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.a = kl.Dense(4, activation="relu")

    def call(self, x):
        return ops.silu(ops.relu(self.a(x)))


def test_a_second_swap_keeps_the_first_and_sees_the_rest(tmp_path):
    first = swap_activations(around(Steps(name="s")), {"s/relu": "elu"})
    assert {site.activation for site in find_sites(first)} == {"relu", "elu", "silu"}
    second = swap_activations(first, {"s/silu": "tanh"}, keep_weights=True)
    loaded = reloaded(second, tmp_path)
    assert_same_outputs(second, loaded, uniform(5, 4))
    assert sorted(site.activation for site in find_sites(loaded)) == ["elu", "relu", "tanh"]
    all_of_it = swap_activations(swap_activations(around(Steps(name="s")), "prelu"), "elu")
    assert {site.activation for site in find_sites(reloaded(all_of_it, tmp_path))} == {"elu"}


@registered
class Block(kl.Layer):
    """Hands an argument on, and returns it in its config, also after it was exchanged."""

    def __init__(self, activation="gelu", inner=None, **kwargs):
        super().__init__(**kwargs)
        self.activation = keras.activations.get(activation)
        self.inner = inner or kl.Dense(4, activation=self.activation)

    def call(self, x):
        return x + self.activation(self.inner(x))

    def get_config(self):
        inner = keras.saving.serialize_keras_object(self.inner)
        return {**super().get_config(), "activation": keras.activations.serialize(self.activation), "inner": inner}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "inner": keras.saving.deserialize_keras_object(config["inner"])})


@pytest.mark.parametrize("make", [lambda: Block(name="b"), lambda: kl.Bidirectional(kl.LSTM(3), name="b")])
def test_a_layer_whose_config_names_its_activation_loads_as_it_was_saved(tmp_path, make):
    model = around(make(), (5, 4) if "Bi" in type(make()).__name__ else (4,))
    new = swap_activations(model, "prelu", include_recurrent=True)
    loaded = reloaded(new, tmp_path)
    assert [weight.shape for weight in loaded.weights] == [weight.shape for weight in new.weights]
    assert_same_outputs(new, loaded, uniform(2, *new.input_shape[1:]))
    again = swap_activations(new, "elu", include_recurrent=True)
    assert {site.activation for site in find_sites(again) if site.kind != "gate"} == {"elu"}


class Autoencoder(keras.Model):
    """Its train_step and its call enter the same method."""

    def __init__(self):
        super().__init__()
        self.down, self.up = kl.Dense(3), kl.Dense(4)

    def encode(self, x):
        return ops.relu(self.down(x))

    def call(self, x):
        return self.up(self.encode(x))

    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((self.up(self.encode(data)) - data) ** 2)
        self.optimizer.apply_gradients(
            zip(tape.gradient(loss, self.trainable_weights), self.trainable_weights, strict=True)
        )
        return {"loss": loss}


def test_the_own_train_step_uses_the_new_activation():
    model = Autoencoder()
    model.compile(keras.optimizers.SGD(1.0))
    model(uniform(2, 4))
    new = swap_activations(model, "prelu")
    (slope,) = [weight for weight in new.trainable_weights if "slope" in weight.path]
    before = slope.numpy()
    new.fit(uniform(32, 4), verbose=0)
    assert np.any(slope.numpy() != before)


class Compiled(keras.Model):
    """Its code is a graph of TensorFlow, which keeps the activation that it was traced with."""

    def __init__(self):
        super().__init__()
        self.dense, self.last = kl.Dense(4, activation="relu", name="dense"), kl.Dense(2)

    @tf.function
    def encode(self, x):
        return self.dense(x)

    def call(self, x):
        return self.last(self.encode(x))


def test_code_that_is_compiled_is_left_alone_and_named():
    model = Compiled()
    model(uniform(2, 4))
    with pytest.raises(actsearch.errors.ModelError, match="dense: the code of the layer around it applies"):
        swap_activations(model, "elu")


class Bayesian(kl.Layer):
    def build(self, shape):
        self.rho = self.add_weight(shape=(shape[-1], 4), initializer="ones")

    def call(self, x):
        return ops.tanh(ops.matmul(x, ops.softplus(self.rho)))


class Squashing(kl.Layer):
    def call(self, x):
        return ops.clip(ops.sigmoid(x), 1e-3, 1 - 1e-3)


class Cell(kl.Layer):
    state_size, output_size = 4, 4

    def __init__(self):
        super().__init__()
        self.inner = kl.Dense(4, activation="tanh")

    def call(self, x, states):
        share = ops.sigmoid(x)
        state = share * self.inner(ops.concatenate([x, states[0]], -1)) + (1 - share) * states[0]
        return state, [state]


class ForgettingCell(Cell):
    """Its gate is part of the candidate that it scales, too."""

    def call(self, x, states):
        forget = ops.sigmoid(x)
        candidate = self.inner(ops.concatenate([x, forget * states[0]], -1))
        state = (1 - forget) * states[0] + forget * candidate
        return state, [state]


@pytest.mark.parametrize(
    ("make", "shape", "kinds"),
    [
        (lambda: kl.RNN(ForgettingCell()), (3, 4), {"cell/sigmoid": "gate", "cell/inner": "recurrent"}),
        (Bayesian, (4,), {"tanh": "hidden"}),
        (lambda: kl.RNN(Cell()), (3, 4), {"cell/sigmoid": "gate", "cell/inner": "recurrent"}),
    ],
)
def test_functions_of_weights_and_of_states(make, shape, kinds):
    assert kinds_of(around(make(), shape)) == kinds


def test_a_clipped_output_is_an_output():
    inputs = keras.Input((4,))
    assert [str(site.kind) for site in find_sites(keras.Model(inputs, Squashing()(inputs)))] == ["output"]


class Pooling(kl.Layer):
    def __init__(self):
        super().__init__()
        self.function, self.pool = keras.activations.silu, kl.GlobalAveragePooling1D()

    def call(self, x):
        return self.pool(ops.relu(x)) + self.pool(self.function(x))


@pytest.mark.filterwarnings("ignore:Layer 'pooling.*does not support masking:UserWarning")
def test_functions_drop_the_mask_as_before():
    inputs = keras.Input((3,), dtype="int32")
    embedded = kl.Embedding(5, 4, mask_zero=True)(inputs)
    model = keras.Model(inputs, Pooling()(embedded))
    bound = {site.name: site.activation for site in find_sites(model)}
    x = np.array([[1, 2, 0], [3, 0, 0]])
    assert_same_outputs(model, swap_activations(model, bound, match=False, keep_weights=True), x)


class Widths(kl.Layer):
    def __init__(self):
        super().__init__()
        self.parts = [kl.Dense(8), kl.Dense(6)]

    def call(self, x):
        for part in self.parts:
            x = ops.relu(part(x))
        return x


def test_one_place_for_several_widths_cannot_learn():
    model = around(Widths())
    (swap,) = plan_swap(model, "elu").sites
    assert (swap.site.num_uses, swap.activation) == (2, "elu")
    with pytest.raises(actsearch.errors.ModelError, match="inputs of several widths"):
        swap_activations(model, "prelu")


class Casting(kl.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = kl.Dense(4, dtype=self.dtype_policy)

    def call(self, x):
        y = tf.cast(self.dense(x), "float32")
        return tf.nn.softplus(features=y) + y


def test_an_input_that_the_code_has_cast_keeps_its_type():
    inputs = keras.Input((4,))
    model = keras.Model(inputs, kl.Dense(2)(Casting(dtype="mixed_float16")(inputs)))
    assert np.isfinite(swap_activations(model, "elu")(uniform(2, 4))).all()


def test_what_is_frozen_stays_frozen():
    model = around(Steps(name="s"))
    model.layers[1].trainable = False
    new = swap_activations(model, "prelu", include_frozen=True)
    assert [weight.path.split("/")[-1] for weight in new.trainable_weights] == ["kernel", "bias"]


class Numbers(keras.Model):
    def __init__(self):
        super().__init__()
        self.hidden, self.last = kl.Dense(4, activation="relu"), kl.Dense(3, activation="softmax")

    def call(self, x):
        return self.last(self.hidden(tf.one_hot(x, 5)))


def test_a_model_of_whole_numbers_is_built_from_the_sample():
    from actsearch.spaces import load_space
    from actsearch.swap import SearchedModel

    model = Numbers()
    model.compile("adam", "sparse_categorical_crossentropy")
    build = SearchedModel(model, load_space(["relu", "prelu"]), sample=np.array([1, 2]))
    hp = keras_tuner.HyperParameters()
    hp.values = {"activation": "prelu"}
    assert build(hp)(np.array([0, 4])).shape == (2, 3)
    assert build.remarks == ()
