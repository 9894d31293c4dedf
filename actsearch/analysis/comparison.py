"""The scores that a verdict compares: judged scores by seed, paired samples, and the family of tests that share alpha.

The module follows the data: `judged_scores` keeps the complete seeds of a search, `paired_samples` pairs each
activation with the baseline on those seeds, and `make_family` adds what all tests have in common.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from actsearch.analysis.differences import Differences, Pairs, pooled
from actsearch.analysis.looks import FIRST_LOOK, Looks, nominal_levels, spending
from actsearch.analysis.race import RaceTest
from actsearch.analysis.schedule import CompleteSeeds, Executions, is_race, rules_of, sizes_of, with_full_epochs
from actsearch.analysis.statistics import resolution
from actsearch.analysis.units import Units
from actsearch.records import Direction, ExecutionRecord, SampleScores, Scope, SearchRecord, Status, TrialRecord

SampleSource = Callable[[str, int, str], SampleScores | None]


def no_samples(trial_id: str, execution: int, part: str) -> SampleScores | None:  # noqa: ARG001  of a SampleSource
    """Returns None, as a source of sample scores that knows none."""
    return None


@dataclass(frozen=True)
class JudgedScores:
    """The scores of the complete seeds of a search.

    Args:
        search: Record of the search.
        source: `"test"` if every completed execution has a test score, else `"validation"`.
        executions: Numbers of the executions that ended for every trial still in the running.
        scores: By trial, the scores of those executions; None for one that failed.
        race: The race's own test, on the scores that drove it; None without a race.
        samples: Sample scores of an execution, by trial, execution and part.
        looks: Times of the ends of the search, the last one inf for now, and the seeds that were complete.
    """

    search: SearchRecord
    source: str
    executions: tuple[int, ...]
    scores: Mapping[str, Mapping[int, float | None]]
    race: RaceTest | None = None
    samples: SampleSource = no_samples
    looks: tuple[tuple[float, tuple[int, ...]], ...] = ()

    @cached_property
    def floor(self) -> float:
        """Lower bound of the standard deviation of differences: the step in which the scores move."""
        return resolution([s for scores in self.scores.values() for s in scores.values() if s is not None])

    @property
    def scope(self) -> Scope:
        """What the verdict is to hold for."""
        return Scope(self.search.config.scope)

    def differences(self, trial: TrialRecord, baseline: TrialRecord, executions: Sequence[int]) -> Differences:
        """Returns the differences of a trial over those of the executions that both completed."""
        own, other = self.known(trial), self.known(baseline)
        pairs = Pairs(self.sign)
        for n in executions:
            if n in own and n in other:
                both = (self.samples(each.trial_id, n, self.source) for each in (trial, baseline))
                pairs.add(own[n] - other[n], *both)
        return pairs.differences(floor=self.floor, scope=self.scope, **sizes_of(self.search))

    @property
    def baselines(self) -> list[TrialRecord]:
        """The trials with the baseline's activation."""
        return [t for t in self.search.trials if t.activation == self.search.baseline]

    @property
    def sign(self) -> int:
        """Factor that orients a score so that larger is better."""
        return 1 if self.search.objective.direction is Direction.MAX else -1

    def known(self, trial: TrialRecord) -> dict[int, float]:
        """Returns the scores of a trial by execution, without failed ones."""
        return {n: s for n, s in self.scores[trial.trial_id].items() if s is not None}

    def failed(self, trial: TrialRecord) -> int:
        """Counts the executions of a trial that failed."""
        return sum(s is None for s in self.scores[trial.trial_id].values())


