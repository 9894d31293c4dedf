"""Models that generate: variational autoencoders and adversarial pairs."""

import keras
import tensorflow as tf
from keras import layers, ops

from zoo.registry import images, numbers, zoo

register = keras.saving.register_keras_serializable("zoo.generative")
SIZE, LATENT = 8, 2


@register
class Sampling(layers.Layer):
    """Uses (z_mean, z_log_var) to sample z."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(1337)

    def call(self, inputs):
        z_mean, z_log_var = inputs
        shape = ops.shape(z_mean)
        epsilon = keras.random.normal(shape=shape, seed=self.seed_generator)
        return z_mean + ops.exp(0.5 * z_log_var) * epsilon


def vae_encoder():
    encoder_inputs = keras.Input(shape=(SIZE, SIZE, 1))
    x = layers.Conv2D(8, 3, activation="relu", strides=2, padding="same")(encoder_inputs)
    x = layers.Conv2D(8, 3, activation="relu", strides=2, padding="same")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(8, activation="relu")(x)
    z_mean = layers.Dense(LATENT, name="z_mean")(x)
    z_log_var = layers.Dense(LATENT, name="z_log_var")(x)
    return keras.Model(encoder_inputs, [z_mean, z_log_var, Sampling()([z_mean, z_log_var])], name="encoder")


def vae_decoder():
    latent_inputs = keras.Input(shape=(LATENT,))
    x = layers.Dense(2 * 2 * 8, activation="relu")(latent_inputs)
    x = layers.Reshape((2, 2, 8))(x)
    x = layers.Conv2DTranspose(8, 3, activation="relu", strides=2, padding="same")(x)
    x = layers.Conv2DTranspose(8, 3, activation="relu", strides=2, padding="same")(x)
    return keras.Model(
        latent_inputs, layers.Conv2DTranspose(1, 3, activation="sigmoid", padding="same")(x), name="decoder"
    )


@register
class VAE(keras.Model):
    """The variational autoencoder of keras.io, with a call."""

    def __init__(self, encoder, decoder, **kwargs):
        super().__init__(**kwargs)
        self.encoder = encoder
        self.decoder = decoder
        self.total_loss_tracker = keras.metrics.Mean(name="total_loss")
        self.kl_loss_tracker = keras.metrics.Mean(name="kl_loss")

    @property
    def metrics(self):
        return [self.total_loss_tracker, self.kl_loss_tracker]

    def call(self, inputs):
        return self.decoder(self.encoder(inputs)[2])

    def train_step(self, data):
        with tf.GradientTape() as tape:
            z_mean, z_log_var, z = self.encoder(data)
            reconstruction = self.decoder(z)
            reconstruction_loss = ops.mean(ops.sum(keras.losses.binary_crossentropy(data, reconstruction), axis=(1, 2)))
            kl_loss = -0.5 * (1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var))
            kl_loss = ops.mean(ops.sum(kl_loss, axis=1))
            total_loss = reconstruction_loss + kl_loss
        grads = tape.gradient(total_loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(grads, self.trainable_weights, strict=True))
        self.total_loss_tracker.update_state(total_loss)
        self.kl_loss_tracker.update_state(kl_loss)
        return {"loss": self.total_loss_tracker.result(), "kl_loss": self.kl_loss_tracker.result()}


@zoo(x=images(SIZE, 1), hidden="relu*6", output="sigmoid")
def vae():
    """An encoder and a decoder handed to a subclass; the decoder's sigmoid is the output."""
    model = VAE(vae_encoder(), vae_decoder())
    model.compile(optimizer=keras.optimizers.Adam())
    return model


@register
class KLDivergence(layers.Layer):
    """Adds the divergence as a loss, and hands its inputs on."""

    def call(self, inputs):
        mu, log_var = inputs
        self.add_loss(-0.5 * ops.mean(1 + log_var - ops.square(mu) - ops.exp(log_var)))
        return inputs


@zoo(x=images(SIZE, 1), y=images(SIZE, 1), hidden="relu*6", output="sigmoid")
def vae_with_add_loss():
    """The same, all Functional: the loss is added by a layer."""
    inputs = keras.Input((SIZE, SIZE, 1))
    z_mean, z_log_var, _ = vae_encoder()(inputs)
    z_mean, z_log_var = KLDivergence()([z_mean, z_log_var])
    model = keras.Model(inputs, vae_decoder()(Sampling()([z_mean, z_log_var])))
    model.compile("adam", "binary_crossentropy")
    return model


def discriminator(channels=1):
    return keras.Sequential(
        [
            keras.Input((SIZE, SIZE, channels)),
            layers.Conv2D(8, kernel_size=4, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2D(8, kernel_size=4, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(1, activation="sigmoid"),
        ],
        name="discriminator",
    )


def generator():
    return keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(4 * 4 * 8),
            layers.Reshape((4, 4, 8)),
            layers.Conv2DTranspose(8, kernel_size=4, strides=2, padding="same"),
            layers.LeakyReLU(negative_slope=0.2),
            layers.Conv2D(1, kernel_size=5, padding="same", activation="tanh"),
        ],
        name="generator",
    )


