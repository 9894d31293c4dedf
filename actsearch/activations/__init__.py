"""The catalogue of activations: what each is, how one is added, and what initializer matches it."""

from actsearch.activations.activation import Activation, Parameter
from actsearch.activations.registry import get, names, register_activation

__all__ = ["Activation", "Parameter", "get", "names", "register_activation", "second_moment"]


def __getattr__(name: str) -> object:
    """Loads SciPy only when a moment is asked for."""
    if name == "second_moment":
        from actsearch.activations.moments import second_moment

        return second_moment
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
