"""What `advise` reports for models with one problem, and that it reports nothing for sound ones."""

import keras
import numpy as np
import pytest
from keras import layers as kl

import actsearch.layers as ours
from actsearch.diagnostics.advice import advise
from actsearch.diagnostics.issues import Issue, Severity
from actsearch.errors import DataError, ModelError

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, 100)
ONE_HOT = np.eye(3)[LABELS]
BINARY = RNG.integers(0, 2, 100)
MULTI_LABEL = (RNG.random((100, 3)) < 0.5).astype("float32")
NUMBERS = RNG.normal(size=100)


def mlp(*layers, loss="mse", optimizer="adam"):
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile(optimizer, loss)
    return model


def classifier(*hidden, **options):
    return mlp(*hidden, kl.Dense(3, "softmax", name="head"), loss="sparse_categorical_crossentropy", **options)


def relus(depth=2):
    return [kl.Dense(8, "relu", kernel_initializer="he_normal") for _ in range(depth)]


def image_model(activation):
    return [keras.Input((8, 8, 3)), kl.Conv2D(4, 3), activation, kl.Flatten(), kl.Dense(3, "softmax")]


def images(activation):
    model = keras.Sequential(image_model(activation))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def residual_tanh():
    x = inputs = keras.Input((4,))
    for _ in range(12):
        x = kl.Add()([x, kl.Dense(4, "tanh")(x)])
    model = keras.Model(inputs, kl.Dense(1)(x))
    model.compile("adam", "mse")
    return model


def autoencoder():
    model = mlp(*relus(1), kl.Dense(4, "sigmoid"), loss="mse")
    return model, RNG.random((100, 4))


def two_headed(loss=None):
    inputs = keras.Input((4,))
    hidden = kl.Dense(8, "relu")(inputs)
    outputs = {"kind": kl.Dense(3, "softmax", name="k")(hidden), "size": kl.Dense(1, name="s")(hidden)}
    model = keras.Model(inputs, outputs)
    model.compile("adam", loss or {"kind": "sparse_categorical_crossentropy", "size": "mse"})
    return model


def siamese():
    tower = keras.Sequential([keras.Input((4,)), kl.Dense(8), ours.PReLU()])
    left, right = keras.Input((4,)), keras.Input((4,))
    both = kl.Concatenate()([tower(left), tower(right)])
    model = keras.Model([left, right], kl.Dense(1, "sigmoid")(both))
    model.compile("adam", "binary_crossentropy")
    return model


def self_normalising():
    hidden = [layer for _ in range(3) for layer in (kl.Dense(8, "selu", kernel_initializer="lecun_normal"),)]
    return classifier(*hidden, kl.AlphaDropout(0.1))


SOUND = {
    "classifier": (classifier(*relus()), LABELS),
    "logits": (mlp(*relus(), kl.Dense(3), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)), LABELS),
    "two classes": (mlp(*relus(), kl.Dense(1, "sigmoid"), loss="binary_crossentropy"), BINARY),
    "several labels": (mlp(*relus(), kl.Dense(3, "sigmoid"), loss="binary_crossentropy"), MULTI_LABEL),
    "regression": (mlp(kl.Dense(8, "tanh"), kl.Dense(1)), NUMBERS),
    "an autoencoder of shares": autoencoder(),
    "self-normalising": (self_normalising(), LABELS),
    "prelu on images": (images(ours.PReLU()), LABELS),
    "residual tanh": (residual_tanh(), NUMBERS),
    "a tower used twice": (siamese(), BINARY),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_models_have_no_finding(name):
    model, y = SOUND[name]
    assert advise(model, y) == []
    assert advise(model) == []


def shared_prelu():
    prelu = ours.PReLU(name="shared")
    return classifier(kl.Dense(8, name="a"), prelu, kl.Dense(8, name="b"), prelu)


def normalised_selu():
    return classifier(
        kl.Dense(8, kernel_initializer="lecun_normal"), kl.BatchNormalization(), kl.Activation("selu", name="s")
    )


