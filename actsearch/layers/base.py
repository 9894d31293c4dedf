"""Base classes of the activation layers: shape and mask, learned parameters, and exclusion from weight decay."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from actsearch._private import is_decayed, layers_in
from actsearch.errors import ModelError, UsageError
from actsearch.layers.sharing import Sharing, check_axis, check_sharing, parameter_shape

__all__ = ["LearnedActivation", "decay_free_variables", "exclude_from_weight_decay"]


class ActivationLayer(keras.layers.Layer):
    """Base class of elementwise layers: the output has the shape of the input, and a mask is passed on."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the input."""
        return input_shape


@keras.saving.register_keras_serializable(package="actsearch")
class AtLeast(keras.constraints.Constraint):
    """Keeps a learned parameter at or above a lower bound.

    Args:
        smallest: The lower bound.

    Example:

    >>> import numpy as np
    >>> keras.ops.convert_to_numpy(AtLeast(0.5)(np.array([0.25, 1.0]))).tolist()
    [0.5, 1.0]
    """

    def __init__(self, smallest: float) -> None:
        self.smallest = smallest

    def __call__(self, w: Any) -> Any:
        """Returns the weights with values below the bound raised to it."""
        return keras.ops.maximum(w, self.smallest)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration of the constraint."""
        return {"smallest": self.smallest}


class LearnedActivation(ActivationLayer):
    """Base class of activation layers with trainable parameters; subclass it to write your own.

    The parameters are weights in the layer's variable dtype. They are not regularised, and
    `exclude_from_weight_decay` excludes them from weight decay. A subclass passes their names and initial values to
    `__init__`, and reads them as tensors from `parameters` in `call`. A parameter that its `smallest` names never
    falls below the value given there.

    Args:
        starts: The initial value of each parameter, by name.
        sharing: `"channel"`: one of each for every channel; `"layer"`: one for the whole layer; `"element"`: one for
            every element of a sample.
        axis: The axis of the channels: -1, the last one, or 1 after layers with `data_format="channels_first"`.
        **kwargs: `name`, `dtype` and `trainable`, as for every Keras layer.

    Raises:
        UsageError: `sharing` or `axis` has another value, or an initial value is below its lower bound; in `build`, a
            dimension that `sharing` needs is unknown.

    Example:

    >>> class Threshold(LearnedActivation):
    ...     def __init__(self, start=0.0, **kwargs):
    ...         super().__init__({"start": start}, **kwargs)
    ...     def call(self, inputs):
    ...         return keras.ops.maximum(inputs, *self.parameters)
    >>> layer = Threshold()
    >>> layer(keras.Input((28, 28, 64))).shape, layer.count_params()
    ((None, 28, 28, 64), 64)
    """

    smallest: ClassVar[Mapping[str, float]] = {}

    def __init__(
        self, starts: Mapping[str, float], *, sharing: Sharing = "channel", axis: int = -1, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_sharing(type(self).__name__, sharing)
        check_axis(type(self).__name__, axis)
        for name, start in starts.items():
            _check_start(type(self).__name__, name, start, self.smallest.get(name))
        self.starts = dict(starts)
        self.sharing = sharing
        self.axis = axis
        self.learned: list[Any] = []

    def build(self, input_shape: Any) -> None:
        """Creates the parameters for inputs of this shape."""
        shape = parameter_shape(type(self).__name__, self.sharing, tuple(input_shape), axis=self.axis)
        self.learned = [
            self.add_weight(
                name=name,
                shape=shape,
                initializer=keras.initializers.Constant(start),
                constraint=AtLeast(self.smallest[name]) if name in self.smallest else None,
                autocast=False,
            )
            for name, start in self.starts.items()
        ]
        self.built = True

    @property
    def parameters(self) -> list[Any]:
        """The current values of the parameters, in the order of `starts`, as tensors of the variable dtype."""
        return [tf.convert_to_tensor(variable.value) for variable in self.learned]

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration: the initial values of the parameters and how they are shared."""
        axis = {} if self.axis == -1 else {"axis": self.axis}  # subclasses need not accept it
        return {**super().get_config(), **self.starts, "sharing": self.sharing, **axis}


def check_positive(layer: str, **numbers: float) -> None:
    """Refuses numbers that are not above zero.

    Raises:
        UsageError: A number is not above zero; the message names it and the layer.

    Example:

    >>> check_positive("ELU", alpha=0.0)
    Traceback (most recent call last):
    actsearch.errors.UsageError: ELU got alpha=0.0; expected a number above 0.
    """
    for name, number in numbers.items():
        if not number > 0:
            raise UsageError(f"{layer} got {name}={number!r}; expected a number above 0.")


