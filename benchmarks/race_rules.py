"""Stopping rules on many simulated searches at once: ours, a plain race, WilcoxonPruner's, and a fixed grid.

Each takes scores (repetitions, seeds, trials), the baseline first, and returns `Verdicts`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from actsearch.analysis.looks import FIRST_LOOK, Looks, nominal_levels, spending

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass
class Verdicts:
    """What was concluded of each trial of each search, arrays (repetitions, trials); `used` counts executions."""

    dropped: Flags
    better: Flags
    worse: Flags
    equivalent: Flags
    used: NDArray[np.int64]


def race(scores: Array, *, alpha: float = 0.05, margin: float = 0.0) -> Verdicts:
    """`Race`, for all searches at once."""
    state = _Race(scores, alpha, margin)
    for n in range(1, scores.shape[1] + 1):
        state.observe(n)
    dropped = ~state.unbeaten & state.candidate
    return Verdicts(dropped, state.better, state.worse, state.equivalent, state.used)


class _Race:
    def __init__(self, scores: Array, alpha: float, margin: float) -> None:
        repetitions, self.seeds, self.trials = scores.shape
        shape = (repetitions, self.trials)
        self.scores, self.margin, self.floor = scores, margin, np.zeros((repetitions, 1))
        self.seen = np.full(scores.shape, np.nan)
        spent = spending([Looks(self.seeds, every=True)])
        drops = nominal_levels(tuple(alpha / c for c in range(1, self.trials + 1)), spent[1:])
        self.claim_levels = nominal_levels((alpha / (self.trials - 1) / 2,), spent)[:, 0]
        m = np.arange(drops.shape[0])[:, None]
        self.drop_t = np.where(drops > 0, special.stdtrit(np.maximum(m - 1, 1), drops), -np.inf)
        self.running, self.unbeaten = np.ones(shape, bool), np.ones(shape, bool)
        self.better, self.worse, self.equivalent = (np.zeros(shape, bool) for _ in range(3))
        self.total, self.lead, self.base = (_Sums(shape) for _ in range(3))
        self.low, self.high = np.full(shape, -np.inf), np.full(shape, np.inf)
        self.active = np.ones(repetitions, bool)
        self.used = np.zeros(repetitions, int)
        self.candidate = np.arange(self.trials) > 0

    def observe(self, n: int) -> None:
        x = self.scores[:, n - 1]
        run = self.running & self.active[:, None]
        self.used += run.sum(1)
        if n > 1:
            self.lead.add(x - self._leader(x), run)
        self.base.add(x - x[:, :1], run)
        self.total.add(x, run)
        self.seen[:, n - 1] = np.where(run, x, np.nan)
        if n >= FIRST_LOOK and self.active.any():
            rows = self.active
            self.floor[rows, 0] = _resolution(self.seen[rows, :n])
        if n > FIRST_LOOK:
            self._drop(run, n - 1)
        if n >= FIRST_LOOK:
            self._claim(run & self.candidate, n)
        claimed = self.better | self.worse | self.equivalent
        open_ = (self.running & self.candidate & ~claimed).any(1)
        self.active &= open_ & (self.running.sum(1) > 1)

    def _leader(self, x: Array) -> Array:
        """The score of whoever led before, itself apart."""
        before = np.where(self.running, self.total.mean, -np.inf)
        first = before.argmax(1)
        rest = before.copy()
        np.put_along_axis(rest, first[:, None], -np.inf, 1)
        second = np.where(np.isfinite(rest.max(1)), rest.argmax(1), first)
        rows = np.arange(len(x))
        itself = np.arange(self.trials)[None, :] == first[:, None]
        return np.where(itself, x[rows, second][:, None], x[rows, first][:, None])

    def _drop(self, run: Flags, m: int) -> None:
        t = self.lead.t(self.floor)
        tested = run & self.unbeaten
        while True:
            c = self.unbeaten.sum(1)
            shown = tested & (t <= self.drop_t[m, c - 1][:, None]) & (c > 1)[:, None]
            if not shown.any():
                return
            rows = shown.any(1)
            strongest = np.where(shown, t, np.inf).argmin(1)
            self.unbeaten[rows, strongest[rows]] = tested[rows, strongest[rows]] = False
            self.running[rows, strongest[rows]] &= strongest[rows] == 0

    def _claim(self, candidates: Flags, n: int) -> None:
        mean, error = self.base.mean, self.base.error(self.floor)
        reach = -special.stdtrit(n - 1, self.claim_levels[n]) * error
        low, high = np.maximum(mean - reach, self.low), np.minimum(mean + reach, self.high)
        empty = low > high
        self.low = np.where(candidates, np.where(empty, mean - reach, low), self.low)
        self.high = np.where(candidates, np.where(empty, mean + reach, high), self.high)
        candidates = candidates & ~(self.better | self.worse | self.equivalent)
        equivalent = candidates & (-self.margin < self.low) & (self.high < self.margin)
        candidates &= ~equivalent
        better = candidates & (self.low > 0) & ~self.unbeaten[:, :1]
        worse = candidates & (self.high < 0) & ~self.unbeaten
        self.equivalent |= equivalent
        self.running &= ~equivalent
        self.better |= better
        self.worse |= worse & ~better
        last = self.active & (self.unbeaten.sum(1) == 1)
        free = last[:, None] & self.candidate & ~(self.better | self.worse | self.equivalent)
        self.better |= free & self.unbeaten
        self.worse |= free & self.unbeaten[:, :1]


def _resolution(scores: Array) -> Array:
    """The smallest gap between different scores of each search, as `statistics.resolution` has it."""
    values = np.sort(scores.reshape(len(scores), scores.shape[1] * scores.shape[2]), axis=1)
    noise = 1e-6 * np.nanmax(np.abs(values), axis=1, keepdims=True)
    gaps = np.diff(values, axis=1)
    return np.where(gaps > noise, gaps, np.inf).min(axis=1)


class _Sums:
    """Running sums of one value a seed and trial."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.n = np.zeros(shape, int)
        self.first, self.second = np.zeros(shape), np.zeros(shape)

    def add(self, values: Array, where: Flags) -> None:
        self.n += where
        self.first += np.where(where, values, 0)
        self.second += np.where(where, values**2, 0)

    @property
    def mean(self) -> Array:
        return self.first / np.maximum(self.n, 1)

    def error(self, floor: Array) -> Array:
        n = np.maximum(self.n, 2)
        variance = np.maximum(self.second - self.first**2 / n, 0) / (n - 1)
        return np.maximum(np.sqrt(np.where(variance < 1e-20, 0, variance)), floor) / np.sqrt(n)

    def t(self, floor: Array) -> Array:
        return self.mean / np.maximum(self.error(floor), 1e-300)


