"""Activation layers for Keras. Importing this registers them, so that saved models with them load."""

from actsearch.layers.base import LearnedActivation, decay_free_variables, exclude_from_weight_decay
from actsearch.layers.elu import CELU, ELU, MPELU, PELU
from actsearch.layers.function import FunctionActivation
from actsearch.layers.prelu import LeakyReLU, PReLU, RReLU
from actsearch.layers.selu import SELU, SERLU, LeakySELU, ParametricSELU, ScaledSELU

__all__ = [
    "CELU",
    "ELU",
    "FunctionActivation",
    "LeakyReLU",
    "LeakySELU",
    "LearnedActivation",
    "MPELU",
    "PELU",
    "PReLU",
    "ParametricSELU",
    "RReLU",
    "SELU",
    "SERLU",
    "ScaledSELU",
    "decay_free_variables",
    "exclude_from_weight_decay",
]
