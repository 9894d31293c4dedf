"""Which hyperparameters the judged score depends on, and how activation and learning rate interact.

Shares are of the variance of the judged score between executions: what seeds and splits contribute is the variance
within trials. A full grid shows the share of each hyperparameter itself; otherwise it is estimated by `forest`, on
trials that it was not fitted to. What the forest has not learned from few trials, it does not attribute, so these
shares are too small rather than too large.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import special

from actsearch._text_tables import html_heading, html_list, html_table
from actsearch.analysis.hyperparameters.forest import (
    ACTIVATION,
    HeldOutForest,
    HyperparameterTable,
    hyperparameter_table,
)
from actsearch.analysis.hyperparameters.full_grid import cell_means, interaction_part, total_parts
from actsearch.analysis.results import Verdict
from actsearch.analysis.statistics import Array
from actsearch.analysis.units import capitalized, joined, value_text
from actsearch.records import SearchRecord, Status

SEEDS = "seeds and splits"
MIN_TRIALS = 8
MIN_HAVING = 4  # trials with a hyperparameter that others do not have
CONFIDENCE = 0.95  # one-sided
ROUNDING = 1e-6
CLEAR_INTERACTION, MIN_INTERACTION = 2.0, 0.01
MIN_LISTED = 0.01
MAX_POINTS, MAX_PAIRS = 12, 12


@dataclass(frozen=True)
class HyperparameterShare:
    """The share of the variance of the judged score that depends on a hyperparameter.

    Args:
        name: Name of the hyperparameter.
        share: Variance that depends on it, alone or together with others, as a share of the variance between
            executions.
        spread: Standard error of the share: over the trials, or in a full grid due to seeds and splits.
    """

    name: str
    share: float
    spread: float

    def __str__(self) -> str:
        return f"{self.name} {percent(self.share)}"


@dataclass(frozen=True)
class Interaction:
    """How an activation and a number, such as the learning rate, act together.

    Args:
        activation, other: Names of the hyperparameters.
        share, spread: Share of the variance that depends on both together, and its standard error.
        levels: Values of the other hyperparameter, in ascending order.
        means: Mean judged score at these values, by activation.
        best: Value at which each activation has its best mean; where it is not clearly better there, the value that is
            best for all together.
        observed: Whether the means are those of the trials, as in a full grid; else a forest has predicted them.
    """

    activation: str
    other: str
    share: float
    spread: float
    levels: tuple[float, ...]
    means: Mapping[str, tuple[float, ...]]
    best: Mapping[str, float]
    observed: bool

    @property
    def is_clear(self) -> bool:
        """Whether the data carry it: the share is clearly above 0."""
        return self.share >= max(CLEAR_INTERACTION * self.spread, MIN_INTERACTION)

    def __str__(self) -> str:
        groups: dict[float, list[str]] = {}
        for name, level in self.best.items():
            groups.setdefault(level, []).append(name)
        if len(groups) == 1:
            found = f"all are best at {value_text(*groups)}, by different amounts"
        else:
            first, *others = [(joined(names), len(names), value_text(x)) for x, names in sorted(groups.items())]
            found = f"{first[0]} {'is' if first[1] == 1 else 'are'} best at {first[2]}"
            found += "".join(f", {names} at {level}" for names, _, level in others)
        return f"Interaction of {self.activation} and {self.other} ({percent(self.share)} of the variance): {found}"


@dataclass(frozen=True, repr=False)
class Importance:
    """The importance of the hyperparameters of a search.

    Args:
        judged_score: Name of the score whose variance is divided.
        shares: One for each hyperparameter that varies, the largest first; empty if there is a `reason`. A total is
            more than the whole where hyperparameters interact.
        seeds_share: Share of seeds and splits: the variance within trials. None with one execution of each trial.
        r2: R² of the predicted scores of trials that were held out; None in a full grid, and with too few trials.
        interactions: Of each activation with each number, the learning rate first.
        num_trials, num_executions, num_failed: Number of trials and executions with a judged score, and of executions
            that failed, which are omitted.
        omitted: Hyperparameters that too few trials have.
        reason: Why nothing can be said, in one sentence; empty otherwise.

    Example:

    >>> import actsearch
    >>> result = actsearch.load_result("actsearch-runs/joint")
    >>> importance = result.importance()
    >>> [(share.name, round(share.share, 2)) for share in importance.shares]
    [('learning_rate', 0.78), ('activation.layer_1', 0.08), ('activation.layer_2', 0.05)]
    >>> importance.basis
    '24 executions of 12 trials, a full grid'
    """

    judged_score: str
    shares: tuple[HyperparameterShare, ...] = ()
    seeds_share: float | None = None
    r2: float | None = None
    interactions: tuple[Interaction, ...] = ()
    num_trials: int = 0
    num_executions: int = 0
    num_failed: int = 0
    omitted: tuple[str, ...] = ()
    reason: str = ""

    @property
    def clear_interactions(self) -> list[Interaction]:
        """The interactions that the data carry, the largest first."""
        return sorted((each for each in self.interactions if each.is_clear), key=lambda each: -each.share)

    @property
    def rest(self) -> list[tuple[str, float]]:
        """What depends on no hyperparameter, by name: seeds and splits, and what the forest does not explain."""
        known = [] if self.seeds_share is None else [(SEEDS, self.seeds_share)]
        if self.reason or self.r2 is None:
            return [] if self.reason else known
        unexplained = (1 - (self.seeds_share or 0.0)) * min(max(1 - self.r2, 0.0), 1.0)
        return [*known, (f"{'' if known else f'{SEEDS}, and '}what the forest does not explain", unexplained)]

    @property
    def basis(self) -> str:
        """What the shares are estimated from, in words."""
        failed = f"; {self.num_failed} failed executions are omitted" if self.num_failed else ""
        fit = "" if self.r2 is None else f"; R² {self.r2:.2f} on trials held out"
        fit = ", a full grid" if self.shares and self.r2 is None else fit
        few = f"; too few trials have {joined(self.omitted)}" if self.omitted else ""
        return f"{self.num_executions} executions of {self.num_trials} trials{fit}{failed}{few}"

    def summary(self, most: int = 4) -> str:
        """Returns the largest shares and that of the seeds in one sentence, or why nothing can be said."""
        if self.reason:
            return f"Importance of hyperparameters: {self.reason}"
        listed = [each for i, each in enumerate(self.shares[:most]) if i == 0 or each.share >= MIN_LISTED]
        rest = self.shares[len(listed) :]
        first, *others = [f"{each.name} ({percent(each.share)})" for each in listed]
        if rest:
            names = rest[0].name if len(rest) == 1 else f"{len(rest)} others"
            others.append(f"{names} ({'at most ' if len(rest) > 1 else ''}{percent(rest[0].share)})")
        verbs = ["make" if name.startswith(SEEDS) else "makes" for name, _ in self.rest]
        made = [f"{name} {verb} up {percent(share)}" for verb, (name, share) in zip(verbs, self.rest, strict=True)]
        found = joined([first.replace("%)", "% of its variance)"), *others])
        return "; ".join([f"{capitalized(self.judged_score)} depends on {found}", *made])

    def __str__(self) -> str:
        parts = [
            f"{self.summary(len(self.shares))}.",
            *(f"{each}." for each in self.clear_interactions),
        ]
        return "\n".join([*parts, f"From {self.basis}."])

    def __repr__(self) -> str:
        return f"<Importance: {self.summary()}>"

    def _repr_html_(self) -> str:
        rows = [(each.name, percent(each.share), f"± {percent(each.spread)}") for each in self.shares]
        rows += [(name, percent(share), "") for name, share in self.rest]
        table = html_table(("hyperparameter", f"share of the variance of {self.judged_score}", ""), rows)
        notes = [f"{each}." for each in self.clear_interactions] + [f"From {self.basis}."]
        return f"{html_heading(f'{self.summary()}.')}{table if rows else ''}{html_list(notes)}"


def percent(share: float) -> str:
    """Formats a share.

    Example:

    >>> percent(0.417), percent(0.004), percent(-0.01)
    ('42%', '<1%', '0%')
    """
    return "0%" if share <= 0 else f"{share:.0%}" if share >= 0.01 else "<1%"


def importance_of(search: SearchRecord, verdict: Verdict) -> Importance:
    """Estimates how much the judged score depends on each hyperparameter that varies between trials.

    Args:
        search: Record of the search.
        verdict: Its verdict, from `judge`, whose scores are used: complete seeds with all epochs.

    Returns:
        The shares, or the reason why nothing can be said.
    """
    table = hyperparameter_table(search, verdict.scores if verdict.executions else {})
    failed = sum(e.status is Status.FAILED for t in search.trials for e in t.executions)
    return _importance(table, verdict.judged_score, verdict.units.sign, failed)


@lru_cache(maxsize=16)
def _importance(table: HyperparameterTable, judged_score: str, sign: int, num_failed: int) -> Importance:
    counts = {"num_trials": table.num_trials, "num_executions": sum(map(len, table.scores)), "num_failed": num_failed}
    base: dict[str, Any] = {"judged_score": judged_score, **counts}
    if len(table.names) < 2:
        return Importance(**base, reason="fewer than two hyperparameters vary between trials with a score")
    if table.num_trials < MIN_TRIALS:
        few = f"{table.num_trials} trials with a score are too few, at least {MIN_TRIALS} are needed"
        return Importance(**base, reason=few)
    parts = components(table)
    if not parts.differ:
        return Importance(**base, reason=f"trials do not differ in {judged_score} by more than their executions do")
    seeds = None if parts.within is None else parts.within / parts.total
    if table.is_full_grid() and parts.noise is not None:
        return Importance(**base, seeds_share=seeds, **_from_grid(table, parts, sign))
    known = [name for name in table.names if int(np.sum(table.present(name))) >= MIN_HAVING]
    pairs = _pairs(table)
    forest = HeldOutForest(table, [*([name] for name in known), *pairs]).fit(parts.means)
    r2, clear = _held_out(forest, parts.means)
    if not clear:
        reason = f"they do not predict the {judged_score} of trials held out better than its mean does (R² {r2:.2f})"
        return Importance(**base, r2=r2, reason=reason)
    rises = forest.rises(parts.means) / parts.total
    single = dict(zip(known, rises, strict=False))
    shares = [HyperparameterShare(name, float(np.mean(row)), _spread(row)) for name, row in single.items()]
    together = zip(pairs, rises[len(known) :], strict=True)
    both = [(pair, single[pair[0]] + single[pair[1]] - either) for pair, either in together]
    return Importance(
        **base,
        shares=_sorted(shares),
        seeds_share=seeds,
        r2=r2,
        interactions=tuple(_predicted(forest, table, parts, sign, pair, shares) for pair, shares in both),
        omitted=tuple(name for name in table.names if name not in known),
    )


def _sorted(shares: Sequence[HyperparameterShare]) -> tuple[HyperparameterShare, ...]:
    return tuple(sorted(shares, key=lambda each: -each.share))


@dataclass(frozen=True, eq=False)
class Components:
    """The variances of the judged score.

    Args:
        means: Means of the trials as if all had the same seeds, shape (trials,).
        between: Variance between trials, without what seeds contribute to their means.
        within: Variance within trials, of seeds and splits; None if it is not known.
        noise: Variance of a trial's mean that is not common to all trials; None if it is not known.
        df: Degrees of freedom of the noise.
    """

    means: Array
    between: float
    within: float | None = None
    noise: float | None = None
    df: int = 0

    @property
    def differ(self) -> bool:
        """Whether trials differ by more than their executions' noise explains, if that is known."""
        if np.ptp(self.means) <= ROUNDING * np.max(np.abs(self.means)):
            return False
        if self.noise is None or self.noise == 0:
            return True
        ratio = float(np.var(self.means, ddof=1)) / self.noise
        return ratio > float(special.fdtri(len(self.means) - 1, self.df, CONFIDENCE))

    @property
    def total(self) -> float:
        """Variance between executions."""
        return self.between + (self.within or 0.0)


