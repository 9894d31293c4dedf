"""The initializer and the dropout that match an activation, so that comparisons are fair to each function."""

import math
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from actsearch.activations.activation import Activation
from actsearch.activations.moments import second_moment
from actsearch.errors import UsageError

if TYPE_CHECKING:
    import keras


def matched_initializer(
    activation: Activation, parameters: Mapping[str, float] | None = None, *, seed: int | None = None
) -> "keras.initializers.Initializer":
    """Returns the initializer that keeps the forward variance for this activation: Var(W) = 1 / (fan_in · E f(z)²).

    Use it for layers whose inputs and outputs both pass through the activation. For ReLU it is He's (scale 2,
    arXiv 1502.01852), for SELU LeCun's (scale 1, arXiv 1706.02515).

    Args:
        activation: An entry of the catalogue.
        parameters: Values of its parameters; those omitted get their defaults.
        seed: Seed of the random numbers; if omitted, it is derived from Keras's global seed.

    Returns:
        `VarianceScaling` with a truncated normal distribution over the fan-in. Make one for each layer: Keras draws
        the same weights each time from the same initializer.

    Raises:
        UnknownNameError: The activation does not have one of the parameters.
        UsageError: E f(z)² is zero, infinite or not a number, so no scale can keep the variance.

    Example:

    >>> from actsearch.activations import get
    >>> round(matched_initializer(get("leaky_relu"), {"slope": 0.3}).scale, 4)
    1.8349
    """
    import keras

    function = partial(activation.function, **activation.values(parameters))
    moment = second_moment(function, kinks=activation.kinks_at(parameters))
    if not (math.isfinite(moment) and moment > 0):
        raise UsageError(
            f"No initializer can be matched to {activation.name!r}: its second moment E f(z)² is {moment}; "
            "expected a finite number above 0. Correct the function or its parameters "
            f"({activation.formula}), or choose an initializer for the layers yourself."
        )
    return keras.initializers.VarianceScaling(
        scale=1.0 / moment, mode="fan_in", distribution="truncated_normal", seed=seed
    )


def matched_dropout(activation: Activation, rate: float) -> "keras.layers.Layer":
    """Returns a new dropout layer for this activation: AlphaDropout if it keeps mean 0 and variance 1.

    Args:
        activation: An entry of the catalogue.
        rate: The share of units to drop, at least 0 and below 1.

    Returns:
        `AlphaDropout` (arXiv 1706.02515) or `Dropout`.

    Raises:
        UsageError: The rate is outside its range.

    Example:

    >>> from actsearch.activations import get
    >>> type(matched_dropout(get("selu"), 0.1)).__name__
    'AlphaDropout'
    """
    import keras

    if not 0 <= rate < 1:
        raise UsageError(f"The dropout rate is {rate}; expected a number of at least 0 and below 1.")
    kind = keras.layers.AlphaDropout if activation.alpha_dropout else keras.layers.Dropout
    return kind(rate)
