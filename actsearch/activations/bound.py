"""An activation with values for its parameters: what goes through a search, into models and into the record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from actsearch.activations import registry
from actsearch.activations.activation import Activation
from actsearch.activations.initializers import matched_dropout, matched_initializer
from actsearch.errors import UsageError

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, repr=False)
class BoundActivation:
    """An activation with a value for each of its parameters.

    Args:
        activation: An entry of the catalogue.
        parameters: Values of its parameters; the defaults for the rest.

    Raises:
        UnknownNameError: A parameter that the activation does not have.

    Example:

    >>> bound = BoundActivation(registry.get("leaky_relu"), {"slope": 0.3})
    >>> bound.label, float(bound(-1.0)), bound == BoundActivation.from_dict(bound.to_dict())
    ('leaky_relu(slope=0.3)', -0.3, True)
    """

    activation: Activation
    parameters: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", self.activation.values(self.parameters))

    def __hash__(self) -> int:
        return hash((self.name, tuple(self.parameters.items())))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.label}>"

    def __call__(self, x: Any) -> Any:
        """The function's values, in NumPy, before training."""
        return self.activation(x, **self.parameters)

    @property
    def name(self) -> str:
        """The activation's name."""
        return self.activation.name

    @property
    def label(self) -> str:
        """Name and those parameters that differ from the catalogue's: `leaky_relu(slope=0.3)`."""
        default = self.activation.values()
        other = [f"{name}={value:g}" for name, value in self.parameters.items() if value != default[name]]
        return f"{self.name}({', '.join(other)})" if other else self.name

    def layer(self) -> Any:
        """A new Keras layer; a new one each call, since learned parameters are not to be shared."""
        return self.activation.layer(**self.parameters)

    def initializer(self, seed: int | None = None) -> "keras.initializers.Initializer":
        """The kernel initializer that keeps the variance of the signal through this activation.

        Args, raises: As in `matched_initializer`.
        """
        return matched_initializer(self.activation, self.parameters, seed=seed)

    def dropout(self, rate: float) -> "keras.layers.Layer":
        """The dropout layer that fits the activation: AlphaDropout where it keeps mean 0 and variance 1."""
        return matched_dropout(self.activation, rate)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as a trial's record holds it: `{"name": ..., "parameters": {...}}`."""
        return {"name": self.name, "parameters": dict(self.parameters)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The bound activation of plain data that `to_dict` gave.

        Raises:
            UnknownNameError: The activation or a parameter is not registered in this process.
        """
        return cls(registry.get(data["name"]), data["parameters"])


def bind(activation: str | Activation | BoundActivation, **parameters: float) -> BoundActivation:
    """An activation with values for its parameters.

    Args:
        activation: Its name, an entry of the catalogue, or a bound one, which keeps the values that are not given.
        **parameters: Values of its parameters; the defaults for the rest.

    Raises:
        UnknownNameError: There is no such activation, or it has no such parameter.
        UsageError: What was given is none of these.

    Example:

    >>> bind("leaky_relu", slope=0.3).label
    'leaky_relu(slope=0.3)'
    """
    if isinstance(activation, BoundActivation):
        return bind(activation.activation, **{**activation.parameters, **parameters})
    entry = registry.get(activation) if isinstance(activation, str) else activation
    if not isinstance(entry, Activation):
        raise UsageError(
            f"Cannot take {entry!r} for an activation: expected a name, an Activation or a BoundActivation. With "
            'parameters, write actsearch.activations.bind("leaky_relu", slope=0.1).'
        )
    return BoundActivation(entry, parameters)


def activation_name(label: str) -> str:
    """The name in a label that `BoundActivation.label` made.

    Example:

    >>> activation_name("leaky_relu(slope=0.3)")
    'leaky_relu'
    """
    return label.partition("(")[0]
