"""Which executions of a search a verdict may rest on."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from actsearch.analysis.race import Elimination
from actsearch.analysis.statistics import Array, paired_differences, resolution
from actsearch.analysis.units import Units
from actsearch.records import Direction, ExecutionRecord, SearchRecord, Status, TrialRecord


@dataclass(frozen=True)
class Evidence:
    """The complete seeds of a search.

    Args:
        search: The search.
        source: `"test"` where every completed execution has a test score, else `"validation"`.
        executions: The numbers of the executions that every trial still in the running has ended.
        scores: By trial, the scores of those executions; None where one failed.
        race: The evidence as the race saw it, where it was one.
    """

    search: SearchRecord
    source: str
    executions: tuple[int, ...]
    scores: Mapping[str, Mapping[int, float | None]]
    race: Elimination | None = None

    @property
    def baselines(self) -> list[TrialRecord]:
        """The trials with the baseline's activation."""
        return [t for t in self.search.trials if t.activation == self.search.baseline]

    @property
    def sign(self) -> int:
        """What turns a score so that larger is better."""
        return 1 if self.search.objective.direction is Direction.MAX else -1

    def known(self, trial: TrialRecord) -> dict[int, float]:
        """The scores of a trial, by execution."""
        return {n: s for n, s in self.scores[trial.trial_id].items() if s is not None}

    def failed(self, trial: TrialRecord) -> int:
        """How many executions of a trial failed."""
        return sum(s is None for s in self.scores[trial.trial_id].values())


def gather(search: SearchRecord) -> Evidence:
    """Finds the complete seeds.

    Executions with fewer epochs than the most (the first rungs of halving) are left out: they answer another
    question. In a race, which trials were still in the running after each seed follows from the scores before.
    """
    used = {t.trial_id: _ended(t, _full_epochs(search)) for t in search.trials}
    completed = [e for t in search.trials for e in t.completed]
    source = "test" if completed and all(e.test_score is not None for e in completed) else "validation"
    race = None
    if is_race(search):
        race, complete = _replay(search, used)
    else:
        begun = [set(executions) for executions in used.values() if executions]
        complete = sorted(set.intersection(*begun)) if begun else []
    scores = {
        trial: {n: score_of(executions[n], source) for n in complete if n in executions}
        for trial, executions in used.items()
    }
    return Evidence(search, source, tuple(complete), scores, race)


def is_race(search: SearchRecord) -> bool:
    """Whether executions were handed out by a race."""
    return search.settings.get("allocation") == "race"


def new_race(search: SearchRecord, *, alpha: float, margin: float | None) -> Elimination:
    """The evidence of a race before its first seed."""
    return Elimination(
        [t.trial_id for t in search.trials],
        [t.trial_id for t in search.trials if t.activation == search.baseline],
        search.objective,
        alpha=alpha,
        margin=margin,
        max_executions=max_executions(search),
    )


def max_executions(search: SearchRecord) -> int:
    """The most executions that a trial of a race may get: as it was set, or else the most that any has."""
    most = max((e.execution for t in search.trials for e in t.executions), default=1)
    return max(most, int(search.settings.get("max_executions") or 0))


def score_of(execution: ExecutionRecord, source: str) -> float | None:
    """The score that is judged; None where the execution failed or its score is no number."""
    score = execution.test_score if source == "test" else execution.score
    usable = execution.status is Status.COMPLETED and score is not None and math.isfinite(score)
    return score if usable else None


def _full_epochs(search: SearchRecord) -> int:
    return max((e.epochs for t in search.trials for e in t.executions), default=0)


def _ended(trial: TrialRecord, epochs: int) -> dict[int, ExecutionRecord]:
    return {e.execution: e for e in trial.executions if e.status is not Status.RUNNING and e.epochs == epochs}


def _replay(search: SearchRecord, used: Mapping[str, Mapping[int, ExecutionRecord]]) -> tuple[Elimination, list[int]]:
    """Runs the race again on the scores that drove it, as far as its seeds are complete."""
    alpha, margin = search.settings.get("alpha", 0.05), search.settings.get("margin")
    race, complete = new_race(search, alpha=alpha, margin=margin), list[int]()
    last = max((n for executions in used.values() for n in executions), default=0)
    for n in range(1, last + 1):
        present = {t: score_of(used[t][n], "validation") for t in race.running if n in used[t]}
        if race.finished or (n == last and len(present) < len(race.running)):
            break
        race.observe(present)
        complete.append(n)
    return race, complete


@dataclass(frozen=True)
class Contender:
    """A trial and the baseline's trial that it is compared with.

    Args:
        trial, baseline: The two.
        executions: The numbers of the executions to judge by.
        differences: Oriented differences over those that both completed.
        num_failed: Failed executions of the trial among its settings.
        num_settings: How many settings of each were chosen from.
        obstacle: Why they are not compared, where they are not.
    """

    trial: TrialRecord
    baseline: TrialRecord
    executions: tuple[int, ...]
    differences: Array
    num_failed: int = 0
    num_settings: int = 1
    obstacle: str = ""


def is_joint(evidence: Evidence) -> bool:
    """Whether an activation has several settings."""
    labels = [t.activation for t in evidence.search.trials]
    return len(set(labels)) < len(labels)


def contenders(evidence: Evidence) -> list[Contender]:
    """One for each activation but the baseline's, in the order of the search.

    Args:
        evidence: Of a search that has a trial with the baseline's activation.
    """
    if not is_joint(evidence):
        baseline = evidence.baselines[0]
        others = [t for t in evidence.search.trials if t is not baseline]
        return [pair(evidence, trial, baseline, evidence.executions) for trial in others]
    groups: dict[str, list[TrialRecord]] = {}
    for trial in evidence.search.trials:
        groups.setdefault(trial.activation, []).append(trial)
    own = groups.pop(evidence.search.baseline or "")
    return [_tuned_pair(evidence, group, own) for group in groups.values()]


