"""How often is anything wrong claimed by who looks at a search, extends it and looks again?

    python benchmarks/looks.py                      # some minutes on one core
    python benchmarks/looks.py --searches 200 --output /tmp/looks.json

Simulated searches of five equal candidates and a baseline, judged as searches are: 3 executions, then 6, 12 and 24 of
each, or 3 and then a race of at most 24 until everything is decided, or 3, then 12 of two candidates only, and then a
race for all, in which the others get what they lack. The judged scores are drawn, with a part that all
trials of a seed share; or the values of samples are, of which each execution tests a fifth, with a part that a sample
has in all executions of a trial: then intervals are for new data. Wrong is any claim that a candidate is better or
worse, at any look. "each as if first" is what the same looks would do without accounting for each other.
"""

import argparse
import json
import math
from collections.abc import Callable
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
SOME, SOME_FIRST = ("elu", "gelu"), "3, then 12 of two, then a race to 24"
RESULTS = Path(__file__).parent / "results" / "looks.json"
Scores = np.ndarray
Ended = Callable[[str, int], float]


def main() -> None:
    """Simulates, prints a line for each way to look, and writes the JSON."""
    parser = argparse.ArgumentParser(description="errors of looking and extending")
    parser.add_argument("--searches", type=int, default=2000)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows = []
    ways = {"3, 6, 12, 24": extended, "3, then a race to 24": raced, SOME_FIRST: some_first, "each as if first": naive}
    for of_samples in (False, True):
        searches = [drawn(number, of_samples=of_samples) for number in range(options.searches)]
        for name, look in ways.items():
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


def in_turn(name: str, n: int) -> float:  # noqa: ARG001
    """The time at which an execution ends: its number."""
    return float(n)


def some_earlier(name: str, n: int) -> float:
    """The time at which an execution ends where `SOME` and the baseline had 12 before the others had more than 3."""
    return float(n + LOOKS[2] * (n > (LOOKS[2] if name in (NAMES[0], *SOME) else LOOKS[0])))


def record(scores: Scores, count: int, ended: Ended = in_turn, until: float = math.inf, **values: Any) -> SearchRecord:
    """Makes the record of a search after so many seeds, with what of them had ended until a time."""
    trials = []
    for column, name in enumerate(NAMES):
        at = {n: ended(name, n) for n in range(1, count + 1)}
        executions = tuple(
            ExecutionRecord(str(column), n, n, 1, Status.COMPLETED, end - 1, end, score=float(scores[n - 1, column]))
            for n, end in at.items()
            if end <= until
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


def some_first(scores: Scores, samples: SampleSource) -> bool:
    """Looks after 3 executions, after 12 of two candidates and the baseline, and after a race for all."""
    first, second, most = LOOKS[0], LOOKS[2], LOOKS[-1]
    extensions = (
        Extension(first + 0.5, first, "fixed", second, only=SOME),
        Extension(second + 0.5, second, "race", max_executions=most),
    )
    looks = [
        record(scores, first),
        record(scores, second, some_earlier, second, ends=(float(first),), extensions=extensions[:1]),
        record(scores, most, some_earlier, ends=(float(first), float(second)), extensions=extensions),
    ]
    return any(claims(look, samples) for look in looks)


if __name__ == "__main__":
    main()
