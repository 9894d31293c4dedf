"""The ledger of a search: facts appended to an SQLite file, one transaction each, never changed.

Everything that a search learns is a fact: what the search is, each trial, each execution, each decision, each
end. A fact is one JSON text with its SHA-256, so that a damaged one is found when it is read. MLflow and reports
are drawn from here.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from actsearch.errors import LedgerError
from actsearch.records import ExecutionRecord, SearchRecord, TrialRecord

FILE_NAME = "ledger.sqlite"
SCHEMA_VERSION = 1
_APPLICATION_ID = 0x61637473  # "acts", in the header of the SQLite file
_SCHEMA = """
CREATE TABLE fact (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    body TEXT NOT NULL,
    digest TEXT NOT NULL,
    UNIQUE (kind, key)
)
"""
T = TypeVar("T")


class Kind(StrEnum):
    """What a fact is about."""

    SEARCH = "search"
    TRIAL = "trial"
    EXECUTION = "execution"
    DECISION = "decision"
    END = "end"


@dataclass(frozen=True)
class Fact:
    """One row: its number in the order of writing, what it is about, and its JSON text."""

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


class Ledger:
    """The ledger in a directory.

    Args:
        directory: The search's directory.
        create: Whether a new ledger is begun; else there must be one.

    Raises:
        LedgerError: There is none (or there is one already, with `create`), it cannot be opened, or it was written
            by another version of actsearch.
    """

    def __init__(self, directory: str | Path, *, create: bool = False) -> None:
        self.directory = Path(directory)
        self.path = self.directory / FILE_NAME
        if create:
            self._create()
        elif not self.path.is_file():
            raise LedgerError(
                f"{self.directory}: no search here ({FILE_NAME} is missing). "
                "Give the directory that a search printed at its end."
            )
        self._check()

    def append(self, kind: Kind, key: str, record: object) -> None:
        """Writes one fact, durably, in a transaction of its own.

        Raises:
            LedgerError: It cannot be written, or a fact of that kind and key is there already.
        """
        body = _to_json(record)
        with self._connection() as connection:
            connection.execute(
                "INSERT INTO fact (kind, key, body, digest) VALUES (?, ?, ?, ?)",
                (kind.value, key, body, _digest(kind, key, body)),
            )

    def append_search(self, search: SearchRecord) -> None:
        """The first fact: what the search is; its trials follow as facts of their own."""
        self.append(Kind.SEARCH, search.search_id, replace(search, trials=()))

    def append_trial(self, trial: TrialRecord) -> None:
        """A trial that was proposed; its executions follow as facts of their own."""
        self.append(Kind.TRIAL, trial.trial_id, replace(trial, executions=()))

    def append_execution(self, execution: ExecutionRecord) -> None:
        """An execution that ended."""
        self.append(Kind.EXECUTION, f"{execution.trial_id}/{execution.execution}", execution)

    def append_end(self, end: End) -> None:
        """An end of the search; one that goes on has several."""
        self.append(Kind.END, repr(end.at), end)

    def facts(self, after: int = 0) -> list[Fact]:
        """The facts behind number `after`, in the order of writing.

        Raises:
            LedgerError: The file is damaged; the message says where.
        """
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT number, kind, key, body, digest FROM fact WHERE number > ? ORDER BY number", (after,)
            ).fetchall()
        facts = []
        for number, kind, key, body, digest in rows:
            if digest != _digest(kind, key, body):
                raise LedgerError(
                    f"{self.path}: fact {number} ({kind} {key}) is damaged: its checksum does not fit. "
                    "Restore the file from a copy, or search anew in another directory."
                )
            facts.append(Fact(number, Kind(kind), key, body))
        return facts

    def read(self) -> SearchRecord:
        """The whole search, with its trials and executions."""
        return assemble(self.facts())

    def _create(self) -> None:
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            if self.path.exists():
                raise LedgerError(f"{self.directory}: there is a search here already.")
            unfinished = self.path.with_suffix(".unfinished")  # who follows it sees a whole ledger or none
            unfinished.unlink(missing_ok=True)
            with closing(sqlite3.connect(unfinished)) as connection, connection:
                connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                connection.execute(_SCHEMA)
            unfinished.replace(self.path)
        except (OSError, sqlite3.Error) as error:
            raise LedgerError(f"{self.directory}: cannot be written: {error}.") from error

    def _check(self) -> None:
        with self._connection() as connection:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != _APPLICATION_ID:
            raise LedgerError(f"{self.path}: not a ledger of actsearch.")
        if version != SCHEMA_VERSION:
            raise LedgerError(
                f"{self.path}: written in version {version} of the ledger's schema; this actsearch reads version "
                f"{SCHEMA_VERSION}. Use the actsearch that wrote it."
            )

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=30)) as connection, connection:
                yield connection
        except sqlite3.IntegrityError as error:
            raise LedgerError(f"{self.path}: this fact was written before ({error}).") from error
        except sqlite3.Error as error:
            raise LedgerError(f"{self.path}: cannot be used: {error}.") from error


def assemble(facts: list[Fact]) -> SearchRecord:
    """The search that these facts tell of.

    Raises:
        LedgerError: There is no search among them.
    """
    search: SearchRecord | None = None
    trials: dict[str, TrialRecord] = {}
    executions: dict[str, list[ExecutionRecord]] = {}
    ended_at = None
    for fact in facts:
        if fact.kind is Kind.SEARCH:
            search = parse(fact, SearchRecord)
        elif fact.kind is Kind.TRIAL:
            trials[fact.key] = parse(fact, TrialRecord)
        elif fact.kind is Kind.EXECUTION:
            execution = parse(fact, ExecutionRecord)
            executions.setdefault(execution.trial_id, []).append(execution)
        elif fact.kind is Kind.END:
            ended_at = parse(fact, End).at
    if search is None:
        raise LedgerError("The ledger is empty: the search was ended before it began.")
    whole = tuple(
        replace(trial, executions=tuple(sorted(executions.get(trial_id, []), key=lambda e: e.execution)))
        for trial_id, trial in trials.items()
    )
    return replace(search, trials=whole, ended_at=ended_at)


def parse(fact: Fact, kind: type[T]) -> T:
    """The record that a fact holds."""
    try:
        return TypeAdapter(kind).validate_json(fact.body)
    except ValidationError as error:
        raise LedgerError(f"Fact {fact.number} ({fact.kind} {fact.key}) is not a {kind.__name__}: {error}") from error


_PLAIN: TypeAdapter[Any] = TypeAdapter(Any, config=ConfigDict(ser_json_inf_nan="constants"))


def _to_json(record: Any) -> str:
    return _PLAIN.dump_json(asdict(record)).decode()


def _digest(kind: str, key: str, body: str) -> str:
    return hashlib.sha256(f"{kind}\n{key}\n{body}".encode()).hexdigest()
