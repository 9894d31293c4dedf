import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actsearch.errors import LedgerError
from actsearch.ledger import FILE_NAME, End, Kind, Ledger
from actsearch.records import (
    Direction,
    ExecutionRecord,
    Objective,
    Resources,
    SearchRecord,
    Status,
    TrialRecord,
)

SEARCH = SearchRecord("s1", "relu_variants", Objective("val_accuracy", Direction.MAX), "relu", 1.5)
TRIAL = TrialRecord("0", {"activation": "relu", "learning_rate": 0.001}, "relu", {"dropout": "Dropout"})


def execution(number: int, **values) -> ExecutionRecord:
    defaults = {"seed": 7, "epochs": 2, "status": Status.COMPLETED, "started_at": 2.0, "ended_at": 3.0}
    return ExecutionRecord("0", number, **{**defaults, **values})


def ledger_with(folder, *executions) -> Ledger:
    ledger = Ledger(folder, create=True)
    ledger.append_search(SEARCH)
    ledger.append_trial(TRIAL)
    for each in executions:
        ledger.append_execution(each)
    return ledger


def test_what_is_written_is_read_back(tmp_path):
    resources = Resources(0.1, 0.2, 0.3, 0.2, 0.5, 1000, 42, 1.5, None, 3.5)
    full = execution(
        1, score=0.9, best_epoch=2, test_score=0.8, test_metrics={"accuracy": 0.8},
        history={"loss": (1.0, 0.5)}, epoch_seconds=(0.1, 0.2), resources=resources, trainer="compiled",
    )  # fmt: skip
    failed = execution(2, status=Status.FAILED, reason="loss is nan in epoch 1", history={"loss": (float("nan"),)})
    ledger = ledger_with(tmp_path, full, failed)
    ledger.append_end(End(9.0, "completed"))
    search = Ledger(tmp_path).read()
    assert search.ended_at == 9.0
    assert search.trials[0].executions[0] == full
    assert search.trials[0].executions[1].reason == failed.reason
    assert search.trials[0].scores == {1: 0.9}


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(
        st.text(max_size=20),
        st.one_of(st.text(max_size=50), st.integers(-(2**60), 2**60), st.floats(allow_nan=False), st.booleans()),
        max_size=5,
    )
)
def test_any_hyperparameters_survive(tmp_path_factory, values):
    ledger = Ledger(tmp_path_factory.mktemp("ledger"), create=True)
    ledger.append_search(SEARCH)
    ledger.append_trial(TrialRecord("0", values, "relu"))
    assert dict(ledger.read().trials[0].hyperparameters) == values


def test_facts_are_read_from_where_one_stopped(tmp_path):
    ledger = ledger_with(tmp_path, execution(1))
    first = ledger.facts()
    ledger.append_execution(execution(2))
    assert [f.kind for f in first] == [Kind.SEARCH, Kind.TRIAL, Kind.EXECUTION]
    assert [f.key for f in ledger.facts(after=first[-1].number)] == ["0/2"]


def test_a_fact_is_never_written_twice(tmp_path):
    ledger = ledger_with(tmp_path, execution(1))
    with pytest.raises(LedgerError, match="written before"):
        ledger.append_execution(execution(1, score=0.1))
    assert len(ledger.read().trials[0].executions) == 1


def test_a_changed_fact_is_found(tmp_path):
    ledger = ledger_with(tmp_path, execution(1, score=0.25))
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("UPDATE fact SET body = replace(body, '0.25', '0.75')")
    connection.close()
    with pytest.raises(LedgerError, match="fact 3 .*damaged"):
        ledger.read()


def test_a_directory_without_a_search_is_said_to_be_one(tmp_path):
    with pytest.raises(LedgerError, match="no search here"):
        Ledger(tmp_path)


def test_a_second_search_in_a_directory_is_refused(tmp_path):
    ledger_with(tmp_path)
    with pytest.raises(LedgerError, match="already"):
        Ledger(tmp_path, create=True)


def test_another_sqlite_file_is_refused(tmp_path):
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("CREATE TABLE other (x)")
    connection.close()
    with pytest.raises(LedgerError, match="not a ledger"):
        Ledger(tmp_path)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(LedgerError, match="cannot be used"):
        Ledger(tmp_path)


def test_another_schema_is_named(tmp_path):
    ledger_with(tmp_path)
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LedgerError, match="version 99"):
        Ledger(tmp_path)