@register
class GAN(keras.Model):
    """The adversarial pair of keras.io: no call, two optimizers, a train_step."""

    def __init__(self, discriminator, generator, latent_dim, **kwargs):
        super().__init__(**kwargs)
        self.discriminator = discriminator
        self.generator = generator
        self.latent_dim = latent_dim
        self.seed_generator = keras.random.SeedGenerator(1337)

    def compile(self, d_optimizer, g_optimizer, loss_fn):
        super().compile()
        self.d_optimizer = d_optimizer
        self.g_optimizer = g_optimizer
        self.loss_fn = loss_fn
        self.d_loss_metric = keras.metrics.Mean(name="d_loss")
        self.g_loss_metric = keras.metrics.Mean(name="g_loss")

    @property
    def metrics(self):
        return [self.d_loss_metric, self.g_loss_metric]

    def train_step(self, real_images):
        batch_size = ops.shape(real_images)[0]
        noise = keras.random.normal((batch_size, self.latent_dim), seed=self.seed_generator)
        combined = ops.concatenate([self.generator(noise), real_images], axis=0)
        targets = ops.concatenate([ops.ones((batch_size, 1)), ops.zeros((batch_size, 1))], axis=0)
        with tf.GradientTape() as tape:
            d_loss = self.loss_fn(targets, self.discriminator(combined))
        grads = tape.gradient(d_loss, self.discriminator.trainable_weights)
        self.d_optimizer.apply_gradients(zip(grads, self.discriminator.trainable_weights, strict=True))
        with tf.GradientTape() as tape:
            predictions = self.discriminator(self.generator(noise))
            g_loss = self.loss_fn(ops.zeros((batch_size, 1)), predictions)
        grads = tape.gradient(g_loss, self.generator.trainable_weights)
        self.g_optimizer.apply_gradients(zip(grads, self.generator.trainable_weights, strict=True))
        self.d_loss_metric.update_state(d_loss)
        self.g_loss_metric.update_state(g_loss)
        return {"d_loss": self.d_loss_metric.result(), "g_loss": self.g_loss_metric.result()}


@zoo(x=images(SIZE, 1), hidden="leaky_relu*3", output="sigmoid tanh")
def gan_without_call():
    """As keras.io has it: never called as a whole."""
    model = GAN(discriminator=discriminator(), generator=generator(), latent_dim=4)
    model.compile(
        d_optimizer=keras.optimizers.Adam(learning_rate=0.0003),
        g_optimizer=keras.optimizers.Adam(learning_rate=0.0003),
        loss_fn=keras.losses.BinaryCrossentropy(),
    )
    return model


@zoo(x=numbers(4), y=images(SIZE, 1), hidden="leaky_relu", output="tanh")
def gan_generator():
    """The generator by itself."""
    model = generator()
    model.compile("adam", "mse")
    return model


def downsample(x, filters, apply_norm=True):
    x = layers.Conv2D(filters, 4, strides=2, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x) if apply_norm else x
    return layers.LeakyReLU()(x)


@zoo(x=images(SIZE), y=images(SIZE), hidden="leaky_relu*3 relu*2", output="tanh")
def pix2pix_generator():
    """Strides down with LeakyReLU, up with ReLU, skips between."""
    inputs = keras.Input((SIZE, SIZE, 3))
    d1 = downsample(inputs, 8, apply_norm=False)
    d2 = downsample(d1, 8)
    x = downsample(d2, 8)
    for skip in (d2, d1):
        x = layers.Conv2DTranspose(8, 4, strides=2, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.Dropout(0.5)(x)
        x = layers.Concatenate()([layers.ReLU()(x), skip])
    outputs = layers.Conv2DTranspose(3, 4, strides=2, padding="same", activation="tanh")(x)
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(2e-4, beta_1=0.5), "mae")
    return model


@zoo(x=[images(SIZE), images(SIZE, seed=1)], y=images(2, 1), hidden="leaky_relu*3")
def pix2pix_discriminator():
    """Judges patches of a pair of images; logits."""
    inp, tar = keras.Input((SIZE, SIZE, 3), name="input_image"), keras.Input((SIZE, SIZE, 3), name="target_image")
    x = downsample(layers.concatenate([inp, tar]), 8, apply_norm=False)
    x = downsample(x, 8)
    x = layers.Conv2D(8, 2, padding="same", use_bias=False)(x)
    x = layers.LeakyReLU()(layers.BatchNormalization()(x))
    model = keras.Model([inp, tar], layers.Conv2D(1, 2, padding="same")(x))
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    return model


@register
class ReflectionPadding2D(layers.Layer):
    """Padding by reflection."""

    def __init__(self, padding=(1, 1), **kwargs):
        super().__init__(**kwargs)
        self.padding = tuple(padding)

    def call(self, input_tensor):
        width, height = self.padding
        return ops.pad(input_tensor, [[0, 0], [height, height], [width, width], [0, 0]], mode="reflect")

    def get_config(self):
        return {**super().get_config(), "padding": self.padding}


@zoo(x=images(SIZE), y=images(SIZE), hidden="relu*3", output="tanh")
def cyclegan_generator():
    """Residual blocks; the activation is handed over as a layer or as None."""

    def residual_block(x, activation):
        y = layers.Conv2D(8, 3, padding="valid", use_bias=False)(ReflectionPadding2D()(x))
        y = activation(layers.GroupNormalization(groups=-1)(y))
        y = layers.Conv2D(8, 3, padding="valid", use_bias=False)(ReflectionPadding2D()(y))
        return layers.add([x, layers.GroupNormalization(groups=-1)(y)])

    img_input = layers.Input(shape=(SIZE, SIZE, 3))
    x = layers.Conv2D(8, 3, padding="valid", use_bias=False)(ReflectionPadding2D()(img_input))
    x = layers.Activation("relu")(layers.GroupNormalization(groups=-1)(x))
    for _ in range(2):
        x = residual_block(x, activation=layers.Activation("relu"))
    x = layers.Conv2D(3, 3, padding="valid")(ReflectionPadding2D()(x))
    model = keras.Model(img_input, layers.Activation("tanh")(x))
    model.compile("adam", "mae")
    return model
