"""Each data set loads without network, as what it is said to be."""

import socket

import numpy as np
import pytest

from atlas.data_sets import ALL, MAX_SAMPLES, NUM_TOKENS

AXES = {"table": 2, "image": 4, "signal": 3, "text": 2}
TESTED = [
    pytest.param(name, marks=[] if each.package == "sklearn" else [pytest.mark.slow])
    for name, each in sorted(ALL.items())
]


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("a data set asks the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def loaded(name, samples=None):
    if not ALL[name].is_installed:
        pytest.skip(f"{ALL[name].package} is not installed")
    return ALL[name].load(samples)


def test_there_are_at_least_fifteen_of_all_kinds_and_tasks():
    assert len(ALL) >= 15
    assert {each.kind for each in ALL.values()} == set(AXES)
    assert {str(each.task) for each in ALL.values()} == {"binary", "multiclass", "regression"}
    assert all(each.licence for each in ALL.values())


@pytest.mark.parametrize("name", TESTED)
@pytest.mark.usefixtures("no_network")
def test_a_data_set_is_what_it_is_said_to_be(name):
    data, about = loaded(name), ALL[name]
    assert data.x.ndim == AXES[about.kind]
    assert 100 <= len(data.x) == len(data.y) <= MAX_SAMPLES
    assert np.all(np.isfinite(data.x)) and np.all(np.isfinite(data.y))
    assert len(np.unique(data.x.reshape(len(data.x), -1), axis=0)) > 50
    if about.kind == "text":
        assert data.x.dtype == np.int32 and data.x.min() >= 0 and data.x.max() < NUM_TOKENS
    else:
        assert data.x.dtype == np.float32 and abs(data.x.mean()) < 0.2 and 0.5 < data.x.std() < 1.5
    if about.task == "regression":
        assert abs(data.y.mean()) < 0.2 and 0.8 < data.y.std() < 1.2
    else:
        counts = np.bincount(data.y)
        assert counts.min() >= 10 and (len(counts) == 2) == (about.task == "binary")


@pytest.mark.parametrize("name", ["digits", "diabetes"])
def test_samples_are_the_same_each_time_and_in_the_larger_part(name):
    few, again, all_of_them = loaded(name, 100), loaded(name, 100), loaded(name)
    np.testing.assert_array_equal(few.x, again.x)
    assert len(few.x) == 100
    known = {row.tobytes() for row in all_of_them.x}
    assert all(row.tobytes() in known for row in few.x)


@pytest.mark.slow
def test_a_series_ends_with_its_last_values():
    few, all_of_them = loaded("sunspots", 50), loaded("sunspots")
    np.testing.assert_array_equal(few.y, all_of_them.y[-50:])
