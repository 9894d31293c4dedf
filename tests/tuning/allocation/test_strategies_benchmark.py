"""The rule that the benchmark runs on many searches at once is the race's own."""

from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import race

    return race


@pytest.mark.parametrize("kind", ["gaussian", "skewed", "heavy_tailed", "accuracy_400"])
def test_same_decisions_as_the_race(benchmark, kind):
    mean = benchmark.means(5, equal=False)
    scores = benchmark.STREAMS[kind](np.random.default_rng(1), 6, 15, mean, 0.7)
    scale = 0.015 if kind == "accuracy_400" else 1.0
    assert [benchmark.differs(scores, margin * scale) for margin in (0.0, 1.5)] == [0, 0]


def test_equal_trials_and_the_rules_that_are_compared(benchmark):
    scores = benchmark.STREAMS["gaussian"](np.random.default_rng(2), 800, 30, np.zeros(5), 0.0)
    assert benchmark.family_wise(benchmark.race(scores))["family_wise"] <= 0.05 + 3 * 0.0077
    assert benchmark.family_wise(benchmark.grid(scores))["family_wise"] <= 0.05 + 3 * 0.0077
    assert benchmark.wilcoxon(scores).dropped[:, 1:].mean() > 0.3


def test_wilcoxon_rule_prunes_an_equal_candidate_as_often_as_was_measured(benchmark):
    scores = np.random.default_rng(3).standard_normal((4000, 30, 2))
    shares = [benchmark.wilcoxon(scores[:, :n]).dropped[:, 1].mean() for n in (5, 10, 20, 30)]
    assert shares == pytest.approx([0.11, 0.19, 0.27, 0.31], abs=0.02)
