"""All activations that come with actsearch: formula, paper, parameters and the layer that computes each.

AlphaDropout goes with those that map mean 0 and variance 1 to mean 0 and variance 1 before training: the SELU
family. For `leaky_selu` and `scaled_selu` that holds for every value of their parameter.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from actsearch.activations import functions as f
from actsearch.activations.activation import Activation, Parameter


def _keras(name: str) -> Callable[..., Any]:
    """Makes a layer of the function of that name in `keras.activations`."""

    def make(**parameters: float) -> Any:
        import keras

        if not parameters:
            return keras.layers.Activation(name)
        layers = import_module("actsearch.layers")
        return layers.FunctionActivation(getattr(keras.activations, name), parameters)

    return make


def _ours(name: str) -> Callable[..., Any]:
    """Makes the layer of that name in `actsearch.layers`."""

    def make(**parameters: float) -> Any:
        return getattr(import_module("actsearch.layers"), name)(**parameters)

    return make


def _plain(family: str, name: str, formula: str, reference: str, *kinks: float) -> Activation:
    """A function without parameters that has the same name here and in Keras."""
    return Activation(name, family, formula, reference, getattr(f, name), _keras(name), kinks=kinks)


def _both_sides(threshold: float) -> tuple[float, ...]:
    return (-threshold, threshold)


LINEAR = (_plain("linear", "linear", "x", "the identity"),)

RELU = (
    _plain("relu", "relu", "max(0, x)", "Nair & Hinton 2010", 0.0),
    _plain("relu", "relu6", "min(max(0, x), 6)", "Krizhevsky 2010", 0.0, 6.0),
)

PRELU = (
    Activation(
        "leaky_relu",
        "prelu",
        "x for x ≥ 0, slope·x below",
        "Maas et al. 2013",
        f.leaky_relu,
        _ours("LeakyReLU"),
        {"slope": Parameter(0.01, 0.0, 1.0, "slope below zero")},
    ),
    Activation(
        "prelu",
        "prelu",
        "x for x ≥ 0, slope·x below, slope learned",
        "He et al. 2015, arXiv 1502.01852",
        f.leaky_relu,
        _ours("PReLU"),
        {"slope": Parameter(0.25, 0.0, 1.0, "slope below zero at the start")},
        learns=True,
    ),
    Activation(
        "rrelu",
        "prelu",
        "x for x ≥ 0, slope·x below, slope ~ U(low, high) in training, (low + high)/2 in inference",
        "Xu et al. 2015, arXiv 1505.00853",
        f.rrelu,
        _ours("RReLU"),
        {
            "low": Parameter(1 / 8, 0.0, 1.0, "smallest slope below zero in training"),
            "high": Parameter(1 / 3, 0.0, 1.0, "largest slope below zero in training"),
        },
    ),
)

ELU = (
    Activation(
        "elu",
        "elu",
        "x for x ≥ 0, α·(exp(x) - 1) below",
        "Clevert et al. 2015, arXiv 1511.07289",
        f.elu,
        _ours("ELU"),
        {"alpha": Parameter(1.0, 0.1, 2.0, "α: it levels out at -α")},
    ),
    Activation(
        "pelu",
        "elu",
        "(a/b)·x for x ≥ 0, a·(exp(x/b) - 1) below, a and b learned",
        "Trottier et al. 2016, arXiv 1605.09332",
        f.pelu,
        _ours("PELU"),
        {
            "a": Parameter(1.0, 0.1, 2.0, "a at the start: it levels out at -a"),
            "b": Parameter(1.0, 0.1, 2.0, "b at the start: how slowly it levels out"),
        },
        learns=True,
    ),
    Activation(
        "mpelu",
        "elu",
        "x for x ≥ 0, α·(exp(β·x) - 1) below, α and β learned",
        "Li et al. 2016, arXiv 1606.00305",
        f.mpelu,
        _ours("MPELU"),
        {
            "alpha": Parameter(1.0, 0.1, 2.0, "α at the start: it levels out at -α"),
            "beta": Parameter(1.0, 0.1, 2.0, "β at the start: how fast it levels out"),
        },
        learns=True,
    ),
    Activation(
        "celu",
        "elu",
        "x for x ≥ 0, α·(exp(x/α) - 1) below",
        "Barron 2017, arXiv 1704.07483",
        f.celu,
        _ours("CELU"),
        {"alpha": Parameter(1.0, 0.1, 2.0, "α: it levels out at -α")},
    ),
)

SELU = (
    Activation(
        "selu",
        "selu",
        "λ·x for x ≥ 0, λ·α·(exp(x) - 1) below, λ = 1.0507, α = 1.6733",
        "Klambauer et al. 2017, arXiv 1706.02515",
        f.selu,
        _ours("SELU"),
        alpha_dropout=True,
    ),
    Activation(
        "leaky_selu",
        "selu",
        "λ·x for x ≥ 0, λ·(α·(exp(x) - 1) + slope·x) below, λ and α from slope",
        "lSELU of Chen et al. 2020, λ and α by SELU's conditions",
        f.leaky_selu,
        _ours("LeakySELU"),
        {"slope": Parameter(0.1, 0.0, 0.5, "slope of the line below zero; 0 is SELU")},
        alpha_dropout=True,
    ),
    Activation(
        "scaled_selu",
        "selu",
        "λ·x for x ≥ 0, λ·α·(exp(β·x) - 1) below, λ and α from β",
        "sSELU of Chen et al. 2020, λ and α by SELU's conditions",
        f.scaled_selu,
        _ours("ScaledSELU"),
        {"beta": Parameter(0.8, 0.1, 2.0, "β: how fast it levels out; 1 is SELU")},
        alpha_dropout=True,
    ),
    Activation(
        "serlu",
        "selu",
        "λ·x for x ≥ 0, λ·α·x·exp(x) below, λ = 1.0786, α = 2.9043",
        "Zhang & Li 2018, arXiv 1807.10117",
        f.serlu,
        _ours("SERLU"),
        alpha_dropout=True,
    ),
    Activation(
        "parametric_selu",
        "selu",
        "λ·x for x ≥ 0, λ·α·(exp(x) - 1) below, λ and α learned",
        "Klambauer et al. 2017, arXiv 1706.02515, with its two numbers learned",
        f.parametric_selu,
        _ours("ParametricSELU"),
        {
            "scale": Parameter(f.SELU_SCALE, 0.5, 2.0, "λ at the start: slope above zero"),
            "alpha": Parameter(f.SELU_ALPHA, 0.5, 3.0, "α at the start: it levels out at -λ·α"),
        },
        learns=True,
        alpha_dropout=True,
    ),
)

SIGMOID = (
    _plain("sigmoid", "sigmoid", "1/(1 + exp(-x))", "the logistic function"),
    _plain(
        "sigmoid",
        "hard_sigmoid",
        "min(max(0, x/6 + 1/2), 1)",
        "Howard et al. 2019, arXiv 1905.02244",
        -3.0,
        3.0,
    ),
    _plain(
        "sigmoid",
        "sparse_sigmoid",
        "min(max(0, (x + 1)/2), 1)",
        "Blondel et al. 2019, arXiv 1901.02324",
        -1.0,
        1.0,
    ),
    _plain("sigmoid", "tanh", "tanh(x)", "LeCun et al. 1998"),
    _plain("sigmoid", "hard_tanh", "min(max(-1, x), 1)", "Collobert 2004", -1.0, 1.0),
    _plain("sigmoid", "softsign", "x/(1 + |x|)", "Turian et al. 2009", 0.0),
)

SMOOTH = (
    _plain("smooth", "softplus", "log(1 + exp(x))", "Dugas et al. 2001"),
    Activation(
        "squareplus",
        "smooth",
        "(x + √(x² + b))/2",
        "Barron 2021, arXiv 2112.11687",
        f.squareplus,
        _keras("squareplus"),
        {"b": Parameter(4.0, 0.1, 8.0, "b: how wide the bend at zero is")},
        kinks=(),
    ),
    _plain(
        "smooth",
        "sparse_plus",
        "(x + 1)²/4 for |x| < 1, else max(0, x)",
        "Blondel et al. 2019, arXiv 1901.02324",
        -1.0,
        1.0,
    ),
    _plain("smooth", "silu", "x/(1 + exp(-x))", "Ramachandran et al. 2017, arXiv 1710.05941"),
    _plain(
        "smooth",
        "hard_silu",
        "x·min(max(0, x/6 + 1/2), 1)",
        "Howard et al. 2019, arXiv 1905.02244",
        -3.0,
        3.0,
    ),
    _plain("smooth", "gelu", "x·Φ(x), Φ of the normal distribution", "Hendrycks & Gimpel 2016, arXiv 1606.08415"),
    _plain("smooth", "mish", "x·tanh(log(1 + exp(x)))", "Misra 2019, arXiv 1908.08681"),
    _plain("smooth", "log_sigmoid", "-log(1 + exp(-x))", "the logarithm of the logistic function"),
)

SHRINK = (
    Activation(
        "soft_shrink",
        "shrink",
        "sign(x)·max(0, |x| - threshold)",
        "Donoho 1995",
        f.soft_shrink,
        _keras("soft_shrink"),
        {"threshold": Parameter(0.5, 0.1, 1.0, "largest absolute value that becomes 0")},
        kinks=_both_sides,
    ),
    Activation(
        "hard_shrink",
        "shrink",
        "x for |x| > threshold, else 0",
        "Donoho & Johnstone 1994",
        f.hard_shrink,
        _keras("hard_shrink"),
        {"threshold": Parameter(0.5, 0.1, 1.0, "largest absolute value that becomes 0")},
        kinks=_both_sides,
    ),
    _plain("shrink", "tanh_shrink", "x - tanh(x)", "PyTorch's Tanhshrink"),
)

ENTRIES = (*LINEAR, *RELU, *PRELU, *ELU, *SELU, *SIGMOID, *SMOOTH, *SHRINK)
