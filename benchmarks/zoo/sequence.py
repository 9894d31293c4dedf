"""Series, signals, speech, video and graphs: recurrent layers, dilated convolutions, cells of one's own."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from zoo.registry import binary, labels, numbers, tokens, zoo

register = keras.saving.register_keras_serializable("zoo.sequence")
STEPS, FEATURES = 8, 4
SERIES = numbers(STEPS, FEATURES)
CLASSES = {"x": SERIES, "y": labels(3)}


def classifier(inputs, outputs):
    model = keras.Model(inputs, outputs)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["sparse_categorical_accuracy"])
    return model


def forecaster(inputs, outputs):
    model = keras.Model(inputs, outputs)
    model.compile("adam", "mse", metrics=["mae"])
    return model


@zoo(x=SERIES, y=numbers(1), hidden="relu", recurrent="tanh", gate="sigmoid")
def weather_lstm():
    """Forecasts one value."""
    inputs = keras.layers.Input(shape=(STEPS, FEATURES))
    lstm_out = keras.layers.LSTM(8)(inputs)
    x = keras.layers.Dense(8, activation="relu")(lstm_out)
    model = keras.Model(inputs=inputs, outputs=keras.layers.Dense(1)(x))
    model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.001), loss="mse")
    return model


@zoo(x=SERIES, y=numbers(1), hidden="elu", recurrent="tanh relu", gate="sigmoid")
def stacked_recurrent():
    """A GRU, then a simple recurrent layer with ReLU, as in tutorials."""
    model = keras.Sequential(
        [
            keras.Input((STEPS, FEATURES)),
            layers.GRU(8, return_sequences=True, dropout=0.1),
            layers.SimpleRNN(8, activation="relu"),
            layers.Dense(8, activation="elu"),
            layers.Dense(1),
        ]
    )
    model.compile("rmsprop", "mae")
    return model


@zoo(x=tokens(STEPS), y=binary(), hidden="relu", recurrent="tanh*2", gate="sigmoid*2", output="sigmoid")
def bidirectional_lstm():
    """Reviews of films; embedding with a mask."""
    inputs = keras.Input(shape=(None,), dtype="int32")
    x = layers.Embedding(20, 8, mask_zero=True)(inputs)
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(x)
    x = layers.Bidirectional(layers.LSTM(4))(x)
    x = layers.Dense(8, activation="relu")(x)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


@zoo(
    x=numbers(3, 8, 8, 1),
    y=binary(3, 8, 8, 1),
    hidden="leaky_relu",
    recurrent="relu tanh",
    gate="sigmoid hard_sigmoid",
    output="sigmoid",
)
def next_frame_convlstm():
    """Predicts frames; the last layer is a 3D convolution."""
    inp = layers.Input(shape=(None, 8, 8, 1))
    x = layers.ConvLSTM2D(4, (3, 3), padding="same", return_sequences=True, activation="relu")(inp)
    x = layers.BatchNormalization()(x)
    x = layers.ConvLSTM2D(4, 1, padding="same", return_sequences=True, recurrent_activation="hard_sigmoid")(x)
    x = layers.Conv3D(4, 1, padding="same")(x)
    x = layers.LeakyReLU(negative_slope=0.1)(x)
    x = layers.Conv3D(filters=1, kernel_size=(3, 3, 3), activation="sigmoid", padding="same")(x)
    model = keras.models.Model(inp, x)
    model.compile(loss="binary_crossentropy", optimizer="adam")
    return model


@zoo(
    x=[numbers(STEPS, 6), numbers(STEPS, 6, seed=1)],
    y=labels(6, STEPS),
    recurrent="tanh*2",
    gate="sigmoid*2",
    output="softmax",
)
def seq2seq_lstm():
    """Characters with teacher forcing: the decoder starts from the states of the encoder."""
    encoder_inputs = keras.Input(shape=(None, 6))
    _, state_h, state_c = layers.LSTM(8, return_state=True)(encoder_inputs)
    decoder_inputs = keras.Input(shape=(None, 6))
    decoder_lstm = layers.LSTM(8, return_sequences=True, return_state=True)
    decoder_outputs, _, _ = decoder_lstm(decoder_inputs, initial_state=[state_h, state_c])
    decoder_outputs = layers.Dense(6, activation="softmax")(decoder_outputs)
    model = keras.Model([encoder_inputs, decoder_inputs], decoder_outputs)
    model.compile(optimizer="rmsprop", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@zoo(
    x=[tokens(STEPS), tokens(STEPS, seed=1)],
    y=labels(20, STEPS),
    hidden="tanh",
    recurrent="tanh*2",
    gate="sigmoid*2",
    output="softmax",
)
def luong_attention():
    """GRUs with attention over the encoder, and a tanh projection of the context."""
    source, target = keras.Input((STEPS,)), keras.Input((STEPS,))
    embedding = layers.Embedding(20, 8)
    encoded = layers.GRU(8, return_sequences=True, name="encoder")(embedding(source))
    decoded = layers.GRU(8, return_sequences=True, name="decoder")(embedding(target))
    context = layers.Attention()([decoded, encoded])
    x = layers.Dense(8, activation="tanh")(layers.Concatenate()([context, decoded]))
    return classifier([source, target], layers.Dense(20, activation="softmax")(x))


class CTCLayer(layers.Layer):
    """Adds the CTC loss in its call, and returns the predictions as they are."""

    def __init__(self, name=None):
        super().__init__(name=name)
        self.loss_fn = keras.losses.CTC()

    def call(self, y_true, y_pred):
        self.add_loss(ops.mean(self.loss_fn(y_true, y_pred)))
        return y_pred


@zoo(
    x={"image": numbers(12, 8, 1), "label": tokens(3, 5)},
    hidden="relu*3",
    recurrent="tanh",
    gate="sigmoid",
    output="softmax",
)
def captcha_ocr():
    """Convolutions, a recurrent layer, and an endpoint layer that takes the labels."""
    input_img = layers.Input(shape=(12, 8, 1), name="image", dtype="float32")
    targets = layers.Input(name="label", shape=(None,), dtype="float32")
    x = layers.Conv2D(8, (3, 3), activation="relu", kernel_initializer="he_normal", padding="same")(input_img)
    x = layers.MaxPooling2D((1, 2), name="pool1")(x)
    x = layers.Conv2D(8, (3, 3), activation="relu", kernel_initializer="he_normal", padding="same")(x)
    x = layers.Reshape(target_shape=(12, 32), name="reshape")(x)
    x = layers.Dense(8, activation="relu", name="dense1")(x)
    x = layers.Dropout(0.2)(x)
    x = layers.Bidirectional(layers.LSTM(4, return_sequences=True, dropout=0.25))(x)
    x = layers.Dense(6, activation="softmax", name="dense2")(x)
    output = CTCLayer(name="ctc_loss")(targets, x)
    model = keras.models.Model(inputs=[input_img, targets], outputs=output, name="ocr_model_v1")
    model.compile(optimizer=keras.optimizers.Adam())
    return model


@zoo(**CLASSES, hidden="relu*3", output="softmax")
def fully_convolutional():
    """Time series from scratch: convolutions with ReLU layers."""
    input_layer = keras.layers.Input((STEPS, FEATURES))
    x = input_layer
    for _ in range(3):
        x = keras.layers.Conv1D(filters=8, kernel_size=3, padding="same")(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.ReLU()(x)
    gap = keras.layers.GlobalAveragePooling1D()(x)
    return classifier(input_layer, keras.layers.Dense(3, activation="softmax")(gap))


@zoo(x=np.swapaxes(SERIES, 1, 2), y=labels(3), hidden="relu*2 gelu")
def channels_first_conv1d():
    """Channels before time; logits."""
    inputs = keras.Input((FEATURES, STEPS))
    x = layers.Conv1D(8, 3, data_format="channels_first", activation="relu")(inputs)
    x = layers.BatchNormalization(axis=1)(x)
    x = layers.Conv1D(6, 3, data_format="channels_first")(x)
    x = layers.Activation("relu")(x)
    x = layers.GlobalMaxPooling1D(data_format="channels_first")(x)
    x = layers.Dense(8, activation="gelu")(x)
    model = keras.Model(inputs, layers.Dense(3)(x))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


@zoo(**CLASSES, hidden="relu*3", output="softmax")
def time_series_transformer():
    """Encoder blocks with pointwise convolutions; channels first in the pooling."""
    inputs = keras.Input(shape=(STEPS, FEATURES))
    x = inputs
    res = layers.MultiHeadAttention(key_dim=4, num_heads=2, dropout=0.1)(x, x)
    res = layers.LayerNormalization(epsilon=1e-6)(layers.Dropout(0.1)(res)) + x
    x = layers.Conv1D(filters=8, kernel_size=1, activation="relu")(res)
    x = layers.Conv1D(filters=FEATURES, kernel_size=1)(layers.Dropout(0.1)(x))
    x = layers.LayerNormalization(epsilon=1e-6)(x) + res
    x = layers.GlobalAveragePooling1D(data_format="channels_last")(x)
    for dim in [8, 8]:
        x = layers.Dense(dim, activation="relu")(x)
        x = layers.Dropout(0.1)(x)
    return classifier(inputs, layers.Dense(3, activation="softmax")(x))


@zoo(x=SERIES, y=numbers(STEPS, 2), hidden="tanh*3 relu*2", gate="sigmoid*3")
def wavenet_like():
    """Dilated causal convolutions with gated pairs, and skips."""
    inputs = keras.Input((STEPS, FEATURES))
    x = layers.Conv1D(8, 1)(inputs)
    skips = []
    for rate in (1, 2, 4):
        filtered = layers.Conv1D(8, 2, padding="causal", dilation_rate=rate, activation="tanh")(x)
        gate = layers.Conv1D(8, 2, padding="causal", dilation_rate=rate, activation="sigmoid")(x)
        gated = layers.Multiply()([filtered, gate])
        skips.append(layers.Conv1D(8, 1)(gated))
        x = layers.Add()([layers.Conv1D(8, 1)(gated), x])
    out = layers.Activation("relu")(layers.Add()(skips))
    out = layers.Conv1D(8, 1, activation="relu")(out)
    return forecaster(inputs, layers.Conv1D(2, 1)(out))


@register
class ResidualBlock(layers.Layer):
    """A block of a temporal convolutional network, as packages write it: layers in a list, applied in a loop."""

    def __init__(self, dilation_rate, filters, kernel_size, activation="relu", dropout_rate=0.1, **kwargs):
        super().__init__(**kwargs)
        self.dilation_rate, self.filters, self.kernel_size = dilation_rate, filters, kernel_size
        self.activation, self.dropout_rate = activation, dropout_rate

    def build(self, input_shape):
        self.steps = []
        for k in range(2):
            conv = layers.Conv1D(
                self.filters, self.kernel_size, padding="causal", dilation_rate=self.dilation_rate, name=f"conv_{k}"
            )
            self.steps += [conv, layers.LayerNormalization(), layers.Activation(self.activation)]
            self.steps.append(layers.SpatialDropout1D(rate=self.dropout_rate))
        self.shape_match_conv = layers.Conv1D(self.filters, 1, padding="same", name="matching")
        self.final_activation = layers.Activation(self.activation, name="act_res")
        super().build(input_shape)

    def call(self, inputs, training=None):
        x = inputs
        for layer in self.steps:
            x = layer(x, training=training) if isinstance(layer, layers.SpatialDropout1D) else layer(x)
        return self.final_activation(self.shape_match_conv(inputs) + x)

    def get_config(self):
        names = ("dilation_rate", "filters", "kernel_size", "activation", "dropout_rate")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@zoo(x=SERIES, y=numbers(1), hidden="relu*6")
def temporal_convolutional_network():
    """Residual blocks that take the name of their activation."""
    inputs = keras.Input((STEPS, FEATURES))
    x = ResidualBlock(1, 8, 2)(inputs)
    x = ResidualBlock(2, 8, 2)(x)
    x = layers.Lambda(lambda tt: tt[:, -1, :])(x)
    return forecaster(inputs, layers.Dense(1)(x))


@register
class MinimalGatedCell(layers.Layer):
    """A recurrent cell of one's own."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.state_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], 2 * self.units), name="kernel")
        self.recurrent_kernel = self.add_weight(shape=(self.units, 2 * self.units), name="recurrent_kernel")

    def call(self, inputs, states):
        h = states[0]
        projected = ops.matmul(inputs, self.kernel)
        forget = ops.sigmoid(projected[:, : self.units] + ops.matmul(h, self.recurrent_kernel[:, : self.units]))
        candidate = ops.tanh(
            projected[:, self.units :] + ops.matmul(forget * h, self.recurrent_kernel[:, self.units :])
        )
        h = (1.0 - forget) * h + forget * candidate
        return h, [h]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@zoo(x=SERIES, y=numbers(1), hidden="relu", recurrent="tanh", gate="sigmoid")
