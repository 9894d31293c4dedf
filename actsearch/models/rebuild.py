"""Builds a model again, layer by layer, with the changes of a plan."""

import inspect
from typing import Any

import keras
from keras.src.models.functional import Functional  # Keras exports it under no public name

from actsearch.errors import ModelError
from actsearch.models import remake
from actsearch.models.fitting import Wanted
from actsearch.models.graph import WRAPPERS, is_graph
from actsearch.models.holders import Held
from actsearch.models.plan import Plan
from actsearch.models.sites import Place, unique

_OVERRIDABLE = ("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics")


class Rebuilder:
    """Makes each layer of a model once more; what was shared is shared again.

    Args:
        plan: What changes.
        keep_weights: Whether layers that are not replaced keep their weights.
    """

    def __init__(self, plan: Plan, *, keep_weights: bool) -> None:
        self._plan = plan
        self._keep_weights = keep_weights
        self._made: dict[int, Any] = {}
        self._pairs: list[tuple[Any, Any]] = []
        self._following: dict[int, Any] = {}
        # Layers that stand for operations of keras.ops: a mask ends there, as it did.
        self._maskless: set[int] = set()
        self._names: list[set[str]] = []

    def model(self, model: Any) -> Any:
        """The model with the changes of the plan, not compiled."""
        new = self._graph(model)
        for old, made in reversed(self._pairs):
            remake.copy_trainable(old, made)
        for old, made in self._pairs:
            remake.copy_weights(old, made, always=self._keep_weights)
        return new

    def _graph(self, model: Any) -> Any:
        """A Sequential or Functional model, nested or not."""
        operations = model.layers if isinstance(model, keras.Sequential) else model.operations
        self._names.append({operation.name for operation in operations})
        new = self._sequential(model) if isinstance(model, keras.Sequential) else self._functional(model)
        self._names.pop()
        new.dtype_policy = model.dtype_policy
        self._pairs.append((model, new))
        return new

    def _functional(self, model: Any) -> Any:
        inputs = keras.tree.map_structure(_new_input, model.input)
        outputs = model._run_through_graph(inputs, operation_fn=self._operation, call_fn=self._call)
        return _constructor(model, Functional, "inputs", "outputs")(inputs, outputs, name=model.name)

    def _sequential(self, model: keras.Sequential) -> Any:
        layers = [_new_input(tensor) for tensor in model.inputs] if model._functional else []
        for layer in model.layers:
            new = self._operation(layer)
            layers += [new, self._following[id(new)]] if id(new) in self._following else [new]
        return _constructor(model, keras.Sequential, "layers")(layers, name=model.name)

    def _call(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls what was made, then the activation that was split off it."""
        outputs = operation(*args, **kwargs)
        if id(operation) in self._maskless and getattr(args[0], "_keras_mask", None) is not None:
            outputs = keras.ops.copy(outputs)
        following = self._following.get(id(operation))
        return outputs if following is None else following(outputs)

    def _operation(self, operation: Any) -> Any:
        """The new one for a layer or operation; the same each time."""
        if id(operation) not in self._made:
            if is_graph(operation):
                self._made[id(operation)] = self._graph(operation)
            elif isinstance(operation, WRAPPERS):
                self._made[id(operation)] = self._wrapper(operation)
            else:
                self._made[id(operation)] = self._single(operation)
        return self._made[id(operation)]

    def _wrapper(self, wrapper: Any) -> Any:
        inner = self._operation(wrapper.layer)
        config = {key: value for key, value in wrapper.get_config().items() if key != "layer"}
        new = type(wrapper)(inner, **config)
        if id(inner) in self._following:
            self._following[id(new)] = self._following[id(inner)]
        self._pairs.append((wrapper, new))
        return new

    def _single(self, operation: Any) -> Any:
        """A layer or operation that holds no other."""
        swaps = self._plan.by_owner.get(id(operation), [])
        if swaps and swaps[0][0].stand.held in (Held.LAYER, Held.OPERATION):
            new = remake.activation_layer(*swaps[0], name=operation.name)
            if swaps[0][0].stand.held is Held.OPERATION:
                self._maskless.add(id(new))
            return new
        split = next((swap for swap in swaps if swap[0].stand.held is Held.ARGUMENT), None)
        initializers = self._plan.initializers.changes.get(id(operation), {})
        inner = {place.stand.keys: wanted for place, wanted in swaps if place.stand.held is Held.INNER_ARGUMENT}
        kind = self._plan.dropouts.get(id(operation), type(operation))
        new = remake.layer(operation, kind, initializers=initializers, inner=inner, linear=split is not None)
        if isinstance(operation, keras.layers.Layer):
            self._pairs.append((operation, new))
        if split is not None:
            self._following[id(new)] = self._split_off(*split)
        return new

    def _split_off(self, place: Place, wanted: Wanted) -> Any:
        name = unique(f"{place.stand.owner.name}_activation", self._names[-1])
        return remake.activation_layer(place, wanted, name=name)


def _new_input(tensor: Any) -> Any:
    """A new input like the one that this tensor belongs to."""
    layer = tensor._keras_history.operation
    return type(layer).from_config({**layer.get_config(), "optional": layer.optional}).output


def _constructor(model: Any, base: type, *arguments: str) -> type:
    """The model's own class where it is made from the same arguments, else the plain one if that loses nothing."""
    kind = type(model)
    taken = inspect.getfullargspec(kind.__init__)
    anything = taken.varargs is not None and taken.varkw is not None
    if anything or set(arguments) <= set(taken.args) <= {"self", "name", "trainable", *arguments}:
        return kind
    own = [name for name in _OVERRIDABLE if getattr(kind, name) is not getattr(keras.Model, name)]
    if own:
        raise ModelError(
            f"{kind.__name__} is made from arguments of its own and brings its own {', '.join(own)}, so it cannot "
            f"be made anew with other activations. Let its __init__ take ({', '.join(arguments)}, **kwargs), or "
            "call actsearch.choose(hp, space) in the function that builds it."
        )
    return base
