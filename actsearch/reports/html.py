"""Reports of a search as a self-contained HTML page."""

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from actsearch._version import __version__
from actsearch.analysis.comparison import is_joint, is_race
from actsearch.analysis.results import Outcome, Verdict
from actsearch.analysis.units import objective_label
from actsearch.records import SearchRecord
from actsearch.reports.leaderboard import failures_of, headers_of, leaderboard_rows
from actsearch.reports.svg import inline_svg
from actsearch.visualization._style import NARROW, WIDE, styles_of
from actsearch.visualization.figures import Caption, all_figures, captions_of


def html_report(search: SearchRecord, verdict: Verdict) -> str:
    """Writes an HTML page with the verdict, a sortable table, the figures, the methods, and how to reproduce it.

    It follows the reader's light or dark mode, fits a phone and a sheet of paper, and works without its script. It
    loads and sends nothing: style, script and figures are embedded, and its security policy forbids anything else. It
    does not mention the tracking store.

    Args:
        search: Record of the search, which may still be running or have failed.
        verdict: Its verdict, from `judge`.

    Returns:
        The text of an HTML file, to be written as UTF-8. The same search always gives the same text.
    """
    loader = PackageLoader("actsearch.reports", "")
    pages = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    script = _file("page.js")
    return pages.get_template("page.html").render(
        search=search,
        verdict=verdict,
        objective=objective_label(search.objective),
        headers=headers_of(verdict),
        rows=leaderboard_rows(search, verdict),
        styles=styles_of(t.activation for t in search.trials),
        outcomes=set(Outcome),
        pictures=_pictures(search, verdict),
        failures=list(failures_of(search)),
        raced=is_race(search),
        joint=is_joint(search),
        matched=len({t.matching.get("initializer") for t in search.trials}) > 1,
        command=str(search.environment.get("command") or ""),
        environment=environment_of(search),
        config=config_of(search),
        space=space_of(search),
        version=__version__,
        style=Markup(_file("page.css")),
        script=Markup(script),
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _pictures(search: SearchRecord, verdict: Verdict) -> list[tuple[Caption, Markup, Markup]]:
    """Draws each figure with its caption, in a wide version and one for a phone."""
    captions = captions_of(search, verdict)
    wide, narrow = (all_figures(search, verdict, width=width) for width in (WIDE, NARROW))
    return [
        (
            captions[name],
            Markup(inline_svg(wide[name], captions[name], name=f"w{number}")),
            Markup(inline_svg(narrow[name], captions[name], name=f"n{number}")),
        )
        for number, name in enumerate(wide)
    ]


def _file(name: str) -> str:
    return resources.files("actsearch.reports").joinpath(name).read_text("utf-8")


_HIDDEN = frozenset({"tracking_uri", "experiment", "command", "packages"})


def environment_of(search: SearchRecord) -> dict[str, str]:
    """Describes when and where the search ran, and with which versions; omits the tracking store."""
    facts = {"started": _time(search.created_at), "ended": _time(search.ended_at) if search.ended_at else "not yet"}
    shown = {k: v for k, v in search.environment.items() if k not in _HIDDEN and v is not None}
    if "memory_bytes" in shown:
        shown["memory"] = f"{shown.pop('memory_bytes') / 2**30:.1f} GiB"
    facts |= {name.replace("_", " "): _plain(value) for name, value in shown.items()}
    return facts | {name: str(v) for name, v in search.environment.get("packages", {}).items() if v}


def config_of(search: SearchRecord) -> dict[str, str]:
    """Describes the configuration of the search and its data."""
    data = {f"data: {name}": value for name, value in search.data.items()}
    values = {**search.config.plain(), **data}
    return {name.replace("_", " "): _plain(value) for name, value in values.items() if value is not None}


def space_of(search: SearchRecord) -> str:
    """Formats the search space as YAML."""
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