def decay_free_variables(model: keras.Model) -> list[Any]:
    """Returns the learned parameters of a model's activation layers, which weight decay must not affect.

    These are the parameters of our layers and of `keras.layers.PReLU`, including those in nested models and in
    wrappers such as `TimeDistributed`.

    Args:
        model: A Keras model.

    Returns:
        The variables, without duplicates; none for layers that are not built yet.

    Source: He et al. 2015, arXiv 1502.01852: weight decay pushes the slopes to zero, that is, towards ReLU.

    Example:

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.PReLU()])
    >>> [variable.name for variable in decay_free_variables(model)]
    ['alpha']
    """
    return [variable for layer in _learned_layers(model) for variable in layer.trainable_variables]


def exclude_from_weight_decay(model: keras.Model) -> list[Any]:
    """Excludes the learned parameters of a compiled model's activation layers from weight decay.

    Earlier exclusions stay in effect. If the optimizer decays no weights, the function does nothing. Keras does not
    save exclusions, so call the function again after loading a model.

    Args:
        model: A compiled model, before its first training step.

    Returns:
        The variables of `decay_free_variables`; an empty list if there is nothing to exclude.

    Raises:
        ModelError: An activation layer is not built yet (too early), or the optimizer is built already (too late).

    Example:

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.PReLU()])
    >>> model.compile("adamw", "mse")
    >>> len(exclude_from_weight_decay(model))
    1
    """
    optimizer = _decaying_optimizer(model)
    unbuilt = [layer.name for layer in _learned_layers(model) if not layer.built]
    if optimizer is not None and unbuilt:
        raise ModelError(
            f"Activation layer {unbuilt[0]!r} has no parameters yet, so they cannot be excluded from weight decay. "
            "Build the model first: start it with keras.Input, or call model.build(input_shape)."
        )
    variables = decay_free_variables(model)
    if optimizer is None or not variables:
        return []
    # Each call replaces Keras's earlier exclusions, and there is no public way to read them.
    decayed = {id(v) for v in model.trainable_variables if is_decayed(optimizer, v)}
    if not any(id(v) in decayed for v in variables):
        return variables
    if optimizer.built:
        raise ModelError(
            "The optimizer is already built, and Keras accepts exclusions from weight decay only before that. "
            "Compile the model with a new optimizer, and call exclude_from_weight_decay before the first training step."
        )
    earlier = [v for v in model.trainable_variables if id(v) not in decayed]
    optimizer.exclude_from_weight_decay(var_list=[*earlier, *variables])
    return variables


def _check_start(layer: str, name: str, start: float, smallest: float | None) -> None:
    if smallest is not None and not start >= smallest:
        raise UsageError(f"{layer} got {name}={start!r}; expected at least {smallest}, below which it cannot fall.")


def _learned_layers(model: keras.Model) -> list[Any]:
    """Returns the activation layers with learned parameters; `model.layers` would miss those in wrappers."""
    kinds = (LearnedActivation, keras.layers.PReLU)
    return [layer for layer in layers_in(model) if isinstance(layer, kinds)]


def _decaying_optimizer(model: keras.Model) -> Any:
    """Returns the optimizer if it decays weights, unwrapped from a loss scaling one; else None."""
    optimizer: Any = getattr(model, "optimizer", None)
    while hasattr(optimizer, "inner_optimizer"):
        optimizer = optimizer.inner_optimizer
    decays = any(getattr(optimizer, name, None) for name in ("weight_decay", "adam_weight_decay"))
    return optimizer if decays else None


Learned = dict[str, dict[str, tuple[float, float, float, float]]]


def learned_parameters(model: keras.Model) -> Learned:
    """Returns, by site and parameter, the initial value and the current mean, minimum and maximum.

    Args:
        model: A trained model; layers of ours in nested models are included.

    Example:

    >>> from actsearch.layers import PReLU
    >>> learned_parameters(keras.Sequential([keras.Input((3,)), PReLU(name="one")]))
    {'one': {'slope': (0.25, 0.25, 0.25, 0.25)}}
    """
    learned: Learned = {}
    for layer in layers_in(model, include_self=False):
        if isinstance(layer, LearnedActivation) and layer.learned:
            values = {name: np.asarray(v) for name, v in zip(layer.starts, layer.learned, strict=True)}
            learned[layer.name] = {
                name: (layer.starts[name], float(v.mean()), float(v.min()), float(v.max()))
                for name, v in values.items()
            }
    return learned
