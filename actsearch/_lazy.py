"""Names of a package that are imported on first use, so that importing the package loads nothing."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(
    package: str, homes: Mapping[str, str], *, before: Callable[[str], None] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Makes the `__getattr__`, `__dir__` and `__all__` of a package (PEP 562).

    Args:
        package: `__name__` of the package.
        homes: Module that holds each public name, relative to the package: `"plan"`; a submodule is its own home. An
            attribute that has the name of its module, or a different name there, is written `"registry:get"`.
        before: Called with a name before its module is imported.

    Returns:
        `__getattr__`, `__dir__` and `__all__`, in this order.

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
        module, _, attribute = homes[name].partition(":")
        home = import_module(f"{package}.{module}")
        return home if module.rpartition(".")[2] == name and not attribute else getattr(home, attribute or name)

    names = sorted(homes)
    return find, lambda: names, names
