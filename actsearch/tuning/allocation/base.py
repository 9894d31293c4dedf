"""The interface of allocations: they assign executions seed by seed and keep the scores that are reported."""

import copy
import heapq
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

from actsearch.analysis.looks import Looks
from actsearch.analysis.results import Decision
from actsearch.config import check_alpha, check_margin
from actsearch.errors import UsageError
from actsearch.records import Objective, SampleScores, Scope


class Allocation(ABC):
    """Decides which trial gets the next execution.

    Executions are counted from 1, one seed each: all trials get execution 1 before any gets execution 2. Several may
    run concurrently and end in any order: decisions rest on complete seeds alone.

    Attributes:
        trials_may_join: Whether trials may be added at any time.
        needs_samples: Whether it decides by the scores of single samples; otherwise they are not kept.

    Example:

    >>> class FirstTwice(Allocation):
    ...     numbers = {}
    ...     def _limit(self, trial_id):
    ...         return 2 if trial_id == self.trials[0] else 1
    >>> allocation = FirstTwice()
    >>> allocation.add("relu"); allocation.add("selu")
    >>> [allocation.ask() for _ in range(4)]
    [('relu', 1), ('selu', 1), ('relu', 2), None]
    """

    trials_may_join = needs_samples = False

    def __init__(self) -> None:
        self._started_for: Objective | None = None
        self._rules: dict[str, Any] = {}
        self._limits: dict[str, int] = {}
        self._samples: dict[str, dict[int, SampleScores]] = {}
        self._results: dict[str, dict[int, float | None]] = {}
        self._asked: dict[str, set[int]] = {}
        self._free: list[tuple[int, int, str]] = []  # a heap: a number that may be free, the trial's place, the trial
        self._baselines: list[str] = []
        self._stopped_at: int | None = None

    def start(
        self,
        objective: Objective,
        *,
        alpha: float,
        margin: float | None = None,
        scope: Scope = Scope.NEW_DATA,
        plans: Sequence[Looks] = (),
        sizes: Mapping[str, int | None] | None = None,
        existing: Mapping[str, float] | None = None,
    ) -> Self:
        """Returns a copy for one search; this object is unchanged, so that it can be passed to several searches.

        Args:
            objective: Name and direction of the scores.
            alpha: Probability of ever dropping a trial that is among the best, and of a wrong claim.
            margin: Difference that does not matter; None for the objective's default, 0 for no equivalence.
            scope: What the decisions are to hold for.
            plans: The looks of a race; empty for one after each seed.
            sizes: `num_samples` and `num_training` as for `Differences`, where they are known.
            existing: Number of executions that trials had before the search was extended.

        Raises:
            UsageError: alpha or margin is out of range.
        """
        check_alpha(alpha)
        check_margin(margin)
        started = copy.deepcopy(self)
        rules = {"alpha": alpha, "margin": margin, "scope": scope, "plans": tuple(plans), "sizes": sizes}
        vars(started).update(_started_for=objective, _rules=rules | {"existing": existing})
        return started

    @property
    @abstractmethod
    def numbers(self) -> Mapping[str, Any]:
        """The arguments of its constructor, by their names in `SearchConfig`."""

    @property
    def only(self) -> tuple[str, ...]:
        """Labels of the activations that a search is extended for, besides the baseline; empty for all."""
        return ()

    @property
    def _objective(self) -> Objective:
        if self._started_for is None:
            raise UsageError(f"{type(self).__name__} has no objective yet: call start(objective, alpha=...) first.")
        return self._started_for

    @property
    def trials(self) -> tuple[str, ...]:
        """All trials, in the order in which they were added."""
        return tuple(self._results)

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """The decisions so far, in order."""
        return ()

    @property
    def finished(self) -> bool:
        """Whether no execution is left to assign, and none is under way."""
        return self._next() is None and not self._waiting

    def add(self, trial_id: str, *, baseline: bool = False, limit: int | None = None) -> None:
        """Adds a trial.

        Args:
            trial_id: Id of the trial; it also gets the executions that the others already had.
            baseline: Whether it has the baseline's activation, and is kept to the end.
            limit: Number of its last execution, if the search is extended for others only.

        Raises:
            UsageError: The trial was added before, or the search is too far along for it to join.
        """
        if trial_id in self._results:
            raise UsageError(f"Trial {trial_id!r} was already added.")
        heapq.heappush(self._free, (1, len(self._results), trial_id))
        self._results[trial_id], self._asked[trial_id], self._samples[trial_id] = {}, set(), {}
        if baseline:
            self._baselines.append(trial_id)
        if limit is not None:
            self._limits[trial_id] = limit

    def ask(self) -> tuple[str, int] | None:
        """Assigns the next execution.

        Returns:
            The trial and the number of its execution; None if there is none until more scores are reported, or, if
            `finished`, at all.
        """
        assigned = self._next()
        if assigned is not None:
            self._asked[assigned[0]].add(assigned[1])
        return assigned

    def tell(self, trial_id: str, execution: int, score: float | None, samples: SampleScores | None = None) -> None:
        """Reports the score of an execution, possibly one that was not assigned, from an earlier run of the search.

        Args:
            trial_id: Id of the trial.
            execution: Number of its execution, from 1.
            score: Its objective; None or not finite if it failed.
            samples: Its sample scores, if they are known: without them, decisions hold for these data only.

        Raises:
            UsageError: The trial is unknown, or the execution was already reported.
        """
        if trial_id not in self._results:
            raise UsageError(f"Trial {trial_id!r} is unknown; add it first. Known: {', '.join(self._results)}.")
        if execution in self._results[trial_id]:
            raise UsageError(f"Execution {execution} of trial {trial_id!r} was already reported.")
        self._asked[trial_id].add(execution)
        self._results[trial_id][execution] = score if score is not None and math.isfinite(score) else None
        if samples is not None and self.needs_samples:
            self._samples[trial_id][execution] = samples

    def take_back(self, trial_id: str, execution: int) -> None:
        """Withdraws an assigned execution that was not started, so that it can be assigned again."""
        self._asked[trial_id].discard(execution)
        heapq.heappush(self._free, (execution, list(self._results).index(trial_id), trial_id))

    def stop(self) -> None:
        """Starts no further seed; executions that complete the current seed are still assigned."""
        self._stopped_at = max((e for asked in self._asked.values() for e in asked), default=0)

    def epochs(self, trial_id: str, execution: int) -> float:  # noqa: ARG002
        """Returns the share of the full number of epochs that an execution gets."""
        return 1.0

    @abstractmethod
    def _limit(self, trial_id: str) -> int:
        """Returns the number of the last execution that a trial may be assigned now."""

    @property
    def _waiting(self) -> bool:
        return any(self._asked[t] - self._results[t].keys() for t in self._results)

    def _next(self) -> tuple[str, int] | None:
        """Returns the lowest execution that is not assigned yet; in a tie, that of the trial added first."""
        beyond = []  # their trials may be assigned more later
        lowest: tuple[str, int] | None = None
        while self._free and lowest is None:
            execution, place, trial = self._free[0]
            if execution in self._asked[trial]:
                heapq.heapreplace(self._free, (execution + 1, place, trial))
            elif execution <= min(self._limit(trial), self._limits.get(trial, math.inf), self._last):
                lowest = (trial, execution)
            else:
                beyond.append(heapq.heappop(self._free))
        for entry in beyond:
            heapq.heappush(self._free, entry)
        return lowest

    @property
    def _last(self) -> float:
        """Number of the last execution, if no further seed is started."""
        return math.inf if self._stopped_at is None else self._stopped_at


