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
_LARGEST = 1.25  # times the size of the figure

ElementTree.register_namespace("", _SVG.strip("{}"))


def inline_svg(figure: Figure, caption: Caption, *, name: str) -> str:
    """Converts a figure to an `<svg>` element for an HTML page.

    Everything drawn in `INK` takes the colour of the surrounding text. Letters are outlines, so that it looks the same
    everywhere. The same figure always gives the same element.

    Args:
        figure: The figure.
        caption: Its title and description, for screen readers.
        name: Word that is unique in the page; the ids in the SVG start with it.

    Returns:
        The element.
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
    """Renames the ids that are referred to and drops the others, uses the page's text colour, and saves space."""
    links = [element.attrib[key] for element in drawn for key in (_HREF, "clip-path") if key in element.attrib]
    used = dict.fromkeys(reference for link in links for reference in _REFERENCE.findall(link))
    names = {reference: f"{name}-{number}" for number, reference in enumerate(used)}
    for element in drawn:
        attributes = element.attrib
        own = attributes.pop("id", None)
        if own in names:
            attributes["id"] = names[own]
        if _HREF in attributes:
            attributes["href"] = _REFERENCE.sub(lambda match: names[match[0]], attributes.pop(_HREF))
        if "clip-path" in attributes:
            attributes["clip-path"] = _REFERENCE.sub(lambda match: names[match[0]], attributes["clip-path"])
        if "style" in attributes:
            attributes["style"] = attributes["style"].replace(INK, "currentColor")
        if "d" in attributes:
            attributes["d"] = attributes["d"].replace("\n", "")
        element.text = element.tail = None


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
        score=objective_label(search.objective, verdict.judged_score),
        headers=headers_of(search, verdict),
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
    values = {**search.config.plain(), "weights": search.weights, **data}
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


def search_html(search: SearchRecord, verdict: Verdict) -> str:
    """The recommendation, the leaderboard with the symbols that its activations have in plots, and the forest plot."""
    styles = styles_of(t.activation for t in search.trials)
    rows = [_cells(row, styles) for row in leaderboard_rows(search, verdict)]
    parts = [html_heading(f"{verdict.recommendation}."), html_table(headers_of(search, verdict), rows)]
    if any(comparison.num_pairs for comparison in verdict.comparisons):
        caption = captions_of(search, verdict)["differences"]
        parts.append(Markup(inline_svg(plot_differences(verdict), caption, name=f"search-{search.search_id}")))
    return "".join(parts)


def _cells(row: LeaderboardRow, styles: Mapping[str, Style]) -> list[Markup]:
    style, (first, *others) = styles[row.activation], row.cells
    symbol = Markup('<span style="color: {}">{}</span> {}').format(style.css_colour, style.symbol, first.text)
    return [symbol, *(Markup("{}<br><small>{}</small>").format(cell.text, cell.note) for cell in others)]
