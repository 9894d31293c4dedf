"""Choosing an activation from a search space inside a function that builds a model for KerasTuner."""

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

ARROW = "→"  # between the activations of a model's sites
_MARK = "_actsearch_chosen"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ChosenActivation(BoundActivation):
    """The activation of a trial at a site: its layer, and the matching initializer and dropout.

    Args:
        space: The search space that it was chosen from; it defines whether initializers are matched.
        site: The name of the site; None if all sites share the activation.
        matching: Records the initializer and the dropout that were requested; a search logs them.

    Example:

    >>> import keras_tuner
    >>> chosen = choose(keras_tuner.HyperParameters(), ["selu", "elu"])
    >>> chosen.name, type(chosen.layer()).__name__, type(chosen.dropout(0.1)).__name__
    ('selu', 'SELU', 'AlphaDropout')
    >>> chosen.matching
    {'dropout': 'AlphaDropout'}
    """

    space: SearchSpace
    site: str | None = None
    matching: dict[str, str] = field(default_factory=dict)

    def initializer(self, seed: int | None = None) -> Any:
        """Returns the kernel initializer that keeps the variance of the signal through this activation.

        With `matching: false` in the space, it is Keras's default `glorot_uniform` for every activation.
        """
        if not self.space.matching:
            import keras

            self.matching["initializer"] = "glorot_uniform"
            return keras.initializers.GlorotUniform(seed=seed)
        initializer = super().initializer(seed)
        self.matching["initializer"] = f"variance_scaling({initializer.scale:.4g}, fan_in, truncated_normal)"
        return initializer

    def dropout(self, rate: float) -> Any:
        """Returns the dropout layer for this activation: AlphaDropout if it keeps mean 0 and variance 1."""
        import keras

        layer = super().dropout(rate) if self.space.matching else keras.layers.Dropout(rate)
        self.matching["dropout"] = type(layer).__name__
        return layer


def choose(hp: "keras_tuner.HyperParameters", space: SpaceLike, *, site: str | None = None) -> ChosenActivation:
    """Registers the activations of a search space on `hp` and returns the activation of this trial.

    The hyperparameter is called `activation`, or `activation.SITE` if the space has one for each site. A varied
    parameter is called, for example, `leaky_relu.slope`, and is active only while its activation is chosen.

    Args:
        hp: The `keras_tuner.HyperParameters` passed to the build function.
        space: A name, path, list of activations, dict or `SearchSpace`, as `load_space` accepts them.
        site: The name of the site; required unless the space's `sites` is `shared`, ignored if it is.

    Returns:
        The activation, with `.name`, `.layer()`, `.initializer()` and `.dropout(rate)`.

    Raises:
        SpaceError: The space is not valid, or it needs the name of a site and none was given.

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
            'was called without a site. Call choose(hp, space, site="conv1") for each site, with a name you choose.'
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
    """Returns the activation that the hyperparameter values select at a site.

    Args:
        values: The hyperparameter values of a trial by name, as `choose` names them.
        space: The search space that they come from.
        site: The name of the site; None if all sites share the activation.

    Returns:
        The activation with its parameters.

    Example:

    >>> space = load_space(["relu", {"leaky_relu": {"slope": [0.01, 0.3]}}])
    >>> resolve({"activation": "leaky_relu", "leaky_relu.slope": 0.3}, space).label
    'leaky_relu(slope=0.3)'
    """
    suffix = f".{site}" if site else ""
    candidate = space.candidate(values[f"activation{suffix}"])
    entry = registry.get(candidate.name)
    varied = {name: values[f"{candidate.name}.{name}{suffix}"] for name in candidate.varied}
    return ChosenActivation(entry, {**candidate.fixed, **varied}, space=space, site=site)


def choices_on(hp: "keras_tuner.HyperParameters") -> dict[str | None, ChosenActivation]:
    """Returns the results of `choose` for this `hp`, by site; the tuner reads the choices from them.

    Args:
        hp: The hyperparameters that a build function was called with.

    Returns:
        The activations by site, in the order of the calls; the site is None where all share one.

    Example:

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> for site in ("first", "second"):
    ...     _ = choose(hp, {"activations": ["relu", "selu"], "sites": "per_layer"}, site=site)
    >>> {site: chosen.name for site, chosen in choices_on(hp).items()}
    {'first': 'relu', 'second': 'relu'}
    """
    return vars(hp).get(_MARK, {})


def label_of(choices: Iterable[ChosenActivation]) -> str:
    """Returns one label for the activations of all sites: a single label if they agree, else all, in order.

    Then it is, for example, `selu→relu→selu`.

    Example:

    >>> space = load_space({"activations": ["relu", "selu"], "sites": "per_layer"})
    >>> values = {"activation.a": "selu", "activation.b": "relu", "activation.c": "selu"}
    >>> label_of(resolve(values, space, site) for site in ("a", "b", "c"))
    'selu→relu→selu'
    """
    labels = [chosen.label for chosen in choices]
    return labels[0] if len(set(labels)) == 1 else ARROW.join(labels)


def matching_of(choices: Iterable[ChosenActivation]) -> dict[str, str]:
    """Returns the initializers and dropouts that the build function requested, over all sites.

    Args:
        choices: The activations of all sites, after the model was built.

    Returns:
        Texts by kind, `initializer` and `dropout`; a kind that was not requested is missing.

    Example:

    >>> import keras_tuner
    >>> hp = keras_tuner.HyperParameters()
    >>> for site in ("first", "second"):
    ...     _ = choose(hp, {"activations": ["relu", "selu"], "sites": "per_layer"}, site=site)
    >>> for chosen in choices_on(hp).values():
    ...     _ = chosen.initializer()
    >>> matching_of(choices_on(hp).values())
    {'initializer': 'variance_scaling(2, fan_in, truncated_normal)'}
    """
    requested: dict[str, list[str]] = {}
    for chosen in choices:
        for name, value in chosen.matching.items():
            requested.setdefault(name, []).append(value)
    return {name: ", ".join(dict.fromkeys(requested[name])) for name in sorted(requested)}
