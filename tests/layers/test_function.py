"""Functions of one tensor as layers."""

import keras
import numpy as np
import pytest

from actsearch import layers
from actsearch.errors import UsageError


@keras.saving.register_keras_serializable(package="tests_of_layers")
def bent(x, power=2.0, *, gain=1.0):
    """gain·max(0, x)^power."""
    return gain * keras.ops.power(keras.ops.relu(x), power)


def unregistered(x):
    return x


def test_the_parameters_are_passed_by_name():
    x = np.array([-1.0, 2.0, 3.0])
    assert layers.FunctionActivation(bent)(x).numpy().tolist() == [0.0, 4.0, 9.0]
    layer = layers.FunctionActivation(bent, {"power": 1.0, "gain": 3})
    assert layer(x).numpy().tolist() == [0.0, 6.0, 9.0]


def test_it_has_no_weights():
    layer = layers.FunctionActivation(bent)
    layer(np.ones((2, 3)))
    assert layer.weights == []


def test_its_config_holds_the_registered_name():
    config = layers.FunctionActivation(bent, {"gain": 2.0}).get_config()
    assert config["function"]["config"] == "tests_of_layers>bent"
    assert config["parameters"] == {"gain": 2.0}


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning:keras")
def test_a_model_with_it_is_saved_and_loaded(tmp_path):
    soft = layers.FunctionActivation(keras.activations.soft_shrink, {"threshold": 0.25})
    model = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(3),
            layers.FunctionActivation(bent, {"gain": 2.0}, name="mine"),
            soft,
        ]
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("mine").function is bent
    x = np.random.default_rng(0).normal(size=(4, 2)).astype("float32")
    np.testing.assert_array_equal(loaded(x), model(x))


def test_a_copy_of_a_model_keeps_it():
    model = keras.Sequential([keras.Input((2,)), layers.FunctionActivation(bent, {"gain": 2.0})])
    assert keras.models.clone_model(model).layers[0].parameters == {"gain": 2.0}


def test_a_function_that_could_not_be_loaded_is_refused():
    with pytest.raises(UsageError, match=r"'unregistered' is not registered.*Put @keras\.saving\.register"):
        layers.FunctionActivation(unregistered)
    with pytest.raises(UsageError, match="<lambda>' is not registered"):
        layers.FunctionActivation(lambda x: x)
    with pytest.raises(UsageError, match="'square' is not registered"):
        layers.FunctionActivation(keras.ops.square)


def test_what_is_no_function_is_refused():
    with pytest.raises(UsageError, match="got 'relu'; expected a function of one tensor"):
        layers.FunctionActivation("relu")


def test_parameters_it_does_not_take_are_refused():
    with pytest.raises(UsageError, match=r"bent\(x, \.\.\.\) does not accept .*unexpected keyword argument 'slope'"):
        layers.FunctionActivation(bent, {"slope": 1.0})


@pytest.mark.parametrize("value", ["2", True, None])
def test_parameters_that_are_no_numbers_are_refused(value):
    with pytest.raises(UsageError, match=rf"Parameter 'gain' of bent is {value!r}; expected a number"):
        layers.FunctionActivation(bent, {"gain": value})
