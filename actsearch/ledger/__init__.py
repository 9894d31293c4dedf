"""The ledger of a search: facts appended to an SQLite file, one transaction each, never changed.

Everything that a search learns is a fact: what the search is, each trial, each execution, each decision, each
end. MLflow and reports are written from here.

A fact is one JSON text with its SHA-256, facts are numbered 1, 2, 3 ..., each carries a hash over all before it, and
the file says how many there are: one that was changed, replaced, moved or lost is found when the ledger is read.
"""

from actsearch.ledger.facts import End, Fact, Kind, assemble, parse
from actsearch.ledger.ledger import FILE_NAME, SCHEMA_VERSION, Ledger, UnreadableLedgerError, delete_files
from actsearch.ledger.recovery import Salvaged, salvage

__all__ = [
    "End",
    "FILE_NAME",
    "Fact",
    "Kind",
    "Ledger",
    "SCHEMA_VERSION",
    "Salvaged",
    "UnreadableLedgerError",
    "assemble",
    "delete_files",
    "parse",
    "salvage",
]
