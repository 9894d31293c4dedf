"""Activations exchanged in place: at each kind of place, and what a layer that has changed says."""

import pytest
from keras import layers as kl
from keras import ops

from actsearch.errors import ModelError
from actsearch.layers.exchange import Exchange, Exchanged, Place, PlaceKind, exchange, original_class
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
