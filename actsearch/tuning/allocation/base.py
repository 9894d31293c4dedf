"""The interface of allocations: they assign executions seed by seed and keep the scores that are reported."""

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

from actsearch.analysis.looks import Looks
from actsearch.analysis.results import Decision
from actsearch.config import SearchConfig, check_alpha, check_margin
from actsearch.errors import UsageError
from actsearch.records import Objective, SampleScores, Scope


class Allocation(ABC):
    """Decides which trial gets the next execution.

    Executions are counted from 1, one seed each: all trials get execution 1 before any gets execution 2. Several may
    run concurrently and end in any order: decisions rest on complete seeds alone.

    Attributes:
        trials_may_join: Whether trials may be added at any time.
    """

    trials_may_join = False

    def __init__(self) -> None:
        self._started_for: Objective | None = None
        self._alpha: float = SearchConfig.alpha
        self._margin: float | None = None
        self._scope = Scope.NEW_DATA
        self._plans: tuple[Looks, ...] = ()
        self._limits: dict[str, int] = {}
        self._samples: dict[str, dict[int, SampleScores]] = {}
        self._results: dict[str, dict[int, float | None]] = {}
        self._asked: dict[str, set[int]] = {}
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
    ) -> Self:
        """Returns a copy for one search; this object is unchanged, so that it can be passed to several searches.

        Args:
            objective: Name and direction of the scores.
            alpha: Probability of ever dropping a trial that is among the best, and of a wrong claim.
            margin: Difference that does not matter; None for the objective's default, 0 for no equivalence.
            scope: What the decisions are to hold for.
            plans: The looks at the search before it was extended.

        Raises:
            UsageError: alpha or margin is out of range.
        """
        check_alpha(alpha)
        check_margin(margin)
        started = copy.deepcopy(self)
        vars(started).update(_started_for=objective, _alpha=alpha, _margin=margin, _scope=scope, _plans=tuple(plans))
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
        if samples is not None:
            self._samples[trial_id][execution] = samples

    def take_back(self, trial_id: str, execution: int) -> None:
        """Withdraws an assigned execution that was not started, so that it can be assigned again."""
        self._asked[trial_id].discard(execution)

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
        lowest: tuple[str, int] | None = None
        for trial in self._results:
            limit = min(self._limit(trial), self._limits.get(trial, math.inf))
            if self._stopped_at is not None:
                limit = min(limit, self._stopped_at)
            execution = next((e for e in range(1, int(limit) + 1) if e not in self._asked[trial]), None)
            if execution is not None and (lowest is None or execution < lowest[1]):
                lowest = (trial, execution)
        return lowest


class Waves(Allocation):
    """An allocation that decides after each complete seed.

    A seed is complete when every running trial's score for it was reported. It is evaluated when the next execution is
    asked for, so that trials may still be added until every trial has had its first.
    """

    def __init__(self) -> None:
        super().__init__()
        self._wave = 1

    def add(self, trial_id: str, *, baseline: bool = False, limit: int | None = None) -> None:
        if self._wave > 1:
            raise UsageError(
                f"Trial {trial_id!r} comes too late: execution {self._wave - 1} is complete and was compared. Add all "
                "trials before asking for more executions, or use a fixed number of executions with an oracle that "
                "learns from scores."
            )
        super().add(trial_id, baseline=baseline, limit=limit)

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
            following = super()._next()
            running = [t for t in self._running() if self._wave <= self._limits.get(t, self._wave)]
            complete = bool(running) and all(self._wave in self._results[t] for t in running)
            if following is not None or not complete:
                return following
            self._close({t: self._results[t][self._wave] for t in running})
            self._wave += 1