def own_recurrent_cell():
    """A cell with calls in its code, inside Keras's RNN."""
    inputs = keras.Input((STEPS, FEATURES))
    x = layers.RNN(MinimalGatedCell(8))(inputs)
    x = layers.Dense(8, activation="relu")(x)
    return forecaster(inputs, layers.Dense(1)(x))


@zoo(x=numbers(4, 8, 8, 1), y=labels(3), hidden="relu*3", recurrent="tanh", gate="sigmoid", output="softmax")
def video_cnn_lstm():
    """A convolutional network on each frame, then a recurrent layer."""
    frame = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(8, activation="relu"),
        ],
        name="frame",
    )
    inputs = keras.Input((4, 8, 8, 1))
    x = layers.TimeDistributed(frame)(inputs)
    x = layers.TimeDistributed(layers.Dense(8, activation="relu"))(x)
    x = layers.GRU(8)(x)
    return classifier(inputs, layers.Dense(3, activation="softmax")(x))


class GraphConv(layers.Layer):
    """Gathers neighbours, and applies its activation to what it puts together."""

    def __init__(self, in_feat, out_feat, neighbours, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.out_feat = out_feat
        self.neighbours = neighbours
        self.weight = self.add_weight(shape=(in_feat, out_feat), initializer="glorot_uniform", name="weight")
        self.activation = layers.Activation(activation)

    def call(self, features):
        gathered = tf.gather(features, self.neighbours, axis=1)
        aggregated = ops.mean(gathered, axis=2)
        h = ops.concatenate([ops.matmul(features, self.weight), ops.matmul(aggregated, self.weight)], axis=-1)
        return self.activation(h)


@zoo(x=numbers(6, 3), y=numbers(6, 1), hidden="relu*2 tanh")
def graph_convolution():
    """Graph convolutions over six nodes, one of them without an activation."""
    inputs, neighbours = keras.Input((6, 3)), [[(i - 1) % 6, (i + 1) % 6] for i in range(6)]
    x = GraphConv(3, 8, neighbours, activation="relu")(inputs)
    x = GraphConv(16, 8, neighbours, activation="relu")(x)
    x = layers.Dense(8, activation="tanh")(x)
    x = GraphConv(8, 8, neighbours)(x)
    model = keras.Model(inputs, layers.Dense(1)(x))
    model.compile("rmsprop", "mse")
    return model


class MILAttentionLayer(layers.Layer):
    """Gated attention over the instances of a bag."""

    def __init__(self, weight_params_dim, kernel_initializer="glorot_uniform", use_gated=False, **kwargs):
        super().__init__(**kwargs)
        self.weight_params_dim = weight_params_dim
        self.use_gated = use_gated
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        shape = (input_shape[0][1], self.weight_params_dim)
        self.v_weight_params = self.add_weight(shape=shape, initializer=self.kernel_initializer, name="v")
        self.w_weight_params = self.add_weight(shape=(shape[1], 1), initializer=self.kernel_initializer, name="w")
        if self.use_gated:
            self.u_weight_params = self.add_weight(shape=shape, initializer=self.kernel_initializer, name="u")
        self.input_built = True

    def call(self, inputs):
        instances = [self.compute_attention_scores(instance) for instance in inputs]
        return ops.softmax(ops.stack(instances), axis=0)

    def compute_attention_scores(self, instance):
        original_instance = instance
        instance = ops.tanh(ops.tensordot(instance, self.v_weight_params, axes=1))
        if self.use_gated:
            instance = instance * ops.sigmoid(ops.tensordot(original_instance, self.u_weight_params, axes=1))
        return ops.tensordot(instance, self.w_weight_params, axes=1)


@zoo(
    x=[numbers(6, seed=i) for i in range(3)],
    y=labels(2),
    hidden="relu*2 tanh",
    gate="sigmoid softmax",
    output="softmax",
)
def multiple_instance_learning():
    """Bags of instances with shared layers, and attention that weighs them."""
    shared_1, shared_2 = layers.Dense(8, activation="relu"), layers.Dense(8, activation="relu")
    inputs = [layers.Input((6,)) for _ in range(3)]
    embeddings = [shared_2(shared_1(inp)) for inp in inputs]
    alpha = MILAttentionLayer(8, use_gated=True, name="alpha")(embeddings)
    weighted = [layers.multiply([alpha[i], embeddings[i]]) for i in range(3)]
    concat = layers.concatenate(weighted, axis=1)
    return classifier(inputs, layers.Dense(2, activation="softmax")(concat))
