"""Where a search ran, and what it takes to run it again."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import yaml

from actsearch.records import SearchRecord

_HIDDEN = frozenset({"tracking_uri", "experiment", "command", "packages"})


def environment_of(search: SearchRecord) -> dict[str, str]:
    """When and where it ran, and with which versions; nothing of the tracking store."""
    found = {"begun": _time(search.created_at), "ended": _time(search.ended_at) if search.ended_at else "not yet"}
    known = {k: v for k, v in search.environment.items() if k not in _HIDDEN and v is not None}
    if "memory_bytes" in known:
        known["memory"] = f"{known.pop('memory_bytes') / 2**30:.1f} GiB"
    found |= {name.replace("_", " "): _plain(value) for name, value in known.items()}
    return found | {name: str(v) for name, v in search.environment.get("packages", {}).items() if v}


def settings_of(search: SearchRecord) -> dict[str, str]:
    """What was asked for, and what is on record of the data."""
    data = {f"data: {name}": value for name, value in search.data.items()}
    known = {**search.settings, **data}
    return {name.replace("_", " "): _plain(value) for name, value in known.items() if value is not None}


def space_of(search: SearchRecord) -> str:
    """The search space as YAML."""
    return yaml.safe_dump(_plain_data(search.space), sort_keys=False, allow_unicode=True) if search.space else ""


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _plain_data(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain_data(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain_data(inner) for inner in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)
