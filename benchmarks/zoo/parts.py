"""Layers and ways of one's own: wrappers, adapters, precision, functions as activations, shared parts."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from zoo.registry import binary, images, labels, numbers, tokens, zoo

register = keras.saving.register_keras_serializable("zoo.parts")
TABLE = {"x": numbers(6), "y": labels(3)}


def classifier(inputs, x, **kwargs):
    model = keras.Model(inputs, layers.Dense(3, activation="softmax", **kwargs)(x))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@register
class Linear(layers.Layer):
    """The dense layer that everyone writes once."""

    def __init__(self, units=8, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1], self.units), initializer="he_normal", trainable=True)
        self.b = self.add_weight(shape=(self.units,), initializer="zeros", trainable=True)

    def call(self, inputs):
        return self.activation(ops.matmul(inputs, self.w) + self.b)

    def get_config(self):
        activation = keras.activations.serialize(self.activation)
        return {**super().get_config(), "units": self.units, "activation": activation}


@zoo(**TABLE, hidden="relu gelu", output="softmax")
def linear_layers():
    """A layer with an activation argument of its own, as the last one too."""
    inputs = keras.Input((6,))
    x = Linear(8, activation="relu")(inputs)
    x = Linear(8, activation="gelu")(x)
    model = keras.Model(inputs, Linear(3, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


@register
class LoraLayer(layers.Layer):
    """Adapts a frozen layer by a product of two small matrices."""

    def __init__(self, original_layer, rank=2, alpha=4, **kwargs):
        super().__init__(**kwargs)
        self.rank, self.alpha = rank, alpha
        self.original_layer = original_layer
        self.original_layer.trainable = False
        self.down = layers.Dense(rank, use_bias=False, kernel_initializer="he_uniform", name="lora_A")
        self.up = layers.Dense(original_layer.units, use_bias=False, kernel_initializer="zeros", name="lora_B")

    def call(self, inputs):
        return self.original_layer(inputs) + self.up(self.down(inputs)) * (self.alpha / self.rank)

    def get_config(self):
        layer = keras.saving.serialize_keras_object(self.original_layer)
        return {**super().get_config(), "original_layer": layer, "rank": self.rank, "alpha": self.alpha}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config.pop("original_layer")), **config)


@zoo(**TABLE, hidden="gelu*2", output="softmax")
def lora_layers():
    """Adapters around frozen layers; the activations stand between."""
    inputs = x = keras.Input((6,))
    for _ in range(2):
        x = LoraLayer(layers.Dense(8))(x)
        x = layers.Activation("gelu")(x)
    return classifier(inputs, x)


@zoo(**TABLE, hidden="relu*2", output="softmax")
def dense_with_enabled_lora():
    """Keras's own adapters."""
    inputs = keras.Input((6,))
    x = layers.Dense(8, activation="relu")(inputs)
    x = layers.Dense(8, activation="relu")(x)
    model = classifier(inputs, x)
    for layer in model.layers[1:3]:
        layer.enable_lora(2)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


@zoo(x=images(8), y=labels(3), hidden="relu*3", output="softmax")
def mixed_precision_convnet():
    """Half precision by the global policy, with an output in float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        inputs = keras.Input((8, 8, 3))
        x = layers.Conv2D(8, 3, activation="relu")(inputs)
        x = layers.ReLU()(layers.BatchNormalization()(layers.Conv2D(8, 3)(x)))
        x = layers.Dense(8, activation="relu")(layers.GlobalAveragePooling2D()(x))
        return classifier(inputs, x, dtype="float32")
    finally:
        keras.config.set_dtype_policy(before)


@zoo(**TABLE, hidden="relu*2", output="softmax")
def quantized_dense():
    """Weights in eight bits; only the rest can be trained."""
    inputs = keras.Input((6,))
    x = layers.Dense(8, activation="relu")(inputs)
    x = layers.Dense(8, activation="relu")(x)
    model = classifier(inputs, x)
    model.quantize("int8")
    return model


@register
def gaussian(x):
    return ops.exp(-ops.square(x))


def scaled_tanh(x):
    return 1.7159 * ops.tanh(2.0 * x / 3.0)


@zoo(**TABLE, hidden="gaussian scaled_tanh", output="softmax")
def functions_as_activations():
    """A radial basis function, and LeCun's tanh; one is registered and one is not."""
    inputs = keras.Input((6,))
    x = layers.Dense(8, activation=gaussian)(inputs)
    x = layers.Activation(scaled_tanh)(layers.Dense(8)(x))
    return classifier(inputs, x)


@zoo(**TABLE, hidden="relu silu gelu(approximate) prelu elu leaky_relu", output="softmax")
def functions_of_tensorflow():
    """Lambda with tf.nn.relu, tf.nn as arguments, a lambda around gelu's default, and Keras's layers."""
    inputs = keras.Input((6,))
    x = layers.Lambda(tf.nn.relu)(layers.Dense(8)(inputs))
    x = layers.Dense(8, activation=tf.nn.swish)(x)
    x = layers.Lambda(lambda t: tf.nn.gelu(t, approximate=True))(layers.Dense(8)(x))
    x = layers.PReLU()(layers.Dense(8)(x))
    x = layers.ELU(alpha=0.5)(layers.Dense(8)(x))
    x = layers.Dense(8, activation=keras.layers.LeakyReLU(negative_slope=0.1))(x)
    return classifier(inputs, x)


