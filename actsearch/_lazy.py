"""Names of a package that are imported when they are used, so that importing the package loads nothing."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(
    package: str, homes: Mapping[str, str], *, before: Callable[[str], None] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of a package (PEP 562).

    Args:
        package: Its `__name__`.
        homes: For each public name the module of the package that holds it: `"plan"`; a submodule is its own home. An
            attribute with the name of its module, or with another name than here: `"registry:get"`.
        before: Called with a name before its module is imported.

    Returns:
        The three, in this order.

    Example:

    >>> find, _, _ = lazy_names("actsearch", {"UsageError": "errors"})
    >>> find("UsageError").__name__
    'UsageError'
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if before is not None:
            before(name)
        home, _, attribute = homes[name].partition(":")
        module = import_module(f"{package}.{home}")
        is_submodule = not attribute and home.rpartition(".")[2] == name
        return module if is_submodule else getattr(module, attribute or name)

    names = sorted(homes)
    return find, lambda: names, names