def judged_scores(search: SearchRecord, samples: SampleSource = no_samples) -> JudgedScores:
    """Collects the scores of a search on its complete seeds.

    Executions with fewer than the maximum number of epochs (the first rungs of halving) are omitted: they answer a
    different question. In a race, the trials in the running at each seed follow from the earlier scores; after an
    extension for some activations only, the others are not in the running.
    """
    used = with_full_epochs(search)
    completed = [e for t in search.trials for e in t.completed]
    source = "test" if completed and all(e.test_score is not None for e in completed) else "validation"
    seeds, race = CompleteSeeds(search, used), None
    looks = tuple(seeds.at_each_end())
    complete = looks[-1][1]
    if is_race(search):
        race, complete = _replay(search, used, seeds, samples)
    scores = {
        trial: {n: score_of(executions[n], source) for n in complete if n in executions}
        for trial, executions in used.items()
    }
    return JudgedScores(search, source, complete, scores, race, samples, looks)


def score_of(execution: ExecutionRecord, source: str) -> float | None:
    """Returns the judged score of an execution; None if it failed or its score is not finite."""
    score = execution.test_score if source == "test" else execution.score
    usable = execution.status is Status.COMPLETED and score is not None and math.isfinite(score)
    return score if usable else None


def is_joint(search: SearchRecord) -> bool:
    """Returns whether any activation has several configurations."""
    labels = [t.activation for t in search.trials]
    return len(set(labels)) < len(labels)


@dataclass(frozen=True)
class PairedSample:
    """A trial, the baseline's trial that it is compared with, and their differences seed by seed.

    Args:
        trial, baseline: The two trials.
        executions: Numbers of the executions to judge by.
        differences: Differences over the executions that both completed.
        num_failed: Number of failed executions of the trial.
        num_configurations: Number of configurations of each activation to choose from.
        obstacle: Why the two are not compared; empty if they are.
        share, next_share: How much of alpha this look may spend, and one at twice as many executions: see `looks`.
    """

    trial: TrialRecord
    baseline: TrialRecord
    executions: tuple[int, ...]
    differences: Differences
    num_failed: int = 0
    num_configurations: int = 1
    obstacle: str = ""
    share: float = 1.0
    next_share: float = 1.0

    @property
    def names(self) -> tuple[str, str]:
        """The ids of the two trials."""
        return self.trial.trial_id, self.baseline.trial_id

    def as_in(self, before: "PairedSample") -> "PairedSample":
        """Returns a comparison without new pairs as it was: the scores of others have no second say in its spread."""
        same = np.array_equal(before.differences.means, self.differences.means)
        return replace(self, differences=before.differences) if same else self


def paired_samples(judged: JudgedScores) -> list[PairedSample]:
    """Pairs each activation with the baseline, in the order of the search.

    Activations with several configurations are compared at their own best one. It is chosen by the first third of the
    seeds and judged by the others, from as many configurations as the baseline has.

    Args:
        judged: Scores of a search that has a trial with the baseline's activation.
    """
    if not is_joint(judged.search):
        baseline = judged.baselines[0]
        others = [t for t in judged.search.trials if t is not baseline]
        return [_pair(judged, trial, baseline, judged.executions) for trial in others]
    groups: dict[str, list[TrialRecord]] = {}
    for trial in judged.search.trials:
        groups.setdefault(trial.activation, []).append(trial)
    own = groups.pop(judged.search.baseline or "")
    return [_tuned_pair(judged, group, own) for group in groups.values()]


def _pair(
    judged: JudgedScores,
    trial: TrialRecord,
    baseline: TrialRecord,
    executions: tuple[int, ...],
    configurations: int = 1,
) -> PairedSample:
    differences = judged.differences(trial, baseline, executions)
    return PairedSample(trial, baseline, executions, differences, judged.failed(trial), configurations)


def _tuned_pair(judged: JudgedScores, group: list[TrialRecord], own: list[TrialRecord]) -> PairedSample:
    num = min(len(group), len(own))
    if num == 1 < max(len(group), len(own)):
        noun = "configuration" if len(group) == 1 else "configurations"
        obstacle = f"not compared: {len(group)} {noun} against {len(own)} of {own[0].activation}"
        return PairedSample(group[0], own[0], (), Differences(np.array([])), judged.failed(group[0]), 1, obstacle)
    judging = _judging(judged, judged.executions)
    choosing = judged.executions[: len(judged.executions) - len(judging)]
    trial = _best(judged, group[:num], choosing)
    return _pair(judged, trial, _best(judged, own[:num], choosing), judging, num)


