"""The tables of a ledger's file, and how an older file becomes one of today.

Version 1 had the table `fact` without the column `chain`, and no table `tail`. A new file is made in the same way in
which an old one is upgraded, so there is one path only.
"""

import sqlite3

from actsearch.ledger.facts import chain_of

SCHEMA_VERSION = 2
OLDEST_VERSION = 1
APPLICATION_ID = 0x61637473  # "acts", in the header of the SQLite file
PAGE_BYTES = 4096
_VERSION_1 = """
CREATE TABLE fact (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    body TEXT NOT NULL,
    digest TEXT NOT NULL,
    UNIQUE (kind, key)
)
"""


def create(connection: sqlite3.Connection) -> None:
    """Makes the tables in an empty file."""
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # what a salvage relies on, whatever SQLite's defaults are
    connection.execute("PRAGMA auto_vacuum = NONE")
    connection.execute("BEGIN")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(_VERSION_1)
    upgrade(connection)


def upgrade(connection: sqlite3.Connection) -> None:
    """From version 1 to version 2, within the caller's transaction; its facts stay as they are."""
    connection.execute("ALTER TABLE fact ADD COLUMN chain TEXT NOT NULL DEFAULT ''")
    connection.execute("CREATE TABLE tail (number INTEGER NOT NULL)")
    number, chain = 0, ""
    for number, digest in connection.execute("SELECT number, digest FROM fact ORDER BY number").fetchall():
        chain = chain_of(chain, number, digest)
        connection.execute("UPDATE fact SET chain = ? WHERE number = ?", (chain, number))
    connection.execute("INSERT INTO tail VALUES (?)", (number,))
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
