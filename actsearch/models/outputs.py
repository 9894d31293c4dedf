"""What a model must end in, and be compiled with, for a task."""

from dataclasses import dataclass
from typing import Any

from actsearch.errors import ModelError
from actsearch.records import Direction, Objective, Task


@dataclass(frozen=True)
class OutputSpec:
    """The output layer, the loss and the metric that fit a task.

    Args:
        units: Units of the output layer.
        activation: Its activation; None is linear.
        loss: Keras's name of the loss.
        metrics: Keras's names of the metrics.
        objective: What the search goes by, unless said otherwise.
    """

    units: int
    activation: str | None
    loss: str
    metrics: tuple[str, ...]
    objective: Objective

    def layer(self) -> Any:
        """A new output layer, a `Dense` with Keras's default initializer; it is no site of a search."""
        import keras

        return keras.layers.Dense(self.units, activation=self.activation, name="output")


def output_for(task: Task | str, num_classes: int | None = None) -> OutputSpec:
    """The output that fits a task: sigmoid, softmax or linear, with cross-entropy or the squared error.

    Args:
        task: What is learned.
        num_classes: Number of classes; needed for `multiclass` alone.

    Raises:
        ModelError: A multi-class task without two classes or more.

    Example:

    >>> spec = output_for("multiclass", 10)
    >>> spec.units, spec.activation, spec.loss, spec.objective.name
    (10, 'softmax', 'sparse_categorical_crossentropy', 'val_accuracy')
    """
    accuracy = Objective("val_accuracy", Direction.MAX)
    match Task(task):
        case Task.BINARY:
            return OutputSpec(1, "sigmoid", "binary_crossentropy", ("accuracy",), accuracy)
        case Task.REGRESSION:
            return OutputSpec(1, None, "mse", ("mae",), Objective("val_mae", Direction.MIN))
        case Task.MULTICLASS:
            if num_classes is None or num_classes < 2:
                raise ModelError(f"A multi-class output needs a number of classes, 2 or more, not {num_classes}.")
            return OutputSpec(num_classes, "softmax", "sparse_categorical_crossentropy", ("accuracy",), accuracy)
