"""Extending a search: more executions for one that has ended, which resumes from its ledger."""

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from actsearch.analysis.comparison import judged_scores
from actsearch.config import SearchConfig
from actsearch.errors import UnknownNameError, UsageError
from actsearch.records import Extension, SearchRecord
from actsearch.tuning.state import changed_versions, check_same_search


def messages_on(before: SearchRecord, now: SearchRecord, extension: Extension | None, directory: Path) -> list[str]:
    """Checks that a search to resume is the requested one; returns what the user is to know of its earlier run.

    Args:
        before, now: The search as its last run left it, and as it is requested.
        extension: What it is extended by.
        directory: Directory of the search.

    Raises:
        UsageError: It is another search.
    """
    check_same_search(before, replace(now, config=_as_before(now.config, before, extension)), str(directory))
    messages, num_recorded = [], sum(len(trial.executions) for trial in before.trials)
    if num_recorded:
        messages.append(f"resuming after {num_recorded} executions that are in the ledger")
    if versions := changed_versions(before, now):
        messages.append(f"versions have changed since the search started, so numbers may differ: {', '.join(versions)}")
    return messages


def extension_of(before: SearchRecord, now: SearchConfig, only: Sequence[str]) -> Extension | None:
    """Returns what a search is extended by; None if the same is requested as before.

    Args:
        before: The search as its last run left it.
        now: The requested numbers.
        only: Labels of the activations that get more executions; empty for all.

    Raises:
        UsageError: The search cannot be extended like that.
        UnknownNameError: An activation is not in the search.
    """
    known = dict.fromkeys(trial.activation for trial in before.trials)
    for label in only:
        if known and label not in known:
            raise UnknownNameError("activation", label, known, "The search")
    last = before.extensions[-1] if before.extensions else None
    old = (before.allocation, *_numbers(before), last.only if last else ())
    new = (now.allocation, now.executions, now.max_executions, tuple(only))
    if new == old:
        return None
    after = len(judged_scores(before).executions)
    _check_grows(old, new, after)
    return Extension(time.time(), after, *new)


def _as_before(now: SearchConfig, before: SearchRecord, extension: Extension | None) -> SearchConfig:
    """Returns the requested numbers with those of the original search in place of what only extensions change."""
    if extension is None and not before.extensions:
        return now
    names = ("allocation", "executions", "max_executions")
    return SearchConfig(**{**vars(now), **{name: getattr(before.config, name) for name in names}})


def _numbers(search: SearchRecord) -> tuple[int | None, int | None]:
    last = search.extensions[-1] if search.extensions else search.config
    return last.executions, last.max_executions


_Numbers = tuple[str, int | None, int | None, tuple[str, ...]]


def _check_grows(old: _Numbers, new: _Numbers, after: int) -> None:
    """Refuses what is no extension: fewer executions, or another allocation than a race."""
    (allocation, executions, most, _), (wanted, num, maximum, _) = old, new
    grows = {
        ("fixed", "fixed"): (num or 0) > (executions or 0),
        ("fixed", "race"): (maximum or 0) > after,
        ("race", "race"): (maximum or 0) > (most or 0),
    }
    if grows.get((allocation, wanted)):
        return
    had = f"{executions} executions" if executions else f"at most {most} executions"
    asked = f"{num} executions" if num else f"at most {maximum or math.inf} executions"
    raise UsageError(
        f"The search has {had} of each trial ({allocation}), but {asked} ({wanted}) are requested. A search can be "
        "extended to more executions, and a fixed one to a race; otherwise request the same, use another --directory, "
        "or delete it with --overwrite."
    )
