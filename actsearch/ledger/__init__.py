"""The ledger of a search: facts appended to an SQLite file, one transaction each, never changed.

Everything that a search learns is a fact: the search itself, each trial, each execution, each decision and each end.
MLflow and reports are written from the ledger.

A fact is a JSON text with its SHA-256. Facts are numbered 1, 2, 3 ..., each has a hash over all facts before it, and
the file has their number: a fact that was changed, replaced, moved or lost is detected when the ledger is read.
"""

from actsearch.ledger.facts import End, Fact, Kind, assemble, parse
from actsearch.ledger.ledger import FILE_NAME, SCHEMA_VERSION, Ledger, UnreadableLedgerError, delete_files
from actsearch.ledger.salvage import Salvaged, salvage

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
