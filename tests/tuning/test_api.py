"""`actsearch.search` on what people give to `model.fit`: it trains what fit trains."""

import keras
import keras_tuner
import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits

import actsearch
from actsearch.errors import GeneratorEndedError, ObjectiveShapeError, UsageError

SPACE = {"activations": ["relu", "elu"], "baseline": "relu"}
QUICK = {"epochs": 1, "executions": 1, "tracking": False, "verbose": 0, "directory": "found"}
pytestmark = pytest.mark.usefixtures("without_mlflow")


@pytest.fixture(scope="module")
def data():
    x, y = load_digits(return_X_y=True)
    return (x[:400] / 16).astype("float32"), y[:400]


def classifier(hp, loss="sparse_categorical_crossentropy", metrics=("accuracy",), units=10, final="softmax"):
    activation = actsearch.choose(hp, SPACE)
    hidden = [keras.layers.Dense(8), activation.layer()]
    model = keras.Sequential([keras.Input((64,)), *hidden, keras.layers.Dense(units, final)])
    model.compile("adam", loss, metrics=list(metrics))
    return model


def search(build, *arguments, **options):
    result = actsearch.search(build, *arguments, **{**QUICK, **options})
    assert [e.reason for t in result.trials for e in t.executions] == [None] * sum(
        len(t.executions) for t in result.trials
    )
    return result


def first_of(result):
    return result.trials[0].executions[0]


def test_half_precision_is_trained(data):
    x, y = data
    keras.config.set_dtype_policy("mixed_float16")
    try:
        layers = [keras.layers.Dense(16, "relu"), keras.layers.Dense(10)]
        final = keras.layers.Activation("softmax", dtype="float32")
        model = keras.Sequential([keras.Input((64,)), *layers, final])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    finally:
        keras.config.set_dtype_policy("float32")
    assert first_of(search(model, x, y, space=["relu", "elu"])).trainer == "compiled"


def dice_loss(y_true, y_pred):
    both = keras.ops.sum(y_true * y_pred, -1)
    return 1 - 2 * both / (keras.ops.sum(y_true + y_pred, -1) + 1e-6)


def test_a_loss_named_after_a_score_is_minimised(data):
    x, y = data
    result = search(
        lambda hp: classifier(hp, "categorical_crossentropy", [dice_loss]),
        x,
        keras.utils.to_categorical(y, 10),
        objective="val_dice_loss",
        epochs=3,
    )
    execution = first_of(result)
    assert str(result.record.objective.direction) == "min"
    assert execution.score == min(execution.history["val_dice_loss"])
    assert result.record.objective.reason == "inferred from the name"


class Autoencoder(keras.Model):
    """Neither y nor a test_step, as a variational autoencoder is often written; not even a call."""

    def __init__(self, activation):
        super().__init__()
        layers = [keras.layers.Dense(8), activation.layer(), keras.layers.Dense(64)]
        self.net = keras.Sequential([keras.Input((64,)), *layers])
        self.mean = keras.metrics.Mean(name="loss")
        self.own = {"optimizers": [keras.optimizers.Adam()]}
        self.seed = keras.random.SeedGenerator(3)

    @property
    def metrics(self):
        return [self.mean]

    def train_step(self, data):
        with tf.GradientTape() as tape:
            noisy = data + 0.01 * keras.random.normal(tf.shape(data), seed=self.seed)
            loss = tf.reduce_sum((data - self.net(noisy)) ** 2) / tf.cast(tf.shape(data)[0], "float32")
        gradients = tape.gradient(loss, self.trainable_weights)
        self.own["optimizers"][0].apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        self.mean.update_state(loss)
        return {"loss": self.mean.result()}


def autoencoder(hp):
    model = Autoencoder(actsearch.choose(hp, SPACE))
    model.compile()
    return model


