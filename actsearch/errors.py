"""Errors of actsearch: wrong use, errors that end a search, and errors that end a single execution."""

import difflib
from collections.abc import Iterable


class ActsearchError(Exception):
    """Base class of every error that actsearch raises on purpose."""


class UsageError(ActsearchError, ValueError):
    """The caller asked for something that cannot be done; nothing was trained. Exit status 2."""


class UnknownNameError(UsageError):
    """The name is unknown; the message suggests the nearest one.

    Args:
        kind: Kind of thing that was looked up: `"activation"`, `"search space"`.
        name: Name that was given.
        known: Names that exist.
        where: File and position of the name, if it came from a file.

    Example:

    >>> print(UnknownNameError("activation", "rleu", ["elu", "relu", "selu"]))
    Unknown activation 'rleu'. Did you mean 'relu'? Known: elu, relu, selu.
    """

    def __init__(self, kind: str, name: object, known: Iterable[str], where: str | None = None) -> None:
        known = sorted(known)
        prefix = f"{where}: " if where else ""
        hint = did_you_mean(name, known)
        super().__init__(f"{prefix}Unknown {kind} {name!r}.{hint} Known: {', '.join(known)}.")


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Returns a sentence that suggests the nearest known name, with a leading space; empty if none is close.

    Example:

    >>> did_you_mean("rleu", ["elu", "relu"])
    " Did you mean 'relu'?"
    """
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""


def summarize(error: BaseException, limit: int | None = None) -> str:
    """Formats an error in one line: its class and its message.

    Args:
        error: Exception that was raised.
        limit: Maximum number of characters, as for `shorten`.

    Example:

    >>> summarize(ValueError("no elu\\n  today"))
    'ValueError: no elu today'
    """
    return shorten(f"{type(error).__name__}: {error}", limit)


def shorten(text: str, limit: int | None = None) -> str:
    """Puts a text on one line; keeps only the start and the end if it is longer than `limit` characters.

    Example:

    >>> shorten("The file holds\\n  no numbers", 15)
    'The f ... mbers'
    """
    line = " ".join(text.split())
    if limit is None or len(line) <= limit:
        return line
    half = (limit - 5) // 2
    return f"{line[:half]} ... {line[-half:]}"


class UnknownObjectiveError(UnknownNameError):
    """The objective is not among the metrics logged in training: no execution of the search can be scored."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__("objective", name, known)


class ObjectiveShapeError(UsageError):
    """The objective has several values: no execution of the search can be scored."""

    def __init__(self, name: str, shape: tuple[int | None, ...]) -> None:
        super().__init__(
            f"The objective {name} has the shape {tuple(shape)}, such as a number for each class, which cannot be "
            'ranked. Compile the metric with one number for all classes, such as F1Score(average="macro"), or choose '
            "another objective."
        )


class SpaceError(UsageError):
    """The search space is not valid."""


class DataError(UsageError):
    """The data cannot be read or cannot be learned from."""


class GeneratorEndedError(DataError):
    """A generator ended before an execution had all its batches: no further execution of the search can be trained."""


class ModelError(UsageError):
    """A search cannot use the model or the function that builds it."""


class LedgerError(ActsearchError):
    """The ledger cannot be read or written."""


class TrackingError(ActsearchError):
    """The MLflow store cannot be written."""


class IncompleteStoreError(TrackingError):
    """The MLflow store is missing data of a search, which its ledger has. Exit status 4."""


class SearchFailedError(ActsearchError):
    """None of the search's executions completed. Exit status 1."""


class ExecutionFailedError(ActsearchError):
    """A single execution cannot be used; the search continues. The message is recorded as the reason."""
