"""How many executions does a race need, and how often is it wrong? Monte Carlo on simulated scores.

    python benchmarks/race.py                        # some minutes on one core
    python benchmarks/race.py --repetitions 2000 --output /tmp/race.json

For each kind of scores, correlation of the scores of one seed, and number of trials (the baseline among them), up to
30 seeds: `Race` at its defaults (alpha 0.05) without a margin, a plain race, WilcoxonPruner's rule, and a grid of 30
with Holm. First where all trials are equal, then where one is 1 SD better than the baseline, half are 1 SD worse and
the rest are equal. Then the means and standard deviations of a published table of 34 activations, with a margin of
half a point; and equal means where the assumptions are strained or broken. `Race` itself is held against the
vectorised rule on a sample of the searches.
"""

import argparse
import json
import math
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from race_rules import Array, Verdicts, grid, plain, race, wilcoxon
from race_streams import FLOORS, STREAMS, means, published, published_scores, stress

from actsearch.analysis.statistics import pairs_needed
from actsearch.records import Direction, Objective
from actsearch.tuning.allocation import Action, Race

ALPHA, SEEDS, MARGIN = 0.05, 30, 0.5
CORRELATIONS, TRIALS = (0.0, 0.7), (5, 9, 16)
RESULTS = Path(__file__).parent / "results" / "race.json"


def main() -> None:
    """Runs every cell, prints a line for each and writes the JSON."""
    parser = argparse.ArgumentParser(description="Monte Carlo of the race")
    parser.add_argument("--repetitions", type=int, default=5000)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    began = time.perf_counter()
    cells = [
        show(cell(options.repetitions, kind, correlation, trials))
        for kind in STREAMS
        for correlation in CORRELATIONS
        for trials in TRIALS
    ]
    tables = [show(published_cell(options.repetitions, correlation)) for correlation in CORRELATIONS]
    result = {
        "what": __doc__,
        "settings": {"alpha": ALPHA, "max_executions": SEEDS, "repetitions": options.repetitions, "margin": MARGIN},
        "environment": environment(),
        "seconds": round(time.perf_counter() - began, 1),
        "worst": worst(cells),
        "cells": cells,
        "published": tables,
        "stress": show(stressed(options.repetitions)),
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result["worst"], indent=1), f"\n{result['seconds']} s, written to {options.output}")


def show(found: dict[str, Any]) -> dict[str, Any]:
    """Prints a cell's figures on one line."""
    print(json.dumps(found), flush=True)
    return found


def cell(repetitions: int, kind: str, correlation: float, trials: int) -> dict[str, Any]:
    """One kind of scores, correlation and number of trials: all equal, then not."""
    floor = FLOORS.get(kind, 0.0)
    rng = np.random.default_rng([list(STREAMS).index(kind), round(10 * correlation), trials])
    equal = STREAMS[kind](rng, repetitions, SEEDS, means(trials, equal=True), correlation)
    mean = means(trials, equal=False)
    mixed = STREAMS[kind](rng, repetitions, SEEDS, mean, correlation)
    holm = grid(mixed, floor=floor)
    found: dict[str, Any] = {"kind": kind, "correlation": correlation, "trials": trials}
    found["equal"] = {
        "race": family_wise(race(equal)),
        "plain": family_wise(plain(equal, floor=floor)),
        "wilcoxon": family_wise(wilcoxon(equal)) | {"each": share(wilcoxon(equal).dropped[:, 1:])},
        "grid": family_wise(grid(equal, floor=floor)),
    }
    rules = {"race": race(mixed), "plain": plain(mixed, floor=floor), "wilcoxon": wilcoxon(mixed)}
    found["mixed"] = {name: findings(rule, mean, holm) for name, rule in (rules | {"grid": holm}).items()}
    used = found["mixed"]["race"]["executions"]
    found["ideal"] = ideal(mean, correlation, used)
    scale = 1.0 if kind != "accuracy_400" else 0.015
    sample = [differs(scores[:12], margin) for scores in (equal, mixed) for margin in (0.0, 1.5 * scale)]
    found["sample"] = {"searches": 48, "differ_from_Race": sum(sample)}
    return found


