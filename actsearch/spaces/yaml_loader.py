"""Loads search spaces by name, by path, from a list of activations or from plain data; errors give file and line."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from actsearch.activations import registry
from actsearch.errors import SpaceError, UnknownNameError
from actsearch.spaces.space import SearchSpace

PACKAGE = "actsearch.search_spaces"
MAX_BYTES = 50_000
_MAX_PROBLEMS = 10
_MAX_NAMES = 4

SpaceLike = str | Path | Mapping[str, Any] | Sequence[str | Mapping[str, Any]] | SearchSpace


def space_names() -> list[str]:
    """Returns the names of the search spaces that come with actsearch.

    Example:

    >>> "relu_variants" in space_names()
    True
    """
    files = shipped_folder().iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def load_space(space: SpaceLike) -> SearchSpace:
    """Loads a search space from its name, the path of a YAML file, a list of activations, or a dict.

    Args:
        space: One of `space_names()`; a path that ends in `.yaml` or `.yml`; two or more activations, in a list
            (with the entries that such a file may have) or in a string with commas, `"relu,gelu,selu"`; a dict with
            the content of such a file; or a `SearchSpace`, which is returned unchanged. The baseline of a list is
            `relu` if it is in the list, else the first activation.

    Returns:
        The search space.

    Raises:
        UnknownNameError: The name is neither a search space nor an activation.
        SpaceError: There is only one activation, the file cannot be read, or the space is not valid; the message
            names file, line and key.

    Example:

    >>> load_space("relu_variants").names
    ['relu', 'leaky_relu', 'prelu', 'elu', 'selu']
    >>> load_space(["gelu", {"leaky_relu": {"slope": [0.1, 0.3]}}]).baseline
    'gelu'
    """
    if isinstance(space, SearchSpace):
        return space
    if isinstance(space, Mapping):
        return _validated(dict(space), "search space", None)
    if isinstance(space, Path) or (isinstance(space, str) and space.endswith((".yaml", ".yml"))):
        return _from_text(_read(Path(space)), str(space), Path(space).stem)
    if isinstance(space, list | tuple):
        return _of_activations(list(space))
    if not isinstance(space, str):
        raise SpaceError(f"search space: expected a name, a path, a list of activations or a dict, not {space!r:.80}.")
    if "," in space:
        return _of_activations([name.strip() for name in space.split(",") if name.strip()])
    if space in space_names():
        return _shipped(space)
    entry = registry.find(space)
    if entry is not None:
        raise SpaceError(_nothing_to_compare(entry.name))
    raise UnknownNameError("search space or activation", space, [*space_names(), *registry.names()])


def _of_activations(activations: list[Any]) -> SearchSpace:
    """Makes a space from a list of activations, and names it after them."""
    space = _validated({"activations": activations}, "search space", None)
    if len(space.activations) == 1 and not space.activations[0].varied:
        raise SpaceError(_nothing_to_compare(space.names[0]))
    more = [f"{len(space.names) - _MAX_NAMES + 1}-more"] if len(space.names) > _MAX_NAMES else []
    return space.model_copy(update={"name": "-".join(space.names[: _MAX_NAMES - len(more)] + more)})


def _nothing_to_compare(name: str) -> str:
    with_baseline = f"{name},gelu" if name == "relu" else f"relu,{name}"
    return (
        f"search space: {name} is one activation, and a search compares several. Give two or more, such as "
        f"{with_baseline}, or a search space: {', '.join(space_names())}."
    )


@cache
def shipped_folder() -> Traversable:
    """Returns the folder of the spaces that come with actsearch."""
    return resources.files(PACKAGE)


@cache
def _shipped(name: str) -> SearchSpace:
    file = shipped_folder() / f"{name}.yaml"
    return _from_text(file.read_text("utf-8"), f"{name}.yaml", name)


def _read(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise SpaceError(f"{path}: is not a file; a search space is a YAML file.")
        if path.stat().st_size > MAX_BYTES:
            raise SpaceError(f"{path}: over {MAX_BYTES:,} bytes; a search space is a short YAML file.")
        return path.read_text("utf-8")
    except OSError as error:
        raise SpaceError(f"{path}: cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SpaceError(f"{path}: not UTF-8 text (byte {error.start}); a search space is a YAML file.") from error


class _Loader(yaml.SafeLoader):
    """A SafeLoader that refuses YAML features that no space needs: aliases, tags, and duplicate keys."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases are not allowed in a search space", event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise yaml.composer.ComposerError(None, None, "tags are not allowed in a search space", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key must be plain text", key.start_mark)
            if key.value in seen:
                problem = f"duplicate key {key.value!r}"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _from_text(text: str, where: str, name: str) -> SearchSpace:
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        content = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}:" if error.problem_mark else ""
        raise SpaceError(f"{where}:{line} {error.problem}. Expected plain YAML.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SpaceError(f"{where}: cannot be read as YAML: {error}.") from error
    if not isinstance(content, dict):
        kind = "nothing" if content is None else type(content).__name__
        raise SpaceError(f"{where}: expected a mapping with the key 'activations', found {kind}.")
    return _validated({"name": name, **content}, where, node)


def _validated(content: dict[Any, Any], where: str, node: Any) -> SearchSpace:
    try:
        return SearchSpace.model_validate(content)
    except ValidationError as error:
        first = error.errors()[:_MAX_PROBLEMS]
        problems = list(dict.fromkeys(_problem(problem, where, node) for problem in first))
        more = error.error_count() - len(first)
        raise SpaceError("\n".join(problems + [f"and {more:,} more"] * bool(more))) from error
    except UnknownNameError as error:
        raise SpaceError(f"{where}: {error}") from error


def _problem(problem: Any, where: str, node: Any) -> str:
    """Describes a problem in one line: file, line, key, what was expected and what was found."""
    location, place, line = problem["loc"], "", None
    for part in location:
        step = _step(node, part)
        if step is not None:
            name, node, line = step
        elif node is not None:
            continue  # pydantic's names for the alternatives of a union
        else:
            name = part
        place += f"[{name}]" if isinstance(name, int) else f".{name}" if place else str(name)
    head = f"{where}:{f' line {line}:' if line else ''}{f' {place}:' if place else ''}"
    if problem["type"] == "extra_forbidden":
        known = SearchSpace.model_fields if len(location) == 1 else ("min", "max", "step", "sampling", "values")
        return str(UnknownNameError("key", location[-1], known, head.removesuffix(":")))
    message = problem["msg"].removeprefix("Value error, ").rstrip(".")
    actual = "" if problem["type"] in {"value_error", "missing"} else f" It is {_shown(problem['input'])}."
    return f"{head} {message}.{actual}"


def _shown(value: Any) -> str:
    """Formats a value, cut to a length that suits a message."""
    try:
        return f"{value!r:.80}"
    except (ValueError, RecursionError):  # Python does not format integers of more than 4,300 digits
        return f"a value of the type {type(value).__name__} that is too large to show"


def _step(node: Any, part: Any) -> tuple[Any, Any, int] | None:
    """Steps from a YAML node to an item or to the value of a key; returns the key or index, the node and its line."""
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return part, node.value[part], node.value[part].start_mark.line + 1
    pairs: Sequence[Any] = node.value if isinstance(node, yaml.MappingNode) else ()
    for key, value in pairs:
        short_form = part == "parameters" and len(pairs) == 1
        if key.value == str(part) or short_form:
            return key.value, value, key.start_mark.line + 1
    return None
