"""Self-normalising units: inputs with mean 0 and variance 1 give outputs with mean 0 and variance 1.

They need LeCun's initializer (variance 1/fan-in); the constants hold for normally distributed inputs.
"""

import math
from typing import Any

import keras

from actsearch.errors import UsageError
from actsearch.layers import kernels
from actsearch.layers.base import ActivationLayer, LearnedActivation, check_positive
from actsearch.layers.sharing import Sharing

__all__ = ["SELU", "SERLU", "LeakySELU", "ParametricSELU", "ScaledSELU"]

SELU_SCALE = 1.0507009873554805
SELU_ALPHA = 1.6732632423543772
SERLU_SCALE = 1.0786182835772267
SERLU_ALPHA = 2.9042712333296916


@keras.saving.register_keras_serializable(package="actsearch")
class SELU(ActivationLayer):
    """Scaled ELU.

    f(x) = λ·x for x ≥ 0, λ·α·(exp(x) - 1) below, λ = 1.0507009873554805, α = 1.6732632423543772

    Args:
        **kwargs: `name` and `dtype`, as for every Keras layer.

    Input and output: any shape; the output has the shape of the input.

    Source: Klambauer et al. 2017, arXiv 1706.02515; use it with `keras.layers.AlphaDropout`.

    Example:

    >>> import numpy as np
    >>> SELU()(np.array([-1e4, 0.0, 1.0])).numpy().round(4)
    array([-1.7581,  0.    ,  1.0507], dtype=float32)
    """

    def call(self, inputs: Any) -> Any:
        """Computes the activation."""
        return keras.ops.selu(inputs)


