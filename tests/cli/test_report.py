import sqlite3
from contextlib import closing

import pytest

from actsearch.cli.report import report as run
from actsearch.errors import LedgerError, UsageError
from actsearch.ledger import FILE_NAME, Ledger
from actsearch.records import Direction, ExecutionRecord, Objective, SearchRecord, Status, TrialRecord


@pytest.fixture
def found(tmp_path):
    """The directory of a small search."""
    ledger = Ledger(tmp_path / "found", create=True)
    ledger.append_search(SearchRecord("s", "demo", Objective("val_accuracy", Direction.MAX), "relu", 100.0))
    for trial, name in enumerate(("relu", "elu")):
        ledger.append_trial(TrialRecord(str(trial), {"activation": name}, name))
        for number in (1, 2):
            ok = Status.COMPLETED if name == "relu" else Status.FAILED
            record = ExecutionRecord(
                str(trial),
                number,
                number,
                2,
                ok,
                100.0,
                101.0,
                score=0.9,
                reason=None if ok == Status.COMPLETED else "loss is nan",
            )
            ledger.append_execution(record)
    return tmp_path / "found"


def test_pictures_go_beside_the_ledger(found, capsys):
    run(found)
    assert "Figures in found/report: executions.png" in capsys.readouterr().out
    assert (found / "report" / "executions.png").stat().st_size > 1000


@pytest.mark.parametrize("swapped", [False, True])
def test_a_page_is_written_where_it_is_asked_for_and_its_path_is_printed_alone(found, tmp_path, program, swapped):
    page = tmp_path / "page.html"
    arguments = ("--html", page, found) if swapped else (found, "--html", page)
    assert program("report", *arguments) == (0, f"{page}\n", "")
    text = page.read_text("utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert "loss is nan" in text
    assert not (found / "report").exists()


def test_without_a_file_the_page_is_in_the_directory(found, program):
    assert program("report", found, "--html") == (0, f"{found / 'report.html'}\n", "")
    assert (found / "report.html").exists()


def test_a_page_is_opened_where_there_is_a_browser(found, program, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    status, out, err = program("report", found, "--html", "--open")
    assert (status, out) == (0, f"{found / 'report.html'}\n")
    assert "No browser" in err
    opened = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr("webbrowser.open", lambda address: not opened.append(address))
    assert program("report", found, "--html", "--open")[2] == ""
    assert opened == [(found / "report.html").as_uri()]


@pytest.mark.parametrize("ignored", ["--open", "page.html"])
def test_what_would_be_ignored_without_a_page_is_refused(found, program, ignored):
    status, out, err = program("report", found, ignored)
    assert (status, out) == (2, "")
    assert f"{ignored} would be ignored without --html" in err


def test_a_page_that_cannot_be_written_is_wrong_use(found, tmp_path):
    with pytest.raises(UsageError, match="--html"):
        run(found, tmp_path / "no" / "such" / "folder.html", html=True)


def test_without_the_search_itself_its_executions_are_listed(found, capsys):
    with closing(sqlite3.connect(found / FILE_NAME)) as connection, connection:
        connection.execute("DELETE FROM fact WHERE kind = 'search'")
    run(found)
    out, err = capsys.readouterr()
    with pytest.raises(LedgerError, match="without --html, what is intact is listed"):
        run(found, html=True)
    assert err.startswith("Warning:")
    assert "trial 0: relu" in out
    assert "execution 1 of trial 0: COMPLETED, score 0.9" in out


def test_pictures_that_cannot_be_written_are_one_message(found, capsys):
    (found / "report").write_text("in the way")
    with pytest.raises(UsageError, match="figures cannot be written"):
        run(found)
    assert "relu" in capsys.readouterr().out


def test_of_a_damaged_ledger_what_is_intact_is_shown_with_a_warning(found, capsys):
    with closing(sqlite3.connect(found / FILE_NAME)) as connection, connection:
        connection.execute("UPDATE fact SET body = replace(body, '0.9', '0.8') WHERE number = 4")
    run(found)
    out, err = capsys.readouterr()
    assert err.startswith("Warning:")
    assert "Only the intact part is shown here" in err
    assert "relu" in out
