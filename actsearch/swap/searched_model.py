"""Turns an existing Keras model into a build function whose hidden activations come from a search space."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from actsearch.errors import ModelError, UnknownNameError
from actsearch.spaces import SearchSpace, Sites, choose, label_of, resolve
from actsearch.swap.plan import Choice, SwapReport, plan_swap
from actsearch.swap.sites import find_sites
from actsearch.swap.swap import swap_activations

if TYPE_CHECKING:
    import keras_tuner

HYPERPARAMETERS = ("learning_rate", "batch_size")


class SearchedModel:
    """Builds copies of a model with activations from a search space; the model itself is never changed.

    Args:
        model: A compiled Sequential or Functional model.
        space: Its `sites` define how the hidden sites share activations: one for all (`shared`), one for each
            (`per_layer`), or one for all sites between two changes of resolution or width (`per_block`). Other
            hyperparameters may be `learning_rate` and `batch_size`.

    Raises:
        ModelError: The model is not compiled, is subclassed, or has no site that can be replaced.
        UnknownNameError: The space has a hyperparameter that an existing model does not have.

    Example:

    >>> import keras, keras_tuner
    >>> from actsearch.spaces import load_space
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)])
    >>> model.compile("adam", "mse")
    >>> build = SearchedModel(model, load_space("relu_variants"))
    >>> build(keras_tuner.HyperParameters()).layers[0].activation.__name__
    'linear'
    """

    def __init__(self, model: Any, space: SearchSpace) -> None:
        if not model.compiled:
            raise ModelError(
                f"The model {model.name!r} is not compiled, so there is no loss to train on. "
                "Call model.compile(optimizer, loss, metrics) before the search."
            )
        for name in space.hyperparameters:
            if name not in HYPERPARAMETERS:
                raise UnknownNameError("hyperparameter of an existing model", name, HYPERPARAMETERS)
        self.model, self.space = model, space
        self._groups = self._grouped()

    def __call__(self, hp: "keras_tuner.HyperParameters") -> Any:
        """Builds and compiles a model for these hyperparameters."""
        values = self.space.register(hp)
        for site in self._groups:
            choose(hp, self.space, site=site)
        model = swap_activations(self.model, self._choice(hp.values), match=self.space.matching)
        if "learning_rate" in values and isinstance(self.model.optimizer.get_config()["learning_rate"], dict):
            raise ModelError(
                "learning_rate cannot vary: the model's optimizer has a learning rate schedule. Compile the model with "
                "a number instead."
            )
        if "learning_rate" in values:
            model.optimizer.learning_rate = values["learning_rate"]
        return model

    def label(self, values: Mapping[str, Any]) -> str:
        """Returns one label for the activations that these values select."""
        return label_of(resolve(values, self.space, site) for site in self._groups)

    def matching(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Returns the initializers and dropouts of the layers for these values."""
        return self.report(values).matching

    def report(self, values: Mapping[str, Any]) -> SwapReport:
        """Reports which sites are replaced for these values, and why the others are unchanged."""
        return plan_swap(self.model, self._choice(values), match=self.space.matching)

    def _choice(self, values: Mapping[str, Any]) -> Choice | dict[str, Choice]:
        chosen = {site: resolve(values, self.space, site) for site in self._groups}
        if self.space.sites is Sites.SHARED:
            return chosen[None]
        return {name: chosen[site] for site, names in self._groups.items() for name in names}

    def _grouped(self) -> dict[str | None, list[str]]:
        """Returns the names of sites that share an activation, under their name in the hyperparameters."""
        if self.space.sites is Sites.SHARED:
            return {None: []}  # a swap without site names replaces all sites
        replaceable = [{swap.site.name for swap in plan_swap(self.model, name).replaced} for name in self.space.names]
        by_all = set.intersection(*replaceable)
        groups: dict[str | None, list[str]] = {}
        for site in find_sites(self.model):
            if site.name in by_all:
                group = site.name if self.space.sites is Sites.PER_LAYER else f"block_{site.block}"
                groups.setdefault(group, []).append(site.name)
        return groups
