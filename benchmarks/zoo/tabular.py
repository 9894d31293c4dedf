"""Tables: feature preprocessing inside, gates for features, recommenders, several inputs and outputs."""

import keras
import numpy as np
from keras import layers, ops

from zoo.registry import binary, labels, numbers, tokens, words, zoo

register = keras.saving.register_keras_serializable("zoo.tabular")
TABLE = numbers(6)


def binary_classifier(inputs, outputs):
    model = keras.Model(inputs, outputs)
    model.compile("adam", "binary_crossentropy", metrics=["accuracy", keras.metrics.AUC(name="auc")])
    return model


@zoo(
    x={"age": numbers(1), "hours": numbers(1, seed=1), "workclass": words("private state none"), "code": tokens(1, 4)},
    y=binary(),
    hidden="relu",
    output="sigmoid",
)
def structured_data_from_scratch():
    """Raw columns by name; Normalization, StringLookup, IntegerLookup and Discretization in the model."""
    inputs = {
        "age": keras.Input(shape=(1,), name="age"),
        "hours": keras.Input(shape=(1,), name="hours"),
        "workclass": keras.Input(shape=(1,), name="workclass", dtype="string"),
        "code": keras.Input(shape=(1,), name="code", dtype="int64"),
    }
    normalizer = layers.Normalization()
    normalizer.adapt(numbers(1))
    bins = layers.Discretization(num_bins=3, output_mode="one_hot")
    bins.adapt(numbers(1, seed=1))
    lookup = layers.StringLookup(output_mode="binary")
    lookup.adapt(words("private state none"))
    codes = layers.IntegerLookup(vocabulary=[1, 2, 3], output_mode="one_hot")
    features = [normalizer(inputs["age"]), bins(inputs["hours"]), lookup(inputs["workclass"]), codes(inputs["code"])]
    x = layers.concatenate([ops.cast(feature, "float32") for feature in features])
    x = layers.Dense(16, activation="relu")(x)
    x = layers.Dropout(0.5)(x)
    return binary_classifier(inputs, layers.Dense(1, activation="sigmoid")(x))


@zoo(x=[TABLE, numbers(4)], y=numbers(1), hidden="relu*3")
def wide_and_deep():
    """One part linear, one deep; two inputs."""
    wide, deep = keras.Input((6,), name="wide"), keras.Input((4,), name="deep")
    x = layers.BatchNormalization()(deep)
    for units in [16, 8, 8]:
        x = layers.Dense(units)(x)
        x = layers.BatchNormalization()(x)
        x = layers.ReLU()(x)
        x = layers.Dropout(0.1)(x)
    merged = layers.concatenate([layers.BatchNormalization()(wide), x])
    model = keras.Model([wide, deep], layers.Dense(1)(merged))
    model.compile("adam", "mse", metrics=["mae"])
    return model


@zoo(x=TABLE, y=labels(3), hidden="relu*2", output="softmax")
def deep_and_cross():
    """Cross layers, which have no activation, beside dense ones."""
    inputs = x0 = keras.Input((6,))
    cross = x0
    for _ in range(2):
        units = cross.shape[-1]
        cross = x0 * layers.Dense(units)(cross) + cross
    cross = layers.BatchNormalization()(cross)
    deep = x0
    for units in [8, 8]:
        deep = layers.Dense(units)(deep)
        deep = layers.BatchNormalization()(deep)
        deep = layers.ReLU()(deep)
    merged = layers.concatenate([cross, deep])
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(merged))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(), metrics=["accuracy"])
    return model


class GatedLinearUnit(layers.Layer):
    """A linear layer and its gate."""

    def __init__(self, units):
        super().__init__()
        self.linear = layers.Dense(units)
        self.sigmoid = layers.Dense(units, activation="sigmoid")

    def call(self, inputs):
        return self.linear(inputs) * self.sigmoid(inputs)

    def build(self, input_shape):  # noqa: ARG002  Keras names it
        self.built = True


class GatedResidualNetwork(layers.Layer):
    """Dense with ELU, dropout, a gate, and a projected residual."""

    def __init__(self, units, dropout_rate):
        super().__init__()
        self.units = units
        self.elu_dense = layers.Dense(units, activation="elu")
        self.linear_dense = layers.Dense(units)
        self.dropout = layers.Dropout(dropout_rate)
        self.gated_linear_unit = GatedLinearUnit(units)
        self.layer_norm = layers.LayerNormalization()
        self.project = layers.Dense(units)

    def call(self, inputs):
        x = self.elu_dense(inputs)
        x = self.linear_dense(x)
        x = self.dropout(x)
        if inputs.shape[-1] != self.units:
            inputs = self.project(inputs)
        x = inputs + self.gated_linear_unit(x)
        return self.layer_norm(x)

    def build(self, input_shape):  # noqa: ARG002  Keras names it
        self.built = True


