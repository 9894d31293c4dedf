"""How many executions of a search ran at the same time."""

from actsearch.records import SearchRecord


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
