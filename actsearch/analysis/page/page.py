"""The page, from its template."""

import base64
import hashlib
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from actsearch._version import __version__
from actsearch.analysis.canvas import NARROW, WIDE
from actsearch.analysis.captions import Caption, captions_of
from actsearch.analysis.contenders import is_joint
from actsearch.analysis.evidence import gather, is_race
from actsearch.analysis.failures import failures_of
from actsearch.analysis.findings import Verdict
from actsearch.analysis.labels import objective_label
from actsearch.analysis.page.repeating import environment_of, settings_of, space_of
from actsearch.analysis.page.svg import inline_svg
from actsearch.analysis.page.table import headers_of, rows_of
from actsearch.analysis.pictures import pictures_of
from actsearch.records import SearchRecord


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
    loader = PackageLoader("actsearch.analysis.page", "")
    pages = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    script = _file("page.js")
    return pages.get_template("page.html").render(
        search=search,
        verdict=verdict,
        objective=objective_label(search.objective),
        headers=headers_of(verdict),
        rows=rows_of(search, verdict),
        pictures=_pictures(search, verdict),
        failures=list(failures_of(search)),
        raced=is_race(search),
        joint=is_joint(gather(search)),
        matched=len({t.matching.get("initializer") for t in search.trials}) > 1,
        command=str(search.environment.get("command") or ""),
        environment=environment_of(search),
        settings=settings_of(search),
        space=space_of(search),
        version=__version__,
        style=Markup(_file("page.css")),
        script=Markup(script),
        digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _pictures(search: SearchRecord, verdict: Verdict) -> list[tuple[Caption, Markup, Markup]]:
    """Each picture with its caption: as it is on a page, and on a phone."""
    captions = captions_of(search, verdict)
    wide, narrow = (pictures_of(search, verdict, width=width) for width in (WIDE, NARROW))
    return [
        (
            captions[name],
            Markup(inline_svg(wide[name], captions[name], name=f"w{number}")),
            Markup(inline_svg(narrow[name], captions[name], name=f"n{number}")),
        )
        for number, name in enumerate(wide)
    ]


def _file(name: str) -> str:
    return resources.files("actsearch.analysis.page").joinpath(name).read_text("utf-8")
