"""The functions of the catalogue in NumPy, as they stand before training and in inference.

Each takes an array and its parameters, and returns an array of the same shape and precision. They say what
the Keras layers compute, and they are what moments are taken of.
"""

import numpy as np
from scipy.special import expit, ndtr

from actsearch._typing import Array

SELU_SCALE = 1.0507009873554805
SELU_ALPHA = 1.6732632423543772
SERLU_SCALE = 1.0786182835772154
SERLU_ALPHA = 2.9042712333297


def self_normalising(beta: float = 1.0, slope: float = 0.0) -> tuple[float, float]:
    """λ and α with which λ·x above zero and λ·(α·(exp(β·x) - 1) + slope·x) below have E f(z) = 0, E f(z)² = 1."""

    def exponential_below(k: float) -> float:
        """E exp(k·z) over z < 0."""
        return float(np.exp(k * k / 2) * ndtr(-k))

    alpha = (1.0 - slope) / np.sqrt(2.0 * np.pi) / (0.5 - exponential_below(beta))
    exponential = alpha**2 * (exponential_below(2.0 * beta) - 2.0 * exponential_below(beta) + 0.5)
    line = slope**2 / 2.0 + 2.0 * alpha * slope * beta * exponential_below(beta)
    return float((0.5 + exponential + line) ** -0.5), float(alpha)


def linear(x: Array) -> Array:
    """The identity."""
    return x


def relu(x: Array) -> Array:
    """Zero below zero."""
    return np.maximum(x, 0.0)


def relu6(x: Array) -> Array:
    """ReLU, cut off at 6."""
    return np.clip(x, 0.0, 6.0)


def leaky_relu(x: Array, slope: float) -> Array:
    """A smaller slope below zero."""
    return np.where(x >= 0, x, slope * x)


def rrelu(x: Array, low: float, high: float) -> Array:
    """The slope below zero is random in training; here its mean."""
    return leaky_relu(x, (low + high) / 2)


def mpelu(x: Array, alpha: float, beta: float) -> Array:
    """An exponential below zero that levels out at -α."""
    return np.where(x >= 0, x, alpha * np.expm1(beta * np.minimum(x, 0.0)))


def elu(x: Array, alpha: float) -> Array:
    """MPELU with β = 1."""
    return mpelu(x, alpha, 1.0)


def celu(x: Array, alpha: float) -> Array:
    """MPELU with β = 1/α, which makes the derivative continuous."""
    return mpelu(x, alpha, 1.0 / alpha)


def pelu(x: Array, a: float, b: float) -> Array:
    """MPELU that keeps the derivative continuous by the slope a/b above zero."""
    return np.where(x >= 0, a / b * x, a * np.expm1(np.minimum(x, 0.0) / b))


def parametric_selu(x: Array, scale: float, alpha: float) -> Array:
    """A scaled ELU."""
    return scale * elu(x, alpha)


def selu(x: Array) -> Array:
    """The scaled ELU whose fixed point is mean 0 and variance 1."""
    return parametric_selu(x, SELU_SCALE, SELU_ALPHA)


def leaky_selu(x: Array, slope: float) -> Array:
    """SELU with a line below zero, so that it does not level out; the same fixed point."""
    scale, alpha = self_normalising(slope=slope)
    return scale * np.where(x >= 0, x, mpelu(x, alpha, 1.0) + slope * x)


def scaled_selu(x: Array, beta: float) -> Array:
    """SELU that levels out at another speed; the same fixed point."""
    scale, alpha = self_normalising(beta=beta)
    return scale * mpelu(x, alpha, beta)


def serlu(x: Array) -> Array:
    """A bump below zero that returns to zero; the same fixed point."""
    return SERLU_SCALE * np.where(x >= 0, x, SERLU_ALPHA * x * np.exp(np.minimum(x, 0.0)))


def sigmoid(x: Array) -> Array:
    """The logistic function."""
    return expit(x)


def hard_sigmoid(x: Array) -> Array:
    """The logistic function by three straight lines."""
    return np.clip(x / 6.0 + 0.5, 0.0, 1.0)


def sparse_sigmoid(x: Array) -> Array:
    """As `hard_sigmoid`, between -1 and 1."""
    return np.clip((x + 1.0) / 2.0, 0.0, 1.0)


def tanh(x: Array) -> Array:
    """The hyperbolic tangent."""
    return np.tanh(x)


def hard_tanh(x: Array) -> Array:
    """The identity, cut off at -1 and 1."""
    return np.clip(x, -1.0, 1.0)


def softsign(x: Array) -> Array:
    """Like tanh, but it approaches ±1 slowly."""
    return x / (1.0 + np.abs(x))


def softplus(x: Array) -> Array:
    """A smooth ReLU, always above zero."""
    return np.logaddexp(x, 0.0)


def squareplus(x: Array, b: float) -> Array:
    """A smooth ReLU without exponentials."""
    return (x + np.sqrt(x * x + b)) / 2.0


def sparse_plus(x: Array) -> Array:
    """A parabola between -1 and 1, ReLU outside."""
    return np.where(np.abs(x) < 1, (x + 1.0) ** 2 / 4.0, np.maximum(x, 0.0))


def silu(x: Array) -> Array:
    """The input times its logistic function."""
    return x * expit(x)


def hard_silu(x: Array) -> Array:
    """The input times its `hard_sigmoid`."""
    return x * hard_sigmoid(x)


def gelu(x: Array) -> Array:
    """The input times the normal distribution's Φ: exact, not the tanh formula."""
    return x * ndtr(x)


def mish(x: Array) -> Array:
    """The input times the tanh of its softplus."""
    return x * np.tanh(softplus(x))


def log_sigmoid(x: Array) -> Array:
    """The logarithm of the logistic function, always below zero."""
    return -softplus(-x)


def soft_shrink(x: Array, threshold: float) -> Array:
    """Zero near zero; the rest is drawn towards zero by the threshold."""
    return np.sign(x) * np.maximum(np.abs(x) - threshold, 0.0)


def hard_shrink(x: Array, threshold: float) -> Array:
    """Zero near zero; the rest unchanged, with a jump at the threshold."""
    return np.where(np.abs(x) > threshold, x, 0.0)


def tanh_shrink(x: Array) -> Array:
    """The input less its tanh."""
    return x - np.tanh(x)
