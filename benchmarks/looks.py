"""How often is anything wrong claimed by who looks at a search, extends it and looks again?

    python benchmarks/looks.py                      # some minutes on one core
    python benchmarks/looks.py --searches 200 --output /tmp/looks.json

Simulated searches of five equal candidates and a baseline, judged as searches are: 3 executions, then 6, 12 and 24 of
each, or 3 and then a race of at most 24 until everything is decided. The judged scores are drawn, with a part that all
trials of a seed share; or the values of samples are, of which each execution tests a fifth, with a part that a sample
has in all executions of a trial: then intervals are for new data. Wrong is any claim that a candidate is better or
worse, at any look. "each as if first" is what the same looks would do without accounting for each other.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from actsearch.analysis.comparison import SampleSource, no_samples
from actsearch.analysis.results import Outcome
from actsearch.analysis.verdict import verdict_of
from actsearch.config import SearchConfig
from actsearch.records import (
    Direction,
    ExecutionRecord,
    Extension,
    Objective,
    SampleScores,
    SearchRecord,
    Status,
    TrialRecord,
)

LOOKS = 3, 6, 12, 24
NAMES = "relu", "elu", "gelu", "selu", "tanh", "mish"
SAMPLES = 100
RESULTS = Path(__file__).parent / "results" / "looks.json"
Scores = np.ndarray


def main() -> None:
    """Simulates, prints a line for each way to look, and writes the JSON."""
    parser = argparse.ArgumentParser(description="errors of looking and extending")
    parser.add_argument("--searches", type=int, default=2000)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows = []
    for of_samples in (False, True):
        searches = [drawn(number, of_samples=of_samples) for number in range(options.searches)]
        for name, look in (("3, 6, 12, 24", extended), ("3, then a race to 24", raced), ("each as if first", naive)):
            wrong = float(np.mean([look(*search) for search in searches]))
            rows.append({"values": "of samples" if of_samples else "of seeds", "looks": name, "wrong": round(wrong, 4)})
            print(json.dumps(rows[-1]), flush=True)
    error = round(float(np.sqrt(0.05 * 0.95 / options.searches)), 4)
    settings = {"searches": options.searches, "alpha": 0.05, "standard_error": error}
    options.output.write_text(json.dumps({"what": __doc__, "settings": settings, "rows": rows}, indent=1) + "\n")


def drawn(number: int, *, of_samples: bool) -> tuple[Scores, SampleSource]:
    """Draws the scores (seeds, trials) of one search, and the values of the samples behind them."""
    rng = np.random.default_rng([number, of_samples])
    shape = (LOOKS[-1], len(NAMES))
    if not of_samples:
        return 0.9 + 0.01 * (rng.standard_normal((shape[0], 1)) + rng.standard_normal(shape)), no_samples
    lasting = rng.standard_normal((len(NAMES), SAMPLES))
    tested = [np.sort(rng.permutation(SAMPLES)[: SAMPLES // 5]) for _ in range(LOOKS[-1])]
    found = {}
    for seed, ids in enumerate(tested):
        for trial in range(len(NAMES)):
            noise = rng.standard_normal(len(ids)) + 0.2 * rng.standard_normal()
            found[str(trial), seed + 1] = SampleScores(ids, (lasting[trial, ids] + noise).astype("float32"))
    scores = np.array([[found[str(t), s + 1].values.mean() for t in range(shape[1])] for s in range(shape[0])])
    return scores, lambda trial, execution, _: found.get((trial, execution))


def record(scores: Scores, count: int, **values: Any) -> SearchRecord:
    """Makes the record of a search after so many seeds; a seed ends at the time of its number."""
    trials = []
    for column, name in enumerate(NAMES):
        executions = tuple(
            ExecutionRecord(
                str(column), n, n, 1, Status.COMPLETED, n - 1.0, float(n), score=float(scores[n - 1, column])
            )
            for n in range(1, count + 1)
        )
        trials.append(TrialRecord(str(column), {}, name, executions=executions))
    config = SearchConfig(executions=LOOKS[0], max_executions=None, margin=0.0)
    objective = Objective("val_score", Direction.MAX)
    return SearchRecord("s", "s", objective, NAMES[0], 0.0, config=config, trials=tuple(trials), **values)


def claims(search: SearchRecord, samples: SampleSource) -> bool:
    """Returns whether anything is claimed to be better or worse."""
    outcomes = {each.outcome for each in verdict_of(search, samples).comparisons}
    return bool(outcomes & {Outcome.BETTER, Outcome.WORSE})


def extended(scores: Scores, samples: SampleSource) -> bool:
    """Looks after 3, 6, 12 and 24 executions."""
    ends = [tuple(float(look) for look in LOOKS[:k]) for k in range(len(LOOKS))]
    return any(claims(record(scores, look, ends=end), samples) for look, end in zip(LOOKS, ends, strict=True))


def naive(scores: Scores, samples: SampleSource) -> bool:
    """Looks as often, but spends everything at each look."""
    return any(claims(replace(record(scores, look), ends=()), samples) for look in LOOKS)


def raced(scores: Scores, samples: SampleSource) -> bool:
    """Looks after 3 executions, then after each of a race until everything is decided."""
    if claims(record(scores, LOOKS[0]), samples):
        return True
    extension = Extension(LOOKS[0] + 0.5, LOOKS[0], "race", max_executions=LOOKS[-1])
    return claims(record(scores, LOOKS[-1], ends=(float(LOOKS[0]),), extensions=(extension,)), samples)


if __name__ == "__main__":
    main()