def plain(scores: Array, *, alpha: float = 0.05, floor: float = 0.0) -> Verdicts:
    """The plain race: paired t against whoever leads now, from the third seed, Bonferroni over trials - 1.

    Each look has the increment of O'Brien & Fleming's spending function as its two-sided level.
    """
    repetitions, seeds, trials = scores.shape
    a = alpha / (trials - 1)
    spent = 2 * stats.norm.sf(stats.norm.isf(a / 2) / np.sqrt(np.arange(1, seeds + 1) / seeds))
    levels = np.diff(np.concatenate([[0.0], spent]))
    levels[2] = spent[2]
    running = np.ones((repetitions, trials), bool)
    better, worse = np.zeros_like(running), np.zeros_like(running)
    active, used = np.ones(repetitions, bool), np.zeros(repetitions, int)
    candidate = np.arange(trials) > 0
    for n in range(1, seeds + 1):
        used += (running & active[:, None]).sum(1)
        if n < FIRST_LOOK:
            continue
        crit = stats.t.isf(levels[n - 1] / 2, n - 1)
        so_far = scores[:, :n]
        lead = np.where(running, so_far.mean(1), -np.inf).argmax(1)
        against_lead = np.take_along_axis(so_far, lead[:, None, None], 2) - so_far
        run = running & active[:, None] & candidate
        t = _t(so_far - so_far[:, :, :1], floor)
        better |= run & (t > crit)
        worse |= run & (t < -crit)
        running &= ~(run & (_t(against_lead, floor) > crit))
        active &= (running & candidate & ~better & ~worse).any(1)
    return Verdicts(~running, better, worse, np.zeros_like(running), used)


