"""Gaussian moments of an activation by quadrature, the basis of matched initializers.

With z ~ N(0, 1) and wide layers whose weights have variance 1 / (fan_in · E f(z)²), the second moment of the
inputs of each activation stays 1 over depth; the squared gradient is multiplied by E f′(z)² / E f(z)² in each
layer (arXiv 1502.01852 for ReLU, arXiv 1606.05340 in general).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from actsearch._typing import Array
from actsearch.activations.activation import Activation
from actsearch.activations.registry import get
from actsearch.errors import UsageError

# Beyond 12 standard deviations the density is below 1e-31. The inner cuts ensure that the first estimate does not
# miss a narrow feature near zero.
REACH = 12.0
CUTS = (-4.0, -2.0, 0.0, 2.0, 4.0)
MAX_SUBDIVISIONS = 200
PROBE = np.array([0.5])


@dataclass(frozen=True)
class _Squares:
    """f(z)² and f′(z)² at points `(n,)`, averaged over units, and their relative precision."""

    values: Callable[[Array], Array]
    slopes: Callable[[Array], Array]
    kinks: tuple[float, ...]
    precision: float


def second_moment(function: Any, *, kinks: tuple[float, ...] = (0.0,)) -> float:
    """Computes E f(z)² of a function of one number, z ~ N(0, 1).

    Args:
        function: An `Activation` or its name, a NumPy function, a function written with `keras.ops`, or a Keras
            layer, which is evaluated in inference and averaged over its units.
        kinks: The points where the function or its derivative jumps; ignored for an `Activation`, which defines its
            own. Omitting a jump costs time, not accuracy.

    Returns:
        The moment, with a relative error of 1e-9 for a function in float64 and 1e-6 for one in float32. It is
        infinite if the integral diverges, and NaN if the function is NaN within 12 standard deviations.

    Raises:
        UsageError: `function` is none of these.
        UnknownNameError: No activation has this name.

    Example:

    >>> round(second_moment("relu"), 9)
    0.5
    >>> round(second_moment("selu"), 6)
    1.0
    """
    squares = _squares(function, kinks)
    return _gaussian_mean(squares.values, squares.kinks, squares.precision)


def slope_second_moment(function: Any, *, kinks: tuple[float, ...] = (0.0,)) -> float:
    """Computes E f′(z)² of a function of one number, z ~ N(0, 1); jumps of the function itself do not count.

    Args:
        function: As for `second_moment`. The derivative is numerical for NumPy, and from a gradient tape for Keras.
        kinks: As for `second_moment`, but here omitting a kink costs accuracy, up to 1e-3 of the value.

    Returns:
        The moment, with a relative error of 1e-8 for a function in float64 and 1e-4 for one in float32.

    Raises:
        UsageError: `function` is none of these.
        UnknownNameError: No activation has this name.

    Example:

    >>> round(slope_second_moment("tanh"), 5)
    0.4644
    """
    squares = _squares(function, kinks)
    return _gaussian_mean(squares.slopes, squares.kinks, 100 * squares.precision)


def _gaussian_mean(integrand: Callable[[Array], Array], kinks: tuple[float, ...], precision: float) -> float:
    from scipy.integrate import cubature

    def weighted(points: Array) -> Array:
        z = points[:, 0]
        return integrand(z) * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    splits = {round(k, 12) for k in kinks if abs(k) < REACH}
    splits |= {cut for cut in CUTS if all(abs(cut - k) > 0.1 for k in splits)}
    with np.errstate(all="ignore"):
        mean = cubature(
            weighted,
            [-REACH],
            [REACH],
            points=[[split] for split in sorted(splits)],
            rtol=precision,
            atol=0.0,
            max_subdivisions=MAX_SUBDIVISIONS,
        ).estimate
        edges = weighted(np.array([[-REACH], [REACH]])).max()
    return math.inf if edges > 1e-9 * mean else float(mean)


def _squares(function: Any, kinks: tuple[float, ...]) -> _Squares:
    """Returns the squares of any kind of function; a call at `PROBE` shows whether it is NumPy's or Keras's."""
    if isinstance(function, str):
        function = get(function)
    if isinstance(function, Activation):
        values = partial(function.function, **function.values())
        if values(PROBE).dtype == np.float64:
            return _of_numpy(values, function.kinks_at())
        return _of_layer(function.layer(), function.kinks_at())
    if hasattr(function, "get_config"):
        return _of_layer(function, kinks)
    if not callable(function):
        raise UsageError(
            f"Cannot compute the moments of {function!r}; expected an Activation or its name, a function of an array "
            "or a tensor, or a Keras layer."
        )
    if isinstance(function(PROBE.astype(np.float32)), np.ndarray | np.generic | float | int):
        return _of_numpy(function, kinks)
    return _of_keras(function, (1,), kinks)


def _of_numpy(function: Callable[[Array], Any], kinks: tuple[float, ...]) -> _Squares:
    from scipy.differentiate import derivative

    def values(z: Array) -> Array:
        return np.broadcast_to(function(z), z.shape)

    precision = max(1e-11, 10 * _epsilon(values(PROBE)))

    def slopes(z: Array) -> Array:
        """Differentiates by central differences of order 8 that do not cross a kink."""
        room = np.min([np.abs(z - k) for k in kinks], axis=0) if kinks else np.inf
        step = np.minimum(0.25, 0.99 * room)
        tolerances = {"rtol": precision, "atol": precision}
        return derivative(values, z, initial_step=step, order=8, tolerances=tolerances).df

    return _Squares(lambda z: values(z) ** 2, lambda z: slopes(z) ** 2, kinks, precision)


def _of_layer(layer: Any, kinks: tuple[float, ...]) -> _Squares:
    """Evaluates a layer in inference, using a copy if the layer is not built yet."""
    if not layer.built:
        layer = layer.__class__.from_config(layer.get_config())
    shape = (layer.get_build_config() or {}).get("input_shape") or (None, 1)
    units = tuple(1 if n is None else int(n) for n in shape[1:])
    return _of_keras(lambda x: layer(x, training=False), units, kinks)


def _of_keras(call: Callable[[Any], Any], units: tuple[int, ...], kinks: tuple[float, ...]) -> _Squares:
    """Evaluates a Keras function in float32; each unit of the shape `units` receives the same points."""
    import keras
    import tensorflow as tf

    def tensor(z: Array) -> Any:
        each = z.reshape(-1, *(1 for _ in units))
        return tf.constant(np.broadcast_to(each, (len(z), *units)), dtype=tf.float32)

    def mean_squares(y: Any) -> Array:
        squares = keras.ops.convert_to_numpy(y).astype(np.float64) ** 2
        return squares.reshape(len(squares), -1).mean(axis=1)

    def slopes(z: Array) -> Any:
        x = tensor(z)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = call(x)
        return tape.gradient(y, x, unconnected_gradients="zero")

    def values(z: Array) -> Any:
        return keras.ops.convert_to_numpy(call(tensor(z)))

    precision = 10 * _epsilon(values(PROBE))
    return _Squares(lambda z: mean_squares(values(z)), lambda z: mean_squares(slopes(z)), kinks, precision)


def _epsilon(values: Array) -> float:
    """Returns the relative spacing of floats in the values' precision; integers count as exact."""
    return float(np.finfo(values.dtype).eps) if np.issubdtype(values.dtype, np.floating) else 0.0
