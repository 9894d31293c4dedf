"""Which executions of a search a verdict may rest on."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from actsearch.analysis.elimination import Elimination
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
