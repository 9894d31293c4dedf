"""An existing Keras model as a build function for KerasTuner: its hidden activations come from a search space."""

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
    """Builds a model anew with the activations that a search space chooses; the model itself is never changed.

    Args:
        model: A compiled Sequential or Functional model.
        space: Its `sites` say how the hidden sites share an activation: all the same one (`shared`), each its own
            (`per_layer`), or those between two changes of resolution or width the same one (`per_block`). Of further
            hyperparameters it may have `learning_rate` and `batch_size`.

    Raises:
        ModelError: The model is not compiled, is subclassed, or has no site that can be replaced.
        UnknownNameError: A hyperparameter that an existing model does not have.

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
        """A new compiled model for these hyperparameters."""
        values = self.space.register(hp)
        for site in self._groups:
            choose(hp, self.space, site=site)
        model = swap_activations(self.model, self._choice(hp.values), match=self.space.matching)
        if "learning_rate" in values and isinstance(self.model.optimizer.get_config()["learning_rate"], dict):
            raise ModelError("learning_rate cannot vary: the model's optimizer has a schedule. Give it a number.")
        if "learning_rate" in values:
            model.optimizer.learning_rate = values["learning_rate"]
        return model

    def label(self, values: Mapping[str, Any]) -> str:
        """The activations that these values mean, as one label."""
        return label_of(resolve(values, self.space, site) for site in self._groups)

    def matching(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Which initializer and dropout each layer gets for these values."""
        return self.report(values).matching

    def report(self, values: Mapping[str, Any]) -> SwapReport:
        """What is replaced for these values, and what is left alone and why."""
        return plan_swap(self.model, self._choice(values), match=self.space.matching)

    def _choice(self, values: Mapping[str, Any]) -> Choice | dict[str, Choice]:
        chosen = {site: resolve(values, self.space, site) for site in self._groups}
        if self.space.sites is Sites.SHARED:
            return chosen[None]
        return {name: chosen[site] for site, names in self._groups.items() for name in names}

    def _grouped(self) -> dict[str | None, list[str]]:
        """The sites that share an activation, under the name that they have in the hyperparameters."""
        if self.space.sites is Sites.SHARED:
            return {None: []}  # a swap of all sites finds them itself
        replaceable = [{swap.site.name for swap in plan_swap(self.model, name).replaced} for name in self.space.names]
        by_all = set.intersection(*replaceable)
        groups: dict[str | None, list[str]] = {}
        for site in find_sites(self.model):
            if site.name in by_all:
                group = site.name if self.space.sites is Sites.PER_LAYER else f"block_{site.block}"
                groups.setdefault(group, []).append(site.name)
        return groups