def dropped_selu():
    return classifier(kl.Dense(8, "selu", name="s", kernel_initializer="lecun_normal"), kl.Dropout(0.1))


def negative_biases():
    bias = keras.initializers.Constant(-1.0)
    return classifier(kl.Dense(8, "relu", name="r", kernel_initializer="he_normal", bias_initializer=bias))


WRONG = {
    "softmax over one unit": (
        mlp(*relus(), kl.Dense(1, "softmax", name="head"), loss="binary_crossentropy"),
        BINARY,
        ("error", "head", "always 1"),
    ),
    "linear for probabilities": (
        mlp(*relus(), kl.Dense(3, name="head"), loss="sparse_categorical_crossentropy"),
        LABELS,
        ("error", "head", "probabilities"),
    ),
    "one-hot targets for class numbers": (classifier(*relus()), ONE_HOT, ("error", "head", "class numbers")),
    "a tanh that cannot reach the targets": (
        mlp(*relus(), kl.Dense(1, "tanh", name="head")),
        10 * NUMBERS,
        ("error", "head", "between -1 and 1"),
    ),
    "a deep stack of sigmoids": (
        classifier(*(kl.Dense(8, "sigmoid", name=f"s{n}") for n in range(8))),
        LABELS,
        ("warning", "s7", "8 sigmoid activations in a row"),
    ),
    "negative biases": (negative_biases(), LABELS, ("warning", "r", "from becoming active")),
    "selu with batch normalisation": (normalised_selu(), LABELS, ("warning", "s", "normalisation next to it")),
    "one prelu for two layers": (shared_prelu(), LABELS, ("warning", "shared", "follows 2 layers (a, b)")),
    "a slope for each pixel": (images(kl.PReLU(name="p")), LABELS, ("warning", "p", "144 numbers")),
    "a prelu that is not trained": (
        classifier(kl.Dense(8, activation=ours.PReLU(), name="d")),
        LABELS,
        ("error", "d", "does not train"),
    ),
}


def the_one(issues: list[Issue]) -> Issue:
    assert len(issues) == 1, issues
    return issues[0]


@pytest.mark.parametrize("name", WRONG)
def test_wrong_models_have_the_one_finding(name):
    model, y, (severity, site, words) = WRONG[name]
    issue = the_one(advise(model, y))
    assert (issue.severity, issue.site) == (severity, site)
    assert words in issue.message
    assert issue.fix


def output(units, activation, loss, y=None, **options):
    return advise(mlp(*relus(1), kl.Dense(units, activation, name="head"), loss=loss, **options), y)


SPARSE = keras.losses.SparseCategoricalCrossentropy
CASES = [
    (3, "softmax", SPARSE(from_logits=True), None, "warning", "from_logits=True"),
    (1, "sigmoid", keras.losses.BinaryCrossentropy(from_logits=True), None, "warning", "from_logits=True"),
    (1, None, "binary_crossentropy", None, "error", "probabilities"),
    (1, "tanh", "binary_crossentropy", None, "error", "not probabilities"),
    (3, "relu", SPARSE(from_logits=True), None, "warning", "not logits"),
    (3, "sigmoid", "sparse_categorical_crossentropy", None, "warning", "softmax"),
    (3, "softmax", "binary_crossentropy", None, "warning", "several labels"),
    (1, "sigmoid", "sparse_categorical_crossentropy", None, "error", "nothing to choose"),
    (2, "softmax", "sparse_categorical_crossentropy", LABELS, "error", "0 to 2"),
    (3, "softmax", "sparse_categorical_crossentropy", LABELS - 1, "error", "from -1"),
    (4, "softmax", "sparse_categorical_crossentropy", LABELS, "warning", "1 of 4"),
    (3, "softmax", "categorical_crossentropy", LABELS, "error", "3 columns"),
    (4, "softmax", "categorical_crossentropy", ONE_HOT, "error", "(100, 3)"),
    (3, "softmax", "categorical_crossentropy", MULTI_LABEL, "error", "several labels"),
    (1, "sigmoid", "binary_crossentropy", LABELS, "error", "from 0 to 2"),
    (1, "sigmoid", "binary_crossentropy", 2 * BINARY - 1, "error", "from -1 to 1"),
    (3, "sigmoid", "binary_crossentropy", BINARY, "error", "(100,)"),
    (1, "sigmoid", "binary_crossentropy", MULTI_LABEL, "error", "(100, 3)"),
    (3, "sigmoid", "binary_crossentropy", ONE_HOT, "hint", "exactly one label"),
    (1, "relu", "mse", NUMBERS, "error", "between 0 and inf"),
    (1, "sigmoid", "huber", 10 * BINARY, "error", "between 0 and 1"),
    (3, "softmax", "mse", ONE_HOT, "hint", "confident"),
    (3, "softmax", "mse", 10 * ONE_HOT, "error", "add up to 1"),
    (3, None, "mae", NUMBERS, "error", "(100,)"),
]


