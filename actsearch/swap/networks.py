"""The models of the command line: a perceptron and a convolutional network whose activation is open."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from actsearch.errors import ModelError, UnknownNameError
from actsearch.records import Direction, Objective, Task
from actsearch.spaces.choose import choose
from actsearch.spaces.space import Range, SearchSpace, Sites

if TYPE_CHECKING:
    import keras_tuner


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


OPTIMIZERS = ("adadelta", "adagrad", "adam", "adamax", "adamw", "lion", "nadam", "rmsprop", "sgd")
TRAINING_HYPERPARAMETERS = ("batch_size",)


@dataclass(frozen=True)
class BaselineOptions:
    """What a baseline is built with; a hyperparameter of the same name in the search space replaces it.

    Args:
        layers: Hidden layers, 1 or more.
        units: Units of each; in a `cnn` its filters.
        dropout: Rate after each activation, from 0 to below 1; 0 is none.
        batch_norm: Whether each activation has a batch normalisation before it.
        learning_rate: Of the optimizer.
        optimizer: Keras's name of it.

    Raises:
        ModelError: A value that cannot be.

    Example:

    >>> BaselineOptions(dropout=1.5)
    Traceback (most recent call last):
    ...
    actsearch.errors.ModelError: dropout must be a number from 0 to below 1, not 1.5.
    """

    layers: int = 3
    units: int = 64
    dropout: float = 0.0
    batch_norm: bool = False
    learning_rate: float = 0.001
    optimizer: str = "adam"

    def __post_init__(self) -> None:
        def number(value: Any) -> bool:
            return isinstance(value, int | float) and not isinstance(value, bool)

        for name in ("layers", "units"):
            value = getattr(self, name)
            if not number(value) or value < 1 or value != int(value):
                raise ModelError(f"{name} must be a whole number from 1, not {value!r}.")
        if not number(self.dropout) or not 0 <= self.dropout < 1:
            raise ModelError(f"dropout must be a number from 0 to below 1, not {self.dropout!r}.")
        if not isinstance(self.batch_norm, bool):
            raise ModelError(f"batch_norm must be true or false, not {self.batch_norm!r}.")
        if not number(self.learning_rate) or not 0 < self.learning_rate < float("inf"):
            raise ModelError(f"learning_rate must be a number above 0, not {self.learning_rate!r}.")
        if self.optimizer not in OPTIMIZERS:
            raise UnknownNameError("optimizer", self.optimizer, OPTIMIZERS)


@dataclass(frozen=True)
class Baseline:
    """A build function for KerasTuner: `baseline` makes it and checks what goes in."""

    hidden: Callable[..., Iterator[Any]]
    space: SearchSpace
    input_shape: tuple[int, ...]
    output: OutputSpec
    options: BaselineOptions

    def __call__(self, hp: "keras_tuner.HyperParameters") -> Any:
        """A new compiled Keras model for these hyperparameters."""
        import keras

        chosen = self.space.register(hp)
        options = replace(self.options, **{n: v for n, v in chosen.items() if n not in TRAINING_HYPERPARAMETERS})
        layers = self.hidden(hp, self.space, self.input_shape, options)
        model = keras.Sequential([keras.Input(self.input_shape), *layers, self.output.layer()])
        config = {"learning_rate": options.learning_rate}
        optimizer = keras.optimizers.get({"class_name": options.optimizer, "config": config})
        model.compile(optimizer, self.output.loss, metrics=list(self.output.metrics))
        return model


def baseline(
    kind: str,
    space: SearchSpace,
    input_shape: tuple[int, ...],
    output: OutputSpec,
    options: BaselineOptions | None = None,
) -> Baseline:
    """A build function for KerasTuner in which a search space chooses the activation of each hidden layer.

    Each hidden layer is linear, with the initializer matched to the activation, then perhaps batch
    normalisation, the activation as a layer of its own, and perhaps dropout. Sites are called `layer_1`,
    `layer_2` and so on; where a space has one for each block, `block_1` up to the first pooling, `block_2` up
    to the next and so on.

    Args:
        kind: `mlp` (the sample flattened, then dense layers) or `cnn` (3×3 convolutions, halved by pooling
            while the image has 4 pixels a side or more, then the mean over all places).
        space: What may vary. Its hyperparameters may be those of `BaselineOptions` and `batch_size`, which
            the training reads.
        input_shape: The shape of one sample.
        output: What the model ends in.
        options: The fixed values of what the space leaves out.

    Raises:
        UnknownNameError: Another kind, or a hyperparameter that no baseline has.
        ModelError: A `cnn` for samples that are no images, or a value that a baseline cannot have.

    Example:

    >>> import keras_tuner
    >>> from actsearch.swap.networks import output_for
    >>> space = SearchSpace(activations=["relu", "selu"])
    >>> build = baseline("mlp", space, (64,), output_for("multiclass", 10))
    >>> build(keras_tuner.HyperParameters()).output_shape
    (None, 10)
    """
    kinds = {"mlp": _mlp, "cnn": _cnn}
    if kind not in kinds:
        raise UnknownNameError("model", kind, [*kinds, "package.module:function", "PATH.keras"])
    if kind == "cnn" and len(input_shape) not in (2, 3):
        raise ModelError(
            f"A cnn needs images of shape (height, width) or (height, width, channels); these samples have "
            f"the shape {tuple(input_shape)}. Use the model mlp."
        )
    options = options or BaselineOptions()
    _check_hyperparameters(space, options)
    return Baseline(kinds[kind], space, tuple(input_shape), output, options)


def _check_hyperparameters(space: SearchSpace, options: BaselineOptions) -> None:
    """Tries the ends of each range, so that a value that cannot be is found before anything is trained."""
    known = [field.name for field in fields(BaselineOptions)]
    where = f"search space {space.name}"
    for name, domain in space.hyperparameters.items():
        if name in TRAINING_HYPERPARAMETERS:
            continue
        if name not in known:
            raise UnknownNameError("hyperparameter", name, [*known, *TRAINING_HYPERPARAMETERS], where)
        values: tuple[Any, ...] = (domain.min, domain.max) if isinstance(domain, Range) else domain.values
        for value in values:
            try:
                replace(options, **{name: value})
            except (ModelError, UnknownNameError) as error:
                raise ModelError(f"{where}: {error}") from error


def _mlp(
    hp: "keras_tuner.HyperParameters", space: SearchSpace, input_shape: tuple[int, ...], options: BaselineOptions
) -> Iterator[Any]:
    import keras

    if len(input_shape) > 1:
        yield keras.layers.Flatten()
    for number in range(1, int(options.layers) + 1):
        activation = choose(hp, space, site=_site(space, number, block=1))
        yield keras.layers.Dense(int(options.units), kernel_initializer=activation.initializer())
        yield from _activated(activation, options)


def _cnn(
    hp: "keras_tuner.HyperParameters", space: SearchSpace, input_shape: tuple[int, ...], options: BaselineOptions
) -> Iterator[Any]:
    import keras

    if len(input_shape) == 2:
        yield keras.layers.Reshape((*input_shape, 1))
    side, block = min(input_shape[:2]), 1
    for number in range(1, int(options.layers) + 1):
        activation = choose(hp, space, site=_site(space, number, block))
        initializer = activation.initializer()
        yield keras.layers.Conv2D(int(options.units), 3, padding="same", kernel_initializer=initializer)
        yield from _activated(activation, options)
        if side >= 4:
            yield keras.layers.MaxPooling2D()
            side, block = side // 2, block + 1
    yield keras.layers.GlobalAveragePooling2D()


def _site(space: SearchSpace, number: int, block: int) -> str:
    return f"block_{block}" if space.sites is Sites.PER_BLOCK else f"layer_{number}"


def _activated(activation: Any, options: BaselineOptions) -> Iterator[Any]:
    """What follows a linear layer."""
    import keras

    if options.batch_norm:
        yield keras.layers.BatchNormalization()
    yield activation.layer()
    if options.dropout:
        yield activation.dropout(options.dropout)
