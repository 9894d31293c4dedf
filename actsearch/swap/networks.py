"""The models of the command line: an MLP and a CNN whose activations are searched."""

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
        activation: Its activation; None for linear.
        loss: Keras's name of the loss.
        metrics: Keras's names of the metrics.
        objective: The default objective of the search.

    Example:

    >>> output = output_for("regression")
    >>> output.units, output.activation, output.loss, output.metrics, output.objective.name
    (1, None, 'mse', ('mae',), 'val_mae')
    >>> output.layer().name
    'output'
    """

    units: int
    activation: str | None
    loss: str
    metrics: tuple[str, ...]
    objective: Objective

    def layer(self) -> Any:
        """Returns a new output layer: a `Dense` with Keras's default initializer, which a search does not change."""
        import keras

        return keras.layers.Dense(self.units, activation=self.activation, name="output")


def output_for(task: Task | str, num_classes: int | None = None) -> OutputSpec:
    """Returns the output that fits a task: sigmoid, softmax or linear, with cross-entropy or the squared error.

    Args:
        task: The learning task.
        num_classes: Number of classes; required for `multiclass` only.

    Returns:
        The output.

    Raises:
        ModelError: The task is multi-class, and the number of classes is missing or below 2.

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
                raise ModelError(f"A multi-class output needs 2 or more classes; num_classes is {num_classes}.")
            return OutputSpec(num_classes, "softmax", "sparse_categorical_crossentropy", ("accuracy",), accuracy)


OPTIMIZERS = ("adadelta", "adagrad", "adam", "adamax", "adamw", "lion", "nadam", "rmsprop", "sgd")
TRAINING_HYPERPARAMETERS = ("batch_size",)


@dataclass(frozen=True)
class NetworkOptions:
    """The numbers that a network is built with; a hyperparameter with the same name in the search space replaces one.

    Args:
        layers: Number of hidden layers, 1 or more.
        units: Units of each layer, or filters in a `cnn`.
        dropout: Dropout rate after each activation, at least 0 and below 1; 0 adds no dropout.
        batch_norm: Whether a batch normalisation precedes each activation.
        learning_rate: Learning rate of the optimizer.
        optimizer: Keras's name of the optimizer.

    Raises:
        ModelError: A value is outside its range or has the wrong type.
        UnknownNameError: The optimizer is unknown.

    Example:

    >>> NetworkOptions(dropout=1.5)
    Traceback (most recent call last):
    ...
    actsearch.errors.ModelError: dropout must be at least 0 and below 1, not 1.5.
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
                raise ModelError(f"{name} must be an integer of at least 1, not {value!r}.")
        if not number(self.dropout) or not 0 <= self.dropout < 1:
            raise ModelError(f"dropout must be at least 0 and below 1, not {self.dropout!r}.")
        if not isinstance(self.batch_norm, bool):
            raise ModelError(f"batch_norm must be true or false, not {self.batch_norm!r}.")
        if not number(self.learning_rate) or not 0 < self.learning_rate < float("inf"):
            raise ModelError(f"learning_rate must be a number above 0, not {self.learning_rate!r}.")
        if self.optimizer not in OPTIMIZERS:
            raise UnknownNameError("optimizer", self.optimizer, OPTIMIZERS)


@dataclass(frozen=True)
class NetworkBuilder:
    """A build function for KerasTuner, made by `network_builder`, which checks the arguments.

    Args:
        hidden: Yields the hidden layers.
        space: The search space.
        input_shape: The shape of one sample.
        output: The output of the model.
        options: The values of hyperparameters that the space does not have.

    Example:

    >>> import keras_tuner
    >>> space = SearchSpace(activations=["relu", "selu"])
    >>> build = network_builder("mlp", space, (64,), output_for("binary"), NetworkOptions(layers=2, units=16))
    >>> [layer.__class__.__name__ for layer in build(keras_tuner.HyperParameters()).layers]
    ['Dense', 'Activation', 'Dense', 'Activation', 'Dense']
    """

    hidden: Callable[..., Iterator[Any]]
    space: SearchSpace
    input_shape: tuple[int, ...]
    output: OutputSpec
    options: NetworkOptions

    def __call__(self, hp: "keras_tuner.HyperParameters") -> Any:
        """Builds and compiles a Keras model for these hyperparameters."""
        import keras

        chosen = self.space.register(hp)
        options = replace(self.options, **{n: v for n, v in chosen.items() if n not in TRAINING_HYPERPARAMETERS})
        layers = self.hidden(hp, self.space, self.input_shape, options)
        model = keras.Sequential([keras.Input(self.input_shape), *layers, self.output.layer()])
        config = {"learning_rate": options.learning_rate}
        optimizer = keras.optimizers.get({"class_name": options.optimizer, "config": config})
        model.compile(optimizer, self.output.loss, metrics=list(self.output.metrics))
        return model


