"""Image classifiers: convolutional networks and their blocks."""

import keras
from keras import layers, ops

from zoo.registry import binary, images, labels, zoo

register = keras.saving.register_keras_serializable("zoo.vision")


def classifier(inputs, outputs, name=None):
    model = keras.Model(inputs, outputs, name=name)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@zoo(x=images(14, 1), y=labels(10), hidden="relu*2", output="softmax")
def simple_convnet():
    """The convnet for digits that everyone starts with."""
    model = keras.Sequential(
        [
            keras.Input(shape=(14, 14, 1)),
            layers.Conv2D(8, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Conv2D(8, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


@zoo(x=images(), y=labels(2), hidden="relu*6", output="sigmoid")
def small_xception():
    """Image classification from scratch: separable convolutions with projected residuals."""
    inputs = keras.Input(shape=(16, 16, 3))
    x = layers.Rescaling(1.0 / 255)(inputs)
    x = layers.Conv2D(8, 3, strides=2, padding="same")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu")(x)
    previous_block_activation = x
    for size in [8, 16]:
        x = layers.Activation("relu")(x)
        x = layers.SeparableConv2D(size, 3, padding="same")(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation("relu")(x)
        x = layers.SeparableConv2D(size, 3, padding="same")(x)
        x = layers.BatchNormalization()(x)
        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
        residual = layers.Conv2D(size, 1, strides=2, padding="same")(previous_block_activation)
        x = layers.add([x, residual])
        previous_block_activation = x
    x = layers.SeparableConv2D(16, 3, padding="same")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.25)(x)
    outputs = layers.Dense(1, activation="sigmoid")(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        keras.optimizers.Adam(3e-4), "binary_crossentropy", metrics=[keras.metrics.BinaryAccuracy(name="acc")]
    )
    return model


def basic_block(x, filters, stride, name):
    shortcut = x
    if stride > 1:
        shortcut = layers.Conv2D(filters, 1, strides=stride, use_bias=False, name=f"{name}_0_conv")(x)
        shortcut = layers.BatchNormalization(epsilon=1.001e-5, name=f"{name}_0_bn")(shortcut)
    x = layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False, name=f"{name}_1_conv")(x)
    x = layers.BatchNormalization(epsilon=1.001e-5, name=f"{name}_1_bn")(x)
    x = layers.ReLU(name=f"{name}_1_relu")(x)
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"{name}_2_conv")(x)
    x = layers.BatchNormalization(epsilon=1.001e-5, name=f"{name}_2_bn")(x)
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.ReLU(name=f"{name}_out")(x)


@zoo(x=images(), y=labels(10), hidden="relu*7")
def resnet_18_like():
    """Basic blocks in the style of the applications; logits."""
    inputs = keras.Input((16, 16, 3))
    x = layers.ZeroPadding2D(1, name="conv1_pad")(inputs)
    x = layers.Conv2D(8, 3, use_bias=False, name="conv1_conv")(x)
    x = layers.BatchNormalization(name="conv1_bn")(x)
    x = layers.ReLU(name="conv1_relu")(x)
    for i, (filters, stride) in enumerate([(8, 1), (16, 2), (16, 1)]):
        x = basic_block(x, filters, stride, name=f"conv{i + 2}")
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    model = keras.Model(inputs, layers.Dense(10, name="predictions")(x), name="resnet")
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model


@zoo(x=images(), y=labels(5), hidden="relu*8", output="softmax")
def densenet_like():
    """Pre-activated convolutions whose outputs are concatenated."""

    def conv_block(x, growth_rate):
        x1 = layers.BatchNormalization()(x)
        x1 = layers.Activation("relu")(x1)
        x1 = layers.Conv2D(4 * growth_rate, 1, use_bias=False)(x1)
        x1 = layers.BatchNormalization()(x1)
        x1 = layers.Activation("relu")(x1)
        x1 = layers.Conv2D(growth_rate, 3, padding="same", use_bias=False)(x1)
        return layers.Concatenate()([x, x1])

    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(inputs)
    for _ in range(3):
        x = conv_block(x, 4)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return classifier(inputs, layers.Dense(5, activation="softmax")(x))


@zoo(x=images(), y=labels(5), hidden="relu*7", output="softmax")
def inception_like():
    """Four branches with filters of different sizes, side by side."""
    inputs = keras.Input((16, 16, 3))
    stem = layers.Conv2D(8, 3, strides=2, activation="relu", padding="same")(inputs)
    tower_1 = layers.Conv2D(4, 1, padding="same", activation="relu")(stem)
    tower_1 = layers.Conv2D(8, 3, padding="same", activation="relu")(tower_1)
    tower_2 = layers.Conv2D(4, 1, padding="same", activation="relu")(stem)
    tower_2 = layers.Conv2D(8, 5, padding="same", activation="relu")(tower_2)
    tower_3 = layers.MaxPooling2D(3, strides=1, padding="same")(stem)
    tower_3 = layers.Conv2D(4, 1, padding="same", activation="relu")(tower_3)
    tower_4 = layers.Conv2D(4, 1, padding="same", activation="relu")(stem)
    x = layers.concatenate([tower_1, tower_2, tower_3, tower_4], axis=-1)
    x = layers.GlobalAveragePooling2D()(x)
    return classifier(inputs, layers.Dense(5, activation="softmax")(x))


def mb_conv(x, filters, expand_ratio, stride, se_ratio=0.25):
    """A block of EfficientNet, with squeeze-and-excite."""
    inputs, channels = x, x.shape[-1] * expand_ratio
    x = layers.Conv2D(channels, 1, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation(keras.activations.swish)(x)
    x = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Activation(keras.activations.swish)(x)
    se = layers.GlobalAveragePooling2D()(x)
    se = layers.Reshape((1, 1, channels))(se)
    se = layers.Conv2D(max(1, int(channels * se_ratio)), 1, padding="same", activation="swish")(se)
    se = layers.Conv2D(channels, 1, padding="same", activation="sigmoid")(se)
    x = layers.multiply([x, se])
    x = layers.Conv2D(filters, 1, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    if stride == 1 and inputs.shape[-1] == filters:
        x = layers.Dropout(0.2, noise_shape=(None, 1, 1, 1))(x)
        x = layers.add([x, inputs])
    return x


@zoo(x=images(), y=labels(5), hidden="silu*8", gate="sigmoid*2", output="softmax")
def efficientnet_like():
    """Inverted bottlenecks with squeeze-and-excite."""
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="swish")(inputs)
    x = mb_conv(x, 8, expand_ratio=2, stride=1)
    x = mb_conv(x, 16, expand_ratio=2, stride=2)
    x = layers.Conv2D(16, 1, activation="swish")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return classifier(inputs, layers.Dense(5, activation="softmax")(x), name="efficientnet")


def hard_sigmoid(x):
    return layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)


@zoo(x=images(), y=labels(5), hidden="relu*2 hard_silu*2", gate="relu6", output="softmax")
def mobilenet_v3_like():
    """A hard sigmoid put together from its parts, for the excitation."""
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.Activation("hard_swish")(x)
    x = layers.DepthwiseConv2D(3, padding="same", activation="relu")(x)
    excite = layers.GlobalAveragePooling2D(keepdims=True)(x)
    excite = layers.Conv2D(4, 1, activation="relu")(excite)
    excite = hard_sigmoid(layers.Conv2D(8, 1)(excite))
    x = layers.Multiply()([x, excite])
    x = layers.Conv2D(16, 1)(x)
    x = layers.Activation("hard_swish")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return classifier(inputs, layers.Dense(5, activation="softmax")(x))


@zoo(x=images(), y=labels(5), hidden="relu*7", output="softmax")
def squeezenet_like():
    """Fire modules; the classifier is a convolution before the pooling."""

    def fire(x, squeeze, expand):
        x = layers.Conv2D(squeeze, 1, activation="relu", padding="same")(x)
        left = layers.Conv2D(expand, 1, activation="relu", padding="same")(x)
        right = layers.Conv2D(expand, 3, activation="relu", padding="same")(x)
        return layers.concatenate([left, right])

    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, strides=2, activation="relu")(inputs)
    x = fire(x, 4, 8)
    x = layers.MaxPooling2D(2)(x)
    x = fire(x, 4, 8)
    x = layers.Conv2D(5, 1, name="classes")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return classifier(inputs, layers.Activation("softmax")(x))


def activation_block(x):
    x = layers.Activation("gelu")(x)
    return layers.BatchNormalization()(x)


@zoo(x=images(), y=labels(5), hidden="gelu*5", output="softmax")
def conv_mixer():
    """Depthwise and pointwise convolutions on patches, at one resolution."""
    inputs = keras.Input((16, 16, 3))
    x = layers.Rescaling(scale=1.0 / 255)(inputs)
    x = activation_block(layers.Conv2D(8, kernel_size=2, strides=2)(x))
    for _ in range(2):
        x0 = x
        x = layers.DepthwiseConv2D(kernel_size=5, padding="same")(x)
        x = layers.Add()([activation_block(x), x0])
        x = activation_block(layers.Conv2D(8, kernel_size=1)(x))
    x = layers.GlobalAvgPool2D()(x)
    return classifier(inputs, layers.Dense(5, activation="softmax")(x))


@register
class LayerScale(layers.Layer):
    """One learned factor per channel, near zero at first."""

    def __init__(self, init_values, projection_dim, **kwargs):
        super().__init__(**kwargs)
        self.init_values = init_values
        self.projection_dim = projection_dim

    def build(self, _):
        self.gamma = self.add_weight(
            shape=(self.projection_dim,), initializer=keras.initializers.Constant(self.init_values), name="gamma"
        )

    def call(self, x):
        return x * self.gamma

    def get_config(self):
        return {**super().get_config(), "init_values": self.init_values, "projection_dim": self.projection_dim}


@zoo(x=images(), y=labels(5), hidden="gelu*2", output="softmax")
def convnext_like():
    """Blocks of ConvNeXt with a scaling layer of one's own."""
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 4, strides=4)(inputs)
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    for _ in range(2):
        y = layers.Conv2D(8, 7, padding="same", groups=8)(x)
        y = layers.LayerNormalization(epsilon=1e-6)(y)
        y = layers.Dense(32)(y)
        y = layers.Activation("gelu")(y)
        y = layers.Dense(8)(y)
        y = LayerScale(0.1, 8)(y)
        x = layers.Add()([x, y])
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    return classifier(inputs, layers.Dense(5, activation="softmax")(x))


