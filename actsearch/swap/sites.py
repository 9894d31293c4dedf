"""The activation sites of a Keras model: their position, their role, and the layers that feed them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, NamedTuple

from markupsafe import Markup, escape

from actsearch._text_tables import html_table, text_table
from actsearch.activations.bound import BoundActivation, bind
from actsearch.swap.dataflow import becomes_output, feeder, multiplies_a_branch
from actsearch.swap.graph import Call, Shape, trace
from actsearch.swap.opaque.inside import InnerUse
from actsearch.swap.opaque.slots import slots_at
from actsearch.swap.recognition import NORMALISING, SHARES, ActivationSlot, SlotKind, core


class SiteKind(StrEnum):
    """The role of an activation.

    Example:

    >>> import actsearch, keras
    >>> layers = [keras.layers.Dense(8, "relu", name="a"), keras.layers.Dense(3, "softmax", name="b")]
    >>> model = keras.Sequential([keras.Input((4,)), *layers])
    >>> [site.name for site in actsearch.find_sites(model) if site.kind == "hidden"]
    ['a']
    >>> [str(kind) for kind in SiteKind]
    ['hidden', 'recurrent', 'gate', 'output']
    """

    HIDDEN = "hidden"
    RECURRENT = "recurrent"
    GATE = "gate"
    OUTPUT = "output"


class Feeder(NamedTuple):
    """A layer whose output is the input of a site."""

    name: str
    layer_class: str


@dataclass(frozen=True)
class Site:
    """A position in a model at which an activation is applied.

    Args:
        name: A unique name, preceded by the names of the models and wrappers that contain it: `"encoder/conv1"`.
        activation: The name of the activation in the catalogue, or a description if it is not in the catalogue.
        parameters: The parameters of the activation, named as in the catalogue.
        in_catalogue: Whether the activation is in the catalogue.
        learned: Whether training changes the activation.
        kind: Hidden, recurrent, gate or output.
        slot_kind: How the layer or operation holds the activation.
        layer_class: The class that holds the activation: `"Dense"`, `"ReLU"`, `"LSTM"`.
        shape: Its shape with the batch axis; None if the model is not built.
        feeders: The layers that feed it, one for each use. Normalisation, dropout, max pooling and changes of
            shape are skipped; for an `activation` argument it is the layer itself.
        num_uses: The number of times the model applies it; above 1 for a shared layer.
        block: The number of its block, from 0. A block is the hidden sites between two changes of resolution or
            width. None for gates and outputs.

    Example:

    >>> import actsearch, keras
    >>> layers = [keras.layers.Dense(8, "relu", name="a"), keras.layers.Dense(3, "softmax", name="b")]
    >>> model = keras.Sequential([keras.Input((4,)), *layers])
    >>> site = actsearch.find_sites(model)[0]
    >>> site.name, site.activation, site.layer_class, site.shape, site.num_uses
    ('a', 'relu', 'Dense', (None, 8), 1)
    """

    name: str
    activation: str
    parameters: Mapping[str, float] = field(hash=False)
    in_catalogue: bool
    learned: bool
    kind: SiteKind
    slot_kind: SlotKind
    layer_class: str
    shape: Shape | None
    feeders: tuple[Feeder, ...]
    num_uses: int
    block: int | None

    @property
    def feeder(self) -> Feeder | None:
        """The layer that feeds it; None if there are several."""
        return self.feeders[0] if len(set(self.feeders)) == 1 else None


@dataclass(frozen=True, eq=False)
class TracedSite:
    """A site with its objects in the model.

    Args:
        site: The site.
        slot: The activation in its layer or operation.
        calls: The calls that use it.
        feeders: The calls of the layers that feed it.
        uses: Its applications by the code of the layer, if that is known.
    """

    site: Site
    slot: ActivationSlot
    calls: tuple[Call, ...]
    feeders: tuple[Call, ...]
    uses: tuple[InnerUse, ...] = ()


class SiteList(tuple[Site, ...]):
    """The sites of a model, from input to output; prints as a table.

    Example:

    >>> import actsearch, keras
    >>> layers = [keras.layers.Dense(8, "relu", name="a"), keras.layers.Dense(3, "softmax", name="b")]
    >>> model = keras.Sequential([keras.Input((4,)), *layers])
    >>> print(actsearch.find_sites(model))
    site  activation  kind    layer      shape  uses
    a     relu        hidden  Dense  (None, 8)     1
    b     softmax     output  Dense  (None, 3)     1
    """

    __slots__ = ()
    _HEADERS = ("site", "activation", "kind", "layer", "shape", "uses")

    def __repr__(self) -> str:
        sites = ", ".join(f"{site.name}: {site.activation}" for site in self[:5])
        return f"<{len(self)} activation sites: {sites}{', …' if len(self) > 5 else ''}>"

    def __str__(self) -> str:
        return text_table(self._HEADERS, self._rows(), left=4)

    def _repr_html_(self) -> str:
        rows = [(row[0], _sketched(site), *row[2:]) for site, row in zip(self, self._rows(), strict=True)]
        return html_table(self._HEADERS, rows)

    def _rows(self) -> list[tuple[str, ...]]:
        return [(s.name, s.activation, str(s.kind), s.layer_class, str(s.shape), str(s.num_uses)) for s in self]


def _sketched(site: Site) -> Markup:
    """Returns the activation of a site with a picture of it, if it is in the catalogue."""
    if not site.in_catalogue:
        return escape(site.activation)
    return with_sketch(bind(site.activation, **site.parameters))


def with_sketch(bound: BoundActivation) -> Markup:
    """Returns the label of an activation after a picture of it."""
    return Markup("{} {}").format(bound.sketch, bound.label)


def find_sites(model: Any) -> SiteList:
    """Finds the sites of a model, from input to output; linear activations are not sites.

    Sites are `activation` arguments, activation layers (Keras's, ours and registered ones), operations such as
    `keras.ops.relu`, and activations inside nested models, wrappers, recurrent cells and attention. User layers and
    subclassed models are called once, symbolically, to find the activations that their code applies.

    A site is an *output* if its values, apart from reshaping and scaling, are an output of the model. It is a *gate*
    if it controls an LSTM or GRU, if it is a softmax that is not an output, or if it is a sigmoid that multiplies a
    branch that does not itself depend on it (squeeze-and-excite). All other sites are *hidden*.

    Args:
        model: A Keras model; a subclassed one must be built. It is not changed.

    Returns:
        The sites in the order in which the model applies them; may be empty. Prints as a table.

    Raises:
        ModelError: The model is subclassed and not built.

    Example:

    >>> import keras
    >>> model = keras.Sequential(
    ...     [keras.Input((4,)), keras.layers.Dense(8, "relu", name="a"), keras.layers.Dense(3, "softmax", name="b")]
    ... )
    >>> [(site.name, site.activation, str(site.kind), site.shape) for site in find_sites(model)]
    [('a', 'relu', 'hidden', (None, 8)), ('b', 'softmax', 'output', (None, 3))]
    """
    return SiteList(traced.site for traced in locate(trace(model)))


def locate(calls: Iterable[Call]) -> tuple[TracedSite, ...]:
    """Finds the sites among the calls of a model, with the objects of each."""
    found: dict[tuple[int, str], list[tuple[Call, ActivationSlot, tuple[InnerUse, ...]]]] = {}
    for call in calls:
        for slot, uses in slots_at(call):
            found.setdefault((id(slot.owner), slot.suffix), []).append((call, slot, uses))
    traced: list[TracedSite] = []
    taken: set[str] = set()
    for same in found.values():
        first_call, slot, _ = same[0]
        name = unique((first_call.path + slot.suffix).lstrip("/"), taken)
        uses = tuple(use for _, _, inner in same for use in inner)
        traced.append(_traced(name, slot, tuple(call for call, _, _ in same), uses, _last_hidden(traced)))
    return tuple(traced)


def unique(name: str, taken: set[str]) -> str:
    """Returns the name, with a number appended if it is taken, and adds it to `taken`."""
    number, fresh = 0, name
    while fresh in taken:
        number += 1
        fresh = f"{name}_{number}"
    taken.add(fresh)
    return fresh


def _last_hidden(traced: list[TracedSite]) -> Site | None:
    return next((t.site for t in reversed(traced) if t.site.kind is SiteKind.HIDDEN), None)


def _traced(
    name: str, slot: ActivationSlot, calls: tuple[Call, ...], uses: tuple[InnerUse, ...], previous: Site | None
) -> TracedSite:
    if uses:
        feeders = tuple(_inner_feeder(calls[0], use) for use in uses)
    else:
        by_itself = slot.kind in (SlotKind.LAYER, SlotKind.OPERATION)
        feeders = tuple(feeder(call) if by_itself else call for call in calls)
    site = Site(
        name=name,
        activation=slot.activation.name,
        parameters=slot.activation.parameters,
        in_catalogue=slot.activation.in_catalogue,
        learned=slot.activation.learned,
        kind=_kind(slot, calls, uses),
        slot_kind=slot.kind,
        layer_class=uses[0].layer_class if slot.kind is SlotKind.INNER else type(slot.owner).__name__,
        shape=uses[0].shape if uses else calls[0].shape,
        feeders=tuple(Feeder(f.path, type(core(f.operation)).__name__) for f in feeders if f is not None),
        num_uses=len(calls) if slot.recurrent or slot.gate else len(uses) or len(calls),
        block=None,
    )
    if site.kind is SiteKind.HIDDEN:
        site = replace(site, block=_block(site, previous))
    return TracedSite(site, slot, calls, tuple(f for f in feeders if f is not None), uses)


def _inner_feeder(call: Call, use: InnerUse) -> Call | None:
    """Returns the layer inside a layer that feeds an activation there, as a call."""
    if use.feeder is None:
        return None
    layer, path = use.feeder
    return Call(layer, f"{call.path}/{path}".strip("/"), use.shape, [])


def _block(site: Site, previous: Site | None) -> int:
    if previous is None or previous.block is None:
        return 0
    return previous.block + (site.shape != previous.shape)


def _kind(slot: ActivationSlot, calls: tuple[Call, ...], uses: tuple[InnerUse, ...]) -> SiteKind:
    name = slot.activation.name
    if slot.gate:
        return SiteKind.GATE
    if slot.recurrent:
        return SiteKind.RECURRENT
    if any(use.is_recurrent for use in uses):
        return SiteKind.GATE if any(use.is_gate for use in uses) else SiteKind.RECURRENT
    if slot.kind is SlotKind.FIXED:
        return SiteKind.GATE if name in NORMALISING | SHARES else SiteKind.HIDDEN
    ends = not uses or any(use.is_output for use in uses)
    if ends and any(becomes_output(call) for call in calls):
        return SiteKind.OUTPUT
    if name in NORMALISING or any(use.is_gate for use in uses):
        return SiteKind.GATE
    if not uses and any(multiplies_a_branch(call, name) for call in calls):
        return SiteKind.GATE
    return SiteKind.HIDDEN
