"""Counts what a reader of the package meets before the inside of a function.

    python benchmarks/house.py

Prints modules, folders, circles, names that two files or classes share, small modules, arguments, places of defaults,
and what is longest. `tests/test_architecture.py` holds the package to the limits that are here.
"""

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "actsearch"
MAX_LINES, MAX_FUNCTION_LINES = 400, 40
MAX_MODULES, MAX_IN_FOLDER = 194, 16
SMALL_LINES = 60
MAY_REPEAT = {"__init__", "base"}
DEFAULTS = {"alpha": 0.05, "max_executions": 30, "epochs": 30}

# Small modules that one module imports, or none, and why they are files of their own.
REASONS = {
    "cli/advise": "one file per command",
    "cli/spaces": "one file per command",
    "cli/sync": "one file per command",
    "tracking/serving": "MLflow loads it by this path, which is kept in users' models",
}


@cache
def paths() -> tuple[Path, ...]:
    """All modules of the package but `__init__`."""
    return tuple(sorted(path for path in PACKAGE.rglob("*.py") if path.stem != "__init__"))


@cache
def tree(path: Path) -> ast.Module:
    """What a file says."""
    return ast.parse(path.read_text("utf-8"))


def name_of(path: Path) -> str:
    """A module's place in the package: `tuning/loop`."""
    return path.relative_to(PACKAGE).with_suffix("").as_posix()


def num_lines(path: Path) -> int:
    """Lines of a file."""
    return len(path.read_text("utf-8").splitlines())


def folders() -> Counter[str]:
    """Modules by folder."""
    return Counter(path.parent.relative_to(PACKAGE).as_posix() for path in paths())


def shared_file_names() -> dict[str, list[str]]:
    """File names that several modules have, but for those that may repeat."""
    found = defaultdict(list)
    for path in paths():
        found[path.stem.strip("_")].append(name_of(path))
    return {name: places for name, places in found.items() if len(places) > 1 and name not in MAY_REPEAT}


def shared_class_names() -> dict[str, list[str]]:
    """Class names that stand in several places of the package."""
    found = defaultdict(list)
    for path in paths():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(name_of(path))
    return {name: places for name, places in found.items() if len(places) > 1}


def imports_of(path: Path, *, for_types: bool = True) -> set[str]:
    """The modules of the package that a file imports, inside functions too: `{"tuning/loop"}`.

    Args:
        path: The file.
        for_types: Whether those count that only type checkers follow.
    """
    hidden = set() if for_types else set(_inside_type_checking(tree(path)))
    found = set()
    for node in ast.walk(tree(path)):
        if node in hidden:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    known = {name_of(other) for other in paths()}
    places = {name.removeprefix("actsearch.").replace(".", "/") for name in found if name.startswith("actsearch.")}
    return places & known


def _inside_type_checking(module: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(module):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            yield from ast.walk(node)


def small_modules() -> dict[str, list[str]]:
    """Modules under 60 lines with fewer than two importers, and who imports them."""
    importers = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        for place in imports_of(path):
            importers[place].append(name_of(path))
    small = [name_of(path) for path in paths() if num_lines(path) < SMALL_LINES]
    return {name: importers[name] for name in small if len(importers[name]) < 2}


def circles() -> list[str]:
    """Circles of imports between modules, of any room or several."""
    graph = {name_of(path): imports_of(path, for_types=False) for path in paths()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [" -> ".join(error.args[1])]
    return []


def functions() -> Iterator[tuple[int, str]]:
    """Each function's length without its docstring, and where it is."""
    for path in paths():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef):
                has_docstring = ast.get_docstring(node, clean=False) and len(node.body) > 1
                first = node.body[1] if has_docstring else node.body[0]
                yield (node.end_lineno or 0) - first.lineno + 1, f"{name_of(path)}: {node.name}"


def num_arguments(place: str, name: str) -> int:
    """Arguments of a class's constructor, `self` apart."""
    for node in ast.walk(tree(PACKAGE / f"{place}.py")):
        if isinstance(node, ast.ClassDef) and node.name == name:
            for part in node.body:
                if isinstance(part, ast.FunctionDef) and part.name == "__init__":
                    return len(part.args.args) + len(part.args.kwonlyargs) - 1
    raise LookupError(f"{place} has no class {name} with a constructor.")


def default_places(name: str) -> list[str]:
    """Where a number is the default of an argument or of a field, or stands behind a `.get(name, ...)`."""
    found = []
    for path in paths():
        values = [value for node in ast.walk(tree(path)) for value in _defaults(node, name)]
        found += [f"{name_of(path)}:{value.lineno}" for value in values if _is(value, DEFAULTS[name])]
    return found


def _defaults(node: ast.AST, name: str) -> Iterator[ast.expr]:
    if isinstance(node, ast.FunctionDef):
        given = node.args
        last_first = zip(reversed(given.args), reversed(given.defaults), strict=False)
        pairs = [*last_first, *zip(given.kwonlyargs, given.kw_defaults, strict=True)]
        yield from (value for argument, value in pairs if argument.arg == name and value is not None)
    elif isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == name and node.value is not None:
        yield from (part for part in ast.walk(node.value) if isinstance(part, ast.Constant))
    elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "get" and len(node.args) == 2:
        key, value = node.args
        yield from [value] if getattr(key, "value", None) == name else []


def _is(node: ast.expr, number: float) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in (int, float) and node.value == number


def main() -> None:
    """Prints the counts."""
    folder, size = folders().most_common(1)[0]
    small = small_modules()
    print(f"modules without __init__: {len(paths())} (at most {MAX_MODULES})")
    print(f"largest folder: {folder} with {size} (at most {MAX_IN_FOLDER})")
    print(f"circles: {circles() or 'none'}")
    print(f"class names in several places: {shared_class_names() or 'none'}")
    print(f"file names in several places: {shared_file_names() or 'none'}")
    print(f"modules under {SMALL_LINES} lines with fewer than two importers: {len(small)}")
    for name, importers in small.items():
        print(f"    {name}, imported by {', '.join(importers) or 'none'}: {REASONS.get(name, 'NO REASON')}")
    print(f"arguments of ActivationTuner: {num_arguments('tuning/tuner', 'ActivationTuner')} (at most 20)")
    for name, number in DEFAULTS.items():
        print(f"{name}={number} is a default in: {', '.join(default_places(name))}")
    longest = sorted(((num_lines(path), name_of(path)) for path in paths()), reverse=True)[:5]
    print(f"longest files: {', '.join(f'{name} {lines}' for lines, name in longest)}")
    print(f"longest functions: {', '.join(f'{name} {lines}' for lines, name in sorted(functions(), reverse=True)[:5])}")


if __name__ == "__main__":
    main()
