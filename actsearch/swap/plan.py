"""Plans a swap of activations: decides and reports what changes before any model is built."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from actsearch._text_tables import html_list, html_table, text_table
from actsearch.activations.activation import Activation
from actsearch.activations.bound import BoundActivation, bind
from actsearch.errors import ModelError, UnknownNameError, UsageError
from actsearch.layers.exchange import runs_own_code
from actsearch.swap.graph import Arguments, trace
from actsearch.swap.matching import Initializers, fit_dropouts, fit_initializers, is_frozen
from actsearch.swap.recognition import SlotKind
from actsearch.swap.sites import Site, SiteKind, TracedSite, locate, with_sketch

_HEADERS = ("site", "activation", "becomes")
Choice = str | Activation | BoundActivation


@dataclass(frozen=True)
class SiteSwap:
    """The decision about one site.

    Args:
        site: The site in the original model.
        activation: The label of the new activation; None if the site is unchanged.
        reason: The reason why the site is unchanged; empty if it is replaced.
        bound: The new activation with its parameters; None if the site is unchanged.

    Example:

    >>> import actsearch, keras
    >>> layers = [keras.layers.Dense(8, "relu", name="a"), keras.layers.Dense(3, "softmax", name="b")]
    >>> model = keras.Sequential([keras.Input((4,)), *layers])
    >>> [(swap.site.name, swap.activation, swap.reason) for swap in actsearch.plan_swap(model, "selu").sites]
    [('a', 'selu', ''), ('b', None, 'it is an output')]
    """

    site: Site
    activation: str | None = None
    reason: str = ""
    bound: BoundActivation | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, repr=False)
class SwapReport:
    """The changes that a swap makes to a model; prints as a table.

    Args:
        sites: All sites, replaced or unchanged.
        initializers: By the name of a layer that feeds a replaced site, its new initializer, or the reason why it is
            unchanged.
        dropouts: By the name of a dropout layer that follows replaced sites, its new class.

    Example:

    >>> import actsearch, keras
    >>> layers = [keras.layers.Dense(8, "relu", name="a"), keras.layers.Dense(3, "softmax", name="b")]
    >>> model = keras.Sequential([keras.Input((4,)), *layers])
    >>> report = actsearch.plan_swap(model, "selu")
    >>> report.summary
    '1 of 2 activations are searched: a.'
    >>> print(report)
    site  activation  becomes
    a     relu        selu
    b     softmax     stays: it is an output
    a.initializer: variance_scaling(1, fan_in, truncated_normal)
    """

    sites: tuple[SiteSwap, ...]
    initializers: Mapping[str, str] = field(default_factory=dict, hash=False)
    dropouts: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def replaced(self) -> tuple[SiteSwap, ...]:
        """The sites that get a new activation."""
        return tuple(swap for swap in self.sites if swap.activation is not None)

    @property
    def left_alone(self) -> tuple[SiteSwap, ...]:
        """The sites that are unchanged."""
        return tuple(swap for swap in self.sites if swap.activation is None)

    @property
    def matching(self) -> dict[str, str]:
        """Initializers and dropouts as flat text: `{"conv1.initializer": "...", "drop.dropout": "AlphaDropout"}`."""
        initializers = {f"{name}.initializer": text for name, text in self.initializers.items()}
        return initializers | {f"{name}.dropout": text for name, text in self.dropouts.items()}

    @property
    def summary(self) -> str:
        """A sentence on the sites that get a new activation."""
        names = [swap.site.name for swap in self.replaced]
        shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
        return f"{len(names)} of {len(self.sites)} activations are searched: {shown}."

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences on activations that stay although they are neither gates nor outputs; empty if there are none."""
        inner = [swap for swap in self.sites if swap.site.kind in (SiteKind.HIDDEN, SiteKind.RECURRENT)]
        alike: dict[tuple[str, str], list[str]] = {}
        for swap in inner:
            if swap.activation is None:
                alike.setdefault((swap.site.activation, swap.reason), []).append(swap.site.name)
        return tuple(
            f"{len(names)} of {len(inner)} hidden activations stay{'s' if len(names) == 1 else ''} {activation} in all "
            f"trials: {', '.join(names[:3])}{', …' if len(names) > 3 else ''} ({reason})."
            for (activation, reason), names in alike.items()
        )

    def __repr__(self) -> str:
        return f"<SwapReport: {len(self.replaced)} of {len(self.sites)} activation sites are replaced>"

    def __str__(self) -> str:
        matching = [f"{name}: {text}" for name, text in self.matching.items()]
        return "\n".join([text_table(_HEADERS, self._rows(), left=3), *matching])

    def _repr_html_(self) -> str:
        rows = [
            (name, activation, becomes if swap.bound is None else with_sketch(swap.bound))
            for swap, (name, activation, becomes) in zip(self.sites, self._rows(), strict=True)
        ]
        matching = [f"{name}: {text}" for name, text in self.matching.items()]
        return html_table(_HEADERS, rows) + (html_list(matching) if matching else "")

    def _rows(self) -> list[tuple[str, str, str]]:
        return [(s.site.name, s.site.activation, s.activation or f"stays: {s.reason}") for s in self.sites]


