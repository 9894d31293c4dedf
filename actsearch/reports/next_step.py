"""What to do next with a search that is not decided."""

import math
import shlex
from pathlib import Path

from actsearch.analysis.comparison import is_joint
from actsearch.analysis.results import Comparison, Verdict
from actsearch.analysis.schedule import planned_executions
from actsearch.analysis.units import joined, rounded_up
from actsearch.records import SearchRecord
from actsearch.reports.story import subject_of

CHOOSING_TOO = 1.5  # executions for a pair, where a third of them choose configurations
MOST_NAMED = 5


def settling_heading(verdict: Verdict) -> str:
    """Introduces what `how_to_settle` returns, by the names of the activations that it settles."""
    names = [each.activation for each in _helped(verdict)]
    shown = names if len(names) <= MOST_NAMED else [*names[: MOST_NAMED - 1], f"{len(names) - MOST_NAMED + 1} others"]
    return f"To settle {joined(shown)}:"


def _helped(verdict: Verdict) -> list[Comparison]:
    """Returns those that more executions would settle, the one that the story is about first."""
    subject = subject_of(verdict)
    helped = [each for each in verdict.comparisons if each.more_executions is not None]
    return sorted(helped, key=lambda each: each is not subject)


def how_to_settle(search: SearchRecord, verdict: Verdict, directory: Path) -> str:
    """Says how to continue the search until it is decided; empty if more executions would not help.

    Args:
        search: Record of the search.
        verdict: Its verdict.
        directory: Directory of the search.
    """
    helped = _helped(verdict)
    if not helped or search.allocation not in ("fixed", "race"):
        return ""
    by_command = str(search.environment.get("command", "")).startswith("actsearch search")
    trials = {t.trial_id: t for t in search.trials}
    left = (trials[each.trial_id] for each in helped)
    if any(len(trial.executions) < planned_executions(search, trial) for trial in left):
        again = f"run it again with directory={str(directory)!r}"
        return shlex.join(["actsearch", "resume", str(directory)]) if by_command else again
    each_pair = CHOOSING_TOO if is_joint(search) else 1
    needed = {each.trial_id: math.ceil(each_pair * (each.more_executions or 0)) for each in helped}
    most = max(len(trials[trial].executions) + more for trial, more in needed.items())
    total = max(rounded_up(most), max(verdict.executions) + 1)
    only = list(dict.fromkeys(each.activation for each in helped)) if len(helped) < len(verdict.comparisons) else []
    if by_command:
        words = ["actsearch", "resume", str(directory), "--until-decided", "--max-executions", str(total)]
        return shlex.join([*words, *(word for label in only for word in ("--only", label))])
    for_some = f", only={only}" if only else ""
    race = f"actsearch.allocation.Race(max_executions={total}{for_some})"
    return f"run it again with directory={str(directory)!r}, allocation={race}, without executions"
