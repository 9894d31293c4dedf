"""What a swap of activations will do to a model, decided and said before anything is built."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from actsearch._text_tables import html_table, text_table
from actsearch.activations.activation import Activation
from actsearch.activations.bound import BoundActivation, bind
from actsearch.errors import ModelError, UnknownNameError, UsageError
from actsearch.swap.graph import trace
from actsearch.swap.matching import Initializers, fit_dropouts, fit_initializers
from actsearch.swap.recognition import SlotKind
from actsearch.swap.sites import Site, SiteKind, TracedSite, locate

_HEADERS = ("site", "activation", "becomes")
Choice = str | Activation | BoundActivation


@dataclass(frozen=True)
class SiteSwap:
    """What becomes of one site.

    Args:
        site: The site as it was found.
        activation: The label of what will stand there; None where the site is left alone.
        reason: Why it is left alone; empty where it is replaced.
    """

    site: Site
    activation: str | None = None
    reason: str = ""


@dataclass(frozen=True, repr=False)
class SwapReport:
    """What a swap does to a model; print it for a table.

    Args:
        sites: Every site, replaced or left alone.
        initializers: By the name of the layer that feeds a replaced site: its initializer, and why where it was
            kept.
        dropouts: By the name of the dropout layer that follows replaced sites: its class from now on.
    """

    sites: tuple[SiteSwap, ...]
    initializers: Mapping[str, str] = field(default_factory=dict, hash=False)
    dropouts: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def replaced(self) -> tuple[SiteSwap, ...]:
        """The sites that get another activation."""
        return tuple(swap for swap in self.sites if swap.activation is not None)

    @property
    def left_alone(self) -> tuple[SiteSwap, ...]:
        """The sites that stay as they are."""
        return tuple(swap for swap in self.sites if swap.activation is None)

    @property
    def matching(self) -> dict[str, str]:
        """Initializers and dropouts as flat text: `{"conv1.initializer": "...", "drop.dropout": "AlphaDropout"}`."""
        initializers = {f"{name}.initializer": text for name, text in self.initializers.items()}
        return initializers | {f"{name}.dropout": text for name, text in self.dropouts.items()}

    def __repr__(self) -> str:
        return f"<SwapReport: {len(self.replaced)} of {len(self.sites)} activation sites are replaced>"

    def __str__(self) -> str:
        matching = [f"{name}: {text}" for name, text in self.matching.items()]
        return "\n".join([text_table(_HEADERS, self._rows(), left=3), *matching])

    def _repr_html_(self) -> str:
        return html_table(_HEADERS, self._rows())

    def _rows(self) -> list[tuple[str, str, str]]:
        return [(s.site.name, s.site.activation, s.activation or f"stays: {s.reason}") for s in self.sites]


@dataclass(frozen=True, eq=False)
class Plan:
    """A swap, with the objects of the model that it is for."""

    report: SwapReport
    wanted: Mapping[TracedSite, BoundActivation]
    initializers: Initializers
    dropouts: Mapping[int, type]

    @cached_property
    def by_owner(self) -> dict[int, list[tuple[TracedSite, BoundActivation]]]:
        """The sites to replace by the id of the layer or operation that holds them."""
        found: dict[int, list[tuple[TracedSite, BoundActivation]]] = {}
        for traced, wanted in self.wanted.items():
            found.setdefault(id(traced.slot.owner), []).append((traced, wanted))
        return found


def plan_swap(
    model: Any,
    activation: Choice | Mapping[str, Choice],
    *,
    match: bool = True,
    include_gates: bool = False,
) -> SwapReport:
    """What `swap_activations` would do with the same arguments; nothing is built.

    Args, raises: As in `swap_activations`.

    Example:

    >>> import keras
    >>> model = keras.Sequential(
    ...     [keras.Input((4,)), keras.layers.Dense(8, "relu", name="a"), keras.layers.Dense(3, "softmax", name="b")]
    ... )
    >>> report = plan_swap(model, "selu")
    >>> [(swap.site.name, swap.activation, swap.reason) for swap in report.sites]
    [('a', 'selu', ''), ('b', None, 'it is an output')]
    >>> report.matching
    {'a.initializer': 'variance_scaling(1, fan_in, truncated_normal)'}
    """
    return make_plan(model, activation, match=match, include_gates=include_gates).report


def make_plan(model: Any, activation: Choice | Mapping[str, Choice], *, match: bool, include_gates: bool) -> Plan:
    """`plan_swap` with the objects that the rebuilding needs."""
    calls = trace(model)
    traced_sites = locate(calls)
    wanted, reasons = _decide(model, traced_sites, activation, include_gates)
    initializers = fit_initializers(wanted) if match else Initializers()
    dropouts = dict(fit_dropouts(calls, traced_sites, wanted)) if match else {}
    report = SwapReport(
        tuple(SiteSwap(p.site, wanted[p].label if p in wanted else None, reasons.get(p, "")) for p in traced_sites),
        initializers.described,
        {call.path: kind.__name__ for call, kind in dropouts.items()},
    )
    return Plan(report, wanted, initializers, {id(call.operation): kind for call, kind in dropouts.items()})


def _decide(
    model: Any, traced_sites: tuple[TracedSite, ...], activation: Choice | Mapping[str, Choice], include_gates: bool
) -> tuple[dict[TracedSite, BoundActivation], dict[TracedSite, str]]:
    """Which sites get what, and why the rest is left alone."""
    if not traced_sites:
        raise ModelError(
            f"The model {model.name!r} has no activation anywhere, so there is nothing to replace. Put "
            'activation="relu" or keras.layers.Activation("relu") where a search may choose.'
        )
    named = isinstance(activation, Mapping)
    choices = _by_site([traced.site.name for traced in traced_sites], activation)
    wanted: dict[TracedSite, BoundActivation] = {}
    reasons: dict[TracedSite, str] = {}
    for traced in traced_sites:
        choice = choices.get(traced.site.name)
        reason = _obstacle(traced, choice, asked=include_gates or named)
        if reason and choice is not None and named:
            raise UsageError(f"The activation at {traced.site.name!r} cannot be replaced: {reason}.")
        if choice is None or reason:
            reasons[traced] = reason or "not among the sites that were named"
        else:
            wanted[traced] = choice
    if not wanted:
        raise ModelError(_nothing_to_replace(model, reasons))
    return wanted, reasons


def _by_site(sites: Sequence[str], activation: Choice | Mapping[str, Choice]) -> dict[str, BoundActivation]:
    """What was asked for, by the name of the site."""
    if not isinstance(activation, Mapping):
        return dict.fromkeys(sites, bind(activation))
    for name in activation:
        if name not in sites:
            raise UnknownNameError("activation site", name, sites)
    return {name: bind(choice) for name, choice in activation.items()}


def _obstacle(traced: TracedSite, choice: BoundActivation | None, *, asked: bool) -> str:
    """Why a site must be left alone; empty where it can be replaced."""
    site = traced.site
    if site.kind is SiteKind.OUTPUT:
        return "it is an output"
    if site.slot_kind is SlotKind.FIXED:
        return f"the code of the layer around it applies this {site.layer_class} itself"
    if site.kind is SiteKind.GATE and not asked:
        return "it is a gate"
    if site.slot_kind is SlotKind.INNER_ARGUMENT and choice is not None and choice.activation.learns:
        return f"{site.layer_class} applies it inside, where Keras does not train the parameters of {choice.label}"
    return ""


def _nothing_to_replace(model: Any, reasons: Mapping[TracedSite, str]) -> str:
    found = "; ".join(f"{traced.site.name}: {reason}" for traced, reason in list(reasons.items())[:5])
    more = f"; and {len(reasons) - 5} more" if len(reasons) > 5 else ""
    return (
        f"The model {model.name!r} has no activation that can be replaced ({found}{more}). A search needs hidden "
        "activations: add some, or call actsearch.choose(hp, space) in the function that builds the model."
    )
