import hashlib
import json
import os
import sqlite3
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actsearch.errors import LedgerError
from actsearch.ledger import FILE_NAME, End, Kind, Ledger, facts, salvage
from actsearch.ledger import ledger as ledger_file
from actsearch.records import CostMeasurement, ExecutionRecord, Resources, Status, TrialRecord
from tests.helpers.factories import execution
from tests.helpers.ledgers import SEARCH, change, ledger_with, whole_search


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


def test_measurements_of_costs_are_read_in_their_order(tmp_path):
    first = CostMeasurement(1.0, 0.1, {"0": (1.0, 2.0)}, {"0": (1.0, 2.0)}, {"0": (0.5, 0.25)})
    second = CostMeasurement(2.0, reason="model.fit trains them")
    ledger = ledger_with(tmp_path)
    for measurement in (first, second):
        ledger.append_measurement(measurement)
    assert Ledger(tmp_path).read().measurements == (first, second)


def test_the_cost_of_an_earlier_version_is_read():
    """Without the wall time and what is counted, and with the peak of the search's process."""
    later = ("train_wall_seconds", "training_memory_bytes", "flops_per_sample")
    body = json.loads(facts.to_json(execution(1, resources=Resources(0.1, 0.2, 0.3, 0.2, 0.5, 1000, 42))))
    body["resources"] = {name: value for name, value in body["resources"].items() if name not in later}
    read = facts.parse(facts.Fact(1, Kind.EXECUTION, "0/1", json.dumps(body)), ExecutionRecord)
    assert (read.resources.peak_rss_bytes, read.resources.train_wall_seconds) == (1000, None)


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


def test_a_trial_keeps_its_activations_and_one_without_them_is_read():
    trial = TrialRecord("0", {}, "elu", activations={"": {"name": "elu", "parameters": {"alpha": 0.1}}})
    body = facts.to_json(trial)
    assert facts.parse(facts.Fact(1, Kind.TRIAL, "0", body), TrialRecord) == trial
    without = json.dumps({key: value for key, value in json.loads(body).items() if key != "activations"})
    assert facts.parse(facts.Fact(1, Kind.TRIAL, "0", without), TrialRecord).activations == {}


def test_facts_are_read_from_where_one_stopped(tmp_path):
    ledger = ledger_with(tmp_path, execution(1))
    first = ledger.facts()
    ledger.append_execution(execution(2))
    assert [f.kind for f in first] == [Kind.SEARCH, Kind.TRIAL, Kind.EXECUTION]
    assert [f.key for f in ledger.facts(after=first[-1].number)] == ["0/2"]


def test_a_fact_is_never_written_twice(tmp_path):
    ledger = ledger_with(tmp_path, execution(1))
    with pytest.raises(LedgerError, match="was already written"):
        ledger.append_execution(execution(1, score=0.1))
    assert len(ledger.read().trials[0].executions) == 1


@pytest.mark.parametrize(
    ("statements", "says"),
    [
        (["UPDATE fact SET body = replace(body, '0.25', '0.75') WHERE number = 3"], r"fact 3 \(execution 0/1\) is damaged"),
        (["UPDATE fact SET digest = '' WHERE number = 2"], "fact 2 .*is damaged"),
        (["UPDATE fact SET body = NULL WHERE number = 2"], "damaged|NOT NULL"),
        (["DELETE FROM fact WHERE number = 3"], "fact 3 is missing"),
        (["DELETE FROM fact WHERE number = 1"], "fact 1 is missing"),
        (["DELETE FROM fact WHERE number = 3", "UPDATE fact SET number = number - 1 WHERE number > 3"], "fact 3 .*does not follow"),
        (["DELETE FROM fact WHERE number = 5"], "its last fact is number 4, but 5 was recorded"),
        (["DELETE FROM fact"], "its last fact is number 0, but 5 was recorded"),
        (["UPDATE fact SET number = 9 WHERE number = 3", "UPDATE fact SET number = 3 WHERE number = 4", "UPDATE fact SET number = 4 WHERE number = 9"], "fact 3 .*does not follow"),
        (["UPDATE fact SET chain = '' WHERE number = 4"], "fact 4 .*does not follow"),
        (["UPDATE tail SET number = 7"], "its last fact is number 5, but 7 was recorded"),
        (["DELETE FROM tail"], "but nothing was recorded"),
        (["DROP TABLE tail"], "no such table: tail"),
        (["INSERT INTO fact VALUES (0, 'end', 'x', '{}', '', '')"], None),
    ],
)  # fmt: skip
def test_facts_that_were_changed_moved_or_lost_are_found(tmp_path, statements, says):
    ledger = ledger_with(tmp_path, *(execution(n, score=n / 4) for n in (1, 2, 3)))
    if statements[0].endswith("body = NULL WHERE number = 2"):
        statements = [
            "PRAGMA writable_schema = ON",
            "UPDATE sqlite_master SET sql = replace(sql, 'body TEXT NOT NULL', 'body TEXT')",
        ]
        change(tmp_path, *statements)
        statements = ["UPDATE fact SET body = NULL WHERE number = 2"]
    change(tmp_path, *statements)
    if says is None:  # a number that no reader asks for
        assert len(ledger.facts()) == 5
        return
    with pytest.raises(LedgerError, match=says):
        ledger.read()
    with pytest.raises(LedgerError):
        ledger.facts(after=1)
        ledger.facts()


