"""A decorator that turns a NumPy function into an entry of the catalogue, together with its layer."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from actsearch._typing import Array
from actsearch.activations.activation import Activation, Kinks, Parameter

Function = Callable[..., Array]


class Entries(list[Activation]):
    """Entries of the catalogue, each added by a decorator above its function.

    Example:

    >>> entries = Entries()
    >>> @entries.add("relu", "max(0, x)", "Nair & Hinton 2010")
    ... def relu(x):
    ...     return (x + abs(x)) / 2
    >>> entries[0].name, float(entries[0](3.0))
    ('relu', 3.0)
    """

    def add(
        self,
        family: str,
        formula: str,
        reference: str,
        *,
        layer: str | None = None,
        kinks: Kinks = (0.0,),
        learns: bool = False,
        alpha_dropout: bool = False,
        **parameters: Parameter,
    ) -> Callable[[Function], Function]:
        """Returns a decorator that adds a function under its own name.

        Args:
            family, formula, reference, kinks, learns, alpha_dropout, parameters: As in `Activation`.
            layer: The class in `actsearch.layers` that computes it; if omitted, the function of the same name in
                `keras.activations` is used.
        """

        def add(function: Function) -> Function:
            name = function.__name__
            make = _keras(name) if layer is None else _ours(layer)
            self.append(
                Activation(name, family, formula, reference, function, make, parameters, learns, alpha_dropout, kinks)
            )
            return function

        return add


def _keras(name: str) -> Callable[..., Any]:
    """Returns a maker of layers for the function with this name in `keras.activations`."""

    def make(**parameters: float) -> Any:
        import keras

        if not parameters:
            return keras.layers.Activation(name)
        layers = import_module("actsearch.layers")
        return layers.FunctionActivation(getattr(keras.activations, name), parameters)

    return make


def _ours(name: str) -> Callable[..., Any]:
    """Returns a maker of layers of the class with this name in `actsearch.layers`."""

    def make(**parameters: float) -> Any:
        return getattr(import_module("actsearch.layers"), name)(**parameters)

    return make
