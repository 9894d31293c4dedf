"""Errors of actsearch: what is wrong use, what ends a search, and what ends only one execution."""

import difflib
from collections.abc import Iterable


class ActsearchError(Exception):
    """Root of every error that actsearch raises on purpose."""


class UsageError(ActsearchError, ValueError):
    """The caller asked for something that cannot be done; nothing was trained. Exit status 2."""


class UnknownNameError(UsageError):
    """A name that is not in its list; offers the nearest ones.

    Args:
        kind: What was looked for, in words: `"activation"`, `"search space"`.
        name: The name that was given.
        known: The names that exist.
        where: The file and place that gave the name, where there is one.

    Example:

    >>> print(UnknownNameError("activation", "rleu", ["elu", "relu", "selu"]))
    Unknown activation 'rleu'. Did you mean 'relu'? Known: elu, relu, selu.
    """

    def __init__(self, kind: str, name: object, known: Iterable[str], where: str | None = None) -> None:
        known = sorted(known)
        place = f"{where}: " if where else ""
        hint = did_you_mean(name, known)
        super().__init__(f"{place}Unknown {kind} {name!r}.{hint} Known: {', '.join(known)}.")


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """A sentence that offers the nearest of the known names, a space before it; empty where none is near.

    Example:

    >>> did_you_mean("rleu", ["elu", "relu"])
    " Did you mean 'relu'?"
    """
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""


def summarize(error: BaseException, limit: int | None = None) -> str:
    """An error in one line: its class and its message.

    Args:
        error: What was raised.
        limit: Characters at most, as for `shorten`.

    Example:

    >>> summarize(ValueError("no elu\\n  today"))
    'ValueError: no elu today'
    """
    return shorten(f"{type(error).__name__}: {error}", limit)


def shorten(text: str, limit: int | None = None) -> str:
    """A text in one line; of one that is longer than `limit` characters its beginning and its end.

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
    """The objective is not among the logs: no execution of the search can be scored."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__("objective", name, known)


class SpaceError(UsageError):
    """A search space that is not valid."""


class DataError(UsageError):
    """Data that cannot be read or cannot be learned from."""


class ModelError(UsageError):
    """A model, or the function that builds it, that a search cannot use."""


class LedgerError(ActsearchError):
    """A ledger that cannot be read or written."""


class TrackingError(ActsearchError):
    """An MLflow store that cannot be written."""


class SearchFailedError(ActsearchError):
    """Not one execution of the search completed. Exit status 1."""


class ExecutionFailedError(ActsearchError):
    """One execution cannot be used; the search continues. The message is the reason that is recorded."""
