"""The output layer, loss and metric of each task, compared with Keras's."""

import keras
import numpy as np
import pytest

from actsearch.errors import ModelError
from actsearch.records import Direction, Task
from actsearch.swap.networks import output_for


@pytest.mark.parametrize(
    ("task", "num_classes", "units", "activation", "loss"),
    [
        (Task.BINARY, 2, 1, "sigmoid", "binary_crossentropy"),
        (Task.MULTICLASS, 7, 7, "softmax", "sparse_categorical_crossentropy"),
        (Task.MULTICLASS, 2, 2, "softmax", "sparse_categorical_crossentropy"),
        (Task.REGRESSION, None, 1, "linear", "mse"),
    ],
)
def test_each_task_has_its_output_and_loss(
    task: Task, num_classes: int | None, units: int, activation: str, loss: str
) -> None:
    output = output_for(task, num_classes)
    layer = output.layer()
    assert (layer.units, layer.activation.__name__, output.loss) == (units, activation, loss)
    assert output == output_for(str(task), num_classes)


@pytest.mark.parametrize(("task", "num_classes"), [(Task.BINARY, 2), (Task.MULTICLASS, 3), (Task.REGRESSION, None)])
def test_keras_trains_it_and_reports_the_objective(task: Task, num_classes: int | None) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(32, 4)).astype(np.float32)
    y = x[:, :1] if num_classes is None else rng.integers(0, num_classes, 32).astype(np.int32)
    output = output_for(task, num_classes)
    model = keras.Sequential([keras.Input((4,)), output.layer()])
    model.compile("adam", output.loss, metrics=list(output.metrics), run_eagerly=True)
    history = model.fit(x, y, validation_data=(x, y), epochs=1, verbose=0).history
    assert output.objective.name in history
    assert np.isfinite(history["loss"]).all()
    if num_classes is not None:
        predicted = model.predict(x, verbose=0)
        labels = predicted.argmax(axis=1) if num_classes > 2 else (predicted[:, 0] > 0.5)
        assert history["val_accuracy"][-1] == pytest.approx(np.mean(labels == y))


def test_accuracy_is_to_be_large_and_error_small() -> None:
    assert output_for("binary").objective.direction is Direction.MAX
    assert output_for("regression").objective.direction is Direction.MIN


@pytest.mark.parametrize("num_classes", [None, 0, 1])
def test_multiclass_needs_classes(num_classes: int | None) -> None:
    with pytest.raises(ModelError, match=f"needs 2 or more classes; num_classes is {num_classes}"):
        output_for("multiclass", num_classes)
