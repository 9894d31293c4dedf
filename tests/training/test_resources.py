import time

import numpy as np

from actsearch.training.resources import Meter, Stopwatch


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


def test_without_a_gpu_there_are_no_gpu_figures():
    import tensorflow as tf

    usage = Meter().read()
    assert (usage.peak_gpu_bytes is None) == (not tf.config.list_logical_devices("GPU"))


def test_laps_follow_each_other():
    watch = Stopwatch()
    time.sleep(0.05)
    assert watch.lap() >= 0.05
    assert watch.lap() < 0.05
