"""An activation: a function with its parameters, formula and paper."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np

from actsearch._typing import Array
from actsearch._versions import keras_function
from actsearch.errors import UnknownNameError

Kinks = tuple[float, ...] | Callable[..., tuple[float, ...]]


@dataclass(frozen=True)
class Parameter:
    """A fixed parameter of an activation, or the initial value of a learned one, with its useful range.

    Args:
        default: Its value if none is given.
        low, high: The ends of its useful range, from which a search space may take values.
        meaning: What it changes, in words.

    Example:

    >>> from actsearch.activations import get
    >>> slope = get("leaky_relu").parameters["slope"]
    >>> slope.default, slope.low, slope.high
    (0.01, 0.0, 1.0)
    """

    default: float
    low: float
    high: float
    meaning: str


@dataclass(frozen=True)
class Activation:
    """An entry of the catalogue: a function with its parameters, formula and paper.

    Args:
        name: Its name in search spaces.
        family: The family it is listed under: `"linear"`, `"relu"`, `"prelu"`, `"elu"`, `"selu"`,
            `"sigmoid"`, `"smooth"`, `"shrink"`, or `"user"`.
        formula: The formula in conventional notation.
        reference: The paper with its arXiv number, or another source.
        function: NumPy function `(x, **parameters) -> array` of the same shape: the values in inference, before
            training.
        make: Returns a new Keras layer for given parameters.
        parameters: Its parameters by name.
        learns: Whether training changes its parameters.
        alpha_dropout: Whether it keeps zero mean and unit variance, so that it needs AlphaDropout.
        kinks: The points where the function or its derivative jumps; a function of the parameters if they depend on
            these.

    Example:

    >>> from actsearch.activations import get
    >>> elu = get("elu")
    >>> elu.formula, elu.reference
    ('x for x ≥ 0, α·(exp(x) - 1) below', 'Clevert et al. 2015, arXiv 1511.07289')
    >>> elu([-1.0, 0.0, 2.0], alpha=0.5).round(3).tolist()
    [-0.316, 0.0, 2.0]
    >>> elu.layer(alpha=0.5).get_config()["alpha"]
    0.5
    """

    name: str
    family: str
    formula: str
    reference: str
    function: Callable[..., Array]
    make: Callable[..., Any]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    learns: bool = False
    alpha_dropout: bool = False
    kinks: Kinks = (0.0,)

    def values(self, given: Mapping[str, float] | None = None) -> dict[str, float]:
        """Returns the values of all parameters: those given, and the defaults of the others.

        Raises:
            UnknownNameError: The activation does not have one of the parameters given.
        """
        given = given or {}
        for name in given:
            if name not in self.parameters:
                raise UnknownNameError(f"parameter of {self.name}", name, self.parameters)
        return {name: float(given.get(name, p.default)) for name, p in self.parameters.items()}

    def __call__(self, x: Any, **parameters: float) -> Array:
        """Computes the function in NumPy, as it is before training."""
        return np.asarray(self.function(np.asarray(x, dtype=float), **self.values(parameters)), dtype=float)

    def kinks_at(self, given: Mapping[str, float] | None = None) -> tuple[float, ...]:
        """Returns the points where the function or its derivative jumps for these parameters."""
        return self.kinks(**self.values(given)) if callable(self.kinks) else self.kinks

    def layer(self, **parameters: float) -> Any:
        """Returns a new Keras layer with these parameters."""
        return self.make(**self.values(parameters))


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
            return keras.layers.Activation(keras_function(name))
        layers = import_module("actsearch.layers")
        return layers.FunctionActivation(getattr(keras.activations, name), parameters)

    return make


def _ours(name: str) -> Callable[..., Any]:
    """Returns a maker of layers of the class with this name in `actsearch.layers`."""

    def make(**parameters: float) -> Any:
        return getattr(import_module("actsearch.layers"), name)(**parameters)

    return make