def test_a_fact_of_another_ledger_in_its_place_is_found(tmp_path):
    """Its own checksum is right, and so is its number."""
    for folder, score in (("one", 0.25), ("other", 0.75)):
        ledger_with(tmp_path / folder, execution(1, score=score), execution(2))
    attach = f"ATTACH '{tmp_path / 'other' / FILE_NAME}' AS other"
    with closing(sqlite3.connect(tmp_path / "one" / FILE_NAME)) as connection:
        connection.execute(attach)
        connection.execute("REPLACE INTO main.fact SELECT * FROM other.fact WHERE number = 3")
        connection.commit()
    with pytest.raises(LedgerError, match="fact 4 .*does not follow"):
        Ledger(tmp_path / "one").read()


def test_nothing_is_appended_to_a_ledger_that_lost_its_end(tmp_path):
    ledger = ledger_with(tmp_path, execution(1), execution(2))
    change(tmp_path, "DELETE FROM fact WHERE number = 4")
    with pytest.raises(LedgerError, match="its last fact is number 3, but 4 was recorded"):
        ledger.append_execution(execution(2))


def test_what_follows_a_fact_is_checked_from_there(tmp_path):
    ledger = ledger_with(tmp_path, execution(1), execution(2), execution(3))
    change(tmp_path, "UPDATE fact SET chain = 'other' WHERE number = 3")
    assert [fact.number for fact in ledger.facts(after=5)] == []
    with pytest.raises(LedgerError, match="fact 4 .*does not follow"):
        ledger.facts(after=3)


def test_a_kind_that_is_not_known_is_named(tmp_path):
    ledger = ledger_with(tmp_path)
    digest = hashlib.sha256(b"dream\n1\n{}").hexdigest()
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        chain = connection.execute("SELECT chain FROM fact WHERE number = 2").fetchone()[0]
        row = (3, "dream", "1", "{}", digest, facts.chain_of(chain, 3, digest))
        connection.execute("INSERT INTO fact VALUES (?, ?, ?, ?, ?, ?)", row)
        connection.commit()
    with pytest.raises(LedgerError, match="fact 3 has the kind 'dream', which this actsearch does not know"):
        ledger.facts()


def test_a_record_that_json_cannot_say_is_refused(tmp_path):
    ledger = ledger_with(tmp_path)
    with pytest.raises(LedgerError, match="A TrialRecord cannot be written as JSON"):
        ledger.append_trial(TrialRecord("1", {"activation": object()}, "relu"))
    with pytest.raises(LedgerError, match="A TrialRecord cannot be written as JSON"):
        ledger.append_trial(TrialRecord("1", {"activation": "\ud800"}, "relu"))
    assert len(ledger.facts()) == 2


def test_a_ledger_without_a_search_says_so(tmp_path):
    Ledger(tmp_path, create=True)
    with pytest.raises(LedgerError, match="does not say what was searched"):
        Ledger(tmp_path).read()


def test_every_commit_waits_for_the_disk(tmp_path):
    """`EXTRA`: the file, its journal, and the journal's deletion are on the disk when `append` returns."""
    path = ledger_with(tmp_path).path
    with ledger_file._connected(path, "rw") as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (3,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_a_journal_without_its_ledger_is_not_played_into_a_new_one(tmp_path):
    """A killed search leaves a journal; whoever deletes the ledger by hand may leave it there."""
    path = ledger_with(tmp_path, execution(1)).path
    journal = path.with_name(f"{FILE_NAME}-journal")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        connection.execute("UPDATE fact SET body = hex(randomblob(20000))")
        left = journal.read_bytes()
    os.unlink(path)  # noqa: PTH108
    journal.write_bytes(left)
    assert left
    ledger_with(tmp_path, execution(1, score=0.5))
    assert Ledger(tmp_path).read().trials[0].scores == {1: 0.5}


def test_a_whole_ledger_is_salvaged_without_a_problem(tmp_path):
    ledger = whole_search(tmp_path)
    found = salvage(tmp_path)
    assert found.problem is None
    assert found.facts == ledger.facts()


def test_salvage_says_where_there_is_no_search(tmp_path):
    with pytest.raises(LedgerError, match="no search here"):
        salvage(tmp_path)


def test_a_directory_without_a_search_is_said_to_be_one(tmp_path):
    with pytest.raises(LedgerError, match="no search here"):
        Ledger(tmp_path)


def test_a_second_search_in_a_directory_is_refused(tmp_path):
    ledger_with(tmp_path)
    with pytest.raises(LedgerError, match="already"):
        Ledger(tmp_path, create=True)
