"""Tables of text, plain and as HTML, for objects that print and that notebooks show."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from markupsafe import Markup, escape

_GAP = "  "
_NARROWEST = 8  # characters


def text_table(
    headers: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1, width: int | None = None
) -> str:
    """Aligns columns of text under their headers.

    Args:
        headers: Names of the columns.
        rows: Cells of each row, one per header.
        left: Number of columns aligned to the left; the others are aligned to the right.
        width: Maximum number of characters per line; the widest cells are wrapped where it is exceeded.

    Example:

    >>> print(text_table(["site", "units"], [["dense", "64"], ["dense_1", "8"]]))
    site     units
    dense       64
    dense_1      8
    """
    lines = [tuple(headers), *map(tuple, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    while width is not None and sum(widths) + len(_GAP) * (len(widths) - 1) > width and max(widths) > _NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return "\n".join(text for line in lines for text in _wrapped(line, widths, left))


def _wrapped(cells: Sequence[str], widths: Sequence[int], left: int) -> Iterator[str]:
    """Yields the lines of text of one row."""
    parts = [textwrap.wrap(cell, width) for cell, width in zip(cells, widths, strict=True)]
    for texts in list(zip_longest(*parts, fillvalue="")) or [("",) * len(widths)]:
        aligned = [
            text.ljust(width) if column < left else text.rjust(width)
            for column, (text, width) in enumerate(zip(texts, widths, strict=True))
        ]
        yield _GAP.join(aligned).rstrip()


def html_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    """Formats a table with a row of headers. Text is escaped; `Markup` is not.

    Args:
        headers: Names of the columns.
        rows: Cells of each row, one per header.

    Example:

    >>> print(html_table(["name"], [["a < b"]]))
    <table><thead><tr><th>name</th></tr></thead><tbody><tr><td>a &lt; b</td></tr></tbody></table>
    """
    head = _joined("<th>{}</th>", headers)
    body = Markup("").join(Markup("<tr>{}</tr>").format(_joined("<td>{}</td>", row)) for row in rows)
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(head, body)


def html_heading(text: str) -> Markup:
    """Formats a line in bold."""
    return Markup("<p><b>{}</b></p>").format(text)


def html_list(items: Iterable[str]) -> Markup:
    """Formats a bulleted list."""
    return Markup("<ul>{}</ul>").format(_joined("<li>{}</li>", items))


def _joined(element: str, texts: Iterable[str]) -> Markup:
    return Markup("").join(Markup(element).format(escape(text)) for text in texts)