def components(table: HyperparameterTable) -> Components:
    """Separates trials from seeds, by least squares with an effect of each trial and one of each execution number."""
    numbers = sorted({n for row in table.scores for n, _ in row})
    cells = [(trial, numbers.index(n), score) for trial, row in enumerate(table.scores) for n, score in row]
    trials, seeds, scores = (np.array(part) for part in zip(*cells, strict=True))
    size, num = table.num_trials, len(numbers)
    effects = np.zeros((len(cells) + 1, size + num))
    effects[np.arange(len(cells)), trials] = 1
    effects[np.arange(len(cells)), size + seeds] = 1
    effects[-1, size:] = 1  # the effects of the seeds add up to 0
    found, _, rank, _ = np.linalg.lstsq(effects, np.append(scores, 0.0), rcond=None)
    means, df = found[:size], len(cells) + 1 - int(rank)
    if num < 2 or df < 1:
        return Components(means, float(np.var(means, ddof=1)))
    residual = float(np.sum((scores - effects[:-1] @ found) ** 2)) / df
    noise = residual * float(np.mean([1 / len(row) for row in table.scores]))
    between = max(float(np.var(means, ddof=1)) - noise, 0.0)
    of_seeds = max(float(np.var(found[size:], ddof=1)) - residual / size, 0.0)
    return Components(means, between, residual + of_seeds, noise, df)


