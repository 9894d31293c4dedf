"""Functions that level out on both sides."""

import numpy as np
from scipy.special import expit

from actsearch._typing import Array
from actsearch.activations.entries import Entries

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
