"""An activation with values for its parameters, as searches, models and records use it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from markupsafe import Markup

from actsearch._text_tables import curve_picture
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
        parameters: Values of its parameters; those omitted get their defaults.

    Raises:
        UnknownNameError: The activation does not have one of the parameters.

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
        """Computes the function in NumPy, as it is before training."""
        return self.activation(x, **self.parameters)

    @property
    def name(self) -> str:
        """The activation's name."""
        return self.activation.name

    @property
    def label(self) -> str:
        """The name, with the parameters that differ from the catalogue's defaults: `leaky_relu(slope=0.3)`."""
        default = self.activation.values()
        other = [f"{name}={value:g}" for name, value in self.parameters.items() if value != default[name]]
        return f"{self.name}({', '.join(other)})" if other else self.name

    @property
    def sketch(self) -> Markup:
        """A small picture of the function from -4 to 4, as it is before training, for an HTML table."""
        values = self(np.linspace(-4.0, 4.0, 49))
        return curve_picture([float(value) for value in values], title=f"{self.label}: {self.activation.formula}")

    def _repr_html_(self) -> str:
        return Markup("{} <b>{}</b>: {}").format(self.sketch, self.label, self.activation.formula)

    def layer(self) -> Any:
        """Returns a new Keras layer at each call, so that sites do not share learned parameters."""
        return self.activation.layer(**self.parameters)

    def initializer(self, seed: int | None = None) -> "keras.initializers.Initializer":
        """Returns the kernel initializer that keeps the variance of the signal through this activation.

        Args, Raises: As for `matched_initializer`.
        """
        return matched_initializer(self.activation, self.parameters, seed=seed)

    def dropout(self, rate: float) -> "keras.layers.Layer":
        """Returns the dropout layer for the activation: AlphaDropout if it keeps mean 0 and variance 1."""
        return matched_dropout(self.activation, rate)

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data for the record of a trial: `{"name": ..., "parameters": {...}}`."""
        return {"name": self.name, "parameters": dict(self.parameters)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Restores a bound activation from the plain data that `to_dict` returned.

        Raises:
            UnknownNameError: The activation or a parameter is not registered in this process.
        """
        return cls(registry.get(data["name"]), data["parameters"])


def bind(activation: str | Activation | BoundActivation, **parameters: float) -> BoundActivation:
    """Binds values to the parameters of an activation.

    Args:
        activation: A name, an entry of the catalogue, or a bound activation, which keeps its other values.
        **parameters: Values of its parameters; those omitted get their defaults.

    Returns:
        The bound activation.

    Raises:
        UnknownNameError: The activation is unknown, or does not have one of the parameters.
        UsageError: `activation` is none of these.

    Example:

    >>> bind("leaky_relu", slope=0.3).label
    'leaky_relu(slope=0.3)'
    """
    if isinstance(activation, BoundActivation):
        return bind(activation.activation, **{**activation.parameters, **parameters})
    entry = registry.get(activation) if isinstance(activation, str) else activation
    if not isinstance(entry, Activation):
        raise UsageError(
            f"{entry!r} is not an activation; expected a name, an Activation or a BoundActivation. To set parameters, "
            'write actsearch.activations.bind("leaky_relu", slope=0.1).'
        )
    return BoundActivation(entry, parameters)


def activation_name(label: str) -> str:
    """Returns the name in a label that `BoundActivation.label` composed.

    Example:

    >>> activation_name("leaky_relu(slope=0.3)")
    'leaky_relu'
    """
    return label.partition("(")[0]
