"""Samples are prepared from a file as they were for the training."""

import numpy as np
import pandas as pd
import pytest

from actsearch.data import Preparation, load_all, load_data, load_preparation
from actsearch.errors import DataError


@pytest.fixture
def table(tmp_path):
    """A table with numbers, a constant, a truth value and a text, and its path."""
    rng = np.random.default_rng(0)
    made = pd.DataFrame(
        {
            "age": rng.integers(20, 80, 60),
            "kind": ["ab"[n % 2] for n in range(60)],
            "same": 3.5,
            "known": rng.random(60) > 0.5,
            "weight": 1e6 + rng.normal(size=60),
        }
    )
    made["y"] = 2.0 * made["age"] + 100
    path = tmp_path / "mine.csv"
    made.to_csv(path, index=False)
    return made, path


def test_new_samples_are_prepared_from_the_file_as_those_of_the_training(table, tmp_path):
    made, path = table
    data, prepare = load_all(str(path), target="y")
    prepare.save(tmp_path / "mine.json")
    loaded = load_preparation(tmp_path / "mine.json")
    assert loaded == prepare
    shuffled = made[["kind", "weight", "known", "same", "age"]]
    np.testing.assert_array_equal(loaded(shuffled), data.x_train)
    assert data.x_train.shape == (60, 6)
    assert data.sizes == {"train": 60, "validation": 0, "test": 0}
    np.testing.assert_allclose(data.x_train[:, :4].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(data.x_train[:, [0, 3]].std(axis=0), 1, atol=1e-5)
    assert data.x_train[:2, 4:].tolist() == [[1, 0], [0, 1]]
    np.testing.assert_allclose(loaded.target(data.y_train)[:, 0], made["y"], rtol=1e-6)


def test_scaling_is_that_of_a_search_but_for_the_samples_that_it_is_fitted_on():
    whole, _ = load_all("diabetes")
    searched = load_data("diabetes")
    assert whole.fingerprint == searched.fingerprint
    assert whole.input_shape == searched.input_shape
    assert len(whole.x_train) == sum(searched.sizes.values())


def test_images_are_divided_and_outputs_become_classes():
    data, prepare = load_all("digits")
    assert prepare.divisor == 16
    assert prepare(np.full((1, 8, 8, 1), 8)).tolist() == np.full((1, 8, 8, 1), 0.5).tolist()
    assert data.x_train.max() == 1
    assert prepare.target(np.eye(10)[[3, 7]]).tolist() == ["3", "7"]
    assert Preparation(classes=("no", "yes")).target([[0.2], [0.9]]).tolist() == ["no", "yes"]


def test_all_parts_of_a_divided_source_are_used(tmp_path):
    rng = np.random.default_rng(0)
    parts = {f"x_{part}": rng.normal(size=(n, 3)) for part, n in (("train", 50), ("val", 20), ("test", 30))}
    parts |= {f"y_{part}": rng.normal(size=n) for part, n in (("train", 50), ("val", 20), ("test", 30))}
    np.savez(tmp_path / "mine.npz", **parts)
    data, prepare = load_all("mine.npz")
    assert data.x_train.shape == (100, 3)
    np.testing.assert_allclose(data.x_train.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_array_equal(prepare(parts["x_val"]), data.x_train[50:70])


def test_what_a_function_returns_stays_as_it_is(tmp_path, monkeypatch):
    (tmp_path / "own_data_of_mine.py").write_text(
        "import numpy as np\ndef make():\n    x = np.arange(40.0).reshape(20, 2)\n    return x, 100 * x[:, 0] + 0.5\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    data, prepare = load_all("own_data_of_mine:make")
    assert prepare == Preparation()
    assert data.y_train[:2, 0].tolist() == [0.5, 200.5]


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        (pd.DataFrame({"age": [1.0]}), "lack the columns kind. Pass all"),
        (np.zeros((1, 2)), "are of the type ndarray; expected a table with the columns age, kind"),
    ],
)
def test_other_samples_are_refused(samples, says):
    prepare = Preparation(columns=("age",), texts={"kind": ("a",)}, mean=(0.0,), sd=(1.0,))
    with pytest.raises(DataError, match=says):
        prepare(samples)
    with pytest.raises(DataError, match="expected 1 numbers for each sample"):
        Preparation(mean=(0.0,), sd=(1.0,))(np.zeros((2, 3)))


@pytest.mark.parametrize("text", ["", "[]", '{"about": "", "texts": {}, "colour": 1}'])
def test_other_files_are_refused(tmp_path, text):
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(DataError, match="does not say how samples are prepared"):
        load_preparation(tmp_path / "other.json")
