"""Files of sample scores: what is written is read, and damage costs only the interval for new data."""

import numpy as np
import pytest

from actsearch.errors import LedgerError
from actsearch.ledger.samples import FOLDER, StoredSamples, read_samples, write_samples
from actsearch.records import SampleScores

RNG = np.random.default_rng(0)


def scores(values, ids):
    return SampleScores(np.asarray(ids), np.asarray(values, dtype="float32"))


def test_what_is_written_is_read_in_the_order_of_the_samples(tmp_path):
    ids = RNG.permutation(100_000)[:50]
    losses, hits = RNG.normal(size=50), RNG.integers(0, 2, 50)
    write_samples(tmp_path, "0001", 3, {"validation": scores(hits, ids), "test": scores(losses, ids)})
    read = read_samples(tmp_path, "0001", 3)
    order = np.argsort(ids)
    assert read["test"].ids.tolist() == ids[order].tolist()
    assert np.array_equal(read["test"].values, losses[order].astype("float32"))
    assert np.array_equal(read["validation"].values, hits[order])
    assert read_samples(tmp_path, "0001", 2) == read_samples(tmp_path, "0002", 3) == {}


def test_hits_of_ten_thousand_samples_take_little_space(tmp_path):
    hits = RNG.random(10_000) < 0.9
    write_samples(tmp_path, "a/b", 1, {"test": scores(hits, np.arange(10_000))})
    (file,) = (tmp_path / FOLDER).iterdir()
    assert file.stat().st_size < 4_000
    assert StoredSamples(tmp_path)("a/b", 1, "test").values.mean() == pytest.approx(hits.mean())


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no zip", None])
def test_a_damaged_file_counts_as_none(tmp_path, damage):
    write_samples(tmp_path, "0", 1, {"test": scores(RNG.normal(size=500), np.arange(500))})
    (file,) = (tmp_path / FOLDER).iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    assert read_samples(tmp_path, "0", 1) == {}


def test_nothing_is_written_for_nothing(tmp_path):
    write_samples(tmp_path, "0", 1, {})
    assert not (tmp_path / FOLDER).exists()


def test_a_folder_that_cannot_be_written_is_an_error_of_the_ledger(tmp_path):
    (tmp_path / FOLDER).write_text("a file in its place")
    with pytest.raises(LedgerError):
        write_samples(tmp_path, "0", 1, {"test": scores([1.0], [0])})
