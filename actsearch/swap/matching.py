"""Matches a new activation to its model: initializers of the layers that feed it, dropout after it, channel axis."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras

from actsearch._private import layers_in
from actsearch.activations.bound import BoundActivation
from actsearch.swap.dataflow import class_of, origins
from actsearch.swap.graph import Call
from actsearch.swap.opaque.inside import InnerUse
from actsearch.swap.recognition import core, is_activation
from actsearch.swap.sites import TracedSite

_PLAIN = (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
_TRANSPOSED = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose)
_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)
_SEPARABLE = (keras.layers.SeparableConv1D, keras.layers.SeparableConv2D)
_MATCHED = _PLAIN + _TRANSPOSED + _DEPTHWISE + _SEPARABLE
# Operations whose output has its channels where their inputs have them.
KEEPING_AXES = frozenset(
    [
        *("Activation", "Add", "Average", "Cast", "Concatenate", "Divide", "Identity", "Maximum", "Minimum"),
        *("Multiply", "Negative", "Rescaling", "Subtract", "TrueDivide", "Masking", "ActivityRegularization"),
        *("Dropout", "AlphaDropout", "GaussianDropout", "GaussianNoise"),
        *("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
        *("LayerNormalization", "GroupNormalization", "RMSNormalization", "UnitNormalization"),
    ]
)


@dataclass(frozen=True)
class Initializers:
    """The initializers of a swap.

    Args:
        changes: By the id of a layer, the configs of its new initializers by argument. They are configs because an
            initializer draws a seed when it is created; planning draws none, so every swap draws the same seeds.
        described: By the name of a layer, a description of its initializer, or the reason why it is unchanged.
    """

    changes: Mapping[int, Mapping[str, dict[str, Any]]] = field(default_factory=dict)
    described: Mapping[str, str] = field(default_factory=dict)


def fit_initializers(wanted: Mapping[TracedSite, BoundActivation]) -> Initializers:
    """Returns matched initializers for the layers that feed replaced sites and have Keras's default initializer."""
    changes: dict[int, dict[str, dict[str, Any]]] = {}
    described: dict[str, str] = {}
    for feeder, activations in _by_feeder(wanted).values():
        layer = core(feeder.operation)
        if not isinstance(layer, _MATCHED) and not hasattr(layer, "kernel_initializer"):
            continue
        obstacle = _obstacle(layer, activations)
        if obstacle:
            described[feeder.path] = f"unchanged: {obstacle}"
            continue
        matched = activations[0].initializer(seed=0)
        scales = _scales(layer, matched.scale)
        changes[id(layer)] = {name: _config(matched, scale) for name, scale in scales.items()}
        texts = [f"variance_scaling({scale:.4g}, {matched.mode}, {matched.distribution})" for scale in scales.values()]
        described[feeder.path] = ", then ".join(texts)
    return Initializers(changes, described)


def fit_dropouts(
    calls: Iterable[Call], traced_sites: Iterable[TracedSite], wanted: Mapping[TracedSite, BoundActivation]
) -> Iterator[tuple[Call, type]]:
    """Yields the dropout layers whose class changes: those after replaced sites that all need the same class."""
    at = {call: wanted.get(traced) for traced in traced_sites if not traced.uses for call in traced.calls}
    for call in calls:
        if type(call.operation) not in (keras.layers.Dropout, keras.layers.AlphaDropout):
            continue
        before = [at.get(origin) for origin in origins(call, at)]
        kinds = {type(bound.dropout(call.operation.rate)) if bound else None for bound in before}
        if len(kinds) == 1 and (kind := kinds.pop()) is not None and kind is not type(call.operation):
            yield call, kind


def is_frozen(traced: TracedSite) -> bool:
    """Returns whether training changes neither the layer that has an activation nor, if that has no weights, those
    that feed it.
    """
    owner = traced.slot.owner
    if traced.uses:
        layers = layers_in(owner)
        return all(_is_frozen_inside(layers[use.place.layer], use) for use in traced.uses)
    if getattr(owner, "weights", ()):
        return not owner.trainable_weights
    if not getattr(owner, "trainable", True):
        return True
    feeding = [core(call.operation) for call in traced.feeders if getattr(call.operation, "weights", ())]
    return bool(feeding) and not any(layer.trainable_weights for layer in feeding)


