"""Turns an existing Keras model into a build function whose hidden activations come from a search space."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from actsearch._private import layers_in
from actsearch.errors import ModelError, UnknownNameError, UsageError
from actsearch.spaces import SearchSpace, Sites, choose, label_of, resolve
from actsearch.swap.graph import arguments_like, is_graph, parts_of
from actsearch.swap.plan import Choice, Included, SwapReport, TracedModel, make_plan
from actsearch.swap.swap import swap_traced
from actsearch.swap.weights import KEEP, REDRAW, Variables, restoring_state, training_signs, usual_weights

if TYPE_CHECKING:
    import keras_tuner

HYPERPARAMETERS = ("learning_rate", "batch_size")


class SearchedModel:
    """Builds copies of a model with activations from a search space; the model itself is never changed.

    Args:
        model: A compiled model; or a function without arguments that returns a new one at each call.
        space: Its `sites` define how the hidden sites share activations: one for all (`shared`), one for each
            (`per_layer`), or one for all sites between two changes of resolution or width (`per_block`). Other
            hyperparameters may be `learning_rate` and `batch_size`.
        weights: `"redraw"`: each execution draws new weights from its seed, except for those that training would not
            change; `"keep"`: each starts from the weights of the model, and the seed determines only dropout and the
            order of the data. If omitted, `"redraw"`, but `"keep"` for pretrained weights in a model that was not
            trained since it was compiled; for any model that is not new, the remarks say so.
        include_frozen: Whether to replace the activations of frozen layers as well.
        include_recurrent: Whether to replace the activations of recurrent layers as well.
        sample: A few samples of x, to build a subclassed model.

    Raises:
        ModelError: The model is not compiled, or has no site that can be replaced.
        UnknownNameError: The space has a hyperparameter that an existing model does not have, or `weights` is neither.
        UsageError: The function makes a subclassed model with trained weights, and `weights` is `"redraw"`; or it
            returns the same model again, or a new subclassed one with the same layers or optimizer.

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
        self,
        model: Any,
        space: SearchSpace,
        *,
        weights: str | None = None,
        include_frozen: bool = False,
        include_recurrent: bool = False,
        sample: Any = None,
    ) -> None:
        for name in space.hyperparameters:
            if name not in HYPERPARAMETERS:
                raise UnknownNameError("hyperparameter of an existing model", name, HYPERPARAMETERS)
        self._make = None if isinstance(model, keras.Model) else model
        self._sample = None if sample is None else keras.tree.map_structure(np.asarray, sample)
        self.model, self.space = self._built(model if self._make is None else self._make()), space
        if weights not in (None, KEEP, REDRAW):
            raise UnknownNameError("value of weights", str(weights), (KEEP, REDRAW))
        self.weights, self._remark = usual_weights(self.model) if weights is None else (weights, "")
        self._included = Included(frozen=include_frozen, recurrent=include_recurrent)
        self._check_redrawn()
        self._check_made()
        self._groups = self._grouped()

    def _check_redrawn(self) -> None:
        made = self._make is not None and not is_graph(self.model)
        if made and self.weights == REDRAW and (signs := training_signs(self.model)):
            raise UsageError(
                f'weights="redraw" cannot draw new weights in {type(self.model).__name__}, which the function makes '
                f'with trained ones ({signs}). Let the function not load weights, or pass weights="keep".'
            )

    def _check_made(self) -> None:
        if self._make is None:
            return
        if is_graph(self.model):  # its layers are copied, and may be the same
            self._check_new(self._make())
        else:
            self._fresh()

    def _check_new(self, made: Any) -> None:
        if made is self.model:
            raise UsageError(
                f"The function that makes the model returned the same model {made.name!r} twice, so executions would "
                "train and change it one after another. Make a new model in the function, or pass the model itself."
            )

    def _check_disjoint(self, made: Any) -> None:
        known = {id(part) for part in _parts_trained(self.model, frozen=self._included.frozen)}
        same = [part for part in _parts_trained(made, frozen=self._included.frozen) if id(part) in known]
        if same:
            raise UsageError(
                f"The function that makes the model returned {type(made).__name__} twice with the same object "
                f"{same[0].name!r} ({type(same[0]).__name__}) inside, so each execution would start from what the one "
                "before it has trained. Make all layers and the optimizer in the function."
            )

    def __getstate__(self) -> dict[str, Any]:
        """Returns what is sent to another process; a file of a model lacks which variables are trainable."""
        state = {name: value for name, value in vars(self).items() if name != "_traced"}
        if self._make is not None:
            return {**state, "model": None}
        return {**state, "variables": Variables.of(self.model)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restores it in another process."""
        variables = state.pop("variables", None)
        vars(self).update(state)
        if self._make is not None:
            self.model = self._built(self._make())
        else:
            variables.restore(self.model)

    @cached_property
    def _traced(self) -> TracedModel:
        known = self._sample is None or bool(parts_of(self.model))
        arguments = None if known else arguments_like(self._sample)
        return TracedModel(self.model, arguments)

    def _built(self, model: Any) -> Any:
        """Checks a model, and builds it if it does not know the shape of its input."""
        if not isinstance(model, keras.Model):
            raise ModelError(f"The function that makes the model returned {model!r:.80}; expected a compiled model.")
        if not model.compiled:
            raise ModelError(
                f"The model {model.name!r} is not compiled, so there is no loss to train on. "
                "Call model.compile(optimizer, loss, metrics) before the search."
            )
        if not model.built and not parts_of(model) and self._sample is not None:
            with restoring_state(model):
                model(self._sample)
        return model

    def __call__(self, hp: "keras_tuner.HyperParameters") -> Any:
        """Builds and compiles a model for these hyperparameters."""
        values = self.space.register(hp)
        for site in self._groups:
            choose(hp, self.space, site=site)
        model = swap_traced(
            self._traced,
            self._choice(hp.values),
            match=self.space.matching,
            keep_weights=self.weights == KEEP,
            included=self._included,
            make=None if self._make is None else self._fresh,
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
        report = self._plan(self._choice(values), match=self.space.matching)
        return replace(report, initializers={}) if self.weights == KEEP else report  # they determine no weights

    @property
    def summary(self) -> str:
        """A sentence on the activations that trials replace."""
        return self._plan(self.space.names[0], match=False).summary

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences on weights that are not new, and on activations that no trial replaces."""
        return (*filter(None, [self._remark]), *self._plan(self.space.names[0], match=False).remarks)

    def _fresh(self) -> Any:
        assert self._make is not None
        made = self._make()
        self._check_new(made)
        self._check_disjoint(self._built(made))
        return made

    def _plan(self, choice: Choice | Mapping[str, Choice], *, match: bool) -> SwapReport:
        return make_plan(self._traced, choice, match=match, included=self._included).report

    def _choice(self, values: Mapping[str, Any]) -> Choice | dict[str, Choice]:
        chosen = {site: resolve(values, self.space, site) for site in self._groups}
        if self.space.sites is Sites.SHARED:
            return chosen[None]
        return {name: chosen[site] for site, names in self._groups.items() for name in names}

    def _grouped(self) -> dict[str | None, list[str]]:
        """Returns the names of sites that share an activation, under their name in the hyperparameters."""
        if self.space.sites is Sites.SHARED:
            return {None: []}  # a swap without site names replaces all sites
        replaceable = [{swap.site.name for swap in self._plan(name, match=False).replaced} for name in self.space.names]
        by_all = set.intersection(*replaceable)
        groups: dict[str | None, list[str]] = {}
        for site in (traced.site for traced in self._traced.sites):
            if site.name in by_all:
                group = site.name if self.space.sites is Sites.PER_LAYER else f"block_{site.block}"
                groups.setdefault(group, []).append(site.name)
        return groups


def _parts_trained(model: Any, *, frozen: bool) -> list[Any]:
    """Returns the layers, variables and optimizer of a model that a search changes."""
    layers = [layer for layer in layers_in(model) if not isinstance(layer, keras.layers.InputLayer)]
    return [
        *(layer for layer in layers if layer.trainable or frozen),
        *model.trainable_variables,
        model.optimizer,
    ]
