"""Resuming a search by replaying it.

Only the ledger is trusted. The search is run again from its start with the same seed, and recorded executions are read
instead of trained: oracle and allocation receive the same scores in the same order, so they reach the state they were
in, and propose what they would have proposed.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from actsearch.errors import UsageError, shorten
from actsearch.records import SearchRecord, TrialRecord

_LONGEST_VALUE = 120  # characters
_MAY_DIFFER = {"time_budget"}  # each run of a search has its own


def check_same_search(before: SearchRecord, now: SearchRecord, where: str) -> None:
    """Raises a UsageError that lists how the search in a directory differs from the requested one."""
    differences = [
        f"  {name}: {shorten(repr(old), _LONGEST_VALUE)} there, {shorten(repr(new), _LONGEST_VALUE)} now"
        for name, old, new in _compared(before, now)
        if _as_in_json(old) != _as_in_json(new)
    ]
    if differences:
        raise UsageError(
            f"{where} holds a search that differs from this one:\n"
            + "\n".join(differences)
            + "\nRequest the same search to resume it, use another --directory, or delete it with --overwrite."
        )


def changed_versions(before: SearchRecord, now: SearchRecord) -> list[str]:
    """Lists the packages whose versions changed since the search started: numbers may differ from then on."""
    old, new = (record.environment.get("packages", {}) for record in (before, now))
    return [f"{name} {old[name]} then, {new[name]} now" for name in old if old[name] != new.get(name)]


def check_same_trial(before: TrialRecord, hyperparameters: Mapping[str, Any]) -> None:
    """Raises a UsageError if an oracle proposes a different trial than in the earlier run."""
    if _as_in_json(before.hyperparameters) != _as_in_json(hyperparameters):
        raise UsageError(
            f"The oracle proposes {dict(hyperparameters)} for trial {before.trial_id}, but earlier it proposed "
            f"{dict(before.hyperparameters)}: this search cannot be resumed. Give your own oracle a seed, and use a "
            "build function that asks for the same hyperparameters each time."
        )


def _compared(before: SearchRecord, now: SearchRecord) -> list[tuple[str, Any, Any]]:
    rows = [(name, getattr(before, name), getattr(now, name)) for name in ("name", "baseline")]
    rows.append(("objective", asdict(before.objective), asdict(now.objective)))
    rows.append(("space", before.space, now.space))
    old, new = before.config.plain(), now.config.plain()
    rows += [(n, old.get(n), new.get(n)) for n in sorted({*old, *new} - _MAY_DIFFER)]
    rows += [(f"data.{n}", before.data.get(n), now.data.get(n)) for n in sorted({*before.data, *now.data})]
    return [*rows, ("model", before.model, now.model)]


def _as_in_json(value: Any) -> Any:
    """Converts a value to what JSON would return, so that mappings and sequences compare by their content."""
    if isinstance(value, Mapping):
        return {str(name): _as_in_json(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_as_in_json(part) for part in value]
    return value