class VariableSelection(layers.Layer):
    """One network per feature, and one that weighs them."""

    def __init__(self, num_features, units, dropout_rate):
        super().__init__()
        self.units = units
        self.grns = [GatedResidualNetwork(units, dropout_rate) for _ in range(num_features)]
        self.grn_concat = GatedResidualNetwork(units, dropout_rate)
        self.softmax = layers.Dense(units=num_features, activation="softmax")

    def call(self, inputs):
        v = layers.concatenate(inputs)
        v = self.grn_concat(v)
        v = ops.expand_dims(self.softmax(v), axis=-1)
        x = ops.stack([grn(feature) for grn, feature in zip(self.grns, inputs, strict=True)], axis=1)
        return ops.squeeze(ops.matmul(ops.transpose(v, axes=[0, 2, 1]), x), axis=1)

    def build(self, input_shape):  # noqa: ARG002  Keras names it
        self.built = True


@zoo(x=[numbers(1, seed=i) for i in range(3)], y=binary(), hidden="elu*5", gate="sigmoid*5 softmax", output="sigmoid")
def gated_residual_networks():
    """Variable selection as in keras.io: no **kwargs, no get_config, build that builds nothing."""
    inputs = [keras.Input((1,), name=f"feature_{i}") for i in range(3)]
    encoded = [layers.Dense(units=8)(feature) for feature in inputs]
    features = VariableSelection(3, 8, 0.1)(encoded)
    features = GatedResidualNetwork(8, 0.1)(features)
    return binary_classifier(inputs, layers.Dense(units=1, activation="sigmoid")(features))


@zoo(x={"a": tokens(1, 5), "b": tokens(1, 7), "c": numbers(2)}, y=binary(), hidden="gelu selu*2", output="sigmoid")
def tab_transformer():
    """Columns as tokens, and a perceptron on top."""
    inputs = {name: keras.Input((1,), name=name, dtype="int32") for name in ("a", "b")}
    inputs["c"] = keras.Input((2,), name="c")
    embedded = [layers.Embedding(size, 8)(inputs[name]) for name, size in (("a", 5), ("b", 7))]
    encoded = layers.Concatenate(axis=1)(embedded)
    attention_output = layers.MultiHeadAttention(num_heads=2, key_dim=8, dropout=0.1)(encoded, encoded)
    x = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([attention_output, encoded]))
    feedforward = keras.Sequential([layers.Dense(8, activation=keras.activations.gelu), layers.Dropout(0.1)])
    x = layers.LayerNormalization(epsilon=1e-6)(layers.Add()([feedforward(x), x]))
    features = layers.concatenate([layers.Flatten()(x), layers.LayerNormalization(epsilon=1e-6)(inputs["c"])])
    for units in (16, 8):
        features = layers.BatchNormalization()(features)
        features = layers.Dense(units, activation=keras.activations.selu)(features)
        features = layers.Dropout(0.1)(features)
    return binary_classifier(inputs, layers.Dense(1, activation="sigmoid")(features))


class RecommenderNet(keras.Model):
    """Collaborative filtering: embeddings and their product, and a sigmoid in the code of the model."""

    def __init__(self, num_users, num_movies, embedding_size, **kwargs):
        super().__init__(**kwargs)
        self.user_embedding = layers.Embedding(num_users, embedding_size, embeddings_initializer="he_normal")
        self.user_bias = layers.Embedding(num_users, 1)
        self.movie_embedding = layers.Embedding(num_movies, embedding_size, embeddings_initializer="he_normal")
        self.movie_bias = layers.Embedding(num_movies, 1)
        self.tower = layers.Dense(embedding_size, activation="relu")

    def call(self, inputs):
        user_vector = self.tower(self.user_embedding(inputs[:, 0]))
        user_bias = self.user_bias(inputs[:, 0])
        movie_vector = self.tower(self.movie_embedding(inputs[:, 1]))
        movie_bias = self.movie_bias(inputs[:, 1])
        dot_user_movie = ops.sum(user_vector * movie_vector, axis=1, keepdims=True)
        return ops.nn.sigmoid(dot_user_movie + user_bias + movie_bias)


@zoo(x=tokens(2, 9), y=binary(), hidden="relu", output="sigmoid")
def recommender():
    """A subclassed model with a layer that it applies twice."""
    model = RecommenderNet(9, 9, 8)
    model.compile(loss=keras.losses.BinaryCrossentropy(), optimizer=keras.optimizers.Adam(learning_rate=0.001))
    return model


