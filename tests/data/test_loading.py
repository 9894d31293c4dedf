"""What `load_data` returns for valid sources: task, split, scaling and summary."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from actsearch.data import BUILT_IN, Dataset, Task, load_data
from actsearch.errors import DataError


@pytest.fixture
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 90, 60),
            "colour": rng.choice(["red", "blue"], 60),
            "height": rng.normal(170, 10, 60),
            "species": ["cat", "cow", "dog"] * 20,
        }
    )


def all_of(data: Dataset, letter: str) -> np.ndarray:
    return np.concatenate([getattr(data, f"{letter}_{part}") for part in ("train", "val", "test")])


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_sets_have_the_form_that_keras_wants(name: str) -> None:
    data = load_data(name)
    assert all_of(data, "x").dtype == np.float32
    assert np.isfinite(all_of(data, "x")).all()
    for part, size in zip(("train", "val", "test"), data.sizes.values(), strict=True):
        x, y = getattr(data, f"x_{part}"), getattr(data, f"y_{part}")
        assert len(x) == size
        assert x.shape[1:] == data.input_shape
        if data.task is Task.REGRESSION:
            assert y.shape == (size, 1)
            assert y.dtype == np.float32
        else:
            assert y.shape == (size,)
            assert y.dtype == np.int32
            assert set(y) == set(range(data.num_classes))


def test_digits_are_images_from_0_to_1() -> None:
    data = load_data("digits")
    assert data.input_shape == (8, 8, 1)
    assert (data.task, data.num_classes, data.sizes) == (
        Task.MULTICLASS,
        10,
        {"train": 1077, "validation": 360, "test": 360},
    )
    assert (data.x_train.min(), data.x_train.max()) == (0.0, 1.0)


def test_tasks_of_the_other_built_in_sets() -> None:
    assert load_data("breast_cancer").class_names == ("malignant", "benign")
    assert load_data("breast_cancer").task is Task.BINARY
    assert load_data("wine").num_classes == 3
    assert load_data("diabetes").num_classes is None


def test_columns_are_standardised_on_the_training_part_alone() -> None:
    data = load_data("wine")
    np.testing.assert_allclose(data.x_train.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(data.x_train.std(axis=0), 1, atol=1e-5)
    assert np.abs(data.x_test.mean(axis=0)).max() > 0.01


def test_target_of_a_regression_comes_back_in_its_own_units() -> None:
    from sklearn.datasets import load_diabetes

    data = load_data("diabetes")
    assert data.y_train.mean() == pytest.approx(0, abs=1e-6)
    assert data.y_train.std() == pytest.approx(1, abs=1e-6)
    restored = np.sort(all_of(data, "y")[:, 0] * data.target_sd + data.target_mean)
    np.testing.assert_allclose(restored, np.sort(load_diabetes().target), rtol=1e-5)


def test_seed_decides_the_division_and_nothing_else() -> None:
    first, again, other = load_data("wine"), load_data("wine"), load_data("wine", seed=1)
    np.testing.assert_array_equal(first.x_train, again.x_train)
    assert not np.array_equal(first.y_train, other.y_train)
    assert first.fingerprint == again.fingerprint == other.fingerprint
    np.testing.assert_array_equal(np.bincount(first.y_train), np.bincount(other.y_train))


def test_fingerprint_is_the_same_in_another_process(tmp_path: Path, table: pd.DataFrame) -> None:
    path = tmp_path / "pets.csv"
    table.to_csv(path, index=False)
    code = f"from actsearch.data import load_data; print(load_data({str(path)!r}, target='species').fingerprint)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == load_data(str(path), target="species").fingerprint
    assert run.stdout.strip() != load_data(str(path), target="colour").fingerprint


def test_loading_does_not_load_tensorflow() -> None:
    code = (
        "import sys; from actsearch.data import load_data; load_data('digits'); assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("ending", ["csv", "parquet", "CSV"])
def test_text_columns_become_one_feature_for_each_text(tmp_path: Path, table: pd.DataFrame, ending: str) -> None:
    path = tmp_path / f"pets.{ending}"
    table.to_parquet(path) if ending == "parquet" else table.to_csv(path, index=False)
    data = load_data(str(path), target="species")
    assert data.feature_names == ("age", "height", "colour=blue", "colour=red")
    assert set(np.unique(data.x_test[:, 2:])) == {0.0, 1.0}
    assert data.class_names == ("cat", "cow", "dog")
    assert data.name == path.name
    assert "text columns one-hot" in data.summary


def test_a_text_that_training_has_not_seen_becomes_zeros(tmp_path: Path, table: pd.DataFrame) -> None:
    table.loc[0, "colour"] = "green"
    table.to_csv(tmp_path / "pets.csv", index=False)
    loaded = [load_data(str(tmp_path / "pets.csv"), target="species", seed=seed) for seed in range(8)]
    unseen = [data for data in loaded if "colour=green" not in data.feature_names]
    assert unseen
    for data in unseen:
        assert sorted(np.unique(all_of(data, "x")[:, 2:].sum(axis=1))) == [0.0, 1.0]


def test_semicolons_tabs_and_a_byte_order_mark_are_read(tmp_path: Path, table: pd.DataFrame) -> None:
    table.to_csv(tmp_path / "a.csv", index=False)
    expected = load_data(str(tmp_path / "a.csv"), target="species")
    for separator, encoding in [(";", "utf-8"), ("\t", "utf-8"), (",", "utf-8-sig")]:
        table.to_csv(tmp_path / "b.csv", index=False, sep=separator, encoding=encoding)
        assert load_data(str(tmp_path / "b.csv"), target="species").fingerprint == expected.fingerprint


def test_row_numbers_of_pandas_are_left_out_and_that_is_said(tmp_path: Path, table: pd.DataFrame) -> None:
    table.sort_values("species").reset_index(drop=True).to_csv(tmp_path / "pets.csv")
    data = load_data(str(tmp_path / "pets.csv"), target="species")
    assert "Unnamed: 0" not in data.feature_names
    assert "column of row numbers left out" in data.summary


def test_a_constant_column_becomes_zeros(tmp_path: Path, table: pd.DataFrame) -> None:
    table["age"] = 7
    table.to_csv(tmp_path / "pets.csv", index=False)
    assert not load_data(str(tmp_path / "pets.csv"), target="species").x_test[:, 0].any()


def test_parquet_types_of_pandas_are_read(tmp_path: Path, table: pd.DataFrame) -> None:
    table["age"] = table["age"].astype("Int16")
    table["colour"] = table["colour"].astype("category")
    table["tame"] = table["age"] > 40
    table.to_parquet(tmp_path / "pets.parquet")
    data = load_data(str(tmp_path / "pets.parquet"), target="tame")
    assert data.task is Task.BINARY
    assert data.class_names == ("False", "True")
    assert len(data.feature_names) == 7


def save(folder: Path, **arrays: object) -> str:
    np.savez(folder / "data.npz", **arrays)
    return str(folder / "data.npz")


def test_npz_with_parts_keeps_them(tmp_path: Path) -> None:
    x, y = np.arange(80.0).reshape(40, 2), np.array([0, 1] * 20)
    source = save(tmp_path, x_train=x, y_train=y, X_val=x[:10], y_val=y[:10], x_test=x[10:16], y_test=y[10:16])
    data = load_data(source)
    assert data.sizes == {"train": 40, "validation": 10, "test": 6}
    np.testing.assert_array_equal(data.y_train, y)
    np.testing.assert_array_equal(data.x_val, data.x_train[:10])


def test_a_missing_part_is_taken_from_training(tmp_path: Path) -> None:
    x, y = np.arange(80.0).reshape(40, 2), np.array([0, 1] * 20)
    data = load_data(save(tmp_path, x_train=x, y_train=y, x_test=x[:7], y_test=y[:7]))
    assert data.sizes == {"train": 32, "validation": 8, "test": 7}


def test_pixels_are_divided_by_the_largest_training_value(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 3)).astype(np.uint8)
    x[0] = 255
    data = load_data(save(tmp_path, x=x, y=np.array([0, 1] * 20)))
    np.testing.assert_allclose(np.unique(all_of(data, "x")), np.unique(x / 255), rtol=1e-6)
    assert "values divided by 255" in data.summary


def test_images_within_one_are_left_as_they_are(tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (40, 4, 4)).astype(np.float32)
    data = load_data(save(tmp_path, x=x, y=np.array([0, 1] * 20)))
    assert "values as given" in data.summary
    np.testing.assert_array_equal(np.sort(all_of(data, "x"), axis=None), np.sort(x, axis=None))


@pytest.mark.parametrize(
    "y",
    [
        np.array([3, 7, 9] * 20),
        np.array([3, 7, 9] * 20)[:, None],
        np.eye(3)[[0, 1, 2] * 20],
        np.array(["a", "b", "c"] * 20),
        np.array([0, 1, 2] * 20, dtype=np.uint64) + np.uint64(2**63),
    ],
)
def test_all_forms_of_labels_become_numbers_from_0(tmp_path: Path, y: np.ndarray) -> None:
    data = load_data(save(tmp_path, x=np.arange(60.0), y=y))
    assert data.task is Task.MULTICLASS
    x = np.concatenate([data.x_train, data.x_val, data.x_test])[:, 0]
    np.testing.assert_array_equal(all_of(data, "y")[np.argsort(x)], [0, 1, 2] * 20)


def test_whole_numbers_that_a_regression_was_asked_for(tmp_path: Path) -> None:
    data = load_data(save(tmp_path, x=np.arange(60.0), y=np.array([3, 7, 9] * 20)), task="regression")
    assert data.task is Task.REGRESSION
    assert "regression as asked for" in data.summary


def test_binary_data_with_two_softmax_classes_on_demand(tmp_path: Path) -> None:
    source = save(tmp_path, x=np.arange(60.0), y=np.array([0, 1] * 30))
    assert load_data(source).task is Task.BINARY
    assert load_data(source, task="multiclass").num_classes == 2


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    code = """
import numpy as np
x = np.random.default_rng(0).normal(5, 3, (60, 2))
y = np.arange(60) % 3
def pair(): return x, y
def pairs(): return (x, y), (x[:30], y[:30])
def triple(): return (x, y), (x[:30], y[:30]), (x[:9], y[:9])
def keys(): return {"x": x.tolist(), "y": y.astype(str).tolist()}
def pixels(): return np.full((60, 2, 2), 200, "uint8"), y
def quantity(): return x, x[:, 0] * 100
def late():
    import helpers_of_test_loading
    return helpers_of_test_loading.get()