def family_wise(v: Verdicts) -> dict[str, float]:
    """Share of searches that dropped any trial or claimed any difference, with its Monte-Carlo error."""
    wrong = (v.dropped | v.better | v.worse).any(1)
    return {"family_wise": share(wrong), "error": round(float(wrong.std() / math.sqrt(wrong.size)), 4)}


def findings(v: Verdicts, mean: Array, holm: Verdicts) -> dict[str, float]:
    """What was found where one trial is better, half are worse and the rest equal the baseline."""
    best, bad = mean > 0, mean < 0
    wrong = (v.better & ~best) | (v.worse & ~bad) | (v.dropped & best)
    found = {
        "executions": share(v.used / (SEEDS * mean.size)),
        "best_dropped": share(v.dropped[:, best]),
        "best_called_better": share(v.better[:, best]),
        "of_what_the_grid_finds": share(v.better[:, best]) / max(share(holm.better[:, best]), 1e-9),
        "bad_dropped_or_called_worse": share((v.dropped | v.worse)[:, bad]),
        "any_wrong": share(wrong.any(1)),
    }
    return {name: round(value, 4) for name, value in found.items()}


def ideal(mean: Array, correlation: float, used: float) -> dict[str, float]:
    """The executions of somebody who knows the best trial, all effects and the spread, and needs only the proof.

    Each other trial is tested against the best one at alpha / (trials - 1), with a power of 0.9: by a t test of a
    fixed number of pairs; and by Wald's sequential test, which needs the fewest pairs on average of all tests, for a
    known spread and (its information bound) for an unknown one.
    """
    effects = (mean.max() - np.delete(mean, mean.argmax())) / math.sqrt(2 * (1 - correlation))
    level, miss = ALPHA / effects.size, 0.1
    fixed = np.array([pairs_needed(e, alpha=2 * level, chance=1 - miss) or SEEDS for e in effects])
    gain = (1 - miss) * math.log((1 - miss) / level) + miss * math.log(miss / (1 - level))
    known, unknown = gain / (effects**2 / 2), gain / (np.log1p(effects**2) / 2)
    shares = {}
    for name, pairs in {"fixed": fixed, "wald": known, "wald_unknown_spread": unknown}.items():
        capped = np.minimum(pairs, SEEDS)
        shares[name] = float((capped.sum() + capped.max()) / (SEEDS * mean.size))
    found = {f"{name}_executions": value for name, value in shares.items()}
    found |= {f"race_over_{name}": used / value for name, value in shares.items()}
    return {name: round(value, 3) for name, value in found.items()}


def stressed(repetitions: int) -> dict[str, float]:
    """Family-wise share of searches with a false decision among 9 equal trials, for scores that are far from normal."""
    cases = stress(np.random.default_rng(9), repetitions, SEEDS, 9)
    return {name: family_wise(race(scores))["family_wise"] for name, scores in cases.items()}


def published_cell(repetitions: int, correlation: float) -> dict[str, Any]:
    """The published means and standard deviations, ReLU as baseline; and the same spreads with equal means."""
    names, mean, sd = published()
    rng = np.random.default_rng([34, round(10 * correlation)])
    scores = published_scores(rng, repetitions, SEEDS, mean, sd, correlation)
    level = published_scores(rng, repetitions, SEEDS, np.full_like(mean, mean[0]), sd, correlation)
    ours, theirs = race(scores, margin=MARGIN), grid(scores, margin=MARGIN)
    opposite = (ours.better & theirs.worse) | (ours.worse & theirs.better)
    return {
        "kind": "published table",
        "correlation": correlation,
        "trials": len(names),
        "equal": {"race": family_wise(race(level)), "plain": family_wise(plain(level))},
        "race": against_truth(ours, mean),
        "grid": against_truth(theirs, mean),
        "searches_that_contradict_the_grid": share(opposite.any(1)),
        "sample": {"searches": 12, "differ_from_Race": differs(scores[:12], MARGIN)},
    }


