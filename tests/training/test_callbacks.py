"""Callbacks that only look at epochs work in compiled epochs as in `model.fit`; the others are trained by it."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from actsearch.records import Status
from actsearch.training.callbacks import fresh, need_fit
from actsearch.training.data import TrainingData
from tests.helpers.executions import request, run_executions

known = keras.callbacks
X = np.random.default_rng(0).normal(size=(60, 4)).astype("float32")
Y = np.arange(60) % 3
DATA = TrainingData(X[:40], Y[:40], (X[40:], Y[40:]), shuffle=False)


class Epochs(known.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.seen = epoch

    def on_test_end(self, logs=None):
        self.tested = True

    def on_predict_batch_end(self, batch, logs=None):
        self.predicted = True


class Empty(known.Callback):
    def on_train_batch_end(self, batch, logs=None):
        """Nothing."""


class EachBatch(known.Callback):
    def on_batch_end(self, batch, logs=None):
        self.seen = batch


class Board(known.TensorBoard):
    def on_train_batch_end(self, batch, logs=None):
        self.seen = batch


BY_EPOCHS = {
    "own": Epochs,
    "empty": Empty,
    "ema": known.SwapEMAWeights,
    "schedule": lambda: known.LearningRateScheduler(lambda epoch: 0.1),
    "plateau": known.ReduceLROnPlateau,
    "stopping": known.EarlyStopping,
    "nan": known.TerminateOnNaN,
    "csv": lambda: known.CSVLogger("log.csv"),
    "board": lambda: known.TensorBoard("logs"),
    "backup": lambda: known.BackupAndRestore("backup"),
    "checkpoint": lambda: known.ModelCheckpoint("model.keras"),
    "function": lambda: known.LambdaCallback(on_epoch_end=print),
}
BY_BATCHES = {
    "own": EachBatch,
    "function": lambda: known.LambdaCallback(on_train_batch_end=print),
    "nan": lambda: known.TerminateOnNaN(raise_error=True),
    "board": lambda: known.TensorBoard("logs", update_freq=3),
    "profile": lambda: known.TensorBoard("logs", profile_batch=(2, 3)),
    "own board": lambda: Board("logs"),
    "backup": lambda: known.BackupAndRestore("backup", save_freq=3),
    "checkpoint": lambda: known.ModelCheckpoint("model.keras", save_freq=3),
    "progress": known.ProgbarLogger,
}


@pytest.mark.parametrize("name", BY_EPOCHS)
def test_what_looks_at_epochs_needs_no_fit(name):
    assert not need_fit([BY_EPOCHS[name]()])


@pytest.mark.parametrize("name", BY_BATCHES)
def test_what_looks_at_batches_needs_fit(name):
    assert need_fit([BY_BATCHES[name]()])


def test_those_of_mlflow_need_fit_if_they_log_steps():
    from mlflow.keras import MlflowCallback

    every_epoch, every_step = object.__new__(MlflowCallback), object.__new__(MlflowCallback)
    every_epoch.log_every_n_steps, every_step.log_every_n_steps = None, 5
    assert not need_fit([every_epoch])
    assert need_fit([every_step])


def test_backups_are_kept_apart():
    one, other = (fresh([known.BackupAndRestore("backup")], name)[0] for name in ("one", "other"))
    assert Path(one.backup_dir) == Path("backup/one")
    assert Path(other.backup_dir) == Path("backup/other")


def make(optimizer):
    def build(hp):
        layers = [keras.Input((4,)), keras.layers.Dense(5, "relu"), keras.layers.Dense(3, "softmax")]
        model = keras.Sequential(layers)
        model.compile(optimizer(), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    return build


class Counted(known.Callback):
    """What callbacks are told."""

    def __init__(self):
        super().__init__()
        self.told = []

    def on_train_begin(self, logs=None):
        self.told.append((self.params["steps"], self.params["epochs"]))

    def on_test_begin(self, logs=None):
        self.told.append("test begins")

    def on_test_end(self, logs=None):
        self.told.append(sorted(logs))

    def on_train_end(self, logs=None):
        self.told.append(sorted(logs))


def trained(callbacks, *, compiled, optimizer=lambda: keras.optimizers.SGD(0.5)):
    """An execution, with the callbacks themselves rather than copies."""
    [result] = run_executions(
        DATA,
        request(epochs=4),
        build=make(optimizer),
        callbacks=lambda: callbacks,
        compiled=compiled,
        batch_size=8,
        health=False,
    )
    assert result.record.status is Status.COMPLETED, result.record.reason
    assert result.record.trainer == ("compiled" if compiled else "fit")
    return result


def assert_same(ours, theirs):
    assert sorted(ours.record.history) == sorted(theirs.record.history)
    for name, values in theirs.record.history.items():
        np.testing.assert_allclose(ours.record.history[name], values, atol=1e-5, err_msg=name)
    for own, their in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(own, their, atol=1e-5)


def scalars(folder):
    """The numbers in a folder of TensorBoard, by file, name and step."""
    found = {}
    for path in sorted(folder.rglob("events*")):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            for value in event.summary.value:
                numbers = tf.make_ndarray(value.tensor)
                if numbers.dtype.kind == "f" and value.metadata.plugin_data.plugin_name == "scalars":
                    found[path.parent.name, value.tag, event.step] = float(numbers)
    return found


def test_files_and_histories_are_those_of_fit(tmp_path):
    results = {}
    for kind in ("compiled", "fit"):
        folder = tmp_path / kind
        told = Counted()
        callbacks = [
            told,
            known.LearningRateScheduler(lambda epoch, rate: rate * 0.9),
            known.ReduceLROnPlateau(monitor="val_loss", patience=1, min_delta=100, factor=0.5),
            known.EarlyStopping(monitor="loss", patience=2, min_delta=100, restore_best_weights=True),
            known.TerminateOnNaN(),
            known.CSVLogger(str(folder / "log.csv")),
            known.TensorBoard(str(folder / "board"), histogram_freq=1),
            known.BackupAndRestore(str(folder / "backup"), delete_checkpoint=False),
            known.ModelCheckpoint(str(folder / "{epoch}.weights.h5"), save_weights_only=True),
        ]
        folder.mkdir()
        result = trained(callbacks, compiled=kind == "compiled")
        files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if "events" not in path.name)
        results[kind] = result, told.told, files, np.genfromtxt(folder / "log.csv", delimiter=",", names=True), folder
    (ours, *our_rest, our_table, our_folder), (theirs, *their_rest, their_table, their_folder) = results.values()
    assert_same(ours, theirs)
    assert ours.record.num_epochs == 3
    assert our_rest == their_rest
    assert our_table.dtype == their_table.dtype
    for name in our_table.dtype.names:
        np.testing.assert_allclose(our_table[name], their_table[name], atol=1e-5)
    own, their = scalars(our_folder / "board"), scalars(their_folder / "board")
    assert own == pytest.approx(their, abs=1e-5)
    assert ("validation", "evaluation_loss_vs_iterations", 5) in own


@pytest.mark.parametrize("at_epochs", [False, True])
def test_means_of_weights_are_validated(at_epochs):
    def optimizer():
        return keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.9)

    ours, theirs, without = (
        trained(callbacks, compiled=compiled, optimizer=optimizer)
        for callbacks, compiled in (
            ([known.SwapEMAWeights(at_epochs)], True),
            ([known.SwapEMAWeights(at_epochs)], False),
            ([], True),
        )
    )
    assert_same(ours, theirs)
    assert ours.record.history["val_loss"] != without.record.history["val_loss"]


def test_a_backup_is_gone_on_with(tmp_path):
    folder = tmp_path / "trial-0-execution-1"

    class Interrupted(known.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    def callbacks(*others):
        return [known.BackupAndRestore(str(tmp_path)), *others]

    with pytest.raises(KeyboardInterrupt):
        trained(callbacks(Interrupted()), compiled=True)
    assert folder.exists()
    ended = trained(callbacks(), compiled=True)
    whole = trained([], compiled=True)
    assert ended.record.history["loss"] == pytest.approx(whole.record.history["loss"][2:], abs=1e-5)
    assert not folder.exists()
