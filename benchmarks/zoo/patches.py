"""Vision without plain convolutional networks: transformers on patches, mixers and their relatives."""

import keras
import numpy as np
from keras import layers, ops

from zoo.registry import images, labels, zoo

register = keras.saving.register_keras_serializable("zoo.patches")
SIZE, PATCH, DIM, CLASSES = 16, 4, 8, 5
NUM_PATCHES = (SIZE // PATCH) ** 2
DATA = {"x": images(SIZE), "y": labels(CLASSES)}


def compiled(model):
    model.compile(
        optimizer=keras.optimizers.AdamW(learning_rate=0.001, weight_decay=0.0001),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    return model


@register
class Patches(layers.Layer):
    """Cuts images into patches."""

    def __init__(self, patch_size, **kwargs):
        super().__init__(**kwargs)
        self.patch_size = patch_size

    def call(self, images):
        patches = ops.image.extract_patches(images, size=self.patch_size)
        return ops.reshape(patches, (-1, patches.shape[1] * patches.shape[2], patches.shape[3]))

    def get_config(self):
        config = super().get_config()
        config.update({"patch_size": self.patch_size})
        return config


@register
class PatchEncoder(layers.Layer):
    """Projects patches and adds an embedding of their position."""

    def __init__(self, num_patches, projection_dim, **kwargs):
        super().__init__(**kwargs)
        self.num_patches = num_patches
        self.projection = layers.Dense(units=projection_dim)
        self.position_embedding = layers.Embedding(input_dim=num_patches, output_dim=projection_dim)

    def call(self, patch):
        positions = ops.expand_dims(ops.arange(start=0, stop=self.num_patches, step=1), axis=0)
        return self.projection(patch) + self.position_embedding(positions)

    def get_config(self):
        return {**super().get_config(), "num_patches": self.num_patches, "projection_dim": self.projection.units}


def mlp(x, hidden_units, dropout_rate):
    for units in hidden_units:
        x = layers.Dense(units, activation=keras.activations.gelu)(x)
        x = layers.Dropout(dropout_rate)(x)
    return x


@zoo(**DATA, hidden="gelu*6")
def vision_transformer():
    """The ViT of keras.io."""
    inputs = keras.Input(shape=(SIZE, SIZE, 3))
    encoded_patches = PatchEncoder(NUM_PATCHES, DIM)(Patches(PATCH)(inputs))
    for _ in range(2):
        x1 = layers.LayerNormalization(epsilon=1e-6)(encoded_patches)
        attention_output = layers.MultiHeadAttention(num_heads=2, key_dim=DIM, dropout=0.1)(x1, x1)
        x2 = layers.Add()([attention_output, encoded_patches])
        x3 = layers.LayerNormalization(epsilon=1e-6)(x2)
        x3 = mlp(x3, hidden_units=[DIM * 2, DIM], dropout_rate=0.1)
        encoded_patches = layers.Add()([x3, x2])
    representation = layers.LayerNormalization(epsilon=1e-6)(encoded_patches)
    representation = layers.Flatten()(representation)
    representation = layers.Dropout(0.5)(representation)
    features = mlp(representation, hidden_units=[16, 8], dropout_rate=0.5)
    return compiled(keras.Model(inputs=inputs, outputs=layers.Dense(CLASSES)(features)))


def build_classifier(blocks, positional_encoding=False):
    """What the mixers share: patches, their embedding, blocks, pooling, logits."""
    inputs = layers.Input(shape=(SIZE, SIZE, 3))
    x = Patches(PATCH)(inputs)
    x = layers.Dense(units=DIM)(x)
    if positional_encoding:
        x = x + layers.Embedding(NUM_PATCHES, DIM)(ops.arange(NUM_PATCHES)[None])
    x = blocks(x)
    representation = layers.GlobalAveragePooling1D()(x)
    representation = layers.Dropout(rate=0.2)(representation)
    return compiled(keras.Model(inputs=inputs, outputs=layers.Dense(CLASSES)(representation)))


class MLPMixerLayer(layers.Layer):
    """Mixes patches, then channels; its config does not have its arguments."""

    def __init__(self, num_patches, hidden_units, dropout_rate, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.mlp1 = keras.Sequential(
            [
                layers.Dense(units=num_patches, activation="gelu"),
                layers.Dense(units=num_patches),
                layers.Dropout(rate=dropout_rate),
            ]
        )
        self.mlp2 = keras.Sequential(
            [
                layers.Dense(units=num_patches, activation="gelu"),
                layers.Dense(units=hidden_units),
                layers.Dropout(rate=dropout_rate),
            ]
        )
        self.normalize = layers.LayerNormalization(epsilon=1e-6)

    def build(self, input_shape):  # noqa: ARG002  Keras names it
        self.built = True

    def call(self, inputs):
        x = self.normalize(inputs)
        x_channels = ops.transpose(x, axes=(0, 2, 1))
        mlp1_outputs = self.mlp1(x_channels)
        mlp1_outputs = ops.transpose(mlp1_outputs, axes=(0, 2, 1))
        x = mlp1_outputs + inputs
        x_patches = self.normalize(x)
        mlp2_outputs = self.mlp2(x_patches)
        return x + mlp2_outputs


@zoo(**DATA, hidden="gelu*4")
def mlp_mixer():
    """A Sequential of blocks of one's own."""
    return build_classifier(keras.Sequential([MLPMixerLayer(NUM_PATCHES, DIM, 0.2) for _ in range(2)]))


class FNetLayer(layers.Layer):
    """Mixes patches by a Fourier transform."""

    def __init__(self, embedding_dim, dropout_rate, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.ffn = keras.Sequential(
            [
                layers.Dense(units=embedding_dim, activation="gelu"),
                layers.Dropout(rate=dropout_rate),
                layers.Dense(units=embedding_dim),
            ]
        )
        self.normalize1 = layers.LayerNormalization(epsilon=1e-6)
        self.normalize2 = layers.LayerNormalization(epsilon=1e-6)

    def call(self, inputs):
        real_part = inputs
        im_part = ops.zeros_like(inputs)
        x = ops.fft2((real_part, im_part))[0]
        x = x + inputs
        x = self.normalize1(x)
        x_ffn = self.ffn(x)
        return self.normalize2(x + x_ffn)


@zoo(**DATA, hidden="gelu*2")
def fnet_on_patches():
    """Fourier layers."""
    return build_classifier(keras.Sequential([FNetLayer(DIM, 0.2) for _ in range(2)]), positional_encoding=True)


class gMLPLayer(layers.Layer):  # noqa: N801  as its authors name it
    """A multilayer perceptron with a spatial gate that has no activation."""

    def __init__(self, num_patches, embedding_dim, dropout_rate, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.channel_projection1 = keras.Sequential(
            [layers.Dense(units=embedding_dim * 2, activation="gelu"), layers.Dropout(rate=dropout_rate)]
        )
        self.channel_projection2 = layers.Dense(units=embedding_dim)
        self.spatial_projection = layers.Dense(units=num_patches, bias_initializer="Ones")
        self.normalize1 = layers.LayerNormalization(epsilon=1e-6)
        self.normalize2 = layers.LayerNormalization(epsilon=1e-6)

    def spatial_gating_unit(self, x):
        u, v = ops.split(x, indices_or_sections=2, axis=2)
        v = self.normalize2(v)
        v_channels = ops.transpose(v, axes=(0, 2, 1))
        v_projected = self.spatial_projection(v_channels)
        return u * ops.transpose(v_projected, axes=(0, 2, 1))

    def call(self, inputs):
        x = self.normalize1(inputs)
        x_projected = self.channel_projection1(x)
        x_spatial = self.spatial_gating_unit(x_projected)
        return inputs + self.channel_projection2(x_spatial)


@zoo(**DATA, hidden="gelu*2")
def gmlp():
    """Spatial gating units."""
    return build_classifier(keras.Sequential([gMLPLayer(NUM_PATCHES, DIM, 0.2) for _ in range(2)]))


def feedforward(hidden_units):
    units = [layers.Dense(n, activation="gelu") for n in hidden_units[:-1]]
    return keras.Sequential([*units, layers.Dense(hidden_units[-1]), layers.Dropout(0.2)])


def cross_attention(latent_dim, data_dim):
    inputs = {
        "latent_array": layers.Input(shape=(latent_dim, DIM), name="latent_array"),
        "data_array": layers.Input(shape=(data_dim, DIM), name="data_array"),
    }
    latent_array = layers.LayerNormalization(epsilon=1e-6)(inputs["latent_array"])
    data_array = layers.LayerNormalization(epsilon=1e-6)(inputs["data_array"])
    query, key, value = (layers.Dense(units=DIM)(a) for a in (latent_array, data_array, data_array))
    attention_output = layers.Attention(use_scale=True, dropout=0.1)([query, key, value])
    attention_output = layers.Add()([attention_output, latent_array])
    attention_output = layers.LayerNormalization(epsilon=1e-6)(attention_output)
    outputs = layers.Add()([feedforward([DIM, DIM])(attention_output), attention_output])
    return keras.Model(inputs=inputs, outputs=outputs)


class Perceiver(keras.Model):
    """A subclassed model whose parts are functional models that it builds late."""

    def __init__(self, latent_dim, num_iterations):
        super().__init__()
        self.latent_dim = latent_dim
        self.num_iterations = num_iterations

    def build(self, input_shape):
        self.latent_array = self.add_weight(
            shape=(self.latent_dim, DIM), initializer="random_normal", trainable=True, name="latents"
        )
        self.patch_encoder = PatchEncoder(NUM_PATCHES, DIM)
        self.patcher = Patches(PATCH)
        self.cross_attention = cross_attention(self.latent_dim, NUM_PATCHES)
        self.ffn = feedforward([DIM * 2, DIM])
        self.classification_head = layers.Dense(CLASSES)
        super().build(input_shape)

    def call(self, inputs):
        encoded_patches = self.patch_encoder(self.patcher(inputs))
        latent = {"latent_array": ops.expand_dims(self.latent_array, 0), "data_array": encoded_patches}
        for _ in range(self.num_iterations):
            latent["latent_array"] = self.ffn(self.cross_attention(latent))
        return self.classification_head(ops.mean(latent["latent_array"], axis=1))


@zoo(**DATA, hidden="gelu*2")
def perceiver():
    """Iterated cross attention with shared weights."""
    return compiled(Perceiver(latent_dim=4, num_iterations=2))


def window_partition(x, size):
    _, height, width, channels = x.shape
    x = ops.reshape(x, (-1, height // size, size, width // size, size, channels))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, size, size, channels))


def window_reverse(windows, size, height, width, channels):
    x = ops.reshape(windows, (-1, height // size, width // size, size, size, channels))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, height, width, channels))


class WindowAttention(layers.Layer):
    """Attention inside windows, with a bias for relative positions."""

    def __init__(self, dim, window_size, num_heads, qkv_bias=True, **kwargs):
        super().__init__(**kwargs)
        self.dim = dim
        self.window_size = window_size
        self.num_heads = num_heads
        self.scale = (dim // num_heads) ** -0.5
        self.qkv = layers.Dense(dim * 3, use_bias=qkv_bias)
        self.proj = layers.Dense(dim)

    def build(self, _):
        count = 2 * self.window_size - 1
        self.bias_table = self.add_weight(shape=(count * count, self.num_heads), initializer="zeros", name="table")
        coords = np.stack(np.meshgrid(np.arange(self.window_size), np.arange(self.window_size), indexing="ij"))
        flat = coords.reshape(2, -1)
        relative = (flat[:, :, None] - flat[:, None, :]).transpose(1, 2, 0) + self.window_size - 1
        self.index = (relative[..., 0] * count + relative[..., 1]).reshape(-1)

    def call(self, x):
        _, size, channels = x.shape
        qkv = ops.reshape(self.qkv(x), (-1, size, 3, self.num_heads, channels // self.num_heads))
        q, k, v = ops.unstack(ops.transpose(qkv, (2, 0, 3, 1, 4)), axis=0)
        attn = q * self.scale @ ops.transpose(k, axes=(0, 1, 3, 2))
        bias = ops.reshape(ops.take(self.bias_table, self.index, axis=0), (size, size, -1))
        attn = attn + ops.expand_dims(ops.transpose(bias, (2, 0, 1)), axis=0)
        attn = keras.activations.softmax(attn, axis=-1)
        x = ops.reshape(ops.transpose(attn @ v, axes=(0, 2, 1, 3)), (-1, size, channels))
        return self.proj(x)


class SwinBlock(layers.Layer):
    """Attention in shifted windows, then a perceptron."""

    def __init__(self, dim, window_size, shift_size, num_heads, **kwargs):
        super().__init__(**kwargs)
        self.window_size, self.shift_size = window_size, shift_size
        self.norm1 = layers.LayerNormalization(epsilon=1e-5)
        self.attn = WindowAttention(dim, window_size, num_heads)
        self.norm2 = layers.LayerNormalization(epsilon=1e-5)
        self.mlp = keras.Sequential(
            [layers.Dense(2 * dim), layers.Activation(keras.activations.gelu), layers.Dropout(0.1), layers.Dense(dim)]
        )

    def call(self, x):
        _, height, width, channels = x.shape
        shortcut = x
        x = ops.roll(self.norm1(x), shift=[-self.shift_size, -self.shift_size], axis=[1, 2])
        windows = ops.reshape(window_partition(x, self.window_size), (-1, self.window_size**2, channels))
        windows = ops.reshape(self.attn(windows), (-1, self.window_size, self.window_size, channels))
        x = window_reverse(windows, self.window_size, height, width, channels)
        x = shortcut + ops.roll(x, shift=[self.shift_size, self.shift_size], axis=[1, 2])
        return x + self.mlp(self.norm2(x))


@zoo(**DATA, hidden="gelu*2", gate="softmax*2", output="softmax")
def swin_like():
    """Two blocks, with windows as they are and shifted."""
    inputs = layers.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(DIM, 2, strides=2)(inputs)
    x = SwinBlock(DIM, 4, 0, num_heads=2)(x)
    x = SwinBlock(DIM, 4, 2, num_heads=2)(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(x))
    model.compile(keras.optimizers.AdamW(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class CCTTokenizer(layers.Layer):
    """Convolutions instead of patches; the config of Keras cannot make it again."""

    def __init__(self, kernel_size=3, stride=1, padding=1, num_output_channels=(4, DIM), **kwargs):
        super().__init__(**kwargs)
        self.conv_model = keras.Sequential()
        for channels in num_output_channels:
            self.conv_model.add(
                layers.Conv2D(channels, kernel_size, stride, padding="valid", use_bias=False, activation="relu")
            )
            self.conv_model.add(layers.ZeroPadding2D(padding))
            self.conv_model.add(layers.MaxPooling2D(3, 2, "same"))

    def call(self, images):
        outputs = self.conv_model(images)
        return ops.reshape(outputs, (-1, outputs.shape[1] * outputs.shape[2], outputs.shape[-1]))


class SequencePooling(layers.Layer):
    """Weighs tokens by attention."""

    def __init__(self):
        super().__init__()
        self.attention = layers.Dense(1)

    def call(self, x):
        attention_weights = ops.softmax(self.attention(x), axis=1)
        attention_weights = ops.transpose(attention_weights, axes=(0, 2, 1))
        return ops.squeeze(ops.matmul(attention_weights, x), -2)


@zoo(**DATA, hidden="relu*2 gelu*2", gate="softmax")
def compact_transformer():
    """Convolutional tokens, one block, and pooling by attention."""
    inputs = layers.Input((SIZE, SIZE, 3))
    encoded = CCTTokenizer()(inputs)
    x1 = layers.LayerNormalization(epsilon=1e-5)(encoded)
    x2 = layers.Add()([layers.MultiHeadAttention(2, DIM, dropout=0.1)(x1, x1), encoded])
    x3 = mlp(layers.LayerNormalization(epsilon=1e-5)(x2), [DIM, DIM], 0.1)
    encoded = layers.Add()([x3, x2])
    representation = SequencePooling()(layers.LayerNormalization(epsilon=1e-5)(encoded))
    return compiled(keras.Model(inputs=inputs, outputs=layers.Dense(CLASSES)(representation)))
