"""Copies of layers that hold others which their configuration lacks."""

from collections.abc import Callable

import keras
import pytest
from keras import layers as kl

from actsearch.errors import ModelError
from actsearch.swap.swap import swap_activations
from tests.helpers.networks import Project, around, assert_same_outputs, uniform

X = uniform(3, 4)


class Around(kl.Layer):
    """Its config lacks the layer that it got, and its default makes another."""

    def __init__(self, inner=None, units=4, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner or kl.Dense(units)
        self.units = units

    def call(self, x):
        return keras.ops.relu(self.inner(x))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class AroundRequired(Around):
    def __init__(self, inner, units=4, **kwargs):
        super().__init__(inner, units, **kwargs)


class AroundLoaded(AroundRequired):
    @classmethod
    def from_config(cls, config):
        return cls(**config)


class AroundSeveral(kl.Layer):
    def __init__(self, blocks, function=keras.ops.relu, **kwargs):
        super().__init__(**kwargs)
        self.blocks, self.function = blocks, function

    def call(self, x):
        for block in self.blocks:
            x = self.function(block(x))
        return x

    def get_config(self):
        return super().get_config()


def sine(x):
    return keras.ops.sin(x)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Around(kl.Dense(64, use_bias=False)),
        lambda: Around(keras.Sequential([kl.Dense(5, "relu"), kl.Dense(3)])),
        lambda: Around(AroundRequired(kl.Dense(6))),
        lambda: AroundRequired(kl.Dense(4)),
        lambda: AroundRequired(Project(7)),
        lambda: AroundLoaded(kl.Dense(4)),
        lambda: AroundSeveral([kl.Dense(5), kl.Dense(4, use_bias=False)], function=sine),
    ],
)
def test_a_layer_that_a_config_lacks_is_copied(make: Callable[[], kl.Layer]) -> None:
    model = around(make())
    same = swap_activations(model, "relu", keep_weights=True)
    assert_same_outputs(model, same, X)
    drawn = swap_activations(model, "elu")
    for new in (same, drawn):
        assert [weight.shape for weight in new.weights] == [weight.shape for weight in model.weights]
        assert not {id(weight) for weight in new.weights} & {id(weight) for weight in model.weights}


def test_layers_that_a_config_lacks_stay_shared() -> None:
    shared = kl.Dense(4)
    model = keras.Sequential([keras.Input((4,)), AroundRequired(shared), AroundRequired(shared), kl.Dense(1)])
    first, second, _ = swap_activations(model, "elu").layers
    assert first.inner is second.inner and first.inner is not shared


def test_a_layer_that_a_class_makes_from_an_argument_is_not_passed_as_that_argument() -> None:
    class EachStep(Around):
        def __init__(self, inner, units=4, **kwargs):
            super().__init__(kl.TimeDistributed(inner), units, **kwargs)

    with pytest.raises(ModelError, match=r"cannot be copied.*get_config\(\) omits inner, which is <TimeDistributed"):
        swap_activations(around(EachStep(kl.Dense(4)), (5, 4)), "elu")


def test_a_copy_with_other_variables_is_an_error() -> None:
    class Hides(kl.Layer):
        """Neither an attribute nor the config has the argument."""

        def __init__(self, kept=None, **kwargs):
            super().__init__(**kwargs)
            self.dense = kept or kl.Dense(4)

        def call(self, x):
            return self.dense(x)

        def get_config(self):
            return super().get_config()

    with pytest.raises(
        ModelError, match=r"weights of the layer 'hides.*1 variables of shapes \(4, 64\), its copy 2 var"
    ):
        swap_activations(around(Hides(kl.Dense(64, use_bias=False))), "elu")
