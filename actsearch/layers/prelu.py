"""Rectifiers with a slope below zero: fixed, learned, or drawn at random."""

import random
from typing import Any

import keras

from actsearch.errors import UsageError
from actsearch.layers import kernels
from actsearch.layers.base import ActivationLayer, LearnedActivation
from actsearch.layers.sharing import Sharing

__all__ = ["LeakyReLU", "PReLU", "RReLU"]


@keras.saving.register_keras_serializable(package="actsearch")
class LeakyReLU(ActivationLayer):
    """Rectifier with a small fixed slope below zero.

    f(x) = x for x ≥ 0, slope·x below

    Args:
        slope: The slope below zero. It has no default because conventions differ: Keras uses 0.3, the ELU paper 0.1,
            others 0.01.
        **kwargs: `name` and `dtype`, as for every Keras layer.

    Input and output: any shape; the output has the shape of the input.

    Source: Maas et al. 2013, Rectifier nonlinearities improve neural network acoustic models.

    Example:

    >>> import numpy as np
    >>> LeakyReLU(0.5)(np.array([-2.0, 0.0, 2.0])).numpy().tolist()
    [-1.0, 0.0, 2.0]
    """

    def __init__(self, slope: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.slope = slope

    def call(self, inputs: Any) -> Any:
        """Computes the activation."""
        return keras.ops.leaky_relu(inputs, self.slope)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration of the layer."""
        return {**super().get_config(), "slope": self.slope}


@keras.saving.register_keras_serializable(package="actsearch")
class PReLU(LearnedActivation):
    """Rectifier that learns its slope below zero.

    f(x) = x for x ≥ 0, slope·x below

    By default, `keras.layers.PReLU` has one slope for each element and starts at 0. This layer follows the paper: one
    slope for each channel, starting at 0.25.

    Args:
        slope: The slope before training.
        sharing: One slope for each `"channel"` (the last axis), `"layer"` or `"element"`.
        **kwargs: `axis` as for `LearnedActivation`; `name`, `dtype` and `trainable`, as for every Keras layer.

    Input and output: any shape of rank 2 or more; the output has the shape of the input.

    Source: He et al. 2015, arXiv 1502.01852. Slopes must not decay; see `exclude_from_weight_decay`.

    Example:

    >>> import numpy as np
    >>> PReLU()(np.array([[-2.0, 0.0, 2.0]])).numpy().tolist()
    [[-0.5, 0.0, 2.0]]
    """

    def __init__(self, slope: float = 0.25, *, sharing: Sharing = "channel", **kwargs: Any) -> None:
        super().__init__({"slope": slope}, sharing=sharing, **kwargs)

    def call(self, inputs: Any) -> Any:
        """Computes the activation."""
        return kernels.prelu(inputs, *self.parameters)


@keras.saving.register_keras_serializable(package="actsearch")
class RReLU(ActivationLayer):
    """Rectifier with a random slope below zero for each element in training, and the mean slope in inference.

    f(x) = x for x ≥ 0, s·x below; s ~ U(low, high) in training, s = (low + high)/2 in inference

    Args:
        low: The smallest slope in training.
        high: The largest slope in training.
        seed: Seed of the slopes. If omitted, it is derived from the state of Python's `random`, which
            `keras.utils.set_random_seed` sets. That state is read but not changed: the layers after this one draw
            the same weights as without it, so models that differ only in their activations can be compared in
            pairs.
        **kwargs: `name` and `dtype`, as for every Keras layer.

    Input and output: any shape; the output has the shape of the input.

    Raises:
        UsageError: `low` is above `high`.

    Source: Xu et al. 2015, arXiv 1505.00853.

    Example:

    >>> import numpy as np
    >>> RReLU(0.25, 0.75)(np.array([-2.0, 0.0, 2.0])).numpy().tolist()
    [-1.0, 0.0, 2.0]
    """

    def __init__(self, low: float = 1 / 8, high: float = 1 / 3, *, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not low <= high:
            raise UsageError(f"RReLU got low={low!r} and high={high!r}; expected low ≤ high.")
        self.low = low
        self.high = high
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(_seed_without_drawing() if seed is None else seed)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Computes the activation."""
        if not training:
            return keras.ops.leaky_relu(inputs, (self.low + self.high) / 2)
        shape = keras.ops.shape(inputs)
        slopes = keras.random.uniform(shape, self.low, self.high, dtype=inputs.dtype, seed=self.seed_generator)
        return kernels.prelu(inputs, slopes)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration of the layer."""
        return {**super().get_config(), "low": self.low, "high": self.high, "seed": self.seed}


def _seed_without_drawing() -> int:
    """Derives a seed from the state of Python's `random` without changing it.

    Keras draws its default seeds from the same state. The next number it draws seeds the weights of the next layer,
    so this seed is derived from that number rather than equal to it.
    """
    state = random.Random()
    state.setstate(random.getstate())
    return random.Random(state.getrandbits(64)).getrandbits(31)
