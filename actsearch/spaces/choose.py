"""From a search space to an activation, inside a function that builds a model for KerasTuner."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from actsearch.activations import registry
from actsearch.activations.bound import BoundActivation
from actsearch.errors import SpaceError
from actsearch.spaces.space import SearchSpace, Sites
from actsearch.spaces.yaml_loader import SpaceLike, load_space

if TYPE_CHECKING:
    import keras_tuner

_MARK = "_actsearch_chosen"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ChosenActivation(BoundActivation):
    """The activation that a trial has at a site: its layer, and what goes with it.

    Args:
        space: The search space that it was chosen from; it says whether initializers are matched.
        site: The site's name; None where all sites share the activation.
        matching: Fills with the initializer and the dropout that were handed out; a search logs it.
    """

    space: SearchSpace
    site: str | None = None
    matching: dict[str, str] = field(default_factory=dict)

    def initializer(self, seed: int | None = None) -> Any:
        """The kernel initializer that keeps the variance of the signal through this activation.

        With `matching: false` in the space it is Keras's default, `glorot_uniform`, for every activation.
        """
        if not self.space.matching:
            import keras

            self.matching["initializer"] = "glorot_uniform"
            return keras.initializers.GlorotUniform(seed=seed)
        initializer = super().initializer(seed)
        self.matching["initializer"] = f"variance_scaling({initializer.scale:.4g}, fan_in, truncated_normal)"
        return initializer

    def dropout(self, rate: float) -> Any:
        """The dropout layer that fits the activation: AlphaDropout where the function asks for it."""
        import keras

        layer = super().dropout(rate) if self.space.matching else keras.layers.Dropout(rate)
        self.matching["dropout"] = type(layer).__name__
        return layer


def choose(hp: "keras_tuner.HyperParameters", space: SpaceLike, *, site: str | None = None) -> ChosenActivation:
    """Registers the activations of a search space on `hp` and returns the one that this trial has.

    The hyperparameter is called `activation`, or `activation.SITE` where the space has one for each site; varied
    parameters are called `leaky_relu.slope` and exist only where their activation is chosen.

    Args:
        hp: KerasTuner's `HyperParameters`, as it comes to the build function.
        space: Name, path, list of activations, dict or `SearchSpace`, as `load_space` takes them.
        site: The site's name; needed where the space's `sites` is not `shared`, ignored where it is.

    Returns:
        The activation, with `.name`, `.layer()`, `.initializer()` and `.dropout(rate)`.

    Raises:
        SpaceError: The space is not valid, or asks for a site's name.

    Example:

    >>> import keras_tuner
    >>> choose(keras_tuner.HyperParameters(), "relu_variants").name
    'relu'
    """
    space = load_space(space)
    if space.sites is Sites.SHARED:
        site = None
    elif not site:
        raise SpaceError(
            f"The space {space.name!r} has an activation for each site (sites: {space.sites}), but choose() "
            'got no name of a site. Call choose(hp, space, site="conv1") for each, with names of your own.'
        )
    suffix = f".{site}" if site else ""
    hp.Choice(f"activation{suffix}", space.names, default=space.baseline)
    for candidate in space.activations:
        for parameter, domain in candidate.varied.items():
            with hp.conditional_scope(f"activation{suffix}", [candidate.name]):
                domain.register(hp, f"{candidate.name}.{parameter}{suffix}")
    chosen = resolve(hp.values, space, site)
    vars(hp).setdefault(_MARK, {})[site] = chosen
    return chosen


def resolve(values: Mapping[str, Any], space: SearchSpace, site: str | None = None) -> ChosenActivation:
    """The activation that these hyperparameter values mean at a site."""
    suffix = f".{site}" if site else ""
    candidate = space.candidate(values[f"activation{suffix}"])
    entry = registry.get(candidate.name)
    varied = {name: values[f"{candidate.name}.{name}{suffix}"] for name in candidate.varied}
    return ChosenActivation(entry, {**candidate.fixed, **varied}, space=space, site=site)


def choices_on(hp: "keras_tuner.HyperParameters") -> dict[str | None, ChosenActivation]:
    """What `choose` returned for this `hp`, by site: how a tuner learns what a build function chose."""
    return vars(hp).get(_MARK, {})


def label_of(choices: Iterable[ChosenActivation]) -> str:
    """One label for the activations of all sites: one name where they agree, else all in order."""
    labels = [chosen.label for chosen in choices]
    return labels[0] if len(set(labels)) == 1 else ", ".join(labels)


def matching_of(choices: Iterable[ChosenActivation]) -> dict[str, str]:
    """Initializer and dropout that the build function asked for, over all sites."""
    found: dict[str, list[str]] = {}
    for chosen in choices:
        for name, value in chosen.matching.items():
            found.setdefault(name, []).append(value)
    return {name: ", ".join(dict.fromkeys(found[name])) for name in sorted(found)}