def _judging(judged: JudgedScores, executions: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the executions to judge by: all but those that configurations are chosen by."""
    return executions[num_choosing(len(executions)) :] if is_joint(judged.search) else executions


def num_choosing(num_executions: int) -> int:
    """Returns the number of executions that configurations are chosen by, where activations have several."""
    return math.ceil(num_executions / 3)


def _best(judged: JudgedScores, trials: list[TrialRecord], executions: tuple[int, ...]) -> TrialRecord:
    """Returns the configuration with the best mean judged score over these executions; failed ones come last."""

    def merit(trial: TrialRecord) -> float:
        scores = [judged.scores[trial.trial_id].get(n) for n in executions]
        usable = [s for s in scores if s is not None]
        return judged.sign * sum(usable) / len(usable) if usable and len(usable) == len(scores) else -math.inf

    return max(trials, key=merit)


@dataclass(frozen=True)
class ComparisonFamily:
    """The comparisons of a search, which share one chance of a wrong claim.

    Args:
        judged: Scores on complete seeds.
        samples: Pairs with the baseline, or without a baseline with the trial of the best mean.
        has_baseline: Whether there is a baseline with a score.
        units: Units of the objective.
        alpha, margin: Chance of any wrong claim, and difference that does not matter.
        num_tests: Number of comparisons that share alpha.
        race: The race's test on the judged scores; None without a race, or with several configurations.
    """

    judged: JudgedScores
    samples: Sequence[PairedSample]
    has_baseline: bool
    units: Units
    alpha: float
    margin: float
    num_tests: int
    race: RaceTest | None = None


def make_family(
    search: SearchRecord, alpha: float, margin: float | None, samples: SampleSource = no_samples
) -> ComparisonFamily:
    """Computes everything that the verdict of a search rests on."""
    judged = judged_scores(search, samples)
    has_baseline = any(judged.known(t) for t in judged.baselines)
    pairs = paired_samples(judged) if has_baseline else _against_leader(judged)
    scores = [s for t in search.trials for s in judged.known(t).values()]
    typical = [s for sample in pairs[:1] for s in judged.known(sample.baseline).values()] or scores
    units = Units(search.objective, float(np.mean(typical)) if typical else 0.0)
    margin = units.default_margin if margin is None else margin
    race = None
    if judged.race is not None and not is_joint(search):
        race = _race_on_judged_scores(judged, alpha, margin)
        if has_baseline:
            pairs = [replace(pair, differences=race.differences(pair.trial.trial_id)) for pair in pairs]
    together = pooled([pair.differences for pair in pairs])
    pairs = [replace(pair, differences=differences) for pair, differences in zip(pairs, together, strict=True)]
    num_tests = max(len(pairs) if has_baseline else len(pairs) * (len(pairs) + 1) // 2, 1)
    if judged.race is None:
        pairs = [_at_its_look(judged, pair, alpha) for pair in pairs]
    return ComparisonFamily(judged, pairs, has_baseline, units, alpha, margin, num_tests, race)


def _at_its_look(judged: JudgedScores, sample: PairedSample, alpha: float) -> PairedSample:
    looks = [(at, _judging(judged, seeds)) for at, seeds in judged.looks]
    share, next_share = shares_of_looks(looks, sample.trial, sample.baseline, alpha)
    return replace(sample, share=share, next_share=next_share)


def shares_of_looks(
    looks: Sequence[tuple[float, Sequence[int]]], trial: TrialRecord, other: TrialRecord, alpha: float
) -> tuple[float, float]:
    """Returns how much of alpha a comparison may spend at this look, and how much with twice as many executions.

    A search is looked at whenever it ends, a comparison when it has more pairs.

    Args:
        looks: Times of the looks, the last one inf for now, and the executions that are judged.
        trial, other: The trials that are compared.
        alpha: Chance of a wrong claim.
    """
    own, others = (
        {e.execution: e.ended_at for e in each.executions if e.status is not Status.RUNNING} for each in (trial, other)
    )
    counts = [sum(n in own and n in others and max(own[n], others[n]) <= at for n in seeds) for at, seeds in looks]
    now = counts[-1]
    if now < FIRST_LOOK:
        return 1.0, 1.0
    plans = [Looks(count) for count in sorted({*counts, 2 * now}) if count >= FIRST_LOOK]
    table = 2 * nominal_levels((alpha / 2,), spending(plans))[:, 0] / alpha
    return float(table[now]), float(table[2 * now])


def _against_leader(judged: JudgedScores) -> list[PairedSample]:
    scores = {t.trial_id: judged.known(t) for t in judged.search.trials}
    intact = [t for t in judged.search.trials if scores[t.trial_id] and not judged.failed(t)]
    if not intact:
        return []
    leader = max(intact, key=lambda t: judged.sign * float(np.mean(list(scores[t.trial_id].values()))))
    others = [t for t in judged.search.trials if t is not leader]
    return [_pair(judged, t, leader, judged.executions) for t in others]


def _new_race(search: SearchRecord, **rules: Any) -> RaceTest:
    baselines = [t.trial_id for t in search.trials if t.activation == search.baseline]
    return RaceTest([t.trial_id for t in search.trials], baselines, search.objective, **{**rules_of(search), **rules})


def _replay(
    search: SearchRecord, used: Executions, seeds: CompleteSeeds, samples: SampleSource
) -> tuple[RaceTest, tuple[int, ...]]:
    """Replays the race on the scores that drove it, as far as its seeds are complete."""
    race = _new_race(search)
    complete = list[int]()
    last = max((n for executions in used.values() for n in executions), default=0)
    for n in range(1, last + 1):
        if race.finished or (n == last and not seeds.is_complete(n, race.running)):
            break
        present = {t: score_of(used[t][n], "validation") for t in race.running if n in used[t]}
        race.observe(present, {t: samples(t, n, "validation") for t in present})
        complete.append(n)
    return race, tuple(complete)


def _race_on_judged_scores(judged: JudgedScores, alpha: float, margin: float) -> RaceTest:
    """Repeats the race's test on the judged scores and at the requested level, with all that was measured."""
    race = _new_race(judged.search, alpha=alpha, margin=margin, existing=dict.fromkeys(judged.scores, math.inf))
    for n in judged.executions:
        present = {t: judged.scores[t][n] for t in race.running if n in judged.scores[t]}
        race.observe(present, {t: judged.samples(t, n, judged.source) for t in present})
    return race


def max_concurrent(search: SearchRecord) -> int:
    """Returns the maximum number of executions that ran concurrently, from their start and end times.

    Example:

    >>> from actsearch.records import ExecutionRecord, Objective, SearchRecord, Status, TrialRecord
    >>> def execution(number, begin, end):
    ...     return ExecutionRecord("0", number, 1, 1, Status.COMPLETED, begin, end)
    >>> trial = TrialRecord("0", {}, "relu", executions=(execution(1, 0.0, 2.0), execution(2, 1.0, 3.0)))
    >>> max_concurrent(SearchRecord("s", "s", Objective("val_loss", "min"), None, 0.0, trials=(trial,)))
    2
    """
    executions = [e for trial in search.trials for e in trial.executions]
    steps = [(e.started_at, 1) for e in executions] + [(e.ended_at, -1) for e in executions]
    most = now = 0
    for _, step in sorted(steps):  # at equal times, ends come first
        now += step
        most = max(most, now)
    return most
