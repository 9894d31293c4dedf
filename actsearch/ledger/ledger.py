"""The file of a ledger: writes facts durably, and checks them when they are read."""

import errno
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from actsearch.errors import LedgerError
from actsearch.ledger.facts import End, Fact, Kind, assemble, chain_of, digest_of, to_json
from actsearch.records import CostMeasurement, ExecutionRecord, SearchRecord, TrialRecord

FILE_NAME = "ledger.sqlite"
SIDE_FILES = ("-journal", "-wal", "-shm")  # which SQLite puts next to its file
SCHEMA_VERSION = 2
APPLICATION_ID = 0x61637473  # "acts", in the header of the SQLite file
PAGE_BYTES = 4096
_FACT = """
CREATE TABLE fact (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    body TEXT NOT NULL,
    digest TEXT NOT NULL,
    chain TEXT NOT NULL,
    UNIQUE (kind, key)
)
"""
_TAIL = "CREATE TABLE tail (number INTEGER NOT NULL)"

_FULL = {sqlite3.SQLITE_FULL, -errno.ENOSPC, -errno.EDQUOT}
_BROKEN = {sqlite3.SQLITE_IOERR, -errno.EIO, -errno.EFBIG}
_FORBIDDEN = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_HELD = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_WHOLE = "Everything written before is intact, and the search can be resumed when this is fixed"


class UnreadableLedgerError(LedgerError):
    """The ledger is damaged or has a different format; `salvage` may read parts of it."""


class Ledger:
    """The ledger in a directory.

    Args:
        directory: Directory of the search.
        create: Whether to create a new ledger; otherwise one must exist.

    Raises:
        LedgerError: The ledger does not exist (with `create`: it already exists), cannot be opened, or was written by
            another version of actsearch.
    """

    def __init__(self, directory: str | Path, *, create: bool = False) -> None:
        self.directory = Path(directory)
        self.path = self.directory / FILE_NAME
        if create:
            self._create()
        _check_file(self.path)
        with self._transaction("BEGIN"):
            pass

    def append(self, kind: Kind, key: str, record: object) -> None:
        """Writes a fact in a separate transaction; on return it is on the disk.

        Raises:
            LedgerError: It cannot be written, or a fact with that kind and key already exists.
        """
        body = to_json(record)
        digest = digest_of(kind, key, body)
        with self._transaction("BEGIN IMMEDIATE") as connection:
            last, before = connection.execute("SELECT max(number), chain FROM fact").fetchone()
            self._check_number(connection, last or 0)
            number = (last or 0) + 1
            connection.execute(
                "INSERT INTO fact (number, kind, key, body, digest, chain) VALUES (?, ?, ?, ?, ?, ?)",
                (number, kind.value, key, body, digest, chain_of(before or "", number, digest)),
            )
            connection.execute("UPDATE tail SET number = ?", (number,))

    def append_search(self, search: SearchRecord) -> None:
        """Writes the first fact, which describes the search; its trials follow as separate facts."""
        self.append(Kind.SEARCH, search.search_id, replace(search, trials=()))

    def append_trial(self, trial: TrialRecord) -> None:
        """Writes a trial that was proposed; its executions follow as separate facts."""
        self.append(Kind.TRIAL, trial.trial_id, replace(trial, executions=()))

    def append_execution(self, execution: ExecutionRecord) -> None:
        """Writes an execution that ended."""
        self.append(Kind.EXECUTION, f"{execution.trial_id}/{execution.execution}", execution)

    def append_measurement(self, measurement: CostMeasurement) -> None:
        """Writes a measurement of costs; a resumed search may have several."""
        self.append(Kind.MEASUREMENT, repr(measurement.at), measurement)

    def append_end(self, end: End) -> None:
        """Writes an end of the search; a resumed search has several."""
        self.append(Kind.END, repr(end.at), end)

    def facts(self, after: int = 0) -> list[Fact]:
        """Reads the facts after number `after`, in the order of writing.

        Raises:
            LedgerError: The file is damaged; the message says where.
        """
        with self._transaction("BEGIN") as connection:
            return self._read(connection, after)

    def chain_at(self, number: int) -> str | None:
        """Returns the hash of all facts up to this number; None if there are not so many."""
        with self._transaction("BEGIN") as connection:
            found = connection.execute("SELECT chain FROM fact WHERE number = ?", (number,)).fetchone()
        return None if found is None else str(found[0])

    def read(self) -> SearchRecord:
        """Reads the whole search, with its trials and executions.

        Raises:
            LedgerError: The file is damaged, or the search never started.
        """
        return assemble(self.facts())

    def _read(self, connection: sqlite3.Connection, after: int) -> list[Fact]:
        """Reads the facts after number `after`; checks each by its own checksum and by its position in the chain."""
        rows = connection.execute(
            "SELECT number, kind, key, body, digest, chain FROM fact WHERE number >= ? ORDER BY number", (after,)
        ).fetchall()
        before = rows.pop(0)[-1] if rows and rows[0][0] == after else ""
        facts = []
        for expected, (number, kind, key, body, digest, chain) in enumerate(rows, start=after + 1):
            if number != expected:
                raise unreadable(self.path, f"fact {expected} is missing")
            if not is_intact(kind, key, body, digest):
                raise unreadable(self.path, f"fact {number} ({kind!s:.20} {key!s:.40}) is damaged")
            if chain != chain_of(before, number, digest):
                raise unreadable(self.path, f"fact {number} ({kind} {key}) does not follow from the facts before it")
            facts.append(Fact(number, self._kind(kind, number), key, body))
            before = chain
        self._check_number(connection, after + len(facts))
        return facts

    def _check_number(self, connection: sqlite3.Connection, found: int) -> None:
        numbers = [number for (number,) in connection.execute("SELECT number FROM tail")]
        if numbers != [found]:
            noted = numbers[0] if len(numbers) == 1 else "nothing"
            raise unreadable(self.path, f"its last fact is number {found}, but {noted} was recorded as the last")

    def _kind(self, kind: str, number: int) -> Kind:
        if kind not in list(Kind):
            raise unreadable(self.path, f"fact {number} has the kind {kind!r}, which this actsearch does not know")
        return Kind(kind)

    def _create(self) -> None:
        unfinished = self.path.with_suffix(".unfinished")  # so that other processes see a complete ledger or none
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            if self.path.exists():
                raise LedgerError(f"{self.directory}: there is already a search here. Use another directory.")
            for path in (self.path, unfinished):
                delete_files(path)  # the journal of a deleted ledger would be replayed into the new one
            with _connected(unfinished, "rwc") as connection:
                create(connection)
            unfinished.replace(self.path)
        except (OSError, sqlite3.Error) as error:
            raise ledger_error(self.path, error) from error

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        """Opens a transaction on the file; SQLite's errors become a `LedgerError`."""
        try:
            with _connected(self.path, "rw") as connection:
                connection.execute(begin)
                self._check_version(connection)
                yield connection
        except sqlite3.IntegrityError as error:
            raise LedgerError(f"{self.path}: this fact was already written ({error}).") from error
        except (sqlite3.Error, UnicodeDecodeError) as error:  # the latter from SQLite's message about damaged names
            raise ledger_error(self.path, error) from error

    def _check_version(self, connection: sqlite3.Connection) -> None:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != APPLICATION_ID:
            raise unreadable(self.path, "it is not an actsearch ledger, but a database of another program")
        if version != SCHEMA_VERSION:
            raise unreadable(
                self.path,
                f"written in version {version} of the ledger's schema; this actsearch reads version {SCHEMA_VERSION}, "
                "so use the actsearch that wrote it",
            )


