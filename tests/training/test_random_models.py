"""Random small models train in a search as they do in `model.fit`; `benchmarks/random_models.py` tries more of them."""

import pytest

from benchmarks import random_models
from benchmarks.drawn_models import drawn_models

NUM_MODELS = 12


def test_the_same_models_are_drawn_each_time():
    assert drawn_models(5) == drawn_models(5)
    assert len(set(drawn_models(5))) == 5


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore:Layer .* was passed an input with a mask:UserWarning"
)  # Keras's, on the models drawn
@pytest.mark.parametrize("number", range(NUM_MODELS))
def test_a_random_model_trains_in_a_search_as_in_fit(number):
    assert random_models.check(drawn_models(NUM_MODELS)[number])


@pytest.mark.slow
def test_another_history_is_found(monkeypatch):
    fit = random_models._fit

    def another(*args):
        return {name: [value + 1 for value in values] for name, values in fit(*args).items()}

    monkeypatch.setattr(random_models, "_fit", another)
    with pytest.raises(AssertionError, match="Not equal"):
        random_models.check(drawn_models(NUM_MODELS)[0])
