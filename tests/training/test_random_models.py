"""Random small models train in a search as they do in `model.fit`; `benchmarks/random_models.py` tries more of them."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from benchmarks.random_models import RandomModel, check, models

FEW = settings(
    max_examples=15,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.slow
@FEW
@given(models())
def test_the_history_of_a_random_model_is_that_of_fit(model: RandomModel):
    assert check(model)
