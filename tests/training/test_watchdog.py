import time
from pathlib import Path

import pytest

from actsearch.training.watchdog import Watchdog


def watched(work, **seconds):
    said = []
    with Watchdog("Execution 1 of trial 0", say=said.append, **seconds) as watchdog:
        work(watchdog)
    return said


def compute(watchdog):
    end = time.monotonic() + 0.6
    while time.monotonic() < end:
        pass


def progress(watchdog):
    for epoch in range(6):
        watchdog.on_epoch_begin(epoch)
        time.sleep(0.1)
        watchdog.on_epoch_end(epoch)


def test_what_waits_is_reported_with_where_its_stacks_are():
    said = watched(lambda _: time.sleep(1.0), idle_seconds=0.2, busy_seconds=60)
    assert 1 <= len(said) <= 3  # each report on the same step waits twice as long
    assert "Execution 1 of trial 0 makes no progress: it was started at" in said[0]
    assert "uses no CPU" in said[0]
    assert "timeout=SECONDS" in said[0]
    path = Path(said[0].partition("stacks are in ")[2].partition(".txt")[0] + ".txt")
    assert "test_watchdog.py" in path.read_text()


def test_what_computes_for_long_is_reported_later():
    assert watched(compute, idle_seconds=0.2, busy_seconds=60) == []
    said = watched(compute, idle_seconds=0.2, busy_seconds=0.3)
    assert "a loop without end" in said[0]


def test_epochs_are_progress():
    assert watched(progress, idle_seconds=0.4, busy_seconds=60) == []


def test_an_error_ends_the_watch():
    with pytest.raises(ZeroDivisionError):
        watched(lambda _: 1 / 0)
