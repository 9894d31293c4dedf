"""The registry of activations: looks up entries by name and adds new ones."""

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


# Names in other libraries and papers, normalised by `spelling`: lower case, without underscores.
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
    """Adds an entry and returns it.

    Raises:
        UsageError: Another function is registered under the same name.
    """
    registered = _entries.get(entry.name)
    if registered is not None and _origin(registered) != _origin(entry):
        raise UsageError(
            f"An activation named {entry.name!r} is already registered ({registered.formula}). "
            "Register this one under another name."
        )
    _entries[entry.name] = entry
    return entry


def find(name: str) -> Activation | None:
    """Returns the entry with this name, or None; case and underscores do not matter, and aliases are accepted.

    Example:

    >>> [find(name).name for name in ("LeakyReLU", "swish", "hardtanh")]
    ['leaky_relu', 'silu', 'hard_tanh']
    """
    _load()
    if name in _entries:
        return _entries[name]
    normalised = spelling(name)
    match = next((entry for entry in _entries if spelling(entry) == normalised), ALIASES.get(normalised, ""))
    return _entries.get(match)


def get(name: str, where: str | None = None) -> Activation:
    """Returns the entry with this name; spelling and aliases as for `find`.

    Args:
        name: One of `names()`, or the name in Keras or PyTorch: `"LeakyReLU"`, `"swish"`.
        where: The file and line that the name comes from, for the message.

    Returns:
        The entry; records use its own `name`, not the alias.

    Raises:
        UnknownNameError: No activation has this name; the message gives `where` and suggests the nearest name.

    Example:

    >>> get("relu").formula
    'max(0, x)'
    """
    entry = find(name)
    if entry is None:
        raise UnknownNameError("activation", name, _entries, where)
    return entry


def names() -> list[str]:
    """Returns the names of all activations: the catalogue in its order, then plug-ins and the user's own.

    Example:

    >>> names()[:3]
    ['linear', 'relu', 'relu6']
    """
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
    """Adds a function or a Keras layer to the catalogue, so that search spaces can use it by name.

    Decorate a function of one tensor, written with `keras.ops`, or a `keras.layers.Layer` subclass. Keyword
    arguments with a number as default become its parameters, which a search space may vary. Its matched
    initializer is computed from the function itself.

    Args:
        target: The name in search spaces; if omitted, the name of the function or class.
        family, formula, reference: As in `Activation`.
        parameters: Ranges of its parameters; if omitted, they are derived from the signature.
        alpha_dropout: Whether it keeps zero mean and unit variance, so that it needs AlphaDropout.
        kinks: The points where the function or its derivative jumps; a function of the parameters if they depend on
            these.

    Returns:
        The decorated object, or a decorator if a name or keyword arguments are given.

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
        description = {"family": family, "formula": formula or name, "reference": reference}
        add(entry_of(obj, name, parameters, alpha_dropout=alpha_dropout, kinks=kinks, **description))
        return obj

    if target is None or isinstance(target, str):
        return decorate
    return decorate(target)


def spelling(name: str) -> str:
    """Normalises a name: lower case, without underscores."""
    return name.replace("_", "").lower()


def _origin(entry: Activation) -> tuple[str, str]:
    """Returns module and qualified name of the entry's source, so that rerunning a notebook cell is not a conflict."""
    target = getattr(entry.make, "target", entry.function)
    return (getattr(target, "__module__", ""), getattr(target, "__qualname__", repr(target)))


def _load() -> None:
    """Fills the registry once: our catalogue, then the plug-ins that other packages declare.

    Each step is removed from the list before it runs, so a plug-in may use the registry itself.
    """
    while _pending:
        _pending.pop(0)()


def _add_catalogue() -> None:
    for entry in ENTRIES:
        add(entry)


def _add_plugins() -> None:
    """Loads the entry points; a warning reports one that fails, and the others stay usable."""
    for point in metadata.entry_points(group=ENTRY_POINT_GROUP):
        try:
            _add_plugin(point.load(), point.value)
        except Exception as error:  # noqa: BLE001 -- a foreign package may raise anything; it is reported below
            package = point.dist.name if point.dist else "an unknown package"
            warnings.warn(
                f"The activation plug-in {point.name!r} ({point.value}) of {package} is omitted: "
                f"{summarize(error)}. Everything else works. To remove this warning, update or uninstall {package}.",
                RuntimeWarning,
                stacklevel=4,
            )


def _add_plugin(loaded: Any, value: str) -> None:
    """Adds the object of an entry point; modules and decorated objects registered themselves on import."""
    if isinstance(loaded, Activation):
        add(loaded)
    elif not isinstance(loaded, ModuleType) and not any(
        getattr(entry.make, "target", None) is loaded for entry in _entries.values()
    ):
        raise UsageError(
            f"{value} is not an Activation, an object decorated with register_activation, or a module that "
            "registers its activations"
        )


_pending: list[Callable[[], None]] = [_add_catalogue, _add_plugins]
