"""Registered user code: functions and layer classes, their parameters, moments, and refusals."""

import keras
import numpy as np
import pytest

from actsearch.activations import Parameter, get, names, register
from actsearch.activations.initializers import matched_initializer
from actsearch.activations.moments import second_moment, slope_second_moment
from actsearch.errors import UnknownNameError, UsageError

pytestmark = pytest.mark.usefixtures("own_register")
GRID = np.linspace(-3, 3, 13)


def swoosh(x, beta=1.0, shift=0.0, exact=True):
    """A function of the kind that users write."""
    return x * keras.ops.sigmoid(beta * x + shift) if exact else x


class Bent(keras.layers.Layer):
    """A layer of the kind that users write: a learned slope for each channel, and noise in training."""

    def __init__(self, start=0.5, noise=True, **kwargs):
        super().__init__(**kwargs)
        self.start = start
        self.noise = noise

    def build(self, input_shape):
        self.slope = self.add_weight(
            shape=(input_shape[-1],), initializer=keras.initializers.Constant(self.start), name="slope"
        )

    def call(self, x, training=False):
        y = keras.ops.where(x > 0, x, self.slope * x)
        return y + keras.random.normal(keras.ops.shape(x)) if training and self.noise else y

    def get_config(self):
        return super().get_config() | {"start": self.start, "noise": self.noise}


def test_function_becomes_an_entry():
    assert register(swoosh) is swoosh
    entry = get("swoosh")
    assert names()[-1] == "swoosh"
    assert (entry.family, entry.formula, entry.reference) == ("user", "swoosh", "")
    assert entry.kinks == (0.0,)
    assert not entry.learns
    assert not entry.alpha_dropout
    np.testing.assert_allclose(entry(GRID, beta=2.0), GRID / (1 + np.exp(-2 * GRID)), rtol=1e-6)


def test_numbers_of_the_signature_become_parameters():
    register(swoosh)
    parameters = get("swoosh").parameters
    assert parameters.keys() == {"beta", "shift"}
    assert (parameters["beta"].default, parameters["beta"].low, parameters["beta"].high) == (1.0, 0.5, 2.0)
    assert (parameters["shift"].default, parameters["shift"].low, parameters["shift"].high) == (
        0.0,
        -1.0,
        1.0,
    )


def test_decorator_with_arguments():
    @register(
        "named",
        family="smooth",
        formula="x·σ(βx)",
        reference="arXiv 1710.05941",
        parameters={"beta": Parameter(1.5, 0.1, 10.0, "steepness")},
        alpha_dropout=True,
        kinks=(),
    )
    def swish(x, beta=1.0):
        return x * keras.ops.sigmoid(beta * x)

    entry = get("named")
    assert (entry.family, entry.formula, entry.reference) == ("smooth", "x·σ(βx)", "arXiv 1710.05941")
    assert entry.alpha_dropout
    assert entry.kinks == ()
    assert entry(2.0) == pytest.approx(2 / (1 + np.exp(-3.0)), rel=1e-6)
    assert swish(keras.ops.ones(1)).shape == (1,)


def test_kinks_may_follow_a_parameter():
    @register(kinks=lambda threshold: (threshold,))
    def gated(x, threshold=1.0):
        return keras.ops.where(x > threshold, x, 0.0)

    assert get("gated").kinks_at({"threshold": 0.5}) == (0.5,)
    moment = 1 / matched_initializer(get("gated"), {"threshold": 0.0}).scale
    assert moment == pytest.approx(0.5, rel=1e-6)


def test_layer_of_a_function_computes_it():
    register(swoosh)
    layer = get("swoosh").layer(beta=2.0)
    y = layer(GRID[:, None].astype("float32"))
    np.testing.assert_allclose(y[:, 0], get("swoosh")(GRID, beta=2.0), rtol=1e-6)


def test_layer_class_becomes_an_entry():
    assert register("bent", kinks=(0.0,))(Bent) is Bent
    entry = get("bent")
    assert entry.parameters.keys() == {"start"}
    assert entry.learns
    assert isinstance(entry.layer(), Bent)
    np.testing.assert_allclose(entry(GRID.reshape(1, 13), start=0.25)[0], np.where(GRID > 0, GRID, GRID / 4))


def test_layer_class_without_weights_does_not_learn():
    @register
    class Doubled(keras.layers.Layer):
        def call(self, x):
            return 2 * x

    assert not get("Doubled").learns
    assert get("Doubled")(3.0) == 6.0


def test_matching_follows_from_the_function():
    register(swoosh)
    register("bent")(Bent)
    assert second_moment("swoosh") == pytest.approx(second_moment("silu"), rel=1e-6)
    assert slope_second_moment("swoosh") == pytest.approx(slope_second_moment("silu"), rel=1e-4)
    assert slope_second_moment("bent") == pytest.approx(0.625, rel=1e-4)
    assert matched_initializer(get("bent"), {"start": 0.0}).scale == pytest.approx(2.0, rel=1e-6)


def test_registering_again_takes_the_new_one():
    register("bent", formula="first")(Bent)
    register("bent", formula="second")(Bent)
    assert get("bent").formula == "second"
    with pytest.raises(UsageError, match=r"'bent' is already registered \(second\)"):
        register("bent")(swoosh)


def test_names_that_keras_knows_already_are_kept():
    keras.saving.register_keras_serializable(package="theirs", name="own_name")(swoosh)
    register(swoosh)
    assert keras.saving.get_registered_name(swoosh) == "theirs>own_name"
    before = keras.saving.get_registered_name(keras.activations.gelu)
    register("gelu_again")(keras.activations.gelu)
    assert keras.saving.get_registered_name(keras.activations.gelu) == before


def without_default(x, beta):
    return beta * x


def of_numpy(x):
    return np.maximum(np.asarray(x), 0)


def halves(x):
    return x[..., ::2]


def two(x):
    return x, x


class WithoutDefault(keras.layers.Layer):
    def __init__(self, size):
        super().__init__()
        self.size = size


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (3, "it is 3; expected a function of one tensor or a subclass of keras.layers.Layer"),
        (Bent(), "For a layer, register its class"),
        (dict, "expected a function of one tensor"),
        (np.tanh, "expected a function of one tensor"),
        (lambda x: x, "Keras cannot load a lambda. Write it with def."),
        (without_default, "its argument 'beta' has no default. Give it a number"),
        (WithoutDefault, "its argument 'size' has no default. Give it a number"),
        (of_numpy, r"failed on a tensor of shape \(None, 4\).*Write it with keras.ops"),
        (halves, r"for a tensor of shape \[None, 4\] it returned \[None, 2\]\. An activation returns one tensor"),
        (two, "An activation returns one tensor with the shape of its input"),
    ],
)
def test_what_cannot_be_an_activation_is_refused(wrong, message):
    with pytest.raises(UsageError, match=rf"(?s)Cannot register 'wrong': .*{message}"):
        register("wrong")(wrong)
    assert "wrong" not in names()


def test_parameter_that_the_function_does_not_have():
    parameters = {"betta": Parameter(1.0, 0.5, 2.0, "steepness")}
    with pytest.raises(UnknownNameError, match=r"parameter of swoosh 'betta'\. Did you mean 'beta'\?"):
        register(parameters=parameters)(swoosh)
