"""The register of activations: what an entry is, how one is found, and how a new one is added."""

import warnings
from collections.abc import Callable, Mapping
from importlib import metadata
from types import ModuleType
from typing import Any, overload

from actsearch.activations.activation import Activation, Kinks, Parameter
from actsearch.activations.catalogue import ENTRIES
from actsearch.activations.user import entry_of
from actsearch.errors import UnknownNameError, UsageError, summarize

ENTRY_POINT_GROUP = "actsearch.activations"


# What other libraries and papers call them, in lower case without underscores, which never matter.
ALIASES = {
    "hardswish": "hard_silu",
    "hsigmoid": "hard_sigmoid",
    "hswish": "hard_silu",
    "logistic": "sigmoid",
    "lrelu": "leaky_relu",
    "lselu": "leaky_selu",
    "parametricrelu": "prelu",
    "randomizedleakyrelu": "rrelu",
    "sselu": "scaled_selu",
    "swish": "silu",
}

_entries: dict[str, Activation] = {}


def add(entry: Activation) -> Activation:
    """Adds an entry; a name that another function has already is refused."""
    known = _entries.get(entry.name)
    if known is not None and _origin(known) != _origin(entry):
        raise UsageError(
            f"An activation named {entry.name!r} is registered already ({known.formula}). "
            "Register this one under another name."
        )
    _entries[entry.name] = entry
    return entry


def find(name: str) -> Activation | None:
    """The entry of that name, None where there is none; case and underscores do not matter, and aliases are understood.

    Example:

    >>> [find(name).name for name in ("LeakyReLU", "swish", "hardtanh")]
    ['leaky_relu', 'silu', 'hard_tanh']
    """
    _load()
    if name in _entries:
        return _entries[name]
    word = spelling(name)
    known = next((known for known in _entries if spelling(known) == word), ALIASES.get(word, ""))
    return _entries.get(known)


def get(name: str, where: str | None = None) -> Activation:
    """The entry of that name, spelt as in `find`; its own `name` is what is recorded.

    Args:
        name: A name of `names()`, or what Keras or PyTorch call it: `"LeakyReLU"`, `"swish"`.
        where: The file and place that gave the name, for the message.

    Raises:
        UnknownNameError: There is none; the message names `where` and offers the nearest.

    Example:

    >>> get("relu").formula
    'max(0, x)'
    """
    entry = find(name)
    if entry is None:
        raise UnknownNameError("activation", name, _entries, where)
    return entry


def names() -> list[str]:
    """The names of all activations, in the order of the catalogue, plug-ins and the user's last."""
    _load()
    return list(_entries)


@overload
def register(target: Callable[..., Any], /) -> Any: ...
@overload
def register(
    target: str | None = None,
    /,
    *,
    family: str = ...,
    formula: str = ...,
    reference: str = ...,
    parameters: Mapping[str, Parameter] | None = ...,
    alpha_dropout: bool = ...,
    kinks: Kinks = ...,
) -> Callable[[Any], Any]: ...
def register(
    target: Any = None,
    /,
    *,
    family: str = "user",
    formula: str = "",
    reference: str = "",
    parameters: Mapping[str, Parameter] | None = None,
    alpha_dropout: bool = False,
    kinks: Kinks = (0.0,),
) -> Any:
    """Adds a function or a Keras layer to the catalogue, so that search spaces can name it.

    Decorate a function of one tensor, written with `keras.ops`, or a `keras.layers.Layer` subclass. Keyword
    arguments that have a number as default become its parameters, which a search space may vary. Its matched
    initializer follows from the function itself.

    Args:
        target: The name in search spaces; if omitted, the function's or class's own name.
        family, formula, reference: As in `Activation`.
        parameters: Ranges for its numbers; if omitted, they follow from the signature.
        alpha_dropout: Whether AlphaDropout is the dropout for it.
        kinks: Where function or derivative jumps; a function of the parameters where they move.

    Raises:
        UsageError: The name is taken, or the target is neither a function nor a layer class.

    Example:

    >>> import keras, actsearch
    >>> @actsearch.register_activation("squared_relu", formula="max(0, x)²", reference="arXiv 2109.08668")
    ... def squared_relu(x):
    ...     return keras.ops.square(keras.ops.relu(x))
    >>> float(actsearch.get_activation("squared_relu")(3.0))
    9.0
    """

    def decorate(obj: Any) -> Any:
        _load()
        name = target if isinstance(target, str) else getattr(obj, "__name__", repr(obj))
        known = {"family": family, "formula": formula or name, "reference": reference}
        add(entry_of(obj, name, parameters, alpha_dropout=alpha_dropout, kinks=kinks, **known))
        return obj

    if target is None or isinstance(target, str):
        return decorate
    return decorate(target)


def spelling(name: str) -> str:
    """A name without what never matters: case and underscores."""
    return name.replace("_", "").lower()


def _origin(entry: Activation) -> tuple[str, str]:
    """Module and qualified name of what made the entry: running a notebook's cell again is no clash."""
    target = getattr(entry.make, "target", entry.function)
    return (getattr(target, "__module__", ""), getattr(target, "__qualname__", repr(target)))


def _load() -> None:
    """Fills the register once: our own catalogue, then the plug-ins that other packages declare.

    Each step is taken off the list before it runs, so a plug-in may itself use the register.
    """
    while _pending:
        _pending.pop(0)()


def _add_catalogue() -> None:
    for entry in ENTRIES:
        add(entry)


def _add_plugins() -> None:
    """Loads the entry points; one that fails is named in a warning, and the rest stays usable."""
    for point in metadata.entry_points(group=ENTRY_POINT_GROUP):
        try:
            _add_plugin(point.load(), point.value)
        except Exception as error:  # noqa: BLE001 -- a foreign package may raise anything; it is reported below
            package = point.dist.name if point.dist else "an unknown package"
            warnings.warn(
                f"The activation plug-in {point.name!r} ({point.value}) of {package} is omitted: "
                f"{summarize(error)}. Everything else works; to be rid of this warning, "
                f"update or uninstall {package}.",
                RuntimeWarning,
                stacklevel=4,
            )


def _add_plugin(loaded: Any, value: str) -> None:
    """Adds what an entry point gave; a module, or what it decorated, has added itself when imported."""
    if isinstance(loaded, Activation):
        add(loaded)
    elif not isinstance(loaded, ModuleType) and not any(
        getattr(entry.make, "target", None) is loaded for entry in _entries.values()
    ):
        raise UsageError(
            f"{value} is neither an Activation, nor decorated with register_activation, nor a module that "
            "registers its activations"
        )


_pending: list[Callable[[], None]] = [_add_catalogue, _add_plugins]
