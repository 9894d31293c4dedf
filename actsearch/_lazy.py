"""Names of a package that are imported on first use, so that importing the package loads nothing."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
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


def subpackage_beside(package: str, name: str) -> None:
    """Imports a subpackage that is a folder beside the package in a checkout, and a folder in it once installed.

    Python that is started in a checkout imports the package from there, wherever else it is installed.

    Args:
        package: `__name__` of the package, which is being imported.
        name: Name of the folder, and of the subpackage.
    """
    inside = Path(str(sys.modules[package].__file__)).parent
    start = inside.parent / name / "__init__.py"
    if (inside / name).is_dir() or not start.is_file():
        return
    spec = spec_from_file_location(f"{package}.{name}", start, submodule_search_locations=[str(start.parent)])
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)
    setattr(sys.modules[package], name, module)
    spec.loader.exec_module(module)
