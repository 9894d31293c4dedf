"""What is made of a search of four times as many executions takes four times as many calls, not sixteen times."""

import cProfile
import random
from functools import cache

import numpy as np
import pytest

from actsearch.analysis.verdict import verdict_of
from actsearch.config import SearchConfig
from actsearch.records import SampleScores
from actsearch.reports.leaderboard import leaderboard_rows
from actsearch.reports.markdown import markdown_report
from actsearch.reports.text import text_leaderboard
from actsearch.tracking.metrics import TrialFigures
from actsearch.visualization._style import ranking, styles_of
from tests.helpers.factories import ACCURACY, search, trial

SAMPLES = 20


@cache
def sample_scores(trial_id, execution, part):
    values = np.random.default_rng([int(trial_id), execution]).normal(0.9, 0.1, SAMPLES).astype("float32")
    return SampleScores(np.arange(SAMPLES), values)


def searched(num_trials, num_executions, allocation):
    """relu and leaky ReLUs, as a search without training has them."""
    draw = random.Random(0)
    names = ["relu", *(f"leaky_relu(slope={0.001 * n:.3f})" for n in range(1, num_trials))]
    scores = [[0.9 + draw.gauss(0, 0.01) for _ in range(num_executions)] for _ in names]
    trials = [trial(str(n), name, each) for n, (name, each) in enumerate(zip(names, scores, strict=True))]
    most = num_executions if allocation == "race" else None
    config = SearchConfig(executions=num_executions, allocation=allocation, max_executions=most)
    return search(trials, config=config, ends=(2.0,))


def everything_of(record):
    verdict = verdict_of(record, sample_scores)
    leaderboard_rows(record, verdict)
    text_leaderboard(record, verdict)
    markdown_report(record, verdict, max_length=8000)
    styles_of(ranking(verdict, record))
    for each in record.trials:
        figures = TrialFigures(ACCURACY)
        for execution in each.executions:
            figures.add(execution)


def num_calls(*shape):
    record = searched(*shape)
    everything_of(record)  # what is cached
    profile = cProfile.Profile()
    profile.runcall(everything_of, searched(*shape))
    return sum(entry.callcount for entry in profile.getstats())


@pytest.mark.parametrize("allocation", ["fixed", "race"])
def test_four_times_the_trials(allocation):
    assert num_calls(160, 4, allocation) < 5 * num_calls(40, 4, allocation)


@pytest.mark.parametrize("allocation", ["fixed", "race"])
def test_four_times_the_executions(allocation):
    assert num_calls(4, 160, allocation) < 5 * num_calls(4, 40, allocation)