def test_a_model_without_targets_call_and_test_step(data):
    x, _ = data
    at_start = []

    class Look(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            model = self.model
            at_start.append((int(model.own["optimizers"][0].iterations), model.seed.state.numpy().tolist()))

    result = search(autoencoder, x, callbacks=lambda: [Look()], shuffle=False)
    keras_loss = autoencoder(keras_tuner.HyperParameters()).fit(x, verbose=0).history["loss"][0]
    assert result.record.objective.name == "loss"
    assert "on the training data" in result.record.objective.reason
    assert first_of(result).score == pytest.approx(
        keras_loss, rel=0.6
    )  # of other weights; of a tuple it would be 32 times as large
    assert at_start == [(0, [3, 0])] * 2  # the steps that tracing takes are undone
    assert first_of(result).resources.inference_microseconds is None
    assert isinstance(result.best_model(), Autoencoder)


def test_a_metric_of_one_element_is_logged_and_a_vector_is_no_objective(data):
    x, y = data
    binary = (y % 2).astype("float32")[:, None]
    result = search(
        lambda hp: classifier(hp, "binary_crossentropy", [keras.metrics.F1Score(threshold=0.5)], 1, "sigmoid"),
        x,
        binary,
        objective="val_f1_score",
    )
    assert len(first_of(result).history["val_f1_score"]) == 1
    with pytest.raises(ObjectiveShapeError, match=r"shape \(10,\)"):
        actsearch.search(
            lambda hp: classifier(hp, "categorical_crossentropy", [keras.metrics.F1Score()]),
            x,
            keras.utils.to_categorical(y, 10),
            objective="val_f1_score",
            **{**QUICK, "directory": "other"},
        )


def batches_of(x, y, *, for_ever=True):
    while True:
        for i in range(0, 320, 32):
            yield x[i : i + 32], y[i : i + 32]
        if not for_ever:
            return


def test_a_generator_serves_all_executions(data):
    x, y = data
    held = (x[320:], y[320:])
    result = search(classifier, batches_of(x, y), steps_per_epoch=10, validation_data=held, executions=2)
    assert result.record.data["name"] == "generator"
    with pytest.raises(GeneratorEndedError, match="ended after 10 of the 20 batches"):
        actsearch.search(
            classifier,
            lambda: batches_of(x, y, for_ever=False),
            steps_per_epoch=20,
            validation_data=held,
            callbacks=lambda: [RunsOut()],
            **{**QUICK, "directory": "other"},
        )


class RunsOut(keras.callbacks.Callback):
    """Keras warns; in these tests warnings are errors."""

    def on_train_begin(self, logs=None):
        import warnings

        warnings.filterwarnings("ignore", message="Your input ran out of data")


def two_outputs():
    inputs = keras.Input((64,))
    hidden = keras.layers.Dense(8, "relu")(inputs)
    outputs = {
        "digit": keras.layers.Dense(10, "softmax", name="digit")(hidden),
        "even": keras.layers.Dense(1, "sigmoid", name="even")(hidden),
    }
    model = keras.Model(inputs, outputs)
    losses = {"digit": "sparse_categorical_crossentropy", "even": "binary_crossentropy"}
    model.compile("adam", losses, metrics={name: ["accuracy"] for name in losses})
    return model


def test_weights_and_default_objective_of_several_outputs(data):
    x, y = data
    targets = {"digit": y, "even": (y % 2).astype("float32")}
    train, held = ({name: part[rows] for name, part in targets.items()} for rows in (slice(0, 300), slice(300, None)))
    weights = {"digit": np.ones(300, "float32"), "even": np.zeros(300, "float32")}
    result = search(
        two_outputs(), x[:300], train, sample_weight=weights, validation_data=(x[300:], held), space=["relu", "elu"]
    )
    assert max(first_of(result).history["even_loss"]) == 0.0
    assert result.record.objective.name == "val_loss"
    assert "the total loss of all outputs digit, even" in result.record.remarks[-1]


def test_a_series_is_divided_and_trained_in_its_order(data):
    seen = []

    class Spy(keras.Sequential):
        def train_step(self, batch):
            tf.py_function(lambda x: seen.append(x.numpy()[:, 0]), [batch[0]], [])
            return super().train_step(batch)

    def build(hp):
        model = Spy([keras.Input((1,)), keras.layers.Dense(4), actsearch.choose(hp, SPACE).layer()])
        model.add(keras.layers.Dense(1))
        model.compile("sgd", "mse")
        return model

    time = np.arange(50.0, dtype="float32")[:, None]
    search(build, time, np.sin(time), shuffle=False, batch_size=10)
    epoch = np.concatenate(seen[-3:])
    np.testing.assert_array_equal(epoch, np.arange(30))


def stateful(hp):
    model = keras.Sequential([keras.Input(batch_shape=(10, 3, 1)), keras.layers.LSTM(4, stateful=True)])
    model.add(keras.layers.Dense(4))
    model.add(actsearch.choose(hp, SPACE).layer())
    model.add(keras.layers.Dense(1))
    model.compile("adam", "mse")
    return model


def test_a_stateful_model_gets_whole_batches():
    x = np.random.default_rng(0).normal(size=(64, 3, 1)).astype("float32")
    assert first_of(search(stateful, x, x[:, -1], divide="in_order")).trainer == "compiled"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"divide": "sorted"}, "Unknown division 'sorted'"),
        ({"divide": "random", "validation_split": 0.2}, "divide='random' would be ignored"),
    ],
)
def test_divisions_that_would_be_ignored_are_refused(data, options, says):
    with pytest.raises(UsageError, match=says):
        actsearch.search(classifier, *data, **QUICK, **options)