def is_intact(kind: Any, key: Any, body: Any, digest: Any) -> bool:
    """Returns whether a row is unchanged since it was written."""
    return all(isinstance(part, str) for part in (kind, key, body)) and digest == digest_of(kind, key, body)


def delete_files(path: Path) -> None:
    """Deletes a ledger's file, and before it SQLite's side files, which belong to this file alone."""
    for suffix in (*SIDE_FILES, ""):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


@contextmanager
def _connected(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    """Connects without creating a file (unless `mode` says so); a commit returns when everything is on the disk."""
    address = f"{path.absolute().as_uri()}?mode={mode}"
    with closing(sqlite3.connect(address, timeout=30, isolation_level=None, uri=True)) as connection, connection:
        connection.execute("PRAGMA synchronous = EXTRA")  # FULL leaves the journal's deletion to chance
        yield connection


def _check_file(path: Path) -> None:
    if not path.exists():
        raise LedgerError(
            f"{path.parent}: no search here ({FILE_NAME} is missing). "
            "Give the directory that a search printed at its end."
        )
    if not path.is_file():
        raise LedgerError(f"{path}: expected the file of a ledger, but it is a folder. Give another directory.")
    if not path.stat().st_size:
        raise unreadable(path, "the file is empty; a ledger is never empty, so its content was lost")


def create(connection: sqlite3.Connection) -> None:
    """Creates the tables in an empty file."""
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # salvage relies on these two, not on SQLite's defaults
    connection.execute("PRAGMA auto_vacuum = NONE")
    connection.execute("BEGIN")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    for table in (_FACT, _TAIL):
        connection.execute(table)
    connection.execute("INSERT INTO tail VALUES (0)")


def unreadable(path: Path, what: str) -> UnreadableLedgerError:
    """Makes the error for a ledger with inconsistent contents."""
    report = shlex.join(["actsearch", "report", str(path.parent)])
    return UnreadableLedgerError(
        f"{path}: {what}. The file was not changed. `{report}` shows what can still be read; "
        "restore it from a copy, or start a new search in another directory."
    )


def ledger_error(path: Path, error: Exception) -> LedgerError:
    """Makes the error for an error of SQLite or the system on a file."""
    code = _code(error)
    reason = str(error).rstrip(".")
    if code in _FULL:
        return LedgerError(f"{path}: cannot be written, the disk is full ({reason}). Free some space. {_WHOLE}.")
    if code in _BROKEN:
        return LedgerError(
            f"{path}: cannot be read or written ({reason}). Check for a full or broken disk, a quota, or a limit on "
            f"the size of files. {_WHOLE}."
        )
    if code in _FORBIDDEN or isinstance(error, OSError):
        return LedgerError(
            f"{path}: cannot be opened or written ({reason}). Make the directory and its files writable for this user, "
            f"or give another directory. {_WHOLE}."
        )
    if code in _HELD:
        return LedgerError(f"{path}: locked by another process ({reason}). Wait for that process, or end it. {_WHOLE}.")
    return unreadable(path, f"cannot be read ({reason}). It is damaged, or was written by another program")


def _code(error: Exception) -> int | None:
    """Returns SQLite's primary result code, or the negated error number of the system."""
    if isinstance(error, OSError):
        return -(error.errno or 0)
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF
