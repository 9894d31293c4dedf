"""Rebuilds a model layer by layer, with the changes of a plan."""

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import keras

from actsearch._private import (
    functional_class,
    functional_inside,
    keras_message,
    layers_in,
    mask_of,
    operation_of,
    output_shape_of,
    run_through_graph,
)
from actsearch.activations.bound import BoundActivation
from actsearch.errors import ModelError
from actsearch.swap.graph import WRAPPERS, arguments_of, is_graph
from actsearch.swap.inner_swap import Swaps, exchange_inside, is_exchanged
from actsearch.swap.plan import Plan
from actsearch.swap.recognition import SlotKind
from actsearch.swap.sites import TracedSite, unique

_OVERRIDABLE = ("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics")


class Rebuilder:
    """Makes a copy of each layer of a model; shared layers stay shared.

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
        # Layers that replace operations of keras.ops: like these, they do not pass on a mask.
        self._maskless: set[int] = set()
        self._names: list[set[str]] = []
        self._exchanged: list[tuple[Any, Any, Swaps]] = []

    def model(self, model: Any) -> Any:
        """Returns a new model with the changes of the plan, not compiled."""
        new = self._graph(model) if is_graph(model) else self._subclassed(model)
        for old, made in reversed(self._pairs):
            copy_trainable(old, made)
        for old, made in self._pairs:
            copy_weights(old, made, always=self._keep_weights)
        for old, made, swaps in self._exchanged:
            redraw = old.trainable and not self._keep_weights
            exchange_inside(old, made, swaps, self._plan.initializers.changes, redraw=redraw)
        return new

    def _subclassed(self, model: Any) -> Any:
        """Makes a model of the same class, and builds it for the same inputs."""
        new = self._single(model)
        args, kwargs = arguments_of(model) or ((), {})
        new(*args, **kwargs)
        return new

    def _graph(self, model: Any) -> Any:
        """Rebuilds a Sequential or Functional model, nested or not."""
        operations = model.layers if isinstance(model, keras.Sequential) else model.operations
        self._names.append({operation.name for operation in operations})
        new = self._sequential(model) if isinstance(model, keras.Sequential) else self._functional(model)
        self._names.pop()
        new.dtype_policy = model.dtype_policy
        self._pairs.append((model, new))
        return new

    def _functional(self, model: Any) -> Any:
        inputs = keras.tree.map_structure(_new_input, model.input)
        outputs = run_through_graph(model, inputs, self._operation, self._call)
        return _constructor(model, functional_class(), "inputs", "outputs")(inputs, outputs, name=model.name)

    def _sequential(self, model: keras.Sequential) -> Any:
        layers = [_new_input(tensor) for tensor in model.inputs] if functional_inside(model) else []
        for layer in model.layers:
            new = self._operation(layer)
            layers += [new, self._following[id(new)]] if id(new) in self._following else [new]
        return _constructor(model, keras.Sequential, "layers")(layers, name=model.name)

    def _call(self, operation: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls a new layer or operation, then the activation that was split off it."""
        outputs = operation(*args, **kwargs)
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
            if swaps[0][0].slot.kind is SlotKind.OPERATION:
                self._maskless.add(id(new))
            return new
        split = next((swap for swap in swaps if swap[0].slot.kind is SlotKind.ARGUMENT), None)
        initializers = self._plan.initializers.changes.get(id(operation), {})
        inner = {traced.slot.keys: wanted for traced, wanted in swaps if traced.slot.kind is SlotKind.INNER_ARGUMENT}
        kind = self._plan.dropouts.get(id(operation), type(operation))
        new = new_layer(operation, kind, initializers=initializers, inner=inner, linear=split is not None)
        if isinstance(operation, keras.layers.Layer):
            self._pairs.append((operation, new))
        if split is not None:
            self._following[id(new)] = self._split_off(*split)
        if exchanged:
            self._exchanged.append((operation, new, exchanged))
        return new

    def _split_off(self, traced: TracedSite, wanted: BoundActivation) -> Any:
        name = unique(f"{traced.slot.owner.name}_activation", self._names[-1])
        return new_activation_layer(traced, wanted, name=name)


def _new_input(tensor: Any) -> Any:
    """Returns a new input like the one that the tensor belongs to."""
    layer = operation_of(tensor)
    return type(layer).from_config({**layer.get_config(), "optional": layer.optional}).output


def _constructor(model: Any, base: type, *arguments: str) -> type:
    """Returns the class of the model if it accepts the arguments, else `base` if that loses nothing."""
    kind = type(model)
    accepted = inspect.getfullargspec(kind.__init__)
    anything = accepted.varargs is not None and accepted.varkw is not None
    if anything or set(arguments) <= set(accepted.args) <= {"self", "name", "trainable", *arguments}:
        return kind
    own = [name for name in _OVERRIDABLE if getattr(kind, name) is not getattr(keras.Model, name)]
    if own:
        raise ModelError(
            f"{kind.__name__} has its own __init__ arguments and overrides {', '.join(own)}, so it cannot be rebuilt "
            f"with other activations. Let its __init__ accept ({', '.join(arguments)}, **kwargs), or call "
            "actsearch.choose(hp, space) in the function that builds it."
        )
    return base


