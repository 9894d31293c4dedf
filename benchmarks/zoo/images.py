"""Images in, images out: segmentation, enhancement, super resolution, autoencoders."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from zoo.registry import images, labels, zoo

register = keras.saving.register_keras_serializable("zoo.images")
SIZE = 16


@zoo(x=images(SIZE), y=labels(3, SIZE, SIZE), hidden="relu*9", output="softmax")
def unet_xception_like():
    """Oxford pets: strided blocks down, transposed convolutions up, residuals."""
    inputs = keras.Input(shape=(SIZE, SIZE, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same")(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu")(x)
    previous_block_activation = x
    for filters in [8, 16]:
        x = layers.Activation("relu")(x)
        x = layers.SeparableConv2D(filters, 3, padding="same")(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation("relu")(x)
        x = layers.SeparableConv2D(filters, 3, padding="same")(x)
        x = layers.BatchNormalization()(x)
        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
        residual = layers.Conv2D(filters, 1, strides=2, padding="same")(previous_block_activation)
        x = layers.add([x, residual])
        previous_block_activation = x
    for filters in [16, 8]:
        x = layers.Activation("relu")(x)
        x = layers.Conv2DTranspose(filters, 3, padding="same")(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation("relu")(x)
        x = layers.Conv2DTranspose(filters, 3, padding="same")(x)
        x = layers.BatchNormalization()(x)
        x = layers.UpSampling2D(2)(x)
        residual = layers.UpSampling2D(2)(previous_block_activation)
        residual = layers.Conv2D(filters, 1, padding="same")(residual)
        x = layers.add([x, residual])
        previous_block_activation = x
    x = layers.UpSampling2D(2)(x)
    outputs = layers.Conv2D(3, 3, activation="softmax", padding="same")(x)
    model = keras.Model(inputs, outputs)
    model.compile(optimizer=keras.optimizers.Adam(1e-4), loss="sparse_categorical_crossentropy")
    return model


def convolution_block(block_input, num_filters=8, kernel_size=3, dilation_rate=1, use_bias=False):
    x = layers.Conv2D(
        num_filters,
        kernel_size=kernel_size,
        dilation_rate=dilation_rate,
        padding="same",
        use_bias=use_bias,
        kernel_initializer=keras.initializers.HeNormal(),
    )(block_input)
    x = layers.BatchNormalization()(x)
    return ops.nn.relu(x)


@zoo(x=images(SIZE), y=labels(4, SIZE, SIZE), hidden="relu*8")
def deeplab_like():
    """Dilated pyramid pooling; the activations are calls of keras.ops; logits."""
    model_input = keras.Input(shape=(SIZE, SIZE, 3))
    low = convolution_block(layers.MaxPooling2D()(model_input))
    x = layers.MaxPooling2D()(low)
    pooled = layers.AveragePooling2D(pool_size=(x.shape[-3], x.shape[-2]))(x)
    pooled = convolution_block(pooled, kernel_size=1, use_bias=True)
    pooled = layers.UpSampling2D(size=(4, 4), interpolation="bilinear")(pooled)
    branches = [convolution_block(x, kernel_size=1), *(convolution_block(x, dilation_rate=r) for r in (2, 3))]
    x = convolution_block(layers.Concatenate(axis=-1)([pooled, *branches]), kernel_size=1)
    x = layers.UpSampling2D(size=(2, 2), interpolation="bilinear")(x)
    x = layers.Concatenate(axis=-1)([x, convolution_block(low, kernel_size=1)])
    x = convolution_block(x)
    x = layers.UpSampling2D(size=(2, 2), interpolation="bilinear")(x)
    model = keras.Model(model_input, layers.Conv2D(4, kernel_size=(1, 1), padding="same")(x))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model


@register
class DepthToSpace(layers.Layer):
    """Rearranges channels into pixels."""

    def __init__(self, block_size, **kwargs):
        super().__init__(**kwargs)
        self.block_size = block_size

    def call(self, inputs):
        _, height, width, depth = inputs.shape
        size = self.block_size
        channels = depth // size**2
        x = ops.reshape(inputs, [-1, height, width, size, size, channels])
        x = ops.transpose(x, [0, 1, 3, 2, 4, 5])
        return ops.reshape(x, [-1, height * size, width * size, channels])

    def get_config(self):
        return {**super().get_config(), "block_size": self.block_size}


@zoo(x=images(8, 1), y=images(SIZE, 1), hidden="relu*3", output="relu")
def sub_pixel_super_resolution():
    """The activation before the rearrangement is the output's."""
    conv_args = {"activation": "relu", "kernel_initializer": "orthogonal", "padding": "same"}
    inputs = keras.Input(shape=(8, 8, 1))
    x = layers.Conv2D(8, 5, **conv_args)(inputs)
    x = layers.Conv2D(8, 3, **conv_args)(x)
    x = layers.Conv2D(8, 3, **conv_args)(x)
    x = layers.Conv2D(4, 3, **conv_args)(x)
    model = keras.Model(inputs, DepthToSpace(2)(x))
    model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.001), loss=keras.losses.MeanSquaredError())
    return model