@pytest.mark.parametrize(("units", "activation", "loss", "y", "severity", "words"), CASES)
def test_what_does_not_fit_at_the_output(units, activation, loss, y, severity, words):
    issue = the_one(output(units, activation, loss, y))
    assert (issue.severity, issue.site) == (severity, "head")
    assert words in issue.message


@pytest.mark.parametrize(
    ("units", "activation", "loss", "y"),
    [
        (3, "softmax", SPARSE(ignore_class=-1), np.where(RNG.random(100) < 0.2, -1, LABELS)),
        (3, "log_softmax", keras.losses.CategoricalCrossentropy(from_logits=True), ONE_HOT),
        (100, "softmax", "sparse_categorical_crossentropy", LABELS),
        (3, "softmax", "categorical_crossentropy", 0.9 * ONE_HOT + 0.1 / 3),
        (1, "relu", "mse", np.abs(NUMBERS)),
        (1, "softplus", "poisson", np.abs(NUMBERS)),
        (1, "tanh", lambda y, p: keras.ops.abs(y - p), 10 * NUMBERS),
        (2, "elu", "mse", np.abs(RNG.normal(size=(100, 2)))),
        (3, "softmax", "sparse_categorical_crossentropy", LABELS.astype(str)),
    ],
)
def test_what_may_be_meant_is_left_alone(units, activation, loss, y):
    assert output(units, activation, loss, y) == []


def test_the_activation_of_the_output_may_be_a_layer_of_its_own():
    model = mlp(
        kl.Dense(6), kl.Reshape((2, 3)), kl.Softmax(name="s"), kl.Activation("linear"), loss=SPARSE(from_logits=True)
    )
    assert the_one(advise(model)).site == "s"


