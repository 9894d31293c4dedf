"""The scores that a verdict compares: judged scores by seed, paired samples, and the family of tests that share alpha.

The module follows the data: `judged_scores` keeps the complete seeds of a search, `paired_samples` pairs each
activation with the baseline on those seeds, and `make_family` adds what all tests have in common.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from actsearch.analysis.differences import Differences, differences_of, pooled
from actsearch.analysis.looks import FIRST_LOOK, Looks, nominal_levels, spending
from actsearch.analysis.race import RaceTest
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
    """

    search: SearchRecord
    source: str
    executions: tuple[int, ...]
    scores: Mapping[str, Mapping[int, float | None]]
    race: RaceTest | None = None
    samples: SampleSource = no_samples

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
        pairs = [
            (
                own[n] - other[n],
                self.samples(trial.trial_id, n, self.source),
                self.samples(baseline.trial_id, n, self.source),
            )
            for n in executions
            if n in own and n in other
        ]
        return differences_of(pairs, self.sign, floor=self.floor, scope=self.scope, **sizes_of(self.search))

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
    used = {t.trial_id: _ended(t, _full_epochs(search)) for t in search.trials}
    completed = [e for t in search.trials for e in t.completed]
    source = "test" if completed and all(e.test_score is not None for e in completed) else "validation"
    race = None
    if is_race(search):
        race, complete = _replay(search, used, samples)
    else:
        complete = _complete(search, used)
    scores = {
        trial: {n: score_of(executions[n], source) for n in complete if n in executions}
        for trial, executions in used.items()
    }
    return JudgedScores(search, source, tuple(complete), scores, race, samples)


def _complete(
    search: SearchRecord, used: Mapping[str, Mapping[int, ExecutionRecord]], *, at: float = math.inf
) -> list[int]:
    """Returns the seeds that had ended at a time for every trial that was to get them."""
    ended = {
        trial: {n for n, execution in executions.items() if execution.ended_at <= at}
        for trial, executions in used.items()
        if executions
    }
    seeds = sorted(set[int]().union(*ended.values()))
    return [n for n in seeds if all(n in ended[t] for t in _running(search, ended, n))]


def _running(search: SearchRecord, trials: Collection[str], execution: int) -> list[str]:
    """Returns the trials that were to get an execution: after an extension, perhaps only some of them."""
    only = next((set(each.only) for each in reversed(search.extensions) if each.after < execution), set())
    allowed = {t.trial_id for t in search.trials if not only or t.activation in {*only, search.baseline}}
    return [trial for trial in trials if trial in allowed]


def score_of(execution: ExecutionRecord, source: str) -> float | None:
    """Returns the judged score of an execution; None if it failed or its score is not finite."""
    score = execution.test_score if source == "test" else execution.score
    usable = execution.status is Status.COMPLETED and score is not None and math.isfinite(score)
    return score if usable else None


def sizes_of(search: SearchRecord) -> dict[str, int | None]:
    """Returns the number of samples that test parts are drawn from and that an execution trains on, if known."""
    drawn = None if search.config.splits in (None, "one") else search.data.get("num_samples")
    return {"num_samples": drawn, "num_training": search.data.get("num_training")}


def is_joint(search: SearchRecord) -> bool:
    """Returns whether any activation has several configurations."""
    labels = [t.activation for t in search.trials]
    return len(set(labels)) < len(labels)


def _full_epochs(search: SearchRecord) -> int:
    return max((e.epochs for t in search.trials for e in t.executions), default=0)


