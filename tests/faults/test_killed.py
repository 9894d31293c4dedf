"""SIGKILL at any moment: the search goes on and ends as the undisturbed one; `benchmarks/faults.py` does it at length."""

import random

import pytest

from tests.helpers import processes


@pytest.mark.slow
@pytest.mark.parametrize("kind", processes.KINDS)
def test_a_killed_search_ends_as_the_undisturbed_one(tmp_path, store, kind):
    store = tmp_path / "mlflow.db"
    processes.ran(tmp_path / "first", store, kind)  # waits for imports
    seconds = processes.ran(tmp_path / "whole", store, kind)
    draw = random.Random(kind)
    for number in range(2):
        processes.ran(tmp_path / str(number), store, kind, kill_after=draw.uniform(0.2, seconds))
    for number in range(2):
        processes.ran(tmp_path / str(number), store, kind)
        processes.check(tmp_path / str(number), tmp_path / "whole", store, kills=1)
