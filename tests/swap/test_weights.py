"""Which weights a rebuilt model keeps, and how a trained model is recognised."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as kl

from actsearch.errors import ModelError
from actsearch.layers import PReLU
from actsearch.swap.plan import plan_swap
from actsearch.swap.swap import swap_activations
from actsearch.swap.weights import training_signs
from tests.helpers.networks import assert_same_outputs, uniform
from tests.helpers.versions import since_keras

X = uniform(6, 4)
WORDS, NUMBERS = np.array([["a"], ["b"], ["b"], ["c"]]), np.array([[3], [5], [5], [9]])


def net(*layers: kl.Layer, shape: tuple[int, ...] = (4,)) -> keras.Model:
    return keras.Sequential([keras.Input(shape), *layers])


@since_keras("3.15", "has no lora_alpha")
def test_lora_keeps_the_frozen_kernel_its_flag_and_its_alpha() -> None:
    model = net(kl.Embedding(9, 4, name="e"), kl.Flatten(), kl.Dense(8, "relu", name="h"), kl.Dense(1), shape=(3,))
    model.get_layer("e").enable_lora(2)
    model.get_layer("h").enable_lora(2, lora_alpha=5)
    new = swap_activations(model, "gelu")
    for name, kernel in (("e", "_embeddings"), ("h", "_kernel")):
        old, now = getattr(model.get_layer(name), kernel), getattr(new.get_layer(name), kernel)
        np.testing.assert_array_equal(old, now)
        assert not now.trainable
    assert new.get_layer("h").lora_alpha == 5
    assert len(new.trainable_variables) == len(model.trainable_variables)
    assert not np.array_equal(new.get_layer("h").lora_kernel_a, model.get_layer("h").lora_kernel_a)
    model.get_layer("h").lora_kernel_b.assign(np.ones((2, 8)))
    assert_same_outputs(model, swap_activations(model, "relu", keep_weights=True), np.array([[1, 2, 3], [4, 5, 6]]))


@since_keras("3.15", "has no lora_alpha")
def test_lora_and_int8_inside_a_layer_whose_config_has_neither() -> None:
    inputs = keras.Input((5, 4))
    attention = kl.MultiHeadAttention(2, 2, name="attention")
    model = keras.Model(inputs, kl.Dense(1)(kl.Dense(8, "relu")(attention(inputs, inputs))))
    attention._query_dense.enable_lora(2)
    attention._query_dense.lora_kernel_b.assign(uniform(*attention._query_dense.lora_kernel_b.shape))
    same = swap_activations(model, "relu", keep_weights=True)
    assert_same_outputs(model, same, uniform(2, 5, 4))
    assert len(same.trainable_variables) == len(model.trainable_variables)


@since_keras("3.15", "has no int4")
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("mode", ["int8", "int4"])
def test_a_quantized_layer_keeps_its_values(mode: str) -> None:
    model = net(kl.Dense(8, "relu", name="q"), kl.Dense(4, "relu"), kl.Dense(1))
    model.get_layer("q").quantize(mode)
    assert_same_outputs(model, swap_activations(model, "relu", keep_weights=True), X)
    new = swap_activations(model, "prelu")
    assert new.get_layer("q").quantization_mode == mode
    np.testing.assert_array_equal(new.get_layer("q")._kernel, model.get_layer("q")._kernel)
    assert new.get_layer("q_activation").dtype_policy.name == "float32"


def test_single_frozen_variables_keep_value_and_flag() -> None:
    model = net(kl.Dense(8, "relu", name="h"), kl.BatchNormalization(name="b"), kl.Dense(1))
    model.get_layer("h").kernel.trainable = model.get_layer("b").gamma.trainable = False
    model.get_layer("b").moving_mean.assign(np.ones(8))
    new = swap_activations(model, "elu")
    assert not new.get_layer("h").kernel.trainable
    assert not new.get_layer("b").gamma.trainable
    np.testing.assert_array_equal(new.get_layer("h").kernel, model.get_layer("h").kernel)
    assert not new.get_layer("b").moving_mean.numpy().any(), "training changes it, so it starts anew"


class Pair(kl.Layer):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.normalise = kl.Dense(8), kl.Dense(8), kl.Normalization()
        self.bins = kl.Discretization(num_bins=3)

    def build(self, shape):
        self.first.build(shape)
        self.second.build((None, 8))

    def call(self, x):
        return self.second(self.first(self.normalise(x) + keras.ops.cast(self.bins(x), "float32")))


def test_frozen_and_adapted_layers_inside_a_layer() -> None:
    pair = Pair()
    pair.normalise.adapt(9 * X + 3)
    pair.bins.adapt(X)
    model = net(pair, kl.Dense(8, "relu"), kl.Dense(1))
    pair.first.trainable = False
    new = swap_activations(model, "elu").layers[0]
    np.testing.assert_array_equal(new.first.kernel, pair.first.kernel)
    assert not np.array_equal(new.second.kernel, pair.second.kernel)
    np.testing.assert_array_equal(new.normalise.mean, pair.normalise.mean)
    assert new.bins.bin_boundaries == pair.bins.bin_boundaries
    assert_same_outputs(model, swap_activations(model, "relu", keep_weights=True), X)


def adapted(layer: kl.Layer, data: Any) -> kl.Layer:
    layer.adapt(data)
    return layer


def text(mode: str, **more: Any) -> kl.Layer:
    return adapted(kl.TextVectorization(output_mode=mode, **more), ["the cat sat", "a dog sat on the mat", "cat"])


MODES = ("int", "one_hot", "multi_hot", "count", "tf_idf")
SENTENCES = np.array([["the cat"], ["dog zebra"]])


@since_keras("3.15", "has fewer modes")
@pytest.mark.parametrize(
    ("make", "x"),
    [
        *((lambda mode=mode: adapted(kl.StringLookup(output_mode=mode), WORDS), WORDS) for mode in MODES),
        *((lambda m=m: adapted(kl.IntegerLookup(num_oov_indices=2, output_mode=m), NUMBERS), NUMBERS) for m in MODES),
        *((lambda m=m: adapted(kl.Discretization(num_bins=3, output_mode=m), X), X[:, :1]) for m in MODES[:-1]),
        *((lambda mode=mode: text(mode), SENTENCES) for mode in ("multi_hot", "count", "tf_idf")),
        (lambda: text("int", output_sequence_length=4), SENTENCES),
        (lambda: text("tf_idf", max_tokens=12, pad_to_max_tokens=True), SENTENCES),
        (lambda: text("int", output_sequence_length=4, ngrams=2, standardize=lambda s: tf.strings.lower(s)), SENTENCES),
        (lambda: kl.Hashing(5, output_mode="one_hot", salt=3), WORDS),
        (lambda: kl.CategoryEncoding(10, output_mode="multi_hot"), NUMBERS),
        (lambda: adapted(kl.Normalization(), X), X),
    ],
)
def test_adapted_layers_of_every_mode(make: Callable[[], kl.Layer], x: np.ndarray) -> None:
    kind = "string" if x.dtype.kind == "U" else x.dtype.name
    layer, inputs = make(), keras.Input(x.shape[1:], dtype=kind)
    h = layer(inputs)
    h = h if keras.backend.standardize_dtype(h.dtype).startswith("float") else keras.ops.cast(h, "float32")
    model = keras.Model(inputs, kl.Dense(1)(kl.Dense(4, "relu")(kl.Flatten()(h))))
    given = tf.constant(x)
    new = swap_activations(model, "relu", keep_weights=True)
    np.testing.assert_allclose(new(given), model(given), atol=1e-6)
    fresh = swap_activations(model, "elu").layers[1]
    np.testing.assert_array_equal(fresh(given), layer(given))


def test_a_vocabulary_that_was_set_after_the_layer_was_made() -> None:
    look_up = kl.StringLookup(vocabulary=["a", "b"])
    look_up.set_vocabulary(["c", "d"])
    model = net(kl.Dense(4, "relu"), kl.Dense(1))
    words = keras.Input((1,), dtype="string")
    model = keras.Model(words, model(kl.Flatten()(kl.Embedding(5, 4)(look_up(words)))))
    new = swap_activations(model, "elu")
    assert next(layer for layer in new.layers if isinstance(layer, kl.StringLookup)).get_vocabulary()[1:] == ["c", "d"]


def test_weights_that_cannot_be_copied_are_never_lost_in_silence() -> None:
    class Grows(kl.Layer):
        sizes = iter([2, 3])

        def build(self, shape):
            self.w = self.add_weight(shape=(next(self.sizes),), name="w")

        def call(self, x):
            return x

    model = net(kl.Dense(4, "relu"), Grows(name="grows"), kl.Dense(1))
    with pytest.raises(
        ModelError, match=r"weights of the layer 'grows'.*1 variables of shapes \(2,\), its copy .*\(3,\)"
    ):
        swap_activations(model, "elu", keep_weights=True)


def test_frozen_layers_keep_their_activations_unless_asked() -> None:
    base = net(kl.Dense(8, "relu", name="a"), kl.Dense(8, name="b"), kl.ReLU(name="r"))
    base.trainable = False
    inputs = keras.Input((4,))
    x = kl.ReLU(name="after")(kl.BatchNormalization(trainable=False)(base.layers[0](inputs)))
    model = keras.Model(inputs, kl.Dense(1)(kl.Dense(8, "relu", name="head")(kl.Add()([base(inputs), x]))))
    reasons = {swap.site.name.rpartition("/")[2]: swap.reason for swap in plan_swap(model, "selu").sites}
    assert reasons == {"a": "it is frozen", "r": "it is frozen", "after": "it is frozen", "head": ""}
    assert all(swap.activation == "selu" for swap in plan_swap(model, "selu", include_frozen=True).sites)
    named = {swap.site.name: "selu" for swap in plan_swap(model, "selu").left_alone}
    assert len(plan_swap(model, named).replaced) == 3
    new = swap_activations(model, "selu")
    np.testing.assert_array_equal(base(X), new.get_layer(base.name)(X))
    assert type(new.get_layer("head_activation")).__name__ == "SELU"


def test_lora_does_not_make_a_layer_frozen() -> None:
    model = net(kl.Dense(8, "relu", name="a"), kl.Dense(8, name="b"), kl.ReLU(), kl.Dense(1))
    for name in "ab":
        model.get_layer(name).enable_lora(2)
    assert len(plan_swap(model, "elu").replaced) == 2


def fives(shape: Any, dtype: Any = None) -> Any:
    return keras.random.uniform(shape, 3, 4, dtype=dtype)


def untrained() -> list[keras.Model]:
    """Models with initializers of all kinds, as they are before training."""
    initializers = [
        *("glorot_uniform", "he_normal", "lecun_normal", "orthogonal", "random_uniform", "truncated_normal"),
        *("random_normal", keras.initializers.VarianceScaling(2, "fan_out", "untruncated_normal")),
        *(keras.initializers.RandomNormal(seed=3), fives),
    ]
    dense = [kl.Dense(30, "relu", kernel_initializer=each, bias_initializer="ones") for each in initializers]
    series = net(
        kl.Bidirectional(kl.LSTM(5, return_sequences=True)),
        kl.GRU(4, return_sequences=True),
        kl.SeparableConv1D(4, 2),
        kl.LayerNormalization(),
        kl.BatchNormalization(),
        PReLU(),
        kl.PReLU(),
        kl.Dense(2, bias_initializer=keras.initializers.Constant(-4.6), dtype="mixed_float16"),
        shape=(5, 4),
    )
    words = net(kl.Embedding(20, 8, embeddings_initializer=keras.initializers.Constant(uniform(20, 8))), shape=(3,))
    return [net(*dense), series, words, keras.Sequential([kl.Dense(3)])]


def test_untrained_models_show_no_signs_of_training() -> None:
    for seed in range(3):
        keras.utils.set_random_seed(seed)
        for model in untrained():
            assert training_signs(model) == ""
            # with other seeds than its initializers have now, as after loading from a file
            with keras.saving.custom_object_scope({"fives": fives}):
                assert training_signs(keras.models.clone_model(model)) == ""


def steps(model: keras.Model) -> None:
    model.compile("adam", "mse")
    model.fit(X, uniform(6, 3), verbose=0, epochs=2)


def set_weights(model: keras.Model) -> None:
    model.layers[0].set_weights([5 * uniform(4, 200), np.zeros(200)])


def one_step_and_compiled_again(model: keras.Model) -> None:
    steps(model)
    model.compile("adam", "mse")


@pytest.mark.parametrize(
    ("train", "sign"),
    [
        (steps, "its optimizer has made 2 steps"),
        (set_weights, "the kernel of a is not what GlorotUniform gives"),
        (one_step_and_compiled_again, "the bias of a is not what Zeros gives"),
    ],
)
def test_signs_of_training(train: Callable[[keras.Model], None], sign: str) -> None:
    model = net(kl.Dense(200, "relu", name="a"), kl.Dense(3, name="b"))
    train(model)
    assert training_signs(model) == sign
    model.compile("adam", "mse")
    model.trainable = False
    assert training_signs(model) == ""


class Encoder(keras.Model):
    """A subclassed model with a pretrained part and a head."""

    def __init__(self, units=8):
        super().__init__()
        self.base = keras.Sequential([kl.Dense(units, "relu"), kl.Dense(units, "relu")])
        self.head, self.out = kl.Dense(units, "relu"), kl.Dense(1)

    def call(self, x):
        return self.out(self.head(self.base(x)))


def test_a_frozen_part_of_a_subclassed_model_keeps_weights_and_activations() -> None:
    model = Encoder()
    model(X)
    model.base.trainable = False
    model.compile("sgd", "mse")
    reasons = {swap.site.name: swap.reason for swap in plan_swap(model, "selu").sites}
    assert sorted(reasons.values()) == ["", "it is frozen", "it is frozen"]
    new = swap_activations(model, "selu")
    np.testing.assert_allclose(new.base(X), model.base(X), rtol=1e-6)
    assert not np.array_equal(new.head.kernel, model.head.kernel)
    kept = swap_activations(model, "selu", keep_weights=True)
    expected = model.out(keras.activations.selu(model.base(X) @ model.head.kernel + model.head.bias))
    np.testing.assert_allclose(kept(X), expected, rtol=1e-5)
    assert training_signs(model) == ""


def test_weights_that_are_as_close_to_new_ones_as_possible_give_no_warning() -> None:
    given = keras.initializers.RandomNormal(seed=1)((5,)).numpy()
    above = np.sort(given)[[1, 2, 3, 4, 4]]
    between = (np.sort(given) + above) / 2 + [0, 0, 0, 0, 1]
    model = net(kl.Dense(1, use_bias=False, kernel_initializer="random_normal"), shape=(5,))
    model.layers[0].kernel.assign(between[:, None])
    assert training_signs(model) == ""