class EDSRModel(keras.Model):
    """Steps of its own, and a metric that is a plain function."""

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x=x, y=y, y_pred=y_pred)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, y_pred)
        return {m.name: m.result() for m in self.metrics}


def psnr(super_resolution, high_resolution):
    return tf.reduce_mean(tf.image.psnr(high_resolution, super_resolution, max_val=255))


@zoo(x=images(8), y=images(SIZE), hidden="relu*2")
def edsr():
    """Enhanced deep residual super resolution; Lambda with tf.nn.depth_to_space."""
    input_layer = layers.Input(shape=(8, 8, 3))
    x = layers.Rescaling(scale=1.0 / 255)(input_layer)
    x = x_new = layers.Conv2D(8, 3, padding="same")(x)
    for _ in range(2):
        y = layers.Conv2D(8, 3, padding="same", activation="relu")(x_new)
        y = layers.Conv2D(8, 3, padding="same")(y)
        x_new = layers.Add()([x_new, y])
    x_new = layers.Conv2D(8, 3, padding="same")(x_new)
    x = layers.Add()([x, x_new])
    x = layers.Conv2D(8 * 4, 3, padding="same")(x)
    x = layers.Lambda(lambda t: tf.nn.depth_to_space(t, 2), output_shape=(16, 16, 8))(x)
    outputs = layers.Rescaling(scale=255)(layers.Conv2D(3, 3, padding="same")(x))
    model = EDSRModel(input_layer, outputs)
    model.compile(optimizer="adam", loss="mae", metrics=[psnr])
    return model