def _is_frozen_inside(layer: Any, use: InnerUse) -> bool:
    """Returns whether training does not change the layer inside another that computes the input of an activation."""
    feeding = use.feeder[0] if use.feeder is not None else layer
    return not (feeding.trainable_weights if feeding.weights else feeding.trainable)


def channel_axis(call: Call) -> int:
    """Returns the axis of the channels in the output of a call: 1 where they come first, else -1, the last axis.

    It follows from the layers that the values come from: their `data_format`, or the axis of a `BatchNormalization`.
    """
    todo, seen = [call], {call}
    while todo:
        call = todo.pop(0)
        layer = core(call.operation)
        if call.shape is None or len(call.shape) < 3:
            return -1
        if class_of(call) in KEEPING_AXES or is_activation(call.operation):
            fresh = [source for source in call.sources if source not in seen]
            todo += fresh
            seen |= set(fresh)
        elif isinstance(layer, keras.layers.BatchNormalization):
            return 1 if layer.axis == 1 else -1
        elif getattr(layer, "data_format", None) in ("channels_first", "channels_last"):
            return 1 if layer.data_format == "channels_first" else -1
    return -1


def _by_feeder(wanted: Mapping[TracedSite, BoundActivation]) -> dict[int, tuple[Call, list[BoundActivation]]]:
    """Returns the layers that feed replaced sites, each with the activations that it feeds."""
    by_feeder: dict[int, tuple[Call, list[BoundActivation]]] = {}
    for traced, choice in wanted.items():
        for feeder in traced.feeders:
            by_feeder.setdefault(id(core(feeder.operation)), (feeder, []))[1].append(choice)
    return by_feeder


def _obstacle(layer: Any, activations: list[BoundActivation]) -> str:
    """Returns the reason why a layer keeps its initializer; empty if it gets a matched one."""
    labels = sorted({bound.label for bound in activations})
    if len(labels) > 1:
        return f"it feeds several activations ({', '.join(labels)})"
    if not isinstance(layer, _MATCHED):
        return f"none is matched for {type(layer).__name__}"
    if not isinstance(layer, _PLAIN) and not layer.built:
        return "its number of inputs is not known before it is built"
    chosen = [getattr(layer, name) for name in _scales(layer, 1.0)]
    own = [type(i).__name__ for i in chosen if not _is_default(i)]
    return f"the model chose {', '.join(own)}" if own else ""


def _is_default(initializer: Any) -> bool:
    return type(initializer) is keras.initializers.GlorotUniform and initializer.get_config()["seed"] is None


def _scales(layer: Any, scale: float) -> dict[str, float]:
    """Returns the scale for each kernel, corrected where Keras's fan-in is not the number of inputs of a unit.

    Keras reads the shape of every kernel as (*window, inputs, outputs). A depthwise kernel, however, has one input
    channel for each output, and a transposed kernel has its last two axes exchanged and spreads its inputs over the
    strides. A separable convolution is a depthwise one followed directly by a pointwise one.
    """
    if isinstance(layer, _SEPARABLE):
        channels = layer.depthwise_kernel.shape[-2]
        return {"depthwise_initializer": scale * channels, "pointwise_initializer": 1.0}
    if isinstance(layer, _DEPTHWISE):
        return {"depthwise_initializer": scale * layer.kernel.shape[-2]}
    if isinstance(layer, _TRANSPOSED):
        outputs, inputs = layer.kernel.shape[-2:]
        return {"kernel_initializer": scale * outputs / inputs * math.prod(layer.strides)}
    return {"kernel_initializer": scale}


def _config(matched: Any, scale: float) -> dict[str, Any]:
    config = keras.initializers.serialize(matched)
    return {**config, "config": {**config["config"], "scale": scale, "seed": None}}