class Waves(Allocation):
    """An allocation that decides after each complete seed.

    A seed is complete when every running trial's score for it was reported. It is evaluated when the next execution is
    asked for, so that trials may still be added until every trial has had its first.
    """

    def __init__(self) -> None:
        super().__init__()
        self._wave = 1
        self._in_wave: list[str] | None = None  # trials that get the execution of this wave; None until it is asked for
        self._num_assigned = 0  # of them, from the first on

    def add(self, trial_id: str, *, baseline: bool = False, limit: int | None = None) -> None:
        if self._wave > 1:
            raise UsageError(
                f"Trial {trial_id!r} comes too late: execution {self._wave - 1} is complete and was compared. Add all "
                "trials before asking for more executions, or use a fixed number of executions with an oracle that "
                "learns from scores."
            )
        super().add(trial_id, baseline=baseline, limit=limit)
        self._in_wave = None

    def take_back(self, trial_id: str, execution: int) -> None:
        super().take_back(trial_id, execution)
        self._num_assigned = 0

    @abstractmethod
    def _running(self) -> list[str]:
        """Returns the trials that get the execution of this wave; empty when everything is decided."""

    @abstractmethod
    def _close(self, scores: dict[str, float | None]) -> None:
        """Evaluates a complete seed."""

    def _limit(self, trial_id: str) -> int:
        return self._wave if trial_id in self._running() else 0

    def _next(self) -> tuple[str, int] | None:
        while True:
            if self._in_wave is None:
                limits = self._limits
                self._in_wave = [t for t in self._running() if self._wave <= limits.get(t, self._wave)]
                self._num_assigned = 0
            following = self._next_in(self._in_wave)
            if following is not None or not self._in_wave:
                return following
            if not all(self._wave in self._results[t] for t in self._in_wave):
                return None
            self._close({t: self._results[t][self._wave] for t in self._in_wave})
            self._wave, self._in_wave = self._wave + 1, None

    def _next_in(self, trials: list[str]) -> tuple[str, int] | None:
        """Returns the first of these trials that was not assigned the execution of this wave."""
        while self._num_assigned < len(trials) and self._wave in self._asked[trials[self._num_assigned]]:
            self._num_assigned += 1
        if self._num_assigned == len(trials) or self._wave > self._last:
            return None
        return trials[self._num_assigned], self._wave