class ZeroDCE(keras.Model):
    """Enhances images by curves; its losses are its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        input_img = keras.Input(shape=[None, None, 3])
        conv1 = layers.Conv2D(8, (3, 3), activation="relu", padding="same")(input_img)
        conv2 = layers.Conv2D(8, (3, 3), activation="relu", padding="same")(conv1)
        conv3 = layers.Conv2D(8, (3, 3), activation="relu", padding="same")(conv2)
        int_con1 = layers.Concatenate(axis=-1)([conv3, conv2])
        conv4 = layers.Conv2D(8, (3, 3), activation="relu", padding="same")(int_con1)
        int_con2 = layers.Concatenate(axis=-1)([conv4, conv1])
        x_r = layers.Conv2D(6, (3, 3), activation="tanh", padding="same")(int_con2)
        self.dce_model = keras.Model(inputs=input_img, outputs=x_r)

    def compile(self, learning_rate, **kwargs):
        super().compile(**kwargs)
        self.optimizer = keras.optimizers.Adam(learning_rate=learning_rate)
        self.total_loss_tracker = keras.metrics.Mean(name="total_loss")

    def enhance(self, data, output):
        x = data
        for i in range(2):
            r = output[:, :, :, 3 * i : 3 * i + 3]
            x = x + r * (ops.square(x) - x)
        return x

    def call(self, data):
        return self.enhance(data, self.dce_model(data))

    def train_step(self, data):
        with tf.GradientTape() as tape:
            output = self.dce_model(data)
            enhanced = self.enhance(data, output)
            loss = ops.mean(ops.square(ops.mean(enhanced, axis=3) - 0.6))
        gradients = tape.gradient(loss, self.dce_model.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.dce_model.trainable_weights, strict=True))
        self.total_loss_tracker.update_state(loss)
        return {"total_loss": self.total_loss_tracker.result()}


@zoo(x=images(SIZE), hidden="relu*4 tanh")
def zero_dce():
    """A subclassed model around a Functional one; compile with arguments of its own; curves from tanh."""
    model = ZeroDCE()
    model.compile(learning_rate=1e-4)
    return model


@zoo(x=images(SIZE, 1), y=images(SIZE, 1), hidden="relu*4", output="sigmoid")
def denoising_autoencoder():
    """Convolutions down, transposed convolutions up."""
    inputs = layers.Input(shape=(SIZE, SIZE, 1))
    x = layers.Conv2D(8, (3, 3), activation="relu", padding="same")(inputs)
    x = layers.MaxPooling2D((2, 2), padding="same")(x)
    x = layers.Conv2D(8, (3, 3), activation="relu", padding="same")(x)
    x = layers.MaxPooling2D((2, 2), padding="same")(x)
    x = layers.Conv2DTranspose(8, (3, 3), strides=2, activation="relu", padding="same")(x)
    x = layers.Conv2DTranspose(8, (3, 3), strides=2, activation="relu", padding="same")(x)
    x = layers.Conv2D(1, (3, 3), activation="sigmoid", padding="same")(x)
    autoencoder = keras.Model(inputs, x)
    autoencoder.compile(optimizer="adam", loss="binary_crossentropy")
    return autoencoder


@zoo(x=images(SIZE), y=labels(3, SIZE, SIZE), hidden="relu*5", gate="sigmoid", output="softmax")
def attention_unet():
    """The decoder's features decide, by an additive gate, what the skip lets through."""
    inputs = keras.Input((SIZE, SIZE, 3))
    skip = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    x = layers.MaxPooling2D()(skip)
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(x)
    up = layers.Conv2DTranspose(8, 2, strides=2, padding="same", activation="relu")(x)
    theta, phi = layers.Conv2D(4, 1)(skip), layers.Conv2D(4, 1)(up)
    psi = layers.Activation("relu")(layers.add([theta, phi]))
    psi = layers.Activation("sigmoid")(layers.Conv2D(1, 1)(psi))
    x = layers.concatenate([up, layers.multiply([skip, psi])])
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    model = keras.Model(inputs, layers.Conv2D(3, 1, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


@register
class ConvBlockAttention(layers.Layer):
    """Channel attention with a shared perceptron, then spatial attention."""

    def __init__(self, ratio=2, **kwargs):
        super().__init__(**kwargs)
        self.ratio = ratio

    def build(self, shape):
        channels = shape[-1]
        self.shared_one = layers.Dense(channels // self.ratio, activation="relu", kernel_initializer="he_normal")
        self.shared_two = layers.Dense(channels)
        self.spatial = layers.Conv2D(1, 3, padding="same", activation="sigmoid", use_bias=False)
        self.shared_one.build((None, channels))
        self.shared_two.build((None, channels // self.ratio))
        self.spatial.build((*shape[:-1], 2))

    def call(self, x):
        average = self.shared_two(self.shared_one(ops.mean(x, axis=(1, 2), keepdims=True)))
        largest = self.shared_two(self.shared_one(ops.max(x, axis=(1, 2), keepdims=True)))
        x = x * keras.activations.sigmoid(average + largest)
        pooled = ops.concatenate([ops.mean(x, -1, keepdims=True), ops.max(x, -1, keepdims=True)], axis=-1)
        return x * self.spatial(pooled)

    def get_config(self):
        return {**super().get_config(), "ratio": self.ratio}


@zoo(x=images(SIZE), y=labels(3), hidden="relu*4", gate="sigmoid*2", output="softmax")
def cbam():
    """A convolutional block attention module of one's own."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(inputs)
    x = ConvBlockAttention()(x)
    x = layers.Conv2D(8, 3, strides=2, activation="relu")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(8, activation="relu")(x)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(x))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def interpolated(x: np.ndarray) -> np.ndarray:
    return x.mean(axis=-1, keepdims=True)


@zoo(x=images(SIZE), y=interpolated(images(SIZE)), hidden="leaky_relu*3 relu", output="sigmoid")
def depth_estimation():
    """Blocks of one's own with LeakyReLU layers in attributes."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = DownscaleBlock(8)(inputs)
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    x = layers.UpSampling2D()(x)
    x = layers.Conv2D(4, 1)(x)
    x = layers.LeakyReLU(negative_slope=0.2)(x)
    model = keras.Model(inputs, layers.Conv2D(1, 1, activation="sigmoid")(x))
    model.compile("adam", "mae")
    return model


@register
class DownscaleBlock(layers.Layer):
    """Two convolutions and a pooling."""

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.convA = layers.Conv2D(filters, (3, 3), 1, padding="same")
        self.convB = layers.Conv2D(filters, (3, 3), 1, padding="same")
        self.reluA = layers.LeakyReLU(negative_slope=0.2)
        self.reluB = layers.LeakyReLU(negative_slope=0.2)
        self.bn2a = layers.BatchNormalization()
        self.pool = layers.MaxPool2D((2, 2), (2, 2))

    def call(self, input_tensor):
        d = self.convA(input_tensor)
        x = self.reluA(self.bn2a(d))
        x = self.reluB(self.convB(x))
        return self.pool(x + d)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}
