"""The validated data model of a search space: activations, ranges, and how sites share them."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)

from actsearch.activations import registry

if TYPE_CHECKING:
    import keras_tuner


class Sites(StrEnum):
    """How the sites of a model share an activation.

    Example:

    >>> [str(sites) for sites in Sites]
    ['shared', 'per_layer', 'per_block']
    >>> SearchSpace(activations=["relu", "selu"], sites="per_layer").sites
    <Sites.PER_LAYER: 'per_layer'>
    """

    SHARED = "shared"
    PER_LAYER = "per_layer"
    PER_BLOCK = "per_block"


MAX_NUMBER = 1e300
MAX_VALUES = 1_000_000
MAX_HYPERPARAMETERS = 100


def _number(value: Any) -> Any:
    """Converts numbers that YAML 1.1 reads as text, such as 1e-3."""
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return value
        return number if math.isfinite(number) else value  # "inf" may be the name of a choice
    if isinstance(value, int | float) and not -MAX_NUMBER < value < MAX_NUMBER:
        raise ValueError(f"numbers must be between -{MAX_NUMBER:g} and {MAX_NUMBER:g}")
    return value


Number = Annotated[StrictInt | StrictFloat, BeforeValidator(_number)]
Scalar = Annotated[StrictBool | StrictInt | StrictFloat | StrictStr, BeforeValidator(_number)]


class Strict(BaseModel):
    """A part of a space: immutable, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Range(Strict):
    """Numbers from `min` to `max`, both included; integers if both ends are integers.

    Args:
        min, max: Its ends.
        step: Distance of neighbouring values, with `log` their ratio; None for all values in between.
        sampling: `linear`, or `log` for numbers whose order of magnitude is searched.

    Raises:
        pydantic.ValidationError: It is empty, or has too many values. `load_space` raises it as a `SpaceError`.

    Example:

    >>> import keras_tuner
    >>> Range(min=0.0001, max=0.01, sampling="log").register(keras_tuner.HyperParameters(), "learning_rate")
    0.0001
    >>> Range(min=16, max=64).integers
    True
    """

    min: Number
    max: Number
    step: Number | None = None
    sampling: Literal["linear", "log"] = "linear"

    @model_validator(mode="after")
    def _check(self) -> "Range":
        if not self.min < self.max:
            raise ValueError(f"the range is empty: min {self.min} is not below max {self.max}")
        if self.step is not None and self.step <= 0:
            raise ValueError(f"step must be above 0, not {self.step}")
        if self.sampling == "log" and self.min <= 0:
            raise ValueError(f"a log range must start above 0, not at {self.min}")
        if self.sampling == "log" and self.step is not None and self.step <= 1:
            raise ValueError(f"the step of a log range is a factor and must be above 1, not {self.step}")
        if self.sampling == "log" and math.isinf(self.max / self.min):
            raise ValueError(f"the range is too wide: the ratio of {self.max} to {self.min} is too large for a float")
        if (self.integers or self.step is not None) and self._num_values > MAX_VALUES:
            raise ValueError(
                f"the range has over {MAX_VALUES:,} values; use a larger step, or write the ends as real numbers (1.0)"
            )
        return self

    @property
    def _num_values(self) -> float:
        if self.sampling == "log" and self.step is not None:
            return math.log(self.max / self.min) / math.log(self.step) + 1
        return (self.max - self.min) / (self.step or 1) + 1

    @property
    def integers(self) -> bool:
        """Whether the range has integers only."""
        return isinstance(self.min, int) and isinstance(self.max, int) and not isinstance(self.step, float)

    def register(self, hp: "keras_tuner.HyperParameters", name: str) -> Any:
        """Registers it on KerasTuner's `HyperParameters` and returns the value there."""
        register = hp.Int if self.integers else hp.Float
        return register(name, self.min, self.max, step=self.step, sampling=self.sampling)


class Choices(Strict):
    """A list of values of one type.

    Args:
        values: The values, each once.

    Raises:
        pydantic.ValidationError: A value is a duplicate or has another type. `load_space` raises it as a `SpaceError`.

    Example:

    >>> Choices(values=[16, 32, 64]).values
    (16, 32, 64)
    >>> SearchSpace(activations=["relu"], hyperparameters={"units": [16, 32]}).hyperparameters["units"]
    Choices(values=(16, 32))
    """

    values: tuple[Scalar, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> "Choices":
        if len(set(self.values)) < len(self.values):
            raise ValueError(f"duplicate value: {list(self.values)}")
        kinds = {type(v) for v in self.values}
        if len(kinds) > 1 and kinds != {int, float}:
            raise ValueError(f"all values must have the same type: {list(self.values)}")
        return self

    def register(self, hp: "keras_tuner.HyperParameters", name: str) -> Any:
        """Registers it on KerasTuner's `HyperParameters` and returns the value there."""
        if len(self.values) == 1:
            return hp.Fixed(name, self.values[0])
        if set(self.values) == {True, False} and isinstance(self.values[0], bool):
            return hp.Boolean(name, default=self.values[0])
        values = list(self.values)
        if any(isinstance(v, float) for v in values):
            values = [float(v) for v in values]
        return hp.Choice(name, values)


def _domain(value: Any) -> Any:
    """Expands the short forms: a single value or a list stands for choices, a mapping for a range."""
    if isinstance(value, Range | Choices):
        return value
    if isinstance(value, Mapping):
        return Choices.model_validate(value) if "values" in value else Range.model_validate(value)
    return Choices(values=tuple(value) if isinstance(value, list | tuple) else (value,))


Domain = Annotated[Range | Choices, BeforeValidator(_domain)]


class Candidate(Strict):
    """One activation of a space, with its parameters and their ranges.

    Args:
        name: Name of the activation in the catalogue.
        parameters: What each of its parameters may be; those that are missing have their default.

    Raises:
        pydantic.ValidationError: A parameter is not a number. `load_space` raises it as a `SpaceError`.
        UnknownNameError: The activation or a parameter is unknown.

    Example:

    >>> leaky = SearchSpace(activations=["relu", {"leaky_relu": {"slope": [0.01, 0.3]}}]).candidate("leaky_relu")
    >>> leaky.varied
    {'slope': Choices(values=(0.01, 0.3))}
    """

    name: str
    parameters: dict[str, Domain] = {}

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {"name": value}
        elif isinstance(value, Mapping) and len(value) == 1 and "name" not in value:
            ((name, parameters),) = value.items()
            value = {"name": name, "parameters": parameters or {}}
        if isinstance(value, Mapping) and isinstance(value.get("name"), str):
            value = {**value, "name": registry.get(value["name"]).name}
        return value

    @model_validator(mode="after")
    def _check(self) -> "Candidate":
        entry = registry.get(self.name)
        entry.values(dict.fromkeys(self.parameters, 0.0))
        for name, domain in self.parameters.items():
            ends = [domain.min, domain.max] if isinstance(domain, Range) else list(domain.values)
            if not all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends):
                raise ValueError(f"{self.name}.{name} must be a number, a list of numbers or a range, not {ends}")
        return self

    @property
    def fixed(self) -> dict[str, float]:
        """The parameters with a single value."""
        single = {n: d for n, d in self.parameters.items() if isinstance(d, Choices) and len(d.values) == 1}
        return {name: float(domain.values[0]) for name, domain in single.items()}

    @property
    def varied(self) -> dict[str, Range | Choices]:
        """The parameters that are searched."""
        return {name: domain for name, domain in self.parameters.items() if name not in self.fixed}


