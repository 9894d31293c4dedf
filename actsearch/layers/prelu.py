"""Rectifiers that keep a slope below zero: fixed, learned, or drawn at random."""

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
        slope: The slope below zero. There is no default: Keras takes 0.3, the ELU paper 0.1, others 0.01.
        **kwargs: `name`, `dtype` as in every Keras layer.

    Input and output: any shape, the same.

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
        """The function's values."""
        return keras.ops.leaky_relu(inputs, self.slope)

    def get_config(self) -> dict[str, Any]:
        """What the layer is made again from."""
        return {**super().get_config(), "slope": self.slope}


@keras.saving.register_keras_serializable(package="actsearch")
class PReLU(LearnedActivation):
    """Rectifier that learns its slope below zero.

    f(x) = x for x ≥ 0, slope·x below

    `keras.layers.PReLU` has one slope an element unless specified otherwise, and starts at 0; the paper has one a
    channel and starts at 0.25, as here.

    Args:
        slope: The slope before training.
        sharing: One slope for each `"channel"` (the last axis), `"layer"` or `"element"`.
        **kwargs: `name`, `dtype`, `trainable` as in every Keras layer.

    Input and output: any shape from rank 2, the same.

    Source: He et al. 2015, arXiv 1502.01852; no weight decay on slopes, see `exclude_from_weight_decay`.

    Example:

    >>> import numpy as np
    >>> PReLU()(np.array([[-2.0, 0.0, 2.0]])).numpy().tolist()
    [[-0.5, 0.0, 2.0]]
    """

    def __init__(self, slope: float = 0.25, *, sharing: Sharing = "channel", **kwargs: Any) -> None:
        super().__init__({"slope": slope}, sharing=sharing, **kwargs)

    def call(self, inputs: Any) -> Any:
        """The function's values."""
        return kernels.prelu(inputs, *self.parameters)


@keras.saving.register_keras_serializable(package="actsearch")
class RReLU(ActivationLayer):
    """Rectifier with a random slope below zero for each element in training, its mean in inference.

    f(x) = x for x ≥ 0, s·x below; s ~ U(low, high) in training, s = (low + high)/2 in inference

    Args:
        low: The smallest slope in training.
        high: The largest slope in training.
        seed: Seed of the slopes. If omitted, it follows from the state of Python's `random`, which
            `keras.utils.set_random_seed` sets. That state is read but not moved: the layers after this one draw
            the same weights as without it, so models that differ in their activations only can be compared in
            pairs.
        **kwargs: `name`, `dtype` as in every Keras layer.

    Input and output: any shape, the same.

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
        self.seed_generator = keras.random.SeedGenerator(_seed_unmoved() if seed is None else seed)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """The function's values."""
        if not training:
            return keras.ops.leaky_relu(inputs, (self.low + self.high) / 2)
        shape = keras.ops.shape(inputs)
        slopes = keras.random.uniform(shape, self.low, self.high, dtype=inputs.dtype, seed=self.seed_generator)
        return kernels.prelu(inputs, slopes)

    def get_config(self) -> dict[str, Any]:
        """What the layer is made again from."""
        return {**super().get_config(), "low": self.low, "high": self.high, "seed": self.seed}


def _seed_unmoved() -> int:
    """A seed from the state of Python's `random`, which stays as it is.

    Keras draws its default seeds from there. The number it draws next seeds the weights of the layer that comes
    next, so the seed here is made from that number, not equal to it.
    """
    state = random.Random()
    state.setstate(random.getstate())
    return random.Random(state.getrandbits(64)).getrandbits(31)