def against_truth(v: Verdicts, mean: Array) -> dict[str, float]:
    """Executions, and how many trials were decided rightly, wrongly and not at all."""
    gain = mean - mean[0]
    wrong = (v.better & (gain <= 0)) | (v.worse & (gain >= 0)) | (v.equivalent & (np.abs(gain) >= MARGIN))
    wrong |= v.dropped & (mean == mean.max())
    decided = (v.dropped | v.better | v.worse | v.equivalent)[:, 1:]
    return {
        "executions": share(v.used / (SEEDS * mean.size)),
        "searches_with_a_wrong_decision": share(wrong.any(1)),
        "wrong_decisions_per_search": share(wrong.sum(1)),
        "trials_decided": round(float(decided.sum(1).mean()), 2),
        "best_dropped": share(v.dropped[:, mean.argmax()]),
        "called_better": round(float(v.better.sum(1).mean()), 2),
        "called_equivalent": round(float(v.equivalent.sum(1).mean()), 2),
    }


def differs(scores: Array, margin: float) -> int:
    """How many of these searches `Race` itself decides otherwise, or with another number of executions."""
    v = race(scores, margin=margin)
    return sum(_decide(one, margin) != _said(v, row) for row, one in enumerate(scores))


def _decide(scores: Array, margin: float) -> tuple[set[int], Mapping[int, str], int]:
    seeds, trials = scores.shape
    contest = Race(seeds).start(Objective("accuracy", Direction.MAX), alpha=ALPHA, margin=margin)
    for trial in range(trials):
        contest.add(str(trial), baseline=trial == 0)
    used = 0
    while (asked := contest.ask()) is not None:
        trial_id, execution = asked
        contest.tell(trial_id, execution, float(scores[execution - 1, int(trial_id)]))
        used += 1
    dropped = {int(d.trial_id) for d in contest.decisions if d.action is Action.DROPPED}
    claims = {int(d.trial_id): str(d.outcome) for d in contest.decisions if d.action is Action.CLAIMED}
    return dropped, claims, used


def _said(v: Verdicts, row: int) -> tuple[set[int], Mapping[int, str], int]:
    kinds = {"better": v.better, "worse": v.worse, "equivalent": v.equivalent}
    claims = {int(trial): kind for kind, flags in kinds.items() for trial in np.flatnonzero(flags[row])}
    return {int(t) for t in np.flatnonzero(v.dropped[row])}, claims, int(v.used[row])


def worst(cells: list[dict[str, Any]]) -> dict[str, float]:
    """The extremes over all cells."""
    return {
        "family_wise_race": max(c["equal"]["race"]["family_wise"] for c in cells),
        "family_wise_plain": max(c["equal"]["plain"]["family_wise"] for c in cells),
        "family_wise_wilcoxon": max(c["equal"]["wilcoxon"]["family_wise"] for c in cells),
        "each_wilcoxon_least": min(c["equal"]["wilcoxon"]["each"] for c in cells),
        "each_wilcoxon_most": max(c["equal"]["wilcoxon"]["each"] for c in cells),
        "best_dropped_race": max(c["mixed"]["race"]["best_dropped"] for c in cells),
        "of_what_the_grid_finds_least": min(c["mixed"]["race"]["of_what_the_grid_finds"] for c in cells),
        "executions_most": max(c["mixed"]["race"]["executions"] for c in cells),
        "any_wrong_race": max(c["mixed"]["race"]["any_wrong"] for c in cells),
        "sample_differs": sum(c["sample"]["differ_from_Race"] for c in cells),
    }


def share(values: Any) -> float:
    """A mean, rounded."""
    return round(float(np.mean(values)), 4)


def environment() -> dict[str, str]:
    """Versions and hardware."""
    versions = {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__}
    return versions | {"platform": platform.platform(terse=True), "machine": platform.machine()}


if __name__ == "__main__":
    main()
