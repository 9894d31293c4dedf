"""Every layer of the catalogue with its function in NumPy, for the tests of layers and activations."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np

from actsearch import layers
from actsearch.activations.bound import BoundActivation, bind
from actsearch.activations.catalogue import ENTRIES


@dataclass(frozen=True)
class Case:
    """A layer, its function in NumPy, and the start of its learned parameters."""

    make: Callable[..., Any]
    function: Callable[..., Any]
    starts: dict[str, float]


def case_of(bound: BoundActivation) -> Case:
    """The layer for these values; learned ones are starts, which the function takes as arguments."""
    make = partial(type(bound.layer()), **bound.parameters)
    if bound.activation.learns:
        return Case(make, bound.activation.function, dict(bound.parameters))
    return Case(make, bound, {})


# Each parameter midway between its default and the upper end of its range.
OTHER_VALUES = {
    entry.name: bind(entry, **{name: (p.default + p.high) / 2 for name, p in entry.parameters.items()})
    for entry in ENTRIES
    if entry.parameters
}
# The defaults are those of check_activation.
_BOUND = [OTHER_VALUES.get(entry.name, bind(entry)) for entry in ENTRIES]
_PUBLIC = {getattr(layers, name) for name in layers.__all__} - {layers.FunctionActivation}
CASES = {type(bound.layer()).__name__: case_of(bound) for bound in _BOUND if type(bound.layer()) in _PUBLIC}
CASES |= {
    "PReLU, steep": case_of(bind("prelu", slope=1.5)),
    "FunctionActivation": Case(
        partial(layers.FunctionActivation, keras.activations.leaky_relu, {"negative_slope": 0.4}),
        bind("leaky_relu", slope=0.4),
        {},
    ),
}
LEARNED = {name: case for name, case in CASES.items() if case.starts}


def away_from_zero(shape: tuple[int, ...]) -> Any:
    """Normal numbers, those within 0.05 of the kink at zero moved 0.1 up."""
    x = 1.5 * np.random.default_rng(0).normal(size=shape)
    return np.where(np.abs(x) < 0.05, x + 0.1, x)
