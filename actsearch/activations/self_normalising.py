"""Functions that keep mean 0 and variance 1 before training; they need AlphaDropout.

`leaky_selu` and `scaled_selu` keep them for every value of their parameter.
"""

import numpy as np
from scipy.special import ndtr

from actsearch._typing import Array
from actsearch.activations.activation import Entries, Parameter
from actsearch.activations.rectifiers import elu, mpelu

ENTRIES = Entries()
SELU_SCALE = 1.0507009873554805
SELU_ALPHA = 1.6732632423543772
SERLU_SCALE = 1.0786182835772154
SERLU_ALPHA = 2.9042712333297


def self_normalising(beta: float = 1.0, slope: float = 0.0) -> tuple[float, float]:
    """Returns λ and α so that f, λ·x above zero and λ·(α·(exp(β·x) - 1) + slope·x) below, has E f = 0, E f² = 1."""

    def exponential_below(k: float) -> float:
        """Returns E exp(k·z) over z < 0."""
        return float(np.exp(k * k / 2) * ndtr(-k))

    alpha = (1.0 - slope) / np.sqrt(2.0 * np.pi) / (0.5 - exponential_below(beta))
    exponential = alpha**2 * (exponential_below(2.0 * beta) - 2.0 * exponential_below(beta) + 0.5)
    line = slope**2 / 2.0 + 2.0 * alpha * slope * beta * exponential_below(beta)
    return float((0.5 + exponential + line) ** -0.5), float(alpha)


@ENTRIES.add(
    "selu",
    "λ·x for x ≥ 0, λ·α·(exp(x) - 1) below, λ = 1.0507, α = 1.6733",
    "Klambauer et al. 2017, arXiv 1706.02515",
    layer="SELU",
    alpha_dropout=True,
)
def selu(x: Array) -> Array:
    """The scaled ELU whose fixed point is mean 0 and variance 1."""
    return parametric_selu(x, SELU_SCALE, SELU_ALPHA)


@ENTRIES.add(
    "selu",
    "λ·x for x ≥ 0, λ·(α·(exp(x) - 1) + slope·x) below, λ and α from slope",
    "lSELU of Chen et al. 2020, λ and α by SELU's conditions",
    layer="LeakySELU",
    alpha_dropout=True,
    slope=Parameter(0.1, 0.0, 0.5, "slope of the line below zero; 0 is SELU"),
)
def leaky_selu(x: Array, slope: float) -> Array:
    """SELU with a linear part below zero, so that it does not level out; it has the same fixed point."""
    scale, alpha = self_normalising(slope=slope)
    return scale * np.where(x >= 0, x, mpelu(x, alpha, 1.0) + slope * x)


@ENTRIES.add(
    "selu",
    "λ·x for x ≥ 0, λ·α·(exp(β·x) - 1) below, λ and α from β",
    "sSELU of Chen et al. 2020, λ and α by SELU's conditions",
    layer="ScaledSELU",
    alpha_dropout=True,
    beta=Parameter(0.8, 0.1, 2.0, "β: how fast it levels out; 1 is SELU"),
)
def scaled_selu(x: Array, beta: float) -> Array:
    """SELU that levels out faster or more slowly; it has the same fixed point."""
    scale, alpha = self_normalising(beta=beta)
    return scale * mpelu(x, alpha, beta)


@ENTRIES.add(
    "selu",
    "λ·x for x ≥ 0, λ·α·x·exp(x) below, λ = 1.0786, α = 2.9043",
    "Zhang & Li 2018, arXiv 1807.10117",
    layer="SERLU",
    alpha_dropout=True,
)
def serlu(x: Array) -> Array:
    """A scaled line with a bump below zero that returns to zero; it has the same fixed point."""
    return SERLU_SCALE * np.where(x >= 0, x, SERLU_ALPHA * x * np.exp(np.minimum(x, 0.0)))


@ENTRIES.add(
    "selu",
    "λ·x for x ≥ 0, λ·α·(exp(x) - 1) below, λ and α learned",
    "Klambauer et al. 2017, arXiv 1706.02515, with its two numbers learned",
    layer="ParametricSELU",
    learns=True,
    alpha_dropout=True,
    scale=Parameter(SELU_SCALE, 0.5, 2.0, "λ at the start: slope above zero"),
    alpha=Parameter(SELU_ALPHA, 0.5, 3.0, "α at the start: it levels out at -λ·α"),
)
def parametric_selu(x: Array, scale: float, alpha: float) -> Array:
    """A scaled ELU."""
    return scale * elu(x, alpha)
