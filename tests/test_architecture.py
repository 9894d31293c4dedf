"""The order of the rooms: a module imports only from what stands before it."""

import ast
from pathlib import Path

import pytest

import actsearch

PACKAGE = Path(actsearch.__file__).parent
ROOMS = [
    "_version",
    "errors",
    "_typing",
    "_lazy",
    "_redact",
    "_startup",
    "_user_code",
    "_locks",
    "_private",
    "_model_files",
    "records",
    "environment",
    "layers",
    "activations",
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
    """The rooms that a module imports from, inside functions too; those for type checkers alone do not count."""
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
            found |= {room_of(alias.name) for alias in node.names if alias.name.startswith("actsearch")}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("actsearch"):
            names = [f"actsearch.{a.name}" for a in node.names] if node.module == "actsearch" else [node.module or ""]
            found |= {room_of(name) for name in names}
    return found - {""}


@pytest.mark.parametrize("path", MODULES, ids=[str(p.relative_to(PACKAGE)) for p in MODULES])
def test_a_module_imports_only_from_rooms_before_its_own(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room == "__init__":
        return  # the package's own names lead everywhere, and load nothing before they are used
    assert room in ROOMS, f"{room} has no place in the order of the rooms yet"
    allowed = set(ROOMS[: ROOMS.index(room) + 1])
    imported = {name if name != "__version__" else "_version" for name in imports_of(path)}
    assert imported <= allowed, f"{path.name} imports from {sorted(imported - allowed)}, which come after {room}"


@pytest.mark.parametrize("path", MODULES, ids=[str(p.relative_to(PACKAGE)) for p in MODULES])
def test_no_file_is_longer_than_400_lines(path):
    assert len(path.read_text("utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", MODULES, ids=[str(p.relative_to(PACKAGE)) for p in MODULES])
def test_no_function_is_longer_than_40_lines_without_its_docstring(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef):
            docstring = ast.get_docstring(node, clean=False)
            first = node.body[1] if docstring and len(node.body) > 1 else node.body[0]
            assert node.end_lineno - first.lineno < 40, f"{path.name}: {node.name}"


@pytest.mark.parametrize("name", ["analysis", "ledger", "records", "errors"])
def test_evidence_needs_neither_keras_nor_mlflow(name):
    paths = [p for p in MODULES if p.relative_to(PACKAGE).parts[0].removesuffix(".py") == name]
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {m.split(".")[0] for m in modules} & {"keras", "tensorflow", "mlflow", "keras_tuner"}, path
