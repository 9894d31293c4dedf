"""Docstrings of what the reference has: an example that runs, and the errors that are raised.

`pytest` runs the examples themselves as doctests; the `conftest.py` of the repository says what they find.
"""

import ast
import dataclasses
import enum
import importlib
import inspect
import textwrap
from pathlib import Path

import pytest

from actsearch import errors

ERRORS = {name for name, found in vars(errors).items() if inspect.isclass(found) and issubclass(found, Exception)}


@pytest.fixture(scope="module")
def public_objects():
    """The functions and classes of the reference by their full names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[1] / "docs" / "scripts")
        pages = importlib.import_module("namespace_pages")
    targets = {target for namespace in pages.NAMESPACES for target in pages.targets(namespace).values()}
    return {target: attribute(target) for target in sorted(targets)}


def attribute(target):
    home, _, name = target.rpartition(".")
    return getattr(importlib.import_module(home), name)


def needs_example(found):
    """Some classes need none: the examples of the functions that raise or return them are theirs.

    Exceptions, whose `Raises` says when; and what has values but does nothing: enumerations, and records without a
    method.
    """
    if not inspect.isclass(found):
        return True
    own = [each for name, each in vars(found).items() if not name.startswith("_")]
    does_nothing = dataclasses.is_dataclass(found) and not any(callable(e) or isinstance(e, property) for e in own)
    return not (issubclass(found, Exception | enum.Enum) or (does_nothing and "__call__" not in vars(found)))


def has_example(found):
    own = vars(found) if inspect.isclass(found) else {"__doc__": found.__doc__}
    return ">>> " in (own.get("__doc__") or "")


def test_every_public_object_has_an_example(public_objects):
    missing = [name for name, found in public_objects.items() if needs_example(found) and not has_example(found)]
    assert len(public_objects) > 100
    assert not missing, "\n".join(missing)


def test_an_object_without_example_would_be_found():
    class Undocumented(dict):
        """A dictionary, whose own example is not this one's."""

    @dataclasses.dataclass
    class Record:
        """A number."""

        number: int = 3

    @dataclasses.dataclass
    class Acting(Record):
        """A number that can double itself."""

        def doubled(self):
            return 2 * self.number

    assert [needs_example(each) for each in (Undocumented, Acting, Record, ValueError, enum.Flag)] == [1, 1, 0, 0, 0]
    assert not has_example(Undocumented)


def functions_of(tree):
    """The functions of a module by name, and the methods of its classes by `Class.name`."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{each.name}": each for each in node.body if isinstance(each, ast.FunctionDef)}
    return found | {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def raised_by(name, functions, seen=()):
    """The errors of actsearch that a function raises itself, or through private functions of its module."""
    found = set()
    for node in ast.walk(functions[name]):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            found |= {getattr(node.exc.func, "id", "")} & ERRORS
        called = called_by(node, name.rpartition(".")[0])
        if called in functions and called.rpartition(".")[2].startswith("_") and called not in seen:
            found |= raised_by(called, functions, (*seen, name))
    return found


def called_by(node, owner):
    """The name of what a call calls: a function, or a method of the same class."""
    if not isinstance(node, ast.Call):
        return ""
    if isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") == "self":
        return f"{owner}.{node.func.attr}"
    return getattr(node.func, "id", "")


def complaints_about(name, functions, docstring_of_class=""):
    """What a function or the public methods of a class raise and do not document."""
    for each, node in functions.items():
        method = each.removeprefix(f"{name}.")
        docstring = ast.get_docstring(node)
        if method in ("__init__", "__post_init__"):
            docstring = docstring_of_class
        elif each != name and (method == each or method.startswith("_") or docstring is None):
            continue  # a method without a docstring has that of its interface
        raised = raised_by(each, functions)
        if raised and "Raises:" not in (docstring or ""):
            yield f"{each}: {', '.join(sorted(raised))}"


def test_every_public_function_documents_the_errors_it_raises(public_objects):
    found = []
    for target, public in public_objects.items():
        home, _, name = target.rpartition(".")
        functions = functions_of(ast.parse(inspect.getsource(importlib.import_module(home))))
        found += [f"{home}.{text}" for text in complaints_about(name, functions, inspect.getdoc(public) or "")]
    assert not found, "\n".join(found)


def test_an_error_that_is_not_documented_would_be_found():
    module = '''
    class Reader:
        """Reads."""
        def __init__(self):
            raise UsageError("no")
        def read(self):
            """Reads."""
            self._check()
        def known(self):
            """Reads. Raises: UsageError."""
            self._check()
        def _check(self):
            raise DataError("empty")
    def read():
        """Reads."""
        raise ValueError("not ours")
    '''
    functions = functions_of(ast.parse(textwrap.dedent(module)))
    assert [*complaints_about("Reader", functions, "Reads.")] == [
        "Reader.__init__: UsageError",
        "Reader.read: DataError",
    ]
    assert not [*complaints_about("read", functions)]
