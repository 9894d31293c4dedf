"""A layer that applies any function of one tensor, such as one that a user registers."""

import inspect
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

import keras

from actsearch._versions import own_functions
from actsearch.errors import UsageError
from actsearch.layers.base import ActivationLayer

__all__ = ["FunctionActivation"]

own_functions()  # importing the layers registers all that models may have


@keras.saving.register_keras_serializable(package="actsearch")
class FunctionActivation(ActivationLayer):
    """Applies a function of one tensor, with fixed numbers as its other arguments.

    f(x) = function(x, **parameters)

    Args:
        function: A function of `keras.activations`, or one registered with
            `keras.saving.register_keras_serializable`; its output has the shape of its input.
        parameters: The numbers passed to it, by name.
        **kwargs: `name` and `dtype`, as for every Keras layer.

    Input and output: any shape; the output has the shape of the input.

    Raises:
        UsageError: The function is not registered or does not accept these parameters, or one is not a number.

    Example:

    >>> import numpy as np
    >>> layer = FunctionActivation(keras.activations.soft_shrink, {"threshold": 1.0})
    >>> layer(np.array([-3.0, 0.5, 3.0])).numpy().tolist()
    [-2.0, 0.0, 2.0]
    """

    def __init__(
        self, function: Callable[..., Any], parameters: Mapping[str, float] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.function = function
        self.parameters = dict(parameters or {})
        _check_loadable(function)
        _check_parameters(function, self.parameters)

    def call(self, inputs: Any) -> Any:
        """Computes the activation."""
        return self.function(inputs, **self.parameters)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration: the function by its registered name, and the parameters."""
        function = keras.activations.serialize(self.function)
        return {**super().get_config(), "function": function, "parameters": dict(self.parameters)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "FunctionActivation":
        """Makes a layer from the configuration that `get_config` returned."""
        function = keras.activations.get(config["function"])
        return super().from_config({**config, "function": function})


def _check_loadable(function: Callable[..., Any]) -> None:
    """Refuses a function that Keras could not find when it loads a saved model."""
    if not inspect.isfunction(function):
        raise UsageError(f"FunctionActivation got {function!r}; expected a function of one tensor.")
    registered = keras.saving.get_registered_object(keras.saving.get_registered_name(function))
    if function not in (registered, getattr(keras.activations, function.__name__, None)):
        raise UsageError(
            f"Function {function.__qualname__!r} is not registered with Keras, so a saved model that uses it could "
            'not be loaded. Put @keras.saving.register_keras_serializable(package="...") before it.'
        )


def _check_parameters(function: Callable[..., Any], parameters: Mapping[str, Any]) -> None:
    """Refuses parameters that the function does not accept or that are not numbers."""
    name = function.__name__
    for key, value in parameters.items():
        if not isinstance(value, Real) or isinstance(value, bool):
            raise UsageError(f"Parameter {key!r} of {name} is {value!r}; expected a number.")
    try:
        inspect.signature(function).bind(None, **parameters)
    except TypeError as error:
        raise UsageError(f"{name}(x, ...) does not accept {dict(parameters)!r}: {error}.") from error
