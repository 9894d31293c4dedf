"""Activation functions on tensors, built from TensorFlow's fused kernels, with handwritten gradients.

The kernels of the gradients (`EluGrad`, `LeakyReluGrad`, `ReluGrad`) exist only in TensorFlow, so this module does
not use `keras.ops`. Each function keeps one or two tensors for its gradient, and is faster than automatic
differentiation of the same formula; `benchmarks/layers.py` measures by how much.

Constants are Python numbers. Learned parameters are tensors that broadcast against the input from the right: a
scalar, one number for each channel, or one for each element. Computations use the precision of the input; the
gradients of parameters are summed in the precision of the parameters. `LeakyRelu` receives its constant in single
precision, whatever the precision of the input.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

Tensor = Any
Gradient = Callable[..., Any]


def exponential(x: Tensor, *, scale: float = 1.0, alpha: float = 1.0, beta: float = 1.0) -> Tensor:
    """λ·x for x > 0, λ·α·(exp(β·x) - 1) below, for constants λ (`scale`), α and β above zero."""

    @tf.custom_gradient
    def function(x: Tensor) -> tuple[Tensor, Gradient]:
        e = tf.nn.elu(_below(x, beta))

        def gradient(dy: Tensor) -> Tensor:
            return _times(_elu_grad(_below_grad(dy, e, alpha * beta), e), scale)

        return _times(_below(e, alpha), scale), gradient

    return function(x)


def leaky_exponential(x: Tensor, *, scale: float, alpha: float, slope: float) -> Tensor:
    """λ·x for x > 0, λ·(α·(exp(x) - 1) + slope·x) below, for constants; 0 ≤ slope < 1.

    It is λ·(slope·x + (1 - slope)·u) with u = x above and α/(1 - slope)·(exp(x) - 1) below. The derivative below
    is λ·(α + slope)·(1 + α/(α + slope)·(exp(x) - 1)), which `EluGrad` computes.
    """

    @tf.custom_gradient
    def function(x: Tensor) -> tuple[Tensor, Gradient]:
        e = tf.nn.elu(x)

        def gradient(dy: Tensor) -> Tensor:
            inner = _below(e, alpha / (alpha + slope))
            return _times(_elu_grad(_below_grad(dy, e, alpha + slope), inner), scale)

        curved = _times(_below(e, alpha / (1.0 - slope)), scale * (1.0 - slope))
        return curved + _times(x, scale * slope), gradient

    return function(x)


def serlu(x: Tensor, *, scale: float, alpha: float) -> Tensor:
    """λ·x for x > 0, λ·α·x·exp(x) below, for constants. The derivative below is λ·α·(1 + x)·exp(x)."""

    @tf.custom_gradient
    def function(x: Tensor) -> tuple[Tensor, Gradient]:
        decay = tf.exp(tf.minimum(x, 0))

        def gradient(dy: Tensor) -> Tensor:
            return _times(_below_grad(_elu_grad(dy * decay, x), x, alpha), scale)

        return _times(_below(x * decay, alpha), scale), gradient

    return function(x)


@tf.custom_gradient
def prelu(x: Tensor, slope: Tensor) -> tuple[Tensor, Gradient]:
    """x for x > 0, slope·x below."""
    s = tf.cast(slope, x.dtype)

    def gradient(dy: Tensor) -> tuple[Tensor, Tensor]:
        above = _relu_grad(dy, x)
        return above + s * (dy - above), _summed(tf.minimum(x, 0) * dy, slope)

    return tf.nn.relu(x) + s * tf.minimum(x, 0), gradient


@tf.custom_gradient
def pelu(x: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Gradient]:
    """(a/b)·x for x ≥ 0, a·(exp(x/b) - 1) below, for a and b above zero."""
    amplitude, width = tf.cast(a, x.dtype), tf.cast(b, x.dtype)
    e = tf.nn.elu(x / width)

    def gradient(dy: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        inner = _elu_grad(dy, e)
        return (
            (amplitude / width) * inner,
            _summed(e * dy, a),
            -a / tf.square(b) * _summed(inner * x, b),
        )

    return amplitude * e, gradient


@tf.custom_gradient
def mpelu(x: Tensor, alpha: Tensor, beta: Tensor) -> tuple[Tensor, Gradient]:
    """x for x ≥ 0, α·(exp(β·x) - 1) below, for β above zero."""
    a, b = tf.cast(alpha, x.dtype), tf.cast(beta, x.dtype)
    e = tf.nn.elu(b * tf.minimum(x, 0))

    def gradient(dy: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        above = _relu_grad(dy, x)
        below = _elu_grad(dy - above, e)
        return above + (a * b) * below, _summed(e * dy, alpha), alpha * _summed(below * x, beta)

    return tf.nn.relu(x) + a * e, gradient


@tf.custom_gradient
def parametric_selu(x: Tensor, scale: Tensor, alpha: Tensor) -> tuple[Tensor, Gradient]:
    """λ·x for x ≥ 0, λ·α·(exp(x) - 1) below, with λ the `scale`."""
    s, a = tf.cast(scale, x.dtype), tf.cast(alpha, x.dtype)
    e = tf.nn.elu(x)

    def gradient(dy: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        above = _relu_grad(dy, e)
        sum_below = _summed(tf.minimum(e, 0) * dy, alpha)
        return (
            _elu_grad((s * a) * dy, e) + (s * (1 - a)) * above,
            _summed(above * e, scale) + alpha * sum_below,
            scale * sum_below,
        )

    return s * (e + (a - 1) * tf.minimum(e, 0)), gradient


def _below(x: Tensor, factor: float) -> Tensor:
    """Multiplies values below zero by the factor."""
    return x if factor == 1.0 else tf.nn.leaky_relu(x, factor)


def _below_grad(dy: Tensor, x: Tensor, factor: float) -> Tensor:
    """Multiplies `dy` by the factor where x is zero or below."""
    return dy if factor == 1.0 else tf.raw_ops.LeakyReluGrad(gradients=dy, features=x, alpha=factor)


def _relu_grad(dy: Tensor, x: Tensor) -> Tensor:
    """Returns `dy` where x is above zero, else 0."""
    return tf.raw_ops.ReluGrad(gradients=dy, features=x)


def _elu_grad(dy: Tensor, y: Tensor) -> Tensor:
    """Returns dy·(1 + y) where y is below zero, else `dy`."""
    return tf.raw_ops.EluGrad(gradients=dy, outputs=y)


def _times(x: Tensor, factor: float) -> Tensor:
    return x if factor == 1.0 else x * factor


def _summed(product: Tensor, parameter: Tensor) -> Tensor:
    """Sums over the axes along which the parameter was broadcast, in the precision of the parameter."""
    product = tf.cast(product, parameter.dtype)
    rank = parameter.shape.rank
    if rank == 0:
        return tf.reduce_sum(product)
    if rank == product.shape.rank:
        return product
    if rank > 1 and all(size == 1 for size in parameter.shape[1:]):  # channels first
        summed = tf.reduce_sum(product, axis=[0, *range(2, product.shape.rank)])
        return tf.reshape(summed, parameter.shape)
    if rank == 1:
        # The kernel for the gradient of a bias; reduce_sum takes twice as long.
        return tf.raw_ops.BiasAddGrad(out_backprop=product)
    return tf.reduce_sum(product, axis=0)