_CANNOT_MAKE = (AttributeError, KeyError, NotImplementedError, TypeError, ValueError)


def new_layer(
    operation: Any,
    kind: type,
    *,
    initializers: Mapping[str, Any],
    inner: Mapping[tuple[str, ...], BoundActivation],
    linear: bool,
) -> Any:
    """Makes a copy of a layer or operation, with changes.

    Args:
        operation: The layer or operation to copy.
        kind: The class of the copy.
        initializers: The configs of new initializers, by argument.
        inner: New activations, by their path in the config.
        linear: Whether to remove its own activation and, with it, the activity regularizer.

    Returns:
        The copy.

    Raises:
        ModelError: It has no config, or cannot be made from its config.
    """
    if type(operation) is keras.layers.Lambda:
        return _lambda(operation)
    try:
        config = {**_config(operation), **initializers}
        for keys, wanted in inner.items():
            _set_activation(config, keys, wanted)
        if linear:
            config |= {"activation": "linear"}
            config.pop("activity_regularizer", None)
        new = kind.from_config(config)  # type: ignore[attr-defined]
    except _CANNOT_MAKE as error:
        raise ModelError(
            f"The layer {operation.name!r} ({type(operation).__name__}) cannot be copied into a new model: "
            f"{keras_message(error)} Let get_config() of its class return all arguments of __init__, or call "
            "actsearch.choose(hp, space) in the function that builds the model."
        ) from error
    _copy_vocabulary(operation, new)
    return new


def new_activation_layer(traced: TracedSite, wanted: BoundActivation, *, name: str) -> Any:
    """Returns the layer of a new activation, with the dtype, `trainable` and activity regularizer of the old one."""
    new = wanted.layer()
    owner = traced.slot.owner
    config = {
        **new.get_config(),
        "name": name,
        "dtype": keras.dtype_policies.serialize(_policy(traced)),
        "trainable": getattr(owner, "trainable", True),
    }
    if getattr(owner, "activity_regularizer", None) is not None:
        config["activity_regularizer"] = keras.regularizers.serialize(owner.activity_regularizer)
    return type(new).from_config(config)


def copy_trainable(old: Any, new: Any) -> None:
    """Copies `trainable` to a layer, including the layers inside a user's own layer."""
    new.trainable = old.trainable
    if not (is_graph(old) or isinstance(old, WRAPPERS)):
        inside = (layers_in(layer, include_self=False) for layer in (old, new))
        for old_part, new_part in zip(*inside, strict=False):
            new_part.trainable = old_part.trainable


def copy_weights(old: Any, new: Any, *, always: bool) -> None:
    """Copies the weights of a layer; without `always`, only those that training would not change.

    Models and `TimeDistributed` are skipped: their weights belong to their layers.
    """
    if is_graph(old) or isinstance(old, keras.layers.TimeDistributed):
        return
    if not (always or not old.trainable or isinstance(old, keras.layers.Normalization)):
        return
    if [w.shape for w in old.weights] == [w.shape for w in new.weights]:
        new.set_weights(old.get_weights())
    if isinstance(new, keras.layers.Normalization) and new.built:
        new.finalize_state()


def _config(operation: Any) -> dict[str, Any]:
    """Returns its config, but keeps plain functions as activations, so that they need not be registered with Keras."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The object being serialized includes a `lambda`")
        config = operation.get_config()
    for key in ("activation", "recurrent_activation"):
        if key in config and inspect.isfunction(getattr(operation, key, None)):
            config[key] = getattr(operation, key)
    return config


def _policy(traced: TracedSite) -> Any:
    """Returns the dtype policy at a site; for an operation, which has none, that of the layer before it."""
    call = traced.calls[0]
    operation = traced.slot.owner
    while not isinstance(operation, keras.layers.Layer):
        call = call.sources[0]
        operation = call.operation
    return operation.dtype_policy


def _set_activation(config: dict[str, Any], keys: tuple[str, ...], wanted: BoundActivation) -> None:
    new = wanted.layer()
    activation = new.activation if isinstance(new, keras.layers.Activation) else new
    ways = [keys, ("backward_layer", *keys[1:])] if keys[0] == "layer" else [keys]
    for way in ways:
        target = config
        for key in way[:-1]:
            target = target[key]
        target[way[-1]] = keras.activations.serialize(activation)


def _lambda(old: Any) -> Any:
    """Copies a Lambda layer directly, because Keras refuses to load its function from a config."""
    return keras.layers.Lambda(
        old.function,
        output_shape=output_shape_of(old),
        mask=old.mask,
        arguments=old.arguments,
        name=old.name,
        dtype=old.dtype_policy,
        trainable=old.trainable,
    )


def _copy_vocabulary(old: Any, new: Any) -> None:
    """Copies an adapted vocabulary, which is neither a weight nor part of a config."""
    if hasattr(old, "get_vocabulary") and new.vocabulary_size() != old.vocabulary_size():
        new.set_vocabulary(old.get_vocabulary(include_special_tokens=False))
