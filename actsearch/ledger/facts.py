"""Facts: JSON texts with their hashes, and the records that they hold."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from actsearch.errors import LedgerError
from actsearch.records import CostMeasurement, ExecutionRecord, Extension, SearchRecord, TrialRecord

T = TypeVar("T")


class Kind(StrEnum):
    """Kind of a fact."""

    SEARCH = "search"
    TRIAL = "trial"
    EXECUTION = "execution"
    DECISION = "decision"
    MEASUREMENT = "measurement"
    END = "end"
    EXTENSION = "extension"


@dataclass(frozen=True)
class Fact:
    """One row: its number in the order of writing, its kind and key, and its JSON text."""

    number: int
    kind: Kind
    key: str
    body: str


@dataclass(frozen=True)
class End:
    """How a search ended: `completed`, `interrupted`, or `failed` with the reason."""

    at: float
    how: str
    reason: str | None = None


def assemble(facts: Iterable[Fact]) -> SearchRecord:
    """Builds the record of a search from its facts.

    Raises:
        LedgerError: The fact that describes the search is missing.
    """
    search: SearchRecord | None = None
    trials: dict[str, TrialRecord] = {}
    executions: dict[str, list[ExecutionRecord]] = {}
    ends, extensions, measurements = list[float](), list[Extension](), list[CostMeasurement]()
    for fact in facts:
        if fact.kind is Kind.SEARCH:
            search = parse(fact, SearchRecord)
        elif fact.kind is Kind.TRIAL:
            trials[fact.key] = parse(fact, TrialRecord)
        elif fact.kind is Kind.EXECUTION:
            execution = parse(fact, ExecutionRecord)
            executions.setdefault(execution.trial_id, []).append(execution)
        elif fact.kind is Kind.MEASUREMENT:
            measurements.append(parse(fact, CostMeasurement))
        elif fact.kind is Kind.END:
            ends.append(parse(fact, End).at)
        elif fact.kind is Kind.EXTENSION:
            extensions.append(parse(fact, Extension))
    if search is None:
        raise LedgerError(
            "The ledger does not say what was searched: its first fact is missing. Either the search ended before it "
            "started, or the ledger is damaged. Start a new search in another directory."
        )
    whole = tuple(
        replace(trial, executions=tuple(sorted(executions.get(trial_id, []), key=lambda e: e.execution)))
        for trial_id, trial in trials.items()
    )
    return replace(
        search,
        trials=whole,
        ended_at=ends[-1] if ends else None,
        ends=tuple(ends),
        extensions=tuple(extensions),
        measurements=tuple(measurements),
    )


def parse(fact: Fact, kind: type[T]) -> T:
    """Parses the record in a fact."""
    try:
        return cast(T, _reader(kind).validate_json(fact.body))
    except ValidationError as error:
        raise LedgerError(f"Fact {fact.number} ({fact.kind} {fact.key}) is not a {kind.__name__}: {error}") from error


_reader: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)  # constructing one takes longer than reading a fact
_PLAIN: TypeAdapter[Any] = TypeAdapter(Any, config=ConfigDict(ser_json_inf_nan="constants"))


def to_json(record: Any) -> str:
    """Writes a record as the JSON text of a fact.

    Raises:
        LedgerError: The record contains something that JSON cannot represent.
    """
    try:
        return _PLAIN.dump_json(asdict(record)).decode()
    except (PydanticSerializationError, UnicodeError) as error:
        raise LedgerError(
            f"A {type(record).__name__} cannot be written as JSON: {error}. Hyperparameters, settings and metrics must "
            "be texts, numbers or booleans."
        ) from error


def digest_of(kind: str, key: str, body: str) -> str:
    """Computes the checksum of a fact.

    Example:

    >>> digest_of("trial", "0", "{}")[:8]
    '38459844'
    """
    return hashlib.sha256(f"{kind}\n{key}\n{body}".encode()).hexdigest()


def chain_of(before: str, number: int, digest: str) -> str:
    """Computes the hash over a fact and, through the hash of the fact before it, over all earlier facts.

    Example:

    >>> first, other = chain_of("", 1, "a"), chain_of("", 1, "b")
    >>> chain_of(first, 2, "c") == chain_of(other, 2, "c")
    False
    """
    return hashlib.sha256(f"{before}\n{number}\n{digest}".encode()).hexdigest()
