"""An activation: a function with its parameters, formula and paper."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from actsearch._typing import Array
from actsearch.errors import UnknownNameError

Kinks = tuple[float, ...] | Callable[..., tuple[float, ...]]


@dataclass(frozen=True)
class Parameter:
    """A fixed parameter of an activation, or the initial value of a learned one, with its useful range."""

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
