"""Smooth rectifiers, and the functions that shrink their input towards zero."""

import numpy as np
from scipy.special import expit, ndtr

from actsearch._typing import Array
from actsearch.activations.activation import Entries, Parameter

ENTRIES = Entries()


@ENTRIES.add("sigmoid", "1/(1 + exp(-x))", "the logistic function", kinks=())
def sigmoid(x: Array) -> Array:
    """The logistic function."""
    return expit(x)


@ENTRIES.add("sigmoid", "min(max(0, x/6 + 1/2), 1)", "Howard et al. 2019, arXiv 1905.02244", kinks=(-3.0, 3.0))
def hard_sigmoid(x: Array) -> Array:
    """The logistic function approximated by three straight lines."""
    return np.clip(x / 6.0 + 0.5, 0.0, 1.0)


@ENTRIES.add("sigmoid", "min(max(0, (x + 1)/2), 1)", "Blondel et al. 2019, arXiv 1901.02324", kinks=(-1.0, 1.0))
def sparse_sigmoid(x: Array) -> Array:
    """Like `hard_sigmoid`, but rises from -1 to 1."""
    return np.clip((x + 1.0) / 2.0, 0.0, 1.0)


@ENTRIES.add("sigmoid", "tanh(x)", "LeCun et al. 1998", kinks=())
def tanh(x: Array) -> Array:
    """The hyperbolic tangent."""
    return np.tanh(x)


@ENTRIES.add("sigmoid", "min(max(-1, x), 1)", "Collobert 2004", kinks=(-1.0, 1.0))
def hard_tanh(x: Array) -> Array:
    """The identity, cut off at -1 and 1."""
    return np.clip(x, -1.0, 1.0)


@ENTRIES.add("sigmoid", "x/(1 + |x|)", "Turian et al. 2009")
def softsign(x: Array) -> Array:
    """Like tanh, but it approaches ±1 slowly."""
    return x / (1.0 + np.abs(x))


@ENTRIES.add("smooth", "log(1 + exp(x))", "Dugas et al. 2001", kinks=())
def softplus(x: Array) -> Array:
    """A smooth ReLU, always above zero."""
    return np.logaddexp(x, 0.0)


@ENTRIES.add(
    "smooth",
    "(x + √(x² + b))/2",
    "Barron 2021, arXiv 2112.11687",
    kinks=(),
    b=Parameter(4.0, 0.1, 8.0, "b: how wide the bend at zero is"),
)
def squareplus(x: Array, b: float) -> Array:
    """A smooth ReLU without exponentials."""
    return (x + np.sqrt(x * x + b)) / 2.0


@ENTRIES.add(
    "smooth", "(x + 1)²/4 for |x| < 1, else max(0, x)", "Blondel et al. 2019, arXiv 1901.02324", kinks=(-1.0, 1.0)
)
def sparse_plus(x: Array) -> Array:
    """A parabola between -1 and 1, ReLU outside."""
    return np.where(np.abs(x) < 1, (x + 1.0) ** 2 / 4.0, np.maximum(x, 0.0))


@ENTRIES.add("smooth", "x/(1 + exp(-x))", "Ramachandran et al. 2017, arXiv 1710.05941", kinks=())
def silu(x: Array) -> Array:
    """The input times its logistic function."""
    return x * expit(x)


@ENTRIES.add("smooth", "x·min(max(0, x/6 + 1/2), 1)", "Howard et al. 2019, arXiv 1905.02244", kinks=(-3.0, 3.0))
def hard_silu(x: Array) -> Array:
    """The input times its `hard_sigmoid`."""
    return x * hard_sigmoid(x)


@ENTRIES.add("smooth", "x·Φ(x), Φ of the normal distribution", "Hendrycks & Gimpel 2016, arXiv 1606.08415", kinks=())
def gelu(x: Array) -> Array:
    """The input times the normal distribution's Φ, exact rather than by the tanh approximation."""
    return x * ndtr(x)


@ENTRIES.add("smooth", "x·tanh(log(1 + exp(x)))", "Misra 2019, arXiv 1908.08681", kinks=())
def mish(x: Array) -> Array:
    """The input times the tanh of its softplus."""
    return x * np.tanh(softplus(x))


@ENTRIES.add("smooth", "-log(1 + exp(-x))", "the logarithm of the logistic function", kinks=())
def log_sigmoid(x: Array) -> Array:
    """The logarithm of the logistic function, always below zero."""
    return -softplus(-x)


def _both_sides(threshold: float) -> tuple[float, ...]:
    return (-threshold, threshold)


@ENTRIES.add(
    "shrink",
    "sign(x)·max(0, |x| - threshold)",
    "Donoho 1995",
    kinks=_both_sides,
    threshold=Parameter(0.5, 0.1, 1.0, "largest absolute value that becomes 0"),
)
def soft_shrink(x: Array, threshold: float) -> Array:
    """Zero near zero; other values move towards zero by the threshold."""
    return np.sign(x) * np.maximum(np.abs(x) - threshold, 0.0)


@ENTRIES.add(
    "shrink",
    "x for |x| > threshold, else 0",
    "Donoho & Johnstone 1994",
    kinks=_both_sides,
    threshold=Parameter(0.5, 0.1, 1.0, "largest absolute value that becomes 0"),
)
def hard_shrink(x: Array, threshold: float) -> Array:
    """Zero near zero; other values are unchanged, so the function jumps at the threshold."""
    return np.where(np.abs(x) > threshold, x, 0.0)


@ENTRIES.add("shrink", "x - tanh(x)", "PyTorch's Tanhshrink", kinks=())
def tanh_shrink(x: Array) -> Array:
    """The input minus its tanh."""
    return x - np.tanh(x)