class Involution(layers.Layer):
    """A kernel for each pixel, made by a small network; a layer without a config of its own."""

    def __init__(self, channel, kernel_size, reduction_ratio, name):
        super().__init__(name=name)
        self.channel = channel
        self.kernel_size = kernel_size
        self.reduction_ratio = reduction_ratio

    def build(self, input_shape):
        self.height, self.width = input_shape[1:3]
        self.kernel_gen = keras.Sequential(
            [
                layers.Conv2D(self.channel // self.reduction_ratio, kernel_size=1),
                layers.BatchNormalization(),
                layers.ReLU(),
                layers.Conv2D(self.kernel_size * self.kernel_size, kernel_size=1),
            ]
        )
        self.kernel_gen.build(input_shape)

    def call(self, x):
        kernel = self.kernel_gen(x)
        kernel = ops.expand_dims(kernel, axis=3)
        patches = ops.image.extract_patches(x, size=self.kernel_size, strides=1, padding="same")
        patches = ops.reshape(patches, (-1, self.height, self.width, self.channel, self.kernel_size**2))
        return ops.sum(kernel * patches, axis=-1)


@zoo(x=images(), y=labels(5), hidden="relu*4", output="softmax")
def involution_network():
    """Layers without **kwargs and without get_config, one with a network inside that it builds late."""
    inputs = keras.Input(shape=(16, 16, 3))
    x = Involution(channel=3, kernel_size=3, reduction_ratio=1, name="inv_1")(inputs)
    x = layers.ReLU()(x)
    x = layers.MaxPooling2D((2, 2))(x)
    x = Involution(channel=3, kernel_size=3, reduction_ratio=1, name="inv_2")(x)
    x = layers.ReLU()(x)
    x = layers.Flatten()(x)
    return classifier(inputs, layers.Dense(5, activation="softmax")(x))


@zoo(x=[images(), images(seed=1)], y=binary(), hidden="tanh*2", output="sigmoid")
def siamese_contrastive():
    """One tower for both images, their distance, and a loss that is an inner function."""

    def euclidean_distance(vectors):
        x, y = vectors
        sum_square = ops.sum(ops.square(x - y), axis=1, keepdims=True)
        return ops.sqrt(ops.maximum(sum_square, keras.config.epsilon()))

    def loss(margin=1):
        def contrastive_loss(y_true, y_pred):
            square_pred = ops.square(y_pred)
            margin_square = ops.square(ops.maximum(margin - y_pred, 0))
            return ops.mean((1 - y_true) * square_pred + y_true * margin_square)

        return contrastive_loss

    tower_input = layers.Input((16, 16, 3))
    x = layers.BatchNormalization()(tower_input)
    x = layers.Conv2D(4, (5, 5), activation="tanh")(x)
    x = layers.AveragePooling2D(pool_size=(2, 2))(x)
    x = layers.Flatten()(x)
    x = layers.BatchNormalization()(x)
    x = layers.Dense(10, activation="tanh")(x)
    embedding_network = keras.Model(tower_input, x)
    input_1, input_2 = layers.Input((16, 16, 3)), layers.Input((16, 16, 3))
    merge_layer = layers.Lambda(euclidean_distance, output_shape=(1,))(
        [embedding_network(input_1), embedding_network(input_2)]
    )
    normal_layer = layers.BatchNormalization()(merge_layer)
    siamese = keras.Model(inputs=[input_1, input_2], outputs=layers.Dense(1, activation="sigmoid")(normal_layer))
    siamese.compile(loss=loss(margin=1), optimizer="RMSprop", metrics=["accuracy"])
    return siamese