def test_sequences_have_a_target_for_each_step():
    model = keras.Sequential([keras.Input((5, 4)), kl.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    assert advise(model, RNG.integers(0, 3, (40, 5))) == []
    assert "class numbers" in the_one(advise(model, np.eye(3)[RNG.integers(0, 3, (40, 5))])).message


def test_each_of_several_outputs_is_looked_at():
    right = {"kind": LABELS, "size": NUMBERS}
    assert advise(two_headed(), right) == []
    assert the_one(advise(two_headed(), right | {"kind": ONE_HOT})).site == "k"
    assert (
        the_one(advise(two_headed({"kind": "sparse_categorical_crossentropy", "size": "binary_crossentropy"}))).site
        == "s"
    )
    with pytest.raises(DataError, match="2 outputs"):
        advise(two_headed(), LABELS)


def test_an_output_in_a_nested_model():
    head = keras.Sequential([keras.Input((8,)), kl.Dense(3, name="fc")], name="head")
    assert the_one(advise(mlp(kl.Dense(8, "relu"), head, loss="sparse_categorical_crossentropy"))).site == "head/fc"


def test_without_compile_nothing_is_said_of_losses():
    assert advise(keras.Sequential([keras.Input((4,)), kl.Dense(3)]), LABELS) == []
    assert "always 1" in the_one(advise(keras.Sequential([keras.Input((4,)), kl.Dense(1, "softmax")]))).message


@pytest.mark.parametrize(("activation", "depth", "found"), [("sigmoid", 4, 0), ("tanh", 9, 0), ("tanh", 10, 1)])
def test_how_deep_a_stack_may_be(activation, depth, found):
    assert len(advise(classifier(*(kl.Dense(8, activation) for _ in range(depth))))) == found


def test_normalisation_breaks_a_stack():
    hidden = [layer for _ in range(8) for layer in (kl.Dense(8), kl.BatchNormalization(), kl.Activation("sigmoid"))]
    assert advise(classifier(*hidden)) == []


@pytest.mark.parametrize(
    ("optimizer", "found"),
    [
        (keras.optimizers.Adam(0.01), 0),
        (keras.optimizers.AdamW(0.05), 1),
        (keras.optimizers.SGD(0.3), 0),
        (keras.optimizers.SGD(0.3, momentum=0.9), 1),
        (keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)), 1),
        (keras.optimizers.Adadelta(1.0), 0),
    ],
)
def test_learning_rates_at_which_units_die(optimizer, found):
    issues = advise(classifier(*relus(), optimizer=optimizer))
    assert len(issues) == found
    assert all("die" in issue.message for issue in issues)
    assert advise(classifier(kl.Dense(8, "elu"), optimizer=type(optimizer).from_config(optimizer.get_config()))) == []


@pytest.mark.parametrize(
    ("initializer", "severity"), [("glorot_uniform", "hint"), ("he_normal", "warning"), ("lecun_uniform", None)]
)
def test_the_initializer_of_selu(initializer, severity):
    issues = advise(classifier(kl.Dense(8, "selu", kernel_initializer=initializer)))
    assert [issue.severity for issue in issues] == ([severity] if severity else [])


def test_plain_dropout_after_selu():
    issue = the_one(advise(dropped_selu()))
    assert (issue.severity, issue.site) == (Severity.WARNING, "s")
    assert "AlphaDropout" in issue.fix


def test_keras_applications_are_sound():
    model = keras.applications.MobileNetV2(weights=None, input_shape=(32, 32, 3), classes=10)
    model.compile("adam", "sparse_categorical_crossentropy")
    assert advise(model) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["ResNet50", "EfficientNetB0", "DenseNet121", "ConvNeXtTiny", "NASNetMobile", "Xception"]
)
def test_larger_keras_applications_are_sound(name):
    size = 96 if name == "Xception" else 32
    model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), classes=10)
    classes = np.arange(200) % 10
    model.compile("adam", "sparse_categorical_crossentropy")
    assert advise(model, classes) == []


def test_a_subclassed_model_that_is_not_built_is_refused():
    class Own(keras.Model):
        pass

    with pytest.raises(ModelError, match="not built"):
        advise(Own())


class Head(kl.Layer):
    """A user's last layer, whose output is that of a layer inside."""

    def __init__(self, activation=None):
        super().__init__()
        self.inner, self.last = kl.Dense(8, activation="relu"), kl.Dense(3, activation=activation)

    def call(self, x):
        return self.last(self.inner(x))


@pytest.mark.parametrize(("activation", "num_issues"), [(None, 0), ("relu", 1), ("softmax", 1)])
def test_the_output_of_a_users_last_layer_is_what_its_code_returns(activation, num_issues):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = mlp(kl.Dense(8, "relu"), Head(activation), loss=loss)
    assert len(advise(model, LABELS)) == num_issues


def test_the_worst_comes_first():
    model = classifier(
        kl.Dense(8, "selu"), kl.Dense(8, activation=ours.PReLU()), kl.Dense(8, "selu", kernel_initializer="he_normal")
    )
    assert [str(issue.severity) for issue in advise(model)] == ["error", "warning", "hint"]
