"""Checks a model for known problems with activations before it is trained."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np

from actsearch._versions import keras_layers
from actsearch.activations import registry
from actsearch.diagnostics.issues import Issue, Severity
from actsearch.diagnostics.output_rules import heads, output_issues
from actsearch.swap.graph import Call, trace
from actsearch.swap.matching import channel_axis
from actsearch.swap.recognition import SHARES, SlotKind, core
from actsearch.swap.sites import SiteKind, TracedSite, locate

# Measured by benchmarks/screening.py: sigmoid networks of 3 layers learn digits in 30 epochs, those of 8 layers hardly,
# and those of 16 not at all. Networks with tanh learn with 20 layers, though not with every optimizer.
DEEP_SIGMOID, DEEP_TANH = 5, 10
# Measured by benchmarks/dying_relu.py as the share of dead units of a ReLU network: Adam 47 % at 0.03 and 23 % at 0.01;
# SGD 69 % at 1 and 4 % at 0.3.
DEADLY_ADAPTIVE, DEADLY_SGD = 0.03, 1.0
NEGATIVE_BIAS = -0.3

_NORMALISATIONS = keras_layers("BatchNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization")
_DROPOUTS = (
    keras.layers.Dropout,
    keras.layers.GaussianDropout,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
)
_RESHAPING = (keras.layers.Flatten, keras.layers.Reshape, keras.layers.Permute, keras.layers.Identity)
_PLAIN = (keras.layers.Dense, keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
_ADAPTIVE = (keras.optimizers.Adam, keras.optimizers.Adamax, keras.optimizers.Nadam, keras.optimizers.RMSprop)
_TANH = frozenset({"tanh", "hard_tanh", "softsign"})
_RELU = frozenset({"relu", "relu6"})


def advise(model: Any, y: Any = None) -> list[Issue]:
    """Finds problems with the activations, outputs, loss and targets of a model, without training it.

    The problems are: output activation, loss, `from_logits`, number of units and targets that contradict each other;
    sigmoid and tanh in deep stacks; ReLU with negative biases, or with a learning rate at which units die; SELU
    without LeCun's initializer, or with batch normalisation or plain dropout; a PReLU shared by several layers, or
    with one slope for each pixel; and learned activations that Keras does not train.

    Args:
        model: A Keras model; a subclassed one must be built. It is not changed. If it is not compiled, losses are not
            checked.
        y: The targets, structured as for `model.fit`; if omitted, targets are not checked.

    Returns:
        The issues, most severe first; empty if none are found.

    Raises:
        ModelError: The model is subclassed and not built.
        DataError: The number of targets differs from the number of outputs.

    Example:

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1, "softmax")])
    >>> model.compile("adam", "binary_crossentropy")
    >>> [(str(issue.severity), issue.message) for issue in advise(model)]
    [('error', 'A softmax over one unit is always 1, so nothing can be learned.')]
    """
    calls = trace(model)
    sites = locate(calls)
    issues = [issue for head in heads(model, calls, y) for issue in output_issues(head)]
    issues += [issue for traced in sites for rule in _RULES for issue in rule(traced)]
    issues += [*_deep_stacks(calls, sites), *_deadly_learning_rate(model, calls, sites)]
    order = list(Severity)
    return sorted(issues, key=lambda issue: order.index(issue.severity))


def _untrained(traced: TracedSite) -> Iterator[Issue]:
    """Reports a learned activation that Keras does not train."""
    if traced.site.learned and traced.site.slot_kind in (SlotKind.ARGUMENT, SlotKind.INNER_ARGUMENT):
        yield Issue(
            Severity.ERROR,
            traced.site.name,
            f"{traced.site.activation} is passed as activation=, where Keras does not train its parameters.",
            "Add it to the model as a separate layer, after the layer that has it as an argument now.",
        )


def _shared_slopes(traced: TracedSite) -> Iterator[Issue]:
    """Reports a learned activation that follows several layers."""
    feeders = sorted({feeder.name for feeder in traced.site.feeders})
    if traced.site.learned and len(feeders) > 1:
        yield Issue(
            Severity.WARNING,
            traced.site.name,
            f"One {traced.site.layer_class} with the same learned parameters follows {len(feeders)} layers "
            f"({', '.join(feeders[:3])}{', …' if len(feeders) > 3 else ''}).",
            "Use a separate one for each layer.",
        )


def _slopes_of_pixels(traced: TracedSite) -> Iterator[Issue]:
    """Reports a learned activation with parameters for each position of an image or a sequence."""
    shape = traced.site.shape or ()
    if not traced.site.learned or traced.site.slot_kind is not SlotKind.LAYER or len(shape) < 3:
        return
    sizes = [int(np.prod(w.shape)) for w in traced.slot.owner.trainable_weights]
    axis = channel_axis(traced.calls[0]) % len(shape)
    if sizes and max(sizes) > (shape[axis] or 1):
        ours = 'sharing="channel"' if type(traced.slot.owner).__module__.startswith("actsearch.") else None
        axes = [other for other in range(1, len(shape)) if other != axis]
        yield Issue(
            Severity.WARNING,
            traced.site.name,
            f"It learns {max(sizes):,} numbers, one for each element of {tuple(shape[1:])}, instead of {shape[axis]}, "
            "one for each channel.",
            f"Set {ours or f'shared_axes={axes}'}.",
        )


def _selu_company(traced: TracedSite) -> Iterator[Issue]:
    """Reports layers that prevent a self-normalising activation from keeping mean and variance."""
    entry = registry.get(traced.site.activation) if traced.site.in_catalogue else None
    if entry is None or not entry.alpha_dropout or traced.site.kind is not SiteKind.HIDDEN:
        return
    for feeder in traced.feeders:
        yield from _selu_initializer(traced, core(feeder.operation))
    after = () if traced.uses else traced.calls
    around = [*_between(traced), *(call for used in after for call in _following(used))]
    name = traced.site.activation
    if any(isinstance(core(call.operation), _NORMALISATIONS) for call in around):
        yield Issue(
            Severity.WARNING,
            traced.site.name,
            f"{name} keeps mean 0 and variance 1 by itself, so the normalisation next to it is redundant.",
            "Omit the normalisation, or use another activation (relu, elu, silu).",
        )
    dropouts = [type(core(call.operation)).__name__ for call in around if isinstance(core(call.operation), _DROPOUTS)]
    if dropouts:
        yield Issue(
            Severity.WARNING,
            traced.site.name,
            f"{name} keeps mean 0 and variance 1, but {dropouts[0]} next to it changes both.",
            "Use keras.layers.AlphaDropout.",
        )


def _selu_initializer(traced: TracedSite, layer: Any) -> Iterator[Issue]:
    initializer = getattr(layer, "kernel_initializer", None)
    if not isinstance(layer, _PLAIN) or initializer is None:
        return
    scaling = initializer if isinstance(initializer, keras.initializers.VarianceScaling) else None
    if scaling is not None and scaling.mode == "fan_in" and 0.9 <= scaling.scale <= 1.1:
        return
    name = type(initializer).__name__
    yield Issue(
        Severity.HINT if name.startswith("Glorot") else Severity.WARNING,
        traced.site.name,
        f"{traced.site.activation} keeps mean 0 and variance 1 with LeCun's initializer, but {layer.name} has {name}.",
        'Use kernel_initializer="lecun_normal".',
    )


def _negative_biases(traced: TracedSite) -> Iterator[Issue]:
    """Reports a ReLU whose units are rarely active because of their biases."""
    if traced.site.activation not in _RELU or any(isinstance(c.operation, _NORMALISATIONS) for c in _between(traced)):
        return
    for feeder in traced.feeders:
        layer = core(feeder.operation)
        bias = getattr(layer, "bias", None)
        if not isinstance(layer, _PLAIN) or not layer.built or bias is None or layer.quantization_mode is not None:
            continue
        kernel = np.asarray(keras.ops.convert_to_tensor(layer.kernel), dtype="float64").reshape(-1, bias.shape[0])
        reach = np.linalg.norm(kernel, axis=0)
        shift = float(np.median(np.asarray(bias.value) / np.maximum(reach, 1e-12)))
        if shift <= NEGATIVE_BIAS:
            yield Issue(
                Severity.WARNING,
                traced.site.name,
                f"The biases of {layer.name} keep its units from becoming active: the median bias is {shift:.2g} "
                f"standard deviations of the input of {traced.site.activation}, for inputs of mean square 1. Such "
                "units die.",
                "Initialize the biases with 0, or use leaky_relu, prelu or elu.",
            )


_RULES: tuple[Callable[[TracedSite], Iterator[Issue]], ...] = (
    _untrained,
    _shared_slopes,
    _slopes_of_pixels,
    _selu_company,
    _negative_biases,
)


def _deep_stacks(calls: Iterable[Call], sites: Iterable[TracedSite]) -> Iterator[Issue]:
    """Reports many sigmoids or tanhs in a row without a normalisation or a skip connection between them."""
    hidden = [traced for traced in sites if traced.site.kind is SiteKind.HIDDEN]
    for kinds, limit, severity in ((SHARES, DEEP_SIGMOID, Severity.WARNING), (_TANH, DEEP_TANH, Severity.HINT)):
        stacked = {c: p.site for p in hidden if p.site.activation in kinds and not p.uses for c in p.calls}
        depths: dict[Call, int] = {}
        for call in calls:
            broken = len(call.sources) > 1 or isinstance(core(call.operation), _NORMALISATIONS)
            before = 0 if broken else max((depths[source] for source in call.sources), default=0)
            depths[call] = before + (call in stacked)
        deepest = max(stacked, key=depths.__getitem__, default=None)
        if deepest is not None and depths[deepest] >= limit:
            site = stacked[deepest]
            yield Issue(
                severity,
                site.name,
                f"It is the last of {depths[deepest]} {site.activation} activations in a row, each of which shrinks "
                "the gradient on its way back.",
                "Use relu, prelu, elu or selu with the matched initializer, or normalise between the layers. "
                "actsearch.screen(model, x, y) measures how much of the gradient remains.",
            )


def _deadly_learning_rate(model: Any, calls: Iterable[Call], sites: Iterable[TracedSite]) -> Iterator[Issue]:
    """Reports a learning rate at which units of a ReLU network die."""
    relus = [t for t in sites if t.site.activation in _RELU and t.site.kind is SiteKind.HIDDEN]
    normalised = any(isinstance(core(call.operation), _NORMALISATIONS) for call in calls)
    if not relus or normalised or not model.compiled:
        return
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    rate = float(optimizer.learning_rate)
    if isinstance(optimizer, keras.optimizers.SGD):
        step, limit = rate / (1 - optimizer.momentum), DEADLY_SGD
    elif isinstance(optimizer, _ADAPTIVE):
        step, limit = rate, DEADLY_ADAPTIVE
    else:
        return
    if step >= limit:
        yield Issue(
            Severity.WARNING,
            relus[0].site.name,
            f"{type(optimizer).__name__} with learning rate {rate:g} moves the weights so far that units of "
            f"{relus[0].site.activation} die, and there is no normalisation to revive them.",
            f"Use {limit / 10:g} or less, or leaky_relu, prelu or elu.",
        )


def _between(traced: TracedSite) -> Iterator[Call]:
    """Yields the calls between a site and the layers that feed it; none inside a user's layer."""
    for call in () if traced.uses else traced.calls:
        while call not in traced.feeders and len(call.sources) == 1:
            (call,) = call.sources
            if call not in traced.feeders:
                yield call


def _following(call: Call) -> Iterator[Call]:
    """Yields the calls that take its values, ignoring changes of shape."""
    for user in call.users:
        yield user
        if isinstance(user.operation, _RESHAPING):
            yield from _following(user)
