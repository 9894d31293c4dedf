"""Rebuilds a model layer by layer, with the changes of a plan."""

import inspect
from collections.abc import Callable
from typing import Any

import keras

from actsearch._private import (
    changing_attributes,
    functional_class,
    functional_inside,
    layers_in,
    mask_of,
    operation_of,
    run_through_graph,
)
from actsearch.activations.bound import BoundActivation
from actsearch.errors import ModelError
from actsearch.layers.base import LearnedActivation
from actsearch.layers.rebuilt import rebuilt_model
from actsearch.swap.beside_graph import Counterparts, copy_attributes, has_own_behaviour
from actsearch.swap.copying import new_layer
from actsearch.swap.graph import WRAPPERS, arguments_of, is_graph, parts_of
from actsearch.swap.matching import channel_axis
from actsearch.swap.opaque.inner_swap import Swaps, exchange_inside, is_exchanged, redraw
from actsearch.swap.plan import Plan
from actsearch.swap.recognition import SlotKind
from actsearch.swap.sites import TracedSite, unique
from actsearch.swap.weights import copy_trainable, copy_weights, training_signs


class Rebuilder:
    """Makes a copy of each layer of a model; shared layers stay shared.

    Args:
        plan: What changes.
        keep_weights: Whether layers that are not replaced keep their weights.
        make: Returns another model like the one to rebuild, from which layers that cannot be copied are taken.

    Attributes:
        counterparts: Returns the objects of the new model that take the place of those of the old one.
    """

    def __init__(self, plan: Plan, *, keep_weights: bool, make: Callable[[], Any] | None = None) -> None:
        self._plan = plan
        self._keep_weights = keep_weights
        self._make = make
        self._alike: dict[int, Any] | None = None
        self._made: dict[int, Any] = {}
        self.counterparts = Counterparts(self._beside_the_graph, lambda layer: id(layer) in self._owned)
        self._owned: set[int] = set()
        self._pairs: list[tuple[Any, Any]] = []
        self._following: dict[int, Any] = {}
        self._activations: set[int] = set()  # the old ones may have taken other arguments, such as a mask
        # Layers that replace operations of keras.ops: like these, they do not pass on a mask.
        self._maskless: set[int] = set()
        self._names: list[set[str]] = []
        self._exchanged: list[tuple[Any, Any, Swaps]] = []

    def model(self, model: Any) -> Any:
        """Returns a new model with the changes of the plan, not compiled."""
        self._model = model
        self._owned = {id(layer) for layer in layers_in(model)}
        new = self._graph(model) if is_graph(model) else self._subclassed(model)
        for old, made in reversed(self._pairs):
            copy_trainable(old, made)
        for old, made in self._pairs:
            copy_weights(old, made, always=self._keep_weights)
        for old, made, swaps in self._exchanged:
            is_redrawn = old.trainable and not self._keep_weights
            exchange_inside(old, made, swaps, self._plan.initializers.changes, is_redrawn=is_redrawn)
        return new

    def exchanged_in(self, new: Any, old: Any) -> Any:
        """Makes the changes of the plan in a new model of the same subclass, which keeps its weights otherwise."""
        swaps = self._plan.by_owner.get(id(old), [])
        is_redrawn = new.trainable and not self._keep_weights
        exchange_inside(old, new, swaps, self._plan.initializers.changes, is_redrawn=is_redrawn)
        return new

    def _subclassed(self, model: Any) -> Any:
        """Makes a model of the same class, and builds it for the same inputs."""
        new = self._single(model)
        args, kwargs = self._plan.arguments or arguments_of(model) or ((), {})
        if not parts_of(model):
            new(*args, **kwargs)
        self._made |= {id(old): made for old, made in zip(layers_in(model), layers_in(new), strict=True)}
        with changing_attributes(new):
            copy_attributes(model, new, self.counterparts, missing_only=True)
        return new

    def _graph(self, model: Any) -> Any:
        """Rebuilds a Sequential or Functional model, nested or not."""
        operations = model.layers if isinstance(model, keras.Sequential) else model.operations
        self._names.append({operation.name for operation in operations})
        new = self._sequential(model) if isinstance(model, keras.Sequential) else self._functional(model)
        self._names.pop()
        new.dtype_policy = model.dtype_policy
        if model.supports_masking:
            new.supports_masking = True
        self._pairs.append((model, new))
        self._made[id(model)] = new
        copy_attributes(model, new, self.counterparts)
        return new

    def _functional(self, model: Any) -> Any:
        inputs = keras.tree.map_structure(_new_input, model.input)
        outputs = run_through_graph(model, inputs, self._operation, self._call)
        return _instance(model, functional_class(), inputs=inputs, outputs=outputs)

    def _sequential(self, model: keras.Sequential) -> Any:
        layers = [_new_input(tensor) for tensor in model.inputs] if functional_inside(model) else []
        for layer in model.layers:
            new = self._operation(layer)
            layers += [new, self._following[id(new)]] if id(new) in self._following else [new]
        return _instance(model, keras.Sequential, layers=layers)

    def _call(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls a new layer or operation, then the activation that was split off it."""
        outputs = operation(args[0]) if id(operation) in self._activations else operation(*args, **kwargs)
        if id(operation) in self._maskless and mask_of(args[0]) is not None:
            outputs = keras.ops.copy(outputs)
        following = self._following.get(id(operation))
        return outputs if following is None else following(outputs)

    def _operation(self, operation: Any) -> Any:
        """Returns the copy of a layer or operation, which is the same at each call."""
        if id(operation) not in self._made:
            if is_graph(operation):
                self._made[id(operation)] = self._graph(operation)
            elif isinstance(operation, WRAPPERS):
                self._made[id(operation)] = self._wrapper(operation)
            else:
                self._made[id(operation)] = self._single(operation)
        return self._made[id(operation)]

    def _beside_the_graph(self, layer: Any) -> Any:
        """Returns the copy of a layer that is an attribute of a model, built if it is not in the model's graph."""
        new = self._operation(layer)
        if layer.built and not new.built:
            new.build_from_config(layer.get_build_config())
        return new

    def _wrapper(self, wrapper: Any) -> Any:
        inner = self._operation(wrapper.layer)
        config = {key: value for key, value in wrapper.get_config().items() if key != "layer"}
        new = type(wrapper)(inner, **config)
        if id(inner) in self._following:
            self._following[id(new)] = self._following[id(inner)]
        self._pairs.append((wrapper, new))
        return new

    def _single(self, operation: Any) -> Any:
        """Rebuilds a layer or operation that contains no other."""
        both = self._plan.by_owner.get(id(operation), [])
        exchanged = [swap for swap in both if is_exchanged(*swap)]
        swaps = [swap for swap in both if not is_exchanged(*swap)]
        if swaps and swaps[0][0].slot.kind in (SlotKind.LAYER, SlotKind.OPERATION):
            new = new_activation_layer(*swaps[0], name=operation.name)
            self._activations.add(id(new))
            if swaps[0][0].slot.kind is SlotKind.OPERATION:
                self._maskless.add(id(new))
            return new
        split = next((swap for swap in swaps if swap[0].slot.kind is SlotKind.ARGUMENT), None)
        initializers = self._plan.initializers.changes.get(id(operation), {})
        inner = {traced.slot.keys: wanted for traced, wanted in swaps if traced.slot.kind is SlotKind.INNER_ARGUMENT}
        kind = self._plan.dropouts.get(id(operation), type(operation))
        try:
            new = new_layer(
                operation,
                kind,
                initializers=initializers,
                inner=inner,
                linear=split is not None,
                copied=self._operation,
            )
        except ModelError:
            new = self._like(operation)
            if new is None or inner or split is not None or kind is not type(operation):
                raise
            redraw(new, initializers)
        if isinstance(operation, keras.layers.Layer):
            self._pairs.append((operation, new))
        if split is not None:
            self._following[id(new)] = self._split_off(*split)
        if exchanged:
            self._exchanged.append((operation, new, exchanged))
        return new

    def _like(self, operation: Any) -> Any:
        """Returns the layer in the same position of another new model that the user's function makes, if it can."""
        if self._make is not None and self._alike is None:
            made = self._make()
            old, new = layers_in(self._model), layers_in(made)
            same = [type(layer) for layer in old] == [type(layer) for layer in new]
            usable = same and (self._keep_weights or not training_signs(made))
            self._alike = {id(layer): other for layer, other in zip(old, new, strict=True)} if usable else {}
        return (self._alike or {}).get(id(operation))

    def _split_off(self, traced: TracedSite, wanted: BoundActivation) -> Any:
        name = unique(f"{traced.slot.owner.name}_activation", self._names[-1])
        return new_activation_layer(traced, wanted, name=name)


def _new_input(tensor: Any) -> Any:
    """Returns a new input like the one that the tensor belongs to."""
    layer = operation_of(tensor)
    return type(layer).from_config({**layer.get_config(), "optional": layer.optional}).output


def _instance(model: Any, base: type, **arguments: Any) -> Any:
    """Makes a model of the same class; if its `__init__` does not accept the arguments, without calling that.

    A class that only defines such an `__init__` becomes its base class, which Keras can save.
    """
    kind = type(model)
    accepted = inspect.getfullargspec(kind.__init__)
    if set(arguments) <= set(accepted.args) <= {"self", "name", "trainable", *arguments}:
        named = {"name": model.name} if "name" in accepted.args or accepted.varkw is not None else {}
        new = kind(**arguments, **named)
        if new.name != model.name:
            new.name = model.name
        return new
    anything = accepted.varargs is not None and accepted.varkw is not None and not accepted.kwonlyargs
    if anything and accepted.args == ["self"]:
        return kind(*arguments.values(), name=model.name)
    if has_own_behaviour(kind):
        return rebuilt_model(kind, base(*arguments.values(), name=model.name))
    return base(*arguments.values(), name=model.name)


def new_activation_layer(traced: TracedSite, wanted: BoundActivation, *, name: str) -> Any:
    """Returns the layer of a new activation, with the dtype, `trainable` and activity regularizer of the old one."""
    new = wanted.layer()
    owner = traced.slot.owner
    config = {
        **new.get_config(),
        "name": name,
        "dtype": keras.dtype_policies.serialize(keras.dtype_policies.get(_policy(traced))),
        "trainable": getattr(owner, "trainable", True),
    }
    if isinstance(new, LearnedActivation) and channel_axis(traced.calls[0]) != -1:
        config["axis"] = channel_axis(traced.calls[0])
    made = type(new).from_config(config)
    made.activity_regularizer = getattr(owner, "activity_regularizer", None)  # an object: it need not be registered
    return made


def _policy(traced: TracedSite) -> Any:
    """Returns the dtype policy at a site; for an operation, which has none, that of the layer before it.

    The policy of a quantized layer has one for its activations in it.
    """
    call = traced.calls[0]
    operation = traced.slot.owner
    while not isinstance(operation, keras.layers.Layer):
        call = call.sources[0]
        operation = call.operation
    policy = operation.dtype_policy
    return policy if policy.quantization_mode is None else policy.name.partition("_from_")[2]
