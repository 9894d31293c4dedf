"""Arrays that stay where they are."""

import pickle

import numpy as np
import pytest

from actsearch.data import rows
from actsearch.data.arrays import check_arrays, check_finite, fingerprint
from actsearch.data.rows import Rows, chunks_of, is_large, kept_in_place, mapped_file, release
from actsearch.errors import DataError

X = np.arange(60, dtype=np.float32).reshape(20, 3)


@pytest.fixture
def path(tmp_path):
    np.save(tmp_path / "x.npy", X)
    return tmp_path / "x.npy"


@pytest.fixture
def small(monkeypatch):
    """Arrays of more than 100 bytes are large, and are looked at a few samples at a time."""
    monkeypatch.setattr(rows, "MAPPED_BYTES", 100)
    monkeypatch.setattr(rows, "MEMORY_BYTES", 1_000)
    monkeypatch.setattr(rows, "CHUNK_BYTES", 40)


@pytest.fixture(params=["mapped", "part of a mapped one", "in memory", "written"])
def array(request, path, tmp_path):
    if request.param == "in memory":
        return X[2:]
    if request.param == "part of a mapped one":
        return np.asarray(np.load(path, mmap_mode="r"))[2:]
    if request.param == "mapped":
        np.save(tmp_path / "part.npy", X[2:])
        return np.load(tmp_path / "part.npy", mmap_mode="r")
    changed = np.load(path, mmap_mode="c")  # whose changes the file does not have
    changed[2, 0] = X[2, 0] = 7.0
    return changed[2:]


@pytest.fixture(autouse=True)
def _unchanged():
    yield
    X[2, 0] = 6.0


def test_any_samples_are_read_as_from_an_array(array):
    expected, order = np.array(array), np.array([5, 0, 17, 3])
    taken = Rows(array).take(order)
    assert np.array_equal(Rows(array)[:], expected)
    assert np.array_equal(Rows(array)[3:8], expected[3:8])
    assert np.array_equal(taken[:], expected[order])
    assert np.array_equal(taken.take(np.array([2, 1]))[[1]], expected[[0]])
    assert np.array_equal(np.asarray(taken, dtype=np.float64), expected[order])
    assert (taken.shape, taken.dtype, len(taken), taken.nbytes) == ((4, 3), np.float32, 4, 48)
    assert taken[np.array([], dtype=int)].shape == (0, 3)


def test_what_another_process_gets_is_the_place_of_a_file(array, path):
    taken = Rows(array).take(np.array([5, 0]))
    sent = pickle.dumps(taken)
    assert np.array_equal(pickle.loads(sent)[:], taken[:])


def test_a_file_that_was_replaced_is_not_read_instead(path):
    array = np.load(path, mmap_mode="r")
    np.save(path.with_name("new.npy"), -X)
    path.with_name("new.npy").replace(path)
    assert np.array_equal(Rows(array)[:], X)


def test_chunks_have_every_sample_in_the_order_of_the_file(array, small):
    taken = Rows(array).take(np.array([9, 2, 16, 4]))
    assert np.array_equal(np.concatenate(list(taken.chunks())), np.array(array)[[2, 4, 9, 16]])
    assert np.array_equal(np.concatenate(list(Rows(array).chunks())), array)
    assert len(list(Rows(array).chunks())) > 3


def test_scaled_samples_are_float32_and_finite(path):
    scaled = Rows(np.load(path, mmap_mode="r")).scaled(X.mean(0), X.std(0))
    assert scaled.dtype == np.float32
    assert np.allclose(scaled[[1, 4]], ((X - X.mean(0)) / X.std(0))[[1, 4]])
    with pytest.raises(DataError, match="overflow"):
        Rows(X).scaled(None, 1e-45)[:2]


def test_only_large_arrays_stay(path, small):
    mapped = np.load(path, mmap_mode="r")
    kept = kept_in_place({"a": mapped, "b": (X, [X[:2]])})
    assert isinstance(kept["a"], Rows)
    assert kept["b"][0] is X
    assert is_large(np.zeros(2_000))
    assert mapped_file(kept["a"].array) is not None


def test_a_large_array_is_checked_and_hashed_in_parts(path, small):
    mapped = np.load(path, mmap_mode="r")
    assert len(list(chunks_of(np.asarray(mapped)))) > 3
    x, y = check_arrays(mapped, np.arange(20))
    assert fingerprint(x, y) == fingerprint(X, y)
    wrong = np.lib.format.open_memmap(path.with_name("wrong.npy"), "w+", np.float32, X.shape)
    wrong[:] = X
    wrong[13, 1] = np.nan
    with pytest.raises(DataError, match=r"1 of 20 samples, the first at index \[13, 1\]"):
        check_finite(wrong, "x")


def test_pages_with_changes_are_never_given_back(path):
    changed = np.load(path, mmap_mode="c")
    changed[0, 0] = 5.0
    release(changed)
    assert changed[0, 0] == 5.0
