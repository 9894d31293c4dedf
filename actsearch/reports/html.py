"""A search as HTML: a page from its template, and the piece of HTML that notebooks show."""

import base64
import hashlib
import io
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import resources
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import matplotlib
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from actsearch._text_tables import html_heading, html_table
from actsearch._version import __version__
from actsearch.analysis.comparison import is_joint, is_race
from actsearch.analysis.results import Outcome, Verdict
from actsearch.analysis.units import objective_label
from actsearch.records import SearchRecord
from actsearch.reports.leaderboard import LeaderboardRow, failures_of, headers_of, leaderboard_rows
from actsearch.visualization._style import INK, NARROW, WIDE, Style, styles_of
from actsearch.visualization.comparisons import plot_differences
from actsearch.visualization.figures import Caption, all_figures, captions_of

_SVG, _HREF = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
_REFERENCE = re.compile(r"(?<=#)[^)\s]+")
_LARGEST = 1.25  # times its own size

ElementTree.register_namespace("", _SVG.strip("{}"))


def inline_svg(figure: Figure, caption: Caption, *, name: str) -> str:
    """An `<svg>` element for an HTML page.

    What is drawn in `INK` has the colour of the text around it. Letters are outlines, so that it looks the same
    everywhere. The same figure gives the same text.

    Args:
        figure: What is to be shown.
        caption: Its title and description, for screen readers.
        name: A word that no other picture of the page has; the ids in the SVG begin with it.
    """
    buffer = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    drawn = ElementTree.fromstring(buffer.getvalue())
    svg = Element(f"{_SVG}svg", viewBox=drawn.attrib["viewBox"], role="img")
    svg.set("style", f"max-width: {_LARGEST * figure.get_figwidth():g}in")
    svg.set("aria-labelledby", f"{name}-title {name}-text")
    SubElement(svg, f"{_SVG}title", id=f"{name}-title").text = caption.title
    SubElement(svg, f"{_SVG}desc", id=f"{name}-text").text = f"{caption.reading} {caption.content}"
    svg.extend(child for child in drawn if child.tag != f"{_SVG}metadata" and child.find(f"{_SVG}style") is None)
    _adapt([element for part in list(svg)[2:] for element in part.iter()], name)
    return ElementTree.tostring(svg, encoding="unicode")


def _adapt(drawn: list[Element], name: str) -> None:
    """Keeps the ids that something refers to, under names of this picture's own; takes the page's ink; saves space."""
    links = [element.attrib[key] for element in drawn for key in (_HREF, "clip-path") if key in element.attrib]
    used = dict.fromkeys(found for link in links for found in _REFERENCE.findall(link))
    names = {found: f"{name}-{number}" for number, found in enumerate(used)}
    for element in drawn:
        known = element.attrib
        own = known.pop("id", None)
        if own in names:
            known["id"] = names[own]
        if _HREF in known:
            known["href"] = _REFERENCE.sub(lambda found: names[found[0]], known.pop(_HREF))
        if "clip-path" in known:
            known["clip-path"] = _REFERENCE.sub(lambda found: names[found[0]], known["clip-path"])
        if "style" in known:
            known["style"] = known["style"].replace(INK, "currentColor")
        if "d" in known:
            known["d"] = known["d"].replace("\n", "")
        element.text = element.tail = None


def html_report(search: SearchRecord, verdict: Verdict) -> str:
    """One page with the verdict, a table that sorts, the pictures, the methods, and how to repeat the search.

    It is light or dark as the reader has it, fits a phone and a sheet of paper, and works without its script. It loads
    nothing and sends nothing: style, script and pictures are in it, and its policy forbids the rest. Of the tracking
    store it says nothing.

    Args:
        search: Its records, also those of a search that is not over or of which everything failed.
        verdict: What `judge` says of it.

    Returns:
        The text of an HTML file, to be written as UTF-8. The same search gives the same text.
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
    """Each picture with its caption: as it is on a page, and on a phone."""
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
    """When and where it ran, and with which versions; nothing of the tracking store."""
    found = {"begun": _time(search.created_at), "ended": _time(search.ended_at) if search.ended_at else "not yet"}
    known = {k: v for k, v in search.environment.items() if k not in _HIDDEN and v is not None}
    if "memory_bytes" in known:
        known["memory"] = f"{known.pop('memory_bytes') / 2**30:.1f} GiB"
    found |= {name.replace("_", " "): _plain(value) for name, value in known.items()}
    return found | {name: str(v) for name, v in search.environment.get("packages", {}).items() if v}


def config_of(search: SearchRecord) -> dict[str, str]:
    """What was asked for, and what is on record of the data."""
    data = {f"data: {name}": value for name, value in search.data.items()}
    known = {**search.config.plain(), **data}
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


def search_html(search: SearchRecord, verdict: Verdict) -> str:
    """The recommendation, the leaderboard with the symbols that its activations have in plots, and the forest plot."""
    styles = styles_of(t.activation for t in search.trials)
    rows = [_cells(row, styles) for row in leaderboard_rows(search, verdict)]
    parts = [html_heading(f"{verdict.recommendation}."), html_table(headers_of(verdict), rows)]
    if any(comparison.num_pairs for comparison in verdict.comparisons):
        caption = captions_of(search, verdict)["differences"]
        parts.append(Markup(inline_svg(plot_differences(verdict), caption, name=f"search-{search.search_id}")))
    return "".join(parts)


def _cells(row: LeaderboardRow, styles: Mapping[str, Style]) -> list[Markup]:
    style, (first, *others) = styles[row.activation], row.cells
    symbol = Markup('<span style="color: {}">{}</span> {}').format(style.css_colour, style.symbol, first.text)
    return [symbol, *(Markup("{}<br><small>{}</small>").format(cell.text, cell.note) for cell in others)]
