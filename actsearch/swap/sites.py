"""The activation sites of a Keras model: their position, their role, and the layers that feed them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, NamedTuple

from actsearch._text_tables import html_table, text_table
from actsearch.swap.dataflow import becomes_output, feeder, multiplies_a_branch
from actsearch.swap.graph import Call, Shape, trace
from actsearch.swap.recognition import NORMALISING, SHARES, ActivationSlot, SlotKind, activation_slots, core


class SiteKind(StrEnum):
    """The role of an activation."""

    HIDDEN = "hidden"
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
        kind: Hidden, gate or output.
        slot_kind: How the layer or operation holds the activation.
        layer_class: The class that holds the activation: `"Dense"`, `"ReLU"`, `"LSTM"`.
        shape: Its shape with the batch axis; None if the model is not built.
        feeders: The layers that feed it, one for each use. Normalisation, dropout, max pooling and changes of
            shape are skipped; for an `activation` argument it is the layer itself.
        num_uses: The number of times the model applies it; above 1 for a shared layer.
        block: The number of its block, from 0. A block is the hidden sites between two changes of resolution or
            width. None for gates and outputs.
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
    """A site with its objects in the model: the calls that use it, and the calls of the layers that feed it."""

    site: Site
    slot: ActivationSlot
    calls: tuple[Call, ...]
    feeders: tuple[Call, ...]


class SiteList(tuple[Site, ...]):
    """The sites of a model, from input to output; prints as a table."""

    __slots__ = ()
    _HEADERS = ("site", "activation", "kind", "layer", "shape", "uses")

    def __repr__(self) -> str:
        sites = ", ".join(f"{site.name}: {site.activation}" for site in self[:5])
        return f"<{len(self)} activation sites: {sites}{', …' if len(self) > 5 else ''}>"

    def __str__(self) -> str:
        return text_table(self._HEADERS, self._rows(), left=4)

    def _repr_html_(self) -> str:
        return html_table(self._HEADERS, self._rows())

    def _rows(self) -> list[tuple[str, ...]]:
        return [(s.name, s.activation, str(s.kind), s.layer_class, str(s.shape), str(s.num_uses)) for s in self]


def find_sites(model: Any) -> SiteList:
    """Finds the sites of a model, from input to output; linear activations are not sites.

    Sites are `activation` arguments, activation layers (Keras's, ours and registered ones), operations such as
    `keras.ops.relu`, and activations inside nested models, wrappers, recurrent cells, attention and user layers.

    A site is an *output* if its values, apart from reshaping and scaling, are an output of the model. It is a *gate*
    if it controls an LSTM or GRU, if it is a softmax that is not an output, or if it is a sigmoid that multiplies a
    branch that does not itself depend on it (squeeze-and-excite). All other sites are *hidden*.

    Args:
        model: A Sequential or Functional Keras model. It is not changed.

    Returns:
        The sites in the order in which the model applies them; may be empty. Prints as a table.

    Raises:
        ModelError: The model is subclassed.

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
    uses: dict[tuple[int, str], list[tuple[Call, ActivationSlot]]] = {}
    for call in calls:
        for slot in activation_slots(call.operation):
            uses.setdefault((id(slot.owner), "/".join(slot.keys)), []).append((call, slot))
    traced: list[TracedSite] = []
    taken: set[str] = set()
    for same in uses.values():
        first_call, slot = same[0]
        name = unique(first_call.path + slot.suffix, taken)
        traced.append(_traced(name, slot, tuple(call for call, _ in same), _last_hidden(traced)))
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


def _traced(name: str, slot: ActivationSlot, calls: tuple[Call, ...], previous: Site | None) -> TracedSite:
    by_itself = slot.kind in (SlotKind.LAYER, SlotKind.OPERATION)
    feeders = tuple(feeder(call) if by_itself else call for call in calls)
    site = Site(
        name=name,
        activation=slot.activation.name,
        parameters=slot.activation.parameters,
        in_catalogue=slot.activation.in_catalogue,
        learned=slot.activation.learned,
        kind=_kind(slot, calls),
        slot_kind=slot.kind,
        layer_class=type(slot.owner).__name__,
        shape=calls[0].shape,
        feeders=tuple(Feeder(f.path, type(core(f.operation)).__name__) for f in feeders if f is not None),
        num_uses=len(calls),
        block=None,
    )
    if site.kind is SiteKind.HIDDEN:
        site = replace(site, block=_block(site, previous))
    return TracedSite(site, slot, calls, tuple(f for f in feeders if f is not None))


def _block(site: Site, previous: Site | None) -> int:
    if previous is None or previous.block is None:
        return 0
    return previous.block + (site.shape != previous.shape)


def _kind(slot: ActivationSlot, calls: tuple[Call, ...]) -> SiteKind:
    name = slot.activation.name
    if slot.gate:
        return SiteKind.GATE
    if slot.kind is SlotKind.FIXED:
        return SiteKind.GATE if name in NORMALISING | SHARES else SiteKind.HIDDEN
    if any(becomes_output(call) for call in calls):
        return SiteKind.OUTPUT
    if name in NORMALISING or any(multiplies_a_branch(call, name) for call in calls):
        return SiteKind.GATE
    return SiteKind.HIDDEN
