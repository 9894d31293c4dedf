"""The catalogue of activations: their entries, how to register one, and their matched initializers."""

from actsearch.activations.activation import Activation, Parameter
from actsearch.activations.bound import BoundActivation, bind
from actsearch.activations.moments import second_moment
from actsearch.activations.registry import get, names, register

__all__ = ["Activation", "BoundActivation", "Parameter", "bind", "get", "names", "register", "second_moment"]
