"""Large parquet files are read as small ones."""

import numpy as np
import pandas as pd
import pytest

from actsearch.data import load_data, row_groups, rows
from actsearch.data.row_groups import read_by_row_groups
from actsearch.errors import DataError


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A file of 200 rows that counts as large."""
    monkeypatch.setattr(row_groups, "LARGE_BYTES", 100)
    monkeypatch.setattr(row_groups, "_ROWS", 30)
    monkeypatch.setattr(rows, "CHUNK_BYTES", 300)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(draw.normal(1e9, 5.0, size=(200, 3)), columns=["a", "b", "c"])
    frame["y"] = np.where(frame["a"] > 1e9, "yes", "no")
    frame["who"] = np.arange(200) // 4
    return frame


def saved(frame, folder):
    frame.to_parquet(folder / "big.parquet", row_group_size=50)
    return folder / "big.parquet"


def test_it_gives_the_batches_of_a_table_in_memory(table, tmp_path, monkeypatch):
    path = saved(table.drop(columns="who"), tmp_path)
    large = load_data(str(path), target="y", seed=3, splits="each")
    monkeypatch.setattr(row_groups, "LARGE_BYTES", 10**9)
    small = load_data(str(path), target="y", seed=3, splits="each")
    assert isinstance(large.x_train, rows.Rows)
    for part in ("train", "val", "test"):
        assert np.allclose(getattr(large, f"x_{part}")[:], getattr(small, f"x_{part}"), atol=1e-5)
        assert np.array_equal(getattr(large, f"y_{part}"), getattr(small, f"y_{part}"))
    assert (large.sizes, large.class_names) == (small.sizes, small.class_names)
    again = large.division(2).train[0]
    assert abs(again[:].mean()) < 1e-6
    del large, again
    assert not list(tmp_path.glob("*.actsearch"))


def test_groups_are_kept_apart_and_an_index_is_no_feature(table, tmp_path):
    features, y, groups, notes = read_by_row_groups(saved(table.set_index("c"), tmp_path), "y", "who")
    assert (features.shape, len(y), len(set(groups)), notes) == ((200, 2), 200, 50, ["50 groups by who"])


def test_missing_values_are_named(table, tmp_path):
    table.loc[77, "b"] = np.inf
    with pytest.raises(DataError, match="'b'|values in b, in rows 61 to 90"):
        read_by_row_groups(saved(table, tmp_path), "y", None)


def test_columns_of_text_and_wrong_targets_are_for_the_other_reader(table, tmp_path):
    path = saved(table, tmp_path)
    assert read_by_row_groups(path, "who", None) is None  # y is text
    assert read_by_row_groups(path, "z", None) is None
    assert read_by_row_groups(tmp_path / "none.csv", "y", None) is None
    assert not list(tmp_path.glob("*.actsearch"))


def test_a_folder_and_an_archive_without_compression_are_mapped(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "MAPPED_BYTES", 1_000)
    draw = np.random.default_rng(0)
    x, y = draw.normal(3.0, 2.0, size=(300, 4)).astype("float32"), draw.integers(0, 2, 300)
    (tmp_path / "folder").mkdir()
    np.save(tmp_path / "folder" / "x.npy", x)
    np.save(tmp_path / "folder" / "y.npy", y)
    np.savez(tmp_path / "stored.npz", x=x, y=y)
    np.savez_compressed(tmp_path / "packed.npz", x=x, y=y)
    folder, stored, packed = (load_data(str(tmp_path / name)) for name in ("folder", "stored.npz", "packed.npz"))
    assert isinstance(packed.x_train, np.ndarray)
    for found in (folder, stored):
        assert isinstance(found.x_train, rows.Rows)
        assert np.allclose(found.x_train[:], packed.x_train, atol=1e-5)
        assert found.fingerprint == packed.fingerprint
    with pytest.raises(DataError, match="folder without .npy files"):
        load_data(str(tmp_path))
