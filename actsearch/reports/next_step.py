"""What to do next with a search that is not decided."""

from pathlib import Path

from actsearch.analysis.results import Verdict
from actsearch.analysis.units import rounded_up
from actsearch.records import SearchRecord


def how_to_settle(search: SearchRecord, verdict: Verdict, directory: Path) -> str:
    """Says how to continue the search until it is decided; empty if more executions would not help.

    Args:
        search: Record of the search.
        verdict: Its verdict.
        directory: Directory of the search.
    """
    helped = [each for each in verdict.comparisons if each.more_executions is not None]
    if not helped:
        return ""
    total = rounded_up(max(each.num_pairs + (each.more_executions or 0) for each in helped))
    only = [each.activation for each in helped] if len(helped) < len(verdict.comparisons) else []
    if str(search.environment.get("command", "")).startswith("actsearch search"):
        for_some = f" --only {','.join(only)}" if only else ""
        return f"actsearch resume {directory} --until-decided --max-executions {total}{for_some}"
    for_some = f", only={only}" if only else ""
    return f"run it again with directory={str(directory)!r}, allocation=Race(max_executions={total}{for_some})"