@dataclass(frozen=True, eq=False)
class Plan:
    """A swap, with the objects of the model that it applies to."""

    report: SwapReport
    wanted: Mapping[TracedSite, BoundActivation]
    initializers: Initializers
    dropouts: Mapping[int, type]
    arguments: Arguments | None = None

    @cached_property
    def by_owner(self) -> dict[int, list[tuple[TracedSite, BoundActivation]]]:
        """The sites to replace, by the id of the layer or operation that holds them."""
        swaps: dict[int, list[tuple[TracedSite, BoundActivation]]] = {}
        for traced, wanted in self.wanted.items():
            swaps.setdefault(id(traced.slot.owner), []).append((traced, wanted))
        return swaps


def plan_swap(
    model: Any,
    activation: Choice | Mapping[str, Choice],
    *,
    match: bool = True,
    include_gates: bool = False,
    include_recurrent: bool = False,
    include_frozen: bool = False,
) -> SwapReport:
    """Reports what `swap_activations` would change with the same arguments, without building a model.

    Args, Raises: As for `swap_activations`.

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
    included = Included(gates=include_gates, recurrent=include_recurrent, frozen=include_frozen)
    return make_plan(TracedModel(model), activation, match=match, included=included).report


@dataclass(frozen=True)
class Included:
    """The kinds of sites, beside hidden ones, that are replaced without being named."""

    gates: bool = False
    recurrent: bool = False
    frozen: bool = False


class TracedModel:
    """A model with its calls and sites, which many swaps of the same model can share.

    Args:
        model: A Keras model.
        arguments: Symbolic arguments of a subclassed model; if omitted, such as it was built with.
    """

    def __init__(self, model: Any, arguments: Arguments | None = None) -> None:
        self.model = model
        self.arguments = arguments
        self.calls = trace(model, arguments)
        self.sites = locate(self.calls)


def make_plan(
    traced_model: TracedModel, activation: Choice | Mapping[str, Choice], *, match: bool, included: Included
) -> Plan:
    """Does the work of `plan_swap`, and returns the report with the objects needed to rebuild the model."""
    model, calls, traced_sites = traced_model.model, traced_model.calls, traced_model.sites
    wanted, reasons = _decide(model, traced_sites, activation, included)
    initializers = fit_initializers(wanted) if match else Initializers()
    dropouts = dict(fit_dropouts(calls, traced_sites, wanted)) if match else {}
    report = SwapReport(
        tuple(_site_swap(p.site, wanted.get(p), reasons.get(p, "")) for p in traced_sites),
        initializers.described,
        {call.path: kind.__name__ for call, kind in dropouts.items()},
    )
    kinds = {id(call.operation): kind for call, kind in dropouts.items()}
    return Plan(report, wanted, initializers, kinds, traced_model.arguments)


def _site_swap(site: Site, wanted: BoundActivation | None, reason: str) -> SiteSwap:
    return SiteSwap(site, None if wanted is None else wanted.label, reason, wanted)


def _decide(
    model: Any, traced_sites: tuple[TracedSite, ...], activation: Choice | Mapping[str, Choice], included: Included
) -> tuple[dict[TracedSite, BoundActivation], dict[TracedSite, str]]:
    """Returns the new activations of replaced sites, and the reasons why the others are unchanged."""
    if not traced_sites:
        raise ModelError(
            f"The model {model.name!r} has no activations, so there is nothing to replace.{_unknown(model)} Put "
            'activation="relu" or keras.layers.Activation("relu") at the sites to search.'
        )
    named = isinstance(activation, Mapping)
    choices = _by_site([traced.site.name for traced in traced_sites], activation)
    wanted: dict[TracedSite, BoundActivation] = {}
    reasons: dict[TracedSite, str] = {}
    for traced in traced_sites:
        choice = choices.get(traced.site.name)
        asked = Included(gates=True, recurrent=True, frozen=True) if named else included
        reason = _obstacle(traced, choice, asked)
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
    """Returns the requested activations by the name of the site."""
    if not isinstance(activation, Mapping):
        return dict.fromkeys(sites, bind(activation))
    for name in activation:
        if name not in sites:
            raise UnknownNameError("activation site", name, sites)
    return {name: bind(choice) for name, choice in activation.items()}


def _obstacle(traced: TracedSite, choice: BoundActivation | None, included: Included) -> str:
    """Returns the reason why a site cannot be replaced; empty if it can."""
    site = traced.site
    if site.kind is SiteKind.OUTPUT:
        return "it is an output"
    if site.slot_kind is SlotKind.FIXED:
        return "the code of the layer around it applies it, where it cannot be replaced"
    if site.kind is SiteKind.GATE and not included.gates:
        return "it is a gate"
    if site.kind is SiteKind.RECURRENT and not included.recurrent:
        return "it is recurrent"
    if not included.frozen and is_frozen(traced):
        return "it is frozen"
    if choice is None or not choice.activation.learns:
        return ""
    if _widths(traced) > 1:
        return f"it is applied to inputs of several widths, which cannot share the parameters of {choice.label}"
    if site.slot_kind is SlotKind.INNER_ARGUMENT and not traced.uses:
        return f"{site.layer_class} applies it inside, where Keras does not train the parameters of {choice.label}"
    return ""


def _widths(traced: TracedSite) -> int:
    """Counts the widths of the inputs that the code of a layer applies an activation to at one place."""
    places = {use.place: set[Any]() for use in traced.uses}
    for use in traced.uses:
        places[use.place].add(use.shape[-1] if use.shape else None)
    return max((len(widths) for widths in places.values()), default=1)


def _nothing_to_replace(model: Any, reasons: Mapping[TracedSite, str]) -> str:
    shown = "; ".join(f"{traced.site.name}: {reason}" for traced, reason in list(reasons.items())[:5])
    more = f"; and {len(reasons) - 5} more" if len(reasons) > 5 else ""
    kinds = {traced.site.kind for traced in reasons}
    ways = [
        text
        for kind, text in (
            (SiteKind.RECURRENT, "pass include_recurrent=True to replace the activation of recurrent layers"),
            (SiteKind.GATE, "name a gate, or pass swap_activations(..., include_gates=True), to replace it"),
        )
        if kind in kinds
    ]
    return (
        f"The model {model.name!r} has no activation that can be replaced ({shown}{more}). A search needs hidden "
        f"activations: {'; '.join([*ways, 'add some'])}; or call actsearch.choose(hp, space) in the function that "
        "builds the model."
    )


def _unknown(model: Any) -> str:
    """Names the layers whose code cannot be seen to apply any activation."""
    opaque = [layer for layer in model.layers if runs_own_code(layer)]
    names = ", ".join(f"{layer.name} ({type(layer).__name__})" for layer in opaque[:3])
    return f" None is recognised in the code of {names}." if opaque else ""
