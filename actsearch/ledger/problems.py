"""What is wrong with a ledger's file, in words: what happened, and what to do."""

import errno
import sqlite3
from pathlib import Path

from actsearch.errors import LedgerError

_FULL = {sqlite3.SQLITE_FULL, -errno.ENOSPC, -errno.EDQUOT}
_BROKEN = {sqlite3.SQLITE_IOERR, -errno.EIO, -errno.EFBIG}
_FORBIDDEN = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_HELD = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_WHOLE = "What was written before is whole, and goes on when this is mended"


class UnreadableLedgerError(LedgerError):
    """A ledger that is damaged or written in another way; `salvage` may read a part of it."""


def unreadable(path: Path, what: str) -> UnreadableLedgerError:
    """The error for a ledger that says something impossible."""
    return UnreadableLedgerError(
        f"{path}: {what}. The file was not changed. `actsearch report {path.parent}` shows what can be read of it; "
        "restore it from a copy, or search anew in another directory."
    )


def explained(path: Path, error: Exception) -> LedgerError:
    """The error for what SQLite or the system says of a file."""
    code, told = _code(error), str(error).rstrip(".")
    if code in _FULL:
        return LedgerError(f"{path}: cannot be written, the disk is full ({told}). Make room. {_WHOLE}.")
    if code in _BROKEN:
        return LedgerError(
            f"{path}: cannot be read or written ({told}). Look for a full or broken disk, a quota, or a limit on the "
            f"size of files. {_WHOLE}."
        )
    if code in _FORBIDDEN or isinstance(error, OSError):
        return LedgerError(
            f"{path}: cannot be opened or written ({told}). Make the directory and its files writable for this user, "
            f"or give another directory. {_WHOLE}."
        )
    if code in _HELD:
        return LedgerError(f"{path}: another process holds it ({told}). Wait for that process, or end it. {_WHOLE}.")
    return unreadable(path, f"cannot be read ({told}). It is damaged, or was written by another program")


def _code(error: Exception) -> int | None:
    """SQLite's result code without the details, or the system's error number below zero."""
    if isinstance(error, OSError):
        return -(error.errno or 0)
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else int(code) & 0xFF