def test_a_data_set_without_validation_data_is_told_what_to_pass(data):
    dataset = tf.data.Dataset.from_tensor_slices(data).batch(32)
    with pytest.raises(UsageError, match="Pass validation_data: .* or a data set"):
        actsearch.search(classifier, dataset, **QUICK)


@keras.saving.register_keras_serializable("tests.api")
class Net(keras.Model):
    """A subclassed model as most people write one."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden, self.last = keras.layers.Dense(8), keras.layers.Dense(10, activation="softmax")

    def call(self, x):
        return self.last(keras.ops.relu(self.hidden(x)))


def make_model():
    model = Net()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_the_model_that_a_function_makes_is_searched(data):
    result = search(make_model, *data, space=["relu", "prelu"], executions=2)
    (trained,) = [t for t in result.trials if t.activation == "prelu"]
    assert set(trained.executions[0].learned) == {"relu_activation"}
    best = result.best_model()
    assert isinstance(best, Net)
    assert best.predict(data[0][:3], verbose=0).shape == (3, 10)


def test_a_subclassed_model_is_searched_by_its_config(data):
    assert len(search(make_model(), *data, space=["relu", "elu"]).trials) == 2


def test_recurrent_activations_are_searched_when_asked_and_named_when_not(data, capsys):
    model = keras.Sequential(
        [
            keras.Input((8, 8)),
            keras.layers.LSTM(4, name="memory"),
            keras.layers.Dense(8, "relu"),
            keras.layers.Dense(10, "softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = data[0].reshape(-1, 8, 8), data[1]
    left = search(model, x, y, space=["relu", "elu"], verbose=2)
    text = "1 of 2 hidden activations stays tanh in all trials: memory/activation (it is recurrent)."
    assert text in capsys.readouterr().err
    assert text in left.report()
    both = search(model, x, y, space=["relu", "prelu"], include_recurrent=True, directory="both")
    assert "it is recurrent" not in both.report()


@pytest.mark.parametrize(
    ("model", "options", "says"),
    [
        (classifier, {"include_recurrent": True}, "include_recurrent would be ignored"),
        (classifier, {"space": ["relu"]}, "names its search space itself"),
        (Net, {}, "Net is a class. Pass a compiled model, or a function"),
    ],
)
def test_what_would_be_ignored_or_is_no_model_is_refused(data, model, options, says):
    with pytest.raises(UsageError, match=says):
        actsearch.search(model, *data, **QUICK, **options)
