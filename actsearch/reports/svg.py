"""Figures as SVG that stands in a page: in its ink, as wide as there is room, and described for screen readers."""

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
