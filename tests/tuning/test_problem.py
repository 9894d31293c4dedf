"""What a build function asks for, found before anything is trained."""

import keras
import pytest

import actsearch
from actsearch.errors import ModelError
from actsearch.swap.searched_model import SearchedModel
from actsearch.tuning.problem import Hypermodel, inspect_hypermodel, model_fingerprint
from tests.helpers.networks import compiled, small_network


def tuner_for(build) -> actsearch.ActivationTuner:
    return actsearch.ActivationTuner(build, epochs=2, directory="found", verbose=0)


def test_conditional_scopes_of_the_users_own_are_found_in_few_builds():
    builds = []

    def build(hp):
        builds.append(1)
        if hp.Choice("kind", ["plain", "wide"]) == "wide":
            with hp.conditional_scope("kind", ["wide"]):
                hp.Choice("width", [64, 128])
        else:
            with hp.conditional_scope("kind", ["wide"]):
                pass
        return small_network(hp, "everything")

    tuner = tuner_for(build)
    assert "width" in {p.name for p in tuner.oracle.get_space().space}
    assert len(builds) == 2


def test_a_build_function_that_fails_shows_its_own_traceback():
    def build(hp):
        raise ZeroDivisionError("here")

    with pytest.raises(ModelError, match="ZeroDivisionError: here") as error:
        tuner_for(build)
    assert "test_problem.py" in str(error.value)


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda hp: None, "expected a compiled keras.Model"),
        (lambda hp: keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]), "model.compile"),
    ],
)
def test_a_build_function_that_returns_something_else(build, says):
    with pytest.raises(ModelError, match=says):
        tuner_for(build)


def activations_after_a_build(found: Hypermodel, **values) -> dict:
    hp = found.hyperparameters.copy()
    hp.values = dict(values)
    found.build(hp)
    return found.activations_on(hp)


def test_a_record_has_the_activation_with_its_parameters():
    found = inspect_hypermodel(
        lambda hp: small_network(hp, {"activations": ["relu", {"leaky_relu": {"slope": [0.1, 0.3]}}]})
    )
    recorded = activations_after_a_build(found, **{"activation": "leaky_relu", "leaky_relu.slope": 0.3})
    assert recorded == {"": {"name": "leaky_relu", "parameters": {"slope": 0.3}}}


def test_a_record_has_the_activation_of_each_site():
    model = keras.Sequential([keras.Input((64,)), *(keras.layers.Dense(8, "relu", name=name) for name in "ab")])
    model.add(keras.layers.Dense(10, name="output"))
    space = actsearch.load_space({"activations": ["relu", "elu"], "sites": "per_layer"})
    found = inspect_hypermodel(SearchedModel(compiled(model), space))
    recorded = activations_after_a_build(found, **{"activation.a": "elu", "activation.b": "relu"})
    assert recorded == {"a": {"name": "elu", "parameters": {"alpha": 1.0}}, "b": {"name": "relu", "parameters": {}}}


@pytest.mark.parametrize(("name", "recorded"), [("relu", {"": {"name": "relu", "parameters": {}}}), ("exotic", {})])
def test_a_choice_of_the_users_own_is_recorded_where_the_catalogue_has_it(name, recorded):
    def build(hp):
        hp.Choice("activation", ["relu", "exotic"])
        return compiled(keras.Sequential([keras.Input((64,)), keras.layers.Dense(10)]))

    assert activations_after_a_build(inspect_hypermodel(build), activation=name) == recorded


def test_the_same_model_made_again_has_the_same_fingerprint():
    def made(units=4, second="tanh"):
        inputs = keras.Input((3,))
        x = keras.layers.Dense(units, "relu")(inputs)
        x = keras.layers.Add()([x, keras.layers.Dense(units, second)(x)])
        model = keras.Model(inputs, keras.layers.Dense(1)(x))
        model.compile("adam", "mse")
        return model

    assert model_fingerprint(made()) == model_fingerprint(made())
    assert len({model_fingerprint(made()), model_fingerprint(made(5)), model_fingerprint(made(second="elu"))}) == 3
