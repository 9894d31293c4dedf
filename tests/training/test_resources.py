import time

import numpy as np
import pytest

from actsearch.training import resources
from actsearch.training.resources import Meter, Sampler, Stopwatch, undisturbed_seconds


def test_cpu_seconds_are_those_of_this_process():
    meter = Meter()
    time.sleep(0.2)
    idle = meter.read().cpu_seconds
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    busy = meter.read().cpu_seconds
    assert idle < 0.15
    assert 0.25 < busy - idle < 1.0


def test_the_peak_of_memory_is_that_since_the_meter_began():
    block = np.ones(40_000_000, dtype="uint8")
    first = Meter()
    del block
    before = first.read().peak_rss_bytes
    meter = Meter()
    block = np.ones(80_000_000, dtype="uint8")
    held = meter.read().peak_rss_bytes
    del block
    after = Meter().read().peak_rss_bytes
    assert held - after > 60_000_000
    assert held > before


def test_without_a_gpu_there_are_no_gpu_figures(monkeypatch):
    monkeypatch.setattr(resources, "_gpu_names", list)
    sampler = Sampler()
    sampler.end()
    assert Meter().read().peak_gpu_bytes is None
    assert set(sampler.samples) == {"cpu_percent", "rss_mib"}


def test_the_memory_of_all_gpus_is_added_up(monkeypatch):
    class Statistics:
        """As `tf.config.experimental`, on a machine with two GPUs."""

        reset_memory_stats = staticmethod(lambda gpu: None)
        get_memory_info = staticmethod(
            lambda gpu: {"GPU:0": {"peak": 5, "current": 2**20}, "GPU:1": {"peak": 2, "current": 2**21}}[gpu]
        )

    monkeypatch.setattr(resources, "_gpu_names", lambda: ["GPU:0", "GPU:1"])
    monkeypatch.setattr(resources, "_memory_statistics", lambda: Statistics)
    sampler = Sampler()
    sampler.end()
    assert Meter().read().peak_gpu_bytes == 7
    assert sampler.samples["gpu_mib"] == [3.0]


def test_laps_follow_each_other(monkeypatch):
    now = iter([10.0, 10.5, 12.5])
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    watch = Stopwatch()
    assert [watch.lap(), watch.lap()] == [0.5, 2.0]


def test_one_hiccup_does_not_count_as_training_time():
    assert undisturbed_seconds((0.1, 0.1, 9.0, 0.1)) == pytest.approx(0.4)
    assert undisturbed_seconds((0.1, 0.1, 9.0, 0.1), 2) == pytest.approx(0.2)
    assert undisturbed_seconds(()) == 0.0
