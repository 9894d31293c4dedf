"""Pages of the reference, one for each public namespace, from the imports in its `__init__`."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "actsearch"
NAMESPACES = {
    "": "__init__.py",
    "activations": "activations/__init__.py",
    "allocation": "tuning/allocation/__init__.py",
    "analysis": "analysis/__init__.py",
    "data": "data/__init__.py",
    "diagnostics": "diagnostics/__init__.py",
    "errors": "errors.py",
    "executors": "executors/__init__.py",
    "layers": "layers/__init__.py",
    "reports": "reports/__init__.py",
    "spaces": "spaces/__init__.py",
    "swap": "swap/__init__.py",
    "testing": "testing.py",
    "visualization": "visualization/__init__.py",
}
_SEARCHES = """
Examples that load `actsearch-runs/digits` show the search of
`actsearch search relu,elu,sigmoid --data digits --layers 20 --units 32 --epochs 10 --executions 5`. That in
`actsearch-runs/joint` varied the activations of two layers, relu or sigmoid, and the learning rate."""
_OMITTED = ("BUILT_IN", "SpaceLike")  # values, not objects with a documentation


def namespace_pages() -> Iterator[tuple[str, str]]:
    """Yields the page of each namespace, and the page that lists them."""
    lines = [
        "# Reference",
        "",
        "Everything that is public. What is not listed here may change without notice.",
        _SEARCHES,
        "",
    ]
    lines += ["| namespace | is |", "|---|---|"]
    elsewhere = {target for name in NAMESPACES if name for target in targets(name).values()}
    for name, path in NAMESPACES.items():
        module = ast.parse((PACKAGE / path).read_text("utf-8"))
        about = (ast.get_docstring(module) or "").partition("\n\n")[0].replace("\n", " ")
        title = f"actsearch.{name}" if name else "actsearch"
        lines.append(f"| [`{title}`]({name or 'actsearch'}.md) | {about} |")
        found = targets(name)
        parts = [f"# {title}", about]
        parts += [f"::: {target}" for target in found.values() if name or target not in elsewhere]
        parts += _pointers({} if name else found, elsewhere)
        yield f"reference/{name or 'actsearch'}.md", "\n\n".join(parts) + "\n"
    yield "reference/index.md", "\n".join(lines) + "\n"


def _pointers(found: dict[str, str], elsewhere: set[str]) -> Iterator[str]:
    """Yields a table of the names that another page documents, so that each object has one address."""
    rows = [f"| [`actsearch.{name}`][{target}] |" for name, target in found.items() if target in elsewhere]
    if rows:
        yield "\n".join(["## Also here", "", "| documented in its namespace |", "|---|", *rows])


def targets(namespace: str) -> dict[str, str]:
    """Returns what a namespace exports, by name in alphabetical order: the full name where it is defined."""
    path = PACKAGE / NAMESPACES[namespace]
    module = ast.parse(path.read_text("utf-8"))
    if path.name != "__init__.py":
        found = _defined(module, path)
    else:
        package = ".".join(path.parent.relative_to(PACKAGE.parent).parts)
        found = dict(_lazy(module, package)) or dict(_imported(module)) | _defined(module, path)
    return {name: found[name] for name in sorted(found, key=str.lower) if name not in _OMITTED}


def _lazy(module: ast.Module, package: str) -> Iterator[tuple[str, str]]:
    """Yields the objects of a package that imports them on first use: those in its tables of homes, without modules."""
    for table in (node for node in ast.walk(module) if isinstance(node, ast.Dict)):
        texts = [(k.value, v.value) for k, v in zip(table.keys, table.values, strict=True) if _are_texts(k, v)]
        for key, value in texts:
            home, _, attribute = value.partition(":")
            if (attribute or home.rpartition(".")[2] != key) and not key.startswith("_"):
                yield key, f"{package}.{home}.{attribute or key}"


def _are_texts(*nodes: ast.AST | None) -> bool:
    return all(isinstance(node, ast.Constant) and isinstance(node.value, str) for node in nodes)


def _imported(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Yields the objects that a package imports from its modules, by name."""
    exported = _all_of(module)
    for node in module.body:
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        for alias in node.names:
            if alias.name == "*" and node.module.rpartition(".")[2] in exported:
                yield from _defined(*_read(node.module)).items()
            elif alias.name in exported and not _file_of(f"{node.module}.{alias.name}").exists():
                yield alias.name, f"{node.module}.{alias.name}"


def _all_of(module: ast.Module) -> set[str]:
    """Returns the names in `__all__`, and the modules whose own `__all__` is part of it."""
    for node in module.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            texts = {e.value for e in ast.walk(node.value) if isinstance(e, ast.Constant)}
            return texts | {e.id for e in ast.walk(node.value) if isinstance(e, ast.Name)}
    return set()


def _defined(module: ast.Module, path: Path) -> dict[str, str]:
    """Returns the public functions and classes that a module defines itself."""
    parts = [part for part in path.relative_to(PACKAGE.parent).with_suffix("").parts if part != "__init__"]
    exported = _all_of(module)
    return {
        node.name: ".".join([*parts, node.name])
        for node in module.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and (node.name in exported if exported else not node.name.startswith("_"))
    }


def _read(name: str) -> tuple[ast.Module, Path]:
    path = _file_of(name)
    return ast.parse(path.read_text("utf-8")), path


def _file_of(name: str) -> Path:
    """Returns the file of a module or package; one that does not exist if it is neither."""
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
