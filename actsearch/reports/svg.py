"""Figures as inline SVG for an HTML page: in the colour of its text, scaled to its width, with descriptions."""

import io
import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import matplotlib
from matplotlib.figure import Figure

from actsearch.visualization._style import INK
from actsearch.visualization.figures import Caption

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
