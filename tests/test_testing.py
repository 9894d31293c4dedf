"""The check for authors of activations: what meets the contract passes, and each breach is named with its remedy."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from actsearch.activations import Parameter, get, registry
from actsearch.activations.user import entry_of
from actsearch.errors import UnknownNameError
from actsearch.testing import check_activation

pytestmark = pytest.mark.usefixtures("own_register")


def bent(x, slope=0.5):
    return keras.ops.where(x > 0, x, slope * x)


def entry(obj, name, **changes):
    return replace(entry_of(obj, name, formula="a formula", family="user", reference=""), **changes)


@keras.saving.register_keras_serializable(package="tests")
class Learned(keras.layers.Layer):
    """What a user writes: a learned slope for each channel."""

    def __init__(self, start=0.5, **kwargs):
        super().__init__(**kwargs)
        self.start = start

    def build(self, input_shape):
        start = keras.initializers.Constant(self.start)
        self.slope = self.add_weight(shape=(input_shape[-1],), initializer=start, name="slope")

    def call(self, x):
        return keras.ops.where(x > 0, x, self.slope * x)

    def get_config(self):
        return super().get_config() | {"start": self.start}


@keras.saving.register_keras_serializable(package="tests")
class Forgetful(Learned):
    """Its config lacks the start."""

    def get_config(self):
        return keras.layers.Layer.get_config(self)


def forgetful():
    def function(x, start):
        return np.where(x > 0, x, (start + 0.25) * x)

    return entry(Forgetful, "forgetful", make=lambda start: Forgetful(start + 0.25), function=function)


@keras.saving.register_keras_serializable(package="tests")
class Unchanged(Learned):
    """Its slope is a weight that nothing depends on."""

    def call(self, x):
        return keras.ops.where(x > 0, x, x / 2) + 0 * self.slope


@keras.saving.register_keras_serializable(package="tests")
class Upcasting(keras.layers.Layer):
    def call(self, x):
        return keras.ops.cast(keras.ops.relu(x), "float32")


@keras.saving.register_keras_serializable(package="tests")
class WrongShape(keras.layers.Layer):
    def call(self, x):
        return keras.ops.relu(x)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 2 * input_shape[-1])


def test_a_function_and_a_learned_layer_of_the_users_meet_the_contract():
    check_activation(entry(bent, "bent"))
    check_activation(entry(Learned, "learned"))


def test_a_name_is_looked_up():
    registry.add(entry(bent, "bent"))
    check_activation("bent")
    with pytest.raises(UnknownNameError):
        check_activation("bend")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: replace(get("relu"), formula=""), "relu: it has no formula"),
        (
            lambda: replace(get("elu"), parameters={"alpha": Parameter(1.0, 2.0, 3.0, "α")}),
            r"the default of alpha is 1.0, outside its range, 2.0 to 3.0\. Correct one",
        ),
        (
            lambda: replace(get("relu"), function=lambda x: np.sum(x)),
            r"turned shape \(166,\) into \(\), expected no change",
        ),
        (lambda: replace(get("relu"), function=np.exp2, kinks=()), r"the layer computes 0 in inference, and the NumPy"),
        (lambda: replace(get("relu"), function=np.log1p), "the NumPy function failed|is not finite at x = "),
        (lambda: replace(get("relu"), kinks=()), r"at x = 0 the layer's gradient is 0.*list the point in kinks"),
        (lambda: entry(WrongShape, "wide", learns=False), "Let compute_output_shape return its input_shape"),
        (lambda: entry(Upcasting, "upcasting"), "policy float16 the layer returns float32, expected float16"),
        (forgetful, "from_config makes"),
        (lambda: entry(Learned, "learned", learns=False), "has 1 trainable weights, but .* declares learns=False"),
        (lambda: entry(Unchanged, "unchanged"), "slope does not change in a training step"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*encountered in log1p:RuntimeWarning")
def test_a_breach_is_named(make, says):
    with pytest.raises(AssertionError, match=says):
        check_activation(make())


def test_the_dtype_policy_is_as_it_was_even_after_a_breach():
    before = keras.config.dtype_policy()
    with pytest.raises(AssertionError):
        check_activation(entry(Upcasting, "upcasting"))
    assert keras.config.dtype_policy() is before
