"""The order of the rooms, and how much a reader meets in them: `benchmarks/house.py` prints what is counted."""

import ast
import graphlib
from collections import Counter
from pathlib import Path

import pytest

import actsearch
from benchmarks import house

PACKAGE = Path(actsearch.__file__).parent
TESTS = Path(__file__).parent
ABOUT_MORE = {  # tests that are about no single module
    "activations/saving",  # what is saved by one process and loaded by another
    "architecture",
    "docs",
    "docstrings",
    "examples",
    "layers/layer_contract",  # what every layer keeps
    "package",
    "releases",  # directories that earlier releases wrote
    "security",
    "training/random_models",  # what a search trains, against fit
    "wording",
}
ROOMS = [
    "_version",
    "errors",
    "_typing",
    "_lazy",
    "_text_tables",
    "_redact",
    "_startup",
    "_user_code",
    "_locks",
    "_private",
    "_versions",
    "config",
    "records",
    "environment",
    "layers",
    "activations",
    "testing",
    "spaces",
    "data",
    "ledger",
    "analysis",
    "visualization",
    "swap",
    "reports",
    "diagnostics",
    "tracking",
    "training",
    "executors",
    "tuning",
    "cli",
]
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(dotted: str) -> str:
    parts = dotted.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports_of(path: Path) -> set[str]:
    """The rooms that a module imports from."""
    return {room_of(name) for name in modules_imported_by(path)} - {""}


def modules_imported_by(path: Path) -> set[str]:
    """The modules that a module imports, inside functions too; those for type checkers alone do not count."""
    tree = ast.parse(path.read_text("utf-8"))
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("actsearch")}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("actsearch"):
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = inner & NAMES
            found |= modules or (inner if node.module == "actsearch" else {node.module or ""})
    return found


def name_of(path: Path) -> str:
    """The dotted name of a module of the package."""
    return ".".join(("actsearch", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


NAMES = set(map(name_of, MODULES))
FOLDERS = sorted({path.parent for path in MODULES})


@pytest.mark.parametrize("path", MODULES, ids=[str(p.relative_to(PACKAGE)) for p in MODULES])
def test_a_module_imports_only_from_rooms_before_its_own(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room == "__init__":
        return  # the package's own names lead everywhere, and load nothing before they are used
    assert room in ROOMS, f"{room} has no place in the order of the rooms yet"
    allowed = set(ROOMS[: ROOMS.index(room) + 1])
    imported = {name if name != "__version__" else "_version" for name in imports_of(path)}
    assert imported <= allowed, f"{path.name} imports from {sorted(imported - allowed)}, which come after {room}"


@pytest.mark.parametrize("folder", FOLDERS, ids=[str(folder.relative_to(PACKAGE.parent)) for folder in FOLDERS])
def test_no_circle_of_imports_inside_a_room(folder):
    """An `__init__` does not count: it is the room's menu, and its names are imported when they are used."""
    inside = {name_of(path): path for path in MODULES if folder in path.parents and path.name != "__init__.py"}
    graph = {name: modules_imported_by(path) & inside.keys() for name, path in inside.items()}
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError


TWICE: set[str] = set()


def test_no_class_name_stands_for_two_things():
    defined = [
        node.name
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
    ]
    assert [name for name, number in Counter(defined).items() if number > 1 and name not in TWICE] == []


@pytest.mark.parametrize("path", MODULES, ids=[str(p.relative_to(PACKAGE)) for p in MODULES])
def test_no_file_is_longer_than_400_lines(path):
    assert house.num_lines(path) <= house.MAX_LINES


def test_no_function_is_longer_than_40_lines_without_its_docstring():
    assert [place for lines, place in house.functions() if lines > house.MAX_FUNCTION_LINES] == []


def test_no_file_name_stands_in_two_rooms():
    assert house.shared_file_names() == {}


def test_no_class_name_stands_in_two_places():
    assert house.shared_class_names() == {}


def test_no_folder_has_more_modules_than_one_can_look_over():
    assert {folder: size for folder, size in house.folders().items() if size > house.MAX_IN_FOLDER} == {}


def test_the_package_has_no_more_modules_than_one_can_know():
    assert len(house.paths()) <= house.MAX_MODULES


def test_a_small_module_has_two_importers_or_a_reason():
    assert sorted(house.small_modules()) == sorted(house.REASONS)


def test_tests_stand_where_their_module_stands():
    """`tests/ROOM/test_MODULE*.py`; those of faults are about what happens to a whole search.

    The atlas stands beside the package.
    """
    known = {house.name_of(path).replace("/_", "/").lstrip("_") for path in house.paths()}
    found = {path.relative_to(TESTS).with_suffix("").as_posix() for path in TESTS.rglob("test_*.py")}
    places = {
        place.replace("test_", "") for place in found if place.split("/")[0] not in ("faults", "browser", "atlas")
    }
    lost = {place for place in places if not any(place == name or place.startswith(f"{name}_") for name in known)}
    assert lost == ABOUT_MORE


@pytest.mark.parametrize("name", ["analysis", "ledger", "records", "errors"])
def test_evidence_needs_neither_keras_nor_mlflow(name):
    paths = [p for p in MODULES if p.relative_to(PACKAGE).parts[0].removesuffix(".py") == name]
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {m.split(".")[0] for m in modules} & {"keras", "tensorflow", "mlflow", "keras_tuner"}, path