def _ended(trial: TrialRecord, epochs: int) -> dict[int, ExecutionRecord]:
    return {e.execution: e for e in trial.executions if e.status is not Status.RUNNING and e.epochs == epochs}


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
    """

    trial: TrialRecord
    baseline: TrialRecord
    executions: tuple[int, ...]
    differences: Differences
    num_failed: int = 0
    num_configurations: int = 1
    obstacle: str = ""


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
    first = math.ceil(len(judged.executions) / 3)
    choosing = judged.executions[:first]
    trial = _best(judged, group[:num], choosing)
    return _pair(judged, trial, _best(judged, own[:num], choosing), judged.executions[first:], num)


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
        level, next_level: Levels of this look at the search and of one at twice as many executions: see `looks`.
        num_tests: Number of comparisons that share alpha.
        race: The race's test on the judged scores; None without a race, or with several configurations.
    """

    judged: JudgedScores
    samples: Sequence[PairedSample]
    has_baseline: bool
    units: Units
    alpha: float
    margin: float
    level: float
    next_level: float
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
        pairs = [replace(pair, differences=race.differences(pair.trial.trial_id)) for pair in pairs]
    together = pooled([pair.differences for pair in pairs])
    pairs = [replace(pair, differences=differences) for pair, differences in zip(pairs, together, strict=True)]
    num_tests = max(len(pairs) if has_baseline else len(pairs) * (len(pairs) + 1) // 2, 1)
    levels = (alpha, alpha) if judged.race is not None else levels_of_looks(judged, alpha)
    return ComparisonFamily(judged, pairs, has_baseline, units, alpha, margin, *levels, num_tests, race)


def levels_of_looks(judged: JudgedScores, alpha: float) -> tuple[float, float]:
    """Returns the levels of this look at a search, and of the next at twice as many executions: see `looks`.

    The looks before are the ends of the search.
    """
    now = len(judged.executions)
    if now < FIRST_LOOK:
        return alpha, alpha
    before = looks_of(judged.search, math.inf)
    plans = [Looks(count) for count in sorted({*before, now, 2 * now}) if count >= FIRST_LOOK]
    table = 2 * nominal_levels((alpha / 2,), spending(plans))[:, 0]
    return float(table[now]), float(table[2 * now])


def _against_leader(judged: JudgedScores) -> list[PairedSample]:
    scores = {t.trial_id: judged.known(t) for t in judged.search.trials}
    intact = [t for t in judged.search.trials if scores[t.trial_id] and not judged.failed(t)]
    if not intact:
        return []
    leader = max(intact, key=lambda t: judged.sign * float(np.mean(list(scores[t.trial_id].values()))))
    others = [t for t in judged.search.trials if t is not leader]
    return [_pair(judged, t, leader, judged.executions) for t in others]


def is_race(search: SearchRecord) -> bool:
    """Returns whether executions were allocated by a race, from the start or after an extension."""
    return search.allocation == "race"


def looks_of(search: SearchRecord, until: float) -> list[int]:
    """Returns how many complete seeds there were at each end of a search before a time."""
    used = {t.trial_id: _ended(t, _full_epochs(search)) for t in search.trials}
    return sorted({len(_complete(search, used, at=end)) for end in search.ends if end <= until} - {0})


def plans_of(search: SearchRecord) -> list[Looks]:
    """Returns the looks of a race: after each seed, and at the ends before it became one."""
    most = max((e.execution for t in search.trials for e in t.executions), default=1)
    plans = [Looks(search.config.max_executions or most, every=True)] if search.config.allocation == "race" else []
    for each in search.extensions:
        if each.allocation == "race":
            plans = plans or [Looks(count) for count in looks_of(search, each.at)]
            plans.append(Looks(each.max_executions or most, every=True))
    return plans if plans[-1].last >= most else [*plans, Looks(most, every=True)]


def _new_race(search: SearchRecord, *, alpha: float, margin: float | None) -> RaceTest:
    return RaceTest(
        [t.trial_id for t in search.trials],
        [t.trial_id for t in search.trials if t.activation == search.baseline],
        search.objective,
        alpha=alpha,
        margin=margin,
        plans=plans_of(search),
        scope=Scope(search.config.scope),
        sizes=sizes_of(search),
    )


def _replay(
    search: SearchRecord, used: Mapping[str, Mapping[int, ExecutionRecord]], samples: SampleSource
) -> tuple[RaceTest, list[int]]:
    """Replays the race on the scores that drove it, as far as its seeds are complete."""
    race = _new_race(search, alpha=search.config.alpha, margin=search.config.margin)
    complete = list[int]()
    last = max((n for executions in used.values() for n in executions), default=0)
    for n in range(1, last + 1):
        running = _running(search, race.running, n)
        present = {t: score_of(used[t][n], "validation") for t in running if n in used[t]}
        if race.finished or (n == last and len(present) < len(running)):
            break
        race.observe(present, {t: samples(t, n, "validation") for t in present})
        complete.append(n)
    return race, complete


def _race_on_judged_scores(judged: JudgedScores, alpha: float, margin: float) -> RaceTest:
    """Repeats the race's test on the judged scores and at the requested level."""
    race = _new_race(judged.search, alpha=alpha, margin=margin)
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