def pair(
    evidence: Evidence, trial: TrialRecord, baseline: TrialRecord, executions: tuple[int, ...], settings: int = 1
) -> Contender:
    """A trial and a baseline, with their differences over these executions."""
    sign = evidence.sign
    own, other = evidence.known(trial), evidence.known(baseline)
    differences = sign * paired_differences({n: own[n] for n in executions if n in own}, other)
    return Contender(trial, baseline, executions, differences, evidence.failed(trial), settings)


def _tuned_pair(evidence: Evidence, group: list[TrialRecord], own: list[TrialRecord]) -> Contender:
    settings = min(len(group), len(own))
    if settings == 1 < max(len(group), len(own)):
        obstacle = f"not compared: {len(group)} settings against {len(own)} of {own[0].activation}"
        return Contender(group[0], own[0], (), np.array([]), evidence.failed(group[0]), 1, obstacle)
    first = math.ceil(len(evidence.executions) / 3)
    choosing, judging = evidence.executions[:first], evidence.executions[first:]
    trial = _best(evidence, group[:settings], choosing)
    return pair(evidence, trial, _best(evidence, own[:settings], choosing), judging, settings)


def _best(evidence: Evidence, trials: list[TrialRecord], executions: tuple[int, ...]) -> TrialRecord:
    """The setting with the best mean over these executions, validation scores or test; one that failed comes last."""
    sign = evidence.sign

    def merit(trial: TrialRecord) -> float:
        scores = [evidence.scores[trial.trial_id].get(n) for n in executions]
        known = [s for s in scores if s is not None]
        return sign * sum(known) / len(known) if known and len(known) == len(scores) else -math.inf

    return max(trials, key=merit)


@dataclass(frozen=True)
class Case:
    """What is judged.

    Args:
        evidence: The scores on complete seeds.
        contenders: The comparisons: with the baseline, or without one with the trial of the best mean.
        has_baseline: Whether there is a baseline with a score.
        units: How the objective is written.
        alpha, margin: The chance of any wrong claim, and the difference that does not matter.
        floor: The smallest standard deviation of differences that is believed.
        num_tests: How many comparisons share alpha.
        race: The race's tests on the scores that are judged, where it was one of single settings.
    """

    evidence: Evidence
    contenders: Sequence[Contender]
    has_baseline: bool
    units: Units
    alpha: float
    margin: float
    floor: float
    num_tests: int
    race: Elimination | None = None


def make_case(search: SearchRecord, alpha: float, margin: float | None) -> Case:
    """Prepares a search for its verdict."""
    evidence = gather(search)
    has_baseline = any(evidence.known(t) for t in evidence.baselines)
    found = contenders(evidence) if has_baseline else _against_leader(evidence)
    scores = [s for t in search.trials for s in evidence.known(t).values()]
    typical = [s for c in found[:1] for s in evidence.known(c.baseline).values()] or scores
    units = Units(search.objective, float(np.mean(typical)) if typical else 0.0)
    margin = units.default_margin if margin is None else margin
    race = None
    if evidence.race is not None and not is_joint(evidence):
        race = _race_on_judged_scores(evidence, alpha, margin)
        found = [replace(c, differences=np.array(race.differences(c.trial.trial_id))) for c in found]
    num_tests = max(len(found) if has_baseline else len(found) * (len(found) + 1) // 2, 1)
    return Case(evidence, found, has_baseline, units, alpha, margin, resolution(scores), num_tests, race)


def _against_leader(evidence: Evidence) -> list[Contender]:
    known = {t.trial_id: evidence.known(t) for t in evidence.search.trials}
    whole = [t for t in evidence.search.trials if known[t.trial_id] and not evidence.failed(t)]
    if not whole:
        return []
    leader = max(whole, key=lambda t: evidence.sign * float(np.mean(list(known[t.trial_id].values()))))
    others = [t for t in evidence.search.trials if t is not leader]
    return [pair(evidence, t, leader, evidence.executions) for t in others]


def _race_on_judged_scores(evidence: Evidence, alpha: float, margin: float) -> Elimination:
    """The same test as the race's, on the scores that are judged and at the level that is asked for."""
    race = new_race(evidence.search, alpha=alpha, margin=margin)
    for n in evidence.executions:
        race.observe({t: evidence.scores[t][n] for t in race.running if n in evidence.scores[t]})
    return race


def most_at_once(search: SearchRecord) -> int:
    """The most executions that were under way at one moment, by the times at which they began and ended.

    Example:

    >>> from actsearch.records import ExecutionRecord, Objective, SearchRecord, Status, TrialRecord
    >>> def execution(number, begin, end):
    ...     return ExecutionRecord("0", number, 1, 1, Status.COMPLETED, begin, end)
    >>> trial = TrialRecord("0", {}, "relu", executions=(execution(1, 0.0, 2.0), execution(2, 1.0, 3.0)))
    >>> most_at_once(SearchRecord("s", "s", Objective("val_loss", "min"), None, 0.0, trials=(trial,)))
    2
    """
    executions = [e for trial in search.trials for e in trial.executions]
    steps = [(e.started_at, 1) for e in executions] + [(e.ended_at, -1) for e in executions]
    most = now = 0
    for _, step in sorted(steps):  # of equal times ends come first
        now += step
        most = max(most, now)
    return most
