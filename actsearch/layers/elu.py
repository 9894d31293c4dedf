"""Exponential linear units: a line above zero, a saturating exponential below."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras

from actsearch.layers import kernels
from actsearch.layers.base import ActivationLayer, LearnedActivation, check_positive
from actsearch.layers.sharing import Sharing

__all__ = ["CELU", "ELU", "MPELU", "PELU"]


@keras.saving.register_keras_serializable(package="actsearch")
class ELU(ActivationLayer):
    """Exponential linear unit.

    f(x) = x for x ≥ 0, α·(exp(x) - 1) below

    Args:
        alpha: α, above 0: it levels out at -α.
        **kwargs: `name` and `dtype`, as for every Keras layer.

    Input and output: any shape; the output has the shape of the input.

    Raises:
        UsageError: `alpha` is not above 0.

    Source: Clevert et al. 2015, arXiv 1511.07289.

    Example:

    >>> import numpy as np
    >>> ELU(2.0)(np.array([-1e4, 0.0, 2.0])).numpy().tolist()
    [-2.0, 0.0, 2.0]
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_positive("ELU", alpha=alpha)
        self.alpha = alpha

    def call(self, inputs: Any) -> Any:
        """Computes the activation."""
        return kernels.exponential(inputs, alpha=self.alpha)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration of the layer."""
        return {**super().get_config(), "alpha": self.alpha}


@keras.saving.register_keras_serializable(package="actsearch")
class CELU(ActivationLayer):
    """ELU with a derivative that is continuous for every α.

    f(x) = x for x ≥ 0, α·(exp(x/α) - 1) below

    Args:
        alpha: α, above 0: it levels out at -α.
        **kwargs: `name` and `dtype`, as for every Keras layer.

    Input and output: any shape; the output has the shape of the input.

    Raises:
        UsageError: `alpha` is not above 0.

    Source: Barron 2017, arXiv 1704.07483.

    Example:

    >>> import numpy as np
    >>> CELU(2.0)(np.array([-1e4, 0.0, 2.0])).numpy().tolist()
    [-2.0, 0.0, 2.0]
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_positive("CELU", alpha=alpha)
        self.alpha = alpha

    def call(self, inputs: Any) -> Any:
        """Computes the activation."""
        return kernels.exponential(inputs, alpha=self.alpha, beta=1 / self.alpha)

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration of the layer."""
        return {**super().get_config(), "alpha": self.alpha}


@keras.saving.register_keras_serializable(package="actsearch")
class PELU(LearnedActivation):
    """Parametric ELU: learns both sides and keeps the derivative continuous.

    f(x) = (a/b)·x for x ≥ 0, a·(exp(x/b) - 1) below

    Args:
        a: a before training; it levels out at -a. Never below 0.1, as in the paper.
        b: b before training; the larger it is, the more slowly the function levels out. Never below 0.1.
        sharing: One a and one b for each `"channel"` (the last axis), `"layer"` or `"element"`.
        **kwargs: `axis` as for `LearnedActivation`; `name`, `dtype` and `trainable`, as for every Keras layer.

    Input and output: any shape of rank 2 or more; the output has the shape of the input.

    Source: Trottier et al. 2016, arXiv 1605.09332.

    Example:

    >>> import numpy as np
    >>> PELU(3.0, 2.0)(np.array([[-1e4, 0.0, 2.0]])).numpy().tolist()
    [[-3.0, 0.0, 3.0]]
    """

    smallest: ClassVar[Mapping[str, float]] = {"a": 0.1, "b": 0.1}

    def __init__(self, a: float = 1.0, b: float = 1.0, *, sharing: Sharing = "channel", **kwargs: Any) -> None:
        super().__init__({"a": a, "b": b}, sharing=sharing, **kwargs)

    def call(self, inputs: Any) -> Any:
        """Computes the activation."""
        return kernels.pelu(inputs, *self.parameters)


@keras.saving.register_keras_serializable(package="actsearch")
class MPELU(LearnedActivation):
    """Multiple parametric ELU: learns the side below zero, from ReLU through PReLU-like shapes to ELU.

    f(x) = x for x ≥ 0, α·(exp(β·x) - 1) below

    Args:
        alpha: α before training; it levels out at -α.
        beta: β before training; the larger it is, the faster the function levels out. Never below 0.01.
        sharing: One α and one β for each `"channel"` (the last axis), `"layer"` or `"element"`.
        **kwargs: `axis` as for `LearnedActivation`; `name`, `dtype` and `trainable`, as for every Keras layer.

    Input and output: any shape of rank 2 or more; the output has the shape of the input.

    Source: Li et al. 2016, arXiv 1606.00305.

    Example:

    >>> import numpy as np
    >>> MPELU(0.5, 2.0)(np.array([[-1e4, 0.0, 2.0]])).numpy().tolist()
    [[-0.5, 0.0, 2.0]]
    """

    smallest: ClassVar[Mapping[str, float]] = {"beta": 0.01}

    def __init__(self, alpha: float = 1.0, beta: float = 1.0, *, sharing: Sharing = "channel", **kwargs: Any) -> None:
        super().__init__({"alpha": alpha, "beta": beta}, sharing=sharing, **kwargs)

    def call(self, inputs: Any) -> Any:
        """Computes the activation."""
        return kernels.mpelu(inputs, *self.parameters)