def _t(differences: Array, floor: float) -> Array:
    """t statistics of differences (repetitions, seeds, trials)."""
    error = np.maximum(differences.std(1, ddof=1), floor) / np.sqrt(differences.shape[1])
    return differences.mean(1) / np.maximum(error, 1e-300)


def wilcoxon(scores: Array, *, threshold: float = 0.1) -> Verdicts:
    """WilcoxonPruner's rule: trials one after the other, each tested after every seed against the best complete one.

    It is pruned where the one-sided signed-rank test says worse at p < 0.1, unless its mean so far is at least the
    best one's mean over all seeds. The first trial runs to the end.
    """
    repetitions, seeds, trials = scores.shape
    best = np.zeros(repetitions, int)
    pruned = np.zeros((repetitions, trials), bool)
    used = np.full(repetitions, seeds)
    rows = np.arange(repetitions)
    for trial in range(1, trials):
        own, other = scores[:, :, trial], scores[rows, :, best]
        difference, going = own - other, np.ones(repetitions, bool)
        rank_sum = np.zeros(repetitions)
        for n in range(1, seeds + 1):
            used += going
            walsh = difference[:, :n] + difference[:, n - 1 : n]
            rank_sum += (walsh > 0).sum(1) + 0.5 * (walsh == 0).sum(1)
            p = _signed_rank_cdf(n)[np.floor(rank_sum).astype(int)]
            going &= ~((p < threshold) & (own[:, :n].mean(1) < other.mean(1)))
        pruned[:, trial] = ~going
        best = np.where(going & (own.mean(1) > other.mean(1)), trial, best)
    none = np.zeros_like(pruned)
    return Verdicts(pruned, none, none, none, used)


def _signed_rank_cdf(n: int) -> Array:
    """P(W ≤ w) of the sum of the positive ranks of n differences."""
    counts = np.ones(1)
    for rank in range(1, n + 1):
        counts = np.convolve(counts, np.r_[1.0, np.zeros(rank - 1), 1.0]) / 2
    return counts.cumsum()


def grid(scores: Array, *, alpha: float = 0.05, margin: float = 0.0, floor: float = 0.0) -> Verdicts:
    """All seeds for all trials, then the verdict: Holm over candidates, or with a margin simultaneous intervals."""
    repetitions, seeds, trials = scores.shape
    differences = scores - scores[:, :, :1]
    t = _t(differences, floor)[:, 1:]
    p = 2 * special.stdtr(seeds - 1, -np.abs(t))
    order = np.argsort(p, 1)
    count = trials - 1
    steps = np.full(count, count) if margin else count - np.arange(count)
    ranked = np.logical_and.accumulate(np.take_along_axis(p, order, 1) <= alpha / steps, axis=1)
    shown = np.zeros((repetitions, trials), bool)
    np.put_along_axis(shown[:, 1:], order, ranked, 1)
    mean = differences.mean(1)
    error = np.maximum(differences.std(1, ddof=1), floor) / np.sqrt(seeds)
    equivalent = np.abs(mean) - stats.t.ppf(alpha / count / 2, seeds - 1) * error < margin
    equivalent[:, 0] = False
    shown &= ~equivalent
    used = np.full(repetitions, seeds * trials)
    return Verdicts(np.zeros_like(shown), shown & (mean > 0), shown & (mean < 0), equivalent, used)
