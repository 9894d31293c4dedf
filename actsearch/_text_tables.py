"""Tables of text, plain and as HTML, with small pictures, for objects that print and that notebooks show."""

import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import zip_longest

from markupsafe import Markup, escape

_GAP = "  "
_NARROWEST = 8  # characters
_BEYOND = 3  # times the range of the middle half, from where on values are outliers
_SQUEEZING = 8  # times the range of the others, from where on outliers are cut
_LONG = 20  # characters
_MAX_SPREAD = 1e4  # of the largest number to the smallest
_MOST = 0.75  # of the values, which are never cut


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


def breakable(text: str) -> Markup:
    """Escapes a text, and lets its lines break after the arrows of a label; inside a name only if it is a long one.

    Example:

    >>> print(breakable("leaky_relu→a<b"))
    leaky_relu→<wbr>a&lt;b
    >>> print(breakable("the_activation_of_a_user"))
    the_<wbr>activation_<wbr>of_<wbr>a_<wbr>user
    """
    return Markup("").join(
        Markup(re.sub("(?<=[→_])|(?=[(])" if len(word) > _LONG else "(?<=→)", "<wbr>", str(escape(word))))
        for word in re.split(r"(?<=[\s→])", text)
    )


def same_decimals(values: Sequence[float], digits: int = 3) -> list[str]:
    """Formats the numbers of a column: so many digits of the typical one, and as many decimals of all others.

    Where no number of decimals suits all, each has its own.

    Example:

    >>> same_decimals([1.0, 1.25, 12.5]), same_decimals([7, 1_234_567])
    (['1.00', '1.25', '12.50'], ['7', '1,234,567'])
    """
    known = sorted(abs(value) for value in values if value)
    if not known:
        return ["0" for _ in values]
    decimals = max(digits - 1 - math.floor(math.log10(known[len(known) // 2])), 0)
    if all(value == round(value) for value in known):
        decimals = 0
    elif known[-1] > _MAX_SPREAD * known[0]:
        return [f"{value:,.0f}" if abs(value) >= 100 else f"{value:.{digits}g}" for value in values]
    return [f"{value:,.{decimals}f}" for value in values]


def core(values: Iterable[float]) -> tuple[float, float]:
    """Returns the range of all values, or of all but a few that would squeeze the others.

    Example:

    >>> core([0.95, 0.97, 0.96, 0.98]), core([0.95, 0.97, 0.96, 0.98, 0.1])
    ((0.95, 0.98), (0.95, 0.98))
    """
    known = sorted(value for value in values if math.isfinite(value))
    if not known:
        return 0.0, 0.0
    low, high = known[(len(known) + 1) // 4], known[len(known) - 1 - (len(known) + 1) // 4]
    reach = _BEYOND * (high - low)
    inner = [value for value in known if low - reach <= value <= high + reach]
    squeezes = known[-1] - known[0] > _SQUEEZING * (inner[-1] - inner[0]) > 0
    is_cut = squeezes and len(inner) >= _MOST * len(known)
    return (inner[0], inner[-1]) if is_cut else (known[0], known[-1])


def interval_view(ends: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """Returns the range in which bars of intervals are drawn; one of several times the usual width is cut.

    Args:
        ends: Ends of each finite interval.

    Example:

    >>> interval_view([(-1.0, 1.0), (0.0, 2.0), (-90.0, 90.0)])
    (-4.0, 5.0)
    """
    intervals = list(ends)
    middles = [(low + high) / 2 for low, high in intervals]
    first, last = core(middles)[0], max(middles, default=0.0)  # what is best is never cut
    widths = sorted(high - low for low, high in intervals)
    most = 2 * widths[len(widths) // 2] if widths else 0.0
    low = min([0.0, *(max(low, first - most) for low, _ in intervals)])
    return low, max([0.0, *(min(high, last + most) for _, high in intervals)])


def interval_bar(
    gain: float | None, ends: tuple[float, float] | None, view: tuple[float, float], *, margin: float, title: str
) -> Markup:
    """Draws a gain and its interval around 0 as a small picture; what is cut has an arrow.

    Args:
        gain: The gain; None for the baseline, which is the line at 0.
        ends: Ends of its interval; None if there is none.
        view: Range of all pictures of a column.
        margin: Difference that does not matter, a grey band.
        title: What it shows, in words.

    Example:

    >>> picture = interval_bar(1.0, (0.5, 9.0), (-1.0, 3.0), margin=0.5, title="+1.0 [0.5, 9.0]")
    >>> picture.count("<polygon"), picture.count("<circle")
    (1, 1)
    """
    low, high = view
    reach = (high - low) or 1.0

    def at(value: float) -> float:
        return round(_INSET + (_BAR_WIDTH - 2 * _INSET) * (min(max(value, low), high) - low) / reach, 1)

    zero, middle = at(0.0), _BAR_HEIGHT / 2
    parts = [
        f'<rect x="{at(-margin)}" y="0" width="{at(margin) - at(-margin):.1f}" height="{_BAR_HEIGHT}" opacity=".15"/>'
    ]
    parts.append(f'<path d="M{zero} 0V{_BAR_HEIGHT}" stroke="currentColor" opacity=".6"/>')
    if ends is not None and ends[0] <= high and ends[1] >= low:
        parts.append(f'<path d="M{at(ends[0])} {middle}H{at(ends[1])}" stroke="currentColor" stroke-width="2"/>')
    reached = [value for value in (gain, *(ends or ())) if value is not None and math.isfinite(value)]
    if reached and min(reached) < low:
        parts.append(f'<polygon points="0,{middle} {_INSET},{middle - 3} {_INSET},{middle + 3}"/>')
    if reached and max(reached) > high:
        start = _BAR_WIDTH - _INSET
        parts.append(f'<polygon points="{_BAR_WIDTH},{middle} {start},{middle - 3} {start},{middle + 3}"/>')
    if gain is not None and low <= gain <= high:
        parts.append(f'<circle cx="{at(gain)}" cy="{middle}" r="3"/>')
    return small_picture("".join(parts), (_BAR_WIDTH, _BAR_HEIGHT), title=title)


_BAR_WIDTH, _BAR_HEIGHT, _INSET = 120, 14, 6


def curve_picture(values: Sequence[float], *, title: str) -> Markup:
    """Draws a function from -4 to 4 as a small picture with both axes; from -2 to 4, where it exceeds that.

    Args:
        values: Its values at equal distances.
        title: What it shows, in words.

    Example:

    >>> curve_picture([-4.0, 0.0, 4.0], title="linear").count("<polyline")
    1
    """
    width, height = _CURVE
    low, high = max(min([-0.5, *values]), -2.0), min(max([1.0, *values]), 4.0)

    def at(value: float) -> float:
        return round(1 + (height - 2) * (high - min(max(value, low), high)) / (high - low), 1)

    step = width / max(len(values) - 1, 1)
    points = " ".join(f"{number * step:.1f},{at(value)}" for number, value in enumerate(values) if math.isfinite(value))
    axes = f'<path d="M0 {at(0.0)}H{width}M{width // 2} 0V{height}" stroke="currentColor" opacity=".3"/>'
    line = f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="1.5"/>'
    return small_picture(axes + line, _CURVE, title=title)


_CURVE = (48, 24)


def small_picture(drawn: str, size: tuple[int, int], *, title: str) -> Markup:
    """Makes an `<svg>` element in the colour of the text.

    Args:
        drawn: Elements of SVG, of which nothing came from the user.
        size: Width and height in pixels.
        title: What it shows, in words; escaped here.
    """
    width, height = size
    head = Markup(
        '<svg viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" fill="currentColor" stroke-width="1">'
    )
    return Markup("{}<title>{}</title>{}</svg>").format(head.format(width, height), title, Markup(drawn))


def html_heading(text: str) -> Markup:
    """Formats a line in bold."""
    return Markup("<p><b>{}</b></p>").format(text)


def html_list(items: Iterable[str]) -> Markup:
    """Formats a bulleted list."""
    return Markup("<ul>{}</ul>").format(_joined("<li>{}</li>", items))


def _joined(element: str, texts: Iterable[str]) -> Markup:
    return Markup("").join(Markup(element).format(escape(text)) for text in texts)