class SearchSpace(Strict):
    """The activations and other hyperparameters that a search varies.

    Args:
        name: The name of the space; `"custom"` if omitted.
        description: When to use it.
        activations: Names, as `actsearch.activations.get` accepts them, or
            `name: {parameter: value | [values] | {min, max, step, sampling}}`.
        baseline: The activation that all others are compared with. If omitted, `relu` if the space has it, else the
            first activation.
        sites: `shared` (one activation everywhere), `per_layer` or `per_block`.
        matching: Whether each activation gets its matched initializer and dropout (`true`), or all get Keras's
            defaults (`false`).
        hyperparameters: Other hyperparameters that vary, by name.

    Raises:
        pydantic.ValidationError: A value is not valid. `load_space` raises it as a `SpaceError`.

    Example:

    >>> space = SearchSpace(activations=["relu", {"leaky_relu": {"slope": [0.01, 0.3]}}])
    >>> space.baseline, space.names
    ('relu', ['relu', 'leaky_relu'])
    """

    name: str = "custom"
    description: str = ""
    activations: tuple[Candidate, ...] = Field(min_length=1)
    baseline: str = ""
    sites: Sites = Sites.SHARED
    matching: StrictBool = True
    hyperparameters: dict[str, Domain] = Field({}, max_length=MAX_HYPERPARAMETERS)

    @model_validator(mode="after")
    def _check(self) -> "SearchSpace":
        duplicates = sorted(name for name, count in Counter(self.names).items() if count > 1)
        if duplicates:
            raise ValueError(
                f"duplicate activation {', '.join(duplicates)}; for several values of a parameter write one entry "
                "with a list, such as leaky_relu: {slope: [0.01, 0.3]}"
            )
        object.__setattr__(self, "baseline", self._baseline())
        reserved = sorted(n for n in self.hyperparameters if n.split(".")[0] in {"activation", *self.names})
        if reserved:
            raise ValueError(f"{', '.join(reserved)}: name reserved for the activation; choose another")
        tuners = sorted(n for n in self.hyperparameters if n.startswith("tuner/"))
        if tuners:
            raise ValueError(f"{', '.join(tuners)}: names that start with tuner/ are reserved; choose another")
        return self

    def _baseline(self) -> str:
        """Resolves the baseline to the name of one of the activations."""
        if not self.baseline:
            return "relu" if "relu" in self.names else self.names[0]
        entry = registry.find(self.baseline)
        if entry is None or entry.name not in self.names:
            raise ValueError(f"the baseline {self.baseline!r} is not among the activations: {', '.join(self.names)}")
        return entry.name

    @property
    def names(self) -> list[str]:
        """The names of its activations, in their order."""
        return [candidate.name for candidate in self.activations]

    def __iter__(self) -> Iterator[Candidate]:  # type: ignore[override]
        return iter(self.activations)

    def candidate(self, name: str) -> Candidate:
        """Returns the candidate with this name."""
        return next(c for c in self.activations if c.name == name)

    def register(self, hp: "keras_tuner.HyperParameters") -> dict[str, Any]:
        """Registers the other hyperparameters on KerasTuner's `hp` and returns their values."""
        return {name: domain.register(hp, name) for name, domain in self.hyperparameters.items()}

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data in the short forms of the YAML file; `load_space` restores an equal space from it."""
        return {
            "name": self.name,
            "description": self.description,
            "baseline": self.baseline,
            "sites": str(self.sites),
            "matching": self.matching,
            "activations": [
                {c.name: {n: _short(d) for n, d in c.parameters.items()}} if c.parameters else c.name
                for c in self.activations
            ],
            "hyperparameters": {name: _short(domain) for name, domain in self.hyperparameters.items()},
        }


def _short(domain: Range | Choices) -> Any:
    if isinstance(domain, Range):
        return domain.model_dump(exclude_defaults=True)
    return list(domain.values) if len(domain.values) > 1 else domain.values[0]