def network_builder(
    kind: str,
    space: SearchSpace,
    input_shape: tuple[int, ...],
    output: OutputSpec,
    options: NetworkOptions | None = None,
) -> NetworkBuilder:
    """Makes a build function for KerasTuner in which a search space chooses the activation of each hidden layer.

    Each hidden layer is a linear layer with the initializer matched to the activation, an optional batch
    normalisation, the activation as a separate layer, and optional dropout. Sites are called `layer_1`, `layer_2`
    and so on. If the space has one activation for each block, they are called `block_1` up to the first pooling,
    `block_2` up to the second, and so on.

    Args:
        kind: `mlp` (flattened samples, then dense layers) or `cnn` (3×3 convolutions, each followed by 2×2 pooling
            while the image has at least 4 pixels a side, then global average pooling).
        space: The search space. Its hyperparameters may be those of `NetworkOptions`, and `batch_size`, which
            applies to the training.
        input_shape: The shape of one sample.
        output: The output of the model.
        options: The values of hyperparameters that the space does not have.

    Returns:
        The build function.

    Raises:
        UnknownNameError: The kind is unknown, or the space has a hyperparameter that a network does not have.
        ModelError: The kind is `cnn` and the samples are not images, or a hyperparameter has an invalid value.

    Example:

    >>> import keras_tuner
    >>> from actsearch.swap.networks import output_for
    >>> space = SearchSpace(activations=["relu", "selu"])
    >>> build = network_builder("mlp", space, (64,), output_for("multiclass", 10))
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
    options = options or NetworkOptions()
    _check_hyperparameters(space, options)
    return NetworkBuilder(kinds[kind], space, tuple(input_shape), output, options)


def _check_hyperparameters(space: SearchSpace, options: NetworkOptions) -> None:
    """Checks the ends of each range, so that an invalid value is found before anything is trained."""
    names = [field.name for field in fields(NetworkOptions)]
    where = f"search space {space.name}"
    for name, domain in space.hyperparameters.items():
        if name in TRAINING_HYPERPARAMETERS:
            continue
        if name not in names:
            raise UnknownNameError("hyperparameter", name, [*names, *TRAINING_HYPERPARAMETERS], where)
        values: tuple[Any, ...] = (domain.min, domain.max) if isinstance(domain, Range) else domain.values
        for value in values:
            try:
                replace(options, **{name: value})
            except (ModelError, UnknownNameError) as error:
                raise ModelError(f"{where}: {error}") from error


def _mlp(
    hp: "keras_tuner.HyperParameters", space: SearchSpace, input_shape: tuple[int, ...], options: NetworkOptions
) -> Iterator[Any]:
    import keras

    if len(input_shape) > 1:
        yield keras.layers.Flatten()
    for number in range(1, int(options.layers) + 1):
        activation = choose(hp, space, site=_site(space, number, block=1))
        yield keras.layers.Dense(int(options.units), kernel_initializer=activation.initializer())
        yield from _activated(activation, options)


def _cnn(
    hp: "keras_tuner.HyperParameters", space: SearchSpace, input_shape: tuple[int, ...], options: NetworkOptions
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


def _activated(activation: Any, options: NetworkOptions) -> Iterator[Any]:
    """Yields the layers that follow a linear layer."""
    import keras

    if options.batch_norm:
        yield keras.layers.BatchNormalization()
    yield activation.layer()
    if options.dropout:
        yield activation.dropout(options.dropout)
