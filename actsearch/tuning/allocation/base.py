"""What every allocation does: hand out executions seed by seed, and keep what it is told."""

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

from actsearch.analysis.results import Decision
from actsearch.config import SearchConfig, check_alpha, check_margin
from actsearch.errors import UsageError
from actsearch.records import Objective


class Allocation(ABC):
    """Decides which trial gets the next execution.

    Executions are counted from 1, one seed each: all trials get execution 1 before any gets execution 2. Several may
    be under way at once, and their answers may come in any order: decisions rest on complete seeds alone.

    Attributes:
        trials_may_join: Whether trials may be added at any time.
    """

    trials_may_join = False

    def __init__(self) -> None:
        self._started_for: Objective | None = None
        self._alpha: float = SearchConfig.alpha
        self._margin: float | None = None
        self._results: dict[str, dict[int, float | None]] = {}
        self._asked: dict[str, set[int]] = {}
        self._baselines: list[str] = []
        self._stopped_at: int | None = None

    def start(self, objective: Objective, *, alpha: float, margin: float | None = None) -> Self:
        """A copy for one search; this object stays as it is, so that it can be passed to several.

        Args:
            objective: Name and direction of the scores.
            alpha: Probability of ever dropping a trial that is among the best, and of a wrong claim.
            margin: Difference that does not matter; None for the objective's default, 0 for no equivalence.

        Raises:
            UsageError: alpha or margin make no sense.
        """
        check_alpha(alpha)
        check_margin(margin)
        started = copy.deepcopy(self)
        vars(started).update(_started_for=objective, _alpha=alpha, _margin=margin)
        return started

    @property
    @abstractmethod
    def numbers(self) -> Mapping[str, Any]:
        """The numbers it was made with, by their names in `SearchConfig`."""

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
        """What was decided so far, in order."""
        return ()

    @property
    def finished(self) -> bool:
        """Whether no execution is left to hand out, and none is under way."""
        return self._next() is None and not self._waiting

    def add(self, trial_id: str, *, baseline: bool = False) -> None:
        """Makes a trial known.

        Args:
            trial_id: Its name; it gets the executions that the others have had already.
            baseline: Whether it has the baseline's activation, and is kept to the end.

        Raises:
            UsageError: It is known already, or the others have gone too far for it to join.
        """
        if trial_id in self._results:
            raise UsageError(f"Trial {trial_id!r} was added already.")
        self._results[trial_id], self._asked[trial_id] = {}, set()
        if baseline:
            self._baselines.append(trial_id)

    def ask(self) -> tuple[str, int] | None:
        """The trial and the number of the execution to run next.

        Returns:
            None where there is none for now: `finished` says whether there will be one once more is told.
        """
        found = self._next()
        if found is not None:
            self._asked[found[0]].add(found[1])
        return found

    def tell(self, trial_id: str, execution: int, score: float | None) -> None:
        """Takes in how an execution ended; also one that was not asked for, from an earlier part of the search.

        Args:
            trial_id: The trial.
            execution: The number of its execution, from 1.
            score: Its objective, None or not finite where it failed.

        Raises:
            UsageError: The trial is unknown, or the execution was told already.
        """
        if trial_id not in self._results:
            raise UsageError(f"Trial {trial_id!r} is unknown; add it first. Known: {', '.join(self._results)}.")
        if execution in self._results[trial_id]:
            raise UsageError(f"Execution {execution} of trial {trial_id!r} was told already.")
        self._asked[trial_id].add(execution)
        self._results[trial_id][execution] = score if score is not None and math.isfinite(score) else None

    def take_back(self, trial_id: str, execution: int) -> None:
        """An execution that was asked for was not begun: it is handed out again."""
        self._asked[trial_id].discard(execution)

    def stop(self) -> None:
        """Begins no further seed; the executions that complete the one under way are still handed out."""
        self._stopped_at = max((e for asked in self._asked.values() for e in asked), default=0)

    def epochs(self, trial_id: str, execution: int) -> float:  # noqa: ARG002
        """The share of the full number of epochs that an execution gets."""
        return 1.0

    @abstractmethod
    def _limit(self, trial_id: str) -> int:
        """The number of the last execution that may be handed out to a trial now."""

    @property
    def _waiting(self) -> bool:
        return any(self._asked[t] - self._results[t].keys() for t in self._results)

    def _next(self) -> tuple[str, int] | None:
        """The lowest execution that nobody was asked for; of equals that of the trial that was added first."""
        found: tuple[str, int] | None = None
        for trial in self._results:
            limit = self._limit(trial)
            if self._stopped_at is not None:
                limit = min(limit, self._stopped_at)
            execution = next((e for e in range(1, limit + 1) if e not in self._asked[trial]), None)
            if execution is not None and (found is None or execution < found[1]):
                found = (trial, execution)
        return found


class Waves(Allocation):
    """An allocation that decides after each complete seed.

    A seed is complete when every trial still running has been told for it. It is looked at when more executions are
    asked for, so that trials may still be added until every known trial has had its first.
    """

    def __init__(self) -> None:
        super().__init__()
        self._wave = 1

    def add(self, trial_id: str, *, baseline: bool = False) -> None:
        if self._wave > 1:
            raise UsageError(
                f"Trial {trial_id!r} comes too late: execution {self._wave - 1} is complete and was compared. Add all "
                "trials before asking on, or use a fixed number of executions with an oracle that learns from scores."
            )
        super().add(trial_id, baseline=baseline)

    @abstractmethod
    def _running(self) -> list[str]:
        """The trials that get the execution of this wave; empty when all is decided."""

    @abstractmethod
    def _close(self, scores: dict[str, float | None]) -> None:
        """Looks at a complete seed."""

    def _limit(self, trial_id: str) -> int:
        return self._wave if trial_id in self._running() else 0

    def _next(self) -> tuple[str, int] | None:
        while True:
            found = super()._next()
            running = self._running()
            complete = bool(running) and all(self._wave in self._results[t] for t in running)
            if found is not None or not complete:
                return found
            self._close({t: self._results[t][self._wave] for t in running})
            self._wave += 1
