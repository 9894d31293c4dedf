"""The schedule of a search: which trials were to get which executions, and after which seeds it was looked at.

An extension may be for some activations only. The others keep the executions that they have, and no seed waits for
them; if a later extension includes them again, they get what they lack. A seed that was complete at a look stays
complete. Loop, replayed race and verdict all ask here, so that they agree.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from actsearch.analysis.looks import Looks
from actsearch.records import ExecutionRecord, Extension, Scope, SearchRecord, Status, TrialRecord

Executions = Mapping[str, Mapping[int, ExecutionRecord]]


def last_execution_of(search: SearchRecord, trial: TrialRecord, until: float = math.inf) -> float:
    """Returns the number of the last execution that a trial is to get; inf for as many as the allocation assigns.

    Args:
        search: Record of the search.
        trial: One of its trials; one that was not trained yet gets one execution, for the oracle.
        until: Later extensions are ignored.
    """
    last = math.inf
    for each in search.extensions:
        if each.at <= until:
            included = includes(each, trial, search.baseline)
            last = math.inf if included else max(min(last, num_ended(trial, each.at)), 1)
    return last


def includes(extension: Extension, trial: TrialRecord, baseline: str | None) -> bool:
    """Returns whether an extension is for a trial, among others; it always is for the baseline."""
    return not extension.only or trial.activation in {*extension.only, baseline}


def num_ended(trial: TrialRecord, at: float = math.inf) -> int:
    """Counts the executions of a trial that had ended at a time, from the first up to a gap."""
    ended = {e.execution for e in trial.executions if e.status is not Status.RUNNING and e.ended_at <= at}
    return next(n for n in range(len(ended) + 1) if n + 1 not in ended)


def number_of(search: SearchRecord) -> tuple[int | None, int | None]:
    """Returns the number of executions, or in a race their maximum, after all extensions; the other is None."""
    last = search.extensions[-1] if search.extensions else search.config
    return (last.executions, None) if search.allocation != "race" else (None, last.max_executions)


def planned_executions(search: SearchRecord, trial: TrialRecord) -> float:
    """Returns how many executions a trial is to get if the allocation does not end earlier; inf if that is unknown."""
    known = search.allocation in ("fixed", "race")
    number = next((n for n in number_of(search) if n is not None), math.inf) if known else math.inf
    return min(last_execution_of(search, trial), number)


def is_race(search: SearchRecord) -> bool:
    """Returns whether executions were allocated by a race, from the start or after an extension."""
    return search.allocation == "race"


def with_full_epochs(search: SearchRecord) -> Executions:
    """Returns the ended executions with the maximum number of epochs, by trial and number."""
    epochs = max((e.epochs for t in search.trials for e in t.executions), default=0)
    return {
        t.trial_id: {e.execution: e for e in t.executions if e.status is not Status.RUNNING and e.epochs == epochs}
        for t in search.trials
    }


class CompleteSeeds:
    """The complete seeds of a search: those that ended for every trial that was to get them, now or at an earlier end.

    Args:
        search: Record of the search.
        executions: Its executions with all epochs, from `with_full_epochs`.
    """

    def __init__(self, search: SearchRecord, executions: Executions) -> None:
        self._search, self._executions = search, executions
        times = [*search.ends, math.inf]
        self._last = {at: {t.trial_id: last_execution_of(search, t, at) for t in search.trials} for at in times}

    def at_each_end(self) -> Iterator[tuple[float, tuple[int, ...]]]:
        """Yields the times of the ends, at last inf for now, with the seeds that were complete."""
        seeds = set[int]()
        for at, last in self._last.items():
            ended = {trial: self._ended(trial, at) for trial in self._executions}
            waiting = [trial for trial, numbers in ended.items() if numbers]
            for n in set[int]().union(*ended.values()) - seeds:
                if all(n in ended[t] for t in waiting if n <= last[t]):
                    seeds.add(n)
            yield at, tuple(sorted(seeds))

    def is_complete(self, n: int, running: list[str]) -> bool:
        """Returns whether a seed of a race is, or was at an earlier end, complete for those in the running."""
        return any(all(self._has_ended(t, n, at) for t in running if n <= last[t]) for at, last in self._last.items())

    def _has_ended(self, trial: str, n: int, at: float) -> bool:
        execution = self._executions[trial].get(n)
        return execution is not None and execution.ended_at <= at

    def _ended(self, trial: str, at: float) -> set[int]:
        return {n for n in self._executions[trial] if self._has_ended(trial, n, at)}


def earlier_looks(search: SearchRecord) -> Iterator[SearchRecord]:
    """Yields the records of a search at its earlier ends, as far as it was trained further or extended after them."""
    known = sum(len(t.executions) for t in search.trials)
    done = 0
    for end in sorted(search.ends):
        trials = tuple(
            replace(t, executions=tuple(e for e in t.executions if e.ended_at <= end)) for t in search.trials
        )
        num = sum(len(t.executions) for t in trials)
        if done < num and (num < known or any(each.at > end for each in search.extensions)):
            done = num
            yield replace(
                search,
                trials=trials,
                ended_at=end,
                ends=tuple(at for at in search.ends if at <= end),
                extensions=tuple(each for each in search.extensions if each.at <= end),
            )


def plans_of(search: SearchRecord) -> list[Looks]:
    """Returns the looks of a race: after each seed, and at the ends before it became one."""
    most = max((e.execution for t in search.trials for e in t.executions), default=1)
    plans = [Looks(search.config.max_executions or most, every=True)] if search.config.allocation == "race" else []
    for each in search.extensions:
        if each.allocation == "race":
            plans = plans or _looks_before(search, each.at)
            last = max(each.max_executions or most, *(plan.last for plan in plans), 0)
            plans.append(Looks(last, every=True))
    return plans if plans[-1].last >= most else [*plans, Looks(most, every=True)]


def _looks_before(search: SearchRecord, until: float) -> list[Looks]:
    ends = CompleteSeeds(search, with_full_epochs(search)).at_each_end()
    return [Looks(count) for count in sorted({len(seeds) for at, seeds in ends if at <= until} - {0})]


def rules_of(search: SearchRecord) -> dict[str, Any]:
    """Returns how the allocation of a search decides: the arguments of `Allocation.start`, and of `RaceTest`."""
    extended = search.extensions[-1].at if search.extensions else -math.inf
    return {
        "alpha": search.config.alpha,
        "margin": search.config.margin,
        "scope": Scope(search.config.scope),
        "plans": tuple(plans_of(search)) if is_race(search) else (),
        "sizes": sizes_of(search),
        "existing": {t.trial_id: num_ended(t, extended) for t in search.trials},
    }


def sizes_of(search: SearchRecord) -> dict[str, int | None]:
    """Returns the number of samples that test parts are drawn from and that an execution trains on, if known."""
    drawn = None if search.config.splits in (None, "one") else search.data.get("num_samples")
    return {"num_samples": drawn, "num_training": search.data.get("num_training")}
