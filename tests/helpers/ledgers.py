"""Ledgers for tests: of a small search, and changed behind its back."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

from actsearch.ledger import FILE_NAME, End, Ledger
from actsearch.records import ExecutionRecord, Resources, SearchRecord, TrialRecord
from tests.helpers.factories import ACCURACY, execution

SEARCH = SearchRecord("s1", "relu_variants", ACCURACY, "relu", 1.5)
TRIAL = TrialRecord("0", {"activation": "relu", "learning_rate": 0.001}, "relu", {"dropout": "Dropout"})


def ledger_with(folder: Path, *executions: ExecutionRecord) -> Ledger:
    """One trial with these executions."""
    ledger = Ledger(folder, create=True)
    ledger.append_search(SEARCH)
    ledger.append_trial(TRIAL)
    for each in executions:
        ledger.append_execution(each)
    return ledger


def written(folder: Path, record: SearchRecord) -> Path:
    """The directory of a search with this record, which came to its end."""
    ledger = Ledger(folder, create=True)
    ledger.append_search(record)
    for trial in record.trials:
        ledger.append_trial(trial)
        for each in trial.executions:
            ledger.append_execution(each)
    ledger.append_end(End(9.0, "completed"))
    return folder


def whole_search(folder: Path, *, trials: int = 5, executions: int = 4, epochs: int = 20) -> Ledger:
    """A search that came to its end, with figures of all kinds: 27 facts, of which most fill a page."""
    rng = random.Random(5)
    ledger = Ledger(folder, create=True)
    ledger.append_search(SEARCH)
    for number in range(1, executions + 1):
        for trial_id in map(str, range(trials)):
            if number == 1:
                ledger.append_trial(TrialRecord(trial_id, {"activation": "relu", "rate": rng.random()}, "relu"))
            curve = {name: tuple(rng.random() for _ in range(epochs)) for name in ("loss", "val_loss", "val_accuracy")}
            seconds = tuple(rng.random() for _ in range(epochs))
            costs = Resources(0.1, 0.2, sum(seconds), 0.2, 0.5, rng.randrange(10**9), 42, 1.5, None, 3.5)
            ledger.append_execution(
                execution(number, trial_id, score=rng.random(), history=curve, epoch_seconds=seconds, resources=costs)
            )
    ledger.append_end(End(9.0, "completed"))
    return ledger


def change(folder: Path, *statements: str) -> None:
    """Changes a ledger behind its back."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