"""
    (tmp_path / "functions_of_test_loading.py").write_text(code)
    (tmp_path / "helpers_of_test_loading.py").write_text("from functions_of_test_loading import pair as get")
    monkeypatch.chdir(tmp_path)
    return "functions_of_test_loading"


def test_functions_return_one_piece_or_parts(module: str) -> None:
    assert load_data(f"{module}:pair").sizes == {"train": 36, "validation": 12, "test": 12}
    assert load_data(f"{module}:pairs").sizes == {"train": 48, "validation": 12, "test": 30}
    assert load_data(f"{module}:triple").sizes == {"train": 60, "validation": 30, "test": 9}
    assert load_data(f"{module}:keys").class_names == ("0", "1", "2")
    assert load_data(f"{module}:late").sizes["test"] == 12


def test_what_a_function_returns_is_not_scaled_but_for_bytes(module: str) -> None:
    data = load_data(f"{module}:pair")
    assert data.x_train.mean() == pytest.approx(5, abs=0.8)
    assert "features as given" in data.summary
    assert load_data(f"{module}:pixels").x_train.max() == 1.0
    quantity = load_data(f"{module}:quantity")
    assert (quantity.target_mean, quantity.target_sd) == (0.0, 1.0)
    assert quantity.y_train.mean() > 100


def test_the_working_directory_leaves_the_import_path_again(module: str) -> None:
    before = list(sys.path)
    load_data(f"{module}:pair")
    assert sys.path == before


def test_describe_is_plain_data() -> None:
    import json

    described = load_data("breast_cancer").describe()
    assert json.loads(json.dumps(described)) == described
    assert described["task"] == "binary"


def test_parts_with_a_class_that_training_lacks_are_refused(tmp_path: Path) -> None:
    x, y = np.arange(40.0), np.array(["a", "b"] * 20)
    source = save(tmp_path, x_train=x, y_train=y, x_test=x[:2], y_test=np.array(["a", "z"]))
    with pytest.raises(DataError, match=r"data\.npz: y_test has the class z"):
        load_data(source)
