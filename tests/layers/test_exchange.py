"""Activations exchanged in place: at each kind of place, and what a layer that has changed says."""

import keras
import numpy as np
import pytest
from keras import layers as kl
from keras import ops

from actsearch.errors import ModelError
from actsearch.layers.exchange import Exchange, Exchanged, Place, PlaceKind, exchange, original_class
from actsearch.swap.swap import swap_activations
from tests.helpers.networks import uniform


class Twice(kl.Layer):
    def __init__(self):
        super().__init__()
        self.dense, self.learned = kl.Dense(3, activation="relu"), kl.PReLU()

    def call(self, x):
        return ops.relu(self.learned(self.dense(x))) + ops.relu(-x)


@pytest.fixture
def layer():
    made = Twice()
    made(uniform(2, 3))
    return made


def negated():
    return kl.Lambda(lambda x: -ops.abs(x))


def test_an_attribute_a_layer_and_each_place_in_the_code(layer):
    first, second = "relu@Twice.call+1:15", "relu@Twice.call+1:58"
    places = [Place(1, PlaceKind.ATTRIBUTE, "activation"), Place(2, PlaceKind.LAYER), Place(0, PlaceKind.CODE, first)]
    activations = [kl.Activation("linear"), kl.Activation("linear"), negated()]
    pairs = zip(places, activations, strict=True)
    exchange(layer, [Exchange(place, activation, (None, 3)) for place, activation in pairs])
    x = uniform(2, 3)
    expected = -ops.abs(layer.dense.kernel.value.numpy().T @ x.T).numpy().T + ops.relu(-x)
    assert second != first
    assert layer(x).numpy() == pytest.approx(expected.numpy(), abs=1e-6)
    assert [weight.path.split("/")[-1] for weight in layer.weights] == ["kernel", "bias"]


def test_the_class_stays_and_is_made_once(layer):
    other = Twice()
    other(uniform(2, 3))
    for made in (layer, other):
        exchange(made, [Exchange(Place(2, PlaceKind.LAYER), negated(), (None, 3))])
    assert type(layer) is type(other)
    assert isinstance(layer, Twice)
    assert isinstance(layer, Exchanged)
    assert original_class(layer) is Twice


@pytest.mark.parametrize("place", [Place(9, PlaceKind.LAYER), Place(1, PlaceKind.ATTRIBUTE, "nothing")])
def test_a_place_that_is_not_there_is_an_error(layer, place):
    with pytest.raises(ModelError, match=r"'twice.*has no activation at.*Use the code of the layer as it was"):
        exchange(layer, [Exchange(place, negated(), (None, 3))])


SOURCE = """
@keras.saving.register_keras_serializable("tests.edited")
class Edited(keras.layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        LAYER
        self.act = keras.layers.ReLU()

    def call(self, x):
        LINE
        return keras.ops.relu(self.act(x))
"""


@pytest.mark.parametrize(
    ("edited", "message"),
    [
        ({"LINE": "x = x * 1.0; pass"}, None),
        ({"LINE": "pass\n        # a comment"}, r"has no activation at .*relu@Edited.call.*Use the code of the layer"),
        (
            {"LAYER": "self.drop = keras.layers.Dropout(0.0)"},
            r"are not those that it had.*: Edited, ReLU\. Use the code",
        ),
    ],
    ids=["same place", "moved", "another layer"],
)
def test_a_file_is_refused_if_the_code_is_another_one(tmp_path, edited, message):
    def define(**lines):
        text = SOURCE
        for name, line in {"LAYER": "pass", "LINE": "pass", **lines}.items():
            text = text.replace(name, line)
        space = {"keras": keras, "__name__": "edited"}
        exec(text, space)
        return space["Edited"]

    model = keras.Sequential([keras.Input((4,)), define()(name="edited"), keras.layers.Dense(1)])
    x = np.ones((2, 4), "float32")
    new = swap_activations(model, "tanh", keep_weights=True)
    new.save(tmp_path / "model.keras")
    define(**edited)
    if message is None:
        np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(x), new(x))
        return
    with pytest.raises(ModelError, match=message):
        keras.models.load_model(tmp_path / "model.keras")


@keras.saving.register_keras_serializable("tests.exchange")
class Partly(keras.layers.Layer):
    """One of its layers is frozen from the start, and its config is not its own."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.first, self.second = keras.layers.Dense(4, trainable=False), keras.layers.Dense(4)

    def build(self, shape):
        self.first.build(shape)
        self.second.build((None, 4))
        super().build(shape)

    def call(self, x):
        return ops.relu(self.second(self.first(x)))


@pytest.mark.parametrize("before", [True, False])
def test_what_is_set_after_an_exchange_is_saved(tmp_path, before):
    parts = [Partly(name="changed"), Partly(name="unchanged")]
    model = keras.Sequential([keras.Input((4,)), *parts, keras.layers.Dense(1)])
    model.layers[0].trainable = before
    new = swap_activations(model, "prelu", keep_weights=True, include_frozen=True)
    changed = new.layers[0]
    changed.trainable, changed.dtype_policy = not before, keras.DTypePolicy("mixed_float16")
    new.save(tmp_path / "model.keras")
    copies = [keras.models.load_model(tmp_path / "model.keras"), keras.models.clone_model(new)]
    for copy in [*copies, swap_activations(new, "elu", include_frozen=True)]:
        first, second, _ = copy.layers
        assert (first.trainable, second.trainable, second.first.trainable) == (not before, True, False)
        assert (first.dtype_policy.name, second.dtype_policy.name) == ("mixed_float16", "float32")
        assert first.name == "changed"
    for copy in copies:
        assert len(copy.trainable_weights) == len(new.trainable_weights)
