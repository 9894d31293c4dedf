"""Rectifiers: the identity above zero, and zero, a line or an exponential below."""

import numpy as np

from actsearch._typing import Array
from actsearch.activations.activation import Entries, Parameter

ENTRIES = Entries()


@ENTRIES.add("linear", "x", "the identity", kinks=())
def linear(x: Array) -> Array:
    """The identity."""
    return x


@ENTRIES.add("relu", "max(0, x)", "Nair & Hinton 2010")
def relu(x: Array) -> Array:
    """Zero below zero."""
    return np.maximum(x, 0.0)


@ENTRIES.add("relu", "min(max(0, x), 6)", "Krizhevsky 2010", kinks=(0.0, 6.0))
def relu6(x: Array) -> Array:
    """ReLU, cut off at 6."""
    return np.clip(x, 0.0, 6.0)


@ENTRIES.add(
    "prelu",
    "x for x ≥ 0, slope·x below",
    "Maas et al. 2013",
    layer="LeakyReLU",
    slope=Parameter(0.01, 0.0, 1.0, "slope below zero"),
)
def leaky_relu(x: Array, slope: float) -> Array:
    """A smaller slope below zero."""
    return np.where(x >= 0, x, slope * x)


@ENTRIES.add(
    "prelu",
    "x for x ≥ 0, slope·x below, slope learned",
    "He et al. 2015, arXiv 1502.01852",
    layer="PReLU",
    learns=True,
    slope=Parameter(0.25, 0.0, 1.0, "slope below zero at the start"),
)
def prelu(x: Array, slope: float) -> Array:
    """Leaky ReLU with a learned slope; computed with the slope before training."""
    return leaky_relu(x, slope)


@ENTRIES.add(
    "prelu",
    "x for x ≥ 0, slope·x below, slope ~ U(low, high) in training, (low + high)/2 in inference",
    "Xu et al. 2015, arXiv 1505.00853",
    layer="RReLU",
    low=Parameter(1 / 8, 0.0, 1.0, "smallest slope below zero in training"),
    high=Parameter(1 / 3, 0.0, 1.0, "largest slope below zero in training"),
)
def rrelu(x: Array, low: float, high: float) -> Array:
    """Leaky ReLU with a slope that is random in training; computed with the mean slope."""
    return leaky_relu(x, (low + high) / 2)


@ENTRIES.add(
    "elu",
    "x for x ≥ 0, α·(exp(x) - 1) below",
    "Clevert et al. 2015, arXiv 1511.07289",
    layer="ELU",
    alpha=Parameter(1.0, 0.1, 2.0, "α: it levels out at -α"),
)
def elu(x: Array, alpha: float) -> Array:
    """MPELU with β = 1."""
    return mpelu(x, alpha, 1.0)


@ENTRIES.add(
    "elu",
    "(a/b)·x for x ≥ 0, a·(exp(x/b) - 1) below, a and b learned",
    "Trottier et al. 2016, arXiv 1605.09332",
    layer="PELU",
    learns=True,
    a=Parameter(1.0, 0.1, 2.0, "a at the start: it levels out at -a"),
    b=Parameter(1.0, 0.1, 2.0, "b at the start: how slowly it levels out"),
)
def pelu(x: Array, a: float, b: float) -> Array:
    """ELU with the slope a/b above zero, which keeps the derivative continuous."""
    return np.where(x >= 0, a / b * x, a * np.expm1(np.minimum(x, 0.0) / b))


@ENTRIES.add(
    "elu",
    "x for x ≥ 0, α·(exp(β·x) - 1) below, α and β learned",
    "Li et al. 2016, arXiv 1606.00305",
    layer="MPELU",
    learns=True,
    alpha=Parameter(1.0, 0.1, 2.0, "α at the start: it levels out at -α"),
    beta=Parameter(1.0, 0.1, 2.0, "β at the start: how fast it levels out"),
)
def mpelu(x: Array, alpha: float, beta: float) -> Array:
    """An exponential below zero that levels out at -α."""
    return np.where(x >= 0, x, alpha * np.expm1(beta * np.minimum(x, 0.0)))


@ENTRIES.add(
    "elu",
    "x for x ≥ 0, α·(exp(x/α) - 1) below",
    "Barron 2017, arXiv 1704.07483",
    layer="CELU",
    alpha=Parameter(1.0, 0.1, 2.0, "α: it levels out at -α"),
)
def celu(x: Array, alpha: float) -> Array:
    """MPELU with β = 1/α, which makes the derivative continuous."""
    return mpelu(x, alpha, 1.0 / alpha)
