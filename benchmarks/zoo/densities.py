"""Diffusion, flows, radiance fields, autoregressive models."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from zoo.registry import images, numbers, tokens, zoo

register = keras.saving.register_keras_serializable("zoo.densities")
SIZE = 8


@register
def sinusoidal_embedding(x):
    frequencies = ops.exp(ops.linspace(ops.log(1.0), ops.log(10.0), 4))
    angular_speeds = ops.cast(2.0 * np.pi * frequencies, "float32")
    return ops.concatenate([ops.sin(angular_speeds * x), ops.cos(angular_speeds * x)], axis=3)


@zoo(x=[images(SIZE), numbers(1, 1, 1)], y=images(SIZE), hidden="silu*3")
def diffusion_unet():
    """The residual U-Net of denoising diffusion implicit models."""

    def residual_block(x, width):
        residual = x if x.shape[3] == width else layers.Conv2D(width, kernel_size=1)(x)
        x = layers.BatchNormalization(center=False, scale=False)(x)
        x = layers.Conv2D(width, kernel_size=3, padding="same", activation="swish")(x)
        x = layers.Conv2D(width, kernel_size=3, padding="same")(x)
        return layers.Add()([x, residual])

    noisy_images = keras.Input(shape=(SIZE, SIZE, 3))
    noise_variances = keras.Input(shape=(1, 1, 1))
    e = layers.Lambda(sinusoidal_embedding, output_shape=(1, 1, 8))(noise_variances)
    e = layers.UpSampling2D(size=SIZE, interpolation="nearest")(e)
    x = layers.Concatenate()([layers.Conv2D(8, kernel_size=1)(noisy_images), e])
    skip = residual_block(x, 8)
    x = residual_block(layers.AveragePooling2D(pool_size=2)(skip), 16)
    x = layers.UpSampling2D(size=2, interpolation="bilinear")(x)
    x = residual_block(layers.Concatenate()([x, skip]), 8)
    x = layers.Conv2D(3, kernel_size=1, kernel_initializer="zeros")(x)
    model = keras.Model([noisy_images, noise_variances], x, name="residual_unet")
    model.compile(optimizer=keras.optimizers.AdamW(1e-3), loss=keras.losses.mean_absolute_error)
    return model


def coupling(input_shape, units=8):
    x = layers.Input(shape=(input_shape,))
    t = layers.Dense(units, activation="relu", kernel_regularizer=keras.regularizers.l2(0.01))(x)
    t = layers.Dense(units, activation="relu", kernel_regularizer=keras.regularizers.l2(0.01))(t)
    t = layers.Dense(input_shape, activation="linear")(t)
    s = layers.Dense(units, activation="relu", kernel_regularizer=keras.regularizers.l2(0.01))(x)
    s = layers.Dense(units, activation="relu", kernel_regularizer=keras.regularizers.l2(0.01))(s)
    s = layers.Dense(input_shape, activation="tanh")(s)
    return keras.Model(inputs=x, outputs=[s, t])


class RealNVP(keras.Model):
    """A flow: coupling networks in a list, masks, and a log likelihood."""

    def __init__(self, num_coupling_layers):
        super().__init__()
        self.num_coupling_layers = num_coupling_layers
        self.masks = np.array([[0, 1], [1, 0]] * (num_coupling_layers // 2), dtype="float32")
        self.layers_list = [coupling(2) for _ in range(num_coupling_layers)]

    def call(self, x):
        log_det_inv = 0.0
        for i in range(self.num_coupling_layers)[::-1]:
            x_masked = x * self.masks[i]
            reversed_mask = 1 - self.masks[i]
            s, t = self.layers_list[i](x_masked)
            s *= reversed_mask
            t *= reversed_mask
            x = reversed_mask * ((x - t) * ops.exp(-s)) + x_masked
            log_det_inv -= ops.sum(s, axis=1)
        return x, log_det_inv

    def train_step(self, data):
        with tf.GradientTape() as tape:
            y, logdet = self(data)
            loss = -ops.mean(-0.5 * ops.sum(ops.square(y), axis=1) + logdet)
        g = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(g, self.trainable_variables, strict=True))
        return {"loss": loss}


@zoo(x=numbers(2), hidden="relu*8 tanh*2")
def real_nvp():
    """The tanh bounds the scales inside: it is no output of the whole."""
    model = RealNVP(num_coupling_layers=2)
    model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.0001))
    return model


@zoo(x=numbers(6, 12), y=numbers(6, 4), hidden="relu*5")
def nerf():
    """A radiance field: a perceptron on encoded positions, which a skip brings in again."""
    inputs = keras.Input(shape=(6, 12))
    x = inputs
    for i in range(5):
        x = layers.Dense(units=16, activation="relu")(x)
        if i % 4 == 0 and i > 0:
            x = layers.concatenate([x, inputs], axis=-1)
    model = keras.Model(inputs=inputs, outputs=layers.Dense(units=4)(x))
    model.compile("adam", "mse")
    return model


@register
class PixelConvLayer(layers.Layer):
    """A convolution with a mask, around a Conv2D."""

    def __init__(self, mask_type, filters, **kwargs):
        self.conv_args = dict(kwargs)
        super().__init__()
        self.mask_type, self.filters = mask_type, filters
        self.conv = layers.Conv2D(filters, **kwargs)

    def build(self, input_shape):
        self.conv.build(input_shape)
        self.mask = np.zeros(self.conv.kernel.shape, "float32")
        height, width = self.mask.shape[:2]
        self.mask[: height // 2, ...] = 1.0
        self.mask[height // 2, : width // 2, ...] = 1.0
        if self.mask_type == "B":
            self.mask[height // 2, width // 2, ...] = 1.0

    def call(self, inputs):
        self.conv.kernel.assign(self.conv.kernel * self.mask)
        return self.conv(inputs)


@zoo(x=images(SIZE, 1), y=images(SIZE, 1), hidden="relu*4", output="sigmoid")
def pixel_cnn():
    """Masked convolutions that pass keyword arguments on."""
    inputs = keras.Input(shape=(SIZE, SIZE, 1))
    x = PixelConvLayer("A", 8, kernel_size=5, activation="relu", padding="same")(inputs)
    for _ in range(1):
        y = layers.Conv2D(8, kernel_size=1, activation="relu")(x)
        y = PixelConvLayer("B", 4, kernel_size=3, activation="relu", padding="same")(y)
        x = layers.add([x, layers.Conv2D(8, kernel_size=1, activation="relu")(y)])
    model = keras.Model(inputs, layers.Conv2D(1, kernel_size=1, activation="sigmoid", padding="valid")(x))
    model.compile(optimizer=keras.optimizers.Adam(0.0005), loss="binary_crossentropy")
    return model


@zoo(x=tokens(6), y=tokens(6), hidden="gelu relu", output="softmax")
def text_autoencoder():
    """Tokens through a bottleneck and back."""
    inputs = keras.Input((6,), dtype="int32")
    x = layers.Flatten()(layers.Embedding(20, 8)(inputs))
    code = layers.Dense(4, activation="gelu", name="code")(x)
    x = layers.RepeatVector(6)(code)
    x = layers.TimeDistributed(layers.Dense(8, activation="relu"))(x)
    model = keras.Model(inputs, layers.TimeDistributed(layers.Dense(20, activation="softmax"))(x))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model
