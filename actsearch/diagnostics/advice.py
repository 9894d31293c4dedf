"""What is known to go wrong with activations, looked for in a model before it is trained."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import keras
import numpy as np

from actsearch.activations import registry
from actsearch.diagnostics.issues import Issue, Severity
from actsearch.diagnostics.output_rules import heads, output_issues
from actsearch.swap.graph import Call, trace
from actsearch.swap.recognition import SHARES, SlotKind, core
from actsearch.swap.sites import SiteKind, TracedSite, locate

# Measured by benchmarks/screening.py: sigmoid networks of 3 layers learn digits in 30 epochs, of 8 layers hardly, of 16
# not at all. Those with tanh learn at 20 layers, if not with every optimizer.
DEEP_SIGMOID, DEEP_TANH = 5, 10
# Measured by benchmarks/dying_relu.py: at 0.03 Adam leaves 47 % of the units of a ReLU network dead, at 0.01 23 %; SGD
# 69 % at 1, and 4 % at 0.3.
DEADLY_ADAPTIVE, DEADLY_SGD = 0.03, 1.0
NEGATIVE_BIAS = -0.3

_NORMALISATIONS = (
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.GroupNormalization,
    keras.layers.RMSNormalization,
)
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
    """What is wrong with the activations of a model, and with its output, loss and targets; nothing is trained.

    Found are: a softmax, sigmoid or linear output, a loss, `from_logits`, a number of units and targets that
    contradict each other; sigmoid and tanh in deep stacks; ReLU with negative biases, or a learning rate at which
    units die; SELU without LeCun's initializer, with batch normalisation or plain dropout; a PReLU shared by several
    layers, or with one slope a pixel; and learned activations that Keras does not train.

    Args:
        model: A Sequential or Functional Keras model. Without `compile` nothing is said of losses. It is not changed.
        y: The targets, structured as for `model.fit`; without them nothing is said of them.

    Returns:
        The issues, the worst first; empty where nothing is wrong.

    Raises:
        ModelError: The model is subclassed.
        DataError: There are not as many targets as outputs.

    Example:

    >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1, "softmax")])
    >>> model.compile("adam", "binary_crossentropy")
    >>> [(str(issue.severity), issue.message) for issue in advise(model)]
    [('error', 'A softmax over one unit is always 1, so nothing can be learned.')]
    """
    calls = trace(model)
    places = locate(calls)
    found = [issue for head in heads(model, calls, y) for issue in output_issues(head)]
    found += [issue for place in places for rule in _RULES for issue in rule(place)]
    found += [*_deep_stacks(calls, places), *_deadly_learning_rate(model, calls, places)]
    order = list(Severity)
    return sorted(found, key=lambda issue: order.index(issue.severity))


def _untrained(place: TracedSite) -> Iterator[Issue]:
    """A learned activation where Keras does not train it."""
    if place.site.learned and place.site.slot_kind in (SlotKind.ARGUMENT, SlotKind.INNER_ARGUMENT):
        yield Issue(
            Severity.ERROR,
            place.site.name,
            f"{place.site.activation} is passed as activation=, where Keras does not train its parameters.",
            "Put it into the model as a layer of its own, after the layer that has it as an argument now.",
        )


def _shared_slopes(place: TracedSite) -> Iterator[Issue]:
    """One learned activation after several layers."""
    feeders = sorted({feeder.name for feeder in place.site.feeders})
    if place.site.learned and len(feeders) > 1:
        yield Issue(
            Severity.WARNING,
            place.site.name,
            f"One {place.site.layer_class} with the same learned parameters follows {len(feeders)} layers "
            f"({', '.join(feeders[:3])}{', …' if len(feeders) > 3 else ''}).",
            "Make a new one for each layer.",
        )


def _slopes_of_pixels(place: TracedSite) -> Iterator[Issue]:
    """A learned activation with parameters for each place of an image or a sequence."""
    shape = place.site.shape or ()
    if not place.site.learned or place.site.slot_kind is not SlotKind.LAYER or len(shape) < 3:
        return
    sizes = [int(np.prod(w.shape)) for w in place.slot.owner.trainable_weights]
    if sizes and max(sizes) > (shape[-1] or 1):
        ours = 'sharing="channel"' if type(place.slot.owner).__module__.startswith("actsearch.") else None
        axes = list(range(1, len(shape) - 1))
        yield Issue(
            Severity.WARNING,
            place.site.name,
            f"It learns {max(sizes):,} numbers, one for each place of {tuple(shape[1:])}, instead of {shape[-1]}, one "
            "for each channel.",
            f"Give it {ours or f'shared_axes={axes}'}.",
        )


def _selu_company(place: TracedSite) -> Iterator[Issue]:
    """A self-normalising activation with what keeps it from that."""
    entry = registry.get(place.site.activation) if place.site.in_catalogue else None
    if entry is None or not entry.alpha_dropout or place.site.kind is not SiteKind.HIDDEN:
        return
    for feeder in place.feeders:
        yield from _selu_initializer(place, core(feeder.operation))
    around = [*_between(place), *(call for used in place.calls for call in _following(used))]
    name = place.site.activation
    if any(isinstance(core(call.operation), _NORMALISATIONS) for call in around):
        yield Issue(
            Severity.WARNING,
            place.site.name,
            f"{name} keeps mean 0 and variance 1 by itself; with a normalisation beside it that is wasted.",
            "Leave out the normalisation, or use another activation (relu, elu, silu).",
        )
    dropouts = [type(core(call.operation)).__name__ for call in around if isinstance(core(call.operation), _DROPOUTS)]
    if dropouts:
        yield Issue(
            Severity.WARNING,
            place.site.name,
            f"{name} keeps mean 0 and variance 1, and {dropouts[0]} beside it changes both.",
            "Use keras.layers.AlphaDropout.",
        )


def _selu_initializer(place: TracedSite, layer: Any) -> Iterator[Issue]:
    initializer = getattr(layer, "kernel_initializer", None)
    if not isinstance(layer, _PLAIN) or initializer is None:
        return
    scaling = initializer if isinstance(initializer, keras.initializers.VarianceScaling) else None
    if scaling is not None and scaling.mode == "fan_in" and 0.9 <= scaling.scale <= 1.1:
        return
    name = type(initializer).__name__
    yield Issue(
        Severity.HINT if name.startswith("Glorot") else Severity.WARNING,
        place.site.name,
        f"{place.site.activation} keeps mean 0 and variance 1 with LeCun's initializer, and {layer.name} has {name}.",
        'Use kernel_initializer="lecun_normal".',
    )


def _negative_biases(place: TracedSite) -> Iterator[Issue]:
    """A ReLU whose units hardly become active, because of their biases."""
    if place.site.activation not in _RELU or any(isinstance(c.operation, _NORMALISATIONS) for c in _between(place)):
        return
    for feeder in place.feeders:
        layer = core(feeder.operation)
        bias = getattr(layer, "bias", None)
        if not isinstance(layer, _PLAIN) or not layer.built or bias is None:
            continue
        kernel = np.asarray(layer.kernel.value, dtype="float64").reshape(-1, bias.shape[0])
        reach = np.linalg.norm(kernel, axis=0)
        shift = float(np.median(np.asarray(bias.value) / np.maximum(reach, 1e-12)))
        if shift <= NEGATIVE_BIAS:
            yield Issue(
                Severity.WARNING,
                place.site.name,
                f"The biases of {layer.name} keep its units from becoming active: the median is {shift:.2g} standard "
                f"deviations of what goes into {place.site.activation}, for inputs of mean square 1. Such units die.",
                "Begin with biases at 0, or use leaky_relu, prelu or elu.",
            )


_RULES: tuple[Callable[[TracedSite], Iterator[Issue]], ...] = (
    _untrained,
    _shared_slopes,
    _slopes_of_pixels,
    _selu_company,
    _negative_biases,
)


def _deep_stacks(calls: Iterable[Call], places: Iterable[TracedSite]) -> Iterator[Issue]:
    """Sigmoid or tanh one after the other, without a normalisation or a skip connection between them."""
    hidden = [place for place in places if place.site.kind is SiteKind.HIDDEN]
    for kinds, limit, severity in ((SHARES, DEEP_SIGMOID, Severity.WARNING), (_TANH, DEEP_TANH, Severity.HINT)):
        stacked = {c: p.site for p in hidden if p.site.activation in kinds for c in p.calls}
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
                f"It is the last of {depths[deepest]} {site.activation} activations in a row, and each of them shrinks "
                "the gradient on its way back.",
                "Use relu, prelu, elu or selu with the matched initializer, or normalise between the layers. "
                "actsearch.screen(model, x, y) measures how much is left.",
            )


def _deadly_learning_rate(model: Any, calls: Iterable[Call], places: Iterable[TracedSite]) -> Iterator[Issue]:
    """A learning rate at which units of a ReLU network die."""
    relus = [p for p in places if p.site.activation in _RELU and p.site.kind is SiteKind.HIDDEN]
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
            f"{relus[0].site.activation} die, without a normalisation to bring them back.",
            f"Use {limit / 10:g} or less, or leaky_relu, prelu or elu.",
        )


def _between(place: TracedSite) -> Iterator[Call]:
    """The calls between a site and the layers that feed it."""
    for call in place.calls:
        while call not in place.feeders and len(call.sources) == 1:
            (call,) = call.sources
            if call not in place.feeders:
                yield call


def _following(call: Call) -> Iterator[Call]:
    """The calls that take its values, changes of shape looked through."""
    for user in call.users:
        yield user
        if isinstance(user.operation, _RESHAPING):
            yield from _following(user)