@keras.saving.register_keras_serializable(package="actsearch")
class LeakySELU(ActivationLayer):
    """Leaky SELU (lSELU): does not level out below zero.

    f(x) = λ·x for x ≥ 0, λ·(α·(exp(x) - 1) + slope·x) below

    λ and α are derived from the slope by SELU's conditions, mean 0 and variance 1; slope 0 is SELU. The paper instead
    solves for all three numbers under a bound on the gradient, which depends on the depth of the network; the
    default slope is our choice.

    Args:
        slope: The slope of the linear part below zero, 0 ≤ slope < 1.
        scale: λ; if omitted, it is derived from the slope.
        alpha: α; if omitted, it is derived from the slope.
        **kwargs: `name` and `dtype`, as for every Keras layer.

    Input and output: any shape; the output has the shape of the input.

    Raises:
        UsageError: The slope is not in [0, 1), or λ or α is not above 0.

    Source: Chen et al. 2020, Redefining the Self-Normalization Property (openreview.net, gfwfOskyzSx).

    Example:

    >>> import numpy as np
    >>> LeakySELU(0.1)(np.array([-10.0, 0.0, 1.0])).numpy().round(4)
    array([-2.6233,  0.    ,  1.0468], dtype=float32)
    """

    def __init__(
        self, slope: float = 0.1, *, scale: float | None = None, alpha: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= slope < 1:
            raise UsageError(f"LeakySELU got slope={slope!r}; expected 0 ≤ slope < 1.")
        fitting_scale, fitting_alpha = _leaky_selu_constants(slope)
        self.slope = slope
        self.scale = fitting_scale if scale is None else scale
        self.alpha = fitting_alpha if alpha is None else alpha
        check_positive("LeakySELU", scale=self.scale, alpha=self.alpha)

    def call(self, inputs: Any) -> Any:
        """Computes the activation."""
        return kernels.leaky_exponential(inputs, scale=self.scale, alpha=self.alpha, slope=self.slope)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration of the layer."""
        numbers = {"slope": self.slope, "scale": self.scale, "alpha": self.alpha}
        return {**super().get_config(), **numbers}


@keras.saving.register_keras_serializable(package="actsearch")
class ScaledSELU(ActivationLayer):
    """Scaled SELU (sSELU): SELU with a factor β that sets how fast it levels out.

    f(x) = λ·x for x ≥ 0, λ·α·(exp(β·x) - 1) below

    λ and α are derived from β by SELU's conditions, mean 0 and variance 1; β = 1 is SELU, and with a smaller β the
    gradient grows less from layer to layer. The paper instead solves for all three numbers under a bound on that
    growth, which depends on the depth of the network; the default β is our choice.

    Args:
        beta: β, above 0.
        scale: λ; if omitted, it is derived from β.
        alpha: α; if omitted, it is derived from β.
        **kwargs: `name` and `dtype`, as for every Keras layer.

    Input and output: any shape; the output has the shape of the input.

    Raises:
        UsageError: β, λ or α is not above 0.

    Source: Chen et al. 2020, Redefining the Self-Normalization Property (openreview.net, gfwfOskyzSx).

    Example:

    >>> import numpy as np
    >>> ScaledSELU(0.8)(np.array([-1e4, 0.0, 1.0])).numpy().round(4)
    array([-2.0007,  0.    ,  1.0444], dtype=float32)
    """

    def __init__(
        self, beta: float = 0.8, *, scale: float | None = None, alpha: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_positive("ScaledSELU", beta=beta)
        fitting_scale, fitting_alpha = _scaled_selu_constants(beta)
        self.beta = beta
        self.scale = fitting_scale if scale is None else scale
        self.alpha = fitting_alpha if alpha is None else alpha
        check_positive("ScaledSELU", scale=self.scale, alpha=self.alpha)

    def call(self, inputs: Any) -> Any:
        """Computes the activation."""
        return kernels.exponential(inputs, scale=self.scale, alpha=self.alpha, beta=self.beta)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration of the layer."""
        numbers = {"beta": self.beta, "scale": self.scale, "alpha": self.alpha}
        return {**super().get_config(), **numbers}


@keras.saving.register_keras_serializable(package="actsearch")
class SERLU(ActivationLayer):
    """Scaled exponentially-regularised linear unit: a bump below zero that decays to zero.

    f(x) = λ·x for x ≥ 0, λ·α·x·exp(x) below, λ = 1.0786182835772267, α = 2.9042712333296916

    Args:
        **kwargs: `name` and `dtype`, as for every Keras layer.

    Input and output: any shape; the output has the shape of the input.

    Source: Zhang & Li 2018, arXiv 1807.10117; the constants follow from its conditions, to full precision.

    Example:

    >>> import numpy as np
    >>> SERLU()(np.array([-1e4, -1.0, 1.0])).numpy().round(4)
    array([-0.    , -1.1524,  1.0786], dtype=float32)
    """

    def call(self, inputs: Any) -> Any:
        """Computes the activation."""
        return kernels.serlu(inputs, scale=SERLU_SCALE, alpha=SERLU_ALPHA)


@keras.saving.register_keras_serializable(package="actsearch")
class ParametricSELU(LearnedActivation):
    """SELU with learned λ and α; it is SELU before training.

    f(x) = λ·x for x ≥ 0, λ·α·(exp(x) - 1) below

    Args:
        scale: λ before training.
        alpha: α before training.
        sharing: One λ and one α for each `"channel"` (the last axis), `"layer"` or `"element"`.
        **kwargs: `axis` as for `LearnedActivation`; `name`, `dtype` and `trainable`, as for every Keras layer.

    Input and output: any shape of rank 2 or more; the output has the shape of the input.

    Source: Klambauer et al. 2017, arXiv 1706.02515, with both constants learned.

    Example:

    >>> import numpy as np
    >>> ParametricSELU()(np.array([[-1e4, 0.0, 1.0]])).numpy().round(4)
    array([[-1.7581,  0.    ,  1.0507]], dtype=float32)
    """

    def __init__(
        self,
        scale: float = SELU_SCALE,
        alpha: float = SELU_ALPHA,
        *,
        sharing: Sharing = "channel",
        **kwargs: Any,
    ) -> None:
        super().__init__({"scale": scale, "alpha": alpha}, sharing=sharing, **kwargs)

    def call(self, inputs: Any) -> Any:
        """Computes the activation."""
        return kernels.parametric_selu(inputs, *self.parameters)


MEAN_ABOVE = 1 / math.sqrt(2 * math.pi)


def _leaky_selu_constants(slope: float) -> tuple[float, float]:
    """Returns λ and α for which E f(z) = 0 and E f(z)² = 1, with z ~ N(0, 1)."""
    alpha = (1 - slope) * MEAN_ABOVE / (0.5 - _mean_below(1))
    curved = alpha**2 * (_mean_below(2) - 2 * _mean_below(1) + 0.5)
    linear = slope**2 / 2 + 2 * alpha * slope * _mean_below(1)
    return (0.5 + curved + linear) ** -0.5, alpha


def _scaled_selu_constants(beta: float) -> tuple[float, float]:
    """Returns λ and α for which E f(z) = 0 and E f(z)² = 1, with z ~ N(0, 1)."""
    alpha = MEAN_ABOVE / (0.5 - _mean_below(beta))
    below = alpha**2 * (_mean_below(2 * beta) - 2 * _mean_below(beta) + 0.5)
    return (0.5 + below) ** -0.5, alpha


def _mean_below(k: float) -> float:
    """Returns E exp(k·z) over z < 0, z ~ N(0, 1), which is exp(k²/2)·Φ(-k)."""
    return 0.5 * math.exp(k * k / 2) * math.erfc(k / math.sqrt(2))
