"""Every layer with a NumPy function written from its paper, for the tests of this folder."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from actsearch import layers

LAMBDA, ALPHA = 1.0507009873554804934, 1.6732632423543772848


def np_prelu(x, slope):
    return np.maximum(0, x) + slope * np.minimum(0, x)


def np_elu(x, alpha):
    return np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0)) - 1))


def np_celu(x, alpha):
    return np.maximum(0, x) + np.minimum(0, alpha * (np.exp(np.minimum(x, 0) / alpha) - 1))


def np_pelu(x, a, b):
    return np.where(x >= 0, a / b * x, a * (np.exp(np.minimum(x, 0) / b) - 1))


def np_mpelu(x, alpha, beta):
    return np.where(x > 0, x, alpha * (np.exp(beta * np.minimum(x, 0)) - 1))


def np_selu(x, scale=LAMBDA, alpha=ALPHA):
    return scale * np.where(x > 0, x, alpha * np.exp(np.minimum(x, 0)) - alpha)


def np_leaky_selu(x, scale, alpha, slope):
    return scale * np.where(x > 0, x, alpha * np.exp(np.minimum(x, 0)) + slope * x - alpha)


def np_scaled_selu(x, scale, alpha, beta):
    return scale * np.where(x > 0, x, alpha * np.exp(beta * np.minimum(x, 0)) - alpha)


def np_serlu(x):
    return 1.07861828 * np.where(x > 0, x, 2.90427123 * x * np.exp(np.minimum(x, 0)))


@dataclass(frozen=True)
class Case:
    """A layer, its function in NumPy, and the start of its learned parameters."""

    make: Callable[..., Any]
    function: Callable[..., Any]
    starts: dict[str, float] = field(default_factory=dict)


CASES = {
    "LeakyReLU": Case(lambda **k: layers.LeakyReLU(0.3, **k), lambda x: np_prelu(x, 0.3)),
    "PReLU": Case(layers.PReLU, np_prelu, {"slope": 0.25}),
    "PReLU, steep": Case(lambda **k: layers.PReLU(1.5, **k), np_prelu, {"slope": 1.5}),
    "RReLU": Case(layers.RReLU, lambda x: np_prelu(x, 11 / 48)),
    "ELU": Case(layers.ELU, lambda x: np_elu(x, 1.0)),
    "ELU, alpha": Case(lambda **k: layers.ELU(1.7, **k), lambda x: np_elu(x, 1.7)),
    "CELU": Case(layers.CELU, lambda x: np_celu(x, 1.0)),
    "CELU, alpha": Case(lambda **k: layers.CELU(0.6, **k), lambda x: np_celu(x, 0.6)),
    "PELU": Case(layers.PELU, np_pelu, {"a": 1.0, "b": 1.0}),
    "PELU, a and b": Case(lambda **k: layers.PELU(0.7, 1.4, **k), np_pelu, {"a": 0.7, "b": 1.4}),
    "MPELU": Case(layers.MPELU, np_mpelu, {"alpha": 1.0, "beta": 1.0}),
    "MPELU, alpha and beta": Case(lambda **k: layers.MPELU(1.3, 0.6, **k), np_mpelu, {"alpha": 1.3, "beta": 0.6}),
    "SELU": Case(layers.SELU, np_selu),
    "LeakySELU": Case(layers.LeakySELU, lambda x: np_leaky_selu(x, 1.0468490114480344, 1.5059369181189395, 0.1)),
    "ScaledSELU": Case(layers.ScaledSELU, lambda x: np_scaled_selu(x, 1.0443526074528577, 1.915707172814266, 0.8)),
    "SERLU": Case(layers.SERLU, np_serlu),
    "ParametricSELU": Case(layers.ParametricSELU, np_selu, {"scale": LAMBDA, "alpha": ALPHA}),
    "FunctionActivation": Case(
        lambda **k: layers.FunctionActivation(keras.activations.leaky_relu, {"negative_slope": 0.4}, **k),
        lambda x: np_prelu(x, 0.4),
    ),
}
LEARNED = {name: case for name, case in CASES.items() if case.starts}


def away_from_zero(shape: tuple[int, ...]) -> Any:
    """Normal numbers, those within 0.05 of the kink at zero moved 0.1 up."""
    x = 1.5 * np.random.default_rng(0).normal(size=shape)
    return np.where(np.abs(x) < 0.05, x + 0.1, x)