@zoo(x=TABLE, y=labels(3), hidden="selu*3", output="softmax")
def self_normalizing():
    """SELU, LeCun's initializer, alpha dropout."""
    inputs = x = keras.Input((6,))
    for units in (16, 16, 8):
        x = layers.Dense(units, kernel_initializer="lecun_normal")(x)
        x = layers.Activation("selu")(x)
        x = layers.AlphaDropout(0.1)(x)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(x))
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@zoo(
    x={"title": tokens(5), "tags": binary(4)},
    y={"priority": binary(), "department": labels(4)},
    hidden="relu*2",
    recurrent="tanh",
    gate="sigmoid",
    output="sigmoid softmax",
)
def ticket_classifier():
    """Dicts of inputs and of outputs, losses by name."""
    title = keras.Input(shape=(None,), name="title", dtype="int32")
    tags = keras.Input(shape=(4,), name="tags")
    features = layers.LSTM(8)(layers.Embedding(20, 8)(title))
    x = layers.concatenate([features, layers.Dense(8, activation="relu")(tags)])
    x = layers.Dense(8, activation="relu")(x)
    outputs = {
        "priority": layers.Dense(1, activation="sigmoid", name="priority")(x),
        "department": layers.Dense(4, activation="softmax", name="department")(x),
    }
    model = keras.Model({"title": title, "tags": tags}, outputs)
    model.compile(
        optimizer=keras.optimizers.RMSprop(1e-3),
        loss={"priority": "binary_crossentropy", "department": "sparse_categorical_crossentropy"},
        loss_weights={"priority": 1.0, "department": 0.2},
    )
    return model


@zoo(x=numbers(4), y=[labels(2), numbers(1)], hidden="relu", output="softmax")
def actor_critic():
    """One body, two heads in a list."""
    inputs = layers.Input(shape=(4,))
    common = layers.Dense(16, activation="relu")(inputs)
    action = layers.Dense(2, activation="softmax")(common)
    critic = layers.Dense(1)(common)
    model = keras.Model(inputs=inputs, outputs=[action, critic])
    model.compile("adam", ["sparse_categorical_crossentropy", "huber"])
    return model


@zoo(x=[numbers(3), numbers(1, seed=1)], y=numbers(1), hidden="relu*5")
def ddpg_critic():
    """State and action on separate paths, as in deep deterministic policy gradients."""
    state_input, action_input = layers.Input(shape=(3,)), layers.Input(shape=(1,))
    state_out = layers.Dense(8, activation="relu")(state_input)
    state_out = layers.Dense(8, activation="relu")(state_out)
    action_out = layers.Dense(8, activation="relu")(action_input)
    concat = layers.Concatenate()([state_out, action_out])
    out = layers.Dense(16, activation="relu")(concat)
    out = layers.Dense(16, activation="relu")(out)
    model = keras.Model([state_input, action_input], layers.Dense(1)(out))
    model.compile(keras.optimizers.Adam(0.002), "mse")
    return model


@zoo(x=numbers(3), y=numbers(1), hidden="relu*2", output="tanh")
def ddpg_actor():
    """A tanh that is scaled to the range of the action."""
    last_init = keras.initializers.RandomUniform(minval=-0.003, maxval=0.003)
    inputs = layers.Input(shape=(3,))
    out = layers.Dense(16, activation="relu")(inputs)
    out = layers.Dense(16, activation="relu")(out)
    outputs = layers.Dense(1, activation="tanh", kernel_initializer=last_init)(out)
    model = keras.Model(inputs, outputs * 2.0)
    model.compile(keras.optimizers.Adam(0.001), "mse")
    return model


@zoo(x=TABLE, y=binary(), hidden="relu*4", gate="softmax", output="sigmoid")
def mixture_of_experts():
    """Expert models and a gating model, put together by operations."""
    inputs = keras.Input((6,))
    experts = [
        keras.Sequential([layers.Dense(8, activation="relu"), layers.Dense(4)], name=f"expert_{i}") for i in range(3)
    ]
    gates = layers.Dense(3, activation="softmax", name="gating")(inputs)
    stacked = ops.stack([expert(inputs) for expert in experts], axis=1)
    mixed = ops.sum(stacked * ops.expand_dims(gates, -1), axis=1)
    x = layers.Dense(8, activation="relu")(mixed)
    return binary_classifier(inputs, layers.Dense(1, activation="sigmoid")(x))


def root_mean_squared_error(y_true, y_pred):
    return ops.sqrt(ops.mean(ops.square(y_true - y_pred)))


@zoo(x=TABLE, y=np.abs(numbers(1)), hidden="sigmoid*2", output="softplus")
def probabilistic_regression():
    """Sigmoid hidden layers, a positive output, a loss and a metric that are functions."""
    inputs = keras.Input((6,))
    features = layers.BatchNormalization()(inputs)
    for units in [8, 8]:
        features = layers.Dense(units=units, activation="sigmoid")(features)
    model = keras.Model(inputs, layers.Dense(units=1, activation="softplus")(features))
    model.compile(
        optimizer=keras.optimizers.RMSprop(learning_rate=0.001), loss="mse", metrics=[root_mean_squared_error]
    )
    return model
