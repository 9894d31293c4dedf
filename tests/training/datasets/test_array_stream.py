"""Large arrays train by batches, as smaller ones do."""

import keras
import numpy as np
import pytest

import actsearch
from actsearch.data import rows
from actsearch.data.rows import Rows
from actsearch.training.array_loop import order_of
from actsearch.training.data import training_data
from actsearch.training.datasets.array_stream import stream


def test_each_epoch_has_its_order_and_whoever_looks_changes_nothing():
    batches = stream((Rows(np.arange(5.0)), np.arange(5)), 2, lambda epoch: order_of(7, epoch, 5))
    next(iter(batches))
    seen = [y.numpy().tolist() for _, y in batches.take(6)]
    assert [len(part) for part in seen] == [2, 2, 1] * 2
    for epoch in (0, 1):
        assert np.concatenate(seen[3 * epoch : 3 * epoch + 3]).tolist() == order_of(7, epoch, 5).tolist()


def test_values_have_keras_precision_and_their_nesting():
    batch = next(iter(stream(({"a": Rows(np.zeros((4, 2))), "b": [np.ones(4, np.int64)]}, np.zeros(4)), 3)))
    x, y = batch
    assert (x["a"].dtype.name, x["b"][0].dtype.name, y.shape) == ("float32", "int64", (3,))
    assert x["a"].shape == (3, 2)


@pytest.fixture
def on_disk(tmp_path, monkeypatch):
    """Data in a file that counts as large."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(150, 4)).astype("float32")
    y = (x.sum(1) > 0).astype("int32")
    np.save(tmp_path / "x.npy", x)
    monkeypatch.setattr(rows, "MAPPED_BYTES", 500)
    return x, np.load(tmp_path / "x.npy", mmap_mode="r"), y


def model():
    made = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(2, "softmax")])
    made.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return made


def searched(x, y, folder, **options):
    short = {"epochs": 2, "executions": 3, "batch_size": 16, "tracking": False, "verbose": 0}
    return actsearch.search(model(), x, y, space=["relu", "tanh"], directory=folder, **short, **options)


def test_a_search_of_a_file_is_the_search_of_its_arrays(on_disk, tmp_path):
    """The same splits, orders, scores and sample scores: only the last digits of sums may differ."""
    x, mapped, y = on_disk
    arrays, file = (searched(data, y, tmp_path / name) for name, data in (("arrays", x), ("file", mapped)))
    for one, other in zip(arrays.trials, file.trials, strict=True):
        for a, b in zip(one.executions, other.executions, strict=True):
            assert (a.trainer, b.trainer) == ("compiled", "compiled")
            assert b.history["loss"] == pytest.approx(a.history["loss"], rel=1e-4)
            assert b.test_metrics["loss"] == pytest.approx(a.test_metrics["loss"], rel=1e-4)
    assert file.verdict.scope == arrays.verdict.scope == "new data"
    assert file.record.data == arrays.record.data
    pairs = zip(arrays.verdict.comparisons, file.verdict.comparisons, strict=True)
    assert all(b.difference == pytest.approx(a.difference, abs=1e-6) for a, b in pairs)


def test_divided_data_stays_in_its_files_too(on_disk):
    x, mapped, y = on_disk
    data = training_data(mapped[:100], y[:100], validation_data=(mapped[100:], y[100:]), class_weight={0: 2.0})
    assert data.tensors().source("train", 32).steps == 4
    streamed = data.streamed(32, seed=1)
    assert streamed.fit_options == {"steps_per_epoch": 4}
    [(validated, _)] = streamed.validation.take(1)
    assert np.array_equal(validated, x[100:132])
    [(_, labels, weights)] = streamed.x.take(1)
    assert np.array_equal(weights, np.where(labels.numpy() == 0, 2.0, 1.0))
    assert data.probe()[0].shape == (100, 4)
    assert training_data(mapped, y, may_stay=False).tensors() is not None
