"""The catalogue of activations: what each is, how one is added, and what initializer matches it."""

from actsearch.activations.activation import Activation, Parameter
from actsearch.activations.bound import BoundActivation, bind
from actsearch.activations.moments import second_moment
from actsearch.activations.registry import get, names, register

__all__ = ["Activation", "BoundActivation", "Parameter", "bind", "get", "names", "register", "second_moment"]
