"""Turns an existing Keras model into a build function whose hidden activations come from a search space."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from actsearch.errors import ModelError, UnknownNameError, UsageError
from actsearch.spaces import SearchSpace, Sites, choose, label_of, resolve
from actsearch.swap.plan import Choice, SwapReport, plan_swap
from actsearch.swap.sites import find_sites
from actsearch.swap.swap import swap_activations
from actsearch.swap.weights import Variables, training_signs

if TYPE_CHECKING:
    import keras_tuner

HYPERPARAMETERS = ("learning_rate", "batch_size")
KEEP, REDRAW = "keep", "redraw"


class SearchedModel:
    """Builds copies of a model with activations from a search space; the model itself is never changed.

    Args:
        model: A compiled Sequential or Functional model.
        space: Its `sites` define how the hidden sites share activations: one for all (`shared`), one for each
            (`per_layer`), or one for all sites between two changes of resolution or width (`per_block`). Other
            hyperparameters may be `learning_rate` and `batch_size`.
        weights: `"redraw"`: each execution draws new weights from its seed, except for those that training would not
            change; `"keep"`: each starts from the weights of the model, and the seed determines only dropout and the
            order of the data. If omitted, `"redraw"`, provided that the model was not trained before.
        include_frozen: Whether to replace the activations of frozen layers as well.

    Raises:
        ModelError: The model is not compiled, is subclassed, or has no site that can be replaced.
        UnknownNameError: The space has a hyperparameter that an existing model does not have, or `weights` is neither.
        UsageError: The model was trained before, and `weights` is omitted.

    Example:

    >>> import keras, keras_tuner
    >>> from actsearch.spaces import load_space
    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)])
    >>> model.compile("adam", "mse")
    >>> build = SearchedModel(model, load_space("relu_variants"))
    >>> build(keras_tuner.HyperParameters()).layers[0].activation.__name__
    'linear'
    """

    def __init__(
        self, model: Any, space: SearchSpace, *, weights: str | None = None, include_frozen: bool = False
    ) -> None:
        if not model.compiled:
            raise ModelError(
                f"The model {model.name!r} is not compiled, so there is no loss to train on. "
                "Call model.compile(optimizer, loss, metrics) before the search."
            )
        for name in space.hyperparameters:
            if name not in HYPERPARAMETERS:
                raise UnknownNameError("hyperparameter of an existing model", name, HYPERPARAMETERS)
        self.model, self.space = model, space
        self.weights = _resolved(weights, model)
        self._include_frozen = include_frozen
        self._groups = self._grouped()

    def __getstate__(self) -> dict[str, Any]:
        """Returns what is sent to another process; a file of a model lacks which variables are trainable."""
        return {**vars(self), "variables": Variables.of(self.model)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restores it in another process."""
        variables = state.pop("variables")
        vars(self).update(state)
        variables.restore(self.model)

    def __call__(self, hp: "keras_tuner.HyperParameters") -> Any:
        """Builds and compiles a model for these hyperparameters."""
        values = self.space.register(hp)
        for site in self._groups:
            choose(hp, self.space, site=site)
        model = swap_activations(
            self.model,
            self._choice(hp.values),
            match=self.space.matching,
            keep_weights=self.weights == KEEP,
            include_frozen=self._include_frozen,
        )
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
        report = plan_swap(
            self.model, self._choice(values), match=self.space.matching, include_frozen=self._include_frozen
        )
        return replace(report, initializers={}) if self.weights == KEEP else report  # they determine no weights

    def _choice(self, values: Mapping[str, Any]) -> Choice | dict[str, Choice]:
        chosen = {site: resolve(values, self.space, site) for site in self._groups}
        if self.space.sites is Sites.SHARED:
            return chosen[None]
        return {name: chosen[site] for site, names in self._groups.items() for name in names}

    def _grouped(self) -> dict[str | None, list[str]]:
        """Returns the names of sites that share an activation, under their name in the hyperparameters."""
        if self.space.sites is Sites.SHARED:
            return {None: []}  # a swap without site names replaces all sites
        plans = [plan_swap(self.model, name, include_frozen=self._include_frozen) for name in self.space.names]
        replaceable = [{swap.site.name for swap in plan.replaced} for plan in plans]
        by_all = set.intersection(*replaceable)
        groups: dict[str | None, list[str]] = {}
        for site in find_sites(self.model):
            if site.name in by_all:
                group = site.name if self.space.sites is Sites.PER_LAYER else f"block_{site.block}"
                groups.setdefault(group, []).append(site.name)
        return groups


def _resolved(weights: str | None, model: Any) -> str:
    """Returns which weights executions start from."""
    if weights not in (None, KEEP, REDRAW):
        raise UnknownNameError("value of weights", str(weights), (KEEP, REDRAW))
    signs = "" if weights else training_signs(model)
    if signs:
        raise UsageError(
            f"The model {model.name!r} was trained before, or has weights from elsewhere ({signs}), and a search would "
            'draw new ones. Pass weights="keep" (--weights keep) to start each execution from the weights of the '
            'model, as in fine-tuning, or weights="redraw" to train from scratch.'
        )
    return weights or REDRAW
