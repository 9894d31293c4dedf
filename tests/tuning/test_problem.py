"""What a build function asks for, found before anything is trained."""

import keras
import pytest

import actsearch
from actsearch.errors import ModelError
from actsearch.tuning.progress import Silent
from tests.helpers.networks import small_network


def tuner_for(build) -> actsearch.ActivationTuner:
    return actsearch.ActivationTuner(build, epochs=2, directory="found", reporter=Silent())


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