def _held_out(forest: HeldOutForest, means: Array) -> tuple[float, bool]:
    """Returns R² on held-out trials, against the mean of the others, and whether it is clearly above 0."""
    size = len(means)
    plain = (means - (np.sum(means) - means) / (size - 1)) ** 2
    gains = plain - (means - forest.held_out()) ** 2
    t = float(special.stdtrit(size - 1, CONFIDENCE))
    return float(np.sum(gains) / np.sum(plain)), bool(np.mean(gains) > t * _spread(gains))


def _spread(values: Array) -> float:
    return float(np.std(values, ddof=1)) / math.sqrt(len(values))


def _pairs(table: HyperparameterTable) -> list[tuple[str, str]]:
    """Returns the pairs of an activation and a number that every trial has, the learning rate first."""
    always = [name for name in table.names if table.is_always_present(name)]
    activations = [name for name in always if name.split(".")[0] == ACTIVATION and not table.is_ordered(name)]
    numbers = [name for name in always if table.is_ordered(name)]
    numbers.sort(key=lambda name: not ("learning_rate" in name or name.split(".")[-1] == "lr"))
    return [(activation, number) for number in numbers for activation in activations][:MAX_PAIRS]


def _from_grid(table: HyperparameterTable, parts: Components, sign: int) -> dict[str, Any]:
    """Returns shares and interactions in a full grid, which its trials show themselves."""
    noise = parts.noise or 0.0
    found = total_parts(table, parts.means, noise).items()
    shares = [HyperparameterShare(name, part.variance / parts.total, part.error / parts.total) for name, part in found]
    interactions = []
    for name, other in _pairs(table):
        cells, levels = cell_means(table, parts.means, name, other), table.levels(other)
        of_cell = noise * cells.size / table.num_trials
        variance, error = interaction_part(cells, of_cell)
        lines = dict(zip(table.levels(name), cells, strict=True))
        best = _best_levels(lines, levels, sign, math.sqrt(of_cell))
        share, spread = variance / parts.total, error / parts.total
        interactions.append(Interaction(name, other, share, spread, tuple(levels), _tuples(lines), best, True))
    return {"shares": _sorted(shares), "interactions": tuple(interactions)}