@zoo(x=images(8), y=binary(), hidden="leaky_relu*3", output="sigmoid")
def spectral_discriminator():
    """Spectral normalization around convolutions, with the activation inside and after it."""
    inputs = keras.Input((8, 8, 3))
    x = layers.SpectralNormalization(layers.Conv2D(8, 3, strides=2, activation="leaky_relu"))(inputs)
    x = layers.LeakyReLU(0.2)(layers.SpectralNormalization(layers.Conv2D(8, 2))(x))
    x = layers.LeakyReLU(0.2)(layers.Dense(8)(layers.Flatten()(x)))
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))
    model.compile("adam", "binary_crossentropy")
    return model


@register
class WeightNorm(layers.Wrapper):
    """Weight normalization, which applies the activation of the layer in it itself."""

    def build(self, input_shape=None):
        super().build(input_shape)
        self.g = self.add_weight(name="g", shape=(self.layer.units,), initializer="ones", trainable=True)

    def call(self, inputs):
        v = self.layer.kernel
        kernel = self.g * v / ops.sqrt(ops.sum(ops.square(v), axis=0, keepdims=True) + 1e-6)
        return self.layer.activation(ops.matmul(inputs, kernel) + self.layer.bias)


@zoo(**TABLE, hidden="relu tanh", output="softmax")
def weight_normalization():
    """A wrapper of one's own."""
    inputs = keras.Input((6,))
    x = WeightNorm(layers.Dense(8, activation="relu"))(inputs)
    x = WeightNorm(layers.Dense(8, activation="tanh"))(x)
    return classifier(inputs, x)


@zoo(x=images(8), y=labels(3), hidden="relu", output="softmax")
def one_relu_for_all():
    """A single layer object, applied three times."""
    act = layers.ReLU()
    inputs = keras.Input((8, 8, 3))
    x = act(layers.Conv2D(8, 3)(inputs))
    x = act(layers.Conv2D(8, 3)(x))
    x = act(layers.Dense(8)(layers.Flatten()(x)))
    return classifier(inputs, x)


@register
class Highway(layers.Layer):
    """Lets a share of its input pass."""

    def __init__(self, act_layer=None, **kwargs):
        super().__init__(**kwargs)
        self.act = act_layer() if act_layer is not None else layers.ReLU()

    def build(self, input_shape):
        dim = input_shape[-1]
        self.transform = layers.Dense(dim)
        self.carry = layers.Dense(dim, bias_initializer=keras.initializers.Constant(-2.0))
        self.transform.build(input_shape)
        self.carry.build(input_shape)

    def call(self, x):
        t = ops.sigmoid(self.carry(x))
        return t * self.act(self.transform(x)) + (1.0 - t) * x


@zoo(**TABLE, hidden="relu*2", gate="sigmoid", output="softmax")
def highway_network():
    """One highway layer that is applied in a loop: its weights and its activation are shared."""
    inputs = keras.Input((6,))
    x = layers.Dense(8, activation="relu")(inputs)
    highway = Highway()
    for _ in range(3):
        x = highway(x)
    return classifier(inputs, x)


class DecoderBlock(layers.Layer):
    """A block after Llama: RMS norms, attention and a gated perceptron, all in code."""

    def __init__(self, dim, heads, hidden):
        super().__init__()
        self.heads = heads
        self.norm_1, self.norm_2 = layers.RMSNormalization(), layers.RMSNormalization()
        self.qkv, self.out = layers.Dense(3 * dim, use_bias=False), layers.Dense(dim, use_bias=False)
        self.gate_proj = layers.Dense(hidden, use_bias=False)
        self.up_proj = layers.Dense(hidden, use_bias=False)
        self.down_proj = layers.Dense(dim, use_bias=False)

    def attend(self, x):
        _, steps, dim = x.shape
        qkv = ops.reshape(self.qkv(x), (-1, steps, 3, self.heads, dim // self.heads))
        q, k, v = ops.unstack(ops.transpose(qkv, (2, 0, 3, 1, 4)), axis=0)
        scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) / np.sqrt(dim // self.heads)
        mask = ops.triu(ops.full((steps, steps), -1e9), k=1)
        weights = ops.softmax(scores + mask, axis=-1)
        return self.out(ops.reshape(ops.transpose(ops.matmul(weights, v), (0, 2, 1, 3)), (-1, steps, dim)))

    def call(self, x):
        x = x + self.attend(self.norm_1(x))
        h = self.norm_2(x)
        return x + self.down_proj(ops.silu(self.gate_proj(h)) * self.up_proj(h))


class TinyLlama(keras.Model):
    """A decoder as a class, with its blocks in a list."""

    def __init__(self, vocabulary, dim=8, num_layers=2):
        super().__init__()
        self.embedding = layers.Embedding(vocabulary, dim)
        self.blocks = [DecoderBlock(dim, heads=2, hidden=16) for _ in range(num_layers)]
        self.norm = layers.RMSNormalization()
        self.head = layers.Dense(vocabulary, use_bias=False)

    def call(self, ids):
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


@zoo(x=tokens(6), y=tokens(6), hidden="silu*2", gate="softmax*2")
def tiny_llama():
    """Nothing is registered, nothing has a config; logits."""
    model = TinyLlama(20)
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


@zoo(x=images(8, 1), y=[binary(8, 8, 1), binary(8, 8, 1)], hidden="relu*3", output="sigmoid*2")
def deep_supervision():
    """A side output goes into the next stage as well."""
    inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    side = layers.Conv2D(1, 1, activation="sigmoid", name="side")(x)
    y = layers.Concatenate()([x, side])
    for _ in range(2):
        y = layers.ReLU()(layers.Conv2D(8, 3, padding="same")(y))
    final = layers.Conv2D(1, 1, activation="sigmoid", name="final")(y)
    model = keras.Model(inputs, [side, final])
    model.compile("adam", ["binary_crossentropy", "binary_crossentropy"])
    return model
