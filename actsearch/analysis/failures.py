"""Why executions failed, and why trials were not run."""

from collections.abc import Iterator
from dataclasses import dataclass

from actsearch.analysis.labels import number_range, trial_label
from actsearch.records import SearchRecord, TrialRecord

MAX_REASON = 80


@dataclass(frozen=True)
class Failure:
    """Executions of one trial that failed for one reason.

    Args:
        label: What the trial is called.
        executions: Their numbers, in words: `execution 2`, `executions 1-3`.
        reason: Why, in one line.
    """

    label: str
    executions: str
    reason: str


def failures_of(search: SearchRecord) -> Iterator[Failure]:
    """The failures of a search, in its order."""
    for trial in search.trials:
        by_reason: dict[str, list[int]] = {}
        for execution in trial.executions:
            if execution.reason:
                by_reason.setdefault(execution.reason, []).append(execution.execution)
        for reason, numbers in by_reason.items():
            which = f"execution{'s' if len(numbers) > 1 else ''} {number_range(numbers)}"
            yield Failure(trial_label(search, trial), which, one_line(reason))


def why_no_score(trial: TrialRecord) -> str:
    """Why a trial has no score: `failed: ...`, `skipped: ...` or `not run`."""
    if trial.executions:
        return f"failed: {short(next((e.reason for e in trial.executions if e.reason), None))}"
    return f"skipped: {short(trial.screening.get('reason'))}" if trial.skipped else "not run"


def short(reason: str | None) -> str:
    """A reason in one line of at most 80 characters."""
    line = one_line(reason or "no reason recorded")
    return line if len(line) <= MAX_REASON else f"{line[: MAX_REASON - 1]}…"


def one_line(text: str) -> str:
    """Text without line breaks."""
    return " ".join(text.split())
