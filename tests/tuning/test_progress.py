"""How long the rest will take."""

import io
import time

import pytest

from actsearch.records import ExecutionRecord, Resources, Status
from actsearch.reports.standings import Pace
from actsearch.tuning.progress import Lines, Silent, Warnings, warn
from tests.helpers.factories import search


def execution(number, *, train=1.0):
    costs = Resources(0.1, 5.0, train, train, train, 10, 4)
    return ExecutionRecord("0", number, 7, 1, Status.COMPLETED, 0.0, 1.0, score=0.5, resources=costs)


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_first_executions_have_a_pace_of_their_own(clock):
    """Seven trials of three executions: six seconds each to trace and train, then one."""
    pace = Pace()
    pace.start()
    pace.plan(7, 21)
    assert pace.seconds_left() is None
    for _ in range(4):
        clock[0] += 6
        pace.add(execution(1))
    assert pace.seconds_left() == pytest.approx(3 * 6 + 14 * 1.1)
    for _ in range(3):
        clock[0] += 6
        pace.add(execution(1))
    assert pace.seconds_left() == pytest.approx(14 * 1.1)
    for _ in range(4):
        clock[0] += 1.5
        pace.add(execution(2))
    assert pace.seconds_left() == pytest.approx(10 * 1.5)


def test_where_the_end_is_not_known_nothing_is_said(clock):
    pace = Pace()
    pace.start()
    pace.plan(7, None)
    clock[0] += 6
    pace.add(execution(1))
    assert pace.seconds_left() is None


def test_the_score_of_a_running_search_is_named():
    """It is a validation score, whatever the verdict will judge by."""
    record, stream = search({"relu": [0.5]}), io.StringIO()
    lines = Lines(stream)
    lines.begin(record, "found")
    lines.execution(record.trials[0], execution(1))
    assert "status=COMPLETED val_accuracy=0.5000 train=1.00s" in stream.getvalue()


def test_warnings_are_messages_to_a_reporter_without_a_method_for_them(capsys):
    stream = io.StringIO()
    warn(Lines(stream), "MLflow is unreachable.")
    assert stream.getvalue() == "MLflow is unreachable.\n"
    warn(Warnings(), "MLflow is unreachable.")
    Warnings().message("30 epochs")
    warn(Silent(), "MLflow is unreachable.")
    assert capsys.readouterr() == ("", "Warning: MLflow is unreachable.\n")