def _predicted(
    forest: HeldOutForest,
    table: HyperparameterTable,
    parts: Components,
    sign: int,
    pair: tuple[str, str],
    rises: Array,
) -> Interaction:
    """Makes the interaction of a pair: what depends on either minus what depends on any of them depends on both."""
    name, other = pair
    activations, levels = table.levels(name), _thinned(table.levels(other))
    lenders = [(table.column(name).index(a), table.column(other).index(x)) for a in activations for x in levels]
    curves = forest.dependence(name, other, lenders).reshape(len(activations), -1)
    lines = dict(zip(activations, curves, strict=True))
    error = math.sqrt(forest.error(parts.means) * len(activations) / table.num_trials)
    best = _best_levels(lines, levels, sign, error)
    return Interaction(
        name, other, float(np.mean(rises)), _spread(rises), tuple(levels), _tuples(lines), best, observed=False
    )


def _tuples(lines: Mapping[str, Array]) -> dict[str, tuple[float, ...]]:
    return {name: tuple(line.tolist()) for name, line in lines.items()}


def _best_levels(lines: Mapping[str, Array], levels: Sequence[float], sign: int, error: float) -> dict[str, float]:
    """Returns the level at which each line is best; that of their mean, unless another is clearly better.

    Args:
        lines: Means at each level.
        levels: The levels.
        sign: 1 if larger is better, else -1.
        error: Standard error of a mean.
    """
    curves = sign * np.array(list(lines.values()))
    common = int(np.argmax(curves.mean(axis=0)))
    clear = curves.max(axis=1) - curves[:, common] > CLEAR_INTERACTION * math.sqrt(2) * error
    own = [int(np.argmax(curve)) if is_clear else common for curve, is_clear in zip(curves, clear, strict=True)]
    return {name: levels[i] for name, i in zip(lines, own, strict=True)}


def _thinned(levels: Sequence[float]) -> list[float]:
    positions = np.unique(np.linspace(0, len(levels) - 1, MAX_POINTS).round().astype(int))
    return [levels[i] for i in positions]
